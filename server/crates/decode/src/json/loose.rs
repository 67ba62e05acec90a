//! Reading documents whose authors are many: a value of another type is passed over, not refused.

use std::borrow::Cow;

use super::Reader;
use crate::otlp::error::Read;

impl<'a> Reader<'a> {
    /// The next value, where it is a string; anything else is passed over.
    pub fn string_or_skip(&mut self) -> Read<Option<Cow<'a, str>>> {
        if self.next_byte() == Some(b'"') { self.string().map(Some) } else { self.skip().map(|()| None) }
    }

    /// The next value, where it is true or false.
    pub fn bool_or_skip(&mut self) -> Read<Option<bool>> {
        match self.next_byte() {
            Some(b't' | b'f') => self.bool().map(Some),
            _ => self.skip().map(|()| None),
        }
    }

    /// The next value, where it is a number that a double holds.
    pub fn number_or_skip(&mut self) -> Read<Option<f64>> {
        match self.next_byte() {
            Some(b'-' | b'0'..=b'9') => Ok(self.number()?.parse().ok().filter(|number: &f64| number.is_finite())),
            _ => self.skip().map(|()| None),
        }
    }

    /// The members of an object, one by one: `each` reads the value or passes over it. What is no object is an error.
    pub fn members<F>(&mut self, mut each: F) -> Read<()>
    where
        F: FnMut(&mut Self, &str) -> Read<()>,
    {
        let mut object = self.object()?;
        while let Some(key) = self.key(&mut object)? {
            each(self, &key).map_err(|error| error.inside(&key[..key.floor_char_boundary(64)]))?;
        }
        Ok(())
    }

    /// The items of an array, one by one. What is no array is an error.
    pub fn items<F>(&mut self, mut each: F) -> Read<()>
    where
        F: FnMut(&mut Self) -> Read<()>,
    {
        let mut array = self.array()?;
        let mut index = 0;
        while self.item(&mut array)? {
            each(self).map_err(|error| error.inside(format_args!("[{index}]")))?;
            index += 1;
        }
        Ok(())
    }
}
