//! Creating tenants: all of them in one transaction, or none.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::admin_tx::{save, settle_loaded};
use super::administer;
use super::joining::{Beginning, PaymentState, Terms, choose, due_after, subscribe};
use super::once::Encoded;
use super::signup::{self, AccountHolder};
use super::subscriptions::check_label;
use super::{Engine, Shared, check_key, check_name, check_new_name};
use crate::billing::Cents;
use crate::catalog::{Compiled, Feature, Limit};
use crate::clock::Timestamp;
use crate::crash_points;
use crate::error::Error;
use crate::live::layout::record as word;
use crate::live::record::{self, RecordGuard};
use crate::live::{Hash128, directory};
use crate::rules::settle::{BOUNDARIES_MAX, CLOCK_JUMP_MS, add_grant, settle};
use crate::rules::{Account, Entitlements, Rulebook, Source, Status, calendar};
use crate::store::{Loaded, Overrides, Sync, Write};

/// Blocks locked by one transaction.
const BATCH: usize = 200;
/// What a creation is called where it is done once.
const CREATE: &str = "create";
/// Counters that a new record has to spare for resources of later catalogs.
const SPARE_COUNTERS: u16 = 2;

/// A tenant to be created.
#[derive(Clone, Debug, serde::Serialize)]
pub struct NewTenant<'a> {
    /// Its name: up to 128 bytes.
    pub name: &'a str,
    /// Its first status.
    pub status: Status,
    /// The zone of its days; `None`: the catalog's.
    pub time_zone: Option<Tz>,
    /// When it came to be; `None`: now. Of one that is more than 400 days old all periods up to
    /// now are settled with its creation.
    pub created_at: Option<Timestamp>,
    /// What it subscribes to.
    pub plan: Option<Terms<'a>>,
    /// Units that it gets on top of the plan's.
    pub extras: &'a [Extra<'a>],
    /// Whose account it is.
    pub holder: Option<AccountHolder<'a>>,
    /// Limits of its own, whatever plan it is on ("Personalizar opções").
    pub limits: &'a [(&'a str, Limit)],
    /// Features of its own, whatever plan it is on.
    pub features: &'a [(&'a str, Feature)],
    /// How it pays, if its plan begins only when the first invoice is paid; meanwhile it is on
    /// the catalog's plan for that time, if there is one.
    pub pay_first: Option<&'a str>,
    /// Whether the first period of a plan that is paid in advance has been paid elsewhere: no
    /// invoice of joining is written.
    pub first_period_paid: bool,
    /// What a period of its plan costs this tenant; `None`: what the catalog says.
    pub price: Option<Cents>,
}

/// Units on top of a plan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Extra<'a> {
    /// The resource.
    pub resource: &'a str,
    /// How many units, at least 1.
    pub units: u64,
    /// When they cease to count.
    pub expires_at: Option<Timestamp>,
}

impl<'a> NewTenant<'a> {
    /// An active tenant without a plan.
    #[must_use]
    pub fn new(name: &'a str) -> NewTenant<'a> {
        NewTenant {
            name,
            status: Status::Active,
            time_zone: None,
            created_at: None,
            plan: None,
            extras: &[],
            holder: None,
            limits: &[],
            features: &[],
            pay_first: None,
            first_period_paid: false,
            price: None,
        }
    }

    /// The same tenant with a plan.
    #[must_use]
    pub fn plan(mut self, plan: &'a str, first_due: NaiveDate, auto_renew: bool) -> Self {
        self.plan = Some(Terms::new(plan, first_due, auto_renew));
        self
    }
}

/// A tenant that is being created: its record, locked, and its account.
struct Creation<'a> {
    guard: RecordGuard<'a>,
    loaded: Loaded,
    entitlements: Entitlements,
}

