// A user of @grpc/grpc-js: drains a wrapper with the published .proto files and no client option.
//
// Takes the directory of the .proto files, the target (`unix:PATH` or `HOST:PORT`) and, for mutual
// TLS, the files of the authority, the certificate and its key. Prints `draining` once the process
// is shutting down, and `all is well` at the end. Exits with another code than 0 otherwise.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [directory, target, ...files] = process.argv.slice(2);
const [ca, certificate, key] = files.map((file) => fs.readFileSync(file));
const credentials = ca
  ? grpc.credentials.createSsl(ca, key, certificate)
  : grpc.credentials.createInsecure();

const contracts = ["process_wrapper/v1/process_wrapper.proto", "grpc/health/v1/health.proto"];
const definition = loader.loadSync(contracts, {
  includeDirs: [directory],
  enums: String,
  keepCase: true,
});
const api = grpc.loadPackageDefinition(definition);
const wrapper = new api.process_wrapper.v1.ProcessWrapper(target, credentials);
const health = new api.grpc.health.v1.Health(target, credentials);

const within = (ms) => ({ deadline: Date.now() + ms });
const call = (client, method, request, options = within(20_000)) =>
  new Promise((resolve, reject) =>
    client[method](request, options, (error, answer) => (error ? reject(error) : resolve(answer))),
  );
const state = (answer) => answer.process.state;

async function main() {
  assert.equal(state(await call(wrapper, "GetState", {})), "running");
  await assert.rejects(call(wrapper, "GetState", { wait_until: "gone" }, within(50)), {
    code: grpc.status.DEADLINE_EXCEEDED,
  });
  await assert.rejects(call(wrapper, "GetState", { wait_until: 9 }), {
    code: grpc.status.INVALID_ARGUMENT,
  });
  const watch = health.Watch({ service: "process" });
  const statuses = watch[Symbol.asyncIterator]();
  const next = async () => (await statuses.next()).value.status;
  assert.equal(await next(), "SERVING");

  const started = call(wrapper, "GetState", { wait_until: "shutting_down" });
  const waiting = call(wrapper, "GetState", { wait_until: "gone" });
  assert.equal(state(await call(wrapper, "InitiateGracefulShutdown", {})), "shutting_down");
  assert.equal(state(await started), "shutting_down");
  assert.equal(await next(), "NOT_SERVING");
  console.log("draining");

  const gone = (await waiting).process;
  assert.deepEqual([gone.state, gone.exit_code, gone.outcome], ["gone", 0, "drained"]);
  assert.equal((await call(health, "Check", { service: "process" })).status, "NOT_SERVING");
  assert.equal((await call(health, "Check", { service: "" })).status, "SERVING");
  watch.on("error", (error) => assert.equal(error.code, grpc.status.CANCELLED));
  watch.cancel();
  wrapper.close();
  health.close();
  console.log("all is well");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
