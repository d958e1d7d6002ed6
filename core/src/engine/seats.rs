//! Seats: users, channels, departments, chatbots, boards. Each is held by a named holder until it
//! is released; taking one is a transaction.

use super::admin_tx::AdminTx;
use super::administer::{DURABLE, resource_of};
use super::call::Call;
use super::caller::Caller;
use super::tenant::Tenant;
use super::{Engine, check_key};
use crate::catalog::{Compiled, Gate, HolderKind};
use crate::clock::Timestamp;
use crate::error::{Error, StoreError};
use crate::language::Wording;
use crate::live::history::HistoryKey;
use crate::names;
use crate::rules::decide::decide;
use crate::rules::{Charge, Decision, ResourceId, entitlements};
use crate::store::SeatRow;

/// Longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 1_024;
/// Shortest token, in bytes: what can be guessed protects nothing.
const TOKEN_BYTES_MIN: usize = 8;

/// How a seat is taken.
#[derive(Clone, Copy, Default)]
pub struct Occupancy<'a> {
    /// Invited, and not there yet. It holds the seat all the same.
    pub pending: bool,
    /// A token that opens the seat, for channels: unique over the database. Only its keyed hash
    /// is kept.
    pub token: Option<&'a str>,
}

/// A seat with its holder.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Seat {
    /// Who holds it.
    pub holder: String,
    /// Since when.
    #[serde(serialize_with = "crate::json::text")]
    pub since: Timestamp,
    /// Invited, and not there yet.
    pub pending: bool,
    /// Whether a token opens it.
    pub has_token: bool,
}

/// A seat found by its token.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TokenSeat {
    /// The tenant.
    pub tenant: String,
    /// The resource.
    pub resource: String,
    /// Who holds the seat.
    pub holder: String,
}

/// The seats of one resource of a tenant.
#[derive(Clone, Copy)]
pub struct Seats<'a> {
    caller: Caller<'a>,
    resource: ResourceId,
}

impl Tenant {
    /// The seats of a resource.
    pub fn seats(&self, resource: &str) -> Result<Seats<'_>, Error> {
        let caller = self.caller();
        let compiled = caller.engine.shared.compiled()?;
        let (resource, _) = resource_of(compiled, resource, "seat")?;
        Ok(Seats { caller, resource })
    }
}

