//! Promises broken on purpose: the negative controls of the durability test, which must fail with each of them. Builds
//! without debug assertions (releases) cannot be talked into this.

/// The variables that switch them on.
pub const VARIABLES: [&str; 2] = ["SPILLWAY_TEST_ACK_EARLY", "SPILLWAY_TEST_SYNCHRONOUS_OFF"];

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
