//! From a request to an answer: access, body, a turn, the engine's call on a thread of its own.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use axum::routing::{MethodFilter, on};
use cotas::{Access, Builder, Engine, KEY_BYTES_MAX};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::access::{self, Needs};
use crate::fields::{self, Fields};
use crate::metrics::Counters;
use crate::pages::Logins;
use crate::problem::Problem;
use crate::routes::{self, Answer, Call, ROUTES, Route};
use crate::{AccessLog, LogLine, Options};

/// What every request needs.
pub(crate) struct App {
    pub(crate) engine: Engine,
    database: Builder,
    pub(crate) counters: Arc<Counters>,
    pub(crate) options: Options,
    pub(crate) log: AccessLog,
    pub(crate) logins: Logins,
    turns: Arc<Semaphore>,
}

/// What the path names, where that is text.
type NamedParts = Result<Path<Vec<(String, String)>>, PathRejection>;

/// What is known of a request before its body is read.
struct Head {
    uri: axum::http::Uri,
    headers: HeaderMap,
    /// The tenant that the path names.
    tenant: Option<String>,
}

impl App {
    pub(crate) fn new(
        engine: Engine,
        database: Builder,
        options: &Options,
        counters: Arc<Counters>,
        log: AccessLog,
    ) -> Arc<App> {
        let turns = Arc::new(Semaphore::new(options.calls_max.max(1)));
        let (options, logins) = (options.clone(), Logins::default());
        Arc::new(App { engine, database, counters, options, log, logins, turns })
    }

