//! One delivery: connects, signs, sends, and looks at the status.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cotas::{Attempt, Clock, Event, SystemClock};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use ring::hmac;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring as provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::target::{Target, WebhookTargets};

/// How long a receiver may take in all.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long connecting to one address may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of a host that are tried.
const ADDRESSES_MAX: usize = 3;

/// What sends events.
pub(crate) struct Sender {
    targets: WebhookTargets,
    tls: TlsConnector,
}

impl Sender {
    /// One that believes the certificates that the system does.
    pub(crate) fn new(targets: WebhookTargets) -> Result<Sender, rustls::Error> {
        let mut roots = RootCertStore::empty();
        // Where the system has none, every receiver is refused, and the list says why.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let builder = ClientConfig::builder_with_provider(Arc::new(provider::default_provider()))
            .with_safe_default_protocol_versions()?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Sender { targets, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Sends an event; says what became of it. No reason has anything of the receiver's answer.
    pub(super) async fn send(&self, url: &str, secret: &[u8], event: &Event) -> Attempt {
        match tokio::time::timeout(TIMEOUT, self.try_send(url, secret, event)).await {
            Ok(Ok(status)) if status.is_success() => Attempt::Delivered,
            Ok(Ok(StatusCode::GONE)) => Attempt::Gone("410: it wants none any more".to_owned()),
            Ok(Ok(status)) => Attempt::Failed(format!("it answered {}", status.as_u16())),
            Ok(Err(why)) => Attempt::Failed(why),
            Err(_) => Attempt::Failed(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }

    async fn try_send(
        &self,
        url: &str,
        secret: &[u8],
        event: &Event,
    ) -> Result<StatusCode, String> {
        let uri: Uri = url.parse().map_err(|_| "the address cannot be read".to_owned())?;
        let request = signed(&uri, secret, event, SystemClock.now().ms() / 1_000)?;
        let target = Target::of(&uri, self.targets).await?;
        let stream = connect(&target).await?;
        if !target.is_tls {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(target.host)
            .map_err(|_| "no certificate can name the host".to_owned())?;
        let stream = self.tls.connect(name, stream).await;
        exchange(stream.map_err(|error| format!("TLS: {error}"))?, request).await
    }
}

async fn connect(target: &Target) -> Result<TcpStream, String> {
    let mut why = String::new();
    for address in target.addresses.iter().take(ADDRESSES_MAX) {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => why = format!("cannot connect: {error}"),
            Err(_) => why = format!("cannot connect within {} s", CONNECT_TIMEOUT.as_secs()),
        }
    }
    Err(why)
}

/// Sends a request and gives the status of the answer, whose body is not read: nothing of it is
/// used, and it may be endless. A redirect is an answer like any other and is not followed.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> Result<StatusCode, String> {
    let broken = |error: hyper::Error| format!("it broke off: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with `sender`, whether or not the receiver has more to say.
    let driving = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(broken);
    driving.abort();
    Ok(answer?.status())
}

/// The request of an event, signed as Standard Webhooks says: `webhook-signature` is `v1,` and the
/// HMAC-SHA256 in base64 of `<webhook-id>.<webhook-timestamp>.<body>`.
fn signed(uri: &Uri, secret: &[u8], event: &Event, seconds: i64) -> Result<Request<Body>, String> {
    let body = serde_json::to_string(event).map_err(|error| error.to_string())?;
    let id = format!("event-{}", event.sequence);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes());
    let host = uri.authority().map_or("", |it| it.as_str());
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    Request::post(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, body.len())
        .header(header::USER_AGENT, concat!("cotas/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", format!("v1,{}", STANDARD.encode(tag)))
        .body(Body::from(body))
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use cotas::{EventKind, Timestamp};

    use super::*;

    #[test]
    fn the_signature_is_the_one_that_other_implementations_expect() {
        let event = Event {
            sequence: 7,
            tenant: "acme".to_owned(),
            at: Timestamp::from_ms(0),
            resource: None,
            kind: EventKind::Lapsed,
        };
        let uri = Uri::from_static("https://example.com/hooks?a=b");
        let request = signed(&uri, b"a secret", &event, 1_780_000_000).expect("is made");
        assert_eq!(request.uri(), "/hooks?a=b");
        let header = |name: &str| request.headers()[name].to_str().expect("is text").to_owned();
        assert_eq!(header("host"), "example.com");
        assert_eq!(header("webhook-id"), "event-7");
        assert_eq!(header("webhook-signature"), "v1,1WGuGZwcik4PF6IApX5D1MiWEAXeQ2n6cKXEs/hnOpU=");
    }
}
