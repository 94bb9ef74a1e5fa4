'use strict';
// Starts on Bun. All but the socket is the Node runner's.

require('../node/serve.cjs').serve({
  channel: require('./channel.cjs'),
  version: Bun.version,
  isConsoleApart: true,
  rehearsal: `${__dirname}/rehearsal.ts`,
});
