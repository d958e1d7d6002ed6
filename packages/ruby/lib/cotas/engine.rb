# frozen_string_literal: true

module Cotas
  # The quota engine of one database. A forked worker goes on using what it inherited.
  class Engine
    include EngineCalls

    # Opens the database at a path, making it if there is none. Options: durability (process, disk),
    # maintenance (thread, inline, external), checkpoint_interval, disk_timeout and lag_max
    # (milliseconds), live_directory, allow_network_file_system, keep_open, now (a clock of its own,
    # for tests).
    # With a block it is closed when the block ends.
    def self.open(path, **options)
      path = Native.text(:path, path.to_s)
      engine = new(Native.options(options) do |how|
        Native.opened { |*to| C::ENGINE_OPEN.call(path, path.bytesize, how, *to) }
      end)
      return engine unless block_given?

      begin
        yield engine
      ensure
        engine.close
      end
    end

    # Opens a database in memory, for tests.
    def self.in_memory(**options)
      new(Native.options(options) do |how|
        Native.opened { |*to| C::ENGINE_OPEN_IN_MEMORY.call(how, *to) }
      end)
    end

    def initialize(handle)
      @handle = handle
      @names = {}
      ObjectSpace.define_finalizer(self, self.class.closer(handle))
    end

    # Calls an operation of the control plane by its name; once under a key.
    def call(operation, arguments = {}, key: nil)
      json = JSON.generate(arguments)
      key = Native.text(:key, key) unless key.nil?
      Native.json do |*space|
        C::CALL.call(@handle, operation, operation.bytesize, json, json.bytesize, key,
                     key.to_s.bytesize, *space)
      end
    end

    # Finds a tenant. Keep it: deciding by it is the fast way.
    def tenant(name)
      name = Native.text(:name, name)
      Tenant.new(self, name, Native.opened do |*to|
        C::TENANT_OPEN.call(@handle, name, name.bytesize, *to)
      end)
    end

    # The same engine, whose calls have another durability.
    def with_durability(durability)
      number = Native.choice(:durability, Names::DURABILITY, durability)
      Engine.new(Native.opened { |*to| C::ENGINE_WITH_DURABILITY.call(@handle, number, *to) })
    end

    # The same engine, whose decisions never wait: one that would have to is an error, "busy".
    def without_waiting
      Engine.new(Native.opened { |*to| C::ENGINE_WITHOUT_WAITING.call(@handle, *to) })
    end

    # The name of the resource with a number, which is asked once.
    def name_of(resource)
      @names[resource] ||= resource_name(resource).freeze
    end

    # Closing it twice does no harm.
    def close
      C::ENGINE_CLOSE.call(@handle)
      nil
    end

    def self.closer(handle)
      proc { C::ENGINE_CLOSE.call(handle) }
    end
  end
end
