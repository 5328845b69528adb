//! What operators look at, over a running suite: every expression of every panel and alert has an answer in Prometheus, every query of
//! the Business dashboard has one in Postgres, and every metric that a part tells is on the page of metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fandom::local::process::find_program;
use fandom_tests::agency::Agency;
use fandom_tests::api::Api;
use fandom_tests::prometheus::{Prometheus, dashboards, metrics_of};
use fandom_tests::psql;
use fandom_tests::suite::{Part, Suite, free_addresses, repository};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(120);
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The sources of data as they are provisioned, and where a target says what it asks of one.
const PROMETHEUS: &str = "fandom-prometheus";
const POSTGRES: &str = "fandom-postgres";
const ASKED: [(&str, &str); 2] = [(PROMETHEUS, "expr"), (POSTGRES, "rawSql")];

/// What stands before the name of a runbook in a link of a panel, and in an annotation of an alert.
const IN_GRAFANA: &str = "/public/runbooks/";
const IN_ALERT: &str = "{{ $externalLabels.runbooks }}/";

/// An expression as Grafana would send it, of a dashboard whose variables are at All.
fn sent(expression: &str) -> String {
    let variables = [("$__rate_interval", "30s"), ("$__range", "1m"), ("$source", ".*"), ("$route", ".*")];
    variables.iter().fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value))
}

/// The same of a query of Postgres.
fn sql_sent(sql: &str) -> String {
    sql.replace("$__timeFrom()", "'2000-01-01'")
        .replace("$__timeTo()", "'2099-12-31'")
        .replace("${creator:sqlstring}", "select creator from views.creators")
}

/// What all panels ask of a source of data, and where each stands.
fn targets(of: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().expect("panels") {
            let place = format!("{name}, {}", panel["title"]);
            for target in panel["targets"].as_array().unwrap_or_else(|| panic!("{place} asks nothing")) {
                let uid = &target["datasource"]["uid"];
                let known = ASKED.iter().find(|(source, _)| uid == source);
                let (_, field) = known.unwrap_or_else(|| panic!("{place} asks {uid}, which is no source of data"));
                let asked = target[*field].as_str().unwrap_or_else(|| panic!("{place}: {target} has no {field}"));
                if uid == of {
                    found.push((place.clone(), asked.to_owned()));
                }
            }
        }
    }
    found
}

/// What the variables of all dashboards ask of a source of data, and where each stands.
fn variables(of: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, dashboard) in dashboards() {
        for variable in dashboard["templating"]["list"].as_array().expect("variables") {
            let (place, uid) = (format!("{name}, ${}", variable["name"]), &variable["datasource"]["uid"]);
            assert!(ASKED.iter().any(|(source, _)| uid == source), "{place} asks {uid}, which is no source of data");
            let query = &variable["query"];
            let asked = query["query"].as_str().or(query.as_str()).unwrap_or_else(|| panic!("{place} asks nothing"));
            if uid == of {
                found.push((place, asked.to_owned()));
            }
        }
    }
    found
}

/// What is missing of an answer to an expression: series, or a number in one of them.
async fn missing(prometheus: &Prometheus, expression: &str) -> anyhow::Result<Option<&'static str>> {
    let data = prometheus.ask("query", &[("query", expression)]).await?;
    let values: Vec<&Value> = match &data["result"] {
        scalar if data["resultType"] == "scalar" => vec![&scalar[1]],
        series => series.as_array().into_iter().flatten().map(|series| &series["value"][1]).collect(),
    };
    let is_number = |value: &&Value| value.as_str().is_some_and(|value| value != "NaN");
    if values.iter().any(is_number) {
        return Ok(None);
    }
    Ok(Some(if values.is_empty() { "no series" } else { "no number" }))
}

/// Metrics on the page of a part, with their kinds.
async fn told(address: &str) -> BTreeMap<String, String> {
    let page =
        reqwest::get(format!("http://{address}/metrics")).await.expect("an answer").text().await.expect("a body");
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split_once(' ')).map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

fn promtool(arguments: &[&str]) {
    let program = find_program("promtool").expect("promtool comes with prometheus: run scripts/setup --test");
    let output = Command::new(program).args(arguments).current_dir(repository()).output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {arguments:?}:\n{}", String::from_utf8_lossy(&text));
}

