'use strict';
// Starts on Node. Deno and Bun have a runner and a channel of their own and share the rest.

require('./serve.cjs').serve({ channel: require('./channel.cjs'), version: process.versions.node });
