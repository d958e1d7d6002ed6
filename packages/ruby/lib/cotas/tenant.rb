# frozen_string_literal: true

module Cotas
  # A tenant, found once and used many times, by any thread.
  class Tenant
    include TenantCalls

    attr_reader :name

    # Made by Engine#tenant.
    def initialize(engine, name, handle)
      @engine = engine
      @name = name
      @handle = handle
      ObjectSpace.define_finalizer(self, self.class.closer(handle))
    end

    # The same tenant, whose idempotency keys are kept for so many milliseconds.
    def with_key_lifetime(lifetime)
      lifetime = Native.whole(:lifetime, lifetime)
      Tenant.new(@engine, @name, Native.opened do |*to|
        C::TENANT_WITH_KEY_LIFETIME.call(@handle, lifetime, *to)
      end)
    end

    # Closing it twice does no harm.
    def close
      C::TENANT_CLOSE.call(@handle)
      nil
    end

    def self.closer(handle)
      proc { C::TENANT_CLOSE.call(handle) }
    end
  end
end
