//! Text must be readable on every surface, in both themes: the tokens of the style sheet are checked, not trusted.

use std::collections::BTreeMap;

const TOKENS: &str = include_str!("../../styles/tokens.css");

/// WCAG 2.2: text needs 4.5:1.
const TEXT: f64 = 4.5;
/// WCAG 2.2: shapes that carry meaning need 3:1.
const SHAPE: f64 = 3.0;

fn luminance(hex: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).expect("six hex digits")) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Name to (light, dark).
fn tokens() -> BTreeMap<String, [String; 2]> {
    let lines = TOKENS.lines().filter_map(|line| {
        let (name, value) = line.trim().strip_prefix("--")?.split_once(':')?;
        let (light, dark) = value.trim().strip_prefix("light-dark(")?.split_once(')')?.0.split_once(',')?;
        let (light, dark) = (light.trim(), dark.trim());
        (light.len() == 7 && dark.len() == 7).then(|| (name.to_owned(), [light.to_owned(), dark.to_owned()]))
    });
    lines.collect()
}

fn check(inks: &[&str], surfaces: &[&str], least: f64) {
    let tokens = tokens();
    let token = |name: &str| {
        tokens.get(name).unwrap_or_else(|| panic!("tokens.css has no --{name}: light-dark(#rrggbb, #rrggbb)"))
    };
    for ink in inks {
        for surface in surfaces {
            for (theme, (ink_hex, surface_hex)) in ["light", "dark"].iter().zip(token(ink).iter().zip(token(surface))) {
                let ratio = contrast(ink_hex, surface_hex);
                assert!(ratio >= least, "--{ink} on --{surface} in {theme}: {ratio:.2}:1 is below {least}:1");
            }
        }
    }
}

#[test]
fn text_is_readable_on_every_surface() {
    check(
        &["text", "muted", "accent-text", "text-degraded", "text-failing", "text-half-open", "text-shed", "text-ok"],
        &["page", "panel", "raised"],
        TEXT,
    );
    check(&["on-accent"], &["accent-fill"], TEXT);
    check(&["text", "muted", "text-failing"], &["tint-failing"], TEXT);
    check(&["text", "muted", "text-degraded"], &["tint-degraded"], TEXT);
}

#[test]
fn shapes_that_carry_state_stand_out() {
    check(&["state-failing", "state-unknown", "breaker-half", "shed", "accent"], &["page", "panel"], SHAPE);
}
