//! Access tokens: who may ask over HTTP, and about which tenant.

use std::fmt::Write as _;
use std::time::Duration;

use super::subscriptions::check_text;
use super::{Engine, call};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::{AccessTokenRow, Sync, Write};

/// What a token begins with, so that one that leaked is recognised.
const PREFIX: &str = "cotas_";
/// Random bytes of a token.
const RANDOM_BYTES: usize = 32;
/// Longest title, in bytes.
const TITLE_BYTES_MAX: usize = 128;

/// What the holder of an access token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessRole {
    /// Reads what a tenant has left.
    Viewer,
    /// Reads what a tenant pays, and decides for it.
    Manager,
    /// Administers tenants: plans, limits, invoices, statuses.
    Reseller,
    /// Administers the platform: the catalog, access tokens, maintenance.
    Platform,
}

impl AccessRole {
    /// Every role, the lowest first: each may do what those before it may.
    pub const ALL: [AccessRole; 4] =
        [AccessRole::Viewer, AccessRole::Manager, AccessRole::Reseller, AccessRole::Platform];

    /// The role's name in programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            AccessRole::Viewer => "viewer",
            AccessRole::Manager => "manager",
            AccessRole::Reseller => "reseller",
            AccessRole::Platform => "platform",
        }
    }

    /// The role with this [`code`](Self::code).
    #[must_use]
    pub fn from_code(code: &str) -> Option<AccessRole> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }
}

/// A token to be issued.
#[derive(Clone, Copy, Debug)]
pub struct NewAccessToken<'a> {
    /// What its holder may do.
    pub role: AccessRole,
    /// The only tenant that it opens; `None`: every tenant.
    pub tenant: Option<&'a str>,
    /// Who or what has it, for people.
    pub title: &'a str,
    /// How long it is valid, at most 400 days; `None`: until it is revoked.
    pub lifetime: Option<Duration>,
}

/// A token that was issued.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct IssuedToken {
    /// Its number, by which it is listed, rotated and revoked.
    pub id: i64,
    /// The token itself. It is given here and never again.
    pub token: String,
}

/// A token as it is listed: without the token.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AccessTokenView {
    /// Its number.
    pub id: i64,
    /// What its holder may do.
    pub role: AccessRole,
    /// The only tenant that it opens; `None`: every tenant.
    pub tenant: Option<String>,
    /// Who or what has it.
    pub title: String,
    /// When it was created.
    #[serde(serialize_with = "crate::json::text")]
    pub created_at: Timestamp,
    /// The first instant at which it opens nothing; `None`: it does not expire.
    #[serde(serialize_with = "crate::json::text_or_null")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked; `None`: it was not.
    #[serde(serialize_with = "crate::json::text_or_null")]
    pub revoked_at: Option<Timestamp>,
}

/// What a token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The token's number.
    pub id: i64,
    /// What its holder may do.
    pub role: AccessRole,
    /// The only tenant that it opens; `None`: every tenant.
    pub tenant: Option<String>,
}

/// The access tokens of a database.
#[derive(Clone, Copy)]
pub struct AccessTokens<'a> {
    pub(super) engine: &'a Engine,
}

impl Engine {
    /// The access tokens of this database.
    #[must_use]
    pub fn access_tokens(&self) -> AccessTokens<'_> {
        AccessTokens { engine: self }
    }
}

