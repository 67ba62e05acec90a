//! The elements of an encoded `ArrayValue`.
//!
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/common/v1/common.proto>

use spillway_model::batch::ValueRef;

/// The elements that are text, true or false, or a number; arrays and maps within an array are not looked into. What does not
/// decode ends the list: senders' bytes are kept as they came.
pub(crate) fn elements(encoded: &[u8]) -> impl Iterator<Item = ValueRef<'_>> {
    let mut rest = encoded;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            match field(&mut rest)? {
                (1, Payload::Bytes(element)) => {
                    if let Some(value) = scalar(element) {
                        return Some(value);
                    }
                }
                _ => continue,
            }
        }
        None
    })
}

/// The last field of an `AnyValue` decides, as in every `oneof`.
fn scalar(mut rest: &[u8]) -> Option<ValueRef<'_>> {
    let mut value = None;
    while !rest.is_empty() {
        match field(&mut rest)? {
            (1, Payload::Bytes(text)) => value = Some(ValueRef::Str(std::str::from_utf8(text).ok()?)),
            (2, Payload::Varint(bool)) => value = Some(ValueRef::Bool(bool != 0)),
            (3, Payload::Varint(int)) => value = Some(ValueRef::Int(int as i64)),
            (4, Payload::Fixed64(bits)) => value = Some(ValueRef::Double(f64::from_bits(bits))),
            (5..=7, Payload::Bytes(_)) => value = None,
            _ => {}
        }
    }
    value
}

enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// A field's number and content.
fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Payload<'a>)> {
    let key = varint(rest)?;
    let payload = match key & 7 {
        0 => Payload::Varint(varint(rest)?),
        1 => {
            let (bytes, after) = rest.split_first_chunk::<8>()?;
            *rest = after;
            Payload::Fixed64(u64::from_le_bytes(*bytes))
        }
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            let (bytes, after) = rest.split_at_checked(length)?;
            *rest = after;
            Payload::Bytes(bytes)
        }
        5 => {
            *rest = rest.split_first_chunk::<4>()?.1;
            Payload::Fixed32
        }
        _ => return None,
    };
    Some((key >> 3, payload))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `ArrayValue` of "a", true, 300, 0.5, [] and "b".
    pub(crate) const MIXED: &[u8] = &[
        0x0a, 3, 0x0a, 1, b'a', //
        0x0a, 2, 0x10, 1, //
        0x0a, 3, 0x18, 0xac, 0x02, //
        0x0a, 9, 0x21, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, //
        0x0a, 2, 0x2a, 0, //
        0x0a, 3, 0x0a, 1, b'b',
    ];

    #[test]
    fn scalar_elements_come_in_order_and_others_are_left_out() {
        let found: Vec<ValueRef<'_>> = elements(MIXED).collect();

        assert_eq!(
            found,
            [ValueRef::Str("a"), ValueRef::Bool(true), ValueRef::Int(300), ValueRef::Double(0.5), ValueRef::Str("b")]
        );
    }

    #[test]
    fn damaged_bytes_end_the_list() {
        assert_eq!(elements(&MIXED[..MIXED.len() - 1]).count(), 4);
        assert_eq!(elements(&[0xff; 32]).count(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(elements(&bytes).count() <= bytes.len());
        }
    }
}
