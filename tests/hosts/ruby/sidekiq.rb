# frozen_string_literal: true

# The middleware of Sidekiq, as its server calls it. Arguments: a new database, a catalog.

require "cotas/sidekiq"

path, catalog = ARGV
# What a denied job is handed back to; there is no Redis here.
pushed = []
Sidekiq::Client.define_singleton_method(:push) { |job| pushed << job }

engine = Cotas::Engine.open(path)
engine.load_catalog(File.read(catalog, encoding: "UTF-8"))
plan = { name: "starter", first_due: "2099-12-10", auto_renew: true }
limits = { notification_credits: 2 }
engine.ensure_tenant(form: { name: "padaria-aurora", plan: plan, limits: limits })
guard = Cotas::SidekiqGuard.new(engine)
job = {
  "jid" => "j-1", "args" => ["padaria-aurora", "Olá"],
  "cotas" => { "action" => "send_sms", "tenant" => 0 }
}
tenant = engine.tenant("padaria-aurora")
left = lambda do
  asked = tenant.check("notification_credits", 1)
  asked.allowed? ? asked.available + 1 : asked.available
end

guard.call(nil, job, "default") { puts "sent" }
puts "#{left.()} left"
begin
  guard.call(nil, job, "default") { raise IOError, "the line is down" }
rescue IOError => e
  puts "#{e.message}, #{left.()} left"
end
guard.call(nil, job, "default") { puts "sent" }
guard.call(nil, job, "default") { puts "this must not run" }
again = pushed.fetch(0)
later = again["at"] == tenant.check("notification_credits", 1).retry_at.to_f
puts "denied, comes again in queue #{again['queue']} at the renewal: #{later}"
guard.call(nil, { "args" => [] }, "default") { puts "a job without quotas runs" }
