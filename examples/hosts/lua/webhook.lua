-- What nginx.conf calls: open() once per worker, handle() for every request. A decision holds a
-- worker up for microseconds.

local cjson = require("cjson.safe")
local ffi = require("ffi")
local cotas = require("cotas").load(os.getenv("COTAS_HEADER"))

-- What each kind of part that opens a session is in the catalog.
local ACTIONS = {
  message = "receive_message", call = "receive_call", template = "template_sent",
}

-- OpenSSL's, which is a part of nginx.
ffi.cdef([[
  const void *EVP_sha256(void);
  int CRYPTO_memcmp(const void *a, const void *b, size_t len);
  unsigned char *HMAC(const void *evp_md, const void *key, int key_len, const char *data,
                      size_t data_len, unsigned char *md, unsigned int *md_len);
]])

local webhook = {}
local engine

local function is_signed(body, signature)
  local secret = os.getenv("WHATSAPP_APP_SECRET")
  local digest = ffi.new("unsigned char[32]")
  ffi.C.HMAC(ffi.C.EVP_sha256(), secret, #secret, body, #body, digest, nil)
  local hex = ffi.string(digest, 32):gsub(".", function(it) return ("%02x"):format(it:byte()) end)
  local expected = "sha256=" .. hex
  return #signature == #expected and ffi.C.CRYPTO_memcmp(signature, expected, #expected) == 0
end

-- Why a message is not answered, with its figures; it is the platform's to show.
local function refusal(message, decision)
  local again = decision.retry_at and os.date("!%Y-%m-%dT%H:%M:%SZ", decision.retry_at / 1000)
  return {
    message = message,
    reason = decision.reason,
    used = decision.used,
    limit = decision.limit or cjson.null,
    retry_at = again or cjson.null,
  }
end

-- What is null in a document, as nil.
local function some(value)
  if value ~= cjson.null then return value end
end

-- Decides about one part; nil: it opens nothing.
local function decide(tenant, part)
  local contact = part.contacts[1]
  for index = 2, #part.contacts do tenant:link_contact(contact, part.contacts[index]) end
  if not part.opens then return nil end
  local about = { channel = some(part.channel), contact = contact, at = part.at_ms }
  local received = tenant:perform(ACTIONS[part.kind], about)
  if not received.allowed or part.kind ~= "message" then return received end
  about.at, about.key = nil, some(part.id)
  return tenant:perform("send_message", about)
end

-- An empty table of Lua's is no list to cjson.
local function list(of)
  return #of > 0 and cjson.encode(of) or "[]"
end

-- Asks about each part, and answers each message once: Meta delivers some of them again.
local function answer(tenant, body)
  local answers, refused, malformed = {}, {}, {}
  for _, part in ipairs(body.events) do
    local decision = decide(tenant, part)
    if decision and not decision.allowed then
      -- The message is kept; what is not done is the answer.
      table.insert(refused, refusal(part.id, decision))
    elseif decision and part.kind == "message" and not decision.replayed then
      -- Here the platform sends it. This example reports what it would send.
      local notice = decision.notice and decision.notice .. "\n" or ""
      table.insert(answers, { message = part.id, text = notice .. "Olá! Já vamos atender você." })
    end
  end
  for _, it in ipairs(body.malformed) do table.insert(malformed, it.path .. " " .. it.rule) end
  local document = '{"answers":%s,"refused":%s,"malformed":%s}'
  return 200, document:format(list(answers), list(refused), list(malformed))
end

-- Meta asks once whether this is the right place: the token is agreed in its settings.
local function subscribe(query)
  local given, expected = query["hub.verify_token"], os.getenv("WHATSAPP_VERIFY_TOKEN")
  local is_right = type(given) == "string" and #given == #expected
    and ffi.C.CRYPTO_memcmp(given, expected, #expected) == 0
  if not is_right or query["hub.mode"] ~= "subscribe" then
    return 403, { error = "the token is wrong" }
  end
  return 200, query["hub.challenge"] or ""
end

-- Gives status, document and in how many seconds to come again.
local function respond(name, body, signature)
  if not is_signed(body, signature) then return 401, { error = "the signature is wrong" } end
  local read = cjson.decode(cotas.whatsapp_events(body))
  if not read.known then return 400, { error = "this is no webhook of WhatsApp" } end
  local tenant = engine:tenant(name)
  local outcome = { pcall(answer, tenant, read) }
  tenant:close()
  if not outcome[1] then error(outcome[2], 0) end
  return unpack(outcome, 2)
end

-- What an error is over HTTP.
local function trouble(failure)
  local known = type(failure) == "table" and failure or { message = tostring(failure) }
  if known.code == cotas.UNKNOWN_TENANT then return 404, { error = "there is no such tenant" } end
  if known.code == cotas.INVALID_ARGUMENT then return 400, { error = known.message } end
  ngx.log(ngx.ERR, "cotas: ", known.message)
  return 503, { error = "come again" }, 1
end

function webhook.open()
  engine = cotas.open(os.getenv("COTAS_DB"))
end

local function reply(done, status, document, wait)
  if not done then status, document, wait = trouble(status) end
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Retry-After"] = wait
  ngx.print(type(document) == "string" and document or cjson.encode(document))
end

function webhook.handle()
  local name = ngx.var.uri:match("^/webhooks/([^/]+)$")
  local method = ngx.req.get_method()
  if name and method == "GET" then
    return reply(pcall(subscribe, ngx.req.get_uri_args()))
  elseif method ~= "POST" or not name then
    return ngx.exit(404)
  end
  ngx.req.read_body()
  local body = ngx.req.get_body_data() or ""
  local signature = ngx.var.http_x_hub_signature_256 or ""
  return reply(pcall(respond, name, body, signature))
end

return webhook
