//! rotel with its blackhole exporter: what decoding OTLP costs a collector that keeps nothing.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::{
        process,
        runs::SENDERS,
        sender::{Encoding, Pace, Sending},
        stream::{Plan, Stream},
    },
    Venv,
};

const PACKAGES: [&str; 1] = ["rotel==0.0.1a15"];
const START: Duration = Duration::from_secs(20);

struct Collector(Child);

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU seconds and spans of a stream that is received, decoded and dropped.
///
/// # Errors
/// Why there is no figure.
pub async fn decode_and_drop(venv: &Venv, plan: Plan, encoding: Encoding) -> Result<(f64, u64), String> {
    venv.install(&PACKAGES)?;
    // The wheel carries the program beside its Python; it is linked with that Python's library.
    let paths = venv.ask("import os, rotel, sysconfig; print(os.path.dirname(rotel.__file__)); print(sysconfig.get_config_var('LIBDIR'))")?;
    let (package, library) = paths.split_once('\n').ok_or("Python does not say where rotel is")?;
    let program = std::path::Path::new(package).join("rotel-agent");
    executable(&program)?;
    let (http, grpc) = (free_port()?, free_port()?);
    let child = Command::new(&program)
        .args(["start", "--exporter", "blackhole"])
        .args(["--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc])
        .env("LD_LIBRARY_PATH", library)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let mut collector = Collector(child);
    let began = Instant::now();
    while TcpStream::connect(&http).is_err() {
        if let Ok(Some(status)) = collector.0.try_wait() {
            return Err(format!("it ended at once: {status}"));
        }
        if began.elapsed() > START {
            return Err(format!("it does not listen after {START:?}"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let pid = collector.0.id();
    let before_s = process::cpu_s(pid);
    let sending = Sending {
        url: format!("http://{http}/v1/traces"),
        senders: SENDERS,
        encoding,
        pace: Pace::FlatOut,
        acked: Arc::default(),
    };
    let (sent, _) = sending.stream(Stream::new(plan)).await;
    Ok((process::cpu_s(pid) - before_s, sent.spans))
}

fn free_port() -> Result<String, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.to_string()).map_err(|error| error.to_string())
}

fn executable(program: &std::path::Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let allow = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(program, allow).map_err(|error| format!("{}: {error}", program.display()))
}
