//! Webhooks as their makers publish them.

use serde_json::Value;
use spillway_decode::{
    Limits,
    webhook::{
        cloudevents, github,
        signature::{Signature, Signer},
    },
};
use spillway_model::event::EventBody;

use crate::sample;

const NOW: i64 = 1_790_000_000_000_000_000;

#[test]
fn the_published_signature_of_standard_webhooks_counts_and_is_too_old_today() {
    let Some(vector) = sample("webhooks/standard-webhooks-vector.json") else { return };
    let vector: Value = serde_json::from_slice(&vector).unwrap();
    let text = |key: &str| vector[key].as_str().unwrap();
    let signers = [Signer::parse(&format!("vector:{}", text("secret"))).unwrap()];
    let signature = Signature::of(|name| vector[name].as_str()).unwrap().unwrap();
    let (body, at_s) = (text("body").as_bytes(), text("webhook-timestamp").parse::<i64>().unwrap());

    assert_eq!(signature.verify(&signers, body, at_s).unwrap().name(), "vector");
    assert!(signature.verify(&signers, b"{}", at_s).is_err());
    assert!(signature.verify(&signers, body, NOW / 1_000_000_000).is_err());
}

#[test]
fn a_deployment_as_github_documents_it_is_a_change() {
    let Some(body) = sample("webhooks/github-deployment_status.json") else { return };
    let posted = github("deployment_status", &body, &Limits::default(), NOW).unwrap();

    let [(_, events)] = &posted.by_source[..] else { panic!("{posted:?}") };
    assert_eq!((&*events[0].service.name, &*events[0].service.environment), ("Hello-World", "production"));
    let EventBody::Change { version, title, url, .. } = &events[0].body else { panic!("{events:?}") };
    assert_eq!((&**version, &**url), ("master", "https://github.com/Codertocat/Hello-World"));
    assert_eq!(&**title, "Deployed master (f95f852) to production by Codertocat");
}

#[test]
fn cloudevents_of_the_specification_are_left_out_with_their_type_as_the_reason() {
    for number in 1..=5 {
        let Some(body) = sample(&format!("cloudevents/0{number}-structured.json")) else { return };
        let posted = cloudevents::structured(&body, &Limits::default(), NOW).unwrap();
        assert!(posted.by_source.is_empty());
        assert_eq!(posted.ignored.keys().collect::<Vec<_>>(), ["type `com.example.someevent` means nothing here"]);
    }
    let Some(body) = sample("cloudevents/06-batch.json") else { return };
    let posted = cloudevents::batch(&body, &Limits::default(), NOW).unwrap();
    assert_eq!((posted.by_source.len(), posted.ignored.values().sum::<u32>()), (0, 2));
    // Of a type that means something the sample's data would have to be base64.
    let Some(body) = sample("cloudevents/01-structured.json") else { return };
    let ours = String::from_utf8(body).unwrap().replace("com.example.someevent", "spillway.health.v1");
    let error = cloudevents::structured(ours.as_bytes(), &Limits::default(), NOW).unwrap_err();
    assert_eq!(error.to_string(), "/data_base64: is not valid base64");
}
