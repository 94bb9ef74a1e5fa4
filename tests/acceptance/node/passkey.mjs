// Run on a page in a browser with an authenticator: a user signs up, registers a passkey and signs
// in with it twice. The web SDK has no methods for passkeys yet, so its `call` is used.
export async function passkey(sdk, { endpoint, project, user, email, password }) {
  const client = new sdk.Client().setEndpoint(endpoint).setProject(project);
  const account = new sdk.Account(client);
  const headers = { 'x-appwrite-project': project, 'content-type': 'application/json' };
  const call = (method, path, body) => client.call(method, new URL(endpoint + path), headers, body);

  await account.create({ userId: user, email, password, name: 'Ann' });
  await account.createEmailPasswordSession({ email, password });
  const begun = await call('post', '/account/passkeys', { name: 'Laptop' });
  const made = await navigator.credentials.create({
    publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(begun.publicKey),
  });
  const path = `/account/passkeys/${begun.passkeyId}/verification`;
  const registered = await call('put', path, { credential: made.toJSON() });
  const again = await call('post', '/account/passkeys', { name: 'Laptop' });
  const excluded = await navigator.credentials
    .create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(again.publicKey) })
    .then(() => '', (error) => error.name);
  await account.deleteSession({ sessionId: 'current' });

  const sessions = [];
  for (let time = 0; time < 2; time += 1) {
    const asked = await call('post', '/account/tokens/passkey');
    const credential = await navigator.credentials.get({
      publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked.publicKey),
    });
    const answer = { challengeId: asked.$id, credential: credential.toJSON() };
    const token = await call('put', '/account/tokens/passkey', answer);
    const refused = await call('put', '/account/tokens/passkey', answer).catch((error) => error.type);
    await account.createSession({ userId: token.userId, secret: token.secret });
    const { provider, factors } = await account.getSession({ sessionId: 'current' });
    sessions.push({ user: (await account.get()).$id, provider, factors, refused });
    await account.deleteSession({ sessionId: 'current' });
  }
  return { name: registered.name, relyingParty: begun.publicKey.rp.id, excluded, sessions };
}
