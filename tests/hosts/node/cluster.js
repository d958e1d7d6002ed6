'use strict';

// Workers of node:cluster are processes of their own, each with the database open: over all of them
// exactly the limit is admitted. Arguments: a new database, a catalog.

const cluster = require('node:cluster');
const { once } = require('node:events');
const fs = require('node:fs');
const timers = require('node:timers/promises');
const { load } = require('../../../examples/hosts/node/cotas.js');

const WORKERS = 4;
const LIMIT = 1000;
const TENANT = 'padaria-aurora';

const { Engine } = load();

async function prepare(path, catalog) {
  const engine = await Engine.open(path);
  await engine.loadCatalog(fs.readFileSync(catalog, 'utf8'), 'help_desk.toml');
  const plan = { name: 'starter', first_due: '2099-12-31', auto_renew: true };
  await engine.ensureTenant({ name: TENANT, plan, limits: { notification_credits: LIMIT } });
  await engine.close();
}

/** Lets all workers begin at once, when each has the database open, and adds up what they did. */
async function play(path, catalog) {
  await prepare(path, catalog);
  const workers = Array.from({ length: WORKERS }, () => cluster.fork());
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const told = workers.map((worker) => once(worker, 'message'));
  workers.forEach((worker) => worker.send('begin'));
  const units = (await Promise.all(told)).flatMap(([used]) => used);
  const eachOnce = new Set(units).size === units.length && Math.max(...units) === LIMIT;
  console.log(`${WORKERS} workers: ${units.length} of ${LIMIT} admitted`);
  console.log(`each unit once: ${eachOnce}`);
}

/** Decides until it is denied; tells how many units were used after each decision. */
async function work(path) {
  const engine = await Engine.open(path);
  const tenant = await engine.tenant(TENANT);
  process.send('ready');
  await once(process, 'message');
  const used = [];
  for (;;) {
    const decision = await tenant.perform('send_sms', { quantity: 1 });
    if (!decision.allowed) break;
    used.push(decision.used);
    await timers.setImmediate();
  }
  await tenant.close();
  await engine.close();
  process.send(used, () => process.disconnect());
}

if (cluster.isPrimary) play(process.argv[2], process.argv[3]);
else work(process.argv[2]);
