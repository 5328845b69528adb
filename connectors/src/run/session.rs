//! One session: a source, its lock, and files in work.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use fandom_services::kafka::KafkaSettings;
use fandom_services::postgres::PostgresSettings;
use fandom_services::retry::Backoff;
use fandom_services::tasks::{self, Went};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::inspect::inspect;
use super::plan::{Task, plan};
use super::readings::Readings;
use super::root::files_of_another;
use super::{PATIENCE, SessionError};
use crate::isolation::Isolation;
use crate::meters;
use crate::publish::{Broker, Log, LogError, Outcome, PublishError, Publisher};
use crate::reading::Reading;
use crate::source::{Listing, PassedOver, Seen, Source, SourceError, Trouble};
use crate::uploads::{News, Request, StoreError, Upload, Uploads, What};
use crate::workbook::ReadError;

/// How often a connector that waits for another to end asks again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How often Postgres is asked for news, without being woken. It also makes sure that the lock is still held.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How many files are looked into at once for whoever makes a mapping.
const INSPECTED_AT_ONCE: usize = 2;

/// How long files in work may take to notice that the session is over.
const LAST_WAIT: Duration = Duration::from_secs(3);

/// A source, its lock, and files in work.
pub(super) struct Session<S> {
    source: Arc<S>,
    publisher: Arc<Publisher>,
    files_at_once: usize,
    known: HashMap<String, Upload>,
    busy: HashSet<String>,
    jobs: JoinSet<Finished>,
    tasks: VecDeque<Task>,
    /// A look is due as soon as nothing is left to do.
    look_when_done: bool,
    /// Files that could not be had, and when to try again.
    delayed: HashMap<String, Delay>,
    passed_over: HashSet<PassedOver>,
    /// What was said of the source: whether it could be listed, and its troubles.
    said: Option<(bool, Vec<Trouble>)>,
    /// The folder that was last found to be the right one.
    root: Option<String>,
    /// When Postgres was last asked for news; never, or woken since.
    asked: Option<Instant>,
    /// When the states of all files were last counted.
    counted: Option<Instant>,
    /// What `app.tasks` tells of the looks at the source.
    noted: Arc<tasks::Task>,
    wake: watch::Receiver<u64>,
    readings: Readings,
    /// What was asked and can be answered after the next look.
    requests: Vec<Request>,
    /// The requests for which a file is being looked into.
    inspected: HashSet<i64>,
    inspections: JoinSet<i64>,
}

struct Delay {
    not_before: Instant,
    backoff: Backoff,
    /// How the file was shown: where it is shown otherwise, there is no use in waiting.
    seen: Seen,
}

struct Finished {
    file: String,
    seen: Option<Seen>,
    result: Result<(Outcome, Option<Upload>), PublishError>,
}

