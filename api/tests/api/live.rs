//! The live stream: one event a commit, nothing missed, nothing kept without bound, and an end.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::people::{account, bearer, send};
use crate::service::Service;

/// Reads a stream of server-sent events.
struct Stream {
    response: reqwest::Response,
    buffer: String,
}

#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

impl Stream {
    async fn open(service: &Service, path: &str, last: Option<&str>) -> Stream {
        let request = service.http.get(service.url(path)).timeout(Duration::from_secs(60));
        let request = last.into_iter().fold(request, |request, id| request.header("last-event-id", id));
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream { response, buffer: String::new() }
    }

    /// The next block of lines; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let block = block.to_owned();
                self.buffer = rest.to_owned();
                return Some(block);
            }
            let chunk =
                tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await.expect("something in time");
            self.buffer.push_str(std::str::from_utf8(&chunk.ok()??).expect("UTF-8"));
        }
    }

    /// The next event, comments passed over.
    async fn event(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
            };
            if let Some(name) = field("event:") {
                let data = serde_json::from_str(&field("data:").expect("data")).expect("JSON");
                return Some(Event { name, id: field("id:").expect("an id"), data });
            }
        }
    }
}

/// Commits, and waits until the API knows: before that, a stream that is opened may be told of it too.
async fn begin(service: &Service, epoch: i64) {
    service.commit(epoch, &["fans"]).await;
    let mut stream = Stream::open(service, "/api/v1/live?since=0", None).await;
    while stream.event().await.expect("an event").id != epoch.to_string() {}
}

fn commit(epoch: i64, views: &[&str]) -> Option<Event> {
    Some(Event { name: "commit".into(), id: epoch.to_string(), data: json!({ "epoch": epoch, "views": views }) })
}

