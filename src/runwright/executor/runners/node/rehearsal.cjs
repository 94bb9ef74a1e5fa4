'use strict';
// The function that a runner loads and calls once for itself while it waits for its deployment,
// so that the first real load and call find everything compiled.

module.exports = async ({ req, res }) => {
  await import('./rehearsal.mjs');
  return res.json({ url: req.url });
};
