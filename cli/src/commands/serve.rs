//! `cotas serve`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use cotas_server::{AccessLog, Options, Server, Signup, TlsFiles, WebhookTargets};

use crate::codes::whole;
use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::complain;
use crate::values;

/// The database over HTTP, until SIGTERM.
#[derive(Args)]
pub struct Serve {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7711")]
    listen: SocketAddr,
    /// A certificate chain in PEM form: speak TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Connections at once; more wait
    #[arg(long, value_name = "N", default_value_t = 1_024, value_parser = whole(1..=100_000_u32))]
    connections: u32,
    /// Requests at once that the engine works on; more wait
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = whole(1..=512_u32))]
    calls: u32,
    /// How long a client may take to send a request, or to be idle
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::duration)]
    read_timeout: Duration,
    /// How long a client may take to read a part of its answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::duration)]
    write_timeout: Duration,
    /// How long requests under way may take after SIGTERM
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::duration)]
    grace: Duration,
    /// Longest body of a request, in bytes
    #[arg(long, value_name = "N", default_value_t = 1 << 20)]
    #[arg(value_parser = whole(1_024..=(16_u32 << 20)))]
    body_bytes: u32,
    /// Offer the public routes of sign-up, for platforms on which tenants register themselves
    #[arg(long)]
    signup: bool,
    /// What a tenant that signs up pays with
    #[arg(long, value_name = "LABEL", default_value = "Asaas")]
    signup_payment_type: String,
    /// When the second period of a tenant that signs up is due, in days from signing up
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = whole(1..=400_u32))]
    signup_first_due_days: u32,
    /// Send webhooks also to loopback and private networks, and there without TLS as well
    #[arg(long)]
    webhooks_inside: bool,
    #[command(flatten)]
    at: At,
    /// Print no access log
    #[arg(long)]
    quiet: bool,
}

impl Serve {
    /// Serves it. The access log goes to standard error.
    pub fn run(&self, database: &Database) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let log = if self.quiet {
            AccessLog::none()
        } else {
            // Where not even this can be written no output is left to report to.
            AccessLog::new(|line| drop(writeln!(io::stderr(), "{line}")))
        };
        let server = Server::bind(engine.clone(), database.builder(), &self.options(), log)?;
        complain(&format!("listening on {}", server.address()));
        server.run()?;
        complain(&"stopped");
        Ok(())
    }

    fn options(&self) -> Options {
        let pair = self.tls_certificate.as_ref().zip(self.tls_key.as_ref());
        let tls = pair.map(|(certificate, key)| TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        });
        Options {
            listen: self.listen,
            tls,
            connections_max: self.connections as usize,
            calls_max: self.calls as usize,
            read_timeout: self.read_timeout,
            write_timeout: self.write_timeout,
            grace: self.grace,
            body_bytes_max: self.body_bytes as usize,
            signup: Signup {
                enabled: self.signup,
                payment_type: self.signup_payment_type.clone(),
                first_due_days: self.signup_first_due_days,
            },
            webhook_targets: if self.webhooks_inside {
                WebhookTargets::Inside
            } else {
                WebhookTargets::Public
            },
            ..Options::default()
        }
    }
}
