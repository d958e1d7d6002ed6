# frozen_string_literal: true

module Cotas
  # The engine of a Rails application: Cotas.engine, as config.cotas says.
  class Railtie < Rails::Railtie
    config.cotas = ActiveSupport::OrderedOptions.new
    config.cotas.options = {}

    config.before_configuration do |app|
      app.config.action_dispatch.rescue_responses["Cotas::QuotaExceeded"] = :payment_required
    end

    initializer "cotas" do |app|
      path = app.config.cotas.database || ENV["COTAS_DB"]
      path ||= app.root.join("db/quotas.db")
      Cotas.opener = -> { Engine.open(path, **app.config.cotas.options) }
    end
  end

  class << self
    # How the engine of the application is opened.
    attr_writer :opener

    # The engine of the application, opened when it is first asked for.
    def engine
      @engine_lock.synchronize { @engine ||= @opener.call }
    end
  end
  @engine_lock = Mutex.new
end