    /// Every route of the table, and answers for what is none.
    pub(crate) fn router(self: &Arc<App>) -> Router {
        let mut router = Router::new();
        for route in ROUTES.iter() {
            if route.is_signup && !self.options.signup.enabled {
                continue;
            }
            let app = self.clone();
            let handler = move |path: NamedParts, request: Request| {
                let app = app.clone();
                async move { app.answer(route, path, request).await }
            };
            let filter = match route.method {
                routes::Method::Get => MethodFilter::GET,
                routes::Method::Post => MethodFilter::POST,
            };
            router = router.route(route.path, on(filter, handler));
        }
        let (unknown, wrong) = (self.clone(), self.clone());
        self.with_pages(router)
            .fallback(move |request: Request| {
                let problem = Problem::new(StatusCode::NOT_FOUND, "no route has this path");
                std::future::ready(unknown.turn_away(request.method(), problem))
            })
            .method_not_allowed_fallback(move |request: Request| {
                let detail = "the route has no such method; the header Allow lists them";
                let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail);
                std::future::ready(wrong.turn_away(request.method(), problem))
            })
    }

    fn turn_away(&self, method: &Method, problem: Problem) -> Response<Body> {
        // Methods of HTTP are few and short; another word might be anything.
        let known = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD];
        let method = if known.contains(method) { method.as_str() } else { "-" };
        let status = problem.status().as_u16();
        let took = std::time::Duration::ZERO;
        let (at, method) = (self.engine.now(), method.to_owned());
        self.counters.answered(None, status, took);
        self.log.write(&LogLine { at, method, route: None, status, took, token: None });
        self.secured(problem.into_response())
    }

    async fn answer(
        self: Arc<App>,
        route: &'static Route,
        path: NamedParts,
        request: Request,
    ) -> Response<Body> {
        let began = Instant::now();
        let (parts, body) = request.into_parts();
        let (uri, headers) = (parts.uri, parts.headers);
        let mut token = None;
        let known = headers.clone();
        let answer = match path {
            Ok(Path(path)) => {
                let tenant = path.into_iter().find(|(name, _)| name == "tenant");
                let head = Head { uri, headers, tenant: tenant.map(|(_, value)| value) };
                self.clone().try_answer(route, head, body, &mut token).await
            }
            Err(_) => Err(Problem::field("tenant", "what the path names is not UTF-8")),
        };
        let response = match answer {
            Ok(answer) if route.has_etag => answer.for_one_who_has(&known),
            Ok(answer) => answer.into_response(),
            Err(problem) => problem.into_response(),
        };
        let took = began.elapsed();
        self.counters.answered(Some(route.path), response.status().as_u16(), took);
        self.log.write(&LogLine {
            at: self.engine.now(),
            method: route.method.name().to_owned(),
            route: Some(route.path),
            status: response.status().as_u16(),
            took,
            token,
        });
        self.secured(response)
    }

    async fn try_answer(
        self: Arc<App>,
        route: &'static Route,
        head: Head,
        body: Body,
        token: &mut Option<i64>,
    ) -> Result<Answer, Problem> {
        let access = match route.needs {
            Needs::Nothing | Needs::GatewayToken => None,
            Needs::Tenant(_) | Needs::Invoice(_) | Needs::EveryTenant(_) => {
                let bearer = access::bearer(&head.headers)?.to_owned();
                let app = self.clone();
                let verify = move || access::authenticate(&app.engine, &bearer);
                Some(self.in_turn(verify).await?)
            }
        };
        *token = access.as_ref().map(|it| it.id);
        if let Some(access) = &access {
            // A role that is too low sends no body.
            let tenant = head.tenant.as_deref().or(access.tenant.as_deref());
            access::authorise(access, route.needs, tenant)?;
        }
        let body = self.body(&head.headers, body).await?;
        let app = self.clone();
        self.in_turn(move || app.call(route, &head, access.as_ref(), &body)).await
    }

    fn call(
        &self,
        route: &'static Route,
        head: &Head,
        access: Option<&Access>,
        body: &Bytes,
    ) -> Result<Answer, Problem> {
        let mut arguments = Value::Null;
        let fields = match (route.method == routes::Method::Get, route.needs) {
            (true, _) => Fields::of_query(route.fields, &head.uri)?,
            // The gateway's adapter reads its body.
            (false, Needs::GatewayToken) => Fields::default(),
            _ if route.operation.is_some() => {
                check_content_type(&head.headers, body)?;
                arguments = Value::Object(fields::object(body)?);
                Fields::default()
            }
            (false, _) => {
                check_content_type(&head.headers, body)?;
                Fields::of_body(route.fields, body)?
            }
        };
        let of_arguments;
        let tenant = if route.operation.is_some() {
            of_arguments = routes::tenant_of(&self.engine, route.needs, &arguments)?;
            of_arguments.as_deref()
        } else {
            let named = one_header(&head.headers, "x-tenant")?;
            let named = named.or(access.and_then(|it| it.tenant.as_deref()));
            head.tenant.as_deref().or(named)
        };
        if let Some(access) = access {
            access::authorise(access, route.needs, tenant)?;
        }
        let key = one_header(&head.headers, "idempotency-key")?;
        if key.is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
            let why = format!("it must have from 1 to {KEY_BYTES_MAX} bytes");
            return Err(Problem::field("Idempotency-Key", why));
        }
        if key.is_some() && !route.takes_key {
            let why = "this route takes none: it changes nothing, or the same when it is repeated";
            return Err(Problem::field("Idempotency-Key", why));
        }
        let engine = match access {
            Some(access) => self.engine.acting_as(&format!("token {}", access.id))?,
            None => self.engine.acting_as("http")?,
        };
        let (options, database, counters) = (&self.options, &self.database, &self.counters);
        let headers = &head.headers;
        let (operation, path) = (route.operation, route.path);
        let call = Call {
            engine,
            database,
            counters,
            options,
            tenant,
            fields,
            path,
            operation,
            arguments: &arguments,
            key,
            headers,
            body,
        };
        (route.run)(&call)
    }

    /// Runs what may block on a thread of its own, when it has its turn.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.turns.clone().acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(self.options.queue_timeout, turn).await else {
            return Err(Problem::busy("too many requests are under way; try again"));
        };
        let running = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            call()
        });
        match tokio::time::timeout(self.options.call_timeout, running).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                let detail = "a fault of Cotas; report it, with the time";
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail))
            }
            Err(_) => {
                let detail = "no answer in time: whether it takes effect is not known; repeat it \
                              with the same Idempotency-Key";
                Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, detail))
            }
        }
    }

    pub(crate) async fn body(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
        let most = self.options.body_bytes_max;
        let too_long = || {
            let detail = format!("the body is too long; {most} bytes at most are allowed");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        };
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok());
        let announced: Option<u64> = announced.and_then(|it| it.parse().ok());
        if announced.is_some_and(|length| length > most as u64) {
            return Err(too_long());
        }
        let reading = Limited::new(body, most).collect();
        match tokio::time::timeout(self.options.read_timeout, reading).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
            Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "the body broke off")),
            Err(_) => {
                let detail = "the body did not come in time";
                Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
            }
        }
    }

    /// Adds what browsers are to know of every answer.
    pub(crate) fn secured(&self, mut response: Response<Body>) -> Response<Body> {
        const HEADERS: [(HeaderName, &str); 4] = [
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
        ];
        let to = response.headers_mut();
        to.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
        // What has a tag may be kept, and must be asked for again each time.
        let cache = if to.contains_key(header::ETAG) { "private, no-cache" } else { "no-store" };
        to.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        if self.options.tls.is_some() {
            let year = HeaderValue::from_static("max-age=31536000");
            to.insert(header::STRICT_TRANSPORT_SECURITY, year);
        }
        response
    }
}

/// A header that may stand there once, as text.
fn one_header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut given = headers.get_all(name).iter();
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Problem::field(name, "it must be UTF-8")),
        },
        (Some(_), Some(_)) => Err(Problem::field(name, "it is given twice")),
    }
}

fn check_content_type(headers: &HeaderMap, body: &Bytes) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let media = given.and_then(|it| it.split(';').next()).unwrap_or_default().trim();
    if body.is_empty() || media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "the body must be JSON; send Content-Type: application/json";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}
