-- Subscriptions: when the period began in which one ended; NULL: it has not, or nobody noted it.
ALTER TABLE subscriptions ADD COLUMN last_start INTEGER;

-- Accounts: the legal form of a company is one of a list. A text that the list does not have is
-- kept beside 'other'. The document of a cancelled tenant may be another one's.
CREATE TABLE profiles_new (
    tenant            INTEGER PRIMARY KEY REFERENCES tenants (id),
    person            TEXT NOT NULL,      -- natural, legal
    document          TEXT,
    trade_name        TEXT NOT NULL,
    legal_name        TEXT NOT NULL,
    company_type      TEXT NOT NULL,
    company_type_text TEXT NOT NULL,
    admin_name        TEXT NOT NULL,
    admin_email       TEXT NOT NULL,
    admin_phone       TEXT NOT NULL,
    address           TEXT NOT NULL
) STRICT;
INSERT INTO profiles_new SELECT tenant, person, document, trade_name, legal_name,
    CASE
        WHEN lower(trim(company_type)) IN ('', 'mei', 'ei', 'eireli', 'slu', 'ltda', 'sa', 'ss')
        THEN lower(trim(company_type))
        ELSE 'other'
    END,
    CASE
        WHEN lower(trim(company_type)) IN ('', 'mei', 'ei', 'eireli', 'slu', 'ltda', 'sa', 'ss')
        THEN ''
        ELSE trim(company_type)
    END,
    admin_name, admin_email, admin_phone, address FROM profiles;
DROP TABLE profiles;
ALTER TABLE profiles_new RENAME TO profiles;
CREATE INDEX profiles_by_document ON profiles (document) WHERE document IS NOT NULL;

-- Demonstrations: when the removal of one that has ended was announced; NULL: it was not.
ALTER TABLE tenants ADD COLUMN removal_announced INTEGER;
CREATE INDEX tenants_on_trial ON tenants (demo_ends_at) WHERE status = 'demo';
-- The name of a tenant that has been removed, on what is still to be told of it.
ALTER TABLE outbox ADD COLUMN removed_tenant TEXT;

-- Tenants that were erased, as long as invoices of theirs are kept that lead to them.
CREATE TABLE erased_tenants (
    tenant         INTEGER PRIMARY KEY,   -- its number; its invoices have it still
    name           TEXT NOT NULL,
    payer_name     TEXT NOT NULL,
    payer_document TEXT,
    erased_at      INTEGER NOT NULL,
    oldest_due     TEXT                   -- of its invoices
) STRICT;
CREATE INDEX erased_tenants_by_oldest_due ON erased_tenants (oldest_due);

-- Payments ------------------------------------------------------------------------------------
-- Charges at gateways, each known by its gateway's id. One invoice may have many. A charge without
-- an invoice that is paid waits to be matched, and is never dropped.
CREATE TABLE charges (
    number         INTEGER PRIMARY KEY,       -- in the order in which they became known
    gateway        TEXT NOT NULL,
    id             TEXT NOT NULL,             -- the gateway's
    tenant         INTEGER REFERENCES tenants (id),
    invoice        INTEGER REFERENCES invoices (id),
    state          TEXT NOT NULL,             -- open, overdue, withdrawn, paid, reversed
    cents          INTEGER,                   -- what was, or is to be, paid
    original_cents INTEGER,                   -- before interest, fine and discount
    refunded_cents INTEGER,                   -- of a payment that was reversed in part
    due            TEXT,
    original_due   TEXT,
    paid_on        TEXT,
    subscription   TEXT,                      -- the gateway's id
    installment    TEXT,                      -- the gateway's id of a plan of instalments
    part           INTEGER,                   -- which of these instalments
    customer       TEXT,                      -- the gateway's id
    reference      TEXT,                      -- only one that an invoice of ours has
    method         TEXT NOT NULL,
    told_at        INTEGER,                   -- the gateway's time of the last payment or reversal
    received_at    INTEGER NOT NULL,
    UNIQUE (gateway, id)
) STRICT;
CREATE INDEX charges_by_invoice ON charges (invoice) WHERE invoice IS NOT NULL;
CREATE INDEX charges_waiting ON charges (tenant) WHERE invoice IS NULL AND state = 'paid';
CREATE INDEX charges_by_tenant ON charges (tenant);
CREATE INDEX charges_by_subscription ON charges (subscription) WHERE subscription IS NOT NULL;
CREATE INDEX charges_by_installment ON charges (installment) WHERE installment IS NOT NULL;
CREATE INDEX charges_by_customer ON charges (customer) WHERE customer IS NOT NULL;

