# frozen_string_literal: true

module Cotas
  # Why a call did not do what was asked. A denied request is no error.
  class Error < StandardError
    # Such as "unknown_tenant": docs/errors.md lists them.
    attr_reader :code
    # The number of the C library.
    attr_reader :number

    def initialize(code, message, number = 0)
      super(message)
      @code = code
      @number = number
    end
  end

  # An argument is wrong.
  class InvalidArgument < Error
    def initialize(name, wanted, found)
      super("invalid_argument", "invalid #{name}: it must be #{wanted}; found #{found.class}")
    end
  end

  # The library cannot be loaded: one sentence says why, and what to do.
  class LibraryError < Error
    def initialize(message)
      super("library", message)
    end
  end

  # What Decision#allowed! makes of a denied request; its code is the reason.
  class QuotaExceeded < Error
    attr_reader :decision

    def initialize(decision)
      super(decision.reason, "denied: #{decision.reason}")
      @decision = decision
    end
  end
end
