//! What can be seen of a running dataflow from outside.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use fandom_dataflows::views::TABLES;
use fandom_tests::suite::{Part, Suite};

/// Longest that a job may take to get ready.
const PATIENCE: Duration = Duration::from_secs(600);

/// Starts the dataflow, and waits until its views are live; how long that took. In two processes where the
/// settings of the suite say so.
pub async fn start_dataflow(suite: &mut Suite, workers: usize) -> anyhow::Result<Duration> {
    let client = suite.client().await?;
    client.execute("update views.status set state = 'stopped'", &[]).await?;
    let begun = Instant::now();
    let workers = workers.to_string();
    if suite.settings.iter().any(|(name, value)| name == "FANDOM_PROCESSES" && value == "2") {
        suite.run_with(Part::Peer, &[("FANDOM_WORKERS", &workers)]);
    }
    suite.run_with(Part::Dataflow, &[("FANDOM_WORKERS", &workers)]);
    loop {
        let state: String = client.query_one("select state from views.status", &[]).await?.get(0);
        if state == "live" {
            return Ok(begun.elapsed());
        }
        if suite.ended(Part::Dataflow).is_some() || begun.elapsed() > PATIENCE {
            bail!("the dataflow did not get ready\n{}", suite.logs());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How many messages the views count.
pub async fn messages(suite: &Suite) -> anyhow::Result<u64> {
    let sum = "select coalesce(sum(messages_sent + mass_messages), 0)::bigint from views.chatter_all";
    let sum: i64 = suite.client().await?.query_one(sum, &[]).await?.get(0);
    Ok(u64::try_from(sum)?)
}

/// Empties the views, as if the job had never run.
pub async fn empty_views(suite: &Suite) -> anyhow::Result<()> {
    let client = suite.client().await?;
    let tables: Vec<String> = TABLES.iter().map(|table| format!("views.{}", table.name)).collect();
    client.batch_execute(&format!("truncate {}", tables.join(", "))).await?;
    client.batch_execute("update views.progress set epoch = 0, bindings = '{}', views = '{}'").await?;
    Ok(())
}

/// Ends the dataflow, in all its processes.
pub fn kill_dataflow(suite: &mut Suite) {
    suite.kill(Part::Dataflow);
    suite.kill(Part::Peer);
}

/// Bytes of memory that the dataflow holds now, and the most that it ever held, as Linux tells; of its processes together.
pub fn memory(suite: &Suite) -> anyhow::Result<(u64, u64)> {
    let (now, most) = memory_of(suite.pid(Part::Dataflow).context("the dataflow runs")?)?;
    let Some(peer) = suite.pid(Part::Peer) else { return Ok((now, most)) };
    let (peer_now, peer_most) = memory_of(peer)?;
    Ok((now + peer_now, most + peer_most))
}

/// The same of any process.
pub fn memory_of(pid: u32) -> anyhow::Result<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).map(|kib| kib * 1024)
    };
    Ok((field("VmRSS:").context("VmRSS")?, field("VmHWM:").context("VmHWM")?))
}
