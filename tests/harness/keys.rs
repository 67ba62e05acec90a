//! Keys without a letter, as the WebDriver protocol writes them.

pub const ENTER: &str = "\u{E007}";
pub const ESCAPE: &str = "\u{E00C}";
pub const RIGHT: &str = "\u{E014}";
