# frozen_string_literal: true

require "fiddle"
require "json"
require "rbconfig"

module Cotas
  # The library, by Fiddle, which releases Ruby's lock during a call: other threads run on.
  module Native
    ABI = 1
    VERSION = "0.1.0"
    FILE = "libcotas.so.1"
    INSTALL = "install the Debian package libcotas1, or name the file in COTAS_LIBRARY"
    SPACE = 16_384
    TYPES = {
      I32: Fiddle::TYPE_INT, U32: -Fiddle::TYPE_INT, I64: Fiddle::TYPE_LONG_LONG,
      U64: -Fiddle::TYPE_LONG_LONG, SIZE: Fiddle::TYPE_SIZE_T, PTR: Fiddle::TYPE_VOIDP
    }.freeze

    # The memory of one call: its error, what it gives, and one number. Each fiber has its own.
    class Frame
      RESULT = 512
      NUMBER = 1024

      attr_reader :error, :result, :number

      def initialize
        @memory = Fiddle::Pointer.malloc(NUMBER + 8, Fiddle::RUBY_FREE)
        @memory[0, 4] = [Names::ERROR_SIZE].pack("L")
        @error = @memory.to_i
        @result = @error + RESULT
        @number = @error + NUMBER
      end

      # Prepares it for a struct of so many bytes.
      def prepare(size)
        @memory[RESULT, 4] = [size].pack("L")
      end

      # Puts a number of eight bytes.
      def put(value)
        @memory[NUMBER, 8] = [value].pack("Q")
      end

      def unpack(size, format)
        @memory[RESULT, size].unpack(format)
      end

      def handle
        @memory[NUMBER, 8].unpack1("Q")
      end

      def int64
        @memory[NUMBER, 8].unpack1("q")
      end

      def int32
        @memory[NUMBER, 4].unpack1("l")
      end

      # Raises where a function did not do what was asked.
      def check(code)
        return if code.zero?

        name = Names::CODE.key(code) || "unknown"
        message = @memory[8, 256].unpack1("Z*").force_encoding(Encoding::UTF_8)
        raise Error.new(name, message, code)
      end
    end

    class << self
      def frame
        Thread.current[:cotas_frame] ||= Frame.new
      end

      # Text as the library takes it. Bytes are taken for UTF-8, which the library checks.
      def text(name, value)
        value = value.to_s if value.is_a?(Symbol)
        raise InvalidArgument.new(name, "text", value) unless value.is_a?(String)
        return value if value.encoding == Encoding::UTF_8 || value.encoding == Encoding::BINARY

        value.encode(Encoding::UTF_8)
      end

      def whole(name, value)
        return value if value.is_a?(Integer) && value >= 0 && value < 1 << 64

        raise InvalidArgument.new(name, "a whole number from 0 on", value)
      end

      # Milliseconds since 1970; 0 is now.
      def instant(name, value)
        return value if value.is_a?(Integer)
        return (value.to_r * 1000).floor if value.is_a?(Time)

        raise InvalidArgument.new(name, "a Time, or milliseconds since 1970", value)
      end

      def choice(name, members, value)
        members[value.to_s] ||
          raise(InvalidArgument.new(name, "one of #{members.keys.join(', ')}", value))
      end

      def time(milliseconds)
        Time.at(milliseconds / 1000, milliseconds % 1000, :millisecond, in: "UTC")
      end

      # The text that the block's function writes into a buffer.
      def document
        f = frame
        capacity = SPACE
        loop do # What is reported may have grown since its length was asked.
          buffer = Fiddle::Pointer.malloc(capacity, Fiddle::RUBY_FREE)
          code = yield(buffer, capacity, f.number, f.error)
          length = f.handle
          if code == Names::CODE["buffer"]
            capacity = length
            next
          end
          f.check(code)
          return buffer[0, length - 1].force_encoding(Encoding::UTF_8)
        end
      end

      def json(&block)
        JSON.parse(document(&block))
      end

      # The handle that the block's function gives.
      def opened
        f = frame
        f.check(yield(f.number, f.error))
        f.handle
      end

      # Makes options, yields them and closes them.
      def options(given)
        handle = opened { |*to| C::OPTIONS_NEW.call(*to) }
        given.each { |name, value| set(handle, name, value) unless value.nil? }
        yield handle
      ensure
        C::OPTIONS_CLOSE.call(handle) if handle
      end

      # The functions, each a constant of C, made when the first is used.
      def load
        raise LibraryError, not_here unless RUBY_PLATFORM.include?("linux")

        file = place
        begin
          library = Fiddle.dlopen(file)
        rescue Fiddle::DLError => e
          raise LibraryError, why_not(file, e.message)
        end
        SIGNATURES.each do |name, (result, *given)|
          address = begin
            library[name.to_s]
          rescue Fiddle::DLError
            raise LibraryError, too_old(file, library)
          end
          types = given.map { |it| TYPES.fetch(it) }
          short = name.to_s.delete_prefix("cotas_").upcase
          C.const_set(short, Fiddle::Function.new(address, types, TYPES.fetch(result)))
        end
        check_version(file)
      end

      private

      def set(handle, name, value)
        f = frame
        function, *given = setting(name, value)
        f.check(function.call(handle, *given, f.error))
      end

      def setting(name, value)
        case name
        when :durability
          [C::OPTIONS_SET_DURABILITY, choice(name, Names::DURABILITY, value)]
        when :maintenance
          [C::OPTIONS_SET_MAINTENANCE, choice(name, Names::MAINTENANCE, value)]
        when :checkpoint_interval
          [C::OPTIONS_SET_CHECKPOINT_INTERVAL_MS, whole(name, value)]
        when :disk_timeout then [C::OPTIONS_SET_DISK_TIMEOUT_MS, whole(name, value)]
        when :lag_max then [C::OPTIONS_SET_LAG_MAX_MS, whole(name, value)]
        when :live_directory
          directory = text(name, value)
          [C::OPTIONS_SET_LIVE_DIRECTORY, directory, directory.bytesize]
        when :allow_network_file_system
          [C::OPTIONS_SET_ALLOW_NETWORK_FILE_SYSTEM, value ? 1 : 0]
        when :keep_open then [C::OPTIONS_SET_KEEP_OPEN, value ? 1 : 0]
        when :now then [C::OPTIONS_SET_TIME, instant(name, value)]
        else raise ArgumentError, "unknown option #{name}"
        end
      end

      # What COTAS_LIBRARY names, what the gem brings, or the system's.
      def place
        named = ENV.fetch("COTAS_LIBRARY", "")
        return named unless named.empty?

        libc = RUBY_PLATFORM.include?("musl") ? "musl" : "gnu"
        machine = RbConfig::CONFIG["host_cpu"]
        own = File.expand_path("../../native/#{machine}-#{libc}/#{FILE}", __dir__)
        File.exist?(own) ? own : FILE
      end

      def not_here
        "Cotas runs on Linux, not on #{RUBY_PLATFORM}: " \
          "open the database in a container or a virtual machine with Linux"
      end

      def why_not(file, message)
        machine = RbConfig::CONFIG["host_cpu"]
        if foreign?(file, machine)
          "#{file} is not made for #{machine}: #{INSTALL}"
        elsif message.include?("No such file") then "#{file} was not found: #{INSTALL}"
        else "#{file} cannot be loaded (#{message}): #{INSTALL}"
        end
      end

      # Whether a file is made for another processor. The loader may say only that it found none.
      def foreign?(file, machine)
        return false unless File.file?(file)

        head = File.binread(file, 20).to_s.ljust(20, "\0")
        number = { "x86_64" => 0x3e, "aarch64" => 0xb7 }[machine]
        !head.start_with?("\x7FELF".b) || head.unpack1("v", offset: 18) != number
      end

      def check_version(file)
        found = C::VERSION.call.to_s
        return if C::ABI_VERSION.call == ABI && Gem::Version.new(found) >= Gem::Version.new(VERSION)

        raise LibraryError, "#{file} is version #{found}, and this gem needs #{VERSION} " \
                            "(ABI #{ABI}) or later: #{INSTALL}"
      end

      def too_old(file, library)
        version = Fiddle::Function.new(library["cotas_version"], [], Fiddle::TYPE_VOIDP).call.to_s
        "#{file} is version #{version}, and this gem needs #{VERSION} or later: #{INSTALL}"
      rescue Fiddle::DLError
        "#{file} is another library: #{INSTALL}"
      end
    end
  end

  # The functions of the library. The first use loads it.
  module C
    LOADING = Mutex.new

    def self.const_missing(name)
      LOADING.synchronize { Native.load unless const_defined?(:RESTORE, false) }
      const_defined?(name, false) ? const_get(name, false) : super
    end
  end
end
