//! The service account: its key file, and the access tokens that it is given for signed assertions.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fandom_services::jwt::{self, Algorithm, DecodingKey, Pair, Reason, Validation};
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use serde_json::{Value, json};

/// The account's address.
const EMAIL: &str = "reader@fandom-drive-sim.iam.gserviceaccount.com";

/// Any of these lets an account read.
const SCOPES: [&str; 2] = ["https://www.googleapis.com/auth/drive.readonly", "https://www.googleapis.com/auth/drive"];

/// The longest that an assertion may hold, and how far clocks may differ, in seconds.
const LONGEST: i64 = 3600;
const CLOCK: i64 = 300;

pub(crate) struct Account {
    key: DecodingKey,
    token_uri: String,
    tokens: Mutex<HashMap<String, Instant>>,
    subject: Mutex<Option<String>>,
}

/// Why an assertion is refused, in the words of the token endpoint.
pub(crate) struct Refused {
    pub status: u16,
    pub error: &'static str,
    pub description: &'static str,
}

const fn refused(status: u16, error: &'static str, description: &'static str) -> Refused {
    Refused { status, error, description }
}

const MALFORMED: Refused = refused(400, "invalid_grant", "Malformed assertion");
const SIGNATURE: Refused = refused(400, "invalid_grant", "Invalid JWT Signature.");
const ISSUER: Refused = refused(400, "invalid_grant", "Invalid grant: account not found");
const AUDIENCE: Refused = refused(400, "invalid_grant", "Invalid JWT: Failed audience check.");
const TIMES: Refused = refused(
    400,
    "invalid_grant",
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and \
     exp values in the JWT claim.",
);

impl Account {
    /// Takes the key of an earlier life where there is one, and writes the key file.
    pub fn at(key_file: &Path, token_uri: &str) -> io::Result<Account> {
        let kept = fs::read(key_file).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        let kept = kept.and_then(|file| PKey::private_key_from_pem(file["private_key"].as_str()?.as_bytes()).ok());
        let key = match kept {
            Some(key) => key,
            None => PKey::from_rsa(Rsa::generate(2048)?)?,
        };
        let pem = String::from_utf8(key.private_key_to_pem_pkcs8()?).map_err(io::Error::other)?;
        let file = json!({
            "type": "service_account",
            "project_id": "fandom-drive-sim",
            "private_key_id": "simulated",
            "private_key": pem,
            "client_email": EMAIL,
            "client_id": "0",
            "token_uri": token_uri,
        });
        if let Some(parent) = key_file.parent() {
            fs::create_dir_all(parent)?;
        }
        write_private(key_file, serde_json::to_string_pretty(&file)?.as_bytes())?;
        let key = Pair::of(&key).map_err(io::Error::other)?.verifies;
        Ok(Account { key, token_uri: token_uri.to_owned(), tokens: Mutex::default(), subject: Mutex::default() })
    }

    pub fn delegate(&self, subject: &str) {
        *self.subject.lock().unwrap_or_else(PoisonError::into_inner) = Some(subject.to_owned());
    }

    /// Gives a token for an assertion, which holds for so long.
    pub fn grant(&self, assertion: &str, life: Duration) -> Result<String, Refused> {
        let claims = self.claims(assertion)?;
        let scopes = claims["scope"].as_str().unwrap_or_default();
        if !scopes.split(' ').any(|scope| SCOPES.contains(&scope)) {
            return Err(refused(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."));
        }
        let may_be = self.subject.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if claims.get("sub").is_some_and(|sub| sub.as_str() != may_be.as_deref()) {
            return Err(refused(
                401,
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the \
                 scopes requested.",
            ));
        }
        let mut random = [0; 24];
        openssl::rand::rand_bytes(&mut random).map_err(|_| MALFORMED)?;
        let token = format!("simulated.{}", URL_SAFE_NO_PAD.encode(random));
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, ends| *ends > Instant::now());
        tokens.insert(token.clone(), Instant::now() + life);
        Ok(token)
    }

    /// What an assertion says that the account's key has signed, and that is meant for here and now.
    fn claims(&self, assertion: &str) -> Result<Value, Refused> {
        let mut right = Validation::new(Algorithm::RS256);
        right.set_issuer(&[EMAIL]);
        right.set_audience(&[&self.token_uri]);
        right.set_required_spec_claims(&["iss", "aud", "exp"]);
        right.leeway = 0;
        let read = jwt::verify::<Value>(assertion, &self.key, &right).map_err(|error| match error.into_kind() {
            Reason::InvalidSignature | Reason::InvalidAlgorithm => SIGNATURE,
            Reason::InvalidIssuer => ISSUER,
            Reason::InvalidAudience => AUDIENCE,
            Reason::ExpiredSignature => TIMES,
            Reason::MissingRequiredClaim(claim) => match claim.as_str() {
                "iss" => ISSUER,
                "aud" => AUDIENCE,
                _ => TIMES,
            },
            _ => MALFORMED,
        })?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed();
        let times = read.claims["iat"].as_i64().zip(read.claims["exp"].as_i64());
        if times.is_none_or(|(iat, exp)| iat > now + CLOCK || exp - iat > LONGEST) {
            return Err(TIMES);
        }
        Ok(read.claims)
    }

    /// Whether a token was given and still holds.
    pub fn accepts(&self, token: &str) -> bool {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(token).is_some_and(|ends| *ends > Instant::now())
    }
}

#[cfg(unix)]
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

#[cfg(not(unix))]
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::File::create(path)?.write_all(bytes)
}