impl<S: Source> Session<S> {
    /// Connects, waits for the source's lock and reads what is known. `None` when `stop` was called meanwhile.
    pub async fn open(
        files_at_once: usize,
        (kafka, broker): (&KafkaSettings, &Arc<Broker>),
        postgres: &PostgresSettings,
        (reading, isolation): (&Arc<Reading>, &Isolation),
        (source, noted): (&Arc<S>, &Arc<tasks::Task>),
        wake: watch::Receiver<u64>,
        stop: &CancellationToken,
    ) -> Result<Option<Session<S>>, SessionError> {
        let opened = async {
            let connecting = tokio::time::timeout(PATIENCE, postgres.connect());
            let client = connecting.await.map_err(|_| SessionError::ConnectTime)??;
            lock(&client, source.name()).await?;
            let uploads = Uploads::new(Arc::new(client), source.name());
            let before = uploads.time().await?;
            let (kafka, broker, stop) = (kafka.clone(), Arc::clone(broker), stop.clone());
            let name = source.name().to_owned();
            let log = tokio::task::spawn_blocking(move || Log::open(&kafka, &name, &broker, &stop)).await;
            let log = log.unwrap_or(Err(LogError::Stopped))?;
            let known = load(&uploads, &log, before).await?;
            Ok::<_, SessionError>((uploads, log, known))
        };
        let (uploads, log, known) = tokio::select! {
            opened = opened => opened?,
            () = stop.cancelled() => return Ok(None),
        };
        tracing::info!(source = source.name(), files = known.len(), partitions = log.partitions, "source is served");
        let publisher = Publisher {
            log: Arc::new(log),
            uploads,
            reading: Arc::clone(reading),
            isolation: isolation.clone(),
            stop: stop.child_token(),
        };
        Ok(Some(Session {
            source: Arc::clone(source),
            publisher: Arc::new(publisher),
            files_at_once,
            known,
            busy: HashSet::new(),
            jobs: JoinSet::new(),
            tasks: VecDeque::new(),
            look_when_done: false,
            delayed: HashMap::new(),
            passed_over: HashSet::new(),
            said: None,
            root: None,
            asked: None,
            counted: None,
            noted: Arc::clone(noted),
            wake,
            readings: Readings::default(),
            requests: Vec::new(),
            inspected: HashSet::new(),
            inspections: JoinSet::new(),
        }))
    }

    /// Publishes, until `stop` is called or the session is lost.
    pub async fn run(&mut self, stop: &CancellationToken) -> Result<(), SessionError> {
        let result = tokio::select! {
            result = self.serve() => result,
            () = stop.cancelled() => Ok(()),
        };
        self.end().await;
        result
    }

    async fn serve(&mut self) -> Result<(), SessionError> {
        let source = Arc::clone(&self.source);
        self.look().await?;
        loop {
            self.start_tasks();
            meters::waiting(source.name(), self.busy.len() + self.tasks.len());
            self.count();
            let finished = tokio::select! {
                Some(finished) = self.jobs.join_next() => Some(finished),
                () = source.changed() => None,
                Ok(()) = self.wake.changed() => {
                    self.asked = None;
                    None
                }
                Some(inspected) = self.inspections.join_next() => {
                    // Its answer is written; another may begin.
                    self.inspected.remove(&inspected.unwrap_or_default());
                    self.asked = None;
                    None
                }
            };
            match finished {
                Some(Ok(finished)) => {
                    self.finish(finished)?;
                    if self.look_when_done && self.busy.is_empty() && self.tasks.is_empty() {
                        self.look().await?;
                    }
                }
                Some(Err(broken)) if broken.is_panic() => std::panic::resume_unwind(broken.into_panic()),
                Some(Err(_)) => {}
                None => self.look().await?,
            }
        }
    }

    /// Looks at the source and plans anew.
    async fn look(&mut self) -> Result<(), SessionError> {
        if self.asked.is_none_or(|asked| asked.elapsed() > HEARTBEAT) {
            self.ask_for_news().await?;
        }
        let looked = match self.source.look().await {
            Ok(listing) => self.in_its_folder(listing).await?,
            error => error,
        };
        let mut listing = match looked {
            Ok(listing) => listing,
            Err(error) => {
                meters::looked(self.source.name(), false, self.source.every());
                self.tasks.clear();
                let trouble = error.trouble();
                let reason = format!("{}: {}; what to do: {}", trouble.what, trouble.reason, trouble.remedy);
                for request in std::mem::take(&mut self.requests) {
                    self.publisher.uploads.answer(request.id, Err(reason.clone())).await?;
                }
                return self.report(false, vec![trouble]).await;
            }
        };
        meters::looked(self.source.name(), listing.troubles.is_empty(), self.source.every());
        self.report(true, std::mem::take(&mut listing.troubles)).await?;
        self.report_passed_over(&mut listing);
        let most = self.publisher.reading.options.limits.max_file_bytes;
        for seen in listing.files.iter_mut().filter(|seen| seen.size > most) {
            let what = format!("{} bytes", seen.size);
            seen.unusable.get_or_insert_with(|| {
                ReadError::TooLarge { what, most, setting: "FANDOM_MAX_FILE_BYTES" }.to_string()
            });
        }
        self.readings.apply(self.source.name(), &mut listing.files, &self.publisher.reading);
        self.attend(&listing).await?;
        let now = Instant::now();
        let plan = plan(&listing, &self.known, &self.publisher.reading.key, |file| self.busy.contains(file));
        let noted = match plan.note.as_slice() {
            [] => Vec::new(),
            note => self.publisher.uploads.note(note, self.publisher.log.partitions).await?,
        };
        self.tasks = plan.tasks;
        let is_delayed = |seen: &Seen| {
            self.delayed.get(&seen.file).is_some_and(|delay| now < delay.not_before && delay.seen == *seen)
        };
        self.tasks.retain(|task| !matches!(task, Task::Read(seen) if is_delayed(seen)));
        self.look_when_done = plan.waits;
        self.known.extend(noted.into_iter().map(|upload| (upload.file.clone(), upload)));
        Ok(())
    }