fn reload(epoch: i64) -> Option<Event> {
    Some(Event { name: "reload".into(), id: epoch.to_string(), data: json!({ "epoch": epoch }) })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_a_commit() {
    let service = Service::start().await;
    begin(&service, 100).await;
    let mut streams =
        [Stream::open(&service, "/api/v1/live", None).await, Stream::open(&service, "/api/v1/live", None).await];
    for (epoch, views) in [(101, vec!["chatter_day", "fans"]), (105, vec!["files"]), (106, vec![])] {
        service.commit(epoch, &views).await;
        for stream in &mut streams {
            assert_eq!(stream.event().await, commit(epoch, &views));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_commits_is_told_commit_by_commit() {
    let service = Service::start().await;
    begin(&service, 100).await;
    let mut stream = Stream::open(&service, "/api/v1/live", None).await;
    for epoch in 101..=200 {
        service.commit(epoch, &[if epoch % 2 == 0 { "fans" } else { "files" }]).await;
    }
    for epoch in 101..=200 {
        let event = stream.event().await.expect("an event");
        assert_eq!(event.id, epoch.to_string());
        let views = event.data["views"].as_array().expect("views").clone();
        assert!(views.contains(&json!(if epoch % 2 == 0 { "fans" } else { "files" })), "{epoch}: {views:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_is_told_what_changed_since() {
    let service = Service::start().await;
    service.commit(100, &["fans"]).await;
    service.commit(103, &["files"]).await;
    service.commit(107, &["sales_day"]).await;
    // Until the stream has seen the last commit, it may tell of them one by one.
    let mut stream = Stream::open(&service, "/api/v1/live?since=0", None).await;
    while stream.event().await.expect("an event").id != "107" {}

    for (path, last, expected) in [
        ("/api/v1/live", Some("100"), commit(107, &["files", "sales_day"])),
        ("/api/v1/live?since=103", None, commit(107, &["sales_day"])),
        ("/api/v1/live?since=100", Some("103"), commit(107, &["sales_day"])),
        ("/api/v1/live", Some("0"), commit(107, &["fans", "files", "sales_day"])),
        ("/api/v1/live", Some("999"), reload(107)),
        ("/api/v1/live", Some("what"), reload(107)),
    ] {
        assert_eq!(Stream::open(&service, path, last).await.event().await, expected, "{path} {last:?}");
    }
    let mut current = Stream::open(&service, "/api/v1/live", Some("107")).await;
    let mut fresh = Stream::open(&service, "/api/v1/live", None).await;
    service.commit(108, &["fans"]).await;
    assert_eq!(current.event().await, commit(108, &["fans"]), "who has everything is told only of what is new");
    assert_eq!(fresh.event().await, commit(108, &["fans"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_means_load_anew() {
    let service = Service::start().await;
    service.commit(100, &["fans"]).await;
    let mut stream = Stream::open(&service, "/api/v1/live?since=0", None).await;
    while stream.event().await.expect("an event").id != "100" {}
    service.commit(50, &["fans"]).await;
    assert_eq!(stream.event().await, reload(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_stream_shows_that_it_lives() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_HEARTBEAT_SECONDS", "1")]).await;
    let mut stream = Stream::open(&service, "/api/v1/live", None).await;
    let hello = stream.block().await.expect("a greeting");
    assert!(hello.contains("retry:"), "{hello}");
    for _ in 0..2 {
        assert!(stream.block().await.expect("a heartbeat").starts_with(':'));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_api_stops() {
    let service = Service::start().await;
    let mut stream = Stream::open(&service, "/api/v1/live", None).await;
    let begun = std::time::Instant::now();
    service.stop().await.expect("a clean stop");
    assert_eq!(stream.event().await, None);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_limited_and_given_back() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_LIVE_STREAMS", "1")]).await;
    let first = Stream::open(&service, "/api/v1/live", None).await;
    let refused = service.get("/live").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "2"));
    drop(first);
    for _ in 0..50 {
        let response = service.http.get(service.url("/api/v1/live")).send().await.expect("an answer");
        if response.status() == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the seat of a closed stream was not given back");
}

/// A reader that does not read while more is committed than is kept for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_told_to_load_anew() {
    let service = Service::start().await;
    service.commit(1, &["fans"]).await;
    let mut slow = Stream::open(&service, "/api/v1/live?since=0", None).await;
    while slow.event().await.expect("an event").id != "1" {}
    // Long names fill what the sockets hold, so that the rest waits in the channel.
    let names: Vec<String> = (0..60).map(|n| format!("view_{n}_{}", "x".repeat(1000))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut quick = Stream::open(&service, "/api/v1/live", None).await;
    let last = 700;
    let reading = tokio::spawn(async move { while quick.event().await.expect("an event").id != last.to_string() {} });
    for epoch in 2..=last {
        service.commit(epoch, &names).await;
    }
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("in time").expect("the quick reader keeps up");
    let mut reloaded = false;
    loop {
        let event = slow.event().await.expect("an event");
        reloaded |= event.name == "reload";
        if event.id == last.to_string() {
            break;
        }
    }
    assert!(reloaded, "the slow reader got everything, so the server kept everything");
    service.commit(last + 1, &["fans"]).await;
    assert_eq!(slow.event().await.expect("an event").id, (last + 1).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_end_at_once() {
    let service = Service::start().await;
    let streams: Vec<Stream> =
        futures_util::stream::iter(0..40).then(|_| Stream::open(&service, "/api/v1/live", None)).collect().await;
    service.stop().await.expect("a clean stop");
    for mut stream in streams {
        assert_eq!(stream.event().await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_only_of_the_views_that_were_asked_for() {
    let service = Service::start().await;
    begin(&service, 100).await;
    let mut stream = Stream::open(&service, "/api/v1/live?views=files,%20sales_day", None).await;
    service.commit(101, &["fans", "chatter_day"]).await;
    service.commit(102, &["fans", "files"]).await;
    told(&mut stream, 102, "files").await;
    service.commit(103, &["fans"]).await;
    service.commit(104, &["sales_day"]).await;
    told(&mut stream, 104, "sales_day").await;
    // Who comes back is told of these views alone, and waits when none of them has changed.
    let mut back = Stream::open(&service, "/api/v1/live?views=files,sales_day", Some("101")).await;
    assert_eq!(back.event().await, commit(104, &["files", "sales_day"]));
    let mut nothing = Stream::open(&service, "/api/v1/live?views=files", Some("102")).await;
    service.commit(105, &["files"]).await;
    assert_eq!(nothing.event().await, commit(105, &["files"]));
    for wrong in ["Files", "a b", "files,", "x'"] {
        assert_eq!(service.list("/live", &[("views", wrong)]).await.status, 422, "{wrong}");
    }
}

/// Reads until a commit is told, and nothing of any other view. A commit that is seen before its notification has come is told
/// with the one before, too.
async fn told(stream: &mut Stream, epoch: i64, view: &str) {
    loop {
        let event = stream.event().await.expect("an event");
        let id: i64 = event.id.parse().expect("an epoch");
        assert!(id <= epoch && id >= epoch - 1, "{event:?}");
        assert_eq!(event.data["views"], serde_json::json!([view]), "{event:?}");
        if id == epoch {
            return;
        }
    }
}

/// Hundreds read at once: each is told of every commit, and the stop ends them all in time.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_streams_are_told_and_end() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_LIVE_STREAMS", "500")]).await;
    begin(&service, 100).await;
    let opening = (0..400).map(|_| Stream::open(&service, "/api/v1/live", None));
    let mut streams: Vec<Stream> = futures_util::stream::iter(opening).buffered(50).collect().await;
    for epoch in 101..=110 {
        service.commit(epoch, &["fans"]).await;
    }
    for stream in &mut streams {
        for epoch in 101..=110 {
            assert_eq!(stream.event().await, commit(epoch, &["fans"]));
        }
    }
    let begun = std::time::Instant::now();
    service.stop().await.expect("a clean stop");
    for mut stream in streams {
        assert_eq!(stream.event().await, None);
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "the streams took {:?} to end", begun.elapsed());
}

/// Of 64 streams one account may have eight, and one address 32.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_all_streams() {
    let postgres = Cluster::shared().await.database().await;
    let settings = [("FANDOM_API_LIVE_STREAMS", "64"), ("FANDOM_API_PROXIES", "127.0.0.1")];
    let service = Service::over(postgres, &settings).await;
    begin(&service, 100).await;
    let mut bearers = Vec::new();
    for role in ["admin", "manager", "analyst", "chatter", "creator"] {
        let email = account(&service, role, &[], &[]).await;
        bearers.push(bearer(&service, &email).await);
    }
    let open = async |bearer: &str, address: &str| {
        let headers = [("authorization", bearer), ("x-forwarded-for", address)];
        send(&service, reqwest::Method::GET, "/live", &headers, None).await
    };
    let mut kept = Vec::new();
    for bearer in &bearers[..4] {
        for _ in 0..8 {
            let stream = open(bearer, "192.0.2.1").await;
            assert_eq!(stream.status(), 200);
            kept.push(stream);
        }
    }
    let one_more = open(&bearers[0], "192.0.2.2").await;
    assert_eq!(
        (one_more.status(), &one_more.headers()["retry-after"]),
        (429.try_into().expect("a status"), &"2".parse().expect("text"))
    );
    assert_eq!(open(&bearers[4], "192.0.2.1").await.status(), 429, "the address has its half");
    assert_eq!(open(&bearers[4], "192.0.2.2").await.status(), 200);
    assert_eq!(
        service.get_with("/api/v1/ingest/events?upload=none", &[]).await.status,
        404,
        "who runs it is not bound"
    );
    kept.clear();
    let begun = std::time::Instant::now();
    while open(&bearers[0], "192.0.2.1").await.status() != 200 {
        assert!(begun.elapsed() < Duration::from_secs(5), "places are not given back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
