//! Passwords: argon2id with the parameters of the OWASP password storage cheat sheet (19 MiB, 2 passes, 1 lane), computed off the
//! async threads, a few at a time. A bcrypt hash of an earlier system is verified, and replaced when its owner signs in.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use zxcvbn::{Score, zxcvbn};

use crate::problem::Problem;

/// How many are computed at once: each takes 19 MiB and some 20 ms of a core.
static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// Shorter ones are refused.
pub const SHORTEST: usize = 12;
/// Longer ones are refused, in bytes.
pub const LONGEST: usize = 256;

/// What somebody who knows the suite and its trade would try first, beside the parts of the account's address.
pub const WORDS: [&str; 14] = [
    "fandom",
    "intelligence",
    "suite",
    "agency",
    "chatter",
    "creator",
    "manager",
    "analyst",
    "onlyfans",
    "fansly",
    "fanvue",
    "spreadsheet",
    "workbook",
    "whale",
];
/// How hard it must be to guess, of 0 to 4: more than 10^8 guesses, of one who begins with leaked passwords, names, words, dates
/// and rows of keys, and with [`WORDS`].
const HARD: Score = Score::Three;

/// The first 8 bytes of SHA-256 of each of the 10,000 commonest passwords of [`SHORTEST`] characters or more, in lower case; sorted. Made by
/// `scripts/common-passwords`.
static COMMON: &[u8] = include_bytes!("common_passwords.bin");

/// What a password turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The right one.
    Right,
    /// The right one, whose hash should be made anew.
    RightButOld,
    /// Another one.
    Wrong,
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).expect("parameters within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// What is wrong with a new password, if anything.
pub fn complaint(password: &str, email: &str) -> Option<&'static str> {
    let (folded, email) = (password.to_lowercase(), email.to_lowercase());
    if password.chars().count() < SHORTEST {
        Some("has fewer than 12 characters")
    } else if password.len() > LONGEST {
        Some("has more than 256 bytes")
    } else if folded == email || Some(folded.as_str()) == email.split('@').next() {
        Some("is the e-mail address")
    } else if is_common(&folded) {
        Some("is one of those that are tried first")
    } else {
        let own = email.split(|c: char| !c.is_alphanumeric()).filter(|part| part.len() > 2);
        let known: Vec<&str> = own.chain(WORDS).collect();
        let easy = zxcvbn(password, &known).score() < HARD || leans_on(&folded, &known);
        easy.then_some("is easily guessed")
    }
}

/// Whether a password, in lower case, is among the commonest.
fn is_common(folded: &str) -> bool {
    let hash = Sha256::digest(folded.as_bytes());
    let (hashes, _) = COMMON.as_chunks::<8>();
    hashes.binary_search_by(|known| known.as_slice().cmp(&hash[..8])).is_ok()
}

/// Whether a password rests on these words: few letters and digits are left without them. The estimate takes several words for a
/// hard guess, even where all of them are known.
fn leans_on(folded: &str, words: &[&str]) -> bool {
    let rest = words.iter().fold(folded.to_owned(), |rest, word| rest.replace(word, " "));
    rest != folded && rest.chars().filter(|c| c.is_alphanumeric()).count() < SHORTEST - 4
}

/// The hash of a new password.
///
/// # Errors
/// When it cannot be computed: a defect.
pub async fn hash(password: String) -> Result<String, Problem> {
    off_thread(move || {
        let mut salt = [0; 16];
        openssl::rand::rand_bytes(&mut salt).ok()?;
        let salt = SaltString::encode_b64(&salt).ok()?;
        Some(argon2().hash_password(password.as_bytes(), &salt).ok()?.to_string())
    })
    .await?
    .ok_or_else(Problem::internal)
}

