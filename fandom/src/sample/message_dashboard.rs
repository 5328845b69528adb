//! The workbooks `Message Dashboard`: what was sent to whom, and whether it was bought by then.

use std::collections::VecDeque;
use std::path::Path;
use std::thread;

use fandom_schemas::rows::Kind;

use super::SampleFile;
use super::agency::Agency;
use super::book::Book;
use super::cells::{self, NONE};
use super::conversations::{Message, play};
use super::dice::Dice;
use super::exports::Export;
use super::watches::Watch;
use super::words::fan_words;

const HEADERS: [&str; 12] = [
    "Sender",
    "Creator",
    "Fans Message",
    "Creator Message",
    "Sent time",
    "Sent date",
    "Replay time",
    "Price",
    "Purchased",
    "Source",
    "Status",
    "Sent to",
];

/// Writes every export, in parts of at most `rows_per_file` rows, as many at a time as there are processors.
///
/// In memory are the messages of one watch and, for each processor and one more, those of a part.
pub(super) fn write(
    agency: &Agency,
    watches: &[Watch],
    exports: &[Export],
    rows_per_file: usize,
    folder: &Path,
) -> anyhow::Result<Vec<SampleFile>> {
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let mut files = Vec::new();
    thread::scope(|scope| {
        let mut writing = VecDeque::new();
        for (number, export) in exports.iter().enumerate() {
            for (part, messages) in (0..).zip(Parts::new(agency, watches, export, rows_per_file)) {
                if writing.len() >= at_once
                    && let Some(oldest) = writing.pop_front()
                {
                    files.push(finished(oldest)?);
                }
                let blank = if number % 2 == 0 { NONE } else { "" };
                writing.push_back(scope.spawn(move || write_part(agency, export, part, &messages, blank, folder)));
            }
        }
        for rest in writing {
            files.push(finished(rest)?);
        }
        Ok(files)
    })
}

fn finished(writing: thread::ScopedJoinHandle<'_, anyhow::Result<SampleFile>>) -> anyhow::Result<SampleFile> {
    writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The messages of an export in order of time, a part at a time. An export without messages has one empty part.
struct Parts<'a> {
    agency: &'a Agency,
    watches: std::slice::Iter<'a, Watch>,
    rows_per_file: usize,
    held: VecDeque<Message>,
    begun: bool,
}

impl<'a> Parts<'a> {
    fn new(agency: &'a Agency, watches: &'a [Watch], export: &Export, rows_per_file: usize) -> Parts<'a> {
        let from = watches.partition_point(|watch| watch.day < export.first_day);
        let to = watches.partition_point(|watch| watch.day <= export.last_day);
        Parts { agency, watches: watches[from..to].iter(), rows_per_file, held: VecDeque::new(), begun: false }
    }
}

impl Iterator for Parts<'_> {
    type Item = Vec<Message>;

    fn next(&mut self) -> Option<Vec<Message>> {
        while self.held.len() < self.rows_per_file
            && let Some(watch) = self.watches.next()
        {
            self.held.extend(play(self.agency, watch).messages);
        }
        let part: Vec<Message> = self.held.drain(..self.rows_per_file.min(self.held.len())).collect();
        let is_first = !std::mem::replace(&mut self.begun, true);
        (is_first || !part.is_empty()).then_some(part)
    }
}

/// Newest first, as the tool lists them.
fn write_part(
    agency: &Agency,
    export: &Export,
    part: u32,
    messages: &[Message],
    blank: &str,
    folder: &Path,
) -> anyhow::Result<SampleFile> {
    let (name, moment) = (export.file_name(part), export.part_moment(part));
    let mut dice = Dice::new(agency.seed, &name, 0);
    let creators: Vec<String> = (0..).zip(&agency.creators).map(|(place, _)| agency.creator_label(place)).collect();
    let mut book = Book::new(moment)?;
    let mut sheet = book.sheet("Message Dashboard", &HEADERS)?;
    for message in messages.iter().rev() {
        let (local, fan) = (agency.local(message.at), &agency.fans[message.fan as usize]);
        sheet.text_or_blank(message.chatter.map_or(blank, |chatter| &agency.chatters[usize::from(chatter)].name))?;
        sheet.text(creators[usize::from(message.creator)].as_str())?;
        sheet.text_or_blank(message.answers.map_or(blank, |(words, _)| fan_words(words)))?;
        sheet.text(message.text.markup())?;
        sheet.text(cells::clock(local))?;
        sheet.text(cells::long_date(local.date()))?;
        match message.answers {
            Some((_, waited)) => sheet.text(cells::reply_time(u64::from(waited)))?,
            None => sheet.text_or_blank(blank)?,
        }
        match message.price_cents {
            0 if dice.chance(0.3) => sheet.text("$0.00")?,
            0 => sheet.text_or_blank(blank)?,
            cents => sheet.cell(cells::money(&mut dice, i64::from(cents)))?,
        }
        sheet.text(if message.is_bought(export.moment) { "yes" } else { "no" })?;
        sheet.text(message.source.name())?;
        sheet.text(if dice.chance(0.7) { "Read" } else { "Sent" })?;
        sheet.text(format!("{} ({})", fan.nickname(export.moment), fan.username))?;
        sheet.end_row();
    }
    let rows = sheet.rows();
    Ok(SampleFile { path: book.save(folder, &name)?, kind: Kind::Message, rows })
}
