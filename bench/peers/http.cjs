// A bare Node server: no platform at all. Port from the first argument.
require("node:http")
  .createServer((req, res) => {
    res.setHeader("content-type", "application/json");
    res.end('{"message":"Hello World"}');
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
