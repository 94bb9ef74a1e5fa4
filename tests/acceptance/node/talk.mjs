// talk.mjs URL: a conversation over Node's own WebSocket, as JSON.
import dns from 'node:dns';
import { conversation } from './streams.mjs';

// Browsers know that every name below localhost is this machine; resolvers often do not.
const { lookup } = dns;
dns.lookup = (name, ...rest) => lookup(name.endsWith('.localhost') ? 'localhost' : name, ...rest);
console.log(JSON.stringify(await conversation(process.argv[2])));
