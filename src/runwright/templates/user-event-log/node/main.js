const DEFAULT_FIELDS = 'name,email,status,labels,provider,ip';

export default async ({ req, res, log, error }) => {
  const event = req.headers['x-appwrite-event'];
  if (!event) {
    error('This function is started by events of users, not by requests.');
    return res.json({ error: 'Started without an event.' }, 400);
  }
  const data = req.bodyJson;
  const fields = (process.env.LOG_FIELDS ?? DEFAULT_FIELDS).split(',').map((name) => name.trim());
  const entry = { event, userId: event.split('.')[1], id: data.$id ?? '' };
  for (const name of fields) {
    if (name in data) entry[name] = data[name];
  }
  log(JSON.stringify(entry));
  return res.json({ logged: Object.keys(entry).length });
};
