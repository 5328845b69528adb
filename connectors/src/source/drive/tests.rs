//! The client against the simulator.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use fandom_drive_sim::{Faults, Simulator};
use tokio_util::sync::CancellationToken;

use super::api::Api;
use super::credentials::Credentials;
use super::download::{DownloadError, Downloaded, download};
use super::error::DriveError;
use super::http::Http;
use super::item::Kind;
use super::store::Known;
use super::survey::Survey;
use super::token::AccessToken;
use super::tree::{Reach, Tree};

/// A moment, in milliseconds since the Unix epoch.
const TIME: i64 = 1_793_000_000_123;

struct Rig {
    simulator: Simulator,
    api: Arc<Api>,
    dir: tempfile::TempDir,
    folder: String,
}

impl Rig {
    async fn start() -> Rig {
        Rig::with_subject(None).await
    }

    async fn with_subject(subject: Option<&str>) -> Rig {
        let dir = tempfile::tempdir().expect("a directory");
        let key_file = dir.path().join("key.json");
        let simulator = Simulator::start(0, &key_file).await.expect("the simulator starts");
        let text = std::fs::read_to_string(&key_file).expect("a key file");
        let credentials = Credentials::parse(&text, subject.map(str::to_owned)).expect("a key file");
        let api = Arc::new(api(&simulator, credentials));
        let folder = simulator.drive().folder(None, "Exports");
        Rig { simulator, api, dir, folder }
    }

    /// Paths of all files, listed anew.
    async fn listed(&self) -> (Known, Vec<String>) {
        let folders = [self.folder.clone()];
        let (survey, reach) = Survey::list(&self.api, &folders, &Tree::default()).await.expect("a listing");
        (survey.known, paths(&reach))
    }

    /// The same, brought up to date by the changes since.
    async fn followed(&self, known: Known) -> Result<(Known, Vec<String>), DriveError> {
        let folders = [self.folder.clone()];
        let mut survey = Survey::of(&self.api, &folders, known, Default::default());
        let reach = survey.poll(|_| true, &Default::default()).await?.expect("the folder is there");
        Ok((survey.known, paths(&reach)))
    }

    async fn download(&self, id: &str) -> Result<Downloaded, DownloadError> {
        let item = self.api.item(id).await.expect("an item");
        download(&self.api, &item, self.dir.path(), 1 << 30, &CancellationToken::new()).await
    }
}

fn api(simulator: &Simulator, credentials: Credentials) -> Api {
    let http = Http::new(Duration::from_secs(1)).expect("a client");
    let first_wait = Duration::from_millis(2);
    Api::new(http, AccessToken::new(credentials), &simulator.url(), first_wait, CancellationToken::new())
}

fn paths(reach: &Reach) -> Vec<String> {
    let mut paths: Vec<String> = reach.files.iter().map(|file| file.path.clone()).collect();
    paths.sort();
    paths
}

/// Bytes that do not repeat.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test]
async fn a_token_is_kept_and_renewed_before_it_ends_or_when_it_is_refused() {
    let rig = Rig::start().await;
    for _ in 0..5 {
        rig.api.item(&rig.folder).await.expect("an item");
    }
    assert_eq!(rig.simulator.grants(), 1);
    rig.simulator.set_faults(Faults { refused_tokens: 1, token_seconds: 1, ..Faults::default() });
    rig.api.item(&rig.folder).await.expect("an item, with another token");
    assert_eq!(rig.simulator.grants(), 2);
    tokio::time::sleep(Duration::from_millis(850)).await;
    let calls = rig.simulator.calls();
    rig.api.item(&rig.folder).await.expect("an item");
    assert_eq!((rig.simulator.grants(), rig.simulator.calls() - calls), (3, 1), "renewed before it was refused");
    rig.simulator.set_faults(Faults { refused_tokens: 9, ..Faults::default() });
    let error = rig.api.item(&rig.folder).await.expect_err("a second refusal stays");
    assert!(matches!(error, DriveError::Unauthorized(_)) && !error.is_transient(), "{error}");
}

#[tokio::test]
async fn an_assertion_of_another_key_or_for_another_user_is_refused() {
    let (rig, other) = (Rig::start().await, Rig::start().await);
    let text = std::fs::read_to_string(other.dir.path().join("key.json")).expect("a key file");
    let mut wrong = Credentials::parse(&text, None).expect("a key file");
    wrong.token_uri = format!("{}/token", rig.simulator.url());
    let error = api(&rig.simulator, wrong).item(&rig.folder).await.expect_err("another key");
    assert!(error.to_string().contains("Invalid JWT Signature") && !error.is_transient(), "{error}");

    let rig = Rig::with_subject(Some("owner@agency.test")).await;
    let error = rig.api.item(&rig.folder).await.expect_err("nobody allowed it");
    assert!(error.remedy("").contains("domain-wide delegation"), "{error}");
    rig.simulator.delegate("owner@agency.test");
    rig.api.item(&rig.folder).await.expect("on behalf of the owner");
}

