//! Protobuf's wire format, borrowed: tags, varints, fixed-width numbers and lengths over one body.
//!
//! Positions are those of the whole body, so an error names its byte however deep it lies.

use crate::otlp::error::{DecodeError, Malformed, Read};

/// Varint.
pub const VARINT: u8 = 0;
/// Eight bytes.
pub const FIXED64: u8 = 1;
/// A length and that many bytes.
pub const LENGTH: u8 = 2;
/// Four bytes.
pub const FIXED32: u8 = 5;

/// A field's number and how it is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Tag {
    pub field: u32,
    pub wire: u8,
}

/// One message within the body.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, end: body.len() }
    }

    pub fn len(&self) -> usize {
        self.end - self.at
    }

    /// An error at the current byte.
    pub fn fault(&self, what: Malformed) -> Box<DecodeError> {
        DecodeError::new(self.at, what)
    }

    fn fail<T>(&self, what: Malformed) -> Read<T> {
        Err(self.fault(what))
    }

    /// The next field; `None` at the end of the message.
    #[inline]
    pub fn tag(&mut self) -> Read<Option<Tag>> {
        if self.at == self.end {
            return Ok(None);
        }
        let start = self.at;
        let tag = self.varint()?;
        let field = tag >> 3;
        match u32::try_from(field) {
            Ok(field) if (1..1 << 29).contains(&field) => Ok(Some(Tag { field, wire: (tag & 7) as u8 })),
            _ => Err(DecodeError::new(start, Malformed::FieldNumber(field))),
        }
    }

    #[inline]
    fn varint(&mut self) -> Read<u64> {
        match self.body[self.at..self.end].first() {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Read<u64> {
        let mut value = 0;
        for (index, &byte) in self.body[self.at..self.end].iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                // The tenth byte holds the 64th bit alone.
                if index == 9 && byte > 1 {
                    break;
                }
                self.at += index + 1;
                return Ok(value);
            }
        }
        if self.end - self.at < 10 { self.fail(Malformed::Truncated) } else { self.fail(Malformed::Varint) }
    }

    #[inline]
    fn expect(&self, tag: Tag, expected: u8) -> Read<()> {
        if tag.wire == expected { Ok(()) } else { self.unexpected(tag, expected) }
    }

    #[cold]
    fn unexpected(&self, tag: Tag, expected: u8) -> Read<()> {
        self.fail(match tag.wire {
            3 | 4 => Malformed::Group,
            VARINT | FIXED64 | LENGTH | FIXED32 => Malformed::OtherWireType { expected, found: tag.wire },
            other => Malformed::WireType(other),
        })
    }

    /// A `uint64`; narrower integers keep its low bits, as protobuf says.
    #[inline]
    pub fn integer(&mut self, tag: Tag) -> Read<u64> {
        self.expect(tag, VARINT)?;
        self.varint()
    }

    #[inline]
    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let taken = self.body[self.at..self.end].get(..length);
        match taken {
            Some(taken) => {
                self.at += length;
                Ok(taken)
            }
            None => self.fail(Malformed::Truncated),
        }
    }

    #[inline]
    pub fn fixed64(&mut self, tag: Tag) -> Read<u64> {
        self.expect(tag, FIXED64)?;
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    #[inline]
    pub fn fixed32(&mut self, tag: Tag) -> Read<u32> {
        self.expect(tag, FIXED32)?;
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes were taken")))
    }

    /// The message that a field holds.
    #[inline]
    pub fn message(&mut self, tag: Tag) -> Read<Self> {
        self.expect(tag, LENGTH)?;
        let length = self.varint()?;
        let left = self.end - self.at;
        match usize::try_from(length) {
            Ok(fits) if fits <= left => {
                let inner = Self { body: self.body, at: self.at, end: self.at + fits };
                self.at = inner.end;
                Ok(inner)
            }
            _ => self.fail(Malformed::Length { length, left }),
        }
    }

    /// The bytes that a field holds.
    #[inline]
    pub fn bytes(&mut self, tag: Tag) -> Read<&'a [u8]> {
        self.message(tag).map(Self::rest)
    }

    /// What is left of the message.
    #[inline]
    pub fn rest(self) -> &'a [u8] {
        &self.body[self.at..self.end]
    }

    /// The text that a field holds.
    pub fn text(&mut self, tag: Tag) -> Read<&'a str> {
        let message = self.message(tag)?;
        message.whole_text()
    }

    /// All of the message as text.
    #[inline]
    pub fn whole_text(self) -> Read<&'a str> {
        std::str::from_utf8(self.rest()).map_err(|error| self.not_utf8(error))
    }

    /// The error where the rest of the message is no text.
    #[cold]
    pub fn not_utf8(&self, error: std::str::Utf8Error) -> Box<DecodeError> {
        DecodeError::new(self.at + error.valid_up_to(), Malformed::NotUtf8)
    }

    /// Passes over a field that means nothing here.
    pub fn skip(&mut self, tag: Tag) -> Read<()> {
        match tag.wire {
            VARINT => self.varint().map(drop),
            FIXED64 => self.take(8).map(drop),
            LENGTH => self.message(tag).map(drop),
            FIXED32 => self.take(4).map(drop),
            _ => self.unexpected(tag, LENGTH),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn varint(bytes: &[u8]) -> Result<u64, Malformed> {
        Reader::new(bytes).varint().map_err(|error| error.what)
    }

    #[test]
    fn varints_up_to_64_bits_are_read_and_longer_ones_refused() {
        assert_eq!(varint(&[0]), Ok(0));
        assert_eq!(varint(&[0xac, 0x02]), Ok(300));
        assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Ok(u64::MAX));
        assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]), Err(Malformed::Varint));
        assert_eq!(varint(&[0xff; 11]), Err(Malformed::Varint));
        assert_eq!(varint(&[0xff; 9]), Err(Malformed::Truncated));
        assert_eq!(varint(&[]), Err(Malformed::Truncated));
    }

    #[test]
    fn groups_unknown_wire_types_and_field_zero_are_refused() {
        for (bytes, what) in [
            (&[0x0b][..], Malformed::Group),
            (&[0x0c], Malformed::Group),
            (&[0x0e], Malformed::WireType(6)),
            (&[0x00], Malformed::FieldNumber(0)),
            (&[0x0a, 0x05, 0x00], Malformed::Length { length: 5, left: 1 }),
        ] {
            let mut reader = Reader::new(bytes);
            let error = reader.tag().and_then(|tag| reader.skip(tag.unwrap())).unwrap_err();
            assert_eq!(error.what, what);
        }
    }
}
