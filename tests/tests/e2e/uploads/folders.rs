//! How the files of a folder are read is changed through the API: they are read again, and the figures follow.

use serde_json::{Value, json};

use super::{Method, PATIENCE, Stage, sales_under};

impl Stage {
    /// Waits until the one sale is of that creator and that day.
    async fn sale(&self, what: &str, creator: &str, day: &str) {
        let check = |client: tokio_postgres::Client| async move {
            let sql = "select creator, day::text, net_cents::bigint from views.sales_day";
            let rows = client.query(sql, &[]).await?;
            let found: Vec<(String, String, i64)> =
                rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
            let expected = [(creator.to_owned(), day.to_owned(), 1000)];
            Ok(if found == expected { Vec::new() } else { vec![format!("{found:?}")] })
        };
        self.suite.eventually(what, PATIENCE, check).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_read_as_was_set() {
    let stage = Stage::start(true).await;
    let book = sales_under("Date & time", "Tania", &[("2026-10-21 23:30:00", "u1", "10.00")]);
    let ids = stage.uploaded("ingest/uploads?folder=riga/2026", &[("sales.xlsx", &book)]).await;
    stage.sale("as the environment says", "Tania (OF)", "2026-10-21").await;
    let version = stage.until(&ids[0], "live", |upload| upload["state"] == "live").await["version"].clone();

    let put = async |settings: Value| {
        let (status, answer) = stage.send(Method::PUT, "settings/folders", Some(&settings)).await;
        assert_eq!(status, 200, "{answer}");
    };
    put(json!({"source": "uploads", "folder": "riga", "zone": "America/New_York", "platform": "Fansly"})).await;
    stage.sale("as the folder says", "Tania (Fansly)", "2026-10-22").await;
    put(json!({"source": "uploads", "folder": "riga/2026", "platform": "FT"})).await;
    stage.sale("as the closest folder says, and the zone of the one above", "Tania (FT)", "2026-10-22").await;
    // What concerns other files leaves this one alone.
    put(json!({"source": "uploads", "folder": "elsewhere", "zone": "Asia/Manila"})).await;
    put(json!({"source": "inbox", "platform": "Fansly"})).await;
    let at = stage.until(&ids[0], "live", |upload| upload["state"] == "live").await["version"].clone();
    assert!(at.as_i64() > version.as_i64());

    for folder in ["riga/2026", "riga"] {
        let path = format!("settings/folders?source=uploads&folder={folder}");
        assert_eq!(stage.send(Method::DELETE, &path, None).await.0, 204);
    }
    stage.sale("as the environment says again", "Tania (OF)", "2026-10-21").await;

    // How often a source is looked at shows where its next look is announced.
    put(json!({"source": "uploads", "interval_ms": 3_600_000})).await;
    let is_slow = |client: tokio_postgres::Client| async move {
        let sql = "select next_run_at > now() + interval '30 minutes' from app.tasks where task = 'source uploads'";
        let slow: bool = client.query_one(sql, &[]).await?.get(0);
        Ok(if slow { Vec::new() } else { vec!["the next look is soon".to_owned()] })
    };
    stage.suite.eventually("looks are an hour apart", PATIENCE, is_slow).await;
}