impl Seats<'_> {
    /// May `holder` have a seat? If so it is taken, until it is released. A holder that has one
    /// keeps it; an invited person who is there now takes the seat that was held for them. Waits
    /// for the disk.
    pub fn occupy(&self, holder: &str) -> Result<Decision, Error> {
        self.occupy_as(holder, &Occupancy::default())
    }

    /// As [`occupy`](Self::occupy), saying how.
    pub fn occupy_as(&self, holder: &str, how: &Occupancy<'_>) -> Result<Decision, Error> {
        check_key("holder", holder)?;
        let engine = self.caller.engine;
        let token = how.token.map(|token| engine.token_hash(token)).transpose()?;
        let pending = how.pending;
        engine.change(self.caller.name, DURABLE, |tx| {
            let resource = self.resource;
            let had = seat_of(tx, resource, holder)?;
            let holder = had.as_ref().map_or(holder, |had| had.holder.as_str()).to_owned();
            if had.is_none() {
                check_new_holder(tx.compiled, resource, "holder", &holder)?;
            }
            if let Some(token) = &token
                && tx.write.token_is_taken(token, tx.loaded.row, resource, &holder)?
            {
                return Err(Error::TokenTaken);
            }
            let tokenless = token.is_none() && had.as_ref().is_none_or(|had| had.token.is_none());
            if tokenless && let Some(name) = needs_token(tx.compiled, resource) {
                return Err(Error::TokenMissing { resource: name.to_owned() });
            }
            let units = u64::from(had.is_none());
            let decision = ask(tx, resource, units);
            if !decision.allowed() {
                let reason = decision.reason().unwrap_or(crate::Reason::StatusForbids);
                let key = HistoryKey::denied(tx.now, reason, decision.resource);
                tx.write.record_history(tx.loaded.row, key, 1)?;
                return Ok(decision);
            }
            // Inviting a holder who is there already changes nothing.
            let pending = pending && had.as_ref().is_none_or(|had| had.pending);
            let since = had.as_ref().map_or(tx.now, |had| had.since);
            let token = token.or(had.and_then(|had| had.token));
            let seat = SeatRow { resource, holder, since, pending, token };
            tx.write.save_seat(tx.loaded.row, &seat)?;
            count(tx, resource, units);
            self.audit(tx, "seat taken")?;
            Ok(decision)
        })
    }

    /// A warning to the person who takes a seat here, by the catalog (docs/sources.md,
    /// Whazing: a channel on plain WhatsApp).
    pub fn warning(&self) -> Result<Option<Wording>, Error> {
        let compiled = self.caller.engine.shared.compiled()?;
        let name = compiled.resource_name(self.resource).unwrap_or_default();
        Ok(compiled.catalog.resources.get(name).and_then(|it| it.warning.clone()))
    }

    /// Frees the seat of `holder`; says whether there was one. Waits for the disk.
    pub fn release(&self, holder: &str) -> Result<bool, Error> {
        check_key("holder", holder)?;
        self.caller.engine.change(self.caller.name, DURABLE, |tx| {
            let had = seat_of(tx, self.resource, holder)?;
            let holder = had.as_ref().map_or(holder, |had| had.holder.as_str());
            let freed = tx.write.delete_seat(tx.loaded.row, self.resource, holder)?;
            if freed {
                uncount(tx, self.resource);
                self.audit(tx, "seat released")?;
            }
            Ok(freed)
        })
    }

    /// Gives the seat of `old` to `new`, which always passes: nothing more is held than before.
    /// Waits for the disk.
    pub fn replace(&self, old: &str, new: &str) -> Result<(), Error> {
        check_key("holder", old)?;
        check_key("holder", new)?;
        self.caller.engine.change(self.caller.name, DURABLE, |tx| {
            let row = tx.loaded.row;
            let Some(seat) = seat_of(tx, self.resource, old)? else {
                let name = tx.compiled.resource_name(self.resource).unwrap_or_default();
                return Err(Error::SeatNotHeld { resource: name.to_owned() });
            };
            if seat.holder == new {
                return Ok(());
            }
            // The same address may be written otherwise.
            let other = seat_of(tx, self.resource, new)?;
            if other.is_some_and(|other| other.holder != seat.holder) {
                let why = "it has a seat already; name a holder without one".to_owned();
                return Err(Error::InvalidArgument { what: "new holder", why });
            }
            check_new_holder(tx.compiled, self.resource, "new holder", new)?;
            tx.write.delete_seat(row, self.resource, &seat.holder)?;
            let seat = SeatRow { holder: new.to_owned(), since: tx.now, ..seat };
            tx.write.save_seat(row, &seat)?;
            self.audit(tx, "seat replaced")
        })
    }

    /// Who holds seats, by name. Reads SQLite.
    pub fn list(&self) -> Result<Vec<Seat>, Error> {
        let engine = self.caller.engine;
        let rows = engine.shared.store.seats(engine.row_of(self.caller.name)?)?;
        let of_resource = rows.into_iter().filter(|row| row.resource == self.resource);
        Ok(of_resource
            .map(|SeatRow { holder, since, pending, token, .. }| Seat {
                holder,
                since,
                pending,
                has_token: token.is_some(),
            })
            .collect())
    }

    fn audit(&self, tx: &AdminTx<'_>, what: &str) -> Result<(), Error> {
        let detail = tx.compiled.resource_name(self.resource).unwrap_or_default();
        Ok(tx.write.audit(Some(tx.loaded.row), tx.now, what, detail)?)
    }
}

impl Engine {
    /// The seat that a token opens; `None`: it opens none. Reads SQLite.
    pub fn verify_token(&self, token: &str) -> Result<Option<TokenSeat>, Error> {
        let hash = self.token_hash(token)?;
        let Some(found) = self.shared.store.seat_of_token(&hash)? else { return Ok(None) };
        // SQLite has compared them already, but byte by byte: this one takes the same time always.
        if !same(&found.token, &hash) {
            return Ok(None);
        }
        let compiled = self.shared.compiled()?;
        let resource = compiled.resource_name(found.resource).unwrap_or_default().to_owned();
        Ok(Some(TokenSeat { tenant: found.tenant, resource, holder: found.holder }))
    }

