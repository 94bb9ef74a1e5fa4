'use strict';
// The function that a runner loads and calls once for itself while it waits for its deployment,
// so that the first real load and call find everything compiled.

// What the runner does without and many functions do not: while nobody waits is the time for it.
require('node:module');
require('node:net');
require('node:perf_hooks');

module.exports = async ({ req, res }) => {
  await import('./rehearsal.mjs');
  return res.json({ url: req.url });
};