fn text(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn configurations_and_alerts_pass_their_own_tests() {
    for config in ["prometheus.yml", "local.yml"] {
        let path = format!("grafana/prometheus/{config}");
        promtool(&["check", "config", &path]);
        for label in ["grafana", "runbooks"] {
            assert!(text(&path).contains(&format!("\n    {label}: http")), "{config} does not say where {label} is");
        }
    }
    promtool(&["test", "rules", "grafana/prometheus/rules/fandom_test.yml"]);
}

#[test]
fn dashboards_are_what_grafana_reads() {
    let all = dashboards();
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["api", "business", "dataflow", "ingestion", "overview"]);
    for (name, dashboard) in &all {
        assert_eq!(dashboard["uid"], format!("fandom-{name}"));
        let mut ids = BTreeSet::new();
        let mut taken: Vec<[i64; 4]> = Vec::new();
        for panel in dashboard["panels"].as_array().expect("panels") {
            assert!(ids.insert(panel["id"].as_i64().expect("an id")), "{name}: two panels with the id {}", panel["id"]);
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_i64().expect("a place"));
            assert!(x >= 0 && x + w <= 24 && h > 0, "{name}: {} leaves the grid", panel["title"]);
            let overlaps = |[a, b, c, d]: &[i64; 4]| x < a + c && *a < x + w && y < b + d && *b < y + h;
            assert!(!taken.iter().any(overlaps), "{name}: {} covers another panel", panel["title"]);
            taken.push([x, y, w, h]);
            for link in panel["links"].as_array().into_iter().flatten() {
                let page = link["url"].as_str().and_then(|url| url.strip_prefix(IN_GRAFANA)).expect("a runbook");
                let path = repository().join("docs/runbooks").join(page);
                assert!(path.is_file(), "{name}: {} leads to {page}, which is not there", panel["title"]);
                // Grafana takes what opens in its own window for one of its pages.
                assert_eq!(link["targetBlank"], true, "{name}: {}", panel["title"]);
            }
        }
        for link in dashboard["links"].as_array().expect("links") {
            let to = link["url"].as_str().and_then(|url| url.strip_prefix("/d/fandom-")).expect("a dashboard");
            assert!(names.contains(&to), "{name} links to {to}");
        }
    }
    let provisioned = text("grafana/provisioning/datasources/fandom.yml");
    for (uid, _) in ASKED {
        assert!(provisioned.contains(&format!("uid: {uid}\n")), "{uid} is not provisioned");
        assert!(!targets(uid).is_empty() && !variables(uid).is_empty(), "nothing is asked of {uid}");
    }
    for page in std::fs::read_dir(repository().join("docs/runbooks")).expect("there are runbooks") {
        let path = page.expect("an entry").path();
        let page = std::fs::read_to_string(&path).expect("a page can be read");
        for part in ["# Fandom", "**What it does.**", "**Look**", "**Do**", "**Clears**"] {
            assert!(page.contains(part), "{} lacks {part}", path.display());
        }
    }
    let mount = "./docs/runbooks:/usr/share/grafana/public/runbooks:ro";
    assert!(text("docker-compose.yml").contains(mount), "Grafana does not serve the runbooks");
}

