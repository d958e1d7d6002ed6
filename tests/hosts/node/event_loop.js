'use strict';

// A call that waits for the disk leaves the event loop free. Another process holds the database's
// write lock while a tenant is created, and is told to let go of it only by decisions that this
// event loop makes meanwhile: if the creation held the loop, it would never end.
// Arguments: a new database, a catalog.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const timers = require('node:timers/promises');
const { load } = require('../../../examples/hosts/node/cotas.js');

const DECISIONS = 20;
const HOLD = `
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
held.execute("ROLLBACK")
`;

async function play(path, catalog) {
  const { Engine } = load();
  const engine = await Engine.open(path);
  await engine.loadCatalog(fs.readFileSync(catalog, 'utf8'), 'help_desk.toml');
  const plan = { name: 'starter', first_due: '2099-12-31', auto_renew: true };
  await engine.ensureTenant({ name: 'padaria-aurora', plan });
  const tenant = engine.tenant('padaria-aurora');

  const holder = spawn('python3', ['-c', HOLD, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  let isCreated = false;
  const creation = engine.ensureTenant({ name: 'mercado-sao-jorge', plan }).then(() => {
    isCreated = true;
  });
  for (let decided = 0; decided < DECISIONS; decided += 1) {
    if (!tenant.perform('send_sms', { quantity: 1 }).allowed) throw new Error('denied');
    await timers.setImmediate();
  }
  console.log(`${DECISIONS} decisions, created: ${isCreated}`);
  holder.stdin.end();
  await creation;
  console.log(`created: ${isCreated}`);
  await tenant.close();
  await engine.close();
}

play(process.argv[2], process.argv[3]);
