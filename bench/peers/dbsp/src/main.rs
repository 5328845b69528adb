//! The two views of `fandom-bench engine` by Feldera's dbsp.
//!
//! ```text
//!  changes ─▶ by key: max ─┬▶ by creator, chatter, day: aggregate_linear ─▶ chatter_day
//!                          └▶ by creator, fan: aggregate_linear, min, max ─▶ fans
//! ```
//!
//! dbsp-views CHANGES WORKERS prints what it measured as a line of JSON, which `fandom-bench engine` reads.
//!
//! Settings: a transaction a step, the history too: of 10,000, 50,000, 250,000 and all changes at once (a third argument) the last was
//! the quickest; no storage, so that all state is in memory; the allocator of the other side.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::time::Instant;

use anyhow::{Context, Result};
use dbsp::operator::{Max, Min};
use dbsp::typed_batch::SpineSnapshot;
use dbsp::utils::{Tup2, Tup3, Tup4, Tup7};
use dbsp::{IndexedZSetHandle, IndexedZSetReader, OrdIndexedZSet, OutputHandle, RootCircuit, Runtime, ZWeight};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Key = Tup2<u64, u64>;
/// The holder's order, creator, chatter, fan, time, price, whether it was bought.
type Held = Tup7<u64, u64, u64, u64, i64, i64, bool>;
/// Creator, chatter, day.
type Day = Tup3<u64, u64, i64>;
/// Creator, fan.
type Fan = Tup2<u64, u64>;
/// Messages, of them with a price, of them bought, cents of these.
type Sums = Tup4<i64, i64, i64, i64>;

/// What a transaction changed, of whose steps there may be several.
type Output<K, V> = OutputHandle<SpineSnapshot<OrdIndexedZSet<K, V>>>;

struct Views {
    rows: IndexedZSetHandle<Key, Held>,
    days: Output<Day, Sums>,
    fans: Output<Fan, Tup2<i64, i64>>,
    first: Output<Fan, i64>,
    last: Output<Fan, i64>,
}

fn build(circuit: &mut RootCircuit) -> Result<Views> {
    let (changes, rows) = circuit.add_input_indexed_zset::<Key, Held>();
    let facts = changes.aggregate(Max);
    let days = facts.map_index(|(_, Tup7(_, creator, chatter, _, sent_at, price, bought))| {
        let ppv = i64::from(*price > 0);
        let unlocked = i64::from(*price > 0 && *bought);
        (Tup3(*creator, *chatter, sent_at.div_euclid(86_400)), Tup4(1, ppv, unlocked, unlocked * price))
    });
    let days = days.aggregate_linear(|sums| *sums);
    let by_fan = facts.map_index(|(_, Tup7(_, creator, _, fan, sent_at, price, bought))| {
        let cents = if *price > 0 && *bought { *price } else { 0 };
        (Tup2(*creator, *fan), Tup2(*sent_at, cents))
    });
    let fans = by_fan.aggregate_linear(|Tup2(_, cents)| Tup2(1, *cents));
    let seen = by_fan.map_index(|(fan, Tup2(sent_at, _))| (*fan, *sent_at));
    Ok(Views {
        rows,
        days: days.accumulate_output(),
        fans: fans.accumulate_output(),
        first: seen.aggregate(Min).accumulate_output(),
        last: seen.aggregate(Max).accumulate_output(),
    })
}

/// Takes in what a transaction changed.
#[derive(Default)]
struct Taken {
    days: HashMap<Day, Sums>,
    fans: HashMap<Fan, Tup2<i64, i64>>,
    first: HashMap<Fan, i64>,
    last: HashMap<Fan, i64>,
}

impl Taken {
    fn take(&mut self, views: &Views) {
        take(&mut self.days, &views.days);
        take(&mut self.fans, &views.fans);
        take(&mut self.first, &views.first);
        take(&mut self.last, &views.last);
    }
}