-- A charge that was bound to its invoice stays bound. Every one was told of in an event.
INSERT INTO charges (gateway, id, tenant, invoice, state, cents, due, original_due, paid_on,
    method, told_at, received_at)
SELECT coalesce(e.gateway, iif(i.payment_type LIKE 'Pagar%', 'pagarme', 'asaas')), i.gateway_id,
    i.tenant, i.id,
    CASE WHEN i.status = 'paid' OR i.paid_cents IS NOT NULL AND i.status = 'cancelled' THEN 'paid'
         WHEN i.status = 'refunded' THEN 'reversed'
         WHEN i.status = 'overdue' OR i.told_overdue = 1 THEN 'overdue'
         ELSE 'open' END,
    i.paid_cents, i.due, i.due, i.paid_on, i.payment_method, i.told_at, coalesce(e.received_at, 0)
FROM invoices i LEFT JOIN (
    SELECT payment, min(gateway) AS gateway, min(received_at) AS received_at FROM payment_events
    GROUP BY payment
) e ON e.payment = i.gateway_id
WHERE i.gateway_id IS NOT NULL
ORDER BY i.id;

-- What the charges say by now is no longer said by their invoice.
CREATE TABLE invoices_6 (
    id             INTEGER PRIMARY KEY,
    tenant         INTEGER NOT NULL REFERENCES tenants (id),
    subscription   INTEGER REFERENCES subscriptions (id),
    purchase       INTEGER REFERENCES purchases (id),
    title          TEXT NOT NULL,             -- the plan's or the package's
    cents          INTEGER NOT NULL,
    payment_type   TEXT NOT NULL,
    status         TEXT NOT NULL,             -- pending, paid, overdue, cancelled, refunded
    recurring      INTEGER NOT NULL,
    part           INTEGER NOT NULL,          -- of so many instalments
    parts          INTEGER NOT NULL,
    due            TEXT NOT NULL,
    paid_on        TEXT,
    settled        INTEGER NOT NULL,          -- 1: what it pays for has been given
    effect         TEXT NOT NULL,             -- what paying it does
    payment_method TEXT NOT NULL,             -- boleto, card, pix ...; empty: none was chosen
    told_overdue   INTEGER NOT NULL,          -- 1: a gateway reported it as not paid in time
    paid_cents     INTEGER                    -- what was paid, as a gateway reported
) STRICT;
INSERT INTO invoices_6 SELECT id, tenant, subscription, purchase, title, cents, payment_type,
    status, recurring, part, parts, due, paid_on, settled, effect, payment_method, told_overdue,
    paid_cents FROM invoices;
DROP TABLE invoices;
ALTER TABLE invoices_6 RENAME TO invoices;
CREATE INDEX invoices_by_tenant ON invoices (tenant, due);
CREATE INDEX invoices_pending ON invoices (tenant, due) WHERE status = 'pending';

-- When a gateway last reported that it charges nothing more for a subscription, and when it last
-- reported a payment of it, by the gateway's time: the later of the two holds.
ALTER TABLE subscriptions ADD COLUMN gateway_ended_at INTEGER;
ALTER TABLE subscriptions ADD COLUMN gateway_paid_at INTEGER;

-- Billing -------------------------------------------------------------------------------------
-- Invoices have lines. 'gathers' is 1 where what falls due on the same day is added to it, 2 where
-- it was withdrawn since nothing falls due any more. A line that is final stays as it is.
ALTER TABLE invoices ADD COLUMN currency TEXT NOT NULL DEFAULT '';
ALTER TABLE invoices ADD COLUMN gathers INTEGER NOT NULL DEFAULT 0;
CREATE TABLE invoice_lines (
    id           INTEGER PRIMARY KEY,
    invoice      INTEGER NOT NULL REFERENCES invoices (id),
    tenant       INTEGER NOT NULL REFERENCES tenants (id),
    kind         TEXT NOT NULL,           -- plan, package, manual
    title        TEXT NOT NULL,
    from_day     TEXT,                    -- the period that it pays; NULL: of none, or not noted
    to_day       TEXT,
    cents        INTEGER NOT NULL,
    subscription INTEGER REFERENCES subscriptions (id),
    purchase     INTEGER REFERENCES purchases (id),
    is_final     INTEGER NOT NULL
) STRICT;
CREATE INDEX invoice_lines_by_invoice ON invoice_lines (invoice);
-- Each invoice that there is becomes one with one line.
INSERT INTO invoice_lines (invoice, tenant, kind, title, cents, subscription, purchase, is_final)
    SELECT id, tenant, CASE WHEN purchase IS NULL THEN 'plan' ELSE 'package' END, title, cents,
        CASE WHEN purchase IS NULL THEN subscription END, purchase,
        NOT (effect = 'renew' OR (effect = 'nothing' AND parts = 1))
    FROM invoices ORDER BY id;
