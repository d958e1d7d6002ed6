//! The access log: which route, by which token, with which outcome, how long. Never a tenant's
//! name, an address, a query or anything of a body.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cotas::Timestamp;

/// Where the lines of the access log go.
#[derive(Clone)]
pub struct AccessLog(Arc<dyn Fn(&LogLine) + Send + Sync>);

impl AccessLog {
    /// One that hands each line on.
    pub fn new(write: impl Fn(&LogLine) + Send + Sync + 'static) -> AccessLog {
        AccessLog(Arc::new(write))
    }

    /// None.
    #[must_use]
    pub fn none() -> AccessLog {
        AccessLog::new(|_| {})
    }

    pub(crate) fn write(&self, line: &LogLine) {
        (self.0)(line);
    }
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// When the answer was ready.
    pub at: Timestamp,
    /// The method of the route, or of a request that no route answers.
    pub method: String,
    /// The pattern of the route; `None`: there is none for the path.
    pub route: Option<&'static str>,
    /// The status of the answer.
    pub status: u16,
    /// How long it took.
    pub took: Duration,
    /// The number of the access token.
    pub token: Option<i64>,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LogLine { at, method, route, status, took, token } = self;
        write!(f, "{at} {method} {} {status} {}us", route.unwrap_or("-"), took.as_micros())?;
        token.map_or(Ok(()), |id| write!(f, " token {id}"))
    }
}