struct Running {
    suite: Suite,
    /// Where each job of Prometheus tells its metrics.
    metrics: Vec<(&'static str, String)>,
    api: Api,
}

/// The whole suite over an agency's first two stages, with something for every metric to tell.
async fn running() -> Running {
    let agency = Agency::checked_in("northlight");
    let mut settings = agency.settings();
    settings.extend([("FANDOM_POLL_MS", "200"), ("FANDOM_ARCHIVE_KEY", KEY)]);
    let mut suite = Suite::start(&settings).await.expect("the servers start");
    let jobs = ["api", "connectors", "dataflow", "archive"];
    let metrics: Vec<(&str, String)> = jobs.into_iter().zip(free_addresses(jobs.len())).collect();
    let port = |job: usize| metrics[job].1.rsplit(':').next().expect("a port").to_owned();
    let uploads = suite.inbox.with_file_name("uploads").display().to_string();
    std::fs::create_dir(&uploads).expect("a folder can be made");
    suite.settings.push(("FANDOM_UPLOADS_DIR".to_owned(), uploads));
    suite.run_with(Part::Connect, &[("FANDOM_METRICS_PORT", &port(1))]);
    suite.run_with(Part::Dataflow, &[("FANDOM_METRICS_PORT", &port(2))]);
    suite.run_with(Part::Archive, &[("FANDOM_METRICS_PORT", &port(3))]);
    suite.settings.push(("FANDOM_METRICS_PORT".to_owned(), port(0)));
    let api = Api::start(&mut suite).await;
    agency.place(&suite.inbox, &agency.files("b"));
    let filled =
        "select from views.progress where exists (select from views.sales_day) and exists (select from views.reconciliation)
         and exists (select from views.fan_clusters)";
    let check = |client: tokio_postgres::Client| async move {
        let filled = client.query_opt(filled, &[]).await?.is_some();
        Ok(if filled { Vec::new() } else { vec!["the views are empty".to_owned()] })
    };
    suite.eventually("figures come", PATIENCE, check).await;
    for path in ["overview", "fans", "files", "ready", "no-such-thing"] {
        api.ask(path, &[], None).await;
    }
    Running { suite, metrics, api }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_and_alert_has_an_answer() {
    let Running { suite, metrics, api } = running().await;
    let dir = suite.inbox.with_file_name("prometheus");
    std::fs::create_dir(&dir).expect("a folder can be made");
    let at: Vec<(&str, &str)> = metrics.iter().map(|(job, address)| (*job, address.as_str())).collect();
    let prometheus = Prometheus::start(&dir, &at).await.expect("prometheus starts");

    tasks(&api).await;
    accounts(&suite).await;
    // What Postgres answers, meanwhile.
    business(&suite).await;

    let mut open: Vec<(String, String)> = targets(PROMETHEUS);
    assert!(open.len() > 40, "too few expressions to believe it: {}", open.len());
    open.iter_mut().for_each(|(_, expression)| *expression = sent(expression));
    let begun = Instant::now();
    let mut alerts = Vec::new();
    for round in 0.. {
        traffic(&api, &suite.inbox, round).await;
        let mut still = Vec::new();
        for (place, expression) in open {
            match missing(&prometheus, &expression).await {
                Ok(Some(what)) => still.push((format!("{place} ({what})"), expression)),
                Ok(None) => {}
                // It does not listen yet, or a panel asks for what is no expression.
                Err(error) => still.push((format!("{place} ({error:#})"), expression)),
            }
        }
        open = still;
        if let Ok(loaded) = prometheus.alerts().await {
            alerts = loaded;
        }
        let evaluated = !alerts.is_empty() && alerts.iter().all(|alert| alert["health"] != "unknown");
        if open.is_empty() && evaluated {
            break;
        }
        let complaints: Vec<String> = open.iter().map(|(place, asked)| format!("{place}: {asked}")).collect();
        assert!(begun.elapsed() < PATIENCE, "no answer to:\n{}\n{}", complaints.join("\n"), suite.logs());
        open.iter_mut().for_each(|(place, _)| place.truncate(place.find(" (").unwrap_or(place.len())));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    // A key alone takes bytes, and all of them are the process's.
    let beyond = "sum(fandom_dataflow_state_bytes) > sum(process_resident_memory_bytes{job=\"dataflow\"})";
    for impossible in ["fandom_dataflow_state_bytes < 4 * fandom_dataflow_keys", beyond] {
        assert_eq!(prometheus.series(impossible).await.expect("an answer"), 0, "{impossible}");
    }

    let (shown, tests) = (dashboards(), text("grafana/prometheus/rules/fandom_test.yml"));
    let mut runbooks = BTreeSet::new();
    for alert in &alerts {
        let (name, expression) = (&alert["name"], alert["query"].as_str().expect("an expression"));
        assert_eq!(alert["health"], "ok", "{name}: {}", alert["lastError"]);
        let named = metrics_of(expression);
        assert!(!named.is_empty(), "{name} names no metric");
        for metric in named {
            assert!(prometheus.series(&metric).await.is_ok_and(|series| series > 0), "{name}: nobody tells {metric}");
        }
        let annotation =
            |key: &str| alert["annotations"][key].as_str().unwrap_or_else(|| panic!("{name} has no {key}"));
        let page = annotation("runbook_url").strip_prefix(IN_ALERT).expect("a runbook").to_owned();
        assert!(repository().join("docs/runbooks").join(&page).is_file(), "{name}: {page} is not there");
        let to = annotation("dashboard_url");
        let of_dashboard = to.strip_prefix("{{ $externalLabels.grafana }}/d/").expect("a dashboard");
        let (uid, panel) = of_dashboard.split_once("?viewPanel=").expect("a panel");
        let panel: u64 = panel.parse().expect("the id of a panel");
        let (_, dashboard) =
            shown.iter().find(|(_, dashboard)| dashboard["uid"] == uid).unwrap_or_else(|| panic!("{name}: no {uid}"));
        let mut panels = dashboard["panels"].as_array().expect("panels").iter();
        let panel = panels.find(|other| other["id"] == panel).unwrap_or_else(|| panic!("{name}: {to} is not there"));
        let mut links = panel["links"].as_array().into_iter().flatten();
        let back = links.any(|link| link["url"] == format!("{IN_GRAFANA}{page}"));
        assert!(back, "{name}: its panel, {}, does not lead to {page}", panel["title"]);
        let tested = format!("alertname: {}\n", name.as_str().expect("a name"));
        assert!(tests.contains(&tested), "{name} has no test that it fires");
        runbooks.insert(page);
    }
    let pages = std::fs::read_dir(repository().join("docs/runbooks")).expect("there are runbooks").count();
    assert_eq!(runbooks.len(), pages, "a runbook is of no alert");

    for (place, asked) in variables(PROMETHEUS) {
        let (metric, label) = asked
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')')?.split_once(", "))
            .unwrap_or_else(|| panic!("{place}: {asked} is no question for labels"));
        let values = prometheus.ask(&format!("label/{label}/values"), &[("match[]", metric)]).await.expect("values");
        assert!(values.as_array().is_some_and(|values| !values.is_empty()), "{place}: {asked} has no values");
    }

    // What the parts tell is what the page of metrics says.
    let documented: BTreeMap<&str, &str> =
        fandom::metrics_page::all().map(|metric| (metric.name, metric.kind.name())).collect();
    for (job, address) in &metrics {
        let told = told(address).await;
        assert!(told.len() > 5, "{job} tells {told:?}");
        for (name, kind) in told {
            assert_eq!(documented.get(name.as_str()), Some(&kind.as_str()), "{job} tells {name}, a {kind}");
        }
    }
}

/// Something of everything that is measured over the last seconds: answers, and a file that is read, published and committed. Without it
/// shares and quantiles are no numbers.
async fn traffic(api: &Api, inbox: &Path, round: u32) {
    for path in ["overview", "fans", "files", "no-such-thing"] {
        api.ask(path, &[], None).await;
    }
    let head = "Sender,Creator,Creator Message,Sent time,Sent date,Price,Purchased,Source,Sent to";
    let row = format!("Mila,Tania (OF),{round},10:00:00,2026-10-21,$5.00,no,Chat,Fan (u{round})");
    let file = inbox.join(format!("traffic {round}.csv"));
    std::fs::write(file, format!("{head}\n{row}\n")).expect("a file can be written");
}

/// Every task goes well, and says so.
async fn tasks(api: &Api) {
    let answer = api.ask("ops/tasks", &[], None).await;
    let tasks = answer.body["items"].as_array().expect("items").clone();
    let named: Vec<&str> = tasks.iter().filter_map(|task| task["task"].as_str()).collect();
    assert_eq!(named, ["archive", "dataflow", "source inbox", "source uploads"]);
    for task in &tasks {
        assert_eq!(task["state"], "ok", "{task}");
        assert!(task["last_success_at"].is_string(), "{task}");
        let age = task["heartbeat_age_seconds"].as_f64().expect("an age");
        assert!((-1.0..15.0).contains(&age), "{task}");
    }
}

/// Each part has signed in to the database with its own account, and the owner is only this test.
async fn accounts(suite: &Suite) {
    let client = suite.client().await.expect("the database answers");
    let others = "select distinct usename::text from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() order by 1";
    let names: Vec<String> = client.query(others, &[]).await.expect("rows").iter().map(|row| row.get(0)).collect();
    assert_eq!(names, ["fandom_api", "fandom_archive", "fandom_connectors", "fandom_dataflow"]);
}

/// Every query of the Business dashboard, as Grafana's own user, who sees nothing else.
async fn business(suite: &Suite) {
    let (owner, password) = (suite.inbox.with_file_name("owner"), suite.inbox.with_file_name("password"));
    std::fs::write(&owner, &suite.postgres.database_url).expect("a file can be written");
    std::fs::write(&password, "it's secret").expect("a file can be written");
    for _ in 0..2 {
        let output = Command::new(repository().join("grafana/postgres/reader.sh"))
            .env("DATABASE_URL_FILE", &owner)
            .env("GRAFANA_PASSWORD_FILE", &password)
            .env("PATH", psql::search_path())
            .output()
            .expect("it runs");
        assert!(output.status.success(), "reader.sh: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut config: tokio_postgres::Config = suite.postgres.database_url.parse().expect("an address");
    config.user("grafana").password("it's secret");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.expect("grafana may connect");
    tokio::spawn(connection);
    let mut asked = targets(POSTGRES);
    asked.extend(variables(POSTGRES));
    assert!(asked.len() > 10, "too few queries to believe it: {}", asked.len());
    for (place, sql) in asked {
        let rows = client.query(&sql_sent(&sql), &[]).await.unwrap_or_else(|error| panic!("{place}: {error:?}\n{sql}"));
        assert!(!rows.is_empty(), "{place} has no answer: {sql}");
    }
    for other in ["select * from app.uploads", "create table public.t ()", "delete from views.sales_day"] {
        assert!(client.batch_execute(other).await.is_err(), "grafana may {other}");
    }
}
