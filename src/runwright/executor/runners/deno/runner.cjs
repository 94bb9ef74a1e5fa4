'use strict';
// Starts on Deno. All but the socket is the Node runner's.

require('../node/serve.cjs').serve({
  channel: require('./channel.cjs'),
  version: Deno.version.deno,
  isConsoleApart: true,
  rehearsal: `${__dirname}/rehearsal.ts`,
});
