# frozen_string_literal: true

# The Railtie in an application of Rails. Arguments: a new database, a catalog.

require "rails"
require "action_controller/railtie"
require "cotas"

path, catalog = ARGV

# An application with one route.
class Platform < Rails::Application
  config.eager_load = false
  config.logger = Logger.new(File::NULL)
  config.secret_key_base = "of this test"
  config.hosts.clear
  config.consider_all_requests_local = false
  config.cotas.database = ARGV.first
  config.cotas.options = { maintenance: "thread" }
end

# Sends a text message where the tenant may.
class MessagesController < ActionController::Base
  def create
    tenant = Cotas.engine.tenant("padaria-aurora")
    decision = tenant.perform("send_sms", key: params[:key]).allowed!
    render plain: "sent, #{decision.available} left"
  end
end

Platform.initialize!
Platform.routes.draw { get "/sms", to: "messages#create" }
Cotas.engine.load_catalog(File.read(catalog, encoding: "UTF-8"))
plan = { name: "starter", first_due: "2099-12-10", auto_renew: true }
limits = { notification_credits: 2 }
Cotas.engine.ensure_tenant(form: { name: "padaria-aurora", plan: plan, limits: limits })
puts "the database is where the configuration says: #{File.exist?(path)}"
%w[a b b c].each do |key|
  status, _, body = Platform.call(Rack::MockRequest.env_for("/sms?key=#{key}"))
  text = +""
  body.each { |part| text << part }
  puts status == 200 ? "#{status} #{text}" : status
end
