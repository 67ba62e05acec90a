//! Actors for black-box tests: the server as a process, an HTTP client, a browser. Each wait has a deadline, and each
//! failure shows what the processes said last.

mod browser;
mod driver;
mod eventually;
mod http;
mod process;
mod server;

pub use browser::{Browser, View};
pub use eventually::eventually;
pub use http::Client;
pub use server::Server;