impl Engine {
    /// Creates a tenant with its plan and its extras, in one transaction: registers it, where it
    /// has a holder and pays first (docs/sources.md, Voki). One that exists is an error, unless it
    /// was created under the same key, see [`once`](Self::once). Waits for the disk.
    pub fn create_tenant(&self, new: &NewTenant<'_>) -> Result<(), Error> {
        if self.ensure_tenant(new)? {
            Ok(())
        } else {
            Err(Error::TenantExists(new.name.to_owned()))
        }
    }

    /// As [`create_tenant`](Self::create_tenant), unless there is a tenant of that name already,
    /// which is left as it is. Says whether it was created, now or under the same key before.
    pub fn ensure_tenant(&self, new: &NewTenant<'_>) -> Result<bool, Error> {
        Ok(self.ensure_tenants(std::slice::from_ref(new))? == 1)
    }

    /// Creates those of `tenants` that do not exist, many in one transaction; says how many.
    pub fn ensure_tenants(&self, tenants: &[NewTenant<'_>]) -> Result<usize, Error> {
        let mut created = 0;
        for batch in tenants.chunks(BATCH) {
            created += self.shared.create(batch, self, self.now())?;
        }
        Ok(created)
    }
}

impl Shared {
    /// A tenant that exists is called as it is.
    fn check_name_to_create(&self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        match directory::find(&self.live.memory, self.live.hash_name(name)) {
            Some(_) => Ok(()),
            None => check_new_name(name),
        }
    }

