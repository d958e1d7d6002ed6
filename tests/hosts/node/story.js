'use strict';

// The story of tests/hosts/story.txt, by the package. Arguments: a new database, a catalog.

const fs = require('node:fs');
const { CotasError, Engine } = require('cotas');

const TENANT = 'padaria-são-joão';

function instant(at) {
  return new Date(at).toISOString().replace('.000Z', 'Z');
}

function shown(decision) {
  if (decision.allowed) {
    const session = decision.sessionOpened ? 'opened' : 'goes on';
    const text = `allowed, session ${session} until ${instant(decision.sessionExpiresAt)}`;
    return decision.limit === null
      ? text : `${text}, ${decision.available} of ${decision.limit} left`;
  }
  const reason = decision.reason.replaceAll('_', ' ');
  const figures = `${decision.used} of ${decision.limit} used, ${decision.available} left`;
  return `denied, ${reason}, ${figures}, again at ${instant(decision.retryAt)}`;
}

/** Prints the error that `attempt` ends with. */
async function printError(attempt) {
  try {
    await attempt();
  } catch (error) {
    if (!(error instanceof CotasError)) throw error;
    console.log(`error ${error.number}: ${error.message}`);
  }
}

async function play(path, catalog) {
  const engine = await Engine.open(path, { now: Date.parse('2026-05-19T12:00:00-03:00') });
  const version = await engine.loadCatalog(fs.readFileSync(catalog, 'utf8'), 'help_desk.toml');
  console.log(`catalog ${version}`);
  const plan = { name: 'starter', first_due: '2026-05-20', auto_renew: true };
  for (let time = 0; time < 2; time += 1) {
    const created = await engine.ensureTenant({ form: { name: TENANT, plan } });
    console.log(created ? 'created' : 'there already');
  }
  await printError(() => engine.tenant('açougue'));

  const tenant = await engine.tenant(TENANT);
  const receive = (number) =>
    tenant.perform('receive_message', { channel: 'whatsapp', contact: `contact-${number}` });
  let number = 1;
  while ((await receive(number)).allowed) number += 1;
  console.log(`${number - 1} contacts were admitted`);
  engine.setTime(Date.parse('2026-05-20T08:00:00-03:00'));
  console.log(`contact-${number}: ${shown(await receive(number))}`);
  console.log(`contact-1: ${shown(await receive(1))}`);

  const sendSms = () => tenant.perform('send_sms', { quantity: 150, key: 'pedido-1' });
  const [sms, again] = [await sendSms(), await sendSms()];
  console.log(`sms: ${sms.units} units, ${sms.available} left`);
  const same = again.receipt === sms.receipt && sms.receipt !== null ? 'the same' : 'another';
  const once = again.replayed ? 'the stored decision' : 'a new decision';
  console.log(`sms with the same key: ${once}, ${same} receipt, ${again.available} left`);

  engine.setTime(Date.parse('2026-05-20T23:59:59-03:00'));
  console.log(`contact-${number}: ${shown(await receive(number))}`);
  engine.setTime(Date.parse('2026-05-21T00:00:00-03:00'));
  console.log(`contact-${number}: ${shown(await receive(number))}`);
  const statement = await engine.statement({ tenant: TENANT });
  const sessions = statement.balances.find((it) => it.resource === 'sessions');
  console.log(
    `statement of ${statement.tenant}: ${statement.plan.title}, `
    + `next due ${statement.plan.next_due}, `
    + `sessions ${sessions.available} of ${sessions.contracted}`);
  await tenant.close();
  await engine.close();
  await printError(() => engine.statement({ tenant: TENANT }));
}

play(process.argv[2], process.argv[3]);
