//! Lists of accounts, sessions, keys and the audit trail: every order with ties, every filter, every form, and who may not.

use serde_json::{Value, json};

use crate::forms::same_in_every_form;
use crate::paging::walk_both_ways;
use crate::people::{self, account, bearer};
use crate::service::Service;

/// Twenty-four accounts, thirty keys and forty entries, of which many are equal in whatever they are sorted by.
async fn fill(service: &Service) {
    service
        .run(
            "insert into app.users (id, email, name, role, password, creators, disabled_at, created_at)
             select 'u' || n, 'Person' || n || '@example.com', (array['Ana', 'ana', 'Bo', ''])[1 + n % 4],
                    (array['manager', 'chatter', 'creator'])[1 + n % 3], case when n % 4 > 0 then 'x' end, array[n, -n],
                    case when n % 6 = 0 then now() end, timestamptz '2026-10-01Z' + n / 8 * interval '1 hour'
             from generate_series(1, 24) n;
             insert into app.api_keys (id, name, hash, role, scopes, created_at, last_used_at, expires_at, revoked_at)
             select 'k' || n, 'key ' || n % 5, decode(lpad(to_hex(n), 4, '0'), 'hex'), (array['service', 'analyst'])[1 + n % 2],
                    case when n % 3 = 0 then array['figures.read', 'fans.read'] end, timestamptz '2026-10-01Z' + n / 10 * interval '1 hour',
                    case when n % 4 = 0 then timestamptz '2026-10-02Z' + n / 12 * interval '1 hour' end,
                    case when n % 5 = 0 then now() - interval '1 day' when n % 5 < 4 then timestamptz '2099-01-01Z' end,
                    case when n % 7 = 0 then now() end
             from generate_series(1, 30) n;
             insert into app.audit
             select n, 1790000000000000 + n * 3600000000, 'actor' || n % 3, (array['key.made', 'user.invited'])[1 + n % 2],
                    't' || n % 4, '10.0.0.' || n % 5, 'r' || n, '{\"n\": ' || n || '}', '', decode(lpad(to_hex(n), 4, '0'), 'hex')
             from generate_series(1, 40) n",
        )
        .await;
}

