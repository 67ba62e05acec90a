//! `spillway run`: starts a program with the variables that make its OpenTelemetry SDK send here.

mod language;
mod name;
mod variables;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::IsTerminal as _,
    net::{TcpStream, ToSocketAddrs as _},
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};

use clap::Args;
use language::{Instrumented, Place};

use super::{EX_USAGE, refused};

/// A server on this machine answers in less, and nobody wants to wait for one elsewhere.
const REACHED_WITHIN: Duration = Duration::from_millis(500);
/// As shells say it: the program is there and cannot be started, or is not there.
const CANNOT_EXECUTE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Arguments of `spillway run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// `service.name` [default: the name of the script, or of the directory when that is `main` or the like]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// OTLP/HTTP address of the server [default: OTEL_EXPORTER_OTLP_ENDPOINT, or http://127.0.0.1:4318]
    #[arg(long, value_name = "URL")]
    otlp_url: Option<String>,
    /// Print the variables and the command instead of running it
    #[arg(long)]
    print: bool,
    /// Say nothing of its own
    #[arg(long)]
    quiet: bool,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Everything that a start consists of.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    name: String,
    otlp_url: String,
    command: Vec<OsString>,
    /// What is set anew.
    variables: BTreeMap<&'static str, String>,
    instrumented: Instrumented,
}

fn plan(args: &RunArgs, place: &Place) -> Plan {
    let words: Vec<String> = args.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let given = |key: &str| place.variables.get(key).filter(|text| !text.is_empty()).cloned();
    let name =
        args.name.clone().or_else(|| given("OTEL_SERVICE_NAME")).unwrap_or_else(|| name::of(&words, &place.directory));
    let otlp_url = args
        .otlp_url
        .clone()
        .or_else(|| given("OTEL_EXPORTER_OTLP_ENDPOINT"))
        .unwrap_or_else(|| "http://127.0.0.1:4318".to_owned());
    let mut variables = variables::of(&name, &otlp_url, place);
    let instrumented = language::instrument(&words, place);
    let mut command = args.command.clone();
    match &instrumented {
        Instrumented::Wrapped { with, .. } => command.insert(0, with.clone().into_os_string()),
        Instrumented::Loaded { variable, text, .. } => {
            let before = given(variable).map(|before| format!("{before} ")).unwrap_or_default();
            variables.insert(*variable, format!("{before}{text}"));
        }
        Instrumented::Missing { .. } | Instrumented::Unknown => {}
    }
    Plan { name, otlp_url, command, variables, instrumented }
}

/// Runs the program in the place of this one: signals, standard streams and the exit code are its own.
pub fn run(args: RunArgs) -> ExitCode {
    let place = Place {
        directory: match std::env::current_dir() {
            Ok(directory) => directory,
            Err(error) => return refused(&error, EX_USAGE),
        },
        variables: std::env::vars().collect(),
        process: std::process::id(),
        exists: |path| path.is_file(),
    };
    let plan = plan(&args, &place);
    if args.print {
        print(&plan);
        return ExitCode::SUCCESS;
    }
    if !args.quiet {
        say(&plan);
    }
    start(&plan)
}

#[cfg(unix)]
fn start(plan: &Plan) -> ExitCode {
    use std::os::unix::process::CommandExt as _;
    // It returns only when it failed.
    let error = command(plan).exec();
    not_started(plan, &error)
}

#[cfg(not(unix))]
fn start(plan: &Plan) -> ExitCode {
    match command(plan).status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => not_started(plan, &error),
    }
}

fn command(plan: &Plan) -> Command {
    let mut command = Command::new(&plan.command[0]);
    command.args(&plan.command[1..]).envs(&plan.variables);
    command
}

fn not_started(plan: &Plan, error: &std::io::Error) -> ExitCode {
    eprintln!("spillway: cannot start {}: {error}", PathBuf::from(&plan.command[0]).display());
    ExitCode::from(if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_EXECUTE })
}

/// For a shell to read.
fn print(plan: &Plan) {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    for (key, text) in &plan.variables {
        println!("export {key}={}", quoted(text));
    }
    let words: Vec<String> = plan.command.iter().map(|word| quoted(&word.to_string_lossy())).collect();
    println!("{}", words.join(" "));
    if let Instrumented::Missing { why, install, .. } = &plan.instrumented {
        println!("# {why}; install it with:\n#   {install}");
    }
}

/// On standard error, since standard output is the program's.
fn say(plan: &Plan) {
    let bold = |text: &str| if std::io::stderr().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.into() };
    let how = match &plan.instrumented {
        Instrumented::Wrapped { language, .. } | Instrumented::Loaded { language, .. } => {
            format!("{language}, instrumented")
        }
        Instrumented::Missing { language, .. } => format!("{language}, NOT instrumented"),
        Instrumented::Unknown => "it sends if it has an OpenTelemetry SDK".to_owned(),
    };
    eprintln!("spillway: {} sends to {} ({how})", bold(&plan.name), plan.otlp_url);
    if let Instrumented::Missing { why, install, .. } = &plan.instrumented {
        eprintln!("spillway: {why}; install it with:\n  {install}");
    }
    if !reached(&plan.otlp_url) {
        eprintln!(
            "spillway: nothing answers at {}: start `spillway serve`; what is sent until then is lost",
            plan.otlp_url
        );
    }
}

/// Whether somebody listens there; a URL that cannot be read is left to the SDK to complain about.
fn reached(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return true };
    let Some(host) = url.host() else { return true };
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    let Ok(mut addresses) = (host.trim_matches(['[', ']']), port).to_socket_addrs() else { return false };
    addresses.any(|address| TcpStream::connect_timeout(&address, REACHED_WITHIN).is_ok())
}

#[cfg(test)]
mod tests;
