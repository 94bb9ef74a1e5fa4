'use strict';
// Starts on Bun. All but the socket is the Node runner's.

const channel = require('./channel.cjs');
require('../node/serve.cjs').serve({ channel, version: Bun.version, isConsoleApart: true });
