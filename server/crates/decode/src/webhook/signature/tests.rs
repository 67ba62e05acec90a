//! Signatures, with the vectors that their makers publish.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
use proptest::prelude::*;

use super::*;

/// The one of GitHub's documentation, "Validating webhook deliveries".
const GITHUB: (&str, &[u8], &str) = (
    "docs:It's a Secret to Everybody",
    b"Hello, World!",
    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
);
const NOW_S: i64 = 1_700_000_000;
const BODY: &[u8] = b"{\"test\": 1}";

fn signers(secrets: &[&str]) -> Vec<Signer> {
    secrets.iter().map(|secret| Signer::parse(secret).unwrap()).collect()
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of(headers: &[(&str, &str)]) -> Result<Option<Signature>, BadSignature> {
    Signature::of(|name| headers.iter().find(|(have, _)| *have == name).map(|(_, value)| *value))
}

fn standard(timestamp: i64, signatures: &str) -> Signature {
    let timestamp = timestamp.to_string();
    of(&[("webhook-id", "msg_1"), ("webhook-timestamp", &timestamp), ("webhook-signature", signatures)])
        .unwrap()
        .unwrap()
}

fn signed(key: &[u8], timestamp: i64) -> String {
    let timestamp = timestamp.to_string();
    format!("v1,{}", BASE64.encode(mac(key, &[b"msg_1.", timestamp.as_bytes(), b".", BODY])))
}

#[test]
fn the_vector_of_github_counts_and_no_other_body_does() {
    let (secret, body, signature) = GITHUB;
    let signature = of(&[("x-hub-signature-256", signature)]).unwrap().unwrap();
    let signers = signers(&["other:0123456789abcdef", secret]);

    assert_eq!(signature.verify(&signers, body, NOW_S).unwrap().name(), "docs");
    assert_eq!(signature.verify(&signers, b"Hello, World?", NOW_S).unwrap_err(), BadSignature::Wrong);
    assert_eq!(signature.verify(&signers[..1], body, NOW_S).unwrap_err(), BadSignature::Wrong);
    assert_eq!(signature.verify(&[], body, NOW_S).unwrap_err(), BadSignature::Wrong);
}

#[test]
fn a_standard_signature_counts_for_five_minutes_and_any_of_several_does() {
    let key = [7; 32];
    let signers = signers(&[&format!("ci:whsec_{}", BASE64.encode(key))]);
    let good = signed(&key, NOW_S);
    let several = format!("v1a,bm90IGNoZWNrZWQ= {} {good}", signed(&[8; 32], NOW_S));

    assert_eq!(standard(NOW_S, &good).verify(&signers, BODY, NOW_S).unwrap().name(), "ci");
    assert!(standard(NOW_S, &several).verify(&signers, BODY, NOW_S).is_ok());
    for seconds in [-300, 300] {
        assert!(standard(NOW_S, &good).verify(&signers, BODY, NOW_S + seconds).is_ok());
    }
    for seconds in [-301, 301, i64::MAX - NOW_S] {
        let error = standard(NOW_S, &good).verify(&signers, BODY, NOW_S + seconds).unwrap_err();
        assert_eq!(error, BadSignature::Stale);
    }
    let other_time = standard(NOW_S + 1, &good).verify(&signers, BODY, NOW_S).unwrap_err();
    let other_body = standard(NOW_S, &good).verify(&signers, b"{}", NOW_S).unwrap_err();
    let only_ed25519 = standard(NOW_S, "v1a,bm90IGNoZWNrZWQ=").verify(&signers, BODY, NOW_S).unwrap_err();
    let no_base64 = standard(NOW_S, "v1,***").verify(&signers, BODY, NOW_S).unwrap_err();
    assert_eq!(
        [other_time, other_body, only_ed25519, no_base64],
        [BadSignature::Wrong, BadSignature::Wrong, BadSignature::Malformed, BadSignature::Malformed]
    );
    assert_eq!(of(&[("webhook-signature", &good)]), Err(BadSignature::Incomplete));
}

#[test]
fn grafana_signs_the_body_alone_or_with_a_time() {
    let (key, signers) = (b"0123456789abcdef", signers(&["grafana:0123456789abcdef"]));
    let plain = hex(&mac(key, &[BODY]));
    let timed = hex(&mac(key, &[b"1700000000:", BODY]));
    let with = |signature: &str, timestamp: Option<&str>| {
        let mut headers = vec![("x-grafana-alerting-signature", signature)];
        headers.extend(timestamp.map(|timestamp| ("x-grafana-alerting-timestamp", timestamp)));
        of(&headers).unwrap().unwrap()
    };

    assert!(with(&plain, None).verify(&signers, BODY, NOW_S).is_ok());
    assert!(with(&plain.to_uppercase(), None).verify(&signers, BODY, NOW_S).is_ok());
    assert!(with(&timed, Some("1700000000")).verify(&signers, BODY, NOW_S + 60).is_ok());
    assert_eq!(with(&timed, None).verify(&signers, BODY, NOW_S).unwrap_err(), BadSignature::Wrong);
    assert_eq!(with(&plain, Some("1700000000")).verify(&signers, BODY, NOW_S).unwrap_err(), BadSignature::Wrong);
    assert_eq!(with(&timed, Some("1700000000")).verify(&signers, BODY, NOW_S + 301).unwrap_err(), BadSignature::Stale);
    assert_eq!(with("abc", None).verify(&signers, BODY, NOW_S).unwrap_err(), BadSignature::Malformed);
    assert_eq!(with("zz", None).verify(&signers, BODY, NOW_S).unwrap_err(), BadSignature::Malformed);
}

#[test]
fn a_request_without_a_signature_has_none() {
    assert_eq!(of(&[("webhook-id", "1"), ("x-hub-signature", "sha1=00")]), Ok(None));
}

#[test]
fn a_secret_that_cannot_be_one_is_refused_without_being_told() {
    for bad in
        ["0123456789abcdef", ":0123456789abcdef", "a b:0123456789abcdef", "ci:short", "ci:whsec_?", "ci:whsec_c2hvcnQ="]
    {
        let error = Signer::parse(bad).unwrap_err();
        assert!(!error.contains("0123456789") && !error.contains("c2hvcnQ"), "{bad}: {error}");
    }
    let signer = Signer::parse("ci: whsec_MDEyMzQ1Njc4OWFiY2RlZg").unwrap();
    assert_eq!((signer.name(), &signer.key[..]), ("ci", &b"0123456789abcdef"[..]));
    assert!(!format!("{signer:?}").contains("key"), "{signer:?}");
}

proptest! {
    #[test]
    fn whatever_stands_in_the_headers_never_panics_and_never_counts(a in "\\PC{0,40}", b in "\\PC{0,40}", c in "\\PC{0,80}") {
        let signers = signers(&["ci:0123456789abcdef"]);
        for headers in [
            vec![("webhook-id", &*a), ("webhook-timestamp", &*b), ("webhook-signature", &*c)],
            vec![("x-hub-signature-256", &*c)],
            vec![("x-grafana-alerting-signature", &*c), ("x-grafana-alerting-timestamp", &*b)],
        ] {
            prop_assert!(of(&headers).unwrap().unwrap().verify(&signers, BODY, NOW_S).is_err());
        }
    }
}
