'use strict';

// What waits for the disk leaves the event loop free. Another process holds the database's write
// lock while a tenant is created and one is renewed, and is asked to release it only after
// decisions that this event loop makes meanwhile: if either held the loop, it would never end.
// Arguments: a new database, a catalog.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const timers = require('node:timers/promises');
const { Engine } = require('cotas');

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
  const engine = await Engine.open(path, { now: Date.parse('2026-05-20T12:00:00-03:00') });
  await engine.loadCatalog(fs.readFileSync(catalog, 'utf8'), 'help_desk.toml');
  const plan = { name: 'starter', first_due: '2026-06-10', auto_renew: true };
  await engine.ensureTenant({ form: { name: 'padaria-aurora', plan } });
  await engine.ensureTenant({ form: { name: 'oficina', plan: { ...plan, first_due: '2026-05-20' } } });
  const tenant = await engine.tenant('padaria-aurora');
  const due = await engine.tenant('oficina');
  engine.setTime(Date.parse('2026-05-21T00:00:00-03:00'));

  const holder = spawn('python3', ['-c', HOLD, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  let done = 0;
  const waiting = [
    engine.ensureTenant({ form: { name: 'mercado-sao-jorge', plan } }),
    due.perform('send_sms', { quantity: 1 }),
  ].map((it) => it.then(() => { done += 1; }));
  for (let decided = 0; decided < DECISIONS; decided += 1) {
    const decision = await tenant.perform('send_sms', { quantity: 1 });
    if (!decision.allowed) throw new Error('denied');
    await timers.setImmediate();
  }
  console.log(`${DECISIONS} decisions, ${done} of ${waiting.length} done`);
  holder.stdin.end();
  await Promise.all(waiting);
  console.log(`${done} of ${waiting.length} done`);
  await Promise.all([tenant.close(), due.close()]);
  await engine.close();
}

play(process.argv[2], process.argv[3]);
