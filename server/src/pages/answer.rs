//! From a request to a page: the session, the form's token, what the page needs, its answer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header};
use axum::routing::{MethodFilter, on};
use cotas::{AccessTokens, Language};
use maud::Markup;

use super::form::{Form, query};
use super::session::Cookie;
use super::visit::{Visit, Who};
use super::{PAGES, Page, layout};
use crate::LogLine;
use crate::access::{self, Needs};
use crate::app::App;
use crate::problem::Problem;
use crate::routes::Method;

/// What a browser may do with a page: show it with our style, and send its forms back to us.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor(pub(crate) SocketAddr);

/// What a page answers.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) content: Content,
    pub(super) cookies: Vec<String>,
}

/// What there is to see.
#[derive(Debug)]
pub(super) enum Content {
    Page(StatusCode, Markup),
    /// After a form: what is seen next, so that loading it again sends nothing twice.
    SeeOther(String),
    Style(&'static str),
}

impl Reply {
    pub(super) fn page(markup: Markup) -> Reply {
        Reply::status(StatusCode::OK, markup)
    }

    pub(super) fn status(status: StatusCode, markup: Markup) -> Reply {
        Reply { content: Content::Page(status, markup), cookies: Vec::new() }
    }

    pub(super) fn see(path: impl Into<String>) -> Reply {
        Reply { content: Content::SeeOther(path.into()), cookies: Vec::new() }
    }

    pub(super) fn with_cookie(mut self, cookie: String) -> Reply {
        self.cookies.push(cookie);
        self
    }

