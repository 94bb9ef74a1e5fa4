// The same as sdk/python_driver.py, for the official Node SDK: node driver.mjs SERVICE...
import readline from "node:readline";
import * as sdk from "node-appwrite";
import { InputFile } from "node-appwrite/file";

console.warn = () => undefined;

const classOf = (service) => sdk[service[0].toUpperCase() + service.slice(1)];

// Where a method has an older spelling too, the newer one comes last.
const methodsOf = (service) =>
  new Map(
    Object.getOwnPropertyNames(classOf(service).prototype)
      .filter((name) => name !== "constructor")
      .map((name) => [name.toLowerCase(), name]),
  );

function clientOf({ endpoint, project, key, session, jwt, headers = {} }) {
  const client = new sdk.Client().setEndpoint(endpoint).setProject(project);
  if (key) client.setKey(key);
  if (session) client.setSession(session);
  if (jwt) client.setJWT(jwt);
  for (const [name, value] of Object.entries(headers)) client.addHeader(name, value);
  return client;
}

function argumentsOf(given) {
  const found = Object.entries(given).map(([name, value]) => [
    name === "path" ? "xpath" : name, // as this SDK calls it
    value?.$path ? InputFile.fromPath(value.$path, "code.tar.gz") : value,
  ]);
  return found.length > 0 ? [Object.fromEntries(found)] : [];
}

async function respond(asked) {
  const service = new (classOf(asked.service))(clientOf(asked.client));
  const method = methodsOf(asked.service).get(asked.method.toLowerCase());
  try {
    const answer = await service[method](...argumentsOf(asked.arguments));
    return { answer: answer instanceof ArrayBuffer ? { bytes: answer.byteLength } : answer };
  } catch (error) {
    if (!(error instanceof sdk.AppwriteException)) return { code: 0, type: "", message: `${error}` };
    return { code: error.code, type: error.type, message: error.message };
  }
}

const known = process.argv.slice(2).flatMap((service) =>
  [...methodsOf(service).keys()].map((name) => `${service}.${name}`),
);
console.log(JSON.stringify({ methods: known }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await respond(JSON.parse(line))));
}
