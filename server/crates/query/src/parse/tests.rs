use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::{generate, tests::vocabulary};

/// What a text is read as, in its canonical form.
fn canonical(text: &str) -> String {
    match parse(text) {
        Ok(filter) => filter.to_string(),
        Err(error) => panic!("{text}: {error}"),
    }
}

#[test]
fn every_form_has_a_canonical_one() {
    for (text, expected) in [
        ("", ""),
        ("  ", ""),
        ("()", ""),
        ("-()", "-()"),
        ("service=checkout status=ERROR", "service=checkout status=error"),
        ("service = checkout and status != ok", "service=checkout status!=ok"),
        ("name=\"GET /cart\"", "operation=\"GET /cart\""),
        ("duration>0.25s", "duration>250ms"),
        ("duration<=90000us", "duration<=90ms"),
        ("http.route=\"/pay/{id}\"", "http.route=/pay/{id}"),
        ("-http.request.method=GET", "-http.request.method=GET"),
        ("not http.request.method=GET", "-http.request.method=GET"),
        ("NOT -a=1", "--a=1"),
        ("db.system exists", "db.system exists"),
        ("db.system EXISTS a=1", "db.system exists a=1"),
        ("retry.count>=2", "retry.count>=2"),
        ("url.path~\"cart\"", "url.path~cart"),
        ("url.path~\"a b\"", "url.path~\"a b\""),
        ("(a=1 or b=2)", "a=1 or b=2"),
        ("(a=1 or b=2) c=3", "(a=1 or b=2) c=3"),
        ("a=1 b=2 or c=3", "a=1 b=2 or c=3"),
        ("a=1 (b=2 or c=3) and (d=4 e=5)", "a=1 (b=2 or c=3) d=4 e=5"),
        ("(a=1 or (b=2 OR c=3))", "a=1 or b=2 or c=3"),
        ("-(a=1 b=2)", "-(a=1 b=2)"),
        ("a=1 or ()", "a=1 or ()"),
        ("operation=GET*", "operation=GET*"),
        ("operation=\"GET*\"", "operation=\"GET*\""),
        ("a=\"200\" b=200 c=\"true\" d=true e=abc", "a=\"200\" b=200 c=\"true\" d=true e=abc"),
        ("a= =b", "a=\"=b\""),
        ("a=b=c", "a=b=c"),
        ("a=-5", "a=-5"),
        ("a=\"\"", "a=\"\""),
        ("a=\"\\\"\\\\\\n\\u{1f600}\\u{7}\"", "a=\"\\\"\\\\\\n😀\\u{7}\""),
        ("\"odd key\"=1 span.\"odd key\"=1", "\"odd key\"=1 span.\"odd key\"=1"),
        ("\"service\"=a span.service=a", "\"service\"=a span.service=a"),
        ("\"or\"=1 \"exists\" exists", "\"or\"=1 \"exists\" exists"),
        (
            "resource.host.name=a event.name=retry event.\"name\"=x",
            "resource.host.name=a event.name=retry event.\"name\"=x",
        ),
        ("\"span.kind\"=a", "\"span.kind\"=a"),
        ("kind=Server", "kind=server"),
        ("root=true -root=true root!=true", "root=true -root=true root=false"),
        ("trace=0AF7651916CD43DD8448EB211C80319C", "trace=0af7651916cd43dd8448eb211c80319c"),
        ("span=b7ad6b7169203331 link.trace exists", "span=b7ad6b7169203331 link.trace exists"),
        ("start>=2026-11-23T12:00:00+01:00", "start>=2026-11-23T11:00:00Z"),
        ("start<1790000000000000000", "start<2026-09-21T14:13:20Z"),
    ] {
        assert_eq!(canonical(text), expected, "{text}");
        assert_eq!(canonical(expected), expected, "{expected}");
    }
}

/// The sentences are for people who type in a box: read the snapshot when it changes.
#[test]
fn errors_name_the_place_what_was_expected_and_what_was_meant() {
    let deep = format!("{}a=1{}", "(".repeat(17), ")".repeat(17));
    let many = "a=1 ".repeat(65);
    let long = format!("a={}", "x".repeat(5_000));
    let texts = [
        "checkout",
        "service:checkout",
        "service checkout",
        "service=checkout && status=error",
        "a=1 || b=2",
        "a==1",
        "a=~x",
        "a!~x",
        "duration=>1s",
        "duration>250",
        "duration>fast",
        "duration~1",
        "duration exists",
        "status=eror",
        "status>error",
        "kind=sever",
        "kind=99",
        "service>a",
        "root=maybe",
        "retry.count>250ms",
        "retry.count>\"2\"",
        "retry.count>many",
        "trace=abc",
        "span=0",
        "link.trace=7",
        "start>yesterday",
        "a=",
        "a= )",
        "=1",
        "a=1 or",
        "a=1 and or b=2",
        "or a=1",
        "(a=1",
        "a=1)",
        "a=\"open",
        "\"open",
        "a=\"\\x\"",
        "a=\"\\u{110000}\"",
        "span.=1",
        "other.\"key\"=1",
        "ke*y=1",
        "not",
        "-",
        "a exists=1",
        &deep,
        &many,
        &long,
    ];
    let mut table = String::new();
    for text in texts {
        let error = parse(text).expect_err(text);
        let shown: String = text.chars().take(60).collect();
        assert!(text.get(error.range.clone()).is_some(), "{text}: {error:?}");
        writeln!(table, "{shown}\n    {}..{}: {error}", error.range.start, error.range.end).expect("a string takes it");
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_is_just_within_the_bounds_is_read() {
    assert!(parse(&format!("{}a=1{}", "(".repeat(16), ")".repeat(16))).is_ok());
    assert!(parse(&"a=1 ".repeat(64)).is_ok());
    assert!(parse(&format!("a={}", "x".repeat(MOST_BYTES - 2))).is_ok());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,80}", language in "[a-c.()\"\\\\=!<>~ -]{0,40}") {
        for text in [text, language] {
            match parse(&text) {
                Ok(filter) => prop_assert_eq!(parse(&filter.to_string()), Ok(filter)),
                Err(error) => prop_assert!(text.get(error.range.clone()).is_some(), "{:?}", error),
            }
        }
    }

    #[test]
    fn what_is_printed_is_read_as_the_same_filter(filter in generate::filter(&vocabulary())) {
        let text = filter.to_string();
        prop_assert_eq!(parse(&text), Ok(filter), "{}", text);
    }
}
