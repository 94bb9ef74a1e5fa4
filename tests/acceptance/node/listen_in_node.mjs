// listen_in_node.mjs OPTIONS: what `listen` tells, as JSON.
//
// The web SDK expects a browser's globals. Node has its own fetch and WebSocket; without cookies
// the SDK keeps its session in the local storage and signs in over the connection.
const kept = new Map();
globalThis.window = globalThis;
Object.defineProperty(globalThis, 'localStorage', {
  value: { getItem: (name) => kept.get(name) ?? null, setItem: (name, text) => kept.set(name, text) },
});
console.warn = () => undefined; // that it keeps the session there

const { listen } = await import('./listen.mjs');
const sdk = await import('appwrite');
console.log(JSON.stringify(await listen(sdk, JSON.parse(process.argv[2]))));
process.exit(0);
