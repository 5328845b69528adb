use serde_json::{Value, json};

use super::*;

fn ed25519() -> Pair {
    Pair::of(&PKey::generate_ed25519().expect("a key")).expect("a pair")
}

fn rsa(bits: u32) -> Pair {
    Pair::of(&PKey::from_rsa(Rsa::generate(bits).expect("a key")).expect("a key")).expect("a pair")
}

/// Whatever expires in the year 2100.
fn claims() -> Value {
    json!({ "sub": "someone", "exp": 4_102_444_800_i64 })
}

fn refused(result: Result<impl Sized, Error>) -> ErrorKind {
    result.err().expect("it is refused").into_kind()
}

#[test]
fn either_algorithm_signs_and_no_other_key_verifies() {
    for (algorithm, ours, other) in [(Algorithm::EdDSA, ed25519(), ed25519()), (Algorithm::RS256, rsa(2048), rsa(2048))]
    {
        let token = sign(&Header::new(algorithm), &claims(), &ours.signs).expect("a token");
        let read = verify::<Value>(&token, &ours.verifies, &Validation::new(algorithm)).expect("it is right");
        assert_eq!(read.claims, claims());
        let stranger = verify::<Value>(&token, &other.verifies, &Validation::new(algorithm));
        assert_eq!(refused(stranger), ErrorKind::InvalidSignature);
        let (start, signature) = token.rsplit_once('.').expect("parts");
        let elsewhere = sign(&Header::new(algorithm), &json!({ "exp": 4_102_444_801_i64 }), &ours.signs);
        let elsewhere = elsewhere.expect("a token");
        let moved = format!("{}.{signature}", elsewhere.rsplit_once('.').expect("parts").0);
        let moved = verify::<Value>(&moved, &ours.verifies, &Validation::new(algorithm));
        assert_eq!(refused(moved), ErrorKind::InvalidSignature);
        let bare = verify::<Value>(&format!("{start}."), &ours.verifies, &Validation::new(algorithm));
        assert_eq!(refused(bare), ErrorKind::InvalidSignature);
    }
}

#[test]
fn ed25519_is_that_of_its_standard() {
    // The second test of RFC 8032, section 7.1: a message of one byte.
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
    };
    let private = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let signature = hex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    let key = PKey::private_key_from_raw_bytes(&private, Id::ED25519).expect("a key");
    let pair = Pair::of(&key).expect("a pair");
    let signer = (PROVIDER.signer_factory)(&Algorithm::EdDSA, &pair.signs).expect("a signer");
    assert_eq!(signer.try_sign(&[0x72]).expect("a signature"), signature);
    let verifier = (PROVIDER.verifier_factory)(&Algorithm::EdDSA, &pair.verifies).expect("a verifier");
    assert!(verifier.verify(&[0x72], &signature).is_ok() && verifier.verify(&[0x73], &signature).is_err());
}

#[test]
fn every_other_algorithm_is_refused() {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
    let (ed25519, rsa) = (ed25519(), rsa(2048));
    let secret = (EncodingKey::from_secret(b"secret"), DecodingKey::from_secret(b"secret"));
    let keys =
        [(EdDSA, &ed25519.signs, &ed25519.verifies), (RS256, &rsa.signs, &rsa.verifies), (HS256, &secret.0, &secret.1)];
    let algorithms = [EdDSA, ES256, ES384, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512];
    for (own, signs, verifies) in keys {
        for algorithm in algorithms {
            let serves = algorithm == own && own != HS256;
            assert_eq!((PROVIDER.signer_factory)(&algorithm, signs).is_ok(), serves, "{own:?} to sign {algorithm:?}");
            let verifier = (PROVIDER.verifier_factory)(&algorithm, verifies);
            assert_eq!(verifier.is_ok(), serves, "{own:?} to verify {algorithm:?}");
        }
    }
}

#[test]
fn keys_that_are_weak_or_of_another_kind_are_refused() {
    let weak = Rsa::generate(1024).expect("a key");
    let signs = EncodingKey::from_rsa_der(&weak.private_key_to_der().expect("a document"));
    assert_eq!(refused(sign(&Header::new(Algorithm::RS256), &claims(), &signs)), ErrorKind::InvalidKeyFormat);
    for other in [PKey::from_rsa(weak), PKey::generate_x25519(), PKey::generate_ed448()] {
        assert_eq!(refused(Pair::of(&other.expect("a key"))), ErrorKind::InvalidKeyFormat);
    }
    // A key that says of itself that it is of another kind than it is.
    let disguised = DecodingKey::from_rsa_der(ed25519().verifies.as_bytes());
    assert_eq!(refused((PROVIDER.verifier_factory)(&Algorithm::RS256, &disguised)), ErrorKind::InvalidKeyFormat);
    let other = PKey::generate_x25519().expect("a key").private_key_to_pkcs8().expect("a document");
    let other = EncodingKey::from_ed_der(&other);
    assert_eq!(refused((PROVIDER.signer_factory)(&Algorithm::EdDSA, &other)), ErrorKind::InvalidKeyFormat);
}
