const PAGE = 100;
const BUSY = new Set(['waiting', 'processing', 'building']);

class Api {
  constructor(key) {
    this.endpoint = process.env.APPWRITE_FUNCTION_API_ENDPOINT;
    this.headers = {
      'x-appwrite-project': process.env.APPWRITE_FUNCTION_PROJECT_ID,
      'x-appwrite-key': key, // made for this one execution, with the function's scopes
    };
  }

  async call(method, path) {
    const answer = await fetch(this.endpoint + path, { method, headers: this.headers });
    if (answer.status === 204) return null;
    const body = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path.split('?')[0]}: ${body.message}`);
    return body;
  }

  // Everything that a list endpoint has, oldest first, page by page.
  async all(path, name) {
    const found = [];
    for (;;) {
      const queries = [{ method: 'limit', values: [PAGE] }];
      if (found.length) queries.push({ method: 'cursorAfter', values: [found.at(-1).$id] });
      const params = new URLSearchParams({ total: 'false' });
      queries.forEach((query, at) => params.append(`queries[${at}]`, JSON.stringify(query)));
      const page = (await this.call('GET', `${path}?${params}`))[name];
      found.push(...page);
      if (page.length < PAGE) return found;
    }
  }
}

const old = (deployments, keep, activeId) =>
  deployments
    .slice(0, Math.max(0, deployments.length - keep))
    .filter((item) => item.$id !== activeId && !BUSY.has(item.status));

export default async ({ req, res, log, error }) => {
  const keep = Number(process.env.KEEP || 5);
  if (!Number.isInteger(keep) || keep < 0) {
    error('The variable KEEP must be a whole number, 0 or more.');
    return res.json({ error: 'KEEP is not a number.' }, 500);
  }
  const isDry = process.env.DRY_RUN === '1';
  const api = new Api(req.headers['x-appwrite-key']);
  const deleted = [];
  for (const item of await api.all('/functions', 'functions')) {
    const path = `/functions/${item.$id}/deployments`;
    const deployments = await api.all(path, 'deployments');
    for (const deployment of old(deployments, keep, item.deploymentId)) {
      if (!isDry) await api.call('DELETE', `${path}/${deployment.$id}`);
      deleted.push(`${item.$id}/${deployment.$id}`);
      log(`${isDry ? 'Would delete' : 'Deleted'} ${deployment.$id} of ${item.name}`);
    }
  }
  return res.json({ dryRun: isDry, deleted });
};
