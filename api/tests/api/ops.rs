//! `/ops/tasks`.

use serde_json::json;

use crate::service::Service;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_not_heard_of_is_silent() {
    let service = Service::start().await;
    assert!(service.get("/ops/tasks").await.items().is_empty(), "nothing runs yet");
    let note = |task: &str, kind: &str, state: &str, heard: i64, next: &str| {
        format!(
            "insert into app.tasks (task, kind, state, heartbeat_at, last_success_at, last_error_at, last_error, next_run_at)
             values ('{task}', '{kind}', '{state}', now() - interval '{heard} seconds', now(), now(), 'the disk is away', {next});"
        )
    };
    service
        .run(
            &[
                note("archive", "archive", "stopped", 3000, "null"),
                note("dataflow", "dataflow", "ok", 2, "null"),
                note("source drive", "source", "ok", 400, "now() + interval '200 seconds'"),
                note("source inbox", "source", "failing", 1, "now() + interval '1 second'"),
                note("source lost", "source", "ok", 100, "now() - interval '90 seconds'"),
            ]
            .concat(),
        )
        .await;
    let states = async || -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        service.get("/ops/tasks").await.items().iter().map(|task| (text(&task["task"]), text(&task["state"]))).collect()
    };
    let expected = |dataflow: &str| {
        [
            ("archive", "stopped"),
            ("dataflow", dataflow),
            ("source drive", "ok"),
            ("source inbox", "failing"),
            ("source lost", "silent"),
        ]
        .map(|(task, state)| (task.to_owned(), state.to_owned()))
    };
    assert_eq!(states().await, expected("ok"));
    service.run("update views.status set state = 'hydrating', heartbeat_at = now()").await;
    assert_eq!(states().await, expected("hydrating"));

    let failing = service.get("/ops/tasks?state=failing,silent&fields=task,state&format=csv").await.text;
    assert_eq!(failing, "task,state\r\nsource inbox,failing\r\nsource lost,silent\r\n");
    assert_eq!(service.get("/ops/tasks?kind=source&q=DRIVE").await.items().len(), 1);
    let inbox = service.get("/ops/tasks").await.items()[3].clone();
    assert_eq!((&inbox["last_error"], &inbox["kind"]), (&json!("the disk is away"), &json!("source")));
    assert!(inbox["next_run_at"].is_string() && inbox["heartbeat_age_seconds"].as_f64().is_some_and(|age| age < 30.0));
}
