# frozen_string_literal: true

# A WhatsApp webhook that asks before it answers: POST /webhooks/<tenant>.
#
#   COTAS_DB=quotas.db WHATSAPP_APP_SECRET=... WHATSAPP_VERIFY_TOKEN=... puma -C puma.rb
#
# Puma loads this before it forks its workers: they go on using the engine that they inherit.
# ../README.md makes the database.

require "json"
require "openssl"
require "rack"
require "time"
require "cotas"

# The webhook, as a Rack application.
class Webhook
  BODY_BYTES_MAX = 1 << 20
  # What each kind of part that opens a session is in the catalog.
  ACTIONS = {
    "message" => "receive_message", "call" => "receive_call", "template" => "template_sent"
  }.freeze

  def initialize(engine, secret, token)
    @engine = engine
    @secret = secret
    @token = token
  end

  def call(env)
    request = Rack::Request.new(env)
    name = request.path_info[%r{\A/webhooks/([^/]+)\z}, 1]
    known = request.get? || request.post?
    return reply(404, error: "there is nothing here") unless name && known
    return subscribe(request.GET) if request.get?

    body = request.body.read(BODY_BYTES_MAX + 1).to_s
    return reply(413, error: "the body is too large") if body.bytesize > BODY_BYTES_MAX

    signature = env.fetch("HTTP_X_HUB_SIGNATURE_256", "")
    return reply(401, error: "the signature is wrong") unless signed?(body, signature)

    read = Cotas.whatsapp_events(body)
    return reply(400, error: "this is no webhook of WhatsApp") unless read["known"]

    answer(Rack::Utils.unescape_path(name).force_encoding(Encoding::UTF_8), read)
  rescue Cotas::Error => e
    trouble(e)
  end

  private

  # Meta asks once whether this is the right place: the token is agreed in its settings.
  def subscribe(query)
    right = Rack::Utils.secure_compare(@token, query["hub.verify_token"].to_s)
    return reply(403, error: "the token is wrong") unless right && query["hub.mode"] == "subscribe"

    [200, { "Content-Type" => "text/plain" }, [query["hub.challenge"].to_s]]
  end

  # Asks about each part, and answers each message once: Meta delivers some of them again.
  def answer(name, body)
    tenant = @engine.tenant(name)
    answers = []
    refused = []
    body["events"].each do |part|
      decision = decide(tenant, part) or next
      if !decision.allowed?
        # The message is kept; what is not done is the answer.
        refused << refusal(part["id"], decision)
      elsif part["kind"] == "message" && !decision.replayed?
        # Here the platform sends it. This example reports what it would send.
        text = [decision.notice, "Olá! Já vamos atender você."].compact.join("\n")
        answers << { message: part["id"], text: }
      end
    end
    reply(200, answers:, refused:, malformed: body["malformed"].map { |it| it.values.join(" ") })
  ensure
    tenant&.close
  end

  # Decides about one part; nil: it opens nothing.
  def decide(tenant, part)
    contact, *others = part["contacts"]
    others.each { |other| tenant.link_contact(contact, other) }
    return unless part["opens"]

    channel = part["channel"].to_s
    action = ACTIONS.fetch(part["kind"])
    received = tenant.perform(action, channel:, contact:, at: part["at_ms"])
    return received unless received.allowed? && part["kind"] == "message"

    tenant.perform("send_message", channel:, contact:, key: part["id"])
  end

  # Why a message is not answered, with its figures; it is the platform's to show.
  def refusal(message, decision)
    { message:, **decision.to_h.slice(:reason, :used, :limit),
      retry_at: decision.retry_at&.iso8601 }
  end

  # What an error is over HTTP.
  def trouble(error)
    case error.code
    when "unknown_tenant" then reply(404, error: "there is no such tenant")
    when "invalid_argument" then reply(400, error: error.message)
    else
      warn "cotas: #{error.message} (#{error.code})"
      reply(503, { "Retry-After" => "1" }, error: "come again")
    end
  end

  def reply(status, headers = {}, **document)
    [status, { "Content-Type" => "application/json", **headers }, [JSON.generate(document)]]
  end

  def signed?(body, signature)
    expected = "sha256=#{OpenSSL::HMAC.hexdigest('SHA256', @secret, body)}"
    Rack::Utils.secure_compare(expected, signature)
  end
end

run Webhook.new(
  Cotas::Engine.open(ENV.fetch("COTAS_DB")),
  ENV.fetch("WHATSAPP_APP_SECRET"),
  ENV.fetch("WHATSAPP_VERIFY_TOKEN")
)
