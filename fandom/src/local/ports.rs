//! Ports on the loopback interface that stay the same from one start to the next.
//!
//! They are taken from below the range from which the operating system gives ports to outgoing connections: a client
//! that tries again and again to reach a server that is down would otherwise take, now and then, the server's own port.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use rand::Rng;

use super::{LocalError, file_error};

const FROM: u16 = 15_000;
const TO: u16 = 32_000;

/// Whether a server could listen on this port now. A child process that is just being started holds what its parent had
/// open for a moment, so a port that seems taken is tried again.
pub fn is_free(port: u16) -> bool {
    let tries = [0, 5, 20, 60].map(Duration::from_millis);
    tries.into_iter().any(|wait| {
        std::thread::sleep(wait);
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    })
}

/// The ports kept in `file`, each replaced by another where it is missing or taken. The file is written anew when one
/// was replaced.
///
/// # Errors
/// When no port is free, or the file cannot be written.
pub fn kept<const N: usize>(file: &Path) -> Result<[u16; N], LocalError> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let before: Vec<u16> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let mut ports = [0; N];
    for at in 0..N {
        ports[at] = match before.get(at) {
            Some(&port) if !ports[..at].contains(&port) && is_free(port) => port,
            _ => free(&ports[..at])?,
        };
    }
    if before != ports {
        let text = ports.iter().map(|port| format!("{port}\n")).collect::<String>();
        std::fs::write(file, text).map_err(file_error("could not write", file))?;
    }
    Ok(ports)
}

/// A free port that is none of `others`.
///
/// # Errors
/// When no port is free.
pub fn free(others: &[u16]) -> Result<u16, LocalError> {
    let mut random = rand::rng();
    (0..1_000)
        .map(|_| random.random_range(FROM..TO))
        .find(|port| !others.contains(port) && is_free(*port))
        .ok_or(LocalError::NoPort { from: FROM, to: TO })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_stay_unless_taken() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("ports");
        let first: [u16; 2] = kept(&file).expect("ports");
        assert_ne!(first[0], first[1]);
        assert_eq!(kept::<2>(&file).expect("ports"), first);
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first[0])).expect("it was free");
        let second: [u16; 2] = kept(&file).expect("ports");
        assert_ne!(second[0], first[0]);
        assert_eq!(second[1], first[1]);
        assert_eq!(kept::<2>(&file).expect("ports"), second);
    }
}
