-- A reason came in before these.
UPDATE history SET metric = metric + 1 WHERE metric BETWEEN 4 AND 9 OR metric BETWEEN 132 AND 137;

-- Who a tenant is. Its document is unique, in its normal form.
CREATE TABLE profiles (
    tenant       INTEGER PRIMARY KEY REFERENCES tenants (id),
    person       TEXT NOT NULL,           -- natural, legal
    document     TEXT UNIQUE,
    trade_name   TEXT NOT NULL,
    legal_name   TEXT NOT NULL,
    company_type TEXT NOT NULL,
    admin_name   TEXT NOT NULL,
    admin_email  TEXT NOT NULL,
    admin_phone  TEXT NOT NULL,
    address      TEXT NOT NULL
) STRICT;

-- How a subscription is paid, and what the gateway calls it. A pending one waits to be paid.
ALTER TABLE subscriptions ADD COLUMN payment_type TEXT NOT NULL DEFAULT 'Manual';
ALTER TABLE subscriptions ADD COLUMN gateway_id TEXT;
CREATE INDEX subscriptions_by_gateway_id ON subscriptions (gateway_id) WHERE gateway_id IS NOT NULL;

-- Invoices. Amounts are cents.
CREATE TABLE invoices (
    id           INTEGER PRIMARY KEY,
    tenant       INTEGER NOT NULL REFERENCES tenants (id),
    subscription INTEGER REFERENCES subscriptions (id),
    purchase     INTEGER REFERENCES purchases (id),
    title        TEXT NOT NULL,           -- the plan's or the package's
    cents        INTEGER NOT NULL,
    payment_type TEXT NOT NULL,
    status       TEXT NOT NULL,           -- pending, paid, overdue, cancelled, refunded
    recurring    INTEGER NOT NULL,
    part         INTEGER NOT NULL,        -- of so many instalments
    parts        INTEGER NOT NULL,
    due          TEXT NOT NULL,
    paid_on      TEXT,
    gateway_id   TEXT UNIQUE,             -- of the payment
    settled      INTEGER NOT NULL,        -- 1: what it pays for has been given, once and for all
    effect       TEXT NOT NULL            -- what paying it does
) STRICT;
CREATE INDEX invoices_by_tenant ON invoices (tenant, due);

-- What was bought on top of plans.
CREATE TABLE purchases (
    id        INTEGER PRIMARY KEY,
    tenant    INTEGER NOT NULL REFERENCES tenants (id),
    package   TEXT NOT NULL,
    resource  INTEGER NOT NULL,
    quantity  INTEGER NOT NULL,
    cents     INTEGER NOT NULL,
    recurring INTEGER NOT NULL,
    bought_at INTEGER NOT NULL,
    ended_at  INTEGER
) STRICT;
CREATE INDEX purchases_by_tenant ON purchases (tenant);

-- Payment events that were seen, for ever: gateways deliver them more than once.
CREATE TABLE payment_events (
    gateway     TEXT NOT NULL,
    id          TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    payment     TEXT NOT NULL,
    invoice     INTEGER REFERENCES invoices (id),
    outcome     TEXT NOT NULL,
    PRIMARY KEY (gateway, id)
) STRICT, WITHOUT ROWID;

UPDATE subscriptions SET state = 'cancelled' WHERE state = 'replaced';