impl AccessTokens<'_> {
    /// Issues a token. Only its keyed hash is kept. Waits for the disk.
    pub fn create(&self, new: &NewAccessToken<'_>) -> Result<IssuedToken, Error> {
        check_text("title", new.title, TITLE_BYTES_MAX)?;
        if new.role == AccessRole::Platform && new.tenant.is_some() {
            let why = "a token for the platform is for every tenant; name none".to_owned();
            return Err(Error::InvalidArgument { what: "tenant", why });
        }
        let lifetime = new.lifetime.map(|it| call::lifetime_ms("lifetime", it)).transpose()?;
        let tenant = new.tenant.map(|name| self.engine.row_of(name)).transpose()?;
        let now = self.engine.now();
        let token = random_token()?;
        let row = AccessTokenRow {
            id: 0,
            hash: self.hash(&token),
            role: new.role.code().to_owned(),
            tenant_row: tenant,
            tenant: None,
            title: new.title.to_owned(),
            created_at: now,
            expires_at: lifetime.map(|ms| now.plus_ms(ms)),
            revoked_at: None,
        };
        let id = self.write(|write| {
            let id = write.insert_access_token(&row)?;
            let detail = format!("created {id}, {}", row.role);
            write.audit(tenant, now, "access token", &detail)?;
            Ok(id)
        })?;
        Ok(IssuedToken { id, token })
    }

    /// Every token, also those that have expired or were revoked. Reads SQLite.
    pub fn list(&self) -> Result<Vec<AccessTokenView>, Error> {
        let rows = self.engine.shared.store.access_tokens()?;
        let view = |row: AccessTokenRow| {
            let role = role_of(&row)?;
            let AccessTokenRow { id, tenant, title, created_at, expires_at, revoked_at, .. } = row;
            Ok(AccessTokenView { id, role, tenant, title, created_at, expires_at, revoked_at })
        };
        rows.into_iter().map(view).collect()
    }

    /// Revokes a token, from the next request on. `false`: there is no such token, or it was
    /// revoked before. Waits for the disk.
    pub fn revoke(&self, id: i64) -> Result<bool, Error> {
        let now = self.engine.now();
        self.write(|write| {
            let Some(row) = write.access_token(id)?.filter(|it| it.revoked_at.is_none()) else {
                return Ok(false);
            };
            write.revoke_access_token(id, now)?;
            let detail = format!("revoked {id}, {}", row.role);
            write.audit(row.tenant_row, now, "access token", &detail)?;
            Ok(true)
        })
    }

    /// Gives a token in exchange for one that may have leaked; the old one opens nothing from the
    /// next request on. Role, tenant and expiry stay. `None`: there is no such token, or it was
    /// revoked or has expired. Waits for the disk.
    pub fn rotate(&self, id: i64) -> Result<Option<IssuedToken>, Error> {
        let now = self.engine.now();
        let token = random_token()?;
        let hash = self.hash(&token);
        let rotated = self.write(|write| {
            let Some(row) = write.access_token(id)?.filter(|it| is_valid(it, now)) else {
                return Ok(false);
            };
            write.replace_access_token(id, &hash)?;
            let detail = format!("rotated {id}, {}", row.role);
            write.audit(row.tenant_row, now, "access token", &detail)?;
            Ok(true)
        })?;
        Ok(rotated.then_some(IssuedToken { id, token }))
    }

    /// What a token opens; `None`: nothing, because no such token was issued, or it was revoked or
    /// has expired. Reads SQLite, so that a token that any process has revoked opens nothing.
    pub fn verify(&self, token: &str) -> Result<Option<Access>, Error> {
        let is_ours = token.len() == PREFIX.len() + 2 * RANDOM_BYTES && token.starts_with(PREFIX);
        if !is_ours {
            return Ok(None);
        }
        let hash = self.hash(token);
        let found = self.engine.shared.store.access_token_of_hash(&hash)?;
        // SQLite has compared them already, but byte by byte: this one takes the same time always.
        let found = found.filter(|row| super::seats::same(&row.hash, &hash));
        let Some(row) = found.filter(|row| is_valid(row, self.engine.now())) else {
            return Ok(None);
        };
        Ok(Some(Access { id: row.id, role: role_of(&row)?, tenant: row.tenant }))
    }

    fn write<T>(self, change: impl FnOnce(&Write<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let shared = &self.engine.shared;
        let _writer_lock = shared.lock_writer()?;
        shared.store.with(|connection| {
            let mut write = Write::begin(connection, &shared.live, Sync::Full)?;
            write.set_actor(self.engine.actor.as_deref());
            let value = change(&write)?;
            write.commit()?;
            Ok(value)
        })
    }

    pub(super) fn hash(self, token: &str) -> Vec<u8> {
        let secret = self.engine.shared.live.secret();
        let key = blake3::derive_key("cotas 2026 access tokens", &secret);
        blake3::keyed_hash(&key, token.as_bytes()).as_bytes().to_vec()
    }
}

pub(super) fn is_valid(row: &AccessTokenRow, now: Timestamp) -> bool {
    row.revoked_at.is_none() && row.expires_at.is_none_or(|end| now < end)
}

pub(super) fn role_of(row: &AccessTokenRow) -> Result<AccessRole, Error> {
    AccessRole::from_code(&row.role).ok_or_else(|| {
        let (what, value) = ("role of an access token", row.role.clone());
        Error::Store(crate::error::StoreError::Corrupt { what, value })
    })
}

/// Random bytes for `what`.
pub(super) fn random_bytes<const N: usize>(what: &'static str) -> Result<[u8; N], Error> {
    let mut random = [0; N];
    getrandom::fill(&mut random).map_err(|error| {
        let why = format!("the system gives no random bytes: {error}");
        Error::InvalidArgument { what, why }
    })?;
    Ok(random)
}

