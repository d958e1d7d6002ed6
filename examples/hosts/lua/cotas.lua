-- libcotas for LuaJIT (OpenResty, nginx with Lua): nothing but its own FFI.
--
-- local cotas = require("cotas").load("/usr/include/cotas_ffi.h")
-- Where a call does not do what was asked it raises a table: { code = 400, message = "..." }.

local ffi = require("ffi")

local cotas = { UNKNOWN_TENANT = 400, INVALID_ARGUMENT = 406 }
local C

local Engine, Tenant = {}, {}
Engine.__index, Tenant.__index = Engine, Tenant

local function load_once(header)
  if C then return end
  local file = assert(io.open(header))
  ffi.cdef(file:read("*a"))
  file:close()
  C = ffi.load("libcotas.so.1")
end

--- Loads the library, once per process; `header` is where cotas_ffi.h was installed.
function cotas.load(header)
  load_once(header)
  return cotas
end

-- Calls a function whose last parameter is the error. Gives COTAS_OK or COTAS_E_BUFFER.
local function call(name, ...)
  local failure = ffi.new("cotas_error", { struct_size = ffi.sizeof("cotas_error") })
  local arguments = { ... }
  local count = select("#", ...)
  arguments[count + 1] = failure
  local code = C[name](unpack(arguments, 1, count + 1))
  if code ~= C.COTAS_OK and code ~= C.COTAS_E_BUFFER then
    error({ code = code, message = ffi.string(failure.message) }, 0)
  end
  return code
end

-- Calls a function that writes a JSON document into a buffer, and gives that.
local function document(name, ...)
  local arguments, count = { ... }, select("#", ...)
  local needed = ffi.new("size_t[1]", 4096)
  while true do -- What is reported may have grown since its length was asked.
    local capacity = needed[0]
    local buffer = ffi.new("char[?]", capacity)
    arguments[count + 1], arguments[count + 2], arguments[count + 3] = buffer, capacity, needed
    if call(name, unpack(arguments, 1, count + 3)) == 0 then return ffi.string(buffer) end
  end
end

--- What a webhook's body says, the kind of each part, and which open a session: a JSON document.
function cotas.whatsapp_events(body)
  return document("cotas_whatsapp_events", ffi.cast("const uint8_t *", body), #body)
end

-- A number, or nil for 0: there is none.
local function some(number)
  number = tonumber(number)
  return number ~= 0 and number or nil
end

-- The text at a pointer, or nil for NULL.
local function text_at(pointer)
  return pointer ~= nil and ffi.string(pointer) or nil
end

local function has(flags, flag)
  return bit.band(flags, flag) ~= 0
end

-- The answer to a request. A refusal says which rule failed, with its figures.
local function decision_of(from)
  local finite = from.mode == C.COTAS_MODE_FINITE
  return {
    allowed = from.allowed == 1,
    reason = text_at(C.cotas_reason_name(from.reason)),
    units = tonumber(from.units),
    used = tonumber(from.used),
    -- nil where there is no number: it is unlimited, or about no resource.
    available = finite and tonumber(from.available) or nil,
    limit = finite and tonumber(from.limit) or nil,
    -- Milliseconds since 1970, as all instants here; nil: it cannot be foreseen.
    retry_at = some(from.retry_at_ms),
    session_opened = has(from.flags, C.COTAS_FLAG_SESSION_OPENED),
    session_expires_at = some(from.session_expires_at_ms),
    -- What the message must carry, on a demonstration account.
    notice = has(from.flags, C.COTAS_FLAG_DEMO_NOTICE) and text_at(C.cotas_demo_notice()) or nil,
    -- It was made by an earlier call with the same idempotency key.
    replayed = has(from.flags, C.COTAS_FLAG_REPLAYED),
    receipt = ffi.string(from.receipt),
  }
end

--- Opens the database at `path`. `now` gives it a clock of its own, for tests: milliseconds since
--- 1970.
function cotas.open(path, now)
  local options, opened = ffi.new("cotas_options *[1]"), ffi.new("cotas_engine *[1]")
  call("cotas_options_new", options)
  local done, failure = pcall(function()
    if now then call("cotas_options_set_time", options[0], now) end
    call("cotas_engine_open", path, #path, options[0], opened)
  end)
  C.cotas_options_close(options[0])
  if not done then error(failure, 0) end
  return setmetatable({ handle = opened[0] }, Engine)
end

function Engine:set_time(now)
  call("cotas_engine_set_time", self.handle, now)
end

--- Puts a catalog in force and gives its number.
function Engine:load_catalog(text, name)
  local version = ffi.new("uint64_t[1]")
  call("cotas_load_catalog", self.handle, text, #text, name, #name, version)
  return tonumber(version[0])
end

--- Calls an operation of the control plane (docs/operations.md) with a JSON object, once under a
--- key if there is one: a JSON document.
function Engine:call(operation, arguments, key)
  return document("cotas_call", self.handle, operation, #operation, arguments, #arguments, key,
                  key and #key or 0)
end

--- Creates a tenant, as a JSON document says it. Gives false if there is one of that name already.
function Engine:ensure_tenant(json)
  return self:call("ensure_tenant", '{"form": ' .. json .. "}") == "true"
end

--- Finds a tenant by its name. Keep it: deciding by it is the fast way.
function Engine:tenant(name)
  local opened = ffi.new("cotas_tenant *[1]")
  call("cotas_tenant_open", self.handle, name, #name, opened)
  return setmetatable({ handle = opened[0] }, Tenant)
end

--- What a tenant subscribed to, has left and owes: a JSON document.
function Engine:statement(tenant)
  local name = tenant:gsub('[%c"\\]', function(byte) return ("\\u%04x"):format(byte:byte()) end)
  return self:call("statement", '{"tenant": "' .. name .. '"}')
end

function Engine:close()
  C.cotas_engine_close(self.handle)
end

--- May this tenant do an action of the catalog now? If so, what it charges is used up. `about` may
--- have channel, contact, quantity, at (milliseconds since 1970) and key (it takes effect once).
function Tenant:perform(action, about)
  local channel, contact, key = about.channel or "", about.contact or "", about.key
  local decision = ffi.new("cotas_decision", { struct_size = ffi.sizeof("cotas_decision") })
  call("cotas_perform", self.handle, action, #action, channel, #channel, contact, #contact,
    about.quantity or 1, about.at or 0, key, key and #key or 0, decision)
  return decision_of(decision)
end

--- Makes two ids one contact.
function Tenant:link_contact(one, other)
  call("cotas_link_contact", self.handle, one, #one, other, #other)
end

function Tenant:close()
  C.cotas_tenant_close(self.handle)
end

return cotas