/// Compares a password with a stored hash. Without one, it takes as long and is wrong.
///
/// # Errors
/// When it cannot be computed: a defect.
pub async fn verify(password: String, stored: Option<String>) -> Result<Verdict, Problem> {
    off_thread(move || match stored {
        Some(stored) if stored.starts_with("$2") => match bcrypt::verify(password, &stored) {
            Ok(true) => Verdict::RightButOld,
            _ => Verdict::Wrong,
        },
        Some(stored) if password.len() <= LONGEST => match PasswordHash::new(&stored) {
            Ok(hash) if argon2().verify_password(password.as_bytes(), &hash).is_ok() => {
                let current = hash.algorithm.as_str() == "argon2id"
                    && Params::try_from(&hash).is_ok_and(|used| used.m_cost() >= 19_456 && used.t_cost() >= 2);
                if current { Verdict::Right } else { Verdict::RightButOld }
            }
            _ => Verdict::Wrong,
        },
        _ => {
            let mut out = [0; 32];
            let _ = argon2().hash_password_into(b"nobody", b"nobody's salt 16", &mut out);
            Verdict::Wrong
        }
    })
    .await
}

async fn off_thread<T: Send + 'static>(compute: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let _turn = AT_ONCE.acquire().await.map_err(|_| Problem::internal())?;
    tokio::task::spawn_blocking(compute).await.map_err(|_| Problem::internal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_verified_and_an_old_hash_is_noticed() {
        let stored = hash("correct horse battery".into()).await.expect("a hash");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let asked = |password: &str, stored: &str| verify(password.to_owned(), Some(stored.to_owned()));
        assert_eq!(asked("correct horse battery", &stored).await.expect("verified"), Verdict::Right);
        assert_eq!(asked("correct horse batterx", &stored).await.expect("verified"), Verdict::Wrong);
        let old = bcrypt::hash("correct horse battery", 4).expect("a bcrypt hash");
        assert_eq!(asked("correct horse battery", &old).await.expect("verified"), Verdict::RightButOld);
        assert_eq!(asked("wrong", &old).await.expect("verified"), Verdict::Wrong);
        assert_eq!(verify("x".into(), None).await.expect("verified"), Verdict::Wrong);
    }

    #[test]
    fn the_commonest_passwords_are_refused() {
        assert_eq!(COMMON.len(), 10_000 * 8);
        assert!(COMMON.chunks(8).is_sorted());
        // The first, the 3,000th and the 10,000th of the list that are as long as they must be.
        for common in ["123qweasdzxc", "Eugeniy4121999", "euamominhafamilia", "DTHFDKFLBVBHJDYF"] {
            assert_eq!(
                complaint(common, "someone@example.com"),
                Some("is one of those that are tried first"),
                "{common}"
            );
        }
        assert!(!is_common("correct horse battery"));
    }

    #[test]
    fn easy_passwords_are_refused() {
        for easy in ["short", "aaaaaaaaaaaaaa", "123456789012", "someone@example.com", &"x".repeat(257)] {
            assert!(complaint(easy, "Someone@example.com").is_some(), "{easy}");
        }
        // Leaked ones of twelve characters and more, in any case, and what is made of rows of keys.
        for leaked in [
            "Password1234",
            "qwertyuiop123",
            "1q2w3e4r5t6y",
            "iloveyouforever",
            "unbelievable",
            "P@ssw0rd2024",
            "zaq12wsxcde3",
        ] {
            assert!(complaint(leaked, "someone@example.com").is_some(), "{leaked}");
        }
        assert_eq!(complaint("correct horse battery", "someone@example.com"), None);
        assert_eq!(
            complaint(&"naïve łódź 日本 ".repeat(5), "someone@example.com"),
            None,
            "any characters, and 64 of them"
        );
    }

    #[test]
    fn words_of_the_suite_and_of_the_address_are_no_passwords() {
        for easy in
            ["fandomsuite2026", "onlyfans-chatter1", "intelligencesuite", "Zbigniewski2026", "zbigniewskizbigniewski"]
        {
            assert_eq!(complaint(easy, "j.zbigniewski@example.com"), Some("is easily guessed"), "{easy}");
        }
        assert_eq!(
            complaint("Zbigniewski-qoxtuvemal", "j.zbigniewski@example.com"),
            None,
            "with more than that beside it"
        );
    }
}