    fn into_response(self) -> Response<Body> {
        let (status, media, body) = match self.content {
            Content::Page(status, markup) => {
                (status, "text/html; charset=utf-8", markup.into_string())
            }
            Content::SeeOther(ref path) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::SEE_OTHER;
                // A path is made of percent-encoded parts.
                let to = HeaderValue::from_str(path);
                response
                    .headers_mut()
                    .insert(header::LOCATION, to.unwrap_or(HeaderValue::from_static("/")));
                return set_cookies(response, &self.cookies);
            }
            Content::Style(text) => (StatusCode::OK, "text/css; charset=utf-8", text.to_owned()),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        set_cookies(response, &self.cookies)
    }
}

fn set_cookies(mut response: Response<Body>, cookies: &[String]) -> Response<Body> {
    for cookie in cookies.iter().filter_map(|it| HeaderValue::from_str(it).ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A request for a page.
struct Asked {
    page: &'static Page,
    uri: Uri,
    headers: HeaderMap,
    tenant: Option<String>,
    address: IpAddr,
}

impl App {
    /// Adds every page to a router.
    pub(crate) fn with_pages(self: &Arc<App>, mut router: Router) -> Router {
        for page in PAGES {
            let app = self.clone();
            let handler = move |path: Path<Vec<(String, String)>>, request: Request| {
                let app = app.clone();
                async move { app.visited(page, path, request).await }
            };
            let filter = match page.method {
                Method::Get => MethodFilter::GET,
                Method::Post => MethodFilter::POST,
            };
            router = router.route(page.path, on(filter, handler));
        }
        router
    }

    async fn visited(
        self: Arc<App>,
        page: &'static Page,
        Path(path): Path<Vec<(String, String)>>,
        request: Request,
    ) -> Response<Body> {
        let began = Instant::now();
        let (parts, body) = request.into_parts();
        let tenant = path.into_iter().find(|(name, _)| name == "tenant").map(|(_, value)| value);
        let address = parts.extensions.get::<Visitor>();
        let address = address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |it| it.0.ip());
        let asked = Asked { page, uri: parts.uri, headers: parts.headers, tenant, address };
        let language = language_of(&asked);
        let body = match page.method {
            Method::Get => Ok(Bytes::new()),
            Method::Post => self.body(&asked.headers, body).await,
        };
        let app = self.clone();
        let answer = match body {
            Ok(body) => self.in_turn(move || Ok(app.visit(&asked, language, &body))).await,
            Err(problem) => Err(problem),
        };
        let (reply, token) =
            answer.unwrap_or_else(|problem| (layout::problem(&problem, language, None), None));
        let mut response = self.secured(reply.into_response());
        let policy = HeaderValue::from_static(POLICY);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        let (took, status) = (began.elapsed(), response.status().as_u16());
        self.counters.answered(Some(page.path), status, took);
        self.log.write(&LogLine {
            at: self.engine.now(),
            method: page.method.name().to_owned(),
            route: Some(page.path),
            status,
            took,
            token,
        });
        response
    }

    /// The answer, and the number of the token whose visit it is.
    fn visit(&self, asked: &Asked, language: Language, body: &Bytes) -> (Reply, Option<i64>) {
        let is_secure = self.is_secure(&asked.headers);
        let tokens = self.engine.access_tokens();
        let cookie = Cookie::Session.of(&asked.headers, is_secure);
        let who = match tokens.session(cookie) {
            Ok(visit) => visit.map(|visit| Who { visit, cookie: cookie.to_owned() }),
            Err(error) => return (layout::problem(&error.into(), language, None), None),
        };
        let token = who.as_ref().map(|who| who.visit.access.id);
        let needs_login = !matches!(asked.page.needs, Needs::Nothing) && who.is_none();
        if needs_login {
            // What was asked for is shown once the visitor has logged in; a form is not sent again.
            let here = asked.uri.path_and_query().map_or("/", |it| it.as_str());
            let next = if asked.page.method == Method::Get { here } else { "/" };
            return (Reply::see(format!("/login?{}", query(&[("next", next)]))), None);
        }
        let reply = self.try_visit(asked, language, body, who.as_ref(), is_secure);
        let reply =
            reply.unwrap_or_else(|problem| layout::problem(&problem, language, who.as_ref()));
        (reply, token)
    }

    fn try_visit(
        &self,
        asked: &Asked,
        language: Language,
        body: &Bytes,
        who: Option<&Who>,
        is_secure: bool,
    ) -> Result<Reply, Problem> {
        if let Some(who) = who {
            access::authorise(&who.visit.access, asked.page.needs, asked.tenant.as_deref())?;
        }
        let form = Form::parse(body)?;
        if asked.page.method == Method::Post {
            check_sender(asked, self.engine.access_tokens(), who, &form, is_secure)?;
        }
        let given = Form::parse(asked.uri.query().unwrap_or_default().as_bytes())?;
        let engine = match who {
            Some(who) => self.engine.acting_as(&format!("token {}", who.visit.access.id))?,
            None => self.engine.clone(),
        };
        let visit = Visit {
            engine,
            who,
            language,
            tenant: asked.tenant.as_deref(),
            query: given,
            form,
            path: asked.uri.path(),
            headers: &asked.headers,
            address: asked.address,
            logins: &self.logins,
            is_secure,
        };
        let reply = (asked.page.run)(&visit)?;
        // A language that was chosen is kept.
        let chosen = Language::from_code(visit.query.text("language"));
        Ok(match chosen {
            Some(language) => {
                let year = std::time::Duration::from_hours(24 * 365);
                reply.with_cookie(Cookie::Language.set(language.code(), year, is_secure))
            }
            None => reply,
        })
    }

    /// Whether the visitor speaks TLS with us, or says that it does with a proxy: then cookies are
    /// for TLS only. Who says so without need locks out no one else.
    fn is_secure(&self, headers: &HeaderMap) -> bool {
        let by_proxy = headers.get("x-forwarded-proto").is_some_and(|it| it == "https");
        self.options.tls.is_some() || by_proxy
    }
}

/// Refuses a form that another site sent: it does not have the token of our form.
fn check_sender(
    asked: &Asked,
    tokens: AccessTokens<'_>,
    who: Option<&Who>,
    form: &Form,
    is_secure: bool,
) -> Result<(), Problem> {
    let login = Cookie::Login.of(&asked.headers, is_secure);
    let cookie = who.map_or(login, |who| &who.cookie);
    let site = asked.headers.get("sec-fetch-site");
    let is_ours = site.is_none_or(|it| it == "same-origin" || it == "none");
    if is_ours && !cookie.is_empty() && tokens.is_form_token(cookie, form.raw("csrf")) {
        return Ok(());
    }
    let detail = "the form is not of this page, or too old; load the page again";
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

/// The language that was chosen, or that the browser prefers.
fn language_of(asked: &Asked) -> Language {
    let query = asked.uri.query().unwrap_or_default();
    let mut chosen =
        form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "language");
    let kept = [false, true].map(|secure| Cookie::Language.of(&asked.headers, secure));
    let by_name = chosen.next().and_then(|(_, code)| Language::from_code(&code));
    by_name.or_else(|| kept.into_iter().find_map(Language::from_code)).unwrap_or_else(|| {
        let accepted = asked.headers.get(header::ACCEPT_LANGUAGE);
        accepted.and_then(|it| it.to_str().ok()).map_or_else(Language::default, preferred)
    })
}

/// The language of ours that `Accept-Language` likes best.
fn preferred(accepted: &str) -> Language {
    let weighed = accepted.split(',').filter_map(|entry| {
        let (range, weight) = entry.split_once(";q=").unwrap_or((entry, "1"));
        let code = range.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
        let weight: f32 = weight.trim().parse().ok()?;
        Some((Language::from_code(&code)?, weight))
    });
    let mut best = (Language::default(), 0.0);
    for (language, weight) in weighed {
        if weight > best.1 {
            best = (language, weight);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_liked_best_is_spoken() {
        for (accepted, language) in [
            ("pt-BR,pt;q=0.9,en;q=0.8", Language::Portuguese),
            ("en-US,en;q=0.9,pt;q=0.1", Language::English),
            ("fr, pt;q=0.4, en;q=0.3", Language::Portuguese),
            ("fr", Language::English),
            ("", Language::English),
            ("pt;q=x", Language::English),
        ] {
            assert_eq!(preferred(accepted), language, "{accepted}");
        }
    }
}
