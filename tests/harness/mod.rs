//! Actors for black-box tests: the server as a process, an HTTP client, a browser. Each wait has a deadline, and each
//! failure shows what the processes said last.

mod alone;
mod browser;
pub mod clock;
mod driver;
mod eventually;
mod fake;
mod grpc;
mod http;
pub mod keys;
mod process;
pub mod runtimes;
mod server;
pub mod shim;
pub mod telemetry;

pub use alone::alone;
pub use browser::{Browser, View};
pub use eventually::eventually;
pub use fake::Fake;
pub use grpc::Grpc;
pub use http::{Answer, Client};
pub use process::Process;
pub use server::{Server, holds, outcome};
