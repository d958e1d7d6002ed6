# frozen_string_literal: true

require "sidekiq"
require_relative "../cotas"

module Cotas
  # Runs a job where its tenant may do an action of the catalog. What the action charges is set
  # aside; it is used when the job ends, and given back when it raises. A job that is denied comes
  # again when it may, or raises QuotaExceeded where that cannot be foreseen.
  #
  #   Sidekiq.configure_server do |config|
  #     config.server_middleware { |chain| chain.add Cotas::SidekiqGuard, engine }
  #   end
  #
  #   sidekiq_options cotas: { "action" => "send_sms", "tenant" => 0, "ttl" => 600 }
  class SidekiqGuard
    TTL_SECONDS = 3600

    def initialize(engine)
      @engine = engine
    end

    def call(_worker, job, queue, &block)
      asked = job["cotas"]
      return yield unless asked

      tenant = @engine.tenant(job["args"].fetch(asked.fetch("tenant")))
      ttl = asked.fetch("ttl", TTL_SECONDS) * 1000
      held = tenant.reserve_action(asked.fetch("action"), asked.fetch("details", {}), ttl)
      return run(tenant, held, &block) if held.allowed?

      held.allowed! if held.retry_at.nil?
      ::Sidekiq::Client.push(job.merge("queue" => queue, "at" => held.retry_at.to_f))
    ensure
      tenant&.close
    end

    private

    def run(tenant, held)
      result = yield
    rescue Exception # Also what ends a worker.
      tenant.release(held.reservation)
      raise
    else
      tenant.commit(held.reservation)
      result
    end
  end
end
