//! Accepting connections, and ending them: none may take long to say what it wants, and when the
//! server is to stop, requests under way are answered.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use cotas::{Builder, Engine};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::util::MapRequest;

use crate::app::App;
use crate::metrics::Counters;
use crate::pages::Visitor;
use crate::webhooks::{self, Sender};
use crate::write_timeout::WriteTimeout;
use crate::{AccessLog, Options, descriptors, tls};

/// How long accepting pauses after a failure: the system has no descriptor left, say.
const PAUSE: Duration = Duration::from_millis(50);
/// Threads for what blocks beside calls of the engine: the names of hosts, and webhooks' rounds.
const BESIDE_CALLS: usize = 8;
/// Longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Why a database cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate or a key cannot be used.
    #[error("cannot use {}: {why}; a PEM file is needed", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// TLS to the receivers of webhooks cannot be set up.
    #[error("cannot set TLS up: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// The system gives no threads or no signals.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// What sends events.
struct Webhooks {
    engine: Engine,
    sender: Arc<Sender>,
    counters: Arc<Counters>,
}

/// A database that is about to be served.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    webhooks: Webhooks,
    options: Options,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    /// Listens; connections are answered once it [`run`](Self::run)s. `database` is what `engine`
    /// was opened with, for `/metrics` to look at it from outside.
    pub fn bind(
        engine: Engine,
        database: Builder,
        options: &Options,
        log: AccessLog,
    ) -> Result<Server, ServeError> {
        descriptors::allow_for(options.connections_max);
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .max_blocking_threads(options.calls_max.max(1) + BESIDE_CALLS)
            .thread_name("cotas-serve")
            .build()?;
        let unheard = |source| ServeError::Listen { address: options.listen, source };
        let listener = runtime.block_on(TcpListener::bind(options.listen)).map_err(unheard)?;
        let address = listener.local_addr().map_err(unheard)?;
        let counters = Arc::new(Counters::default());
        let sender = Arc::new(Sender::new(options.webhook_targets)?);
        let webhooks = Webhooks { engine: engine.clone(), sender, counters: counters.clone() };
        let router = App::new(engine, database, options, counters, log).router();
        let options = options.clone();
        Ok(Server { listener, address, tls, router, webhooks, options, runtime })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until SIGTERM or SIGINT comes; then accepts no more, and answers what is under way
    /// for as long as the grace lasts. The caller's engine is closed when it drops it.
    pub fn run(self) -> Result<(), ServeError> {
        let Server { listener, tls, router, webhooks, options, runtime, .. } = self;
        runtime.block_on(async {
            let stop = stop_signal()?;
            let (to_stop, stopping) = watch::channel(false);
            let Webhooks { engine, sender, counters } = webhooks;
            let sending = tokio::spawn(webhooks::run(engine, sender, counters, stopping));
            serve(listener, tls, router, &options, stop).await;
            // What it has sent is noted, or else it would be sent again.
            let _ = to_stop.send(true);
            let _ = tokio::time::timeout(options.grace, sending).await;
            Ok(())
        })
        // Dropping the runtime waits for calls of the engine that are under way.
    }
}

/// What is done when the first signal to stop comes.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        std::future::poll_fn(|context| {
            let stopped =
                terminate.poll_recv(context).is_ready() || interrupt.poll_recv(context).is_ready();
            if stopped { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    })
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    options: &Options,
    stop: impl Future<Output = ()>,
) {
    let capacity = Arc::new(Semaphore::new(options.connections_max));
    let open = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = std::pin::pin!(accept(&listener, &capacity));
        let either = futures_or(next, stop.as_mut()).await;
        let Some((stream, visitor, permit)) = either else { break };
        let connection = Connection {
            router: router.clone(),
            visitor,
            read_timeout: options.read_timeout,
            write_timeout: options.write_timeout,
            watcher: open.watcher(),
            _permit: permit,
        };
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                None => connection.answer(stream).await,
                Some(tls) => {
                    let handshake =
                        tokio::time::timeout(connection.read_timeout, tls.accept(stream));
                    if let Ok(Ok(stream)) = handshake.await {
                        connection.answer(stream).await;
                    }
                }
            }
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(options.grace, open.shutdown()).await;
}

/// The first that is ready; `None`: it is time to stop.
async fn futures_or<T>(
    mut next: std::pin::Pin<&mut impl Future<Output = T>>,
    mut stop: std::pin::Pin<&mut impl Future<Output = ()>>,
) -> Option<T> {
    use std::task::Poll;
    std::future::poll_fn(|context| {
        if stop.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        next.as_mut().poll(context).map(Some)
    })
    .await
}

/// The next connection, once there is capacity for it: until then it waits in the system's queue.
async fn accept(
    listener: &TcpListener,
    capacity: &Arc<Semaphore>,
) -> (TcpStream, Visitor, Option<OwnedSemaphorePermit>) {
    // It is never closed, so there is always a permit.
    let permit = capacity.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let _ = stream.set_nodelay(true);
                return (stream, Visitor(address), permit);
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

struct Connection {
    router: Router,
    visitor: Visitor,
    read_timeout: Duration,
    write_timeout: Duration,
    watcher: hyper_util::server::graceful::Watcher,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    async fn answer(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.read_timeout)
            .max_buf_size(HEAD_BYTES_MAX);
        // Said of each request: a layer of the router would be a copy of all routes.
        let visitor = self.visitor;
        let service = MapRequest::new(self.router, move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(visitor);
            request
        });
        let service = TowerToHyperService::new(service);
        let stream = TokioIo::new(WriteTimeout::new(stream, self.write_timeout));
        let connection = builder.serve_connection(stream, service);
        // A client that breaks off, or speaks no HTTP, is its own affair.
        let _ = self.watcher.watch(connection).await;
    }
}
