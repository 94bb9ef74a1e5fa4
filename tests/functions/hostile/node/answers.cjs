// Answers that shall break whoever passes them on.
"use strict";

const MIB = 1 << 20;

function echo(box) {
  const { headers, path } = box.context.req;
  return box.context.res.json({ headers, path });
}

/** By the documented way: the runner's own checks are the first to refuse. */
function headers(box) {
  const { status = 200, headers: told } = box.told;
  return box.context.res.text("answer", status, Object.fromEntries(told));
}

function big(box) {
  return box.context.res.text("x".repeat(box.told.mib * MIB));
}

async function endless(box) {
  const part = "y".repeat(65536);
  box.context.res.start(200, {});
  for (;;) await box.context.res.write(part);
}

async function slow(box) {
  box.context.res.start(200, {});
  for (;;) {
    await box.context.res.write("z");
    await new Promise((done) => setTimeout(done, 20));
  }
}

module.exports = { big, echo, endless, headers, slow };
