//! Recovery codes, for who has lost the authenticator.

use deadpool_postgres::Transaction;

use crate::accounts::tokens;
use crate::database::refused;
use crate::problem::Problem;

/// How many an account has.
const CODES: usize = 10;
/// Lower-case letters and digits that are not taken for each other, of which there are 32.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Whether this is a recovery code of an account; then it holds no more.
pub(super) async fn takes(change: &Transaction<'_>, user: &str, code: &str) -> Result<bool, Problem> {
    let take = "delete from app.recovery_codes where user_id = $1 and hash = $2";
    let hash = hash_of(code);
    Ok(change.execute(take, &[&user, &hash]).await.map_err(|error| refused(&error))? == 1)
}

/// The hash of a recovery code, however it is grouped.
fn hash_of(code: &str) -> Vec<u8> {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    tokens::digest(&format!("recovery:{plain}"))
}

/// New recovery codes of an account, in place of those before.
pub(super) async fn make(change: &Transaction<'_>, user: &str) -> Result<Vec<String>, Problem> {
    let forget = "delete from app.recovery_codes where user_id = $1";
    change.execute(forget, &[&user]).await.map_err(|error| refused(&error))?;
    let codes: Vec<String> = (0..CODES).map(|_| code()).collect::<Option<_>>().ok_or_else(Problem::internal)?;
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| hash_of(code)).collect();
    let keep = "insert into app.recovery_codes (hash, user_id) select hash, $2 from unnest($1::bytea[]) hash";
    change.execute(keep, &[&hashes, &user]).await.map_err(|error| refused(&error))?;
    Ok(codes)
}

/// Four groups of six letters and digits, each of five random bits.
fn code() -> Option<String> {
    let mut bytes = [0; 24];
    openssl::rand::rand_bytes(&mut bytes).ok()?;
    let letters: Vec<char> = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    Some(letters.chunks(6).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_codes_are_found_however_they_are_typed() {
        let code = super::code().expect("random bytes");
        assert_eq!(code.len(), 27, "{code}");
        assert_eq!(hash_of(&code), hash_of(&format!(" {} ", code.to_uppercase().replace('-', " "))));
        assert_ne!(hash_of(&code), hash_of(&super::code().expect("another")));
    }
}
