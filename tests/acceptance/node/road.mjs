// The main road through the official Node SDK: node road.mjs <endpoint> <project> <key> <archive>
import fs from "node:fs";
import { Client, Functions, ID, Query, Users } from "node-appwrite";
import { InputFile } from "node-appwrite/file";

const [endpoint, project, key, archive] = process.argv.slice(2);
const client = new Client().setEndpoint(endpoint).setProject(project).setKey(key);
const functions = new Functions(client);

const made = await functions.create({
  functionId: ID.unique(),
  name: "Road",
  runtime: "node-22",
  execute: ["any"],
  entrypoint: "main.js",
});
const functionId = made.$id;
await functions.createVariable({
  functionId,
  variableId: ID.unique(),
  key: "GREETING",
  value: "hello",
});
let progress = 0;
let deployment = await functions.createDeployment({
  functionId,
  code: InputFile.fromPath(archive, "code.tar.gz"),
  activate: true,
  onProgress: () => (progress += 1),
});
const deadline = Date.now() + 120000;
while (!["ready", "failed"].includes(deployment.status) && Date.now() < deadline) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  deployment = await functions.getDeployment({ functionId, deploymentId: deployment.$id });
}
const execution = await functions.createExecution({
  functionId,
  body: "ping",
  async: false,
  xpath: "/a?b=c",
  method: "PUT",
  headers: { "x-sent": "1" },
});
const listed = await functions.listExecutions({
  functionId,
  queries: [Query.equal("status", ["completed"]), Query.limit(5)],
});
const download = await functions.getDeploymentDownload({ functionId, deploymentId: deployment.$id });
let refused;
try {
  await functions.get({ functionId: "not-there" });
} catch (error) {
  refused = { code: error.code, type: error.type };
}
const users = new Users(client);
const user = await users.create({ userId: ID.unique(), email: `${ID.unique()}@example.com` });
const jwt = await users.createJWT({ userId: user.$id });
const asUser = new Functions(
  new Client().setEndpoint(endpoint).setProject(project).setJWT(jwt.jwt),
);
const own = await asUser.createExecution({ functionId });
const ownList = await asUser.listExecutions({ functionId });
await functions.delete({ functionId });
console.log(
  JSON.stringify({
    deployment: deployment.status,
    sourceSize: deployment.sourceSize,
    uploaded: fs.statSync(archive).size,
    downloaded: download.byteLength,
    progress,
    execution: [execution.status, execution.responseStatusCode],
    answer: JSON.parse(execution.responseBody),
    listed: listed.executions.map((item) => item.$id),
    id: execution.$id,
    refused,
    own: [own.status, own.logs],
    ownList: ownList.executions.map((item) => item.$id),
    ownId: own.$id,
  }),
);
