# frozen_string_literal: true

require_relative "cotas/names"
require_relative "cotas/errors"
require_relative "cotas/native"
require_relative "cotas/decision"
require_relative "cotas/calls"
require_relative "cotas/engine"
require_relative "cotas/tenant"
require_relative "cotas/railtie" if defined?(Rails::Railtie)

# Exact, durable quotas inside a chat platform's own process. README.md shows how.
module Cotas
  # What a database looks like from outside; it answers also where opening does not.
  def self.doctor(path, **options)
    path = Native.text(:path, path)
    Native.options(options) do |opened|
      Native.json { |*space| C::DOCTOR.call(path, path.bytesize, opened, *space) }
    end
  end

  # Puts a copy of a backup in the place of a database.
  def self.restore(path, backup, **options)
    path = Native.text(:path, path)
    backup = Native.text(:backup, backup)
    Native.options(options) do |opened|
      f = Native.frame
      f.check(C::RESTORE.call(path, path.bytesize, opened, backup, backup.bytesize, f.error))
    end
    nil
  end
end
