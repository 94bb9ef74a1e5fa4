// Every request to this function, from whatever trigger, calls this one handler.
export default async ({ req, res, log }) => {
  log(`${req.method} ${req.path}`);

  if (req.path === '/ping') {
    return res.text('Pong');
  }

  return res.json({
    message: 'Hello from Node.js',
    runtime: process.version,
    trigger: req.headers['x-appwrite-trigger'] ?? 'http',
    next: 'Edit main.js, deploy again, and this answer is yours.',
  });
};
