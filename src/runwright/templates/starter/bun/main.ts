// Every request to this function, from whatever trigger, calls this one handler.
export default ({ req, res, log }: any) => {
  log(`${req.method} ${req.path}`);

  if (req.path === '/ping') {
    return res.text('Pong');
  }

  return res.json({
    message: 'Hello from Bun',
    runtime: Bun.version,
    trigger: req.headers['x-appwrite-trigger'] ?? 'http',
    next: 'Edit main.ts, deploy again, and this answer is yours.',
  });
};