const ORDERS: [(&str, &str, usize); 12] = [
    ("/users", "email", 24),
    ("/users", "name", 24),
    ("/users", "role", 24),
    ("/users", "created_at", 24),
    ("/keys", "created_at", 30),
    ("/keys", "name", 30),
    ("/keys", "role", 30),
    ("/keys", "last_used_at", 30),
    ("/keys", "expires_at", 30),
    ("/audit", "seq", 40),
    ("/audit", "actor", 40),
    ("/audit", "action", 40),
];

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_administrators_in_every_order_and_form() {
    let service = Service::start().await;
    fill(&service).await;
    for (path, sort, all) in ORDERS {
        assert_eq!(service.walk(path, &[], 7).await.len(), all, "{path}");
        walk_both_ways(&service, path, &[], sort, sort, 4).await;
        same_in_every_form(&service, path, sort).await;
    }
    let few = service.get("/users?fields=email,disabled&sort=-created_at&limit=1").await;
    assert_eq!(few.items(), [json!({ "email": "Person24@example.com", "disabled": true })]);
    assert_eq!(few.header("cache-control"), "no-store");
    let lines = service.get("/audit?fields=seq,detail&sort=seq&limit=2&format=jsonl").await;
    assert_eq!(lines.text, "{\"detail\":{\"n\":1},\"seq\":1}\n{\"detail\":{\"n\":2},\"seq\":2}\n");
    assert_eq!(lines.header("cache-control"), "no-store");
    service.run("update app.api_keys set name = '=1+1' where id = 'k1'").await;
    let csv = service.get("/keys?fields=name&sort=name&limit=1&format=csv").await.text;
    assert_eq!(csv, "name\r\n\"'=1+1\"\r\n", "whoever names a key computes nothing in a spreadsheet");
    let next = service.get("/users?limit=5").await.json()["next_cursor"].as_str().expect("more").to_owned();
    assert_eq!(service.list("/users", &[("cursor", &next), ("role", "manager")]).await.status, 422, "other filters");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_of_administrators_keep_what_they_name() {
    let service = Service::start().await;
    fill(&service).await;
    for (path, key, asked, condition) in [
        ("/users", "email", vec![("role", "manager, chatter")], "from app.users where role in ('manager', 'chatter')"),
        (
            "/users",
            "email",
            vec![("state", "invited")],
            "from app.users where password is null and disabled_at is null",
        ),
        ("/users", "email", vec![("state", "disabled")], "from app.users where disabled_at is not null"),
        (
            "/users",
            "email",
            vec![("q", "PERSON1"), ("state", "active,disabled")],
            "from app.users where email like 'Person1%' and (password is not null or disabled_at is not null)",
        ),
        ("/keys", "id", vec![("state", "revoked")], "from app.api_keys where revoked_at is not null"),
        (
            "/keys",
            "id",
            vec![("state", "expired"), ("role", "service")],
            "from app.api_keys where revoked_at is null and expires_at < now() and role = 'service'",
        ),
        ("/keys", "id", vec![("q", "KEY 3")], "from app.api_keys where name = 'key 3'"),
        (
            "/audit",
            "seq",
            vec![("actor", "actor1"), ("action", "key.made"), ("address", "10.0.0.4")],
            "from app.audit where actor = 'actor1' and action = 'key.made' and address = '10.0.0.4'",
        ),
        ("/audit", "seq", vec![("target", "t2")], "from app.audit where target = 't2'"),
        (
            "/audit",
            "seq",
            vec![("from", "2026-09-22"), ("to", "2026-09-22")],
            "from app.audit where (to_timestamp(at_micros / 1e6) at time zone 'Europe/Belgrade')::date = '2026-09-22'",
        ),
    ] {
        let walked = service.walk(path, &asked, 2).await;
        let mut found: Vec<String> = walked.iter().map(|item| item[key].to_string()).collect();
        found.sort();
        let stored = service.select(&format!("select jsonb_agg(to_jsonb({key})) {condition}")).await;
        let mut stored: Vec<String> = stored.as_array().expect("some").iter().map(Value::to_string).collect();
        stored.sort();
        assert_eq!(found, stored, "{path} {asked:?}");
    }
    for wrong in ["/users?role=service", "/keys?state=active", "/audit?from=yesterday", "/audit?before=7"] {
        assert_eq!(service.get(wrong).await.status, 422, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_to_their_owner_alone() {
    let mut service = Service::start().await;
    let owner = account(&service, "chatter", &[], &[7]).await;
    let other = account(&service, "analyst", &[], &[]).await;
    let here = bearer(&service, &owner).await;
    for _ in 0..6 {
        bearer(&service, &owner).await;
        bearer(&service, &other).await;
    }
    service.run("update app.sessions set created_at = '2026-10-01Z', agent = 'one of ' || user_id").await;
    let headers = std::iter::once((reqwest::header::AUTHORIZATION, here.parse().expect("a header"))).collect();
    service.http = reqwest::Client::builder().default_headers(headers).build().expect("a client");
    for sort in ["created_at", "last_used_at"] {
        walk_both_ways(&service, "/auth/sessions", &[], sort, sort, 2).await;
        same_in_every_form(&service, "/auth/sessions", sort).await;
    }
    let sessions = service.walk("/auth/sessions", &[], 3).await;
    assert_eq!(sessions.len(), 7);
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    let user = service.select("select to_jsonb(id) from app.users where role = 'analyst'").await;
    let sought = [("q", user.as_str().expect("an id"))];
    assert_eq!(service.walk("/auth/sessions", &sought, 3).await.len(), 0, "another's are not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_of_a_list_gets_around_its_permission() {
    let service = Service::start().await;
    fill(&service).await;
    for role in ["manager", "analyst", "chatter", "creator"] {
        let email = account(&service, role, &[1], &[1]).await;
        let bearer = bearer(&service, &email).await;
        for path in ["/users", "/keys", "/audit"] {
            for form in ["", "?format=csv", "?format=jsonl", "?format=xlsx", "?fields=id"] {
                let answer = people::get(&service, &format!("{path}{form}"), &bearer).await;
                assert_eq!(answer.status, 403, "{role} {path}{form}: {}", answer.text);
            }
        }
    }
}
