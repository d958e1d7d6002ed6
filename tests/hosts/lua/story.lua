-- The story of tests/hosts/story.txt, by LuaJIT. Arguments: a new database, a catalog.

package.path = arg[0]:gsub("[^/]*$", "") .. "../../../examples/hosts/lua/?.lua;" .. package.path
local cotas = require("cotas").load(os.getenv("COTAS_HEADER"))

local TENANT = "padaria-são-joão"

-- An instant of May 2026 in UTC, in milliseconds since 1970.
local MAY_2026 = 1777593600
local function ms(day, hour, minute, second)
  return (MAY_2026 + (((day - 1) * 24 + hour) * 60 + minute) * 60 + second) * 1000
end

local function instant(at)
  return os.date("!%Y-%m-%dT%H:%M:%SZ", at / 1000)
end

local function shown(decision)
  if decision.allowed then
    local session = decision.session_opened and "opened" or "goes on"
    local expires = instant(decision.session_expires_at)
    local text = ("allowed, session %s until %s"):format(session, expires)
    if not decision.limit then return text end
    return ("%s, %d of %d left"):format(text, decision.available, decision.limit)
  end
  return ("denied, %s, %d of %d used, %d left, again at %s"):format(
    decision.reason:gsub("_", " "), decision.used, decision.limit, decision.available,
    instant(decision.retry_at))
end

-- Prints the error that `attempt` ends with.
local function print_error(attempt)
  local done, failure = pcall(attempt)
  if done then return end
  if type(failure) ~= "table" then error(failure, 0) end
  print(("error %d: %s"):format(failure.code, failure.message))
end

local engine = cotas.open(arg[1], ms(19, 15, 0, 0))
local catalog = assert(io.open(arg[2]))
print("catalog " .. engine:load_catalog(catalog:read("*a"), "help_desk.toml"))
catalog:close()
local document = [[{ "name": "%s",
  "plan": { "name": "starter", "first_due": "2026-05-20", "auto_renew": true } }]]
for _ = 1, 2 do
  print(engine:ensure_tenant(document:format(TENANT)) and "created" or "there already")
end
print_error(function() engine:tenant("açougue") end)

local tenant = engine:tenant(TENANT)
local function receive(number)
  return tenant:perform("receive_message", { channel = "whatsapp", contact = "contact-" .. number })
end
local number = 1
while receive(number).allowed do number = number + 1 end
print(number - 1 .. " contacts were admitted")
engine:set_time(ms(20, 11, 0, 0))
print("contact-" .. number .. ": " .. shown(receive(number)))
print("contact-1: " .. shown(receive(1)))

local function send_sms()
  return tenant:perform("send_sms", { quantity = 150, key = "pedido-1" })
end
local sms, again = send_sms(), send_sms()
print(("sms: %d units, %d left"):format(sms.units, sms.available))
local same = again.receipt == sms.receipt and sms.receipt ~= "" and "the same" or "another"
local once = again.replayed and "the stored decision" or "a new decision"
print(("sms with the same key: %s, %s receipt, %d left"):format(once, same, again.available))

engine:set_time(ms(21, 2, 59, 59))
print("contact-" .. number .. ": " .. shown(receive(number)))
engine:set_time(ms(21, 3, 0, 0))
print("contact-" .. number .. ": " .. shown(receive(number)))
-- LuaJIT reads no JSON: nginx has cjson, this story looks for what it has.
local statement = engine:statement(TENANT)
local function of(pattern) return statement:match(pattern) end
print(("statement of %s: %s, next due %s, sessions %s of %s"):format(
  of('"tenant":"([^"]*)"'), of('"plan":{[^}]*"title":"([^"]*)"'),
  of('"plan":{[^}]*"next_due":"([^"]*)"'), of('"available":(%d+),[^}]*"resource":"sessions"'),
  of('"contracted":(%d+),[^}]*"resource":"sessions"')))
tenant:close()
engine:close()
print_error(function() engine:statement(TENANT) end)
