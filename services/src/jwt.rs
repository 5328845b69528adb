//! JSON Web Tokens: the library `jsonwebtoken`, with OpenSSL beneath it and two algorithms.
//!
//! - EdDSA over Ed25519 (RFC 8037), which signs the API's access tokens.
//! - RS256 (RFC 7518, section 3.3), which signs the assertions of a service account of Google.
//!
//! The library leaves cryptography to a provider, and those that it brings would be a second library of cryptography beside the
//! OpenSSL of connections. The provider here refuses every other algorithm, both to sign and to verify, and a key of another kind
//! than its algorithm's, so neither a token nor a caller can ask for one.

use jsonwebtoken::crypto::{CryptoProvider, JwkUtils, JwtSigner, JwtVerifier};
use jsonwebtoken::errors::{ErrorKind, new_error};
use jsonwebtoken::signature;
use jsonwebtoken::{DecodingKeyKind, TokenData};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{HasPrivate, HasPublic, Id, PKey, Private, Public};
use openssl::rsa::Rsa;
use openssl::sign::{Signer, Verifier};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use jsonwebtoken::errors::{Error, ErrorKind as Reason};
pub use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode_header};

/// The fewest bytes of an RSA key's modulus: RFC 7518 asks for 2048 bits.
const RSA_BYTES: u32 = 256;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        let pkey = private(*algorithm, key)?;
        Ok(Box::new(Keyed { algorithm: *algorithm, key: pkey }))
    },
    verifier_factory: |algorithm, key| {
        let pkey = public(*algorithm, key)?;
        Ok(Box::new(Keyed { algorithm: *algorithm, key: pkey }))
    },
    jwk_utils: JwkUtils::new_unimplemented(),
};

/// A private key and its public one, as the library takes them.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What signs.
    pub signs: EncodingKey,
    /// What verifies.
    pub verifies: DecodingKey,
}

impl Pair {
    /// The pair of an Ed25519 key, or of an RSA key of at least 2048 bits.
    ///
    /// # Errors
    /// When the key is another one.
    pub fn of(key: &PKey<Private>) -> Result<Pair, Error> {
        let (algorithm, pair) = match key.id() {
            Id::ED25519 => (Algorithm::EdDSA, Pair::of_ed25519(key)),
            _ => (Algorithm::RS256, Pair::of_rsa(key)),
        };
        let pair = pair.map_err(|_| new_error(ErrorKind::InvalidKeyFormat))?;
        private(algorithm, &pair.signs)?;
        Ok(pair)
    }

    fn of_ed25519(key: &PKey<Private>) -> Result<Pair, ErrorStack> {
        let signs = EncodingKey::from_ed_der(&key.private_key_to_pkcs8()?);
        Ok(Pair { signs, verifies: DecodingKey::from_ed_der(&key.raw_public_key()?) })
    }

    fn of_rsa(key: &PKey<Private>) -> Result<Pair, ErrorStack> {
        let rsa = key.rsa()?;
        let signs = EncodingKey::from_rsa_der(&rsa.private_key_to_der()?);
        Ok(Pair { signs, verifies: DecodingKey::from_rsa_der(&rsa.public_key_to_der_pkcs1()?) })
    }
}

/// A token of these claims.
///
/// # Errors
/// When the header's algorithm is not one of the two, or not the key's.
#[expect(clippy::disallowed_methods, reason = "the provider is installed")]
pub fn sign(header: &Header, claims: &impl Serialize, key: &EncodingKey) -> Result<String, Error> {
    install();
    jsonwebtoken::encode(header, claims, key)
}

/// What a token says, if the key has signed it and it is as it should be.
///
/// # Errors
/// Why it is not.
#[expect(clippy::disallowed_methods, reason = "the provider is installed")]
pub fn verify<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    validation: &Validation,
) -> Result<TokenData<T>, Error> {
    install();
    jsonwebtoken::decode(token, key, validation)
}

/// The first time it is taken; later it is refused, since it is there.
fn install() {
    let _ = PROVIDER.install_default();
}

fn private(algorithm: Algorithm, key: &EncodingKey) -> Result<PKey<Private>, Error> {
    if key.family() != algorithm.family() {
        return Err(new_error(ErrorKind::InvalidAlgorithm));
    }
    let pkey = match algorithm {
        Algorithm::EdDSA => PKey::private_key_from_pkcs8(key.inner()),
        Algorithm::RS256 => Rsa::private_key_from_der(key.inner()).and_then(PKey::from_rsa),
        _ => return Err(new_error(ErrorKind::InvalidAlgorithm)),
    };
    fit(algorithm, pkey)
}

fn public(algorithm: Algorithm, key: &DecodingKey) -> Result<PKey<Public>, Error> {
    if key.family() != algorithm.family() {
        return Err(new_error(ErrorKind::InvalidAlgorithm));
    }
    let DecodingKeyKind::SecretOrDer(bytes) = key.kind() else { return Err(new_error(ErrorKind::InvalidKeyFormat)) };
    let pkey = match algorithm {
        Algorithm::EdDSA => PKey::public_key_from_raw_bytes(bytes, Id::ED25519),
        Algorithm::RS256 => Rsa::public_key_from_der_pkcs1(bytes).and_then(PKey::from_rsa),
        _ => return Err(new_error(ErrorKind::InvalidAlgorithm)),
    };
    fit(algorithm, pkey)
}

/// A key that could be read and is one for its algorithm.
fn fit<T: HasPublic>(algorithm: Algorithm, key: Result<PKey<T>, ErrorStack>) -> Result<PKey<T>, Error> {
    let fits = |key: &PKey<T>| match algorithm {
        Algorithm::EdDSA => key.id() == Id::ED25519,
        _ => key.rsa().is_ok_and(|rsa| rsa.size() >= RSA_BYTES),
    };
    key.ok().filter(fits).ok_or_else(|| new_error(ErrorKind::InvalidKeyFormat))
}

/// A key, and the algorithm that it is for.
struct Keyed<T> {
    algorithm: Algorithm,
    key: PKey<T>,
}

impl<T> Keyed<T> {
    /// What is signed instead of the message; Ed25519 makes its own.
    fn digest(&self) -> Option<MessageDigest> {
        (self.algorithm == Algorithm::RS256).then(MessageDigest::sha256)
    }
}

impl<T: HasPrivate> Keyed<T> {
    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut signer = match self.digest() {
            Some(digest) => Signer::new(digest, &self.key)?,
            None => Signer::new_without_digest(&self.key)?,
        };
        signer.sign_oneshot_to_vec(message)
    }
}

impl<T: HasPublic> Keyed<T> {
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let mut verifier = match self.digest() {
            Some(digest) => Verifier::new(digest, &self.key)?,
            None => Verifier::new_without_digest(&self.key)?,
        };
        verifier.verify_oneshot(signature, message)
    }
}

impl signature::Signer<Vec<u8>> for Keyed<Private> {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        self.signature(message).map_err(signature::Error::from_source)
    }
}

impl signature::Verifier<Vec<u8>> for Keyed<Public> {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let signed = self.has_signed(message, signature).unwrap_or(false);
        if signed { Ok(()) } else { Err(signature::Error::new()) }
    }
}

impl JwtSigner for Keyed<Private> {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl JwtVerifier for Keyed<Public> {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests;
