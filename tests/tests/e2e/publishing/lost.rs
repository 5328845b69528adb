//! What a reader of the log finds when the folder or the log itself was lost, or another is in its place.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_not_mounted_takes_nothing_back() {
    let mut suite = Suite::start(&[("FANDOM_POLL_MS", "50")]).await.expect("the servers start");
    suite.run(Part::Connect);
    place(&suite, "a.csv", &dashboard(10, "text"));
    stands(&suite, "a.csv", "live", Some(10)).await;
    // In its place is an empty folder, which can be read; also when the connector starts.
    suite.kill(Part::Connect);
    let away = suite.inbox.with_extension("away");
    std::fs::rename(&suite.inbox, &away).expect("it can be moved");
    std::fs::create_dir(&suite.inbox).expect("it can be made");
    suite.run(Part::Connect);
    let says = |suite: &Suite| std::fs::read_to_string(suite.log(Part::Connect)).expect("a log");
    let begun = Instant::now();
    while !says(&suite).contains("FANDOM_INBOX_MOVED=yes") {
        assert!(begun.elapsed() < PATIENCE, "{}", suite.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(standing(&suite, "a.csv").await.map(|(state, rows, _)| (state, rows)), Some(("live".into(), Some(10))));
    // The disk comes back; then the folder is emptied, which takes its file back.
    std::fs::remove_dir(&suite.inbox).expect("it is empty");
    std::fs::rename(&away, &suite.inbox).expect("it can be moved");
    place(&suite, "b.csv", &dashboard(20, "text"));
    stands(&suite, "b.csv", "live", Some(20)).await;
    remove(&suite, "a.csv");
    remove(&suite, "b.csv");
    stands(&suite, "b.csv", "gone", None).await;
    place(&suite, "c.csv", &dashboard(30, "text"));
    stands(&suite, "c.csv", "live", Some(30)).await;
    // Another folder, and somebody says so.
    suite.kill(Part::Connect);
    std::fs::rename(&suite.inbox, &away).expect("it can be moved");
    std::fs::create_dir(&suite.inbox).expect("it can be made");
    suite.run_with(Part::Connect, &[("FANDOM_INBOX_MOVED", "yes")]);
    stands(&suite, "c.csv", "gone", None).await;
}

/// Whichever source comes first to a topic that was made anew, the files of the others are published again too.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_anew_gets_the_files_of_every_source() {
    let settings = [("FANDOM_POLL_MS", "50"), ("FANDOM_KAFKA_PARTITIONS", "1")];
    let mut suite = Suite::start(&settings).await.expect("the servers start");
    suite.run(Part::Connect);
    place(&suite, "a.csv", &dashboard(10, "text"));
    stands(&suite, "a.csv", "live", Some(10)).await;
    suite.kill(Part::Connect);

    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", &suite.kafka.bootstrap_servers);
    let admin: rdkafka::admin::AdminClient<rdkafka::client::DefaultClientContext> = config.create().expect("a client");
    let topics = ["fandom.rows", "fandom.texts"];
    admin.delete_topics(&topics, &rdkafka::admin::AdminOptions::new()).await.expect("the broker answers");
    let exist = || {
        let metadata = admin.inner().fetch_metadata(None, PATIENCE).expect("the broker answers");
        topics.iter().filter(|name| metadata.topics().iter().any(|topic| topic.name() == **name)).count()
    };
    let begun = Instant::now();
    while exist() > 0 {
        assert!(begun.elapsed() < PATIENCE, "the topics stay");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while exist() < 2 {
        assert!(begun.elapsed() < PATIENCE, "the topics do not come");
        suite.command("topics").output().expect("it runs");
    }

    // Another source begins, and uses the only partition.
    let other = suite.inbox.with_extension("other");
    std::fs::create_dir(&other).expect("it can be made");
    std::fs::write(other.join("x.csv"), dashboard(5, "other")).expect("it can be written");
    let path = other.to_str().expect("a path in UTF-8");
    suite.run_with(Part::Connect, &[("FANDOM_SOURCE", "other"), ("FANDOM_INBOX", path)]);
    let begun = Instant::now();
    let sql = "select from app.uploads where file = 'other:x.csv' and state = 'live'";
    while suite.client().await.expect("a client").query_opt(sql, &[]).await.expect("an answer").is_none() {
        assert!(begun.elapsed() < PATIENCE, "{}", suite.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    suite.kill(Part::Connect);
    suite.run(Part::Connect);
    stands(&suite, "a.csv", "live", Some(10)).await;
    assert_eq!(read_log(&suite).rows("a.csv"), Some(10));
}

/// A source that begins looks at the log a moment before it looks at the files: what another publishes in between, on a partition that was
/// still unused, is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_source_publishes_meanwhile_is_not_taken_for_lost() {
    let suite = Suite::start(&[]).await.expect("the servers start");
    let live = async |file: &str| {
        let sql = "insert into app.uploads (file, source, name, partition, state, version, live_version, live_rows)
                   values ($1, 'drive', $1, 3, 'live', 1, 1, 10)";
        suite.client().await.expect("a client").execute(sql, &[&file]).await.expect("an answer");
    };
    let uploads =
        fandom_connectors::uploads::Uploads::new(std::sync::Arc::new(suite.client().await.expect("a client")), "inbox");
    live("drive:before").await;
    let looked_after = uploads.time().await.expect("an answer");
    live("drive:meanwhile").await;
    assert_eq!(uploads.start_over_on(&[3], looked_after).await.expect("an answer"), 1);
    let sql = "select array_agg(state order by file) from app.uploads";
    let states: Vec<String> =
        suite.client().await.expect("a client").query_one(sql, &[]).await.expect("an answer").get(0);
    assert_eq!(states, ["seen", "live"], "the one before, and the one meanwhile");
}
