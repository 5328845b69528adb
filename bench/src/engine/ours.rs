//! The two views by the operators of this suite's dataflow.
//!
//! ```text
//!  changes ─▶ dedup ─┬▶ combine ─▶ sum by creator, chatter, day ─┐
//!                    └▶ keyed by creator, fan ───────────────────┴▶ rows ─▶ probe
//! ```

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use anyhow::{Context, anyhow};
use differential_dataflow::{AsCollection, VecCollection};
use fandom_dataflows::engine::combine::combine;
use fandom_dataflows::engine::keyed::{Parts, State, keyed, sum};
use fandom_dataflows::facts::dedup::dedup;
use fandom_dataflows::facts::key::{Key, route_of_fan};
use fandom_dataflows::facts::{Change as Changed, FileVersion, Holder, Message};
use fandom_dataflows::runtime::{Epoch, FIRST_LIVE_EPOCH};
use timely::dataflow::operators::Input;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::vec::Map;

use super::changes::{Change, Step};
use super::{Digest, Measured};
use crate::sight;

/// Changes that a worker gives its dataflow before it works.
const AT_ONCE: usize = 4_096;

/// Messages, of them with a price, of them bought, cents of these.
type Sums = (i64, i64, i64, i64);
/// A view's row: which view, and its numbers.
type Row = (u8, [u64; 7]);

/// What is known of a fan: messages and cents, and when they came.
#[derive(Default)]
struct Fan {
    messages: i64,
    cents: i64,
    seen: Parts<i64, i64>,
}

impl State<i64, (i64, i64)> for Fan {
    fn update(&mut self, sent_at: i64, (messages, cents): (i64, i64)) {
        self.messages += messages;
        self.cents += cents;
        self.seen.update(sent_at, messages);
    }

    fn is_empty(&self) -> bool {
        self.messages == 0 && self.seen.is_empty()
    }

    fn heap_bytes(&self) -> usize {
        self.seen.heap_bytes()
    }
}

fn views<'scope>(facts: VecCollection<'scope, Epoch, Message, isize>) -> VecCollection<'scope, Epoch, Row, isize> {
    let days = facts.clone().inner.map(|(message, epoch, diff)| {
        let (ppv, unlocked) = (i64::from(message.is_ppv()), i64::from(message.is_unlocked()));
        let times = diff as i64;
        let sums: Sums = (times, times * ppv, times * unlocked, times * unlocked * message.price_cents);
        ((message.creator, message.chatter, message.sent_at.div_euclid(86_400)), epoch, sums)
    });
    let days = sum(combine(days.as_collection(), "days"), "Days", |(creator, chatter, day), sums: &Sums| {
        let (messages, ppvs, unlocked, cents) = *sums;
        let figures = [day.cast_unsigned(), messages as u64, ppvs as u64, unlocked as u64, cents as u64];
        (messages != 0).then_some((0, [*creator, *chatter, figures[0], figures[1], figures[2], figures[3], figures[4]]))
    });
    let fans = facts.inner.map(|(message, epoch, diff)| {
        let times = diff as i64;
        let cents = if message.is_unlocked() { message.price_cents } else { 0 };
        (((message.creator, message.fan), message.sent_at), epoch, (times, times * cents))
    });
    let route = |(creator, fan): &(u64, u64)| route_of_fan(*creator, *fan);
    let fans = keyed(fans.as_collection(), "Fans", route, |(creator, fan), state: &Fan, _, rows| {
        let (first, last) = (state.seen.first().copied(), state.seen.last().copied());
        let seen = [first.unwrap_or_default().cast_unsigned(), last.unwrap_or_default().cast_unsigned()];
        rows.push(((1, [*creator, *fan, state.messages as u64, state.cents as u64, seen[0], seen[1], 0]), 1));
    });
    days.concat(fans)
}

