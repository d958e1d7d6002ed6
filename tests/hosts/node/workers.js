'use strict';

// Workers that share nothing but the database: over all of them exactly the limit is admitted.
// Arguments: cluster (processes of node:cluster) or threads (of node:worker_threads), a new
// database, a catalog.

const cluster = require('node:cluster');
const { once } = require('node:events');
const fs = require('node:fs');
const timers = require('node:timers/promises');
const threads = require('node:worker_threads');
const { Engine } = require('cotas');

const WORKERS = 4;
const LIMIT = 1000;
const TENANT = 'padaria-aurora';

const [kind, path, catalog] = process.argv.slice(2);

/** How workers are started, given something, and answer something, by kind. */
const { start, post, answer, port } = {
  cluster: {
    start: () => cluster.fork(),
    post: (worker, it) => worker.send(it),
    answer: (it) => process.send(it),
    port: process,
  },
  threads: {
    start: () => new threads.Worker(__filename, { argv: process.argv.slice(2) }),
    post: (worker, it) => worker.postMessage(it),
    answer: (it) => threads.parentPort.postMessage(it),
    port: threads.parentPort,
  },
}[kind];

async function prepare() {
  const engine = await Engine.open(path);
  await engine.loadCatalog(fs.readFileSync(catalog, 'utf8'), 'help_desk.toml');
  const plan = { name: 'starter', first_due: '2099-12-31', auto_renew: true };
  const limits = { notification_credits: LIMIT };
  await engine.ensureTenant({ form: { name: TENANT, plan, limits } });
  await engine.close();
}

/** Lets all workers begin at once, when each has the database open, and adds up what they did. */
async function play() {
  await prepare();
  const workers = Array.from({ length: WORKERS }, start);
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const answered = workers.map((worker) => once(worker, 'message'));
  workers.forEach((worker) => post(worker, 'begin'));
  const units = (await Promise.all(answered)).flatMap(([used]) => used);
  const eachOnce = new Set(units).size === units.length && Math.max(...units) === LIMIT;
  console.log(`${WORKERS} workers: ${units.length} of ${LIMIT} admitted`);
  console.log(`each unit once: ${eachOnce}`);
}

/** Decides until it is denied; gives how many units were used after each decision. */
async function work() {
  const engine = await Engine.open(path);
  const tenant = await engine.tenant(TENANT);
  answer('ready');
  await once(port, 'message');
  const used = [];
  for (;;) {
    const decision = await tenant.perform('send_sms', { quantity: 1 });
    if (!decision.allowed) break;
    used.push(decision.used);
    await timers.setImmediate();
  }
  await tenant.close();
  await engine.close();
  answer(used);
  cluster.worker?.disconnect();
}

if (cluster.isPrimary && threads.isMainThread) play();
else work();
