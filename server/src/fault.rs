//! What only tests ask for: promises broken on purpose (the negative controls of the durability test, which must fail with each of them), and
//! background work that else would wait for hours of data. Builds without debug assertions (releases) cannot be talked into this.

/// The variables that switch them on.
pub const VARIABLES: [&str; 3] =
    ["SPILLWAY_TEST_ACK_EARLY", "SPILLWAY_TEST_SYNCHRONOUS_OFF", "SPILLWAY_TEST_COMPACT_AT_ONCE"];

fn is_on(variable: &str) -> bool {
    cfg!(debug_assertions) && std::env::var_os(variable).is_some()
}

/// Acknowledge before the commit.
pub fn ack_early() -> bool {
    is_on(VARIABLES[0])
}

/// Commit without a sync.
pub fn synchronous_off() -> bool {
    is_on(VARIABLES[1])
}

/// Compact whatever is committed and projected, into small files.
pub fn compact_at_once() -> bool {
    is_on(VARIABLES[2])
}
