//! Cookies, and how often a login may fail.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use ring::rand::{SecureRandom, SystemRandom};

/// How long a session lasts.
pub(super) const LIFETIME: Duration = Duration::from_hours(12);
/// Failed logins from one address before it has to wait, and how long each is remembered.
const FAILURES_MAX: u32 = 10;
const FAILURE_LASTS: Duration = Duration::from_mins(1);
/// Addresses that are remembered. Beyond them the oldest is forgotten.
const ADDRESSES_MAX: usize = 4_096;

/// The cookies of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    /// Whose visit it is.
    Session,
    /// What the form of the login belongs to, while there is no session.
    Login,
    /// In which language.
    Language,
}

impl Cookie {
    /// Its name. Over TLS browsers take a `__Host-` cookie from this very host only.
    const fn name(self, is_secure: bool) -> &'static str {
        match (self, is_secure) {
            (Cookie::Session, true) => "__Host-cotas-session",
            (Cookie::Session, false) => "cotas-session",
            (Cookie::Login, true) => "__Host-cotas-login",
            (Cookie::Login, false) => "cotas-login",
            (Cookie::Language, true) => "__Host-cotas-language",
            (Cookie::Language, false) => "cotas-language",
        }
    }

    /// What the browser sent; empty: nothing.
    pub(super) fn of(self, headers: &HeaderMap, is_secure: bool) -> &str {
        let name = self.name(is_secure);
        let values = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
        let mut pairs = values.flat_map(|it| it.split(';')).filter_map(|it| it.split_once('='));
        pairs.find(|(found, _)| found.trim() == name).map_or("", |(_, value)| value.trim())
    }

    /// The header that sets it, for so long; no time at all removes it.
    pub(super) fn set(self, value: &str, lifetime: Duration, is_secure: bool) -> String {
        let (name, seconds) = (self.name(is_secure), lifetime.as_secs());
        let secure = if is_secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
    }
}

/// Random bytes as text; `None`: the system gives none.
pub(super) fn random() -> Option<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a `String` does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}

/// Failed logins by address, in this process.
#[derive(Debug, Default)]
pub(crate) struct Logins(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    /// How many still count at `now`: one less for each time that has passed.
    fn at(self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.last).as_secs() / FAILURE_LASTS.as_secs();
        self.count.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX))
    }
}

impl Logins {
    /// Whether the address has to wait before it tries again.
    pub(super) fn must_wait(&self, address: IpAddr, now: Instant) -> bool {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&address).is_some_and(|it| it.at(now) >= FAILURES_MAX)
    }

    /// Notes a failed login.
    pub(super) fn failed(&self, address: IpAddr, now: Instant) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.get(&address).map_or(0, |it| it.at(now)) + 1;
        if failures.len() >= ADDRESSES_MAX && !failures.contains_key(&address) {
            let oldest = failures.iter().min_by_key(|(_, it)| it.last).map(|(&address, _)| address);
            oldest.map(|address| failures.remove(&address));
        }
        failures.insert(address, Failures { count, last: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn who_fails_too_often_waits_and_others_do_not() {
        let (logins, now) = (Logins::default(), Instant::now());
        for _ in 0..FAILURES_MAX {
            assert!(!logins.must_wait(ADDRESS, now));
            logins.failed(ADDRESS, now);
        }
        assert!(logins.must_wait(ADDRESS, now));
        assert!(!logins.must_wait(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), now));
        assert!(!logins.must_wait(ADDRESS, now + FAILURE_LASTS));
    }

    #[test]
    fn no_more_addresses_are_kept_than_there_is_space_for() {
        let (logins, now) = (Logins::default(), Instant::now());
        for number in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 10 {
            let at = now + Duration::from_millis(u64::from(number));
            logins.failed(IpAddr::V4(number.into()), at);
        }
        let kept = logins.0.lock().unwrap();
        assert_eq!(kept.len(), ADDRESSES_MAX);
        assert!(!kept.contains_key(&IpAddr::V4(0.into())), "the oldest goes first");
    }

    #[test]
    fn a_cookie_is_read_back_among_others() {
        let mut headers = HeaderMap::new();
        let text = "a=b; cotas-session=1.2.3 ;cotas-language=pt";
        headers.insert(header::COOKIE, text.parse().unwrap());
        assert_eq!(Cookie::Session.of(&headers, false), "1.2.3");
        assert_eq!(Cookie::Language.of(&headers, false), "pt");
        assert_eq!(Cookie::Session.of(&headers, true), "", "a cookie in clear opens nothing");
        let set = Cookie::Session.set("x", LIFETIME, true);
        let attributes = "Path=/; HttpOnly; SameSite=Lax; Max-Age=43200; Secure";
        assert_eq!(set, format!("__Host-cotas-session=x; {attributes}"));
        assert_ne!(random(), random());
    }
}
