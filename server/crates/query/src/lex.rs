//! Text to pieces. What a word is depends on what came before it: behind an operator it is a value, elsewhere a key or a word of the
//! language. Used by the parser and, on text that is not finished, by completion.

use std::ops::Range;

use crate::error::ParseError;

/// A piece with its place in the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) range: Range<usize>,
    pub(crate) kind: PieceKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PieceKind {
    /// `(`
    Open,
    /// `)`
    Close,
    /// `-` in front of a condition.
    Minus,
    /// A key or a word of the language. `prefix` is what stands before a quoted key (`span."a key"`).
    Word { prefix: String, text: String, quoted: bool },
    /// Made of `=`, `!`, `<`, `>` and `~`; not always one that there is.
    Operator,
    /// What stands behind an operator.
    Value { text: String, quoted: bool },
}

/// Characters of operators.
pub(crate) fn is_operator(c: char) -> bool {
    matches!(c, '=' | '!' | '<' | '>' | '~')
}

fn ends_value(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '"')
}

fn ends_key(c: char) -> bool {
    ends_value(c) || is_operator(c)
}

/// All pieces up to the end or to what is wrong with a quoted text: that is then the last piece, as far as it goes.
pub(crate) fn pieces(text: &str) -> (Vec<Piece>, Option<ParseError>) {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start().len();
        at += blank;
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else { return (pieces, None) };
        let behind_operator = pieces.last().is_some_and(|piece| piece.kind == PieceKind::Operator);
        let (kind, length, error) = match first {
            '(' => (PieceKind::Open, 1, None),
            ')' => (PieceKind::Close, 1, None),
            '-' if !behind_operator => (PieceKind::Minus, 1, None),
            '"' => {
                let (content, length, error) = quoted(text, at);
                let kind = if behind_operator {
                    PieceKind::Value { text: content, quoted: true }
                } else {
                    PieceKind::Word { prefix: String::new(), text: content, quoted: true }
                };
                (kind, length, error)
            }
            // Behind an operator, another one belongs to the value, unless it stands alone: `a=>b` is no comparison.
            _ if behind_operator => {
                let length = rest.find(ends_value).unwrap_or(rest.len());
                (PieceKind::Value { text: rest[..length].to_owned(), quoted: false }, length, None)
            }
            c if is_operator(c) => (PieceKind::Operator, rest.find(|c| !is_operator(c)).unwrap_or(rest.len()), None),
            _ => {
                let length = rest.find(ends_key).unwrap_or(rest.len());
                let word = &rest[..length];
                if word.ends_with('.') && rest[length..].starts_with('"') {
                    let (content, more, error) = quoted(text, at + length);
                    (PieceKind::Word { prefix: word.to_owned(), text: content, quoted: true }, length + more, error)
                } else {
                    (PieceKind::Word { prefix: String::new(), text: word.to_owned(), quoted: false }, length, None)
                }
            }
        };
        pieces.push(Piece { range: at..at + length, kind });
        if error.is_some() {
            return (pieces, error);
        }
        at += length;
    }
}

/// What a quoted text that begins at `at` holds, as far as it goes.
pub(crate) fn content(text: &str, at: usize) -> String {
    quoted(text, at).0
}

/// The content of a quoted text that begins at `at`, and its length with the quotes.
fn quoted(text: &str, at: usize) -> (String, usize, Option<ParseError>) {
    let mut content = String::new();
    let mut rest = text[at..].char_indices().skip(1);
    let end = text.len() - at;
    while let Some((place, c)) = rest.next() {
        match c {
            '"' => return (content, place + 1, None),
            '\\' => {
                let escaped = match rest.next() {
                    Some((_, c @ ('"' | '\\'))) => Some(c),
                    Some((_, 'n')) => Some('\n'),
                    Some((_, 'r')) => Some('\r'),
                    Some((_, 't')) => Some('\t'),
                    Some((_, 'u')) => unicode(&mut rest),
                    Some(_) | None => None,
                };
                match escaped {
                    Some(c) => content.push(c),
                    None => {
                        let wrong = text[at + place..].chars().take(2).map(char::len_utf8).sum::<usize>();
                        let range = at + place..at + place + wrong;
                        let error =
                            ParseError::new(text, range, "one of `\\\"`, `\\\\`, `\\n`, `\\r`, `\\t`, `\\u{…}`")
                                .with_hint("write `\\\\` for a backslash");
                        return (content, end, Some(error));
                    }
                }
            }
            c => content.push(c),
        }
    }
    let error = ParseError::new(text, text.len()..text.len(), "`\"`")
        .with_hint(format!("the quoted text that begins at character {} has no end", at + 1));
    (content, end, Some(error))
}

/// `{1f600}`
fn unicode(rest: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    let (_, '{') = rest.next()? else { return None };
    let mut code = 0_u32;
    for digits in 0..=6 {
        match rest.next()?.1 {
            '}' if digits > 0 => return char::from_u32(code),
            c => code = code * 16 + c.to_digit(16).filter(|_| digits < 6)?,
        }
    }
    None
}