fn take<K, V>(taken: &mut HashMap<K, V>, output: &Output<K, V>)
where
    K: dbsp::DBData + std::hash::Hash,
    V: dbsp::DBData,
    <K as dbsp::trace::Deserializable>::ArchivedDeser: Ord,
    <V as dbsp::trace::Deserializable>::ArchivedDeser: Ord,
{
    let changed: Vec<_> = output.concat().consolidate().iter().collect();
    for (key, value, weight) in &changed {
        if *weight < 0 && taken.get(key) == Some(value) {
            taken.remove(key);
        }
    }
    for (key, value, weight) in changed {
        if weight > 0 {
            taken.insert(key, value);
        }
    }
}

type Change = Tup2<Key, Tup2<Held, ZWeight>>;

fn read(path: &str) -> Result<Vec<(String, Vec<Change>)>> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut steps = Vec::new();
    loop {
        let mut line = String::new();
        if file.read_line(&mut line)? == 0 {
            return Ok(steps);
        }
        let (name, count) = line.trim_end().split_once(' ').context("a step has a name and a count")?;
        let mut changes = Vec::with_capacity(count.parse()?);
        for _ in 0..changes.capacity() {
            let mut bytes = [0; 72];
            file.read_exact(&mut bytes)?;
            let at = |place: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[8 * place + byte]));
            let held = Tup7(at(2), at(3), at(4), at(5), at(6).cast_signed(), at(7).cast_signed(), at(8) & 1 == 1);
            let weight = if at(8) & 2 == 2 { 1 } else { -1 };
            changes.push(Tup2(Tup2(at(0), at(1)), Tup2(held, weight)));
        }
        steps.push((name.to_owned(), changes));
    }
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("dbsp-views CHANGES WORKERS")?;
    let workers: usize = arguments.next().context("dbsp-views CHANGES WORKERS")?.parse()?;
    let at_once: usize = arguments.next().map_or(Ok(usize::MAX), |count| count.parse())?;
    let steps = read(&path)?;
    let (mut circuit, views) = Runtime::init_circuit(workers, build)?;
    let mut taken = Taken::default();
    let before = resident();
    let (mut history_bytes, mut times) = (0, HashMap::<String, Vec<f64>>::new());
    for (name, changes) in steps {
        let begun = Instant::now();
        for chunk in changes.chunks(at_once) {
            // Its input sorts a vector of its own.
            let mut chunk = chunk.to_vec();
            views.rows.append(&mut chunk);
            circuit.transaction()?;
            taken.take(&views);
        }
        times.entry(name.clone()).or_default().push(begun.elapsed().as_secs_f64());
        if name == "history" {
            history_bytes = resident().saturating_sub(before);
        }
    }
    let mut digest = (0u64, 0i64, 0i64, 0u64);
    let mut add = |messages: i64, cents: i64, numbers: &[u64]| {
        let mix = |hash: u64, number: &u64| (hash ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        digest.0 += 1;
        digest.1 += messages;
        digest.2 += cents;
        digest.3 = digest.3.wrapping_add(numbers.iter().fold(numbers.len() as u64, mix));
    };
    for (Tup3(creator, chatter, day), Tup4(messages, ppvs, unlocked, cents)) in &taken.days {
        add(
            *messages,
            *cents,
            &[*creator, *chatter, *day as u64, *messages as u64, *ppvs as u64, *unlocked as u64, *cents as u64],
        );
    }
    for (fan, Tup2(messages, cents)) in &taken.fans {
        let (first, last) = (taken.first[fan], taken.last[fan]);
        add(*messages, *cents, &[fan.0, fan.1, *messages as u64, *cents as u64, first as u64, last as u64]);
    }
    let mut of = |name: &str| times.remove(name).unwrap_or_default();
    println!(
        "{}",
        serde_json::json!({
            "name": "dbsp 0.334.2", "workers": workers, "history_seconds": of("history").iter().sum::<f64>(),
            "history_bytes": history_bytes, "files_seconds": of("file"), "corrected_seconds": of("corrected"),
            "row_seconds": of("row"),
            "digest": {"groups": digest.0, "messages": digest.1, "cents": digest.2, "mixed": digest.3},
        })
    );
    circuit.kill().ok();
    Ok(())
}