/// Takes the steps one after the other.
#[expect(clippy::disallowed_methods, reason = "the operators are measured without the rest of the runtime")]
pub(super) fn run(steps: Vec<Step>, workers: usize) -> anyhow::Result<Measured> {
    let (steps, ready) = (Arc::new(steps), Arc::new(Barrier::new(workers)));
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (own, rows) = (worker.index(), Rc::new(RefCell::new(HashMap::<Row, isize>::new())));
        let taken = Rc::clone(&rows);
        let (mut input, probe) = worker.dataflow::<Epoch, _, _>(|scope| {
            let (input, changes) = scope.new_input();
            let rows = views(dedup(changes, "messages").facts).inspect(move |(row, _, diff)| {
                let mut rows = taken.borrow_mut();
                let count = rows.entry(*row).or_default();
                *count += diff;
                if *count == 0 {
                    rows.remove(row);
                }
            });
            (input, rows.inner.probe().0)
        });
        let mut measured = Measured {
            name: "ours".to_owned(),
            workers,
            history_seconds: 0.0,
            history_bytes: 0,
            files_seconds: Vec::new(),
            corrected_seconds: Vec::new(),
            row_seconds: Vec::new(),
            digest: Digest::default(),
        };
        let before = sight::memory_of(std::process::id()).map_or(0, |(now, _)| now);
        let mut files = Files::default();
        let mut epoch = 0;
        for step in steps.iter() {
            ready.wait();
            let begun = Instant::now();
            let share = step.changes.chunks(AT_ONCE).skip(own).step_by(workers);
            for chunk in share {
                chunk.iter().for_each(|change| input.send(files.changed(change)));
                if chunk.len() == AT_ONCE {
                    worker.step();
                }
            }
            epoch = if step.name == "history" { FIRST_LIVE_EPOCH } else { epoch + 1 };
            input.advance_to(epoch);
            input.flush();
            while probe.less_than(&epoch) {
                worker.step();
            }
            let seconds = begun.elapsed().as_secs_f64();
            match step.name.as_str() {
                "history" => {
                    measured.history_seconds = seconds;
                    let now = sight::memory_of(std::process::id()).map_or(0, |(now, _)| now);
                    measured.history_bytes = now.saturating_sub(before);
                }
                "file" => measured.files_seconds.push(seconds),
                "corrected" => measured.corrected_seconds.push(seconds),
                _ => measured.row_seconds.push(seconds),
            }
        }
        for ((view, numbers), count) in rows.borrow().iter() {
            assert_eq!(*count, 1, "a row is there once");
            let (messages, cents, known) =
                if *view == 0 { (numbers[3], numbers[6], 7) } else { (numbers[2], numbers[3], 6) };
            measured.digest.add(messages.cast_signed(), cents.cast_signed(), &numbers[..known]);
        }
        measured
    });
    let all = guards.map_err(|reason| anyhow!(reason))?.join();
    let mut all =
        all.into_iter().collect::<std::result::Result<Vec<_>, _>>().map_err(|reason| anyhow!(reason))?.into_iter();
    let mut first = all.next().context("there is a worker")?;
    for other in all {
        first.digest.groups += other.digest.groups;
        first.digest.messages += other.digest.messages;
        first.digest.cents += other.digest.cents;
        first.digest.mixed = first.digest.mixed.wrapping_add(other.digest.mixed);
    }
    Ok(first)
}

/// The versions of files, each held once.
#[derive(Default)]
struct Files(HashMap<u64, Arc<FileVersion>>);

impl Files {
    fn changed(&mut self, change: &Change) -> Changed<Message> {
        let file = self.0.entry(change.order).or_insert_with(|| {
            let at = change.order.cast_signed();
            Arc::new(FileVersion {
                exported_at: at,
                modified_at: at,
                file: "bench".into(),
                version: change.order,
                id: 1,
            })
        });
        let message = Message {
            creator: change.creator,
            chatter: change.chatter,
            fan: change.fan,
            sent_at: change.sent_at,
            price_cents: change.price_cents,
            characters: 0,
            reply_seconds: Message::NO_REPLY,
            mass: false,
            purchased: change.purchased,
            fan_replied: false,
        };
        Changed {
            key: Key(change.key),
            holder: Holder { file: Arc::clone(file), sheet: 0 },
            fact: change.present.then_some(message),
        }
    }
}
