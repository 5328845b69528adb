//! A service account's key, and the assertion that it signs.
//!
//! The assertion is a JSON Web Token (RFC 7519) in the profile of RFC 7523, as Google's token endpoint takes it:
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>.

use std::fmt;

use fandom_services::jwt::{self, Algorithm, EncodingKey, Header, Pair};
use openssl::pkey::PKey;
use serde::Deserialize;
use serde_json::json;

/// The only right that is asked for: to read.
pub const SCOPE: &str = "https://www.googleapis.com/auth/drive.readonly";

/// How long an assertion holds, in seconds: the longest that Google takes.
const ASSERTION_SECONDS: i64 = 3600;

/// How far clocks may differ, in seconds.
const CLOCK_SECONDS: i64 = 30;

/// Who reads Drive: a service account, perhaps on behalf of a user.
#[derive(Clone)]
pub struct Credentials {
    /// The account's address, with which folders are shared.
    pub client_email: String,
    /// Where assertions are exchanged for access tokens.
    pub token_uri: String,
    /// The user on whose behalf the account reads, where it may (domain-wide delegation).
    pub subject: Option<String>,
    key_id: Option<String>,
    key: EncodingKey,
}

#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    token_uri: String,
    private_key: String,
    private_key_id: Option<String>,
}

impl Credentials {
    /// Reads the text of a service account's key file, as Google's console gives it.
    ///
    /// # Errors
    /// What is wrong with it, without repeating any of it.
    pub fn parse(text: &str, subject: Option<String>) -> Result<Credentials, String> {
        let file: KeyFile = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("is no service account's key file: it needs type, client_email, token_uri and private_key (line {line}, column {column})")
        })?;
        if file.kind != "service_account" {
            return Err(
                "is not the key of a service account; make one in Google Cloud under IAM, Service accounts, Keys"
                    .into(),
            );
        }
        let key = PKey::private_key_from_pem(file.private_key.as_bytes())
            .map_err(|_| "has a private_key that is no PEM of a private key; download the key file again".to_owned())?;
        let key = Some(key).filter(|key| key.rsa().is_ok()).and_then(|key| Pair::of(&key).ok()).ok_or_else(|| {
            "has a private_key that is no RSA key of at least 2048 bits; download the key file again".to_owned()
        })?;
        let key = key.signs;
        let KeyFile { client_email, token_uri, private_key_id: key_id, .. } = file;
        Ok(Credentials { client_email, token_uri, subject, key_id, key })
    }

    /// An assertion of who asks for what, signed with RS256; `now` is in seconds since the Unix epoch.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn assertion(&self, now: i64) -> Result<String, jwt::Error> {
        let header = Header { kid: self.key_id.clone(), ..Header::new(Algorithm::RS256) };
        let mut claims = json!({
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": self.token_uri,
            // A clock that is a little ahead must not date the assertion into the future.
            "iat": now - CLOCK_SECONDS,
            "exp": now - CLOCK_SECONDS + ASSERTION_SECONDS,
        });
        if let Some(subject) = &self.subject {
            claims["sub"] = json!(subject);
        }
        jwt::sign(&header, &claims, &self.key)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Credentials { client_email, token_uri, subject, .. } = self;
        write!(f, "Credentials {{ {client_email:?}, {token_uri:?}, for {subject:?} }}")
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Credentials) -> bool {
        self.client_email == other.client_email
            && self.token_uri == other.token_uri
            && self.subject == other.subject
            && self.key.inner() == other.key.inner()
    }
}

impl Eq for Credentials {}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use openssl::hash::MessageDigest;
    use openssl::pkey::Private;
    use openssl::rsa::Rsa;
    use openssl::sign::Verifier;

    fn key_file(kind: &str) -> (String, PKey<Private>) {
        let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
        let pem = String::from_utf8(key.private_key_to_pem_pkcs8().expect("a key")).expect("PEM is text");
        let file = json!({
            "type": kind, "client_email": "reader@project.iam.gserviceaccount.com", "private_key_id": "k1",
            "token_uri": "https://oauth2.googleapis.com/token", "private_key": pem,
        });
        (file.to_string(), key)
    }

    #[test]
    fn an_assertion_says_who_asks_for_what_and_is_signed() {
        let (file, key) = key_file("service_account");
        let credentials = Credentials::parse(&file, Some("owner@agency.test".into())).expect("a key file");
        let assertion = credentials.assertion(1_700_000_000).expect("it signs");
        let (signed, signature) = assertion.rsplit_once('.').expect("three parts");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        let mut verifier = Verifier::new(MessageDigest::sha256(), &key).expect("a verifier");
        assert!(verifier.verify_oneshot(&signature, signed.as_bytes()).expect("it can be verified"));
        let (header, claims) = signed.split_once('.').expect("two parts");
        let part = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
        };
        assert_eq!(part(header), json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
        let claims = part(claims);
        assert_eq!(claims["sub"], "owner@agency.test");
        assert_eq!(claims["scope"], SCOPE);
        assert_eq!(claims["aud"], "https://oauth2.googleapis.com/token");
        assert_eq!(claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat), Some(3600));
    }

    #[test]
    fn what_is_wrong_with_a_key_file_is_said_without_its_content() {
        let (other, _) = key_file("authorized_user");
        let reason = Credentials::parse(&other, None).expect_err("another kind");
        assert!(reason.contains("not the key of a service account"), "{reason}");
        for text in ["", "{\"private_key\": \"secret\"}", "secret"] {
            let reason = Credentials::parse(text, None).expect_err("no key file");
            assert!(!reason.contains("secret"), "{reason}");
        }
        let (file, key) = key_file("service_account");
        let other = PKey::generate_ed25519().expect("a key");
        let pem = |key: &PKey<Private>| {
            json!(String::from_utf8(key.private_key_to_pem_pkcs8().expect("a key")).expect("PEM is text")).to_string()
        };
        let reason = Credentials::parse(&file.replace(&pem(&key), &pem(&other)), None).expect_err("no RSA key");
        assert!(reason.contains("no RSA key"), "{reason}");
        let credentials = Credentials::parse(&file, None).expect("a key file");
        assert!(!format!("{credentials:?}").contains("PRIVATE"), "secrets never print");
    }
}