    /// Tells the states of all files, unless that was done just now.
    fn count(&mut self) {
        if self.counted.is_none_or(|counted| counted.elapsed() > HEARTBEAT) {
            meters::files(self.source.name(), self.known.values().map(|upload| upload.state));
            self.counted = Some(Instant::now());
        }
    }

    /// Asks Postgres whether mappings or settings of folders have changed, and what was asked of the source.
    async fn ask_for_news(&mut self) -> Result<(), SessionError> {
        let News { generation, requests } = self.publisher.uploads.news().await?;
        if generation != self.readings.generation {
            let (mappings, folders) = self.publisher.uploads.stored_readings().await?;
            self.readings.replace(generation, mappings, folders);
            self.source.pace(&self.readings.intervals());
        }
        if requests.iter().any(|request| request.what == What::Sync) {
            self.source.hurry();
        }
        self.requests = requests;
        self.asked = Some(Instant::now());
        Ok(())
    }

    /// Does what was asked, given what the source shows.
    async fn attend(&mut self, listing: &Listing) -> Result<(), SessionError> {
        for Request { id, what } in std::mem::take(&mut self.requests) {
            let uploads = &self.publisher.uploads;
            let (file, mapping) = match what {
                What::Sync => {
                    uploads.answer(id, Ok(None)).await?;
                    continue;
                }
                What::Unknown(reason) => {
                    uploads.answer(id, Err(reason)).await?;
                    continue;
                }
                What::Reprocess(file) => {
                    // A file in work is left to end; it is asked for again with the next news.
                    if self.busy.contains(&file) {
                        continue;
                    }
                    let answer = match uploads.reread(&file).await? {
                        Some(upload) => {
                            tracing::info!(file, request = id, "file is read again, as was asked");
                            self.delayed.remove(&file);
                            self.known.insert(file, upload);
                            Ok(None)
                        }
                        None => Err("the source shows no such file any more".to_owned()),
                    };
                    uploads.answer(id, answer).await?;
                    continue;
                }
                What::Suggest(file) => (file, None),
                What::Preview(file, mapping) => (file, Some(mapping)),
            };
            if self.inspections.len() >= INSPECTED_AT_ONCE || self.inspected.contains(&id) {
                continue;
            }
            let Some(seen) = listing.files.iter().find(|seen| seen.file == file).cloned() else {
                uploads.answer(id, Err("the source shows no such file any more".to_owned())).await?;
                continue;
            };
            self.inspected.insert(id);
            let (source, publisher) = (Arc::clone(&self.source), Arc::clone(&self.publisher));
            self.inspections.spawn(async move {
                let answer = inspect(&*source, &publisher, &seen, mapping).await;
                if let Err(error) = publisher.uploads.answer(id, answer).await {
                    tracing::warn!(request = id, %error, "a request could not be answered; it is taken up again");
                }
                id
            });
        }
        Ok(())
    }

