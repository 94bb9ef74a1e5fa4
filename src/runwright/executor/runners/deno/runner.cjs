'use strict';
// Starts on Deno. All but the socket is the Node runner's.

const channel = require('./channel.cjs');
require('../node/serve.cjs').serve({ channel, version: Deno.version.deno, isConsoleApart: true });
