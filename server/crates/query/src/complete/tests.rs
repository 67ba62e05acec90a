use proptest::prelude::*;

use super::*;

/// `|` is the cursor.
fn at_cursor(marked: &str) -> (String, Option<Completion>) {
    let cursor = marked.find('|').expect("a test marks the cursor");
    let text = marked.replacen('|', "", 1);
    let completion = complete(&text, cursor);
    (text, completion)
}

fn shown(marked: &str) -> String {
    let (text, Some(completion)) = at_cursor(marked) else { return "nothing".into() };
    let expected = match &completion.expected {
        Expected::Key(place) => format!("key {}", place.prefix()),
        Expected::Operator(operators) => format!("operator of {}", operators.len()),
        Expected::FieldValue(field) => format!("value of {}", field.name()),
        Expected::AttributeValue(key) => format!("value of {key}"),
    };
    format!("{} [{}] for [{}]", expected.trim_end(), completion.prefix, &text[completion.replace])
}

#[test]
fn what_is_expected_follows_from_what_stands_before() {
    for (marked, expected) in [
        ("|", "key [] for []"),
        ("ser|", "key [ser] for [ser]"),
        ("se|rv", "key [se] for [serv]"),
        ("(ser|", "key [ser] for [ser]"),
        ("-ser|", "key [ser] for [ser]"),
        ("not |", "key [] for []"),
        ("span.ht|", "key span. [ht] for [span.ht]"),
        ("span.\"a k|", "key span. [a k] for [span.\"a k]"),
        ("\"a k|", "key [a k] for [\"a k]"),
        ("service |", "operator of 4 [] for []"),
        ("duration |", "operator of 6 [] for []"),
        ("kind |", "operator of 2 [] for []"),
        ("db.system |", "operator of 8 [] for []"),
        ("db.system ex|", "operator of 8 [ex] for [ex]"),
        ("db.system ex| a=1", "operator of 8 [ex] for [ex]"),
        ("a !|= 1", "operator of 8 [!] for [!=]"),
        ("service=|", "value of service [] for []"),
        ("service= |", "value of service [] for []"),
        ("service=che|", "value of service [che] for [che]"),
        ("service=|checkout", "value of service [] for [checkout]"),
        ("service=\"che|", "value of service [che] for [\"che]"),
        ("service=\"a \\\"b|\"", "value of service [a \"b] for [\"a \\\"b\"]"),
        ("http.route=/pay|", "value of http.route [/pay] for [/pay]"),
        ("span.\"a b\"=x|", "value of span.\"a b\" [x] for [x]"),
        ("event.name=re|", "value of event.name [re] for [re]"),
        ("a=1 |", "key [] for []"),
        ("a=1 o|", "key [o] for [o]"),
        ("a=1 or |", "key [] for []"),
        ("a exists |", "key [] for []"),
        ("(a=1|)", "value of a [1] for [1]"),
        ("(a=1)|", "key [] for []"),
        ("=|", "nothing"),
        ("span.=x|", "nothing"),
    ] {
        assert_eq!(shown(marked), expected, "{marked}");
    }
}

#[test]
fn the_language_offers_its_own_words() {
    let known = |marked| at_cursor(marked).1.expect("something is expected").known();

    assert_eq!(known("s|"), ["service", "status", "span", "scope", "start"]);
    assert_eq!(known("event.|"), ["event.name"]);
    assert_eq!(known("kind=c|"), ["client", "consumer"]);
    assert_eq!(known("status!=|"), ["error", "ok", "unset"]);
    assert_eq!(known("root=|"), ["true", "false"]);
    assert_eq!(known("duration>25|"), ["25ms", "25s", "25us"]);
    assert_eq!(known("db.system e|"), ["exists"]);
    assert_eq!(known("service=|"), Vec::<String>::new());
    assert_eq!(Completion::write_value("a b"), "\"a b\"");
}

proptest! {
    #[test]
    fn no_text_and_no_cursor_makes_it_panic(text in "[a-c.()\"\\\\=!<>~ é-]{0,40}|.{0,40}", cursor in 0usize..60) {
        if let Some(completion) = complete(&text, cursor) {
            prop_assert!(text.get(completion.replace.clone()).is_some());
            prop_assert!(completion.replace.start <= cursor);
            completion.known();
        }
    }
}
