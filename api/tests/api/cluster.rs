//! A PostgreSQL server for this test program alone, in a directory of its own, reached by a unix socket.
//!
//! A shell owns it and reads commands from a pipe. When the test program ends, however it ends, the pipe closes, and the
//! shell stops the server and removes the directory.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use fandom_schemas::rights::{self, ACCOUNTS};
use fandom_services::postgres::PostgresSettings;
use tokio::sync::OnceCell;

const SCRIPT: &str = r#"
set -e
dir=$(mktemp -d "${TMPDIR:-/tmp}/fandom-api-test.XXXXXX")
cd "$dir"
trap 'pg_ctl -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
trap '' INT TERM HUP
start() {
    pg_ctl -D "$dir/data" -w -l "$dir/log" start >/dev/null \
        -o "-k $dir -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200" \
        || { cat "$dir/log" >&2; exit 1; }
}
initdb -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
start
echo "$dir"
while read -r command; do
    case $command in
        start) start ;;
        stop) pg_ctl -D "$dir/data" -w -m immediate stop >/dev/null ;;
    esac
    echo done
done
"#;

/// A server.
pub struct Cluster {
    directory: String,
    shell: Mutex<(Child, BufReader<ChildStdout>)>,
    databases: AtomicU32,
}

static SHARED: OnceCell<Cluster> = OnceCell::const_new();

const TEMPLATE: &str = "migrated";

/// Of the parts' accounts. On the socket, nobody asks for it.
const PASSWORD: &str = "asked over the network alone";

impl Cluster {
    /// The server that tests share, its template migrated.
    pub async fn shared() -> &'static Cluster {
        SHARED.get_or_init(Cluster::start).await
    }

    /// A server of one's own.
    pub async fn start() -> Cluster {
        let cluster = tokio::task::spawn_blocking(Cluster::launch).await.expect("the server starts");
        let client = cluster.connect("postgres").await;
        client.batch_execute(&format!("create database {TEMPLATE}")).await.expect("a new database");
        let mut client = cluster.settings(TEMPLATE).connect().await.expect("a connection to the template");
        let accounts = ACCOUNTS.map(|account| (account, PASSWORD.to_owned()));
        rights::make_accounts(&client, &accounts).await.expect("accounts can be made");
        fandom_schemas::migrations::run(&mut client).await.expect("migrations apply");
        cluster
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the shell ends when its pipe closes, so it cannot outlive this process"
    )]
    fn launch() -> Cluster {
        // PostgreSQL refuses to run as root.
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        let path = std::env::var("PATH").unwrap_or_default();
        command.args(["-c", SCRIPT]).env("PATH", format!("{}:{path}", binaries())).env("LC_ALL", "C.UTF-8");
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let mut lines = BufReader::new(shell.stdout.take().expect("its output is piped"));
        let mut directory = String::new();
        lines.read_line(&mut directory).expect("the shell says where the server is");
        assert!(!directory.is_empty(), "PostgreSQL did not start; is it installed (apt-get install postgresql)?");
        let directory = directory.trim().to_owned();
        Cluster { directory, shell: Mutex::new((shell, lines)), databases: AtomicU32::new(0) }
    }

    /// `start` or `stop`: as if the machine lost its power.
    pub fn tell(&self, command: &str) {
        let mut shell = self.shell.lock().expect("no test panicked while it told");
        let stdin = shell.0.stdin.as_mut().expect("its input is piped");
        writeln!(stdin, "{command}").expect("the shell reads");
        let mut answer = String::new();
        shell.1.read_line(&mut answer).expect("the shell answers");
        assert_eq!(answer, "done\n");
    }

    /// How to reach a database.
    pub fn settings(&self, database: &str) -> PostgresSettings {
        PostgresSettings::parse(&format!("host={} user=postgres dbname={database}", self.directory)).expect("it is one")
    }

    /// A new database with the schemas and no rows.
    pub async fn database(&self) -> PostgresSettings {
        self.like(TEMPLATE).await
    }

    /// A new database with nothing in it.
    pub async fn empty(&self) -> PostgresSettings {
        self.like("template0").await
    }

    async fn like(&self, template: &str) -> PostgresSettings {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let client = self.connect("postgres").await;
        client.batch_execute(&format!("create database {name} template {template}")).await.expect("a new database");
        self.settings(&name)
    }

    async fn connect(&self, database: &str) -> tokio_postgres::Client {
        self.settings(database).connect().await.expect("a connection")
    }
}

/// Where the newest installed PostgreSQL has its programs.
fn binaries() -> String {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    newest.map_or_else(String::new, |version| format!("/usr/lib/postgresql/{version}/bin"))
}
