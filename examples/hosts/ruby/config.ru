# frozen_string_literal: true

# A WhatsApp Cloud API webhook that asks before it answers: POST /webhooks/<tenant>.
#
#   COTAS_DB=quotas.db WHATSAPP_APP_SECRET=... puma -C puma.rb
#
# Puma loads this before it forks its workers: they go on using the engine that they inherit.
# ../README.md makes the database.

require "json"
require "openssl"
require "rack"
require "time"
require_relative "cotas"

# The webhook, as a Rack application.
class Webhook
  BODY_BYTES_MAX = 1 << 20
  TO_BE_PAID = %w[
    quota_exhausted not_in_plan plan_lapsed no_subscription subscription_pending demo_expired
  ].freeze

  # A body that is no webhook.
  class Malformed < StandardError; end

  def initialize(engine, secret)
    @engine = engine
    @secret = secret
  end

  def call(env)
    request = Rack::Request.new(env)
    name = request.path_info[%r{\A/webhooks/([^/]+)\z}, 1] if request.post?
    return reply(404, error: "there is nothing here") unless name

    body = request.body.read(BODY_BYTES_MAX + 1).to_s
    return reply(413, error: "the body is too large") if body.bytesize > BODY_BYTES_MAX

    signature = env.fetch("HTTP_X_HUB_SIGNATURE_256", "")
    return reply(401, error: "the signature is wrong") unless signed?(body, signature)

    messages = messages(JSON.parse(body))
    answer(Rack::Utils.unescape_path(name).force_encoding(Encoding::UTF_8), messages)
  rescue JSON::ParserError, Malformed
    reply(400, error: "this is no webhook of WhatsApp")
  rescue Cotas::Error => e
    trouble(e)
  end

  private

  # Asks, and answers each message once: Meta delivers some of them again.
  def answer(name, messages)
    tenant = @engine.tenant(name)
    answers = messages.filter_map do |id, channel, contact, at|
      received = tenant.perform("receive_message", channel:, contact:, at:)
      return refusal(received) unless received.allowed?

      sent = tenant.perform("send_message", channel:, contact:, key: id)
      return refusal(sent) unless sent.allowed?
      next if sent.replayed

      # Here the platform sends it. This example tells what it would send.
      { message: id, text: [sent.notice, "Olá! Já vamos atender você."].compact.join("\n") }
    end
    reply(200, answers:)
  ensure
    tenant&.close
  end

  # What a refusal is over HTTP: to be paid, too fast, or forbidden; and when to come again.
  def refusal(decision)
    status =
      case decision.reason
      when "rate_exceeded" then 429
      when *TO_BE_PAID then 402
      else 403
      end
    at = decision.retry_at && Time.at(decision.retry_at / 1000.0)
    headers = at ? { "Retry-After" => [1, (at - Time.now).ceil].max.to_s } : {}
    document = decision.to_h.slice(:reason, :used, :limit)
    reply(status, headers, **document, retry_at: at&.utc&.iso8601)
  end

  # What an error is over HTTP.
  def trouble(error)
    case error.code
    when Cotas::Error::UNKNOWN_TENANT then reply(404, error: "there is no such tenant")
    when Cotas::Error::INVALID_ARGUMENT then reply(400, error: error.message)
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

  # The messages of a webhook's body, whatever else is in it: id, channel, contact, time.
  def messages(body)
    items(body, "entry").flat_map { |entry| items(entry, "changes") }.flat_map do |change|
      value = member(change, "value", Hash)
      next [] unless value.key?("messages")

      channel = member(member(value, "metadata", Hash), "phone_number_id", String)
      items(value, "messages").map do |message|
        at = instant(member(message, "timestamp", String))
        [member(message, "id", String), channel, member(message, "from", String), at]
      end
    end
  end

  # A timestamp of WhatsApp's, seconds since 1970 as text, in milliseconds.
  def instant(seconds)
    seconds.match?(/\A[0-9]{1,11}\z/) ? 1000 * seconds.to_i : raise(Malformed, "timestamp")
  end

  def items(document, key)
    member(document, key, Array)
  end

  def member(document, key, type)
    found = document[key] if document.is_a?(Hash)
    found.is_a?(type) ? found : raise(Malformed, key)
  end
end

run Webhook.new(Cotas::Engine.new(ENV.fetch("COTAS_DB")), ENV.fetch("WHATSAPP_APP_SECRET"))