    fn create(&self, batch: &[NewTenant<'_>], by: &Engine, now: Timestamp) -> Result<usize, Error> {
        let key = by.key.as_deref();
        batch.iter().try_for_each(|new| self.check_name_to_create(new.name))?;
        key.map_or(Ok(()), |key| check_key("idempotency key", key))?;
        let _writer_lock = self.lock_writer()?;
        self.finish_pending_catalog()?;
        let compiled = self.compiled()?;
        self.store.with(|connection| {
            let mut write = Write::begin(connection, &self.live, Sync::Full)?;
            write.set_actor(by.actor.as_deref());
            let mut creations = Vec::new();
            let done = self.create_all(batch, key, &mut write, &mut creations, compiled, now);
            for creation in &mut creations {
                match &done {
                    Ok(_) => {
                        creation.guard.write_seq(creation.loaded.seq);
                        creation
                            .guard
                            .write_entitlements(&creation.entitlements, creation.loaded.admin_seq);
                    }
                    Err(_) if self.live.poison().is_none() => {
                        creation.guard.put(word::PENDING, 0);
                    }
                    Err(_) => {}
                }
            }
            done.map(|replayed| creations.len() + replayed)
        })
    }

    /// Says how many were created under the same key before.
    fn create_all<'a>(
        &'a self,
        batch: &[NewTenant<'_>],
        key: Option<&str>,
        write: &mut Write<'_>,
        creations: &mut Vec<Creation<'a>>,
        compiled: &Compiled,
        now: Timestamp,
    ) -> Result<usize, Error> {
        let mut replayed = 0;
        for new in batch {
            let hash = self.live.hash_name(new.name);
            // A record without a row belongs to a creation that was not committed.
            if let Some(loaded) = write.load_tenant(hash)? {
                let before = key
                    .map_or(Ok(false), |key| self.was_created_under(key, write, loaded.row, new))?;
                replayed += usize::from(before);
                continue;
            }
            let at = new.created_at.unwrap_or(now);
            let mut loaded = account_of(write, compiled, new, hash, at)?;
            let rules = &compiled.rulebook;
            check_age(&loaded, rules, now)?;
            // Who says how old it is has no clock that jumps: what is older is settled at once.
            let seen = if now > at.plus_ms(CLOCK_JUMP_MS) { now } else { at };
            let mut events = settle_loaded(write, &mut loaded, compiled, seen)?;
            events.extend(loaded.account.watch(rules, seen));
            let mut guard = self.vacant_record(hash, compiled)?;
            crash_points::point("create.published");
            let taken = guard.take_snapshot(0, write.number());
            let entitlements = save(write, &mut loaded, rules, seen, &taken)?;
            events.iter().try_for_each(|event| write.emit(loaded.row, event))?;
            guard.ensure_entitlements(&entitlements)?;
            write.audit(Some(loaded.row), at, "created", new.status.code())?;
            if let Some(key) = key {
                let key = self.admin_hash(loaded.row, &[key]);
                let fingerprint = self.fingerprint(loaded.row, CREATE, &Encoded::new(new));
                write.keep_answer(key, fingerprint, now, "null")?;
            }
            creations.push(Creation { guard, loaded, entitlements });
        }
        crash_points::point("create.written");
        if creations.is_empty() {
            return Ok(replayed);
        }
        write.commit()?;
        crash_points::point("create.committed");
        Ok(replayed)
    }

    /// Whether a tenant that exists was created under this key, with the same arguments.
    fn was_created_under(
        &self,
        key: &str,
        write: &Write<'_>,
        row: i64,
        new: &NewTenant<'_>,
    ) -> Result<bool, Error> {
        match write.done_under(self.admin_hash(row, &[key]))? {
            None => Ok(false),
            Some(done) if self.is_done(&done, row, CREATE, &Encoded::new(new)) => Ok(true),
            Some(_) => Err(Error::IdempotencyConflict),
        }
    }

    /// A record for a tenant that does not exist: published, locked and pending.
    fn vacant_record(&self, hash: Hash128, compiled: &Compiled) -> Result<RecordGuard<'_>, Error> {
        let memory = &self.live.memory;
        let found = directory::find(memory, hash);
        if let Some(at) = found {
            let guard = self.lock_record(at)?;
            // One that was a tenant's, which has been purged, belongs to no tenant ever after.
            if guard.get(word::ADMIN_SEQ) == 0 {
                guard.put(word::STATE, 0);
                guard.put(word::PENDING, 1);
                return Ok(guard);
            }
        }
        let counters = compiled.names.resources.len() as u16 + SPARE_COUNTERS;
        let at = record::create(memory, hash, counters)?;
        let guard = self.lock_record(at)?;
        guard.put(word::PENDING, 1);
        crash_points::point("create.locked");
        match found {
            Some(purged) => directory::replace(memory, purged, at, hash)?,
            None => directory::insert(memory, at, hash)?,
        }
        Ok(guard)
    }
}

/// Refuses a tenant that is so old that it could never be settled up to the present.
fn check_age(loaded: &Loaded, rules: &Rulebook, now: Timestamp) -> Result<(), Error> {
    let account = &loaded.account;
    if now <= account.high_water_mark || !settle(&mut account.clone(), rules, now).is_cut_short {
        return Ok(());
    }
    let why =
        format!("since {} more than {BOUNDARIES_MAX} periods have ended", account.high_water_mark);
    Err(Error::InvalidArgument { what: "created_at", why })
}

/// Notes what a new tenant has of its own, and refuses what no tenant can have.
fn own(loaded: &mut Loaded, compiled: &Compiled, new: &NewTenant<'_>) -> Result<(), Error> {
    if let (Some(price), Some(terms)) = (new.price, &new.plan) {
        loaded.overrides.prices.insert(terms.plan.to_owned(), price.get());
    }
    for &(name, limit) in new.limits {
        compiled.resource(name).ok_or_else(|| compiled.unknown_resource(name))?;
        loaded.overrides.limits.insert(name.to_owned(), limit);
    }
    for (name, feature) in new.features {
        if !compiled.knows_feature(name, Some(feature)) {
            return Err(compiled.unknown_feature(name, Some(feature)));
        }
        loaded.overrides.features.insert((*name).to_owned(), feature.clone());
    }
    Ok(())
}

/// Chooses a plan that begins when it is paid, and puts the catalog's plan for the time until then
/// in force.
fn pay_first(
    write: &Write<'_>,
    loaded: &mut Loaded,
    compiled: &Compiled,
    terms: &Terms<'_>,
    payment_type: &str,
    at: Timestamp,
) -> Result<(), Error> {
    check_label("payment type", payment_type)?;
    let payment = PaymentState::of_type(payment_type);
    let beginning = Beginning { at, is_paid: false, present_mode: None };
    let own = loaded.overrides.prices.get(terms.plan).copied();
    let usual = compiled.catalog.plans.get(terms.plan).and_then(|plan| plan.price_cents);
    let zone = loaded.account.time_zone;
    if own.or(usual) == Some(0) {
        let terms = due_after(terms, compiled, zone, at)?;
        return subscribe(write, loaded, compiled, &terms, payment, beginning);
    }
    if let Some(plan) = &compiled.catalog.pending_plan {
        let meanwhile = Terms { plan, auto_renew: true, ..*terms };
        let meanwhile = due_after(&meanwhile, compiled, zone, at)?;
        subscribe(write, loaded, compiled, &meanwhile, PaymentState::manual(), beginning)?;
    }
    choose(write, loaded, compiled, terms, payment, at).map(|_| ())
}

/// Has a new tenant join its plan.
fn join(
    write: &Write<'_>,
    loaded: &mut Loaded,
    compiled: &Compiled,
    new: &NewTenant<'_>,
    at: Timestamp,
) -> Result<(), Error> {
    match (&new.plan, new.pay_first) {
        (None, _) => {}
        (Some(terms), None) => {
            let is_paid = new.first_period_paid;
            let beginning = Beginning { at, is_paid, present_mode: None };
            subscribe(write, loaded, compiled, terms, PaymentState::manual(), beginning)?;
        }
        (Some(terms), Some(payment_type)) => {
            pay_first(write, loaded, compiled, terms, payment_type, at)?;
        }
    }
    Ok(())
}

/// The account of a new tenant, with a row of its own.
pub(super) fn account_of(
    write: &Write<'_>,
    compiled: &Compiled,
    new: &NewTenant<'_>,
    hash: Hash128,
    at: Timestamp,
) -> Result<Loaded, Error> {
    let time_zone = new.time_zone.unwrap_or(compiled.catalog.time_zone);
    let demo_days = compiled.catalog.demo_days;
    let account = Account {
        status: new.status,
        created_at: at,
        time_zone,
        demo_ends_at: (new.status == Status::Demo)
            .then(|| calendar::same_wall_time_after(at, demo_days, time_zone)),
        high_water_mark: at,
        subscription: None,
        awaits_payment: false,
        scheduled: None,
        owed: BTreeSet::new(),
        at_gateway: BTreeSet::new(),
        waiting: BTreeSet::new(),
        offers: BTreeMap::new(),
        oldest_overdue: None,
        for_debt: false,
        charged_again: false,
        limits: BTreeMap::new(),
        features: [0; 4],
        grants: Vec::new(),
        used: BTreeMap::new(),
        held: BTreeMap::new(),
        watches: BTreeMap::new(),
        month_start: calendar::month_start(at, time_zone),
        period: 1,
        period_start: at,
        renewals: 0,
        next_grant: 1,
    };
    let mut loaded = Loaded {
        row: write.insert_tenant(new.name, hash)?,
        name: new.name.to_owned(),
        status_reason: String::new(),
        admin_seq: 1,
        seq: 0,
        next_event: 0,
        overrides: Overrides::default(),
        account,
    };
    own(&mut loaded, compiled, new)?;
    let plan = new.plan.as_ref().and_then(|terms| compiled.catalog.plans.get(terms.plan));
    if let Some(holder) = &new.holder {
        let account_holder = signup::checked(holder)?;
        signup::write_account_holder(write, &mut loaded, compiled, &account_holder, plan, at)?;
    }
    join(write, &mut loaded, compiled, new, at)?;
    for extra in new.extras {
        let resource = administer::grantable_resource(compiled, extra.resource)?;
        administer::check_amount(extra.units)?;
        let account = &mut loaded.account;
        add_grant(account, resource, Source::Extra, extra.units, at, extra.expires_at);
    }
    write.load_owed(loaded.row, &mut loaded.account)?;
    Ok(loaded)
}
