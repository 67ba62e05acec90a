//! Colours as numbers, so that a faded line is a paler line and not a transparent one that shows every crossing.

/// Red, green and blue, each 0 to 255.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Colour([f64; 3]);

impl Colour {
    /// Reads `rgb(1, 2, 3)` or `rgba(…)`: what a browser computes for any sRGB colour.
    pub fn read(text: &str) -> Option<Self> {
        let inner = text.trim().strip_prefix("rgb")?.trim_start_matches('a').strip_prefix('(')?.strip_suffix(')')?;
        let mut parts = inner.split([',', ' ', '/']).filter(|part| !part.is_empty()).map(str::parse);
        let mut next = || parts.next()?.ok();
        Some(Self([next()?, next()?, next()?]))
    }

    /// This colour with `share` of `other` in it.
    pub fn mixed(self, other: Self, share: f64) -> Self {
        let mix = |i: usize| self.0[i] + (other.0[i] - self.0[i]) * share;
        Self([mix(0), mix(1), mix(2)])
    }

    /// For a canvas.
    pub fn css(self) -> String {
        let [red, green, blue] = self.0.map(|part| part.round().clamp(0.0, 255.0) as u8);
        format!("rgb({red},{green},{blue})")
    }
}
