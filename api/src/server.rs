//! Binds the port, starts what runs beside requests, serves until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware;
use fandom_services::postgres::PostgresSettings;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::certificates::{CertificateError, Certificates};
use crate::commits::Commits;
use crate::database::Database;
use crate::protection::{self, Limits};
use crate::resources::ingest::{self, Progress};
use crate::{certificates, connections, docs, meters, openapi, request, settings::ApiSettings, web};

/// Why the API could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The port could not be taken.
    #[error("port {port} could not be taken; free it or set FANDOM_PORT to another")]
    Bind {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The pool of connections was refused.
    #[error("the pool of connections to Postgres could not be made")]
    Pool(#[from] deadpool_postgres::BuildError),
    /// The certificate cannot be used.
    #[error("the certificate of FANDOM_API_TLS_CERT and FANDOM_API_TLS_KEY cannot be used")]
    Certificate(#[from] CertificateError),
}

/// What every resource can reach.
#[derive(Clone)]
pub(crate) struct App {
    pub database: Database,
    pub commits: Commits,
    pub progress: Progress,
    pub settings: Arc<ApiSettings>,
    pub accounts: Accounts,
    pub limits: Limits,
}

impl FromRef<App> for Accounts {
    fn from_ref(app: &App) -> Accounts {
        app.accounts.clone()
    }
}

impl FromRef<App> for Database {
    fn from_ref(app: &App) -> Database {
        app.database.clone()
    }
}

/// How long the stored settings may take before requests are answered without them.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// How long requests that have begun may go on after the stop.
const LAST_REQUESTS: Duration = Duration::from_secs(4);

/// The API, bound to its port and not yet answering.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    app: App,
    postgres: PostgresSettings,
    certificates: Option<Arc<Certificates>>,
    closing: CancellationToken,
}

impl Server {
    /// Takes the port. Postgres need not answer yet: until it does, so does the API with 503.
    ///
    /// # Errors
    /// When the port cannot be taken, or the certificate cannot be used.
    pub async fn bind(settings: ApiSettings, postgres: PostgresSettings) -> Result<Server, ApiError> {
        let port = settings.port;
        let bound = async {
            let listener = TcpListener::bind((settings.listen, port)).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bound.await.map_err(|source| ApiError::Bind { port, source })?;
        meters::describe_all();
        let certificates = settings.tls.clone().map(Certificates::read).transpose()?.map(Arc::new);
        let closing = CancellationToken::new();
        let database = Database::new(&postgres, settings.pool, settings.timeout, settings.slow)?;
        let commits = Commits::new(closing.clone());
        let accounts = Accounts::new(&postgres, &settings)?;
        let limits = Arc::new(protection::limits::Limits::new(settings.at_once, settings.live_streams));
        let progress = Progress::default();
        let app = App { database, commits, progress, settings: Arc::new(settings), accounts, limits };
        Ok(Server { listener, address, router: router(app.clone()), app, postgres, certificates, closing })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is cancelled; then ends the live streams, and requests within a few seconds.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), ApiError> {
        let Server { listener, address, router, app, postgres, certificates, closing } = self;
        tracing::info!(%address, "the API listens");
        tokio::spawn(meters::watch_pool(app.database.clone(), closing.clone()));
        let beside = tokio::spawn(ingest::beside(app.clone(), postgres.clone()));
        let following = tokio::spawn(app.commits.clone().follow(postgres));
        let resealing = tokio::spawn(app.accounts.clone().reseal());
        let in_force = app.settings.in_force.clone();
        // What is stored holds from the first answer on; if Postgres does not answer yet, nobody can sign in either.
        let _ = tokio::time::timeout(FIRST_LOOK, in_force.look(&app.accounts.store)).await;
        tokio::spawn(in_force.follow(app.accounts.store.clone(), closing.clone()));
        let _end_streams = closing.clone().drop_guard();
        if let Some(certificates) = certificates.clone() {
            tokio::spawn(certificates::follow(certificates, closing.clone()));
        }
        let stopping = {
            let (stop, closing) = (stop.clone(), closing.clone());
            async move {
                stop.cancelled().await;
                closing.cancel();
            }
        };
        let serving = connections::serve(listener, router, certificates, app.settings.bounds, stopping);
        let overdue = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_REQUESTS).await;
        };
        tokio::select! {
            () = serving => {}
            () = overdue => tracing::warn!("requests were cut off, since they did not end in time"),
        }
        closing.cancel();
        if following.await.is_err() {
            tracing::error!("the task that follows commits panicked");
        }
        beside.abort();
        resealing.abort();
        app.database.close();
        app.accounts.store.close();
        Ok(())
    }
}

/// Runs the API until `stop` is cancelled.
///
/// # Errors
/// When the port cannot be taken, or the server fails.
pub async fn run(settings: ApiSettings, postgres: PostgresSettings, stop: CancellationToken) -> Result<(), ApiError> {
    Server::bind(settings, postgres).await?.serve(stop).await
}

fn router(app: App) -> Router {
    let (resources, document) = openapi::api();
    resources
        .merge(docs::routes(&document))
        .merge(web::routes())
        .fallback(request::not_found)
        .method_not_allowed_fallback(request::method_not_allowed)
        .layer(middleware::from_fn_with_state(app.clone(), protection::guard))
        .layer(middleware::from_fn_with_state(app.clone(), request::outermost))
        .layer(middleware::from_fn(meters::measured))
        .with_state(app)
}
