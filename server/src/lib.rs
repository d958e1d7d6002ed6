//! `cotas serve`: a Cotas database over HTTP. One process like any other on the same live file: it
//! keeps no state of its own, and no rule is decided here. Without it nothing changes for the
//! others.
//!
//! [`ROUTES`] describes every route once; the router, the check of access, `/openapi.json` and the
//! test of the matrix in `docs/serve.md` are made of it.
#![forbid(unsafe_code)]

mod access;
mod app;
mod descriptors;
mod fields;
mod listen;
mod log;
mod metrics;
mod openapi;
mod pages;
mod problem;
mod routes;
mod tls;
mod webhooks;
mod write_timeout;

pub use access::Needs;
pub use fields::{Field, Kind};
pub use listen::{ServeError, Server};
pub use log::{AccessLog, LogLine};
pub use openapi::document as openapi;
pub use pages::{PAGES, Page};
pub use routes::{Method, ROUTES, Route};
pub use webhooks::WebhookTargets;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How a database is served.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; loopback unless the operator says otherwise.
    pub listen: SocketAddr,
    /// The certificate chain and the key, as PEM files; `None`: HTTP in clear.
    pub tls: Option<TlsFiles>,
    /// Connections at once; more wait to be accepted.
    pub connections_max: usize,
    /// Requests at once that the engine works on; more wait, and are turned away after
    /// `queue_timeout`.
    pub calls_max: usize,
    /// How long a request waits for its turn.
    pub queue_timeout: Duration,
    /// How long a client may take for the head of a request, also on an idle connection, and how
    /// long for its body.
    pub read_timeout: Duration,
    /// How long a client may take to read a part of its answer.
    pub write_timeout: Duration,
    /// How long the engine may take for an answer.
    pub call_timeout: Duration,
    /// How long requests under way may take once the server is to stop.
    pub grace: Duration,
    /// Longest body, in bytes.
    pub body_bytes_max: usize,
    /// What a tenant that signs up has before it has paid.
    pub signup: Signup,
    /// Which networks webhooks may be sent to.
    pub webhook_targets: WebhookTargets,
}

/// The certificate of a server.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What sign-up creates.
#[derive(Clone, Debug)]
pub struct Signup {
    /// Whether the public routes of sign-up are there at all.
    pub enabled: bool,
    /// What the first invoice is paid with: a label that the gateway's adapter knows.
    pub payment_type: String,
    /// The first due date lies so many days after the day of signing up.
    pub first_due_days: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 7711)),
            tls: None,
            connections_max: 1_024,
            calls_max: 32,
            queue_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            body_bytes_max: 1 << 20,
            signup: Signup { enabled: false, payment_type: "Asaas".to_owned(), first_due_days: 30 },
            webhook_targets: WebhookTargets::Public,
        }
    }
}
