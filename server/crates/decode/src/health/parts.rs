//! What in a document is not well, as one sentence.

use super::printable;

/// Parts that are named; further ones are counted.
const MOST_NAMED: usize = 5;

/// Parts of a document that are not well.
#[derive(Default)]
pub(super) struct Parts {
    named: Vec<String>,
    more: usize,
}

impl Parts {
    /// Adds one, with its own word and what it says about it.
    pub fn push(&mut self, name: &str, word: &str, why: &str) {
        if self.named.len() == MOST_NAMED {
            self.more += 1;
            return;
        }
        let (name, word, why) = (printable(name), printable(word), printable(why));
        self.named.push(if why.is_empty() { format!("{name} {word}") } else { format!("{name} {word} ({why})") });
    }

    /// The sentence; empty when all is well.
    pub fn sentence(&self) -> String {
        let mut sentence = self.named.join(", ");
        if self.more > 0 {
            sentence.push_str(&format!(" and {} more", self.more));
        }
        sentence
    }
}
