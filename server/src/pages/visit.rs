//! A visit of a page: who asks, in which language, and what the page may call.

use std::net::IpAddr;

use axum::http::HeaderMap;
use chrono_tz::Tz;
use cotas::billing::Cents;
use cotas::{Catalog, Engine, Language, PageVisit, Timestamp, figures};
use maud::{Markup, html};
use serde_json::Value;

use super::form::{Form, segment};
use super::session::{Logins, random};
use crate::access;
use crate::problem::Problem;
use crate::routes;

/// Someone who has logged in.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) visit: PageVisit,
    /// What the browser sent.
    pub(super) cookie: String,
}

/// A request for a page, which may be made.
pub(super) struct Visit<'a> {
    /// The engine, acting as the token's holder.
    pub(super) engine: Engine,
    pub(super) who: Option<&'a Who>,
    pub(super) language: Language,
    /// The tenant that the path names.
    pub(super) tenant: Option<&'a str>,
    pub(super) query: Form,
    pub(super) form: Form,
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) address: IpAddr,
    pub(super) logins: &'a Logins,
    /// Whether cookies are for TLS only.
    pub(super) is_secure: bool,
}

impl Visit<'_> {
    /// The English or the Portuguese text.
    pub(super) const fn say(&self, en: &'static str, pt: &'static str) -> &'static str {
        self.language.say(en, pt)
    }

    /// The tenant that the path names; empty where it names none.
    pub(super) fn tenant(&self) -> &str {
        self.tenant.unwrap_or_default()
    }

    /// The path of a page of the tenant, below `/subscription` or `/console/tenants`.
    pub(super) fn of_tenant(&self, of: &str, page: &str) -> String {
        format!("/{of}/{}{page}", segment(self.tenant()))
    }

    /// Whether the visitor may call an operation, as REST says.
    pub(super) fn may(&self, operation: &str) -> bool {
        let needs = routes::needs_of(operation);
        self.who.zip(needs).is_some_and(|(who, needs)| {
            let own = who.visit.access.tenant.as_deref();
            access::authorise(&who.visit.access, needs, self.tenant.or(own)).is_ok()
        })
    }

    /// As [`may`](Self::may), for an operation whose arguments name no tenant.
    pub(super) fn may_on_all(&self, operation: &str) -> bool {
        let needs = routes::needs_of(operation);
        self.who
            .zip(needs)
            .is_some_and(|(who, needs)| access::authorise(&who.visit.access, needs, None).is_ok())
    }

    /// Calls an operation of the control plane, which the visitor must be allowed to. With the key
    /// of the form where it takes one: sent twice, it has one effect.
    pub(super) fn call(&self, operation: &str, arguments: &Value) -> Result<Value, Problem> {
        if let (Some(who), Some(needs)) = (self.who, routes::needs_of(operation)) {
            access::authorise(&who.visit.access, needs, self.tenant)?;
        } else {
            return Err(Problem::unauthorised());
        }
        let takes_key = cotas::control::operation(operation)?.takes_key();
        let key = self.form.given("once").filter(|_| takes_key);
        Ok(self.engine.call(operation, arguments, key)?)
    }

    pub(super) fn catalog(&self) -> Result<Catalog, Problem> {
        Ok(self.engine.catalog()?.1)
    }

    /// What every form has: the token that shows that it is ours, and the key of what it does.
    pub(super) fn hidden(&self) -> Markup {
        let csrf = self.who.map(|who| self.engine.access_tokens().form_token(&who.cookie));
        let once = random();
        html! {
            @if let Some(csrf) = csrf { input type="hidden" name="csrf" value=(csrf); }
            @if let Some(once) = once { input type="hidden" name="once" value=(once); }
        }
    }

    pub(super) fn number(&self, number: u64) -> String {
        figures::number(number, self.language)
    }

    pub(super) fn money(&self, amount: Cents, currency: &str) -> String {
        // The symbol stays with its number at the end of a line.
        figures::money(amount, currency, self.language).replacen(' ', "\u{a0}", 1)
    }

    pub(super) fn date(&self, date: chrono::NaiveDate) -> String {
        figures::date(date, self.language)
    }

    pub(super) fn day(&self, at: Timestamp, zone: Tz) -> String {
        figures::day(at, zone, self.language)
    }

    pub(super) fn minute(&self, at: Timestamp, zone: Tz) -> String {
        figures::minute(at, zone, self.language)
    }
}
