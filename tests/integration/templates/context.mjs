// Calls one Node function several times with a context as the runtime gives it.
// In: {"entry": path, "calls": [{env, method, path, query, headers, body}]}; out: the answers.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

function request(call) {
  const body = Buffer.from(call.body, 'base64');
  const pairs = call.query.split('&').filter(Boolean);
  return {
    method: call.method,
    path: call.path,
    headers: call.headers,
    queryString: call.query,
    query: Object.fromEntries(pairs.map((pair) => [pair.split('=')[0], pair.split('=')[1] ?? ''])),
    bodyBinary: body,
    bodyText: body.toString('utf-8'),
    get bodyJson() {
      return JSON.parse(this.bodyText);
    },
  };
}

const answer = (body, statusCode = 200, headers = {}) => ({
  statusCode,
  headers,
  body: Buffer.from(body).toString('base64'),
});
const res = {
  text: answer,
  binary: answer,
  json: (value, statusCode, headers = {}) =>
    answer(JSON.stringify(value), statusCode, { ...headers, 'content-type': 'application/json' }),
  empty: () => answer('', 204),
};

const given = JSON.parse(readFileSync(0, 'utf-8'));
const { default: main } = await import(pathToFileURL(given.entry).href);
const answers = [];
for (const call of given.calls) {
  Object.assign(process.env, call.env);
  const [logs, errors] = [[], []];
  const log = (line) => logs.push(line);
  const error = (line) => errors.push(line);
  const made = await main({ req: request(call), res, log, error });
  for (const name of Object.keys(call.env)) delete process.env[name];
  answers.push({ ...made, logs, errors });
}
process.stdout.write(JSON.stringify(answers));
