-- A database of schema 5 with money in it, as the program of that schema wrote it: tests/migration.rs.
PRAGMA application_id = 1131377761;
PRAGMA user_version = 5;
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE admin_keys (
    key         BLOB PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    at          INTEGER NOT NULL
, answer TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    tenant INTEGER,
    at     INTEGER NOT NULL,
    what   TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
INSERT INTO "audit" VALUES(1,NULL,1795857860317,'catalog','version 1');
INSERT INTO "audit" VALUES(2,1,1777993200000,'created','active');
INSERT INTO "audit" VALUES(3,2,1777993200000,'created','active');
INSERT INTO "audit" VALUES(4,3,1777993200000,'created','active');
INSERT INTO "audit" VALUES(5,4,1777993200000,'created','active');
INSERT INTO "audit" VALUES(6,5,1777993200000,'created','active');
INSERT INTO "audit" VALUES(7,6,1777993200000,'created','active');
INSERT INTO "audit" VALUES(8,7,1777993200000,'created','active');
INSERT INTO "audit" VALUES(9,8,1780153200000,'created','demo');
INSERT INTO "audit" VALUES(10,2,1777993200000,'payment form','Asaas');
INSERT INTO "audit" VALUES(11,3,1777993200000,'payment form','Asaas');
INSERT INTO "audit" VALUES(12,5,1777993200000,'invoice','5 in 2 instalments');
INSERT INTO "audit" VALUES(13,5,1777993200000,'invoice','5 paid');
INSERT INTO "audit" VALUES(14,6,1777993200000,'invoice','6 paid');
INSERT INTO "audit" VALUES(15,1,1778511600000,'status','active -> past_due: debt');
INSERT INTO "audit" VALUES(16,1,1778511600000,'invoice','1 paid');
INSERT INTO "audit" VALUES(17,1,1778511600000,'status','past_due -> active: paid');
INSERT INTO "audit" VALUES(18,2,1778511600000,'invoice','2 paid');
INSERT INTO "audit" VALUES(19,3,1778598000000,'invoice','3 overdue');
INSERT INTO "audit" VALUES(20,3,1778598000000,'status','active -> past_due: debt');
INSERT INTO "audit" VALUES(21,4,1778598000000,'status','active -> past_due: debt');
INSERT INTO "audit" VALUES(22,4,1778598000000,'invoice','4 paid');
INSERT INTO "audit" VALUES(23,4,1778598000000,'status','past_due -> active: paid');
INSERT INTO "audit" VALUES(24,4,1779289200000,'invoice','14 cancelled');
INSERT INTO "audit" VALUES(25,4,1779289200000,'plan scheduled','full');
INSERT INTO "audit" VALUES(26,1,1780671600000,'purchase','2 of channels');
INSERT INTO "audit" VALUES(27,1,1780671600000,'invoice','16 paid');
INSERT INTO "audit" VALUES(28,1,1780671600000,'seat taken','channels');
CREATE TABLE catalogs (
    version   INTEGER PRIMARY KEY,
    loaded_at INTEGER NOT NULL,
    catalog   TEXT NOT NULL
) STRICT;
INSERT INTO "catalogs" VALUES(1,1795857860317,'{"currency":"BRL","time_zone":"America/Sao_Paulo","demo_days":14,"resources":{"channels":{"kind":"seat","parent":null,"enforcement":"hard","thresholds":[80,100],"token_required":false,"warning":null},"credits":{"kind":"allowance","parent":null,"enforcement":"hard","thresholds":[80,100],"token_required":false,"warning":null}},"plans":{"ahead":{"title":"Ahead","price_cents":9900,"period_months":1,"cadence_months":null,"on_lapse":"expire","grace_days":0,"max_renewals":null,"renew_on":"payment","extras":true,"carry_over":{},"limits":{"channels":{"finite":1},"credits":{"finite":10}},"features":{}},"full":{"title":"Full","price_cents":29900,"period_months":1,"cadence_months":null,"on_lapse":"keep","grace_days":0,"max_renewals":null,"renew_on":"schedule","extras":true,"carry_over":{},"limits":{"channels":{"finite":5},"credits":{"finite":100}},"features":{}},"small":{"title":"Small","price_cents":14900,"period_months":1,"cadence_months":null,"on_lapse":"keep","grace_days":0,"max_renewals":null,"renew_on":"schedule","extras":true,"carry_over":{},"limits":{"channels":{"finite":1},"credits":{"finite":10}},"features":{}}},"actions":{},"packages":{"channels":{"title":"Channels","resource":"channels","prices":{"1":500},"recurring":true,"expires_ms":null,"feature":null}},"administrator_seat":null,"pending_plan":null,"titles":{},"statuses":[{"access":true,"send":true,"receive":true,"consume":true,"billed":false},{"access":true,"send":true,"receive":true,"consume":true,"billed":false},{"access":true,"send":true,"receive":true,"consume":true,"billed":true},{"access":true,"send":true,"receive":true,"consume":true,"billed":true},{"access":true,"send":false,"receive":true,"consume":false,"billed":true},{"access":false,"send":false,"receive":false,"consume":false,"billed":false}]}');
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
    ended           INTEGER NOT NULL, returned INTEGER NOT NULL DEFAULT 0,     -- 1: nothing can happen to it any more
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "grants" VALUES(1,1,1,'plan',0,100,0,0,100,0,1777993200000,NULL,1,0);
INSERT INTO "grants" VALUES(1,2,1,'plan',0,100,100,100,0,0,1778468400000,NULL,0,0);
INSERT INTO "grants" VALUES(1,3,0,'package',10,2,2,2,0,0,1780671600000,NULL,0,0);
INSERT INTO "grants" VALUES(2,1,1,'plan',0,100,0,0,100,0,1777993200000,NULL,1,0);
INSERT INTO "grants" VALUES(2,2,1,'plan',0,100,100,100,0,0,1778468400000,NULL,0,0);
INSERT INTO "grants" VALUES(3,1,1,'plan',0,100,0,0,100,0,1777993200000,NULL,1,0);
INSERT INTO "grants" VALUES(3,2,1,'plan',0,100,100,100,0,0,1778468400000,NULL,0,0);
INSERT INTO "grants" VALUES(4,1,1,'plan',0,10,0,0,10,0,1777993200000,NULL,1,0);
INSERT INTO "grants" VALUES(4,2,1,'plan',0,10,10,10,0,0,1778468400000,NULL,0,0);
INSERT INTO "grants" VALUES(5,1,1,'plan',0,100,100,100,0,0,1777993200000,NULL,0,0);
INSERT INTO "grants" VALUES(6,1,1,'plan',0,10,10,10,0,0,1777993200000,NULL,0,0);
CREATE TABLE history (
    tenant   INTEGER NOT NULL REFERENCES tenants (id),
    hour     INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    metric   INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (tenant, hour, resource, metric)
) STRICT, WITHOUT ROWID;
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
, payment_method TEXT NOT NULL DEFAULT '', told_at INTEGER, told_overdue INTEGER NOT NULL DEFAULT 0, paid_cents INTEGER) STRICT;
INSERT INTO "invoices" VALUES(1,1,1,NULL,'Full',29900,'Manual','paid',0,1,1,'2026-05-10','2026-05-11',NULL,1,'renew','',NULL,0,NULL);
INSERT INTO "invoices" VALUES(2,2,2,NULL,'Full',29900,'Asaas','paid',1,1,1,'2026-05-10','2026-05-11','pay_gateway',1,'renew','boleto',1778504400000,0,29900);
INSERT INTO "invoices" VALUES(3,3,3,NULL,'Full',29900,'Asaas','overdue',1,1,1,'2026-05-10',NULL,'pay_late',0,'renew','boleto',NULL,0,NULL);
INSERT INTO "invoices" VALUES(4,4,4,NULL,'Small',14900,'Manual','paid',0,1,1,'2026-05-10','2026-05-12',NULL,1,'renew','',NULL,0,NULL);
INSERT INTO "invoices" VALUES(5,5,5,NULL,'Full',14950,'Asaas','paid',1,1,2,'2026-05-05','2026-05-05','pay_parts',1,'activate','boleto',1777986000000,0,14950);
INSERT INTO "invoices" VALUES(6,6,6,NULL,'Ahead',9900,'Asaas','paid',1,1,1,'2026-05-05','2026-05-05','pay_ahead',1,'activate','boleto',1777986000000,0,9900);
INSERT INTO "invoices" VALUES(7,7,7,NULL,'Full',29900,'Asaas','pending',1,1,1,'2026-05-05',NULL,NULL,0,'activate','',NULL,0,NULL);
INSERT INTO "invoices" VALUES(8,5,5,NULL,'Full',14950,'Asaas','pending',1,2,2,'2026-06-05',NULL,NULL,0,'nothing','',NULL,0,NULL);
INSERT INTO "invoices" VALUES(9,5,5,NULL,'Full',29900,'Asaas','pending',1,1,1,'2026-06-10',NULL,NULL,0,'renew','',NULL,0,NULL);
INSERT INTO "invoices" VALUES(10,6,6,NULL,'Ahead',9900,'Asaas','pending',1,1,1,'2026-06-10',NULL,NULL,0,'renew','',NULL,0,NULL);
INSERT INTO "invoices" VALUES(11,1,1,NULL,'Full',29900,'Manual','pending',0,1,1,'2026-06-10',NULL,NULL,0,'renew','',NULL,0,NULL);
INSERT INTO "invoices" VALUES(12,2,2,NULL,'Full',29900,'Asaas','pending',1,1,1,'2026-06-10',NULL,NULL,0,'renew','',NULL,0,NULL);
INSERT INTO "invoices" VALUES(13,3,3,NULL,'Full',29900,'Asaas','pending',1,1,1,'2026-06-10',NULL,NULL,0,'renew','',NULL,0,NULL);
INSERT INTO "invoices" VALUES(14,4,4,NULL,'Small',14900,'Manual','cancelled',0,1,1,'2026-06-10',NULL,NULL,0,'renew','',NULL,0,NULL);
INSERT INTO "invoices" VALUES(15,4,8,NULL,'Full',29900,'Manual','pending',0,1,1,'2026-06-10',NULL,NULL,0,'renew','',NULL,0,NULL);
INSERT INTO "invoices" VALUES(16,1,1,1,'Channels',1000,'Manual','paid',0,1,1,'2026-06-05','2026-06-05',NULL,1,'give','',NULL,0,NULL);
INSERT INTO "invoices" VALUES(17,1,1,1,'Channels',1000,'Manual','pending',0,1,1,'2026-06-10',NULL,NULL,0,'nothing','',NULL,0,NULL);
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('database_id',X'2F3CFD7CDBE5951BA591EDE741F461B0');
INSERT INTO "meta" VALUES('epoch',1);
INSERT INTO "meta" VALUES('hash_key',X'BB3424963309614DEA638E12C8FD0C9A');
INSERT INTO "meta" VALUES('live_path','');
INSERT INTO "meta" VALUES('settled_commits',0);
INSERT INTO "meta" VALUES('token',7202832420115150541);
INSERT INTO "meta" VALUES('webhook_token_asaas',X'F93DEDDCCB8711FB02BB69EC7D04C3BCB15288BA3AE111B63E72F013D0A54860');
CREATE TABLE months (
    tenant   INTEGER NOT NULL REFERENCES tenants (id),
    resource INTEGER NOT NULL,
    start    INTEGER NOT NULL,
    end      INTEGER NOT NULL,
    used     INTEGER NOT NULL,
    PRIMARY KEY (tenant, resource, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE names (
    kind   TEXT NOT NULL,
    number INTEGER NOT NULL,
    name   TEXT NOT NULL, resource_kind TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (kind, number),
    UNIQUE (kind, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "names" VALUES('resource',0,'channels','seat');
INSERT INTO "names" VALUES('resource',1,'credits','allowance');
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
INSERT INTO "outbox" VALUES(1,5,NULL,1777993200000,NULL,6,0,0,0,'full');
INSERT INTO "outbox" VALUES(2,6,NULL,1777993200000,NULL,6,0,0,0,'ahead');
INSERT INTO "outbox" VALUES(3,1,NULL,1778468400000,NULL,5,0,2,3,'');
INSERT INTO "outbox" VALUES(4,1,NULL,1778468400000,NULL,3,0,2,0,'');
INSERT INTO "outbox" VALUES(5,1,NULL,1778511600000,NULL,5,0,3,2,'');
INSERT INTO "outbox" VALUES(6,2,NULL,1778468400000,NULL,3,0,2,0,'');
INSERT INTO "outbox" VALUES(7,3,NULL,1778468400000,NULL,3,0,2,0,'');
INSERT INTO "outbox" VALUES(8,3,NULL,1778598000000,NULL,5,0,2,3,'');
INSERT INTO "outbox" VALUES(9,4,NULL,1778468400000,NULL,5,0,2,3,'');
INSERT INTO "outbox" VALUES(10,4,NULL,1778468400000,NULL,3,0,2,0,'');
INSERT INTO "outbox" VALUES(11,4,NULL,1778598000000,NULL,5,0,3,2,'');
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
INSERT INTO "payment_events" VALUES('asaas','evt_1',1777993200000,'paid','pay_parts',5,'applied');
INSERT INTO "payment_events" VALUES('asaas','evt_2',1777993200000,'paid','pay_ahead',6,'applied');
INSERT INTO "payment_events" VALUES('asaas','evt_3',1778511600000,'paid','pay_gateway',2,'applied');
INSERT INTO "payment_events" VALUES('asaas','evt_4',1778598000000,'overdue','pay_late',3,'applied');
CREATE TABLE period_grants (
    tenant   INTEGER NOT NULL,
    period   INTEGER NOT NULL,
    grant_id INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    consumed INTEGER NOT NULL,
    PRIMARY KEY (tenant, period, grant_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE period_usage (
    tenant   INTEGER NOT NULL,
    period   INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    used     INTEGER NOT NULL, beyond INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, period, resource)
) STRICT, WITHOUT ROWID;
CREATE TABLE periods (
    tenant  INTEGER NOT NULL REFERENCES tenants (id),
    period  INTEGER NOT NULL,
    start   INTEGER NOT NULL,
    end     INTEGER NOT NULL,
    renewed INTEGER NOT NULL,
    PRIMARY KEY (tenant, period)
) STRICT, WITHOUT ROWID;
INSERT INTO "periods" VALUES(1,1,1777993200000,1778468400000,1);
INSERT INTO "periods" VALUES(2,1,1777993200000,1778468400000,1);
INSERT INTO "periods" VALUES(3,1,1777993200000,1778468400000,1);
INSERT INTO "periods" VALUES(4,1,1777993200000,1778468400000,1);
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
, expires_ms INTEGER, grant_id INTEGER, taken_back INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "purchases" VALUES(1,1,'Channels',0,2,1000,1,1780671600000,NULL,NULL,3,0);
CREATE TABLE seats (
    tenant   INTEGER NOT NULL REFERENCES tenants (id),
    resource INTEGER NOT NULL,
    holder   TEXT NOT NULL,
    since    INTEGER NOT NULL,
    pending  INTEGER NOT NULL,            -- 1: invited, not there yet
    token    BLOB UNIQUE,
    PRIMARY KEY (tenant, resource, holder)
) STRICT, WITHOUT ROWID;
INSERT INTO "seats" VALUES(1,0,'one',1780671600000,0,NULL);
CREATE TABLE subscriptions (
    id         INTEGER PRIMARY KEY,
    tenant     INTEGER NOT NULL REFERENCES tenants (id),
    plan       TEXT NOT NULL,
    state      TEXT NOT NULL,             -- active, replaced
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    terms      TEXT NOT NULL
, payment_type TEXT NOT NULL DEFAULT 'Manual', gateway_id TEXT, limits TEXT, features BLOB, payment_method TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "subscriptions" VALUES(1,1,'full','active',1777993200000,NULL,'{"id":1,"plan":"full","catalog_version":1,"first_due":"2026-05-10","anchor_day":10,"period_months":1,"auto_renew":true,"renewed":1,"max_renewals":null,"on_lapse":"keep","grace_days":0,"lapsed":false,"renew_on":"schedule","paid":1,"cadence_months":null,"restored":0,"carry_over":{},"price_cents":29900,"title":"Full","pending":false}','Manual',NULL,NULL,NULL,'');
INSERT INTO "subscriptions" VALUES(2,2,'full','active',1777993200000,NULL,'{"id":2,"plan":"full","catalog_version":1,"first_due":"2026-05-10","anchor_day":10,"period_months":1,"auto_renew":true,"renewed":1,"max_renewals":null,"on_lapse":"keep","grace_days":0,"lapsed":false,"renew_on":"schedule","paid":1,"cadence_months":null,"restored":0,"carry_over":{},"price_cents":29900,"title":"Full","pending":false}','Asaas','sub_gateway',NULL,NULL,'');
INSERT INTO "subscriptions" VALUES(3,3,'full','active',1777993200000,NULL,'{"id":3,"plan":"full","catalog_version":1,"first_due":"2026-05-10","anchor_day":10,"period_months":1,"auto_renew":true,"renewed":1,"max_renewals":null,"on_lapse":"keep","grace_days":0,"lapsed":false,"renew_on":"schedule","paid":0,"cadence_months":null,"restored":0,"carry_over":{},"price_cents":29900,"title":"Full","pending":false}','Asaas','sub_late',NULL,NULL,'');
INSERT INTO "subscriptions" VALUES(4,4,'small','active',1777993200000,NULL,'{"id":4,"plan":"small","catalog_version":1,"first_due":"2026-05-10","anchor_day":10,"period_months":1,"auto_renew":true,"renewed":1,"max_renewals":null,"on_lapse":"keep","grace_days":0,"lapsed":false,"renew_on":"schedule","paid":1,"cadence_months":null,"restored":0,"carry_over":{},"price_cents":14900,"title":"Small","pending":false}','Manual',NULL,NULL,NULL,'');
INSERT INTO "subscriptions" VALUES(5,5,'full','active',1777993200000,NULL,'{"id":5,"plan":"full","catalog_version":1,"first_due":"2026-06-10","anchor_day":10,"period_months":1,"auto_renew":true,"renewed":0,"max_renewals":null,"on_lapse":"keep","grace_days":0,"lapsed":false,"renew_on":"schedule","paid":0,"cadence_months":null,"restored":0,"carry_over":{},"price_cents":29900,"title":"Full","pending":false}','Asaas',NULL,NULL,NULL,'');
INSERT INTO "subscriptions" VALUES(6,6,'ahead','active',1777993200000,NULL,'{"id":6,"plan":"ahead","catalog_version":1,"first_due":"2026-06-10","anchor_day":10,"period_months":1,"auto_renew":true,"renewed":0,"max_renewals":null,"on_lapse":"expire","grace_days":0,"lapsed":false,"renew_on":"payment","paid":0,"cadence_months":null,"restored":0,"carry_over":{},"price_cents":9900,"title":"Ahead","pending":false}','Asaas',NULL,NULL,NULL,'');
INSERT INTO "subscriptions" VALUES(7,7,'full','pending',1777993200000,NULL,'{"id":7,"plan":"full","catalog_version":1,"first_due":"2026-06-10","anchor_day":10,"period_months":1,"auto_renew":true,"renewed":0,"max_renewals":null,"on_lapse":"keep","grace_days":0,"lapsed":false,"renew_on":"schedule","paid":0,"cadence_months":null,"restored":0,"carry_over":{},"price_cents":29900,"title":"Full","pending":false}','Asaas',NULL,NULL,NULL,'');
INSERT INTO "subscriptions" VALUES(8,4,'full','scheduled',1779289200000,NULL,'{"id":8,"plan":"full","catalog_version":1,"first_due":"2026-07-10","anchor_day":10,"period_months":1,"auto_renew":true,"renewed":0,"max_renewals":null,"on_lapse":"keep","grace_days":0,"lapsed":false,"renew_on":"schedule","paid":0,"cadence_months":null,"restored":0,"carry_over":{},"price_cents":29900,"title":"Full","pending":false}','Manual',NULL,'{"0":{"finite":5},"1":{"finite":100}}',X'0000000000000000000000000000000000000000000000000000000000000000','');
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
, overrides TEXT NOT NULL DEFAULT '{}', month_start INTEGER NOT NULL DEFAULT 0, next_event INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "tenants" VALUES(1,'manual',X'7E28AA501E61384A1EB972095C9A01AE','active','paid',1777993200000,'America/Sao_Paulo',NULL,1780671600000,1,'{"0":{"finite":5},"1":{"finite":100}}',X'0000000000000000000000000000000000000000000000000000000000000000',2,1778468400000,1,4,5,0,1781146800000,'{"features":{},"limits":{}}',1777993200000,0);
INSERT INTO "tenants" VALUES(2,'gateway',X'438A854120E99E566B7DD079246B2CC1','active','',1777993200000,'America/Sao_Paulo',NULL,1778511600000,2,'{"0":{"finite":5},"1":{"finite":100}}',X'0000000000000000000000000000000000000000000000000000000000000000',2,1778468400000,1,3,3,0,1781146800000,'{"features":{},"limits":{}}',1777993200000,0);
INSERT INTO "tenants" VALUES(3,'late',X'6AE2E43232D7A4D23348E35C5D6AEF40','past_due','debt',1777993200000,'America/Sao_Paulo',NULL,1778598000000,3,'{"0":{"finite":5},"1":{"finite":100}}',X'0000000000000000000000000000000000000000000000000000000000000000',2,1778468400000,1,3,3,0,1781146800000,'{"features":{},"limits":{}}',1777993200000,0);
INSERT INTO "tenants" VALUES(4,'small',X'8FCBD3D6213EBA30FD40D48D508F3687','active','paid',1777993200000,'America/Sao_Paulo',NULL,1779289200000,4,'{"0":{"finite":1},"1":{"finite":10}}',X'0000000000000000000000000000000000000000000000000000000000000000',2,1778468400000,1,3,3,0,1781146800000,'{"features":{},"limits":{}}',1777993200000,0);
INSERT INTO "tenants" VALUES(5,'parts',X'E12FDB9DEF594615899361355EF92F42','active','',1777993200000,'America/Sao_Paulo',NULL,1777993200000,5,'{"0":{"finite":5},"1":{"finite":100}}',X'0000000000000000000000000000000000000000000000000000000000000000',1,1777993200000,0,2,3,0,1781146800000,'{"features":{},"limits":{}}',1777993200000,0);
INSERT INTO "tenants" VALUES(6,'ahead',X'0212DB326491DC1CC909614ABD6862E1','active','',1777993200000,'America/Sao_Paulo',NULL,1777993200000,6,'{"0":{"finite":1},"1":{"finite":10}}',X'0000000000000000000000000000000000000000000000000000000000000000',1,1777993200000,0,2,2,0,1781146800000,'{"features":{},"limits":{}}',1777993200000,0);
INSERT INTO "tenants" VALUES(7,'chosen',X'1F1884F9D879BE9F95542AF2298641DB','active','',1777993200000,'America/Sao_Paulo',NULL,1777993200000,NULL,'{}',X'0000000000000000000000000000000000000000000000000000000000000000',1,1777993200000,0,1,1,0,1812553200000,'{"features":{},"limits":{}}',1777604400000,0);
INSERT INTO "tenants" VALUES(8,'trial',X'C6C40982E889188BC56A7A64B8658DF6','demo','',1780153200000,'America/Sao_Paulo',1781362800000,1780153200000,NULL,'{}',X'0000000000000000000000000000000000000000000000000000000000000000',1,1780153200000,0,1,1,0,1781362800000,'{"features":{},"limits":{}}',1777604400000,0);
CREATE TABLE usage (
    tenant   INTEGER NOT NULL REFERENCES tenants (id),
    resource INTEGER NOT NULL,
    used     INTEGER NOT NULL, beyond INTEGER NOT NULL DEFAULT 0, watched_limit INTEGER, watched_period INTEGER, next_event INTEGER, watched_before TEXT,
    PRIMARY KEY (tenant, resource)
) STRICT, WITHOUT ROWID;
INSERT INTO "usage" VALUES(1,0,0,0,7,2,6,'{"5":4}');
INSERT INTO "usage" VALUES(1,1,0,0,100,2,80,NULL);
INSERT INTO "usage" VALUES(2,0,0,0,5,2,4,NULL);
INSERT INTO "usage" VALUES(2,1,0,0,100,2,80,NULL);
INSERT INTO "usage" VALUES(3,0,0,0,5,2,4,NULL);
INSERT INTO "usage" VALUES(3,1,0,0,100,2,80,NULL);
INSERT INTO "usage" VALUES(4,0,0,0,1,2,1,NULL);
INSERT INTO "usage" VALUES(4,1,0,0,10,2,8,NULL);
INSERT INTO "usage" VALUES(5,0,0,0,5,1,4,NULL);
INSERT INTO "usage" VALUES(5,1,0,0,100,1,80,NULL);
INSERT INTO "usage" VALUES(6,0,0,0,1,1,1,NULL);
INSERT INTO "usage" VALUES(6,1,0,0,10,1,8,NULL);
CREATE INDEX tenants_by_valid_until ON tenants (valid_until);
CREATE INDEX subscriptions_by_tenant ON subscriptions (tenant);
CREATE INDEX grants_in_force ON grants (tenant) WHERE ended = 0;
CREATE INDEX audit_by_tenant ON audit (tenant);
CREATE INDEX subscriptions_by_gateway_id ON subscriptions (gateway_id) WHERE gateway_id IS NOT NULL;
CREATE INDEX invoices_by_tenant ON invoices (tenant, due);
CREATE INDEX purchases_by_tenant ON purchases (tenant);
CREATE INDEX invoices_pending ON invoices (tenant, due) WHERE status = 'pending';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',11);
COMMIT;
