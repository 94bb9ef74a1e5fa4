"""The functions of the rig. Each tells the witness who it is, waits for its nod, and only then
goes on: nothing that ran is unknown to the witness.
"""

from typing import Final

PORT: Final = "WITNESS_PORT"

NODE: Final = """
import net from "node:net";

const tell = (what) => new Promise((nodded, failed) => {
  const socket = net.connect(WITNESS_PORT, "127.0.0.1", () => socket.write(`${what}\\n`));
  socket.setTimeout(10000, () => socket.destroy(new Error("the witness does not nod")));
  socket.on("data", () => { nodded(); socket.destroy(); });
  socket.on("error", failed);
  socket.on("close", () => failed(new Error("the witness hung up")));
});

export default async ({ req, res, log }) => {
  const id = req.headers["x-appwrite-execution-id"];
  const attempt = req.headers["x-runwright-attempt"];
  await tell(`${id} ${attempt} ${process.env.APPWRITE_FUNCTION_ID}`);
  log(id, attempt);
  const word = req.path.split("/")[1];
  if (word === "slow") await new Promise((done) => setTimeout(done, 100 + Math.random() * 1400));
  const isFlaky = word === "flaky" && attempt === "1";
  if (word === "throw" || isFlaky) throw new Error("as it was asked to");
  return res.text(id, word === "busy" ? 503 : 200);
};
"""

PYTHON: Final = """
import os
import random
import socket
import time


def tell(what):
    with socket.create_connection(("127.0.0.1", WITNESS_PORT), timeout=10) as witness:
        witness.sendall(f"{what}\\n".encode())
        if not witness.recv(1):
            raise OSError("the witness hung up")


def main(context):
    id = context.req.headers["x-appwrite-execution-id"]
    attempt = context.req.headers["x-runwright-attempt"]
    tell(f"{id} {attempt} {os.environ['APPWRITE_FUNCTION_ID']}")
    context.log(id, attempt)
    word = context.req.path.split("/")[1]
    if word == "slow":
        time.sleep(0.1 + random.random() * 1.4)
    if word == "throw" or (word == "flaky" and attempt == "1"):
        raise ValueError("as it was asked to")
    return context.res.text(id, 503 if word == "busy" else 200)
"""


def sources(witness_port: int) -> dict[str, str]:
    """By language."""
    return {
        language: source.replace(PORT, str(witness_port))
        for language, source in (("node", NODE), ("python", PYTHON))
    }
