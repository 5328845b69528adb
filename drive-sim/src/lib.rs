//! A simulator of Google Drive: the part of its API v3 that the connectors use, over HTTP, on this machine.
//!
//! It is no Drive: it keeps nothing but what it is given, knows one account and no rights of others, and answers at once. What it
//! answers has the form of <https://developers.google.com/workspace/drive/api/reference/rest/v3>, its errors that of
//! <https://developers.google.com/workspace/drive/api/guides/handle-errors>. It can be told to fail in the ways in which
//! Drive fails ([`Faults`]).
//!
//! - [`drive`]: files, folders, shortcuts, shared drives, and the feeds of their changes.
//! - [`folder`]: a folder of this machine as a folder of the simulated Drive.
//! - `account`: the service account, its key file and its access tokens.
//! - `routes`: the API.
//! - `answers`: resources, the fields that are asked for, errors.
//! - `content`: ranges, and bodies that break off.
//! - [`Faults`]: what goes wrong next.

mod account;
mod answers;
mod content;
pub mod drive;
mod faults;
pub mod folder;
mod routes;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use account::Account;
pub use drive::Drive;
pub use faults::Faults;

/// A running simulator. It ends when it is dropped.
pub struct Simulator {
    address: SocketAddr,
    state: Arc<State>,
    stop: CancellationToken,
    server: JoinHandle<io::Result<()>>,
}

/// What the routes share.
pub(crate) struct State {
    pub drive: Drive,
    pub faults: faults::Armed,
    pub account: Account,
    pub calls: AtomicU64,
    pub grants: AtomicU64,
}

impl Simulator {
    /// Starts on a port of loopback (0: a free one), and writes the key file of its service account, which is kept private.
    ///
    /// # Errors
    /// When the port is in use, or the key file cannot be written.
    pub async fn start(port: u16, key_file: &Path) -> io::Result<Simulator> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let token_uri = format!("http://{address}/token");
        let key_file = key_file.to_owned();
        let made = tokio::task::spawn_blocking(move || Account::at(&key_file, &token_uri)).await;
        let account = made.map_err(io::Error::other)??;
        let state = Arc::new(State {
            drive: Drive::default(),
            faults: faults::Armed::default(),
            account,
            calls: AtomicU64::new(0),
            grants: AtomicU64::new(0),
        });
        let stop = CancellationToken::new();
        let server = axum::serve(listener, routes::router(Arc::clone(&state)));
        let server = tokio::spawn(server.with_graceful_shutdown(stop.clone().cancelled_owned()).into_future());
        Ok(Simulator { address, state, stop, server })
    }

    /// Where the API is, such as `http://127.0.0.1:9000`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it holds.
    pub fn drive(&self) -> &Drive {
        &self.state.drive
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state.faults.set(faults);
    }

    /// What is still to go wrong.
    pub fn faults(&self) -> Faults {
        self.state.faults.get()
    }

    /// How many calls of the API were answered, whatever the answer.
    pub fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::SeqCst)
    }

    /// How many access tokens were given.
    pub fn grants(&self) -> u64 {
        self.state.grants.load(Ordering::SeqCst)
    }

    /// The user on whose behalf the account may read; none at first.
    pub fn delegate(&self, subject: &str) {
        self.state.account.delegate(subject);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
        self.server.abort();
    }
}
