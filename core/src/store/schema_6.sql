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
