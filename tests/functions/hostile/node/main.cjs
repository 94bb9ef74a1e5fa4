// A function by somebody who means harm; the path names module and case.
"use strict";

const { Box } = require("./box.cjs");
const wire = require("./wire.cjs");

module.exports = async (context) => {
  wire.state.calls += 1;
  const [module_, name] = context.req.path.slice(1).split("/");
  const box = new Box(context, JSON.parse(context.req.bodyText || "{}"));
  const answer = await require(`./${module_}.cjs`)[name](box);
  return answer ?? context.res.json(box.answer());
};
