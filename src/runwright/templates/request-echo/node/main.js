// Shown in part only, so that an echo can be pasted into a bug report.
const SECRET = new Set(['authorization', 'cookie', 'x-appwrite-key', 'x-appwrite-user-jwt']);

const masked = (name, value) => (SECRET.has(name) ? `(${value.length} characters)` : value);

function textOf(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

function queryOf(queryString) {
  const query = {};
  for (const [name, value] of new URLSearchParams(queryString)) {
    (query[name] ??= []).push(value);
  }
  return query;
}

export default async ({ req, res, log }) => {
  log(`${req.method} ${req.path}`);
  const body = Buffer.from(req.bodyBinary);
  const text = textOf(body);
  return res.json({
    method: req.method,
    path: req.path,
    query: queryOf(req.queryString),
    headers: Object.fromEntries(
      Object.entries(req.headers)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) => [name, masked(name, value)]),
    ),
    body: {
      bytes: body.length,
      encoding: text === null ? 'base64' : 'utf-8',
      content: text ?? body.toString('base64'),
    },
  });
};
