//! Ranks among all chatters, which tell nothing of the others; and what the API is set to.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::fixture::{self, chatter, creator};
use crate::people::{self, account, bearer};
use crate::service::Service;

#[tokio::test(flavor = "multi_thread")]
async fn a_chatter_is_told_their_rank_and_nothing_of_others() {
    let service = Service::over(Cluster::shared().await.database().await, &[("FANDOM_TEAM_RANKS", "yes")]).await;
    fixture::fill(&service).await;
    let of_chatter = bearer(&service, &account(&service, "chatter", &[], &[chatter(1)]).await).await;
    let of_creator = bearer(&service, &account(&service, "creator", &[creator(0)], &[]).await).await;
    for (asked, by, direction) in [
        ("", "sales_net_cents", "desc"),
        ("?by=messages_sent&from=2026-10-24&to=2026-10-30", "messages_sent", "desc"),
        ("?by=reply_seconds_mean", "reply_seconds_mean", "asc"),
    ] {
        let standing = people::get(&service, &format!("/chatters/rank{asked}"), &of_chatter).await;
        assert_eq!(standing.status, 200, "{}", standing.text);
        let body = standing.json();
        let range = asked.replace("?by=messages_sent&", "&").replace("?by=reply_seconds_mean", "");
        let all = service.get(&format!("/chatters/ranking?by={by}{range}")).await.items();
        let id = json!(chatter(1).to_string());
        let own = all.iter().find(|item| item["chatter_id"] == id).expect("a place");
        assert_eq!((&body["ranked"], &body["by"]), (&json!(all.len()), &json!(by)), "{direction}");
        let items = body["items"].as_array().expect("items");
        assert_eq!(items.len(), 1, "{body}");
        assert_eq!((&items[0]["rank"], &items[0]["chatter_id"]), (&own["rank"], &id));
        assert_eq!(items[0]["value"].as_f64(), own[by].as_f64());
        let other = |item: &&Value| item["chatter_id"] != id;
        for other in all.iter().filter(other) {
            for name in [&other["chatter"], &other["chatter_id"]] {
                assert!(!standing.text.contains(name.as_str().expect("a name")), "{}", standing.text);
            }
        }
        // Who has no chatter of their own is told how many there are.
        let none = people::get(&service, &format!("/chatters/rank{asked}"), &of_creator).await.json();
        assert_eq!((&none["items"], &none["ranked"]), (&json!([]), &json!(all.len())));
    }
    let tag = people::get(&service, "/chatters/rank", &of_chatter).await.header("etag").to_owned();
    let headers = [("authorization", of_chatter.as_str()), ("if-none-match", tag.as_str())];
    assert_eq!(people::send(&service, reqwest::Method::GET, "/chatters/rank", &headers, None).await.status(), 304);

    let without = Service::over(service.postgres.clone(), &[]).await;
    assert_eq!(people::get(&without, "/chatters/rank", &of_chatter).await.status, 404, "the setting does not allow it");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_shown_without_secrets() {
    let settings = [("FANDOM_API_POOL", "5"), ("FANDOM_SESSION_HOURS", "12"), ("FANDOM_SESSION_IDLE_HOURS", "2")];
    let service = Service::over(Cluster::shared().await.database().await, &settings).await;
    let answer = service.get("/settings").await;
    let value = |variable: &str| {
        let items = answer.items();
        let item = items.iter().find(|item| item["variable"] == variable);
        item.unwrap_or_else(|| panic!("{variable} is not shown: {}", answer.text))["value"].clone()
    };
    assert_eq!((value("FANDOM_API_POOL"), value("FANDOM_SESSION_HOURS")), (json!(5), json!(12)));
    assert_eq!((value("FANDOM_API_KEY"), value("FANDOM_SMTP_URL")), (json!(true), json!(false)));
    assert!(!answer.text.contains("opens-nothing-else"), "the key is a secret");

    // A session lasts as long as is set, used or not.
    let email = account(&service, "analyst", &[], &[]).await;
    let own = bearer(&service, &email).await;
    assert_eq!(people::get(&service, "/auth/me", &own).await.status, 200);
    let lasts = service
        .select("select to_jsonb(round(extract(epoch from expires_at - created_at) / 3600)::int) from app.sessions")
        .await;
    assert_eq!(lasts, 12);
    service.run("update app.sessions set last_used_at = now() - interval '3 hours'").await;
    tokio::time::sleep(std::time::Duration::from_millis(5_200)).await;
    assert_eq!(people::get(&service, "/auth/me", &own).await.status, 401, "nobody used it for two hours");
}
