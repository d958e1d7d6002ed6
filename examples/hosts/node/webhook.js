'use strict';

// A WhatsApp webhook that asks before it answers: POST /webhooks/<tenant>.
//
//   npm install
//   COTAS_DB=quotas.db WHATSAPP_APP_SECRET=... WHATSAPP_VERIFY_TOKEN=... PORT=8080 node webhook.js
//
// Decisions are made in memory, in the event loop; what waits for the disk does so elsewhere. It
// may be run by node:cluster: every worker opens the database for itself. ../README.md makes the
// database.

const crypto = require('node:crypto');
const http = require('node:http');
const { CotasError, Engine, whatsappEvents } = require('cotas');

const BODY_BYTES_MAX = 1 << 20;
// What each kind of part that opens a session is in the catalog.
const ACTIONS = { message: 'receive_message', call: 'receive_call', template: 'template_sent' };

/** An answer that says why nothing was asked of the quotas. */
class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function parse(body) {
  let read;
  try {
    read = whatsappEvents(body);
  } catch (error) {
    if (error.code !== 'invalid_argument') throw error;
    throw new Refused(400, 'this is no JSON');
  }
  if (!read.known) throw new Refused(400, 'this is no webhook of WhatsApp');
  return read;
}

/** Why a message is not answered, with its figures; it is the platform's to show. */
function refusal(message, { reason, used, limit, retryAt }) {
  const again = retryAt && new Date(retryAt).toISOString().replace(/\.\d+Z$/, 'Z');
  return { message, reason, used, limit, retry_at: again };
}

/** Decides about one part; null: it opens nothing. */
async function decide(tenant, part) {
  const { kind, opens, channel, contacts: [contact, ...others], id, at_ms: at } = part;
  for (const other of others) await tenant.linkContact(contact, other);
  if (!opens) return null;
  const about = { channel: channel ?? '', contact };
  const received = await tenant.perform(ACTIONS[kind], { ...about, at });
  if (!received.allowed || kind !== 'message') return received;
  return tenant.perform('send_message', { ...about, key: id });
}

/** Asks about each part, and answers each message once: Meta delivers some of them again. */
async function answer(tenant, { events, malformed }) {
  const [answers, refused] = [[], []];
  for (const part of events) {
    const decision = await decide(tenant, part);
    if (decision !== null && !decision.allowed) {
      // The message is kept; what is not done is the answer.
      refused.push(refusal(part.id, decision));
    } else if (decision !== null && part.kind === 'message' && !decision.replayed) {
      // Here the platform sends it. This example reports what it would send.
      const notice = decision.notice ? `${decision.notice}\n` : '';
      answers.push({ message: part.id, text: `${notice}Olá! Já vamos atender você.` });
    }
  }
  const document = { answers, refused, malformed: malformed.map((it) => `${it.path} ${it.rule}`) };
  return { status: 200, headers: {}, document };
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
  if (!isEqual(signature, `sha256=${hmac.digest('hex')}`)) {
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

function isEqual(given, expected) {
  const [one, other] = [Buffer.from(given ?? ''), Buffer.from(expected)];
  return one.length === other.length && crypto.timingSafeEqual(one, other);
}

/** Meta asks once whether this is the right place: the token is agreed in its settings. */
function subscribe(query) {
  const isRight = isEqual(query.get('hub.verify_token'), process.env.WHATSAPP_VERIFY_TOKEN);
  if (!isRight || query.get('hub.mode') !== 'subscribe') {
    throw new Refused(403, 'the token is wrong');
  }
  const text = query.get('hub.challenge') ?? '';
  return { status: 200, headers: { 'Content-Type': 'text/plain' }, text };
}

async function handle(request, tenantNamed) {
  const url = new URL(request.url, 'http://localhost');
  const path = /^\/webhooks\/([^/]+)$/.exec(url.pathname);
  if (!path || !['GET', 'POST'].includes(request.method)) {
    throw new Refused(404, 'there is nothing here');
  }
  if (request.method === 'GET') return subscribe(url.searchParams);
  const body = await read(request);
  verify(body, request.headers['x-hub-signature-256']);
  const asked = parse(body);
  return answer(await tenantNamed(decodeURIComponent(path[1])), asked);
}

/** What an error is over HTTP. */
function trouble(error) {
  if (error instanceof Refused) {
    return { status: error.status, headers: {}, document: { error: error.message } };
  }
  if (error instanceof CotasError && error.code === 'unknown_tenant') {
    return { status: 404, headers: {}, document: { error: 'there is no such tenant' } };
  }
  if (error instanceof CotasError && error.code === 'invalid_argument') {
    return { status: 400, headers: {}, document: { error: error.message } };
  }
  console.error(error);
  return { status: 503, headers: { 'Retry-After': 1 }, document: { error: 'come again' } };
}

async function main() {
  const engine = await Engine.open(process.env.COTAS_DB);
  const tenantNamed = finder(engine);
  const server = http.createServer(async (request, response) => {
    const { status, headers, document, text } =
      await handle(request, tenantNamed).catch(trouble);
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(text ?? JSON.stringify(document));
  });
  server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1');
  process.once('SIGTERM', () => server.close(() => engine.close()));
}

main();