    /// Says in the log and in `app.sources`, once, whether the source can be looked at.
    async fn report(&mut self, listed: bool, troubles: Vec<Trouble>) -> Result<(), SessionError> {
        let reason = troubles.first().map(|trouble| format!("{}: {}", trouble.what, trouble.reason));
        let next = Some(self.source.every());
        let went = reason.as_deref().map_or(Went::Well(next), |reason| Went::Wrong(reason, next));
        self.publisher.uploads.task(&self.noted, went).await?;
        let now = (listed, troubles);
        if self.said.as_ref() == Some(&now) {
            return Ok(());
        }
        let source = self.source.name();
        let (before, said) = self.said.as_ref().map_or((true, &[][..]), |(listed, said)| (*listed, said));
        for trouble in now.1.iter().filter(|trouble| !said.contains(trouble)) {
            let Trouble { what, reason, remedy, permanent } = trouble;
            tracing::error!(source, what, reason, remedy, permanent, "source cannot be looked at");
        }
        if now.1.is_empty() && !(before && said.is_empty()) {
            tracing::info!(source, "source can be looked at again");
        }
        self.publisher.uploads.stands(listed, &now.1).await?;
        self.said = Some(now);
        Ok(())
    }

    /// The listing, unless it is of another folder than the source's.
    async fn in_its_folder(&mut self, listing: Listing) -> Result<Result<Listing, SourceError>, SessionError> {
        let Some(root) = listing.root.as_ref().filter(|root| self.root.as_ref() != Some(&root.identity)) else {
            return Ok(Ok(listing));
        };
        let uploads = &self.publisher.uploads;
        let before = uploads.root().await?;
        let files = files_of_another(before.as_deref(), root, &listing, &self.known);
        if files > 0 {
            return Ok(Err(SourceError::AnotherFolder { files }));
        }
        uploads.keep_root(&root.identity).await?;
        self.root = Some(root.identity.clone());
        Ok(Ok(listing))
    }

    /// Says once of each thing that is not read why it is not.
    fn report_passed_over(&mut self, listing: &mut Listing) {
        let passed_over: HashSet<PassedOver> = std::mem::take(&mut listing.passed_over).into_iter().collect();
        for PassedOver { name, reason } in passed_over.difference(&self.passed_over) {
            tracing::info!(name, reason, "passed over");
        }
        self.passed_over = passed_over;
    }

    fn start_tasks(&mut self) {
        while self.jobs.len() < self.files_at_once {
            let Some(task) = self.tasks.pop_front() else { return };
            let file = task.file().to_owned();
            let known = self.known.get(&file).cloned();
            self.busy.insert(file.clone());
            let (source, publisher) = (Arc::clone(&self.source), Arc::clone(&self.publisher));
            self.jobs.spawn(async move {
                let outcome = match &task {
                    Task::Read(seen) => publisher.bring(&*source, seen, known.as_ref()).await,
                    Task::Refuse(seen, reason) => publisher.refuse(seen, known.as_ref(), reason).await,
                    Task::Retract(known) => publisher.retract(known).await,
                    Task::Forget(known) => publisher.forget(known).await,
                };
                let result = match outcome {
                    Ok(outcome) => match publisher.uploads.get(&file).await {
                        Ok(upload) => Ok((outcome, upload)),
                        Err(error) => Err(error.into()),
                    },
                    Err(error) => Err(error),
                };
                let seen = if let Task::Read(seen) = task { Some(seen) } else { None };
                Finished { file, seen, result }
            });
        }
    }

