// The same function as an ES module, loaded after a top-level await.
const { default: main } = await import('./index.js');

export default main;
