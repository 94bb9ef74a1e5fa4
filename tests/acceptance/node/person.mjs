// Run in a browser: somebody signs up and in with the official web SDK, calls a function through
// the SDK and on its domain, hears the run end, signs out, and tells what came of it all.
export async function person(sdk, options) {
  const { endpoint, project, user, email, password, functionId, domain } = options;
  const client = new sdk.Client().setEndpoint(endpoint).setProject(project);
  const account = new sdk.Account(client);
  const functions = new sdk.Functions(client);
  const seen = { kept: [], heard: [] };

  const made = await account.create({ userId: user, email, password, name: 'Ann' });
  await account.createEmailPasswordSession({ email, password });
  seen.signedIn = [made.$id, (await account.get()).$id];
  seen.cookies = document.cookie; // the session is not for scripts to read
  seen.kept.push(Object.keys(JSON.parse(localStorage.getItem('cookieFallback') ?? '{}')));

  const { jwt } = await account.createJWT({ duration: 900 });
  const run = await functions.createExecution({ functionId, body: 'by sdk', method: 'PUT' });
  seen.bySdk = JSON.parse(run.responseBody);
  const call = (headers) =>
    fetch(`${domain}/?on=domain`, { method: 'PUT', body: 'by fetch', headers });
  const answer = await call({ 'x-appwrite-user-jwt': jwt, 'content-type': 'application/json' });
  seen.onDomain = await answer.json();
  seen.execution = answer.headers.get('x-appwrite-execution-id');
  const asUser = new sdk.Functions(
    new sdk.Client().setEndpoint(endpoint).setProject(project).setJWT(jwt),
  );
  seen.byJwt = await tried(() => asUser.createExecution({ functionId }));

  const stop = client.subscribe('executions', ({ events, payload }) =>
    seen.heard.push([events[0], payload.$id, payload.status]),
  );
  await until(() => seen.heard.length > 0, () => functions.createExecution({ functionId, async: true }));
  const queued = await functions.createExecution({ functionId, async: true });
  await until(() => seen.heard.some(([, id, status]) => id === queued.$id && status === 'completed'));
  seen.heard = seen.heard.filter(([, id]) => id === queued.$id).map(([name, , status]) => [name, status]);
  seen.queued = queued.$id;
  stop();

  await account.deleteSession({ sessionId: 'current' });
  seen.kept.push(Object.keys(JSON.parse(localStorage.getItem('cookieFallback') ?? '{}')));
  seen.signedOut = await tried(() => account.get());
  seen.afterwards = await tried(() => functions.createExecution({ functionId }));
  const late = await call({ 'x-appwrite-user-jwt': jwt, accept: 'application/json' });
  seen.jwtAfterwards = [late.status, (await late.json()).type];
  return seen;
}

// What a page that is no platform of the project gets to see.
export async function stranger(sdk, { endpoint, project, functionId, domain, jwt }) {
  const client = new sdk.Client().setEndpoint(endpoint).setProject(project);
  const account = new sdk.Account(client);
  return {
    account: await tried(() => account.createAnonymousSession()),
    run: await tried(() => new sdk.Functions(client).createExecution({ functionId })),
    domain: await tried(() => fetch(domain, { headers: { 'x-appwrite-user-jwt': jwt } })),
  };
}

async function tried(work) {
  try {
    const done = await work();
    return [done.status ?? 200, ''];
  } catch (error) {
    return [error.code ?? 0, error.type ?? ''];
  }
}

async function until(isTrue, meanwhile = () => undefined) {
  const deadline = Date.now() + 120_000;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`never became true: ${isTrue}`);
    await meanwhile();
    await new Promise((done) => setTimeout(done, 100));
  }
}
