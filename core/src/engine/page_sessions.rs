//! Sessions of people who log in to pages with an access token. Nothing is stored of them: a
//! session is signed with a key of the database, so that every server of it knows it, and it ends
//! with the token.

use std::time::Duration;

use super::access_tokens::{is_valid, role_of};
use super::{Access, AccessTokens, call};
use crate::clock::Timestamp;
use crate::error::Error;

/// What a session is signed for, and what a form of it: the same bytes never serve for both.
const SESSION: &str = "cotas 2026 page sessions";
const FORM: &str = "cotas 2026 page forms";

/// A session that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageSession {
    /// What the browser sends back: letters, digits and dots.
    pub cookie: String,
    /// What it opens.
    pub access: Access,
}

/// A session that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageVisit {
    /// What it opens.
    pub access: Access,
    /// Who or what has the token.
    pub title: String,
    /// The first instant at which the session opens nothing.
    pub ends_at: Timestamp,
}

impl AccessTokens<'_> {
    /// Begins a session with a token, for at most `lifetime`. `None`: the token opens nothing.
    /// Reads SQLite.
    pub fn begin_session(
        &self,
        token: &str,
        lifetime: Duration,
    ) -> Result<Option<PageSession>, Error> {
        let lifetime = call::lifetime_ms("lifetime", lifetime)?;
        let Some(access) = self.verify(token)? else { return Ok(None) };
        let ends_at = self.engine.now().plus_ms(lifetime);
        let said = format!("{}.{}", access.id, ends_at.ms());
        // It hangs on the token itself: one that is rotated ends the sessions of the old one.
        let signature = self.sign(SESSION, &[said.as_bytes(), &self.hash(token)]);
        Ok(Some(PageSession { cookie: format!("{said}.{signature}"), access }))
    }

    /// What a session opens. `None`: nothing, because it was not begun here, has ended, or its
    /// token was revoked, rotated or has expired. Reads SQLite, so that what any process has
    /// revoked opens nothing.
    pub fn session(&self, cookie: &str) -> Result<Option<PageVisit>, Error> {
        let Some((said, signature)) = cookie.rsplit_once('.') else { return Ok(None) };
        let Some((id, ends_at)) = said.split_once('.') else { return Ok(None) };
        let (Ok(id), Ok(ends_at)) = (id.parse::<i64>(), ends_at.parse::<i64>()) else {
            return Ok(None);
        };
        let (now, ends_at) = (self.engine.now(), Timestamp::from_ms(ends_at));
        let row = self.engine.shared.store.access_token_of_id(id)?;
        let Some(row) = row.filter(|row| is_valid(row, now) && now < ends_at) else {
            return Ok(None);
        };
        let expected = self.sign(SESSION, &[said.as_bytes(), &row.hash]);
        if !is(expected, signature) {
            return Ok(None);
        }
        let access = Access { id, role: role_of(&row)?, tenant: row.tenant };
        Ok(Some(PageVisit { access, title: row.title, ends_at }))
    }

    /// What a form carries so that no other site can send it: it belongs to `cookie`.
    #[must_use]
    pub fn form_token(&self, cookie: &str) -> String {
        self.sign(FORM, &[cookie.as_bytes()]).to_string()
    }

    /// Whether a form carries what [`form_token`](Self::form_token) gave for `cookie`. It takes
    /// the same time whether it is nearly right or not.
    #[must_use]
    pub fn is_form_token(&self, cookie: &str, given: &str) -> bool {
        is(self.sign(FORM, &[cookie.as_bytes()]), given)
    }

    fn sign(self, purpose: &str, parts: &[&[u8]]) -> blake3::Hash {
        let key = blake3::derive_key(purpose, &self.engine.shared.live.secret());
        let mut hasher = blake3::Hasher::new_keyed(&key);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize()
    }
}

/// Whether `given` is the signature, in a time that does not depend on where they differ.
fn is(signature: blake3::Hash, given: &str) -> bool {
    blake3::Hash::from_hex(given).is_ok_and(|given| given == signature)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::engine::{Engine, NewAccessToken, NewTenant};
    use crate::{AccessRole, Catalog, IssuedToken};

    const HOUR: Duration = Duration::from_hours(1);

    fn engine() -> (Engine, Arc<ManualClock>, IssuedToken) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_ms(1_780_000_000_000)));
        let engine = Engine::in_memory().clock(clock.clone()).open().unwrap();
        let catalog = "[catalog]\ncurrency = \"BRL\"\n";
        engine.load_catalog(&Catalog::parse(catalog, "catalog").unwrap()).unwrap();
        engine.create_tenant(&NewTenant::new("acme")).unwrap();
        let (role, tenant) = (AccessRole::Manager, Some("acme"));
        let new = NewAccessToken { role, tenant, title: "Ana", lifetime: Some(24 * HOUR) };
        let issued = engine.access_tokens().create(&new).unwrap();
        (engine, clock, issued)
    }

    #[test]
    fn a_session_opens_what_its_token_opens_until_it_ends() {
        let (engine, clock, issued) = engine();
        let tokens = engine.access_tokens();
        let begun = tokens.begin_session(&issued.token, HOUR).unwrap().unwrap();
        let visit = tokens.session(&begun.cookie).unwrap().unwrap();
        assert_eq!((visit.access, visit.title.as_str()), (begun.access, "Ana"));
        assert!(!begun.cookie.contains(&issued.token[6..]));
        clock.advance_ms(3_600_000);
        assert_eq!(tokens.session(&begun.cookie).unwrap(), None);
        assert_eq!(tokens.begin_session("cotas_", HOUR).unwrap(), None);
    }

    #[test]
    fn a_token_that_is_rotated_or_revoked_ends_its_sessions() {
        let (engine, _, issued) = engine();
        let tokens = engine.access_tokens();
        let begun = tokens.begin_session(&issued.token, HOUR).unwrap().unwrap();
        let rotated = tokens.rotate(issued.id).unwrap().unwrap();
        assert_eq!(tokens.session(&begun.cookie).unwrap(), None);
        let again = tokens.begin_session(&rotated.token, HOUR).unwrap().unwrap();
        assert!(tokens.session(&again.cookie).unwrap().is_some());
        tokens.revoke(issued.id).unwrap();
        assert_eq!(tokens.session(&again.cookie).unwrap(), None);
    }

    #[test]
    fn what_was_not_signed_here_opens_nothing() {
        let (engine, _, issued) = engine();
        let tokens = engine.access_tokens();
        let cookie = tokens.begin_session(&issued.token, HOUR).unwrap().unwrap().cookie;
        let (said, signature) = cookie.rsplit_once('.').unwrap();
        let later = format!("{}.{}.{signature}", issued.id, i64::MAX);
        let form = format!("{said}.{}", tokens.form_token(said));
        let longer = format!("{cookie}0");
        for wrong in ["", ".", "..", "1.2.3", said, &later, &form, &longer, "9.9.9.9"] {
            assert_eq!(tokens.session(wrong).unwrap(), None, "{wrong}");
        }
        let (other, _, _) = self::engine();
        assert_eq!(other.access_tokens().session(&cookie).unwrap(), None, "another database's");
    }

    #[test]
    fn a_form_belongs_to_its_session() {
        let (engine, _, _) = engine();
        let tokens = engine.access_tokens();
        let form = tokens.form_token("1.2.3");
        assert!(tokens.is_form_token("1.2.3", &form));
        for (cookie, given) in [("1.2.4", form.as_str()), ("1.2.3", ""), ("", &form)] {
            assert!(!tokens.is_form_token(cookie, given), "{cookie} {given}");
        }
    }
}