    fn finish(&mut self, Finished { file, seen, result }: Finished) -> Result<(), SessionError> {
        self.busy.remove(&file);
        let (outcome, upload) = result?;
        match outcome {
            Outcome::Done => {
                self.delayed.remove(&file);
            }
            Outcome::Changed => {}
            Outcome::Unread | Outcome::Refused => {
                if let Some(seen) = seen {
                    let before = self.delayed.remove(&file).filter(|delay| delay.seen == seen);
                    let mut backoff = before.map_or_else(|| retries(outcome), |delay| delay.backoff);
                    let not_before = Instant::now() + backoff.next_wait();
                    self.delayed.insert(file.clone(), Delay { not_before, backoff, seen });
                }
            }
        }
        if let Some(upload) = upload {
            self.known.insert(file, upload);
        }
        if self.busy.is_empty() && self.tasks.is_empty() {
            // The next look may be a day away.
            self.counted = None;
        }
        Ok(())
    }

    /// Calls off what is under way and lets nothing of it arrive later.
    async fn end(&mut self) {
        self.publisher.stop.cancel();
        self.publisher.log.abandon();
        self.inspections.abort_all();
        let rest = async { while self.jobs.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_WAIT, rest).await.is_err() {
            tracing::warn!(files = ?self.busy, "files in work did not stop in time; they are left to themselves");
            self.jobs.abort_all();
        }
        meters::waiting(self.source.name(), 0);
        meters::files(self.source.name(), std::iter::empty());
    }
}

/// Waiting times of a file that could not be had. One that is refused is asked for again now and then, since rights change
/// without a sign.
fn retries(outcome: Outcome) -> Backoff {
    match outcome {
        Outcome::Refused => Backoff::new(Duration::from_secs(60), Duration::from_secs(1800)),
        _ => Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
    }
}

/// Waits until this session holds the source's lock; it goes with the connection. The server is told to find out within half a
/// minute if this machine is gone, so that the lock is not held by a connection that nobody has.
async fn lock(client: &Client, source: &str) -> Result<(), SessionError> {
    let key = xxhash_rust::xxh3::xxh3_64(format!("fandom connector {source}").as_bytes()).cast_signed();
    let keep_alive = "set tcp_keepalives_idle = 15; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3";
    let told = tokio::time::timeout(PATIENCE, client.batch_execute(keep_alive)).await;
    told.map_err(|_| SessionError::ConnectTime)??;
    let mut waited = false;
    loop {
        let asking = tokio::time::timeout(PATIENCE, client.query_one("select pg_try_advisory_lock($1)", &[&key])).await;
        if asking.map_err(|_| SessionError::ConnectTime)??.get(0) {
            return Ok(());
        }
        if !waited {
            tracing::info!(source, "another connector serves this source; waiting until it ends");
            waited = true;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// What is known of the source's files. Where the log that held them was not there any more when it was looked at after that time, they have
/// to be published anew.
async fn load(uploads: &Uploads, log: &Log, looked_after: SystemTime) -> Result<HashMap<String, Upload>, StoreError> {
    let mut known = HashMap::new();
    let mut lost = 0u64;
    for upload in uploads.load().await? {
        let partition = usize::try_from(upload.partition).unwrap_or(usize::MAX);
        let is_there = log.used.get(partition).copied();
        let upload = if is_there.is_none() || (is_there == Some(false) && upload.live_version.is_some()) {
            lost += 1;
            uploads.start_over(&upload.file, log.partitions).await?
        } else {
            upload
        };
        known.insert(upload.file.clone(), upload);
    }
    let unused = log.used.iter().zip(0..).filter(|(used, _)| !**used).map(|(_, partition)| partition);
    let of_others = uploads.start_over_on(&unused.collect::<Vec<i32>>(), looked_after).await?;
    if known.is_empty() && log.used.contains(&true) && uploads.is_blank().await? {
        tracing::warn!(
            "the log holds files and app.uploads knows none: what was deleted since it was lost still counts; if that is so, \
             delete the topics fandom.rows and fandom.texts and run `fandom topics`, and all files are published anew"
        );
    }
    if lost + of_others > 0 {
        tracing::warn!(
            files = lost,
            files_of_other_sources = of_others,
            "the log does not hold what was published: its topic was made anew; publishing again"
        );
    }
    Ok(known)
}
