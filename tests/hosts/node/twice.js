'use strict';

// The package is loaded twice in one process, as a test runner does that begins each file with an
// empty cache of modules; and a third time in a thread. All decide from one database.

const { once } = require('node:events');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

const CATALOG = `
[resources.sms]
kind = "allowance"
[plans.starter]
title = "Starter"
price = "0.00"
limits = { sms = 10 }
`;

async function load(path) {
  for (const name of Object.keys(require.cache)) delete require.cache[name];
  const { Engine } = require('cotas');
  const engine = await Engine.open(path);
  await engine.loadCatalog(CATALOG);
  const plan = { name: 'starter', first_due: '2099-12-10', auto_renew: true };
  await engine.ensureTenant({ form: { name: 'padaria', plan } });
  const tenant = await engine.tenant('padaria');
  const decision = await tenant.consume('sms', 1);
  return { Engine, engine, used: decision.used };
}

async function play(path) {
  const [one, other] = [await load(path), await load(path)];
  if (one.Engine === other.Engine) throw new Error('the module was loaded once only');
  const worker = new Worker(__filename, { workerData: path });
  const [used] = await once(worker, 'message');
  console.log(`one database, ${[one, other, { used }].length} times: ${used} used`);
  await one.engine.close();
  await other.engine.close();
}

if (isMainThread) play(process.argv[2]);
else load(workerData).then(({ used }) => parentPort.postMessage(used));
