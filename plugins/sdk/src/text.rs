//! Words for reasons: short enough for 200 bytes, and cheap enough for a tick with hundreds of them.

/// A number as people say it: without decimals. Writing a float out takes some 5,000 instructions each time, ten times
/// as much as an integer.
#[must_use]
pub fn whole(value: f64) -> u64 {
    // A cast saturates: what is not a number or below zero becomes 0, which is what it would be read as.
    value.round() as u64
}

/// A share in whole per cent.
#[must_use]
pub fn percent(share: f64) -> u64 {
    whole(share * 100.0)
}

/// The beginning of a name, at most 40 bytes: a reason has 200, a name may have more.
#[must_use]
pub fn short(name: &str) -> &str {
    &name[..name.floor_char_boundary(40)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_odd_ones_are_zero() {
        for (value, text) in [(0.4, 0), (0.5, 1), (99.6, 100), (-3.0, 0), (f64::NAN, 0), (f64::INFINITY, u64::MAX)] {
            assert_eq!(whole(value), text, "{value}");
        }
        assert_eq!(percent(0.126), 13);
    }

    #[test]
    fn names_are_cut_at_a_character_border() {
        assert_eq!(short("checkout"), "checkout");
        assert_eq!(short(&format!("x{}", "ü".repeat(30))).len(), 39);
    }
}
