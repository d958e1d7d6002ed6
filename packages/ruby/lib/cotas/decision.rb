# frozen_string_literal: true

module Cotas
  # The answer to a request. A refusal says which rule failed, with its figures.
  class Decision
    NO_RESOURCE = 0xffffffff
    MODES = Names::MODE.invert.freeze
    SOURCES = Names::SOURCE.invert.merge(0 => nil).freeze
    Charge = Struct.new(:resource, :source, :units)

    # available and limit are nil where there is no number: it is unlimited, or about no resource.
    # A refund is asked with the receipt, which decisions under a key have. The notice is what the
    # message must carry on a demonstration account.
    attr_reader :reason, :resource, :mode, :units, :used, :available, :limit, :fencing,
                :reservation, :receipt, :charges, :notice

    # Made by tenants.
    def initialize(frame, engine)
      _, @allowed, reason, @reasons, @shadowed, @flags, resource, mode, @units, @used, available,
        limit, @retry_at, @session_expires_at, @lease_expires_at, @fencing, reservation, receipt,
        count, _, *charges = frame.unpack(Names::DECISION_SIZE, Names::DECISION)
      finite = mode == Names::MODE["finite"]
      @mode = MODES[mode]
      @reason = Decision.reason_name(reason)
      @resource = engine.name_of(resource) unless resource == NO_RESOURCE
      @available = available if finite
      @limit = limit if finite
      @reservation = reservation unless reservation.empty?
      @receipt = receipt unless receipt.empty?
      @notice = Decision.demo_notice if flag?("demo_notice")
      @charges = charges.each_slice(3).first(count).map do |units, of, source|
        Charge.new(engine.name_of(of), SOURCES[source], units)
      end
    end

    def allowed?
      @allowed == 1
    end

    def denied?
      !allowed?
    end

    # Itself where it is allowed; else it raises QuotaExceeded.
    def allowed!
      allowed? ? self : raise(QuotaExceeded, self)
    end

    # All failing rules.
    def reasons
      names_in(@reasons)
    end

    # Rules that would have denied it, had their limits not been set only to watch.
    def shadowed
      names_in(@shadowed)
    end

    # When a denied request may succeed; nil: that cannot be foreseen.
    def retry_at
      time(@retry_at)
    end

    def session_expires_at
      time(@session_expires_at)
    end

    def lease_expires_at
      time(@lease_expires_at)
    end

    %w[overage past_due replayed session_opened lease_acquired more_charges too_old].each do |flag|
      define_method("#{flag}?") { flag?(flag) }
    end

    def to_h
      flags = %i[overage past_due replayed session_opened lease_acquired more_charges too_old]
      members = %i[reason reasons shadowed resource mode units used available limit retry_at
                   session_expires_at lease_expires_at fencing reservation receipt notice]
      { allowed: allowed?, charges: charges.map(&:to_h) }
        .merge(members.to_h { |it| [it, public_send(it)] })
        .merge(flags.to_h { |it| [it, flag?(it.to_s)] })
    end

    def self.reason_name(number)
      return nil if number.zero?

      @reasons ||= {}
      @reasons[number] ||= C::REASON_NAME.call(number).to_s.freeze
    end

    def self.demo_notice
      @demo_notice ||= C::DEMO_NOTICE.call.to_s.force_encoding(Encoding::UTF_8).freeze
    end

    private

    def flag?(name)
      @flags.anybits?(Names::FLAG[name])
    end

    def names_in(bits)
      (1..bits.bit_length).select { |it| bits[it] == 1 }.map { |it| Decision.reason_name(it) }
    end

    def time(milliseconds)
      Native.time(milliseconds) unless milliseconds.zero?
    end
  end

  # What came of a payment event.
  Payment = Struct.new(:outcome, :invoice, :subscription, :invoice_status) do
    def self.of(frame)
      _, outcome, invoice, subscription, status =
        frame.unpack(Names::PAYMENT_SIZE, Names::PAYMENT)
      status_name = Names::INVOICE_STATUS.key(status) unless status.zero?
      new(Names::OUTCOME.key(outcome), invoice.nonzero?, subscription.nonzero?, status_name)
    end
  end
end