fn random_token() -> Result<String, Error> {
    let mut token = PREFIX.to_owned();
    for byte in random_bytes::<RANDOM_BYTES>("access token")? {
        // Writing into a `String` does not fail.
        let _ = write!(token, "{byte:02x}");
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::engine::NewTenant;

    const HOUR: Duration = Duration::from_hours(1);

    fn engine() -> (Engine, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_ms(1_780_000_000_000)));
        let engine = Engine::in_memory().clock(clock.clone()).open().unwrap();
        let catalog = "[catalog]\ncurrency = \"BRL\"\n";
        engine.load_catalog(&crate::Catalog::parse(catalog, "catalog").unwrap()).unwrap();
        engine.create_tenant(&NewTenant::new("acme")).unwrap();
        (engine, clock)
    }

    fn manager() -> NewAccessToken<'static> {
        let (role, tenant) = (AccessRole::Manager, Some("acme"));
        NewAccessToken { role, tenant, title: "panel", lifetime: Some(HOUR) }
    }

    #[test]
    fn a_token_opens_what_it_was_issued_for_until_it_expires() {
        let (engine, clock) = engine();
        let tokens = engine.access_tokens();
        let issued = tokens.create(&manager()).unwrap();
        let access =
            Access { id: issued.id, role: AccessRole::Manager, tenant: Some("acme".into()) };
        assert_eq!(tokens.verify(&issued.token).unwrap(), Some(access.clone()));
        clock.advance_ms(3_599_999);
        assert_eq!(tokens.verify(&issued.token).unwrap(), Some(access));
        clock.advance_ms(1);
        assert_eq!(tokens.verify(&issued.token).unwrap(), None);
        assert_eq!(tokens.rotate(issued.id).unwrap(), None, "it has expired");
    }

    #[test]
    fn what_was_never_issued_opens_nothing() {
        let (engine, _) = engine();
        let tokens = engine.access_tokens();
        let issued = tokens.create(&manager()).unwrap().token;
        let last = if issued.ends_with('0') { "1" } else { "0" };
        let other = format!("{}{last}", &issued[..issued.len() - 1]);
        for wrong in ["", "cotas_", &issued[..issued.len() - 1], &other, &issued.to_uppercase()] {
            assert_eq!(tokens.verify(wrong).unwrap(), None, "{wrong}");
        }
    }

    #[test]
    fn a_token_that_was_rotated_or_revoked_opens_nothing() {
        let (engine, _) = engine();
        let tokens = engine.access_tokens();
        let old = tokens.create(&manager()).unwrap();
        let new = tokens.rotate(old.id).unwrap().unwrap();
        assert_eq!(tokens.verify(&old.token).unwrap(), None);
        assert_eq!(tokens.verify(&new.token).unwrap().unwrap().id, old.id);
        assert!(tokens.revoke(old.id).unwrap());
        assert!(!tokens.revoke(old.id).unwrap(), "a second time");
        assert!(!tokens.revoke(99).unwrap(), "no token has the number 99");
        assert_eq!(tokens.verify(&new.token).unwrap(), None);
        assert_eq!(tokens.rotate(old.id).unwrap(), None);
        let listed = tokens.list().unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].revoked_at, Some(engine.now()));
    }

    #[test]
    fn neither_the_list_nor_the_trail_has_the_token() {
        let (engine, _) = engine();
        let by = engine.acting_as("token 1").unwrap();
        let issued = by.access_tokens().create(&manager()).unwrap();
        let trail = engine.audit_trail(Some("acme"), 10).unwrap();
        assert_eq!(
            (trail[0].what.as_str(), trail[0].detail.as_str()),
            ("access token", "created 1, manager")
        );
        assert_eq!(trail[0].actor.as_deref(), Some("token 1"));
        assert_eq!(trail[1].actor, None, "the tenant was created by this process");
        let secret = &issued.token[PREFIX.len()..];
        let shown =
            serde_json::to_string(&(engine.access_tokens().list().unwrap(), trail)).unwrap();
        assert!(!shown.contains(secret));
    }

    #[test]
    fn tokens_that_make_no_sense_are_refused() {
        let (engine, _) = engine();
        let tokens = engine.access_tokens();
        let platform = NewAccessToken { role: AccessRole::Platform, ..manager() };
        assert_eq!(tokens.create(&platform).unwrap_err().code(), 406);
        let unknown = NewAccessToken { tenant: Some("acmee"), ..manager() };
        assert_eq!(tokens.create(&unknown).unwrap_err().code(), 400);
        let never = NewAccessToken { lifetime: Some(Duration::ZERO), ..manager() };
        assert_eq!(tokens.create(&never).unwrap_err().code(), 406);
        let long = "x".repeat(TITLE_BYTES_MAX + 1);
        assert_eq!(
            tokens.create(&NewAccessToken { title: &long, ..manager() }).unwrap_err().code(),
            406
        );
        assert_eq!(tokens.list().unwrap(), []);
    }
}
