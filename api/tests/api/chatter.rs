//! A chatter's profile against the lists that have its figures, and who may see it.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::fixture::{self, chatter, creator};
use crate::people::{self, account, bearer};
use crate::service::{Service, plain};

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_what_the_lists_have() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let id = chatter(1).to_string();
    let profile = service.get("/chatters/JOVAN").await;
    assert!(profile.header("etag").starts_with("\"1000-"));
    let profile = profile.json();
    assert_eq!(
        (&profile["chatter_id"], &profile["chatter"], &profile["epoch"]),
        (&json!(id), &json!("Jovan"), &json!(1000))
    );
    assert_eq!(service.get(&format!("/chatters/{id}")).await.json(), profile);
    let performance = [("window", "all"), ("chatter", id.as_str()), ("sort", "creator")];
    let all = service.list("/chatters/performance", &performance).await.items();
    let creators = profile["creators"].as_array().expect("creators");
    assert_eq!((creators.len(), all.len()), (3, 3));
    for (own, listed) in creators.iter().zip(&all) {
        for (name, figure) in own.as_object().expect("an object") {
            if !name.ends_with("_day") {
                assert_eq!(plain(figure), plain(&listed[name]), "{name}");
            }
        }
    }
    let sum = |name: &str| all.iter().map(|item| item[name].as_i64().unwrap_or_default()).sum::<i64>();
    for name in ["messages_sent", "sales_net_cents", "ppvs_unlocked", "clocked_minutes", "reversed_count"] {
        assert_eq!(profile["totals"][name], sum(name), "{name}");
    }
    let rate = sum("ppvs_unlocked") as f64 / sum("ppvs_sent") as f64;
    assert_eq!(profile["totals"]["unlock_rate"].as_f64(), Some(rate));
    let days = service
        .select(&format!(
            "select jsonb_build_array(min(day), max(day), (select jsonb_build_array(min(day), max(day)) from views.chatter_day
                 where chatter_id = {id} and creator = 'Leya (Fansly)')) from views.chatter_day where chatter_id = {id}"
        ))
        .await;
    assert_eq!(
        json!([profile["first_day"], profile["last_day"], [creators[0]["first_day"], creators[0]["last_day"]]]),
        days
    );

    let ranks = &profile["ranks"];
    assert_eq!(
        (&ranks["from"], &ranks["to"], &ranks["ranked"]),
        (&json!("2026-10-06"), &json!("2026-11-04"), &json!(3))
    );
    let places = ranks["places"].as_array().expect("places");
    assert_eq!(places.len(), 14);
    for place in places {
        let by = place["by"].as_str().expect("a measure");
        let asked = [("by", by), ("from", "2026-10-06"), ("to", "2026-11-04")];
        let ranking = service.list("/chatters/ranking", &asked).await.items();
        let own = ranking.iter().find(|item| item["chatter_id"] == id).expect("a place");
        assert_eq!((&place["rank"], place["value"].as_f64()), (&own["rank"], own[by].as_f64()), "{by}");
    }
    for link in ["series", "performance"] {
        let path = profile["links"][link].as_str().expect("a link");
        assert!(!service.get_with(path, &[]).await.items().is_empty(), "{path}");
    }
    for unknown in ["Nobody", "0", "77", "x'%20or%20true"] {
        assert_eq!(service.get(&format!("/chatters/{unknown}")).await.status, 404, "{unknown}");
    }
    assert_eq!((service.get("/chatters/%ff").await.status, service.get("/chatters/Iva?a=1").await.status), (400, 422));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_shows_own_rows_alone() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres.clone(), &[]).await;
    fixture::fill(&service).await;
    let open = Service::over(postgres, &[("FANDOM_TEAM_RANKS", "yes")]).await;
    let of_chatter = bearer(&service, &account(&service, "chatter", &[], &[chatter(0)]).await).await;
    let of_creator = bearer(&service, &account(&service, "creator", &[creator(1)], &[]).await).await;
    let nobody = bearer(&service, &account(&service, "manager", &[], &[]).await).await;

    let whole = service.get("/chatters/Iva").await.json();
    let own = people::get(&service, "/chatters/Iva", &of_chatter).await.json();
    assert_eq!((&own["creators"], &own["totals"]), (&whole["creators"], &whole["totals"]));
    assert!(own["ranks"].is_null(), "ranks are not told unless the setting says so");
    let own = people::get(&open, "/chatters/Iva", &of_chatter).await.json();
    assert_eq!(own["ranks"], whole["ranks"]);
    for (who, name) in [(&of_chatter, "Jovan"), (&nobody, "Iva")] {
        let foreign = people::get(&open, &format!("/chatters/{name}"), who).await;
        let unknown = people::get(&open, "/chatters/Nobody", who).await;
        assert_eq!(
            (foreign.status, &foreign.json()["detail"]),
            (404, &unknown.json()["detail"]),
            "as if it were not there"
        );
    }
    // A creator sees what a chatter did for them, and no rank among all.
    let seen = people::get(&open, "/chatters/Iva", &of_creator).await.json();
    let theirs: Vec<&Value> = whole["creators"].as_array().expect("creators").iter().collect();
    let leya = json!(creator(1).to_string());
    let theirs = theirs.into_iter().find(|of| of["creator_id"] == leya).expect("Leya");
    assert_eq!((&seen["creators"], seen["ranks"].is_null()), (&json!([theirs]), true));
    assert_eq!(seen["totals"]["sales_net_cents"], theirs["sales_net_cents"]);
}