UPDATE invoices SET
    currency = coalesce((SELECT catalog ->> 'currency' FROM catalogs ORDER BY version DESC LIMIT 1),
        ''),
    gathers = effect = 'renew' OR (effect = 'nothing' AND parts = 1),
    purchase = CASE WHEN effect = 'nothing' AND parts = 1 THEN NULL ELSE purchase END;
-- A subscription that began with its payment, or renews on payment, is paid in advance.
UPDATE subscriptions SET terms = json_set(terms, '$.currency', coalesce((SELECT catalog ->>
    'currency' FROM catalogs ORDER BY version DESC LIMIT 1), ''), '$.billing',
    CASE WHEN terms ->> 'renew_on' = 'payment' OR state = 'pending' OR EXISTS (SELECT 1
        FROM invoices i WHERE i.subscription = subscriptions.id AND i.effect = 'activate')
    THEN 'advance' ELSE 'arrears' END)
    WHERE json_valid(terms);

-- Access ---------------------------------------------------------------------------------------
-- Tokens of people and programs that ask over HTTP. Only a keyed hash of each is kept.
CREATE TABLE access_tokens (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: the audit trail has it
    hash       BLOB NOT NULL UNIQUE,
    role       TEXT NOT NULL,             -- platform, reseller, manager, viewer
    tenant     INTEGER REFERENCES tenants (id),   -- NULL: of every tenant
    title      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,                   -- the first instant at which it opens nothing
    revoked_at INTEGER
) STRICT;
CREATE INDEX access_tokens_by_tenant ON access_tokens (tenant) WHERE tenant IS NOT NULL;
-- Who made a change; NULL: a process of this machine, or it was not noted.
ALTER TABLE audit ADD COLUMN actor TEXT;

-- Webhooks -------------------------------------------------------------------------------------
-- Where events are sent. A signature is made with the secret itself, so that no hash would do.
CREATE TABLE webhooks (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    url        TEXT NOT NULL UNIQUE,
    secret     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    seen       INTEGER NOT NULL,          -- events up to this number are or were among its deliveries
    dropped    INTEGER NOT NULL           -- deliveries that were given up because there were too many
) STRICT;
-- Events that a webhook has not got yet. Each is a copy, since a host may acknowledge its event
-- before; it is deleted once the receiver has it.
CREATE TABLE webhook_deliveries (
    id             INTEGER PRIMARY KEY,
    webhook        INTEGER NOT NULL REFERENCES webhooks (id),
    sequence       INTEGER NOT NULL,
    tenant         INTEGER NOT NULL,
    removed_tenant TEXT,
    at             INTEGER NOT NULL,
    resource       INTEGER,
    kind           INTEGER NOT NULL,
    percent        INTEGER NOT NULL,
    first          INTEGER NOT NULL,
    second         INTEGER NOT NULL,
    text           TEXT NOT NULL,
    attempts       INTEGER NOT NULL,
    next_at        INTEGER,               -- when it is tried next; NULL: it is a dead letter
    failure        TEXT NOT NULL,         -- of the last attempt
    UNIQUE (webhook, sequence)
) STRICT;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, next_at)
    WHERE next_at IS NOT NULL;
CREATE INDEX webhook_deliveries_by_tenant ON webhook_deliveries (tenant);

-- Metrics --------------------------------------------------------------------------------------
-- What was counted of all tenants together; it only grows, also where tenants are deleted. The
-- metrics of the history, and 65: periods that were closed.
CREATE TABLE totals (
    metric   INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (metric, resource)
) STRICT, WITHOUT ROWID;
INSERT INTO totals SELECT metric, resource, CAST(min(total(count), 9e18) AS INTEGER) FROM history
    GROUP BY metric, resource;
INSERT INTO totals SELECT 65, 65535, count(*) FROM periods WHERE EXISTS (SELECT 1 FROM periods);
-- Lists -----------------------------------------------------------------------------------------
CREATE INDEX tenants_by_status ON tenants (status, name);
-- What was denied to all tenants; 1 to 63 are the numbers of reasons.
CREATE INDEX history_denied ON history (hour, resource, metric, count) WHERE metric BETWEEN 1 AND 63;