#[tokio::test]
async fn calls_are_made_again_until_quota_and_server_recover() {
    let rig = Rig::start().await;
    rig.simulator.set_faults(Faults { quota: 3, server_errors: 2, ..Faults::default() });
    rig.api.item(&rig.folder).await.expect("the sixth attempt");
    rig.simulator.set_faults(Faults { quota: 100, ..Faults::default() });
    let error = rig.api.item(&rig.folder).await.expect_err("too many");
    assert!(matches!(error, DriveError::Quota { .. }), "{error}");
    assert_eq!(rig.simulator.faults().quota, 94, "six attempts");
    rig.simulator.set_faults(Faults { slow_ms: 1_500, ..Faults::default() });
    let error = rig.api.start_page_token("").await.expect_err("too slow");
    assert!(error.to_string().contains("no answer within 1 s"), "{error}");
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_ended() {
    let rig = Rig::start().await;
    let bytes = noise(3_000_000);
    let id = rig.simulator.drive().file(&rig.folder, "a.csv", &bytes, TIME);
    rig.simulator.set_faults(Faults { truncated: 6, ..Faults::default() });
    let downloaded = rig.download(&id).await.expect("all of it");
    assert!(std::fs::read(&downloaded.path).expect("a file") == bytes);
    assert_eq!(rig.simulator.faults().truncated, 0);
    let path = downloaded.path.to_path_buf();
    drop(downloaded);
    assert!(!path.exists(), "a download is deleted when it was read");
}

#[tokio::test]
async fn content_that_differs_from_its_checksum_is_downloaded_again() {
    let rig = Rig::start().await;
    let id = rig.simulator.drive().file(&rig.folder, "a.csv", &noise(100_000), TIME);
    rig.simulator.set_faults(Faults { wrong_checksums: 2, ..Faults::default() });
    rig.download(&id).await.expect("the third is right");
    rig.simulator.set_faults(Faults { wrong_checksums: 3, ..Faults::default() });
    assert!(matches!(rig.download(&id).await, Err(DownloadError::Wrong { what: "checksum" })));
    let left = std::fs::read_dir(rig.dir.path()).expect("a directory").count();
    assert_eq!(left, 1, "nothing is left but the key file");

    // Replaced between listing and download.
    let item = rig.api.item(&id).await.expect("an item");
    rig.simulator.drive().replace(&id, &noise(50_000), TIME + 1);
    let stop = CancellationToken::new();
    let outcome = download(&rig.api, &item, rig.dir.path(), 1 << 30, &stop).await;
    assert!(matches!(outcome, Err(DownloadError::Changed)));
    let item = rig.api.item(&id).await.expect("an item");
    assert!(matches!(
        download(&rig.api, &item, rig.dir.path(), 40_000, &stop).await,
        Err(DownloadError::TooLarge { .. })
    ));
}

#[tokio::test]
async fn a_native_sheet_is_exported_and_too_large_a_one_is_refused_for_good() {
    let rig = Rig::start().await;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("xl/workbook.xml", zip::write::SimpleFileOptions::default()).expect("an entry");
    zip.write_all(&noise(200_000)).expect("content");
    let bytes = zip.finish().expect("a zip").into_inner();
    let id = rig.simulator.drive().sheet(&rig.folder, "Sheet", &bytes, TIME);
    // An export has no checksum: what is cut short or changed on the way is told by the zip's own.
    rig.simulator.set_faults(Faults { truncated: 2, wrong_checksums: 1, ..Faults::default() });
    let downloaded = rig.download(&id).await.expect("exported at the third attempt");
    assert!(std::fs::read(&downloaded.path).expect("a file") == bytes);
    rig.simulator.set_faults(Faults { wrong_checksums: 3, ..Faults::default() });
    assert!(matches!(rig.download(&id).await, Err(DownloadError::Wrong { .. })));
    let large = rig.simulator.drive().sheet(&rig.folder, "Large", &noise(10_000_001), TIME);
    match rig.download(&large).await {
        Err(DownloadError::Drive(error)) => {
            assert!(!error.is_transient() && error.remedy("").contains("split it"), "{error}")
        }
        other => panic!("{:?}", other.err()),
    }
}

#[tokio::test]
async fn a_page_token_that_is_not_known_any_more_is_told_from_other_faults() {
    let rig = Rig::start().await;
    let (known, _) = rig.listed().await;
    rig.simulator.drive().expire_page_tokens();
    assert!(matches!(rig.followed(known.clone()).await, Err(DriveError::StaleToken)));
    rig.simulator.drive().file(&rig.folder, "a.csv", b"a", TIME);
    let (known, paths) = rig.listed().await;
    assert_eq!(paths, ["a.csv"]);
    rig.followed(known.clone()).await.expect("a new token");
    let mut nonsense = known;
    nonsense.tokens.insert(String::new(), "nonsense".into());
    assert!(matches!(rig.followed(nonsense).await, Err(DriveError::StaleToken)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_pages_are_listed_is_neither_missed_nor_doubled() {
    let rig = Rig::start().await;
    let drive = rig.simulator.drive();
    let folders: Vec<String> = (0..4).map(|at| drive.folder(Some(&rig.folder), &at.to_string())).collect();
    let files: Vec<String> = (0..60).map(|at| drive.file(&folders[at % 4], &format!("{at}.csv"), b"x", TIME)).collect();
    rig.simulator.set_faults(Faults { page_size: 4, slow_ms: 3, ..Faults::default() });
    let shuffling = async {
        for (round, id) in files.iter().enumerate() {
            match round % 5 {
                0 => drive.trash(id),
                1 => drive.move_to(id, &folders[(round + 3) % 4]),
                2 => drive.rename(id, &format!("renamed {round}.csv")),
                3 => drop(drive.file(&folders[round % 4], &format!("new {round}.csv"), b"y", TIME)),
                _ => drive.delete(id),
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let ((known, _), ()) = tokio::join!(rig.listed(), shuffling);
    let (_, followed) = rig.followed(known).await.expect("changes");
    let (_, listed) = rig.listed().await;
    assert_eq!(followed, listed);
    assert_eq!(listed.len(), 60 - 24 + 12);
}

#[tokio::test]
async fn folders_are_listed_when_they_come_into_reach_and_forgotten_when_they_leave() {
    let rig = Rig::start().await;
    let drive = rig.simulator.drive();
    let away = drive.folder(None, "Away");
    let below = drive.folder(Some(&away), "Below");
    drive.file(&below, "a.csv", b"a", TIME);
    let top = drive.file(&rig.folder, "top.csv", b"b", TIME);
    let (known, paths) = rig.listed().await;
    assert_eq!(paths, ["top.csv"]);
    drive.move_to(&away, &rig.folder);
    let (known, paths) = rig.followed(known).await.expect("changes");
    assert_eq!(paths, ["Away/Below/a.csv", "top.csv"]);
    drive.trash(&away);
    let (known, paths) = rig.followed(known).await.expect("changes");
    assert_eq!(paths, ["top.csv"]);
    // It changed while nobody looked.
    drive.file(&below, "b.csv", b"c", TIME);
    drive.untrash(&away);
    let (known, paths) = rig.followed(known).await.expect("changes");
    assert_eq!(paths, ["Away/Below/a.csv", "Away/Below/b.csv", "top.csv"]);
    drive.unshare(&top);
    drive.unshare(&below);
    let (known, paths) = rig.followed(known).await.expect("changes");
    assert_eq!(paths, Vec::<String>::new());
    assert_eq!(known.tree.nodes.len(), 2);
}

#[tokio::test]
async fn shortcuts_and_shared_drives_are_followed() {
    let rig = Rig::start().await;
    let drive = rig.simulator.drive();
    let shared = drive.shared_drive("Team");
    let exports = drive.folder(Some(&shared), "Exports of the team");
    drive.file(&exports, "a.csv", b"a", TIME);
    drive.shortcut(&exports, "and back", &rig.folder);
    let single = drive.file(&shared, "single.csv", b"b", TIME);
    drive.shortcut(&rig.folder, "team", &exports);
    let to_file = drive.shortcut(&rig.folder, "single", &single);
    drive.shortcut(&rig.folder, "nowhere", "1nowhere");
    let (known, paths) = rig.listed().await;
    assert_eq!(paths, ["Exports of the team/a.csv", "single.csv"]);
    assert_eq!(known.tokens.len(), 2, "the user's feed and that of the shared drive");
    drive.file(&exports, "b.csv", b"c", TIME);
    drive.trash(&to_file);
    let (known, paths) = rig.followed(known).await.expect("changes");
    assert_eq!(paths, ["Exports of the team/a.csv", "Exports of the team/b.csv"]);
    // It leaves the one drive and comes into the other: two feeds tell of it, in either order.
    drive.move_to(&single, &rig.folder);
    let (known, paths) = rig.followed(known).await.expect("changes");
    assert_eq!(paths.last().map(String::as_str), Some("single.csv"));
    drive.move_to(&single, &exports);
    let (known, paths) = rig.followed(known).await.expect("changes");
    assert_eq!(paths.last().map(String::as_str), Some("Exports of the team/single.csv"));
    let kinds = known.tree.nodes.values().filter(|node| node.item.kind() == Kind::Shortcut).count();
    assert_eq!(kinds, 3);
}
