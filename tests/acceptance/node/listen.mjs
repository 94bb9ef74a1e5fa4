// Run in Node and in a browser alike: a user signs in, listens with the official web SDK and
// tells what was heard of a run of a function and of a change of its own account.
export async function listen(sdk, { endpoint, project, user, email, password, functionId }) {
  const client = new sdk.Client().setEndpoint(endpoint).setProject(project);
  const account = new sdk.Account(client);
  await account.create({ userId: user, email, password, name: 'Ann' });
  await account.createEmailPasswordSession({ email, password });

  const seen = { account: [], executions: [], narrow: [] };
  const stop = client.subscribe(['account', 'executions'], ({ events, channels, payload }) => {
    if (channels.includes('executions')) {
      seen.executions.push([events[0], payload.status, payload.$id, payload.logs]);
    } else {
      seen.account.push([events[0], payload.name]);
    }
  });
  // The newer interface of the same SDK, on a connection of its own, with a filter.
  const realtime = new sdk.Realtime(client);
  await realtime.subscribe(
    ['executions'],
    ({ payload }) => seen.narrow.push(payload.status),
    [sdk.Query.equal('status', ['completed'])],
  );

  // Neither interface tells when it listens, so something small is changed until it is heard.
  await until(() => seen.account.length > 0, () => account.updatePrefs({ prefs: {} }));
  const functions = new sdk.Functions(client);
  await until(
    () => seen.narrow.length > 0,
    () => functions.createExecution({ functionId, async: true }),
  );
  seen.account = [];
  const run = await functions.createExecution({ functionId, async: true });
  const own = () => seen.executions.filter((item) => item[2] === run.$id);
  await until(() => own().length >= 2);
  await account.updateName({ name: 'Anna' });
  await until(() => seen.account.some((item) => item[1] === 'Anna'));
  stop();
  await realtime.disconnect();
  return {
    id: run.$id,
    executions: own(),
    account: seen.account.filter((item) => item[1] === 'Anna'),
    narrow: [...new Set(seen.narrow)],
  };
}

async function until(isTrue, meanwhile = () => undefined) {
  const deadline = Date.now() + 20_000;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`never became true: ${isTrue}`);
    await meanwhile();
    await new Promise((done) => setTimeout(done, 100));
  }
}
