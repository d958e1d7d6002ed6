//! The routes, each described once.

mod control;
mod decide;
mod holds;
mod seeds;
mod service;

use std::sync::LazyLock;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cotas::control::Operation;
use cotas::{Builder, Engine, Tenant};
use serde_json::Value;

use crate::Options;
use crate::access::Needs;
use crate::fields::{Field, Fields};
use crate::metrics::Counters;
use crate::problem::Problem;

/// The methods that routes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`: it changes nothing.
    Get,
    /// `POST`.
    Post,
}

impl Method {
    /// The method as HTTP writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

/// A route: what it takes, who may use it, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; `{tenant}` stands for a tenant's name, percent-encoded.
    pub path: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Who may use it.
    pub needs: Needs,
    /// What it takes: in the query of a `GET`, else in the JSON body.
    pub fields: &'static [Field],
    /// The operation of the control plane that it calls: its arguments are the JSON body.
    pub operation: Option<&'static Operation>,
    /// Whether it takes an `Idempotency-Key`.
    pub takes_key: bool,
    /// Whether its answer has an `ETag`, and is left out where the client has it.
    pub has_etag: bool,
    /// Whether it is there only where sign-up is switched on.
    pub is_signup: bool,
    pub(crate) run: fn(&Call<'_>) -> Result<Answer, Problem>,
}

/// Every route, by subject.
pub static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let written = [decide::ROUTES, holds::ROUTES, seeds::ROUTES, service::ROUTES];
    written.into_iter().flatten().copied().chain(control::routes()).collect()
});

pub(crate) use control::{needs_of, tenant_of};

impl Route {
    /// One that everybody may use.
    const fn public(
        method: Method,
        path: &'static str,
        summary: &'static str,
        run: fn(&Call<'_>) -> Result<Answer, Problem>,
    ) -> Route {
        Route {
            method,
            path,
            summary,
            needs: Needs::Nothing,
            fields: &[],
            operation: None,
            takes_key: false,
            has_etag: false,
            is_signup: false,
            run,
        }
    }

    /// The same route with fields.
    const fn taking(self, fields: &'static [Field]) -> Route {
        Route { fields, ..self }
    }

    /// The same route for those who may use it.
    const fn for_those(self, needs: Needs) -> Route {
        Route { needs, ..self }
    }

    /// The same route, whose answer has an `ETag`.
    const fn tagged(self) -> Route {
        Route { has_etag: true, ..self }
    }

    /// The same route, which takes an idempotency key.
    const fn once(self) -> Route {
        Route { takes_key: true, ..self }
    }
}

/// A request that may be made.
pub(crate) struct Call<'a> {
    /// The engine, acting as the token's holder.
    pub(crate) engine: Engine,
    /// What the engine was opened with.
    pub(crate) database: &'a Builder,
    pub(crate) counters: &'a Counters,
    pub(crate) options: &'a Options,
    /// The tenant that the path, the header `X-Tenant` or the token names.
    pub(crate) tenant: Option<&'a str>,
    pub(crate) fields: Fields,
    /// The pattern of the route.
    pub(crate) path: &'static str,
    /// The operation of the control plane, and its arguments.
    pub(crate) operation: Option<&'static Operation>,
    pub(crate) arguments: &'a Value,
    pub(crate) key: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
}

impl Call<'_> {
    pub(crate) fn tenant_name(&self) -> Result<&str, Problem> {
        let missing = || Problem::field("X-Tenant", "it is missing; it must name the tenant");
        self.tenant.ok_or_else(missing)
    }

    pub(crate) fn tenant(&self) -> Result<Tenant, Problem> {
        Ok(self.engine.tenant(self.tenant_name()?)?)
    }
}

/// A tag of a representation: the same bytes have the same one, in every process.
fn etag(body: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, body);
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash))
}

/// Whether one of the tags of `If-None-Match` is this one. `W/` makes no difference there
/// (RFC 9110, 13.1.2).
fn is_tag(given: &str, tag: &str) -> bool {
    let given = given.trim();
    given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    media: &'static str,
    body: String,
}

impl Answer {
    /// A JSON document.
    pub(crate) fn json(value: &Value) -> Answer {
        Answer::text("application/json", value.to_string())
    }

    /// Text of a media type.
    pub(crate) fn text(media: &'static str, body: String) -> Answer {
        Answer { status: StatusCode::OK, media, body }
    }

    /// Nothing but that it was done.
    pub(crate) fn done() -> Answer {
        Answer { status: StatusCode::NO_CONTENT, media: "", body: String::new() }
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Answer {
        Answer { status, ..self }
    }

    /// The answer for a client that may have it already: its `ETag`, and without the body where
    /// `If-None-Match` names it.
    pub(crate) fn for_one_who_has(self, known: &HeaderMap) -> Response<Body> {
        if self.status != StatusCode::OK {
            return self.into_response();
        }
        let tag = etag(self.body.as_bytes());
        let mut given =
            known.get_all(header::IF_NONE_MATCH).iter().filter_map(|it| it.to_str().ok());
        let has_it = given.any(|it| it.split(',').any(|it| is_tag(it, &tag)));
        let mut response = if has_it {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            self.into_response()
        };
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        if !self.media.is_empty() {
            let media = HeaderValue::from_static(self.media);
            response.headers_mut().insert(header::CONTENT_TYPE, media);
        }
        response
    }
}
