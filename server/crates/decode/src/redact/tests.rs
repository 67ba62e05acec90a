#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use proptest::prelude::*;
use spillway_model::{
    batch::{EventRow, LinkRow, Resource, Scope, SpanBatchBuilder, SpanRow, ValueRef},
    event::{BreakerState, ChangeKind, Guard, HealthStatus, LimitState},
    identity::{ServiceKey, SpanId, TraceId},
};

use super::*;
use crate::otlp::{
    protobuf::wire,
    value::{Tree, tree},
};

/// What no reader may ever see. Letters and digits only, so that every rule takes it whole.
const CANARY: &str = "Canary7f3a9";

fn redactor() -> Redactor {
    Redactor::new(&RedactionRules::default()).unwrap()
}

/// Everything that a reader or an encoder of the batch can reach.
fn reachable(batch: &SpanBatch) -> Vec<u8> {
    let mut all = Vec::new();
    for (id, _) in batch.referenced_strings().into_iter().enumerate().filter(|(_, referenced)| *referenced) {
        all.extend_from_slice(batch.str(StrId(id as u32)).as_bytes());
        all.push(0);
    }
    // All bytes, not only those that a value points to: what was replaced must be overwritten.
    all.extend_from_slice(&batch.bytes);
    all
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// Everywhere that text can stand in a request. The last ones are attribute values of several kinds.
const PLACES: usize = 22;

/// One span and its surroundings, with a text at one place and harmless ones everywhere else.
fn batch_with(place: usize, text: &str, key: &str) -> SpanBatch {
    let mut b = SpanBatchBuilder::new();
    let at = |here: usize| if here == place { text } else { "harmless" };
    let key_at = |here: usize| if here == place { key } else { "some.key" };

    fn attribute(b: &mut SpanBatchBuilder, key: &str, value: &str) {
        let (key, value) = (b.intern(key), b.intern(value));
        b.attribute(key, Value::Str(value));
    }

    attribute(&mut b, "service.name", at(0));
    attribute(&mut b, "service.instance.id", at(1));
    attribute(&mut b, key_at(2), at(2));
    attribute(&mut b, at(3), "value of a key");
    let attributes = b.attributes_since(0);
    let schema_url = b.intern(at(4));
    let mut refs = Vec::new();
    let mut entity = Vec::new();
    wire::length_delimited(&mut entity, 2, at(5).as_bytes());
    wire::length_delimited(&mut refs, 3, &entity);
    let entity_refs = b.bytes(&refs);
    let resource = b.resource_row(Resource { attributes, schema_url, entity_refs, ..Resource::default() });

    let start = b.attribute_count();
    attribute(&mut b, key_at(6), at(6));
    let attributes = b.attributes_since(start);
    let scope = Scope {
        resource,
        name: b.intern(at(7)),
        version: b.intern(at(8)),
        schema_url: b.intern(at(9)),
        attributes,
        ..Scope::default()
    };
    let scope = b.scope(scope);

    let start = b.attribute_count();
    attribute(&mut b, key_at(10), at(10));
    let (array_key, map_key, bytes_key) = (b.intern(key_at(11)), b.intern("some.map"), b.intern(key_at(14)));
    let array = b.bytes(&wire::encode_array(&[Tree::Int(1), Tree::Array(vec![Tree::String(at(11).to_owned())])]));
    b.attribute(array_key, Value::Array(array));
    let map = b.bytes(&wire::encode_map(&[
        (key_at(12).to_owned(), Tree::String(at(12).to_owned())),
        (at(13).to_owned(), Tree::Array(vec![Tree::Map(vec![("deep".to_owned(), Tree::Bool(true))])])),
    ]));
    b.attribute(map_key, Value::Map(map));
    let bytes = b.bytes(at(14).as_bytes());
    b.attribute(bytes_key, Value::Bytes(bytes));
    let nested = b.bytes(&wire::encode_array(&[Tree::Map(vec![(
        key_at(15).to_owned(),
        Tree::Bytes(at(15).as_bytes().to_vec()),
    )])]));
    b.attribute(map_key, Value::Array(nested));
    let attributes = b.attributes_since(start);

    let start = b.attribute_count();
    attribute(&mut b, key_at(16), at(16));
    let event = EventRow { name: b.intern(at(17)), attributes: b.attributes_since(start), ..EventRow::default() };
    b.event(event);
    let start = b.attribute_count();
    attribute(&mut b, key_at(18), at(18));
    let link = LinkRow {
        trace_id: TraceId([1; 16]),
        trace_state: b.intern(at(19)),
        attributes: b.attributes_since(start),
        ..LinkRow::default()
    };
    b.link(link);
    let row = SpanRow {
        scope,
        trace_id: TraceId([1; 16]),
        span_id: SpanId([1; 8]),
        name: b.intern(at(20)),
        trace_state: b.intern(at(21)),
        status_message: b.intern(at(21)),
        attributes,
        events: spillway_model::batch::Run { start: 0, len: 1 },
        links: spillway_model::batch::Run { start: 0, len: 1 },
        ..SpanRow::default()
    };
    b.span(&row);
    b.finish()
}

/// Texts that hold the canary in a way that a rule about content knows.
fn guises() -> Vec<String> {
    vec![
        format!("https://shop.example/cart?token={CANARY}"),
        format!("GET /login?user={CANARY}&x=1 HTTP/1.1"),
        format!("postgres://app:{CANARY}@db/shop"),
        format!("https://shop.example/cb#access_token={CANARY}"),
        format!("header Bearer {CANARY} was refused"),
        format!("Basic {CANARY}"),
        format!("mail {CANARY}@example.com bounced"),
        format!("Server=db;Password={CANARY};Pooling=true"),
        format!(r#"{{"client_secret": "{CANARY}"}}"#),
        format!("{CANARY}@example.com"),
    ]
}

#[test]
fn a_secret_is_found_wherever_it_stands() {
    for guise in guises() {
        for place in 0..PLACES {
            let mut batch = batch_with(place, &guise, "some.key");
            assert!(holds(&reachable(&batch), CANARY), "the test itself: place {place}");
            let mut counts = RedactionCounts::default();

            redactor().redact_batch(&mut batch, &mut counts);

            assert!(!holds(&reachable(&batch), CANARY), "place {place}: {guise}");
            assert!(
                !format!("{batch:?}").contains(CANARY),
                "unreferenced text is overwritten too, place {place}: {guise}"
            );
            assert!(counts.total() > 0);
        }
    }
}

#[test]
fn the_value_of_a_secret_key_goes_whatever_it_looks_like() {
    for key in ["http.request.header.authorization", "http.request.header.Set_Cookie", "db.password", "accessToken"] {
        for place in [2, 6, 10, 11, 12, 14, 15, 16, 18] {
            let mut batch = batch_with(place, CANARY, key);

            redactor().redact_batch(&mut batch, &mut RedactionCounts::default());

            assert!(!format!("{batch:?}").contains(CANARY), "place {place}: {key}");
            assert!(!holds(&reachable(&batch), CANARY), "place {place}: {key}");
        }
    }
}

#[test]
fn a_url_attribute_loses_its_values_even_without_a_scheme() {
    for (key, value, expected) in [
        ("url.full", "shop/cart?q=two words", "shop/cart?q=[redacted]"),
        ("http.target", "cart?q=1", "cart?q=[redacted]"),
        ("url.query", "q=1&r", "q=[redacted]&[redacted]"),
        ("other", "q of 1", "q of 1"),
    ] {
        let mut batch = batch_with(10, value, key);

        redactor().redact_batch(&mut batch, &mut RedactionCounts::default());

        assert_eq!(batch.span(0).attributes().get(key), Some(ValueRef::Str(expected)));
    }
}

#[test]
fn a_batch_without_secrets_is_left_as_it_is() {
    let mut batch = batch_with(usize::MAX, "", "");
    let before = format!("{batch:?}");
    let mut counts = RedactionCounts::default();

    redactor().redact_batch(&mut batch, &mut counts);

    assert_eq!(format!("{batch:?}"), before);
    assert_eq!(counts.total(), 0);
}

#[test]
fn allowed_keys_keep_their_values_and_extra_keys_lose_them() {
    let rules =
        RedactionRules { extra_keys: vec!["customer.*".to_owned()], allow_keys: vec!["enduser.email".to_owned()] };
    let redactor = Redactor::new(&rules).unwrap();
    let mut allowed = batch_with(10, "jane@example.com", "enduser.email");
    let mut extra = batch_with(10, CANARY, "customer.id");
    let mut counts = RedactionCounts::default();

    redactor.redact_batch(&mut allowed, &mut counts);
    redactor.redact_batch(&mut extra, &mut counts);

    assert_eq!(allowed.span(0).attributes().get("enduser.email"), Some(ValueRef::Str("jane@example.com")));
    assert_eq!(extra.span(0).attributes().get("customer.id"), Some(ValueRef::Str("[redacted]")));
    assert_eq!(counts.get(Rule::ExtraKey), 1);
}

#[test]
fn the_identity_of_a_resource_follows_its_redacted_attributes() {
    let rules = RedactionRules { extra_keys: vec!["service.instance.id".to_owned()], ..RedactionRules::default() };
    let mut batch = batch_with(1, CANARY, "");

    Redactor::new(&rules).unwrap().redact_batch(&mut batch, &mut RedactionCounts::default());

    assert_eq!(batch.str(batch.resources[0].instance), "[redacted]");
    assert_eq!(batch.str(batch.resources[0].service), "harmless");
}

#[test]
fn what_is_not_secret_in_a_nested_value_survives() {
    let mut batch = batch_with(12, "x", "password");

    redactor().redact_batch(&mut batch, &mut RedactionCounts::default());

    let map = tree(batch.span(0).attributes().get("some.map").unwrap());
    let expected = vec![
        ("password".to_owned(), Tree::String("[redacted]".to_owned())),
        ("harmless".to_owned(), Tree::Array(vec![Tree::Map(vec![("deep".to_owned(), Tree::Bool(true))])])),
    ];
    assert_eq!(map, Tree::Map(expected));
}

#[test]
fn equal_texts_stay_one_string_and_count_once() {
    let mut builder = SpanBatchBuilder::new();
    let (first, second) = (builder.intern("a@example.com"), builder.intern("b@example.com"));
    for name in [first, second, first] {
        builder.span(&SpanRow { name, ..SpanRow::default() });
    }
    let mut batch = builder.finish();
    let mut counts = RedactionCounts::default();

    redactor().redact_batch(&mut batch, &mut counts);

    assert_eq!(batch.str(batch.spans.name[0]), "[redacted]");
    assert!(batch.spans.name.iter().all(|name| *name == batch.spans.name[0]));
    assert_eq!(counts.get(Rule::Email), 2);
}

#[test]
fn events_are_redacted_and_their_ids_stay_different() {
    let event = |id: &str, body| Event {
        id: id.into(),
        service: ServiceKey::new("a@b.co", "c@d.co", "e@f.co"),
        instance: Arc::from("g@h.co"),
        at_ns: 0,
        body,
    };
    let breaker =
        EventBody::Breaker { target: "http://u:p@x/?q=1".into(), name: "n@o.co".into(), state: BreakerState::Open };
    let health = EventBody::Health { status: HealthStatus::Down, detail: format!("password={CANARY}").into() };
    let limit = EventBody::Limit {
        guard: Guard::Bulkhead,
        target: "p@q.co".into(),
        name: "r@s.co".into(),
        state: LimitState::Free,
        in_use: None,
        limit: None,
        waiting: None,
    };
    let change = EventBody::Change {
        change: ChangeKind::Deploy,
        version: "t@u.co".into(),
        title: format!("token={CANARY}").into(),
        url: format!("https://v:{CANARY}@x/?key={CANARY}").into(),
    };
    let mut events = [event("i@j.co", breaker), event("k@l.co", health.clone()), event("k@l.co", health)];
    let mut others = [event("", limit), event("", change)];
    redactor().redact_events(&mut others, &mut RedactionCounts::default());
    let text = format!("{others:?}");
    assert!(!text.contains(CANARY) && !text.contains(".co"), "{text}");
    let mut counts = RedactionCounts::default();

    redactor().redact_events(&mut events, &mut counts);

    let text = format!("{events:?}");
    assert!(!text.contains('@') || text.contains("[redacted]@x"), "{text}");
    assert!(!text.contains(CANARY) && !text.contains(".co"), "{text}");
    assert_ne!(events[0].id, events[1].id);
    assert_eq!(events[1].id, events[2].id);
    assert_eq!(counts.iter().find(|(rule, _)| *rule == "email").unwrap().1, 16);
}

#[test]
fn the_start_of_a_body_is_shown_without_secrets() {
    let body = format!(
        "{{\"kind\": \"health\", \"password\": \"{CANARY}\", \"to\": \"a@b.co\", \"x\": \"\u{e9}\u{e9}\u{e9}\"}}"
    );
    let shown = redactor().shown(body.as_bytes(), 4_096);
    assert!(shown.contains("\"kind\": \"health\"") && !shown.contains(CANARY) && !shown.contains("b.co"), "{shown}");
    for most in 0..body.len() {
        let shown = redactor().shown(body.as_bytes(), most);
        assert!(shown.len() <= most && !shown.contains(&CANARY[..8]), "{most}: {shown}");
    }

    assert_eq!(redactor().shown(&[0x0a, 0xff, 0x80], 10), "");
    let own = RedactionRules { extra_keys: vec!["x.account".into()], allow_keys: Vec::new() };
    assert_eq!(Redactor::new(&own).unwrap().shown(b"{\"x.account\": \"4711\"}", 100), "");
}

proptest! {
    /// Redacting what is redacted changes nothing: nothing that a rule writes is a secret to another.
    #[test]
    fn redaction_is_idempotent(text in "[a-c0-9@:/?#&=. \"\\\\]{0,24}|(https?://|Bearer |password=|/)[a-c0-9@:/?#&=. ;']{0,16}") {
        let counts = &mut RedactionCounts::default();
        if let Some(once) = text::redacted(&text, Shape::Text, counts) {
            prop_assert_eq!(text::redacted(&once, Shape::Text, counts), None, "{}", once);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,40}", key in "\\PC{0,20}") {
        let counts = &mut RedactionCounts::default();
        for shape in [Shape::Text, Shape::Url, Shape::Query, Shape::Fragment] {
            let _ = text::redacted(&text, shape, counts);
        }
        let _ = redactor().keys.class(&key);
    }

    /// The cheap look that rules out nearly all texts never rules out one that a rule would change.
    #[test]
    fn nothing_passes_the_first_look_unseen(text in "[a-b2-5@:/?#&=. \"-]{0,30}") {
        if !text::suspicious(&text) {
            prop_assert_eq!(url::without_user_info(&text, Shape::Text), None);
            prop_assert_eq!(url::without_values(&text, Shape::Text), None);
            prop_assert_eq!(auth::without_credentials(&text), None);
            prop_assert_eq!(assignment::without_values(&text), None);
            prop_assert_eq!(email::without_addresses(&text), None);
            prop_assert_eq!(card::without_numbers(&text), None);
        }
    }

    /// Bytes of an array that no decoder of ours wrote do not panic either, and are not kept.
    #[test]
    fn broken_nested_values_are_dropped(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let counts = &mut RedactionCounts::default();
        let _ = nested::array(&redactor(), &bytes, Shape::Text, counts);
        let _ = nested::map(&redactor(), &bytes, Shape::Text, counts);
    }
}
