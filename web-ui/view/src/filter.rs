//! The box with the filter language: what typing on can lead to, what is wrong with the text, how far a search came.

use spillway_api::{FilterCompletion, FilterPart, Problem, TraceList};

use crate::query::Query;

/// The request for what can be typed at the end of the text.
pub fn completion_request(text: &str) -> String {
    Query::new().with("q", text).href("/api/v1/traces/complete")
}

/// The whole text after each choice: what the browser offers below the box. What is there already is not offered.
pub fn completed(text: &str, completion: &FilterCompletion) -> Vec<String> {
    let (from, to) = (byte_of(text, completion.replace_from), byte_of(text, completion.replace_to));
    let (Some(before), Some(behind)) = (text.get(..from), text.get(to..)) else { return Vec::new() };
    let gap =
        if completion.expected == FilterPart::Operator && before.ends_with(char::is_alphanumeric) { " " } else { "" };
    let choices = completion.choices.iter().map(|choice| format!("{before}{gap}{choice}{behind}"));
    choices.filter(|whole| whole != text).collect()
}

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// The text before it,
    pub before: String,
    /// the text that is wrong, empty where something is missing,
    pub wrong: String,
    /// and the text behind it.
    pub behind: String,
    /// What was expected, and what was probably meant.
    pub words: String,
}

/// The slip that the server's refusal names; `None` when it refuses something else.
pub fn slip(text: &str, problem: &Problem) -> Option<Slip> {
    let (place, words) =
        problem.errors.iter().find_map(|error| Some((error.pointer.strip_prefix("q#char=")?, &error.detail)))?;
    let (from, to) = place.split_once(',')?;
    let (from, to) = (byte_of(text, from.parse().ok()?), byte_of(text, to.parse().ok()?));
    Some(Slip {
        before: text.get(..from)?.to_owned(),
        wrong: text.get(from..to)?.to_owned(),
        behind: text.get(to..)?.to_owned(),
        words: words.clone(),
    })
}

/// How much of what is stored was looked at for these pages: `3 of 120 blocks read`.
pub fn effort(pages: &[TraceList]) -> String {
    let read: u64 = pages.iter().map(|page| page.blocks_read).sum();
    let skipped: u64 = pages.iter().map(|page| page.blocks_skipped).sum();
    format!("{read} of {} blocks read", read + skipped)
}

fn byte_of(text: &str, character: u32) -> usize {
    text.char_indices().nth(character as usize).map_or(text.len(), |(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use spillway_api::FieldError;

    use super::*;

    #[test]
    fn a_choice_takes_the_place_of_what_is_typed() {
        let completion = |expected, from, to, choices: &[&str]| FilterCompletion {
            expected,
            replace_from: from,
            replace_to: to,
            choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        };

        assert_eq!(
            completed("é=1 http.", &completion(FilterPart::Key, 4, 9, &["http.route", "http."])),
            ["é=1 http.route"]
        );
        assert_eq!(completed("a=", &completion(FilterPart::Value, 2, 2, &["\"x y\""])), ["a=\"x y\""]);
        assert_eq!(completed("a", &completion(FilterPart::Operator, 1, 1, &["exists"])), ["a exists"]);
        assert_eq!(completed("a", &completion(FilterPart::Key, 5, 9, &["b"])), ["ab"]);
    }

    #[test]
    fn a_slip_is_shown_where_it_stands() {
        let problem = |pointer: &str| Problem {
            r#type: String::new(),
            title: String::new(),
            status: 400,
            detail: String::new(),
            errors: vec![FieldError { detail: "expected a status".into(), pointer: pointer.into() }],
        };

        let slip_of = |pointer| slip("é=1 status=eror a=2", &problem(pointer));
        let slip = slip_of("q#char=11,15").expect("the server names the place");

        assert_eq!((slip.before.as_str(), slip.wrong.as_str(), slip.behind.as_str()), ("é=1 status=", "eror", " a=2"));
        assert_eq!(slip_of("limit"), None);
        assert_eq!(slip_of("q#char=x"), None);
    }
}
