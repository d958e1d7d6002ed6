-- A resource never changes its kind.
ALTER TABLE names ADD COLUMN resource_kind TEXT NOT NULL DEFAULT '';

-- What a tenant has of its own, whatever its plan says.
ALTER TABLE tenants ADD COLUMN overrides TEXT NOT NULL DEFAULT '{}';
-- Start of the month in which meters are counted that begin anew each month.
ALTER TABLE tenants ADD COLUMN month_start INTEGER NOT NULL DEFAULT 0;
-- Number of the next event.
ALTER TABLE tenants ADD COLUMN next_event INTEGER NOT NULL DEFAULT 0;

-- granted + returned = consumed + remaining + expired + revoked; returned: given back after the
-- period that had used it was closed.
ALTER TABLE grants ADD COLUMN returned INTEGER NOT NULL DEFAULT 0;

-- used = what the grants gave + beyond
ALTER TABLE usage ADD COLUMN beyond INTEGER NOT NULL DEFAULT 0;
ALTER TABLE period_usage ADD COLUMN beyond INTEGER NOT NULL DEFAULT 0;
UPDATE usage SET beyond = used - coalesce((SELECT sum(at_period_start - remaining) FROM grants g
    WHERE g.tenant = usage.tenant AND g.resource = usage.resource AND g.ended = 0), 0);
UPDATE period_usage SET beyond = used - coalesce((SELECT sum(consumed) FROM period_grants g
    WHERE g.tenant = period_usage.tenant AND g.period = period_usage.period
    AND g.resource = period_usage.resource), 0);

-- Which event is due next: each threshold is reported once for each period and limit.
ALTER TABLE usage ADD COLUMN watched_limit INTEGER;
ALTER TABLE usage ADD COLUMN watched_period INTEGER;
ALTER TABLE usage ADD COLUMN next_event INTEGER;

-- Claims have a word more, and keys lead to a record in the word that said how long they are kept:
-- these lead to none. Asked again, they say that the arguments differ, and charge nothing twice.
UPDATE claims SET payload = unhex(hex(substr(payload, 1, 48)) ||
    '00000000000000000000000000000000' || hex(substr(payload, 57, 8))) WHERE (meta & 255) = 2;
-- A contact's sessions are found by another hash now, which cannot be made from the old one.
DELETE FROM claims WHERE (meta & 255) = 1;

-- Closed months of meters that begin anew each month.
CREATE TABLE months (
    tenant   INTEGER NOT NULL REFERENCES tenants (id),
    resource INTEGER NOT NULL,
    start    INTEGER NOT NULL,
    end      INTEGER NOT NULL,
    used     INTEGER NOT NULL,
    PRIMARY KEY (tenant, resource, start)
) STRICT, WITHOUT ROWID;

-- Seats with their holders. A token opens a channel: only its keyed hash is kept.
CREATE TABLE seats (
    tenant   INTEGER NOT NULL REFERENCES tenants (id),
    resource INTEGER NOT NULL,
    holder   TEXT NOT NULL,
    since    INTEGER NOT NULL,
    pending  INTEGER NOT NULL,            -- 1: invited, not there yet
    token    BLOB UNIQUE,
    PRIMARY KEY (tenant, resource, holder)
) STRICT, WITHOUT ROWID;

-- What somebody may want to be told of, until it is acknowledged.
CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant   INTEGER NOT NULL REFERENCES tenants (id),
    number   INTEGER,                     -- of the tenant's events out of the live file
    at       INTEGER NOT NULL,
    resource INTEGER,
    kind     INTEGER NOT NULL,
    percent  INTEGER NOT NULL,
    first    INTEGER NOT NULL,
    second   INTEGER NOT NULL,
    text     TEXT NOT NULL,
    UNIQUE (tenant, number)
) STRICT;
