//! Text to a filter.
//!
//! ```text
//! filter    = [ any ]
//! any       = all { "or" all }
//! all       = part { [ "and" ] part }
//! part      = ( "-" | "not" ) part | "(" [ any ] ")" | condition
//! condition = key ( "exists" | operator value )
//! ```

use std::{ops::Range, str::FromStr};

use crate::{
    error::ParseError,
    field::is_reserved,
    filter::Filter,
    lex::{Piece, PieceKind, pieces},
    term::{self, Written},
};

/// Bytes of a filter's text.
pub const MOST_BYTES: usize = 4 << 10;
/// Conditions of a filter.
pub const MOST_TERMS: usize = 64;
/// Parentheses and negations within each other.
pub const MOST_DEPTH: usize = 16;

/// Reads a filter; empty text is every span.
///
/// # Errors
/// [`ParseError`] with the place of the first thing that is wrong.
pub fn parse(text: &str) -> Result<Filter, ParseError> {
    if text.len() > MOST_BYTES {
        let end = text.floor_char_boundary(MOST_BYTES);
        return Err(ParseError::new(text, end..text.len(), format!("at most {MOST_BYTES} bytes")));
    }
    let (pieces, broken) = pieces(text);
    let mut parser = Parser { text, pieces: &pieces, broken, at: 0, terms: 0 };
    let filter = parser.any(0)?;
    match parser.peek() {
        None => Ok(filter),
        Some(piece) => Err(parser.wrong(piece.range.clone(), "a condition or the end")),
    }
}

impl FromStr for Filter {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text)
    }
}

struct Parser<'a> {
    text: &'a str,
    pieces: &'a [Piece],
    /// What is wrong with the last piece, which says more than that it cannot stand there.
    broken: Option<ParseError>,
    at: usize,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Piece> {
        self.pieces.get(self.at)
    }

    /// The word of the language that comes next, if it is that one.
    fn takes(&mut self, keyword: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Piece { kind: PieceKind::Word { text, quoted: false, .. }, .. })
            if text.eq_ignore_ascii_case(keyword));
        self.at += usize::from(is_next);
        is_next
    }

    fn end(&self) -> Range<usize> {
        self.text.len()..self.text.len()
    }

    fn wrong(&self, range: Range<usize>, expected: &str) -> ParseError {
        let stray = self.text.get(range.clone()).unwrap_or_default();
        let error = ParseError::new(self.text, range, expected);
        match stray {
            ")" => error.with_hint("no parenthesis is open here"),
            _ => error,
        }
    }

    fn any(&mut self, depth: usize) -> Result<Filter, ParseError> {
        if self.peek().is_none_or(|piece| piece.kind == PieceKind::Close) {
            return Ok(Filter::everything());
        }
        let mut parts = vec![self.all(depth)?];
        while self.takes("or") {
            parts.push(self.all(depth)?);
        }
        Ok(Filter::any(parts))
    }

    fn all(&mut self, depth: usize) -> Result<Filter, ParseError> {
        let mut parts = vec![self.part(depth)?];
        loop {
            let joined = self.takes("and");
            let ends = match self.peek() {
                None | Some(Piece { kind: PieceKind::Close, .. }) => true,
                Some(Piece { kind: PieceKind::Word { text, quoted: false, .. }, .. }) => {
                    text.eq_ignore_ascii_case("or")
                }
                Some(_) => false,
            };
            if ends && !joined {
                return Ok(Filter::all(parts));
            }
            parts.push(self.part(depth)?);
        }
    }

    fn part(&mut self, depth: usize) -> Result<Filter, ParseError> {
        let Some(piece) = self.peek() else {
            return Err(self.broken.take().unwrap_or_else(|| ParseError::new(self.text, self.end(), "a condition")));
        };
        let deeper = |parser: &Self| {
            if depth < MOST_DEPTH {
                Ok(depth + 1)
            } else {
                let expected = format!("at most {MOST_DEPTH} parentheses and negations within each other");
                Err(ParseError::new(parser.text, piece.range.clone(), expected))
            }
        };
        if piece.kind == PieceKind::Minus || self.is_next("not") {
            self.at += 1;
            let depth = deeper(self)?;
            return Ok(self.part(depth)?.negated());
        }
        match &piece.kind {
            PieceKind::Open => {
                self.at += 1;
                let depth = deeper(self)?;
                let inner = self.any(depth)?;
                match self.peek() {
                    Some(Piece { kind: PieceKind::Close, .. }) => {
                        self.at += 1;
                        Ok(inner)
                    }
                    Some(other) => Err(self.wrong(other.range.clone(), "a condition or `)`")),
                    None => Err(self.broken.take().unwrap_or_else(|| {
                        ParseError::new(self.text, self.end(), "`)`")
                            .with_hint(format!("the parenthesis at character {} is not closed", piece.range.start + 1))
                    })),
                }
            }
            PieceKind::Word { prefix, text, quoted } => {
                if !quoted && is_reserved(text) {
                    return Err(self
                        .wrong(piece.range.clone(), "a condition")
                        .with_hint(format!("for an attribute of that name write \"{text}\"")));
                }
                self.at += 1;
                let written = Written { range: piece.range.clone(), prefix, text, quoted: *quoted };
                self.condition(&written)
            }
            PieceKind::Operator => Err(self.wrong(piece.range.clone(), "a key").with_hint("write key=value")),
            PieceKind::Close => Err(self.wrong(piece.range.clone(), "a condition")),
            PieceKind::Value { .. } | PieceKind::Minus => Err(self.wrong(piece.range.clone(), "a condition")),
        }
    }

    fn is_next(&self, keyword: &str) -> bool {
        matches!(self.peek(), Some(Piece { kind: PieceKind::Word { text, quoted: false, .. }, .. })
            if text.eq_ignore_ascii_case(keyword))
    }

    fn condition(&mut self, key: &Written<'_>) -> Result<Filter, ParseError> {
        if self.at == self.pieces.len()
            && let Some(broken) = self.broken.take()
        {
            return Err(broken);
        }
        self.terms += 1;
        if self.terms > MOST_TERMS {
            return Err(ParseError::new(self.text, key.range.clone(), format!("at most {MOST_TERMS} conditions")));
        }
        if self.takes("exists") {
            return term::exists(self.text, key).map(Filter::Term);
        }
        let operator = match self.peek() {
            Some(piece) if piece.kind == PieceKind::Operator => piece.range.clone(),
            other => {
                let range = other.map_or(self.end(), |piece| piece.range.clone());
                return Err(term::no_operator(self.text, key, range));
            }
        };
        self.at += 1;
        let value = match self.peek() {
            Some(Piece { range, kind: PieceKind::Value { text, quoted } }) => {
                Written { range: range.clone(), prefix: "", text, quoted: *quoted }
            }
            other => {
                let range = other.map_or(self.end(), |piece| piece.range.clone());
                return Err(ParseError::new(self.text, range, "a value")
                    .with_hint("quote a value with spaces or parentheses, or write \"\" for empty text"));
            }
        };
        self.at += 1;
        if self.at == self.pieces.len()
            && let Some(broken) = self.broken.take()
        {
            return Err(broken);
        }
        term::compared(self.text, key, operator, &value).map(Filter::Term)
    }
}

#[cfg(test)]
mod tests;
