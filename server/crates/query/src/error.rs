//! What is wrong with a text, where, and what to write instead.

use std::{fmt, ops::Range};

/// The text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Bytes of the text that are wrong; empty where something is missing.
    pub range: Range<usize>,
    /// Where that begins for a person who counts characters, from 1.
    pub character: usize,
    /// What stands there; empty at the end of the text.
    pub found: String,
    /// What could stand there.
    pub expected: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at character {}", self.expected, self.character)?;
        if self.found.is_empty() {
            f.write_str(", found the end")?
        } else {
            write!(f, ", found `{}`", self.found)?
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ParseError {}

/// Text that is shown in an error is cut here.
const SHOWN_CHARS: usize = 40;

impl ParseError {
    pub(crate) fn new(text: &str, range: Range<usize>, expected: impl Into<String>) -> Self {
        let found = text.get(range.clone()).unwrap_or_default();
        let mut shown: String = found.chars().take(SHOWN_CHARS).collect();
        if shown.len() < found.len() {
            shown.push('…');
        }
        let character = text.get(..range.start).unwrap_or_default().chars().count() + 1;
        Self { range, character, found: shown, expected: expected.into(), hint: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The word that is nearest to what was written, if it is near enough to be a slip.
pub(crate) fn nearest<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    let near = words.into_iter().map(|word| (distance(&written, word), word)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, word)| *distance <= 1 + word.len() / 4).map(|(_, word)| word)
}

/// Levenshtein's; texts that differ much in length are far apart without counting.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 4 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
