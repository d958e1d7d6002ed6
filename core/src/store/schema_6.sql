-- Subscriptions: when the period began in which one ended; NULL: it has not, or nobody noted it.
ALTER TABLE subscriptions ADD COLUMN last_start INTEGER;
