// Reaching machines and services that are not a function's business.
"use strict";

const dgram = require("node:dgram");
const net = require("node:net");

const PATIENCE_MS = 2000;
const REQUEST = "GET /latest/meta-data/ HTTP/1.0\r\n\r\n";
const QUESTION = Buffer.from("abcd01000001000000000000056465636f79047465737400" + "00010001", "hex");

/** All at once, for most of them only fall silent. */
async function reach(box) {
  await Promise.all(box.told.places.flatMap(([host, port]) => [
    box.attempt(`tcp ${host} ${port}`, () => overTcp(host, port)),
    box.attempt(`udp ${host} ${port}`, () => overUdp(host, port)),
  ]));
}

function overTcp(host, port) {
  return new Promise((resolve, reject) => {
    const link = net.connect({ host, port }, () => link.write(REQUEST));
    link.on("data", (data) => { resolve(data); link.destroy(); }).on("error", reject);
    link.on("close", () => reject(new Error("closed without a word")));
    link.setTimeout(PATIENCE_MS, () => link.destroy(new Error("ETIMEDOUT")));
  });
}

function overUdp(host, port) {
  return new Promise((resolve, reject) => {
    const link = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
    const end = (done, value) => { clearTimeout(timer); link.close(); done(value); };
    const timer = setTimeout(() => end(reject, new Error("ETIMEDOUT")), PATIENCE_MS);
    link.on("message", (data) => end(resolve, data)).on("error", (error) => end(reject, error));
    link.send(QUESTION, port, host, (error) => error && end(reject, error));
  });
}

/** Questions that shall confuse whoever passes them on. */
async function names(box) {
  const link = dgram.createSocket("udp4");
  const questions = [Buffer.alloc(12), QUESTION.subarray(0, -3), Buffer.alloc(512, 255),
    Buffer.concat(Array(20).fill(QUESTION))];
  for (let at = 0; at < 2000; at++) link.send(questions[at % questions.length], 53, "127.0.0.1");
  await new Promise((done) => link.send(QUESTION, 53, "127.0.0.1", done));
  link.close();
}

/** Connections to nowhere, more than anybody may have. */
async function many(box) {
  const links = [];
  for (let at = 0; at < 600; at++)
    links.push(net.connect(1 + at, box.told.host).on("error", () => {}));
  await new Promise((done) => setTimeout(done, 300));
  for (const link of links) link.destroy();
}

module.exports = { many, names, reach };
