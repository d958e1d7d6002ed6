# frozen_string_literal: true

# The story of tests/hosts/story.txt, by the gem. Arguments: a new database, a catalog.

require "time"
require "cotas"

TENANT = "padaria-são-joão"

def ms(text)
  Time.iso8601(text).to_i * 1000
end

def instant(at)
  at.utc.iso8601
end

def shown(decision)
  if decision.allowed?
    session = decision.session_opened? ? "opened" : "goes on"
    text = "allowed, session #{session} until #{instant(decision.session_expires_at)}"
    return text if decision.limit.nil?

    return "#{text}, #{decision.available} of #{decision.limit} left"
  end
  reason = decision.reason.tr("_", " ")
  figures = "#{decision.used} of #{decision.limit} used, #{decision.available} left"
  "denied, #{reason}, #{figures}, again at #{instant(decision.retry_at)}"
end

# Prints the error that the block ends with.
def print_error
  yield
rescue Cotas::Error => e
  puts "error #{e.number}: #{e.message}"
end

path, catalog = ARGV
engine = Cotas::Engine.open(path, now: ms("2026-05-19T12:00:00-03:00"))
version = engine.load_catalog(File.read(catalog, encoding: "UTF-8"), "help_desk.toml")
puts "catalog #{version}"
plan = { name: "starter", first_due: "2026-05-20", auto_renew: true }
2.times { puts engine.ensure_tenant(form: { name: TENANT, plan: }) ? "created" : "there already" }
print_error { engine.tenant("açougue") }

tenant = engine.tenant(TENANT)
receive = lambda do |number|
  tenant.perform("receive_message", channel: "whatsapp", contact: "contact-#{number}")
end
number = 1
number += 1 while receive.(number).allowed?
puts "#{number - 1} contacts were admitted"
engine.set_time(ms("2026-05-20T08:00:00-03:00"))
puts "contact-#{number}: #{shown(receive.(number))}"
puts "contact-1: #{shown(receive.(1))}"

sms, again = Array.new(2) { tenant.perform("send_sms", quantity: 150, key: "pedido-1") }
puts "sms: #{sms.units} units, #{sms.available} left"
same = again.receipt == sms.receipt && !sms.receipt.nil? ? "the same" : "another"
once = again.replayed? ? "the stored decision" : "a new decision"
puts "sms with the same key: #{once}, #{same} receipt, #{again.available} left"

engine.set_time(ms("2026-05-20T23:59:59-03:00"))
puts "contact-#{number}: #{shown(receive.(number))}"
engine.set_time(ms("2026-05-21T00:00:00-03:00"))
puts "contact-#{number}: #{shown(receive.(number))}"
statement = engine.statement(tenant: TENANT)
sessions = statement["balances"].find { |it| it["resource"] == "sessions" }
puts "statement of #{statement['tenant']}: #{statement['plan']['title']}, " \
     "next due #{statement['plan']['next_due']}, " \
     "sessions #{sessions['available']} of #{sessions['contracted']}"
tenant.close
engine.close
print_error { engine.statement(tenant: TENANT) }
