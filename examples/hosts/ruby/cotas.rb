# frozen_string_literal: true

require "fiddle/import"
require "json"

# libcotas by Fiddle, which releases Ruby's lock during a call: other threads run on.
module Cotas
  # Why a call did not do what was asked. A denied request is no error.
  class Error < StandardError
    UNKNOWN_TENANT = 400
    INVALID_ARGUMENT = 406

    attr_reader :code

    def initialize(code, message)
      super(message)
      @code = code
    end
  end

  # The functions of the library.
  module C
    extend Fiddle::Importer
    dlload "libcotas.so.1"
    typealias "int32_t", "int"
    typealias "uint32_t", "unsigned int"
    typealias "int64_t", "long long"
    typealias "uint64_t", "unsigned long long"

    OK = 0
    E_BUFFER = 5
    MODE_FINITE = 1
    FLAG_DEMO_NOTICE = 2
    FLAG_REPLAYED = 8
    FLAG_SESSION_OPENED = 16

    CError = struct ["uint32_t struct_size", "int32_t code", "char message[256]"]
    CDecision = struct [
      "uint32_t struct_size", "uint32_t allowed", "int32_t reason", "uint32_t reasons",
      "uint32_t shadowed", "uint32_t flags", "uint32_t resource", "int32_t mode",
      "uint64_t units", "uint64_t used", "uint64_t available", "uint64_t limit",
      "int64_t retry_at_ms", "int64_t session_expires_at_ms", "int64_t lease_expires_at_ms",
      "uint64_t fencing", "char reservation[40]", "char receipt[40]",
      "uint32_t charge_count", "uint32_t reserved", "uint64_t charges[12]"
    ]

    extern "char *cotas_reason_name(int32_t)"
    extern "char *cotas_demo_notice()"
    extern "int32_t cotas_options_new(void *, void *)"
    extern "int32_t cotas_options_set_time(void *, int64_t, void *)"
    extern "int32_t cotas_options_close(void *)"
    extern "int32_t cotas_engine_open(char *, size_t, void *, void *, void *)"
    extern "int32_t cotas_engine_set_time(void *, int64_t, void *)"
    extern "int32_t cotas_engine_close(void *)"
    extern "int32_t cotas_load_catalog(void *, char *, size_t, char *, size_t, void *, void *)"
    extern "int32_t cotas_call(void *, char *, size_t, char *, size_t, char *, size_t, void *, " \
           "size_t, void *, void *)"
    extern "int32_t cotas_tenant_open(void *, char *, size_t, void *, void *)"
    extern "int32_t cotas_tenant_close(void *)"
    extern "int32_t cotas_link_contact(void *, char *, size_t, char *, size_t, void *)"
    extern "int32_t cotas_whatsapp_events(char *, size_t, void *, size_t, void *, void *)"
    extern "int32_t cotas_perform(void *, char *, size_t, char *, size_t, char *, size_t, " \
           "uint64_t, int64_t, char *, size_t, void *, void *)"

    # Calls a function whose last parameter is the error. Returns OK or E_BUFFER.
    def self.call(name, *arguments)
      error = CError.malloc(Fiddle::RUBY_FREE)
      error.struct_size = CError.size
      code = public_send(name, *arguments, error)
      return code if [OK, E_BUFFER].include?(code)

      raise Error.new(code, text_in(error.message))
    end

    # The two arguments of a text.
    def self.text(value)
      value.nil? ? [nil, 0] : [value, value.bytesize]
    end

    # The text in a member that is ended by NUL.
    def self.text_in(member)
      member.map { |char| char & 0xff }.pack("C*").unpack1("Z*").force_encoding(Encoding::UTF_8)
    end

    # The text at a pointer, or nil where it is NULL.
    def self.text_at(pointer)
      pointer.null? ? nil : pointer.to_s.force_encoding(Encoding::UTF_8)
    end

    # Calls a function that writes a JSON document into a buffer, and reads that.
    def self.document(name, *arguments)
      capacity = 4096
      loop do # What is reported may have grown since its length was asked.
        buffer = Fiddle::Pointer.malloc(capacity, Fiddle::RUBY_FREE)
        code = nil
        needed = number { |space| code = call(name, *arguments, buffer, capacity, space) }
        return JSON.parse(buffer[0, needed - 1].force_encoding(Encoding::UTF_8)) if code == OK

        capacity = needed
      end
    end

    # Calls the block with space for a number of eight bytes and returns what is put there.
    def self.number(first = 0)
      space = Fiddle::Pointer.malloc(Fiddle::SIZEOF_LONG_LONG, Fiddle::RUBY_FREE)
      space[0, Fiddle::SIZEOF_LONG_LONG] = [first].pack("Q")
      yield space
      space[0, Fiddle::SIZEOF_LONG_LONG].unpack1("Q")
    end
  end

  # The answer to a request. A refusal says which rule failed, with its figures. Instants are
  # milliseconds since 1970; nil where there is none.
  Decision = Struct.new(
    :allowed, :reason, :units, :used, :available, :limit, :retry_at, :session_opened,
    :session_expires_at, :notice, :replayed, :receipt, keyword_init: true
  ) do
    alias_method :allowed?, :allowed

    def self.of(from)
      finite = from.mode == C::MODE_FINITE
      new(
        allowed: from.allowed == 1, reason: C.text_at(C.cotas_reason_name(from.reason)),
        units: from.units, used: from.used,
        available: (from.available if finite), limit: (from.limit if finite),
        retry_at: from.retry_at_ms.nonzero?,
        session_opened: from.flags.anybits?(C::FLAG_SESSION_OPENED),
        session_expires_at: from.session_expires_at_ms.nonzero?,
        notice: (C.text_at(C.cotas_demo_notice) if from.flags.anybits?(C::FLAG_DEMO_NOTICE)),
        replayed: from.flags.anybits?(C::FLAG_REPLAYED), receipt: C.text_in(from.receipt)
      ).freeze
    end
  end

  # What a webhook's body says: the kind of each part, and which open a session.
  def self.whatsapp_events(body)
    C.document(:cotas_whatsapp_events, *C.text(body))
  end

  # The quota engine of one database. A forked worker goes on using what it inherited.
  class Engine
    # `now` gives it a clock of its own, for tests: milliseconds since 1970.
    def initialize(path, now: nil)
      options = C.number { |space| C.call(:cotas_options_new, space) }
      C.call(:cotas_options_set_time, options, now) if now
      @handle = C.number do |space|
        C.call(:cotas_engine_open, *C.text(path), options, space)
      end
    ensure
      C.cotas_options_close(options) if options
    end

    def time=(now)
      C.call(:cotas_engine_set_time, @handle, now)
    end

    # Puts a catalog in force and returns its number.
    def load_catalog(text, name)
      C.number { |space| C.call(:cotas_load_catalog, @handle, *C.text(text), *C.text(name), space) }
    end

    # Calls an operation of the control plane (docs/operations.md); once under a key.
    def call(operation, key: nil, **arguments)
      texts = [operation, JSON.generate(arguments)].flat_map { |text| C.text(text) }
      C.document(:cotas_call, @handle, *texts, *(key ? C.text(key) : [nil, 0]))
    end

    # Creates a tenant. Returns false if there is one of that name already.
    def ensure_tenant(document)
      call("ensure_tenant", form: document)
    end

    def tenant(name)
      Tenant.new(C.number { |space| C.call(:cotas_tenant_open, @handle, *C.text(name), space) })
    end

    # What a tenant subscribed to, has left and owes.
    def statement(tenant)
      call("statement", tenant: tenant)
    end

    def close
      C.cotas_engine_close(@handle)
    end
  end

  # A tenant, found once and used many times.
  class Tenant
    def initialize(handle)
      @handle = handle
    end

    # May this tenant do an action of the catalog now? If so, what it charges is used up.
    def perform(action, channel: "", contact: "", quantity: 1, at: 0, key: nil)
      decision = C::CDecision.malloc(Fiddle::RUBY_FREE)
      decision.struct_size = C::CDecision.size
      C.call(
        :cotas_perform, @handle, *C.text(action), *C.text(channel), *C.text(contact),
        quantity, at, *C.text(key), decision
      )
      Decision.of(decision)
    end

    # Makes two ids one contact.
    def link_contact(one, other)
      C.call(:cotas_link_contact, @handle, *C.text(one), *C.text(other))
    end

    def close
      C.cotas_tenant_close(@handle)
    end
  end
end
