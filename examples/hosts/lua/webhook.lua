-- What nginx.conf calls: open() once per worker, handle() for every request. A decision holds a
-- worker up for microseconds.

local cjson = require("cjson.safe")
local ffi = require("ffi")
local cotas = require("cotas").load(os.getenv("COTAS_HEADER"))

local STATUS = {
  rate_exceeded = 429, quota_exhausted = 402, not_in_plan = 402, plan_lapsed = 402,
  no_subscription = 402, subscription_pending = 402, demo_expired = 402,
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

-- A member of a document that must be of a type.
local function member(document, key, kind)
  local found = type(document) == "table" and document[key]
  if type(found) ~= kind then error({ malformed = true }, 0) end
  return found
end

-- A timestamp of WhatsApp's, seconds since 1970 as text, in milliseconds.
local function instant(seconds)
  if #seconds > 11 or not seconds:match("^%d+$") then error({ malformed = true }, 0) end
  return 1000 * tonumber(seconds)
end

-- The messages of a webhook's body, whatever else is in it.
local function messages_of(body)
  local found = {}
  for _, entry in ipairs(member(body, "entry", "table")) do
    for _, change in ipairs(member(entry, "changes", "table")) do
      local value = member(change, "value", "table")
      for _, message in ipairs(value.messages or {}) do
        table.insert(found, {
          id = member(message, "id", "string"),
          channel = member(member(value, "metadata", "table"), "phone_number_id", "string"),
          contact = member(message, "from", "string"),
          at = instant(member(message, "timestamp", "string")),
        })
      end
    end
  end
  return found
end

-- What a refusal is over HTTP: to be paid, too fast, or forbidden; and when to come again.
local function refusal(decision)
  local wait, again
  if decision.retry_at then
    wait = math.max(1, math.ceil(decision.retry_at / 1000 - ngx.now()))
    again = os.date("!%Y-%m-%dT%H:%M:%SZ", decision.retry_at / 1000)
  end
  return STATUS[decision.reason] or 403, {
    reason = decision.reason,
    used = decision.used,
    limit = decision.limit or cjson.null,
    retry_at = again or cjson.null,
  }, wait
end

-- Asks, and answers each message once: Meta delivers some of them again.
local function answer(tenant, messages)
  local answers = {}
  for _, it in ipairs(messages) do
    local about = { channel = it.channel, contact = it.contact, at = it.at }
    local received = tenant:perform("receive_message", about)
    if not received.allowed then return refusal(received) end
    about.at, about.key = nil, it.id
    local sent = tenant:perform("send_message", about)
    if not sent.allowed then return refusal(sent) end
    if not sent.replayed then
      -- Here the platform sends it. This example tells what it would send.
      local notice = sent.notice and sent.notice .. "\n" or ""
      table.insert(answers, { message = it.id, text = notice .. "Olá! Já vamos atender você." })
    end
  end
  -- An empty table of Lua's is no list to cjson.
  return 200, #answers > 0 and { answers = answers } or '{"answers":[]}'
end

-- Gives status, document and in how many seconds to come again.
local function respond(name, body, signature)
  if not is_signed(body, signature) then return 401, { error = "the signature is wrong" } end
  local messages = messages_of(cjson.decode(body))
  local tenant = engine:tenant(name)
  local outcome = { pcall(answer, tenant, messages) }
  tenant:close()
  if not outcome[1] then error(outcome[2], 0) end
  return unpack(outcome, 2)
end

-- What an error is over HTTP.
local function trouble(failure)
  local known = type(failure) == "table" and failure or { message = tostring(failure) }
  if known.malformed then return 400, { error = "this is no webhook of WhatsApp" } end
  if known.code == cotas.UNKNOWN_TENANT then return 404, { error = "there is no such tenant" } end
  if known.code == cotas.INVALID_ARGUMENT then return 400, { error = known.message } end
  ngx.log(ngx.ERR, "cotas: ", known.message)
  return 503, { error = "come again" }, 1
end

function webhook.open()
  engine = cotas.open(os.getenv("COTAS_DB"))
end

function webhook.handle()
  local name = ngx.var.uri:match("^/webhooks/([^/]+)$")
  if ngx.req.get_method() ~= "POST" or not name then return ngx.exit(404) end
  ngx.req.read_body()
  local body = ngx.req.get_body_data() or ""
  local signature = ngx.var.http_x_hub_signature_256 or ""
  local done, status, document, wait = pcall(respond, name, body, signature)
  if not done then status, document, wait = trouble(status) end
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Retry-After"] = wait
  ngx.print(type(document) == "string" and document or cjson.encode(document))
end

return webhook
