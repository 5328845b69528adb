//! Several processes as one dataflow, over timely's own TCP connections.

use std::path::Path;

use fandom_services::env::Env;
use timely::WorkerConfig;
use timely::communication::Config as Communication;

/// Which process of a cluster this is.
///
/// - `FANDOM_PROCESSES`: how many processes there are (1).
/// - `FANDOM_PROCESS`: which of them this is, from 0. The first writes the views.
/// - `FANDOM_HOSTS`: a file with the address (`host:port`) of each process, a line each, the same for all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Which process this is.
    pub process: usize,
    /// The addresses of all; none when there is one process.
    pub hosts: Vec<String>,
}

impl Cluster {
    /// Reads the settings; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> Cluster {
        let processes: usize = env.checked("FANDOM_PROCESSES", 1, "a number of processes", |text| {
            text.parse().ok().filter(|count| *count > 0)
        });
        let process: usize = env.parsed("FANDOM_PROCESS", 0, "the number of a process, from 0");
        if process >= processes {
            env.problem("FANDOM_PROCESS", format!("is {process}, but there are {processes} processes, counted from 0"));
        }
        if processes == 1 {
            return Cluster::default();
        }
        let Some(file) = env.text("FANDOM_HOSTS") else {
            env.problem("FANDOM_HOSTS", "is not set; give a file with the host:port of each process, a line each");
            return Cluster::default();
        };
        match read_hosts(Path::new(&file), processes) {
            Ok(hosts) => Cluster { process, hosts },
            Err(problem) => {
                env.problem("FANDOM_HOSTS", problem);
                Cluster::default()
            }
        }
    }

    /// Whether this process writes the views.
    pub fn writes(&self) -> bool {
        self.process == 0
    }

    /// How timely is to run so many workers in each process.
    pub(super) fn config(&self, workers: usize) -> timely::Config {
        if self.hosts.is_empty() {
            return if workers == 1 { timely::Config::thread() } else { timely::Config::process(workers) };
        }
        let communication = Communication::Cluster {
            threads: workers,
            process: self.process,
            addresses: self.hosts.clone(),
            report: false,
            zerocopy: false,
        };
        timely::Config { communication, worker: WorkerConfig::default() }
    }
}

fn read_hosts(file: &Path, processes: usize) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let hosts: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).take(processes).map(str::to_owned).collect();
    if hosts.len() < processes {
        let count = hosts.len();
        return Err(format!("{} has {count} addresses, but there are {processes} processes", file.display()));
    }
    match hosts.iter().find(|host| host.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err())) {
        Some(wrong) => Err(format!("`{wrong}` in {} is not host:port", file.display())),
        None => Ok(hosts),
    }
}

/// Whether a worker's panic says that a connection of the cluster broke.
pub(super) fn is_lost_peer(message: &str) -> bool {
    message.starts_with("MergeQueue poisoned") || message.starts_with("timely communication error")
}
