# frozen_string_literal: true

# Workers are forked from a process that has the engine open: they share it, and decide exactly.
bind "tcp://127.0.0.1:#{ENV.fetch('PORT', '8080')}"
workers 2
threads 1, 4
preload_app!
