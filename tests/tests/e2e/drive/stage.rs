//! A suite whose connector reads a folder of the simulated Drive.

use std::time::Duration;

use fandom_drive_sim::Simulator;
use fandom_tests::suite::{Part, Suite};

pub const PATIENCE: Duration = Duration::from_secs(120);

/// A suite, the simulated Drive, and the folder in it that is read.
pub struct Stage {
    pub suite: Suite,
    pub simulator: Simulator,
    pub folder: String,
    /// Another folder, which is not read.
    pub elsewhere: String,
    _keys: tempfile::TempDir,
}

impl Stage {
    /// Starts servers and simulator. No part runs yet.
    pub async fn start(settings: &[(&str, &str)]) -> Stage {
        let keys = tempfile::tempdir().expect("a directory");
        let key_file = keys.path().join("service-account.json");
        let simulator = Simulator::start(0, &key_file).await.expect("the simulator starts");
        let folder = simulator.drive().folder(None, "Exports");
        let elsewhere = simulator.drive().folder(None, "Elsewhere");
        let mut suite = Suite::start(settings).await.expect("the servers start");
        for (name, value) in [
            ("FANDOM_DRIVE_URL", simulator.url().as_str()),
            ("FANDOM_DRIVE_CREDENTIALS", &key_file.to_string_lossy()),
            ("FANDOM_DRIVE_FOLDERS", &folder),
            ("FANDOM_DRIVE_POLL_MS", "100"),
            ("FANDOM_DRIVE_BACKOFF_MS", "20"),
            ("FANDOM_DRIVE_TIMEOUT_SECONDS", "5"),
        ] {
            suite.settings.push((name.to_owned(), value.to_owned()));
        }
        Stage { suite, simulator, folder, elsewhere, _keys: keys }
    }

    /// The same with dataflow and connector running.
    pub async fn running(settings: &[(&str, &str)]) -> Stage {
        let mut stage = Stage::start(settings).await;
        stage.suite.run(Part::Dataflow);
        stage.suite.run(Part::Connect);
        stage
    }

    /// State and error of a file in `app.uploads`, by its id in Drive.
    pub async fn upload(&self, id: &str) -> Option<(String, Option<i64>, Option<String>)> {
        let client = self.suite.client().await.ok()?;
        let sql = "select state, live_rows, error from app.uploads where file = $1";
        let row = client.query_opt(sql, &[&format!("drive:{id}")]).await.ok()??;
        Some((row.get(0), row.get(1), row.get(2)))
    }

    /// Waits until `app.sources` says of the Drive source that it is in that state; its troubles.
    pub async fn source_is(&self, state: &str) -> String {
        let begun = std::time::Instant::now();
        loop {
            let client = self.suite.client().await.expect("the database answers");
            let sql = "select state, troubles::text from app.sources where source = 'drive'";
            let row = client.query_opt(sql, &[]).await.expect("the database answers");
            let found = row.map(|row| (row.get::<_, String>(0), row.get::<_, String>(1)));
            match found {
                Some((found, troubles)) if found == state => return troubles,
                found => assert!(begun.elapsed() < PATIENCE, "{found:?} in place of {state}\n{}", self.suite.logs()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
