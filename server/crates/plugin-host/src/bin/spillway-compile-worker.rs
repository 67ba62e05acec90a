//! The compile worker on its own, for the tests and benches of this crate. The server runs the same function as the
//! hidden subcommand `spillway compile-worker`.

use std::process::ExitCode;

fn main() -> ExitCode {
    spillway_plugin_host::compile_worker_main()
}
