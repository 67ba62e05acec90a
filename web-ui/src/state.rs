//! What outlives a page: the session, the address, the clock, preferences and the live topology.

pub mod address;
pub mod clock;
pub mod history;
pub mod keys;
pub mod live;
pub mod loader;
pub mod pins;
pub mod preferences;
pub mod session;
pub mod targets;

pub use address::Address;
pub use clock::Clock;
pub use live::Live;
pub use loader::{Every, Loader, Remote, load};
pub use pins::Pins;
pub use preferences::Preferences;
pub use session::Session;
pub use targets::Targets;
