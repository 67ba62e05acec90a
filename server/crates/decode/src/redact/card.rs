//! Card numbers.

use super::{REDACTED, text::Edit};

/// Fewest digits of a card number (ISO/IEC 7812).
pub(super) const MIN_DIGITS: usize = 13;
/// Most digits of a card number.
const MAX_DIGITS: usize = 19;

/// The text with `[redacted]` for its card numbers.
///
/// A number that is part of a word (`4bf92f…`, a UUID) or of a decimal fraction is none. First digits 0, 1 and 7 to 9 are not
/// those of payment cards; 1 is that of most timestamps.
pub(super) fn without_numbers(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut edit = Edit::new(text);
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let length = digits(&bytes[at..]);
        match (!follows_word(bytes, at)).then(|| card_length(&bytes[at..])).flatten() {
            Some(card) => {
                edit.replace(at..at + card, REDACTED);
                at += card;
            }
            // The next group may begin a card, as in "7 items, 12 4111 1111 1111 1111".
            None => at += length,
        }
    }
    edit.finish()
}

/// How many bytes a card number takes at the begin of the text, spaces and dashes included: the longest that fulfils the formula.
fn card_length(bytes: &[u8]) -> Option<usize> {
    if !matches!(bytes[0], b'2'..=b'6') {
        return None;
    }
    let mut number = [0; MAX_DIGITS];
    let (mut count, mut at) = (0, 0);
    let mut found = None;
    loop {
        let group = digits(&bytes[at..]);
        // Cards are printed 4-4-4-4, 4-6-5 or 4-6-4: dates and telephone numbers are not.
        if count + group > MAX_DIGITS || (count > 0 && group > 6) {
            return found;
        }
        number[count..count + group].copy_from_slice(&bytes[at..at + group]);
        count += group;
        at += group;
        if count >= MIN_DIGITS && !precedes_word(bytes, at) && fulfils_luhn(&number[..count]) {
            found = Some(at);
        }
        let grouped = if count == group { group == 4 } else { (4..=6).contains(&group) };
        let more = matches!(bytes.get(at), Some(b' ' | b'-')) && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !(grouped && more) {
            return found;
        }
        at += 1;
    }
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    match bytes[..at] {
        [.., whole, b'.'] => whole.is_ascii_digit(),
        [.., before] => in_word(before),
        [] => false,
    }
}

fn precedes_word(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|byte| in_word(*byte))
}

/// ISO/IEC 7812-1, annex B.
fn fulfils_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0') << (place % 2);
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn card_numbers_are_taken_out_and_other_numbers_stay() {
        for (text, expected) in [
            ("4111111111111111", Some("[redacted]")),
            ("card 4111 1111 1111 1111 declined", Some("card [redacted] declined")),
            ("5500-0000-0000-0004", Some("[redacted]")),
            ("3782 822463 10005", Some("[redacted]")),
            ("30569309025904", Some("[redacted]")),
            ("4222222222222", Some("[redacted]")),
            ("12 4111 1111 1111 1111", Some("12 [redacted]")),
            ("4111111111111111,5500000000000004", Some("[redacted],[redacted]")),
            ("pan=4111111111111111;", Some("pan=[redacted];")),
            ("4111111111111112", None),
            ("411111111111", None),
            ("41111111111111111111", None),
            ("a4111111111111111", None),
            ("4111111111111111b", None),
            ("0.4111111111111111", None),
            ("550e8400-e29b-41d4-a716-446655440000", None),
            ("2024-01-15 10:30:00", None),
            ("1767225600000000000", None),
            ("4111-111111111111", None),
            ("", None),
        ] {
            assert_eq!(without_numbers(text).as_deref(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_number_with_its_check_digit_is_found(number in "[2-6][0-9]{11,17}", before in "[a-z .]{0,3} ", after in "( [a-z]{0,3})?") {
            let check = (b'0'..=b'9').find(|check| fulfils_luhn(&[number.as_bytes(), &[*check]].concat())).map(char::from);
            let text = format!("{before}{number}{}{after}", check.expect("one of ten fits"));

            prop_assert_eq!(without_numbers(&text), Some(format!("{before}[redacted]{after}")));
        }
    }
}