    fn token_hash(&self, token: &str) -> Result<Vec<u8>, Error> {
        if !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) {
            let why = format!(
                "it has {} bytes; {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} are allowed",
                token.len()
            );
            return Err(Error::InvalidArgument { what: "token", why });
        }
        let key = blake3::derive_key("cotas 2026 tokens of seats", &self.shared.live.secret());
        Ok(blake3::keyed_hash(&key, token.as_bytes()).as_bytes().to_vec())
    }
}

fn holders_of(compiled: &Compiled, resource: ResourceId) -> HolderKind {
    let name = compiled.resource_name(resource).unwrap_or_default();
    compiled.catalog.resources.get(name).map(|it| it.holder).unwrap_or_default()
}

/// The seat of a holder: of an e-mail address also if it is written in other letters.
fn seat_of(
    tx: &AdminTx<'_>,
    resource: ResourceId,
    holder: &str,
) -> Result<Option<SeatRow>, StoreError> {
    let row = tx.loaded.row;
    let exact = tx.write.seat(row, resource, holder)?;
    if exact.is_some() || holders_of(tx.compiled, resource) == HolderKind::Name {
        return Ok(exact);
    }
    let folded = names::folded_email(holder);
    let mut seats = tx.write.seats_of(row, resource)?.into_iter();
    Ok(seats.find(|seat| names::folded_email(&seat.holder) == folded))
}

/// Refuses who may not take a seat; those who have one keep it.
fn check_new_holder(
    compiled: &Compiled,
    resource: ResourceId,
    what: &'static str,
    holder: &str,
) -> Result<(), Error> {
    names::check(holder).map_err(|why| Error::InvalidArgument { what, why })?;
    if holders_of(compiled, resource) == HolderKind::Email && !holder.contains('@') {
        let name = compiled.resource_name(resource).unwrap_or_default();
        let why = format!("it is no e-mail address; the holders of {name:?} are");
        return Err(Error::InvalidArgument { what, why });
    }
    Ok(())
}

/// The name of a resource whose seats are taken only with a token.
fn needs_token(compiled: &Compiled, resource: ResourceId) -> Option<&str> {
    let name = compiled.resource_name(resource)?;
    let above = compiled.parents(resource).iter().filter_map(|&it| compiled.resource_name(it));
    let required = |name: &str| {
        compiled.catalog.resources.get(name).is_some_and(|resource| resource.token_required)
    };
    above.chain([name]).any(required).then_some(name)
}

/// Whether two hashes are the same, in a time that does not depend on where they differ.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    let bytes = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map(blake3::Hash::from_bytes);
    matches!((bytes(one), bytes(other)), (Ok(one), Ok(other)) if one == other)
}

/// Decides about seats by the account as it stands in the admin transaction.
fn ask(tx: &AdminTx<'_>, resource: ResourceId, units: u64) -> Decision {
    let entitlements = entitlements(&tx.loaded.account, &tx.compiled.rulebook, tx.now);
    let parents = tx.compiled.parents(resource);
    let charges: Vec<_> = parents
        .iter()
        .rev()
        .chain([&resource])
        .map(|&resource| Charge { resource, units })
        .collect();
    let call = Call { gate: Gate::Access, ..Call::consume(&charges) };
    decide(&entitlements, &call.request(None, None, true)).0
}

fn count(tx: &mut AdminTx<'_>, resource: ResourceId, units: u64) {
    for &resource in tx.compiled.parents(resource).iter().chain([&resource]) {
        *tx.loaded.account.held.entry(resource).or_default() += units;
    }
}

fn uncount(tx: &mut AdminTx<'_>, resource: ResourceId) {
    for &resource in tx.compiled.parents(resource).iter().chain([&resource]) {
        let held = tx.loaded.account.held.entry(resource).or_default();
        *held = held.saturating_sub(1);
    }
}
