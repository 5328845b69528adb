//! Sign-ins are slowed, whatever comes at the same time.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::cluster::Cluster;
use crate::people::{self, PASSWORD, account, bearer, send};
use crate::second_factor::set_up;
use crate::service::Service;

/// Waits until so many statements of the service wait for a lock.
async fn until_waiting(service: &Service, count: usize) {
    let waiting = format!(
        "select to_jsonb(count(*) >= {count}) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    );
    while service.select(&waiting).await != true {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_none_slips_through() {
    let service = Service::start().await;
    let guess = || people::sign_in(&service, "ana@example.com", "a guess");
    for _ in 0..4 {
        assert_eq!(guess().await.status, 401);
    }
    // All four look while another attempt is counted.
    let locker = service.postgres.connect().await.expect("a connection");
    locker.batch_execute("begin; select from app.sign_in_failures for update").await.expect("a lock");
    let guesses = join_all((0..4).map(|_| guess()));
    let unlock = async {
        until_waiting(&service, 4).await;
        locker.batch_execute("rollback").await.expect("unlocked");
    };
    let (answers, ()) = tokio::join!(guesses, unlock);
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(looked_at, 1, "the fifth makes all others wait: {answers:?}");
}

/// Who signs in, or is asked for a code, gives back the own attempt; not the wait that guesses have brought meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_given_back_ends_no_wait_of_others() {
    let service = Service::start().await;
    let plain = account(&service, "analyst", &[], &[]).await;
    let with_factor = account(&service, "manager", &[], &[]).await;
    set_up(&service, &bearer(&service, &with_factor).await).await;
    for (email, status, left) in [(&plain, 200, json!([29])), (&with_factor, 401, json!([29, 29]))] {
        service.run("delete from app.sign_in_failures").await;
        let locker = service.postgres.connect().await.expect("a connection");
        // The turn of changes, for which a sign-in waits when its password is found right.
        let turn = "begin; select pg_advisory_xact_lock(x'0066616e61756474'::bigint)";
        locker.batch_execute(turn).await.expect("a lock");
        let meanwhile = async {
            until_waiting(&service, 1).await;
            let guessed = "update app.sign_in_failures set failures = 30, until = now() + interval '1 minute'";
            service.run(guessed).await;
            locker.batch_execute("rollback").await.expect("unlocked");
        };
        let (answer, ()) = tokio::join!(people::sign_in(&service, email, PASSWORD), meanwhile);
        assert_eq!(answer.status, status, "{}", answer.text);
        let waits = "select to_jsonb(array_agg(failures)) from app.sign_in_failures where until > now() + interval '30 seconds'";
        assert_eq!(service.select(waits).await, left, "{email}");
        assert_eq!(people::sign_in(&service, email, PASSWORD).await.status, 429);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forgotten_passwords_do_not_slow_sign_ins() {
    let service = Service::start().await;
    let email = account(&service, "analyst", &[], &[]).await;
    let mut statuses = Vec::new();
    for place in 0..25 {
        let body = json!({ "email": format!("somebody{place}@example.com") });
        statuses.push(people::post(&service, "/auth/forgotten", &body).await.status);
    }
    assert_eq!((statuses[0], statuses[24]), (202, 429), "{statuses:?}");
    assert_eq!(people::sign_in(&service, &email, PASSWORD).await.status, 200);
}

/// In a network of IPv6 everybody has as many addresses as they like. The proxy is believed as one of a network.
#[tokio::test(flavor = "multi_thread")]
async fn neighbours_of_ipv6_share_what_they_may_try() {
    let postgres = Cluster::shared().await.database().await;
    let settings = [("FANDOM_API_PROXIES", "10.0.0.0/8, 127.0.0.0/8"), ("FANDOM_API_RATE", "8")];
    let service = Service::over(postgres, &settings).await;
    let ask = async |address: String, method: Method, path: &str, body: Option<&serde_json::Value>| {
        let headers = [("x-forwarded-for", address.as_str())];
        send(&service, method, path, &headers, body).await.status().as_u16()
    };
    let mut statuses = Vec::new();
    for guess in 0..25 {
        let body = json!({ "email": format!("guess{guess}@example.com"), "password": "a guess" });
        statuses.push(ask(format!("2001:db8:0:1::{guess:x}"), Method::POST, "/auth/login", Some(&body)).await);
    }
    assert_eq!((statuses[0], statuses[10], statuses[24]), (401, 401, 429), "{statuses:?}");
    let body = json!({ "email": "guess@example.com", "password": "a guess" });
    assert_eq!(ask("2001:db8:0:2::1".into(), Method::POST, "/auth/login", Some(&body)).await, 401);

    let mut refused = 0;
    for place in 0..100 {
        refused += u32::from(ask(format!("2001:db8:7:7:{place:x}::1"), Method::GET, "/health", None).await == 429);
    }
    assert!(refused > 20, "{refused} of 100");
    assert_eq!(ask("2001:db8:7:8::1".into(), Method::GET, "/health", None).await, 200);
}
