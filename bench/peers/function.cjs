// The same answer through Google's functions-framework.
const functions = require("@google-cloud/functions-framework");

functions.http("hello", (req, res) => {
  res.json({ message: "Hello World" });
});
