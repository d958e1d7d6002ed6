-- Instants are milliseconds since 1970-01-01T00:00Z; dates are in JSON terms; units are integers.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- Every version of the catalog that was ever in force.
CREATE TABLE catalogs (
    version   INTEGER PRIMARY KEY,
    loaded_at INTEGER NOT NULL,
    catalog   TEXT NOT NULL
) STRICT;

-- Names of resources and features get their numbers once and for all.
CREATE TABLE names (
    kind   TEXT NOT NULL,
    number INTEGER NOT NULL,
    name   TEXT NOT NULL,
    PRIMARY KEY (kind, number),
    UNIQUE (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE tenants (
    id            INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    hash          BLOB NOT NULL UNIQUE,   -- keyed hash of the name; leads to the tenant's block
    status        TEXT NOT NULL,
    status_reason TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    time_zone     TEXT NOT NULL,
    demo_ends_at  INTEGER,
    mark          INTEGER NOT NULL,       -- latest instant seen
    subscription  INTEGER,
    limits        TEXT NOT NULL,          -- in force, by number of the resource
    features      BLOB NOT NULL,          -- in force, one bit each
    period        INTEGER NOT NULL,
    period_start  INTEGER NOT NULL,
    renewals      INTEGER NOT NULL,
    next_grant    INTEGER NOT NULL,
    admin_seq     INTEGER NOT NULL,       -- last administrative change
    seq           INTEGER NOT NULL,       -- last change that is checkpointed
    valid_until   INTEGER NOT NULL        -- when settlement is next due
) STRICT;
CREATE INDEX tenants_by_valid_until ON tenants (valid_until);

-- The current subscription and those before it.
CREATE TABLE subscriptions (
    id         INTEGER PRIMARY KEY,
    tenant     INTEGER NOT NULL REFERENCES tenants (id),
    plan       TEXT NOT NULL,
    state      TEXT NOT NULL,             -- active, replaced
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    terms      TEXT NOT NULL
) STRICT;
CREATE INDEX subscriptions_by_tenant ON subscriptions (tenant);

-- granted = consumed + remaining + expired + revoked
CREATE TABLE grants (
    tenant          INTEGER NOT NULL REFERENCES tenants (id),
    id              INTEGER NOT NULL,
    resource        INTEGER NOT NULL,
    source          TEXT NOT NULL,
    priority        INTEGER NOT NULL,
    granted         INTEGER NOT NULL,
    remaining       INTEGER NOT NULL,
    at_period_start INTEGER NOT NULL,
    expired         INTEGER NOT NULL,
    revoked         INTEGER NOT NULL,
    starts_at       INTEGER NOT NULL,
    expires_at      INTEGER,
    ended           INTEGER NOT NULL,     -- 1: nothing can happen to it any more
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_in_force ON grants (tenant) WHERE ended = 0;

-- Units used since the period began.
CREATE TABLE usage (
    tenant   INTEGER NOT NULL REFERENCES tenants (id),
    resource INTEGER NOT NULL,
    used     INTEGER NOT NULL,
    PRIMARY KEY (tenant, resource)
) STRICT, WITHOUT ROWID;

-- Contact sessions, idempotency keys, replay cursors: by their place in the live file.
CREATE TABLE claims (
    tenant  INTEGER NOT NULL REFERENCES tenants (id),
    place   INTEGER NOT NULL,
    key     BLOB NOT NULL,                -- keyed hash; no contact can be read from it
    meta    INTEGER NOT NULL,
    start   INTEGER NOT NULL,
    end     INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (tenant, place)
) STRICT, WITHOUT ROWID;

-- Closed periods, what was used in them, and from which grants.
CREATE TABLE periods (
    tenant  INTEGER NOT NULL REFERENCES tenants (id),
    period  INTEGER NOT NULL,
    start   INTEGER NOT NULL,
    end     INTEGER NOT NULL,
    renewed INTEGER NOT NULL,
    PRIMARY KEY (tenant, period)
) STRICT, WITHOUT ROWID;
CREATE TABLE period_usage (
    tenant   INTEGER NOT NULL,
    period   INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    used     INTEGER NOT NULL,
    PRIMARY KEY (tenant, period, resource)
) STRICT, WITHOUT ROWID;
CREATE TABLE period_grants (
    tenant   INTEGER NOT NULL,
    period   INTEGER NOT NULL,
    grant_id INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    consumed INTEGER NOT NULL,
    PRIMARY KEY (tenant, period, grant_id)
) STRICT, WITHOUT ROWID;

-- Units used (metric 0) and decisions denied (metric: number of the reason), by UTC hour.
CREATE TABLE history (
    tenant   INTEGER NOT NULL REFERENCES tenants (id),
    hour     INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    metric   INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (tenant, hour, resource, metric)
) STRICT, WITHOUT ROWID;

-- Idempotency keys of administrative verbs.
CREATE TABLE admin_keys (
    key         BLOB PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who may ask why: every administrative change.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    tenant INTEGER,
    at     INTEGER NOT NULL,
    what   TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_tenant ON audit (tenant);
