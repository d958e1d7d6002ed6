//! Errors over HTTP: `application/problem+json` (RFC 9457), with the numbers of `docs/errors.md`.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use cotas::{Error, FieldProblem};
use serde::Serialize;

/// Why a request has no answer. Boxed to keep results small.
#[derive(Debug, Serialize)]
pub(crate) struct Problem(Box<Document>);

#[derive(Debug, Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    #[serde(serialize_with = "number")]
    status: StatusCode,
    detail: String,
    /// The number of the error, where the engine gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    /// The field of the request that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Every field that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    #[serde(skip)]
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // What serde hands over.
fn number<S: serde::Serializer>(status: &StatusCode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u16(status.as_u16())
}

impl Problem {
    /// One that means what its status means.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem(Box::new(Document {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            detail: detail.into(),
            code: None,
            field: None,
            errors: Vec::new(),
            headers: Vec::new(),
        }))
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What was wrong.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The number of the error, where the engine gave it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.0.code
    }

    /// Something that should not happen.
    pub(crate) fn fault(why: impl std::fmt::Display) -> Problem {
        let detail = format!("a fault of Cotas; report it, with the time: {why}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// A field of the request is wrong.
    pub(crate) fn field(name: &str, why: impl std::fmt::Display) -> Problem {
        let mut problem = Problem::new(StatusCode::BAD_REQUEST, format!("{name}: {why}"));
        problem.0.field = Some(name.to_owned());
        problem
    }

    /// The request names no token that opens anything.
    pub(crate) fn unauthorised() -> Problem {
        let detail = "no valid access token; send Authorization: Bearer <token>";
        let challenge = HeaderValue::from_static("Bearer realm=\"cotas\"");
        Problem::new(StatusCode::UNAUTHORIZED, detail).with(header::WWW_AUTHENTICATE, challenge)
    }

    /// Too much is under way.
    pub(crate) fn busy(detail: impl Into<String>) -> Problem {
        let soon = HeaderValue::from_static("1");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(header::RETRY_AFTER, soon)
    }

    pub(crate) fn with(mut self, name: header::HeaderName, value: HeaderValue) -> Problem {
        self.0.headers.push((name, value));
        self
    }

    pub(crate) fn into_response(mut self) -> Response<Body> {
        let headers = std::mem::take(&mut self.0.headers);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.0.status;
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response.headers_mut().extend(headers.into_iter().map(|(name, value)| (Some(name), value)));
        response
    }
}

/// The status for the number of an error.
fn status_of(error: &Error) -> StatusCode {
    match error.code() {
        // Something that the path or the body names does not exist.
        400 | 402..=404 | 412 | 414 | 421..=423 => StatusCode::NOT_FOUND,
        331 | 406 => StatusCode::BAD_REQUEST,
        405 | 407 | 427 | 300..=399 | 440 => StatusCode::UNPROCESSABLE_ENTITY,
        426 => StatusCode::FORBIDDEN,
        408..=499 | 401 => StatusCode::CONFLICT,
        // The same request may succeed a little later.
        201 | 202 | 500 | 501 | 504 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let status = status_of(&error);
        let mut problem = Problem::new(status, error.to_string());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            problem = problem.with(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        problem.0.kind = format!("urn:cotas:error:{}", error.code());
        problem.0.code = Some(error.code());
        match error {
            Error::InvalidArgument { what, .. } => problem.0.field = Some(what.to_owned()),
            Error::InvalidForm(errors) => problem.0.errors = errors,
            _ => {}
        }
        problem
    }
}
