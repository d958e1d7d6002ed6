'use strict';

// A WhatsApp Cloud API webhook that asks before it answers: POST /webhooks/<tenant>.
//
//   npm ci
//   COTAS_DB=quotas.db WHATSAPP_APP_SECRET=... PORT=8080 node webhook.js
//
// Decisions are made in memory, in the event loop; what waits for the disk does so elsewhere. It
// may be run by node:cluster: every worker opens the database for itself. ../README.md makes the
// database.

const crypto = require('node:crypto');
const http = require('node:http');
const { CotasError, INVALID_ARGUMENT, UNKNOWN_TENANT, load } = require('./cotas.js');

const BODY_BYTES_MAX = 1 << 20;
const TO_BE_PAID = new Set([
  'quota_exhausted', 'not_in_plan', 'plan_lapsed', 'no_subscription', 'subscription_pending',
  'demo_expired',
]);

/** An answer that says why nothing was asked of the quotas. */
class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function text(value) {
  if (typeof value !== 'string') throw new Refused(400, 'this is no webhook of WhatsApp');
  return value;
}

function list(value) {
  if (!Array.isArray(value)) throw new Refused(400, 'this is no webhook of WhatsApp');
  return value;
}

/** A timestamp of WhatsApp's, seconds since 1970 as text, in milliseconds. */
function instant(seconds) {
  if (!/^[0-9]{1,11}$/.test(seconds)) throw new Refused(400, 'this is no webhook of WhatsApp');
  return 1000 * Number(seconds);
}

/** The messages of a webhook's body, whatever else is in it. */
function messages(body) {
  return list(body?.entry).flatMap((entry) => list(entry?.changes)).flatMap((change) => {
    const value = change?.value;
    return list(value?.messages ?? []).map((message) => ({
      id: text(message?.id),
      channel: text(value.metadata?.phone_number_id),
      contact: text(message?.from),
      at: instant(text(message?.timestamp)),
    }));
  });
}

function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    throw new Refused(400, 'this is no JSON');
  }
}

/** What a refusal is over HTTP: to be paid, too fast, or forbidden; and when to come again. */
function refusal({ reason, used, limit, retryAt }) {
  const status = reason === 'rate_exceeded' ? 429 : TO_BE_PAID.has(reason) ? 402 : 403;
  const headers = {};
  if (retryAt) headers['Retry-After'] = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
  const again = retryAt && new Date(retryAt).toISOString().replace(/\.\d+Z$/, 'Z');
  return { status, headers, document: { reason, used, limit, retry_at: again } };
}

/** Asks, and answers each message once: Meta delivers some of them again. */
async function answer(tenant, asked) {
  const answers = [];
  for (const { id, channel, contact, at } of asked) {
    const received = await tenant.perform('receive_message', { channel, contact, at });
    if (!received.allowed) return refusal(received);
    const sent = await tenant.perform('send_message', { channel, contact, key: id });
    if (!sent.allowed) return refusal(sent);
    if (!sent.replayed) {
      // Here the platform sends it. This example tells what it would send.
      const notice = sent.notice ? `${sent.notice}\n` : '';
      answers.push({ message: id, text: `${notice}Olá! Já vamos atender você.` });
    }
  }
  return { status: 200, headers: {}, document: { answers } };
}

async function read(request) {
  const parts = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) throw new Refused(413, 'the body is too large');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function verify(body, signature) {
  const hmac = crypto.createHmac('sha256', process.env.WHATSAPP_APP_SECRET).update(body);
  const expected = Buffer.from(`sha256=${hmac.digest('hex')}`);
  const given = Buffer.from(signature ?? '');
  if (given.length !== expected.length || !crypto.timingSafeEqual(given, expected)) {
    throw new Refused(401, 'the signature is wrong');
  }
}

/** Tenants by name, each found once. */
function finder(engine) {
  const found = new Map();
  return (name) => {
    if (!found.has(name)) {
      const finding = engine.tenant(name);
      finding.catch(() => found.delete(name));
      found.set(name, finding);
    }
    return found.get(name);
  };
}

async function handle(request, tenantNamed) {
  const path = /^\/webhooks\/([^/?]+)$/.exec(request.url);
  if (request.method !== 'POST' || !path) throw new Refused(404, 'there is nothing here');
  const body = await read(request);
  verify(body, request.headers['x-hub-signature-256']);
  const asked = messages(parse(body));
  return answer(await tenantNamed(decodeURIComponent(path[1])), asked);
}

/** What an error is over HTTP. */
function trouble(error) {
  if (error instanceof Refused) {
    return { status: error.status, headers: {}, document: { error: error.message } };
  }
  if (error instanceof CotasError && error.code === UNKNOWN_TENANT) {
    return { status: 404, headers: {}, document: { error: 'there is no such tenant' } };
  }
  if (error instanceof CotasError && error.code === INVALID_ARGUMENT) {
    return { status: 400, headers: {}, document: { error: error.message } };
  }
  console.error(error);
  return { status: 503, headers: { 'Retry-After': 1 }, document: { error: 'come again' } };
}

async function main() {
  const { Engine } = load();
  const engine = await Engine.open(process.env.COTAS_DB);
  const tenantNamed = finder(engine);
  const server = http.createServer(async (request, response) => {
    const { status, headers, document } = await handle(request, tenantNamed).catch(trouble);
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(JSON.stringify(document));
  });
  server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1');
  process.once('SIGTERM', () => server.close(() => engine.close()));
}

main();
