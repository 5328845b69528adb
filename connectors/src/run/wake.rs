//! Wakes the sessions when the API asks something, or a mapping or a folder's settings change. Without it they would find out at their next look.

use std::future::poll_fn;
use std::time::Duration;

use fandom_services::postgres::PostgresSettings;
use fandom_services::retry::Backoff;
use tokio::sync::watch;
use tokio_postgres::AsyncMessage;
use tokio_util::sync::CancellationToken;

use super::PATIENCE;

/// Moves `wake` on whenever Postgres tells that something is new, until `stop` is called.
pub(super) async fn listen(postgres: PostgresSettings, wake: watch::Sender<u64>, stop: CancellationToken) {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    let listening = async {
        loop {
            if let Ok(Ok((client, mut connection))) =
                tokio::time::timeout(PATIENCE, postgres.config.connect(postgres.tls.clone())).await
            {
                let told = async {
                    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                        if let AsyncMessage::Notification(_) = message {
                            wake.send_modify(|times| *times += 1);
                        }
                    }
                };
                let listen = async {
                    if client.batch_execute("listen fandom_ingest").await.is_ok() {
                        backoff.reset();
                        // What was asked while nobody listened.
                        wake.send_modify(|times| *times += 1);
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    () = told => {}
                    () = listen => {}
                }
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    };
    tokio::select! {
        () = listening => {}
        () = stop.cancelled() => {}
    }
}
