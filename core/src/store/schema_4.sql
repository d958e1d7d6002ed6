-- What an administrative verb answered, as JSON: asked again under its key it answers the same.
ALTER TABLE admin_keys ADD COLUMN answer TEXT;

-- What a scheduled subscription brings into force with it; NULL for every other.
ALTER TABLE subscriptions ADD COLUMN limits TEXT;
ALTER TABLE subscriptions ADD COLUMN features BLOB;

-- How its invoices are paid at the gateway: boleto, card, pix ...; empty: nobody chose.
ALTER TABLE subscriptions ADD COLUMN payment_method TEXT NOT NULL DEFAULT '';
ALTER TABLE invoices ADD COLUMN payment_method TEXT NOT NULL DEFAULT '';
-- When, by the gateway's clock, that happened which it last told of a payment or its reversal.
ALTER TABLE invoices ADD COLUMN told_at INTEGER;

-- How long what was bought lasts, in milliseconds; the grant that it became, and what of it was
-- taken back with the payment.
ALTER TABLE purchases ADD COLUMN expires_ms INTEGER;
ALTER TABLE purchases ADD COLUMN grant_id INTEGER;
ALTER TABLE purchases ADD COLUMN taken_back INTEGER NOT NULL DEFAULT 0;
