//! Arguments → configuration → [`Server::bind`] → wait for a signal → shut down.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use spillway::{
    cli::{self, EX_UNAVAILABLE, EX_USAGE, refuse},
    config, memory,
    server::{BindError, Server},
};

#[derive(Parser)]
#[command(
    name = "spillway",
    version,
    about = "Traces, live topology and programmable load shedding in one program",
    disable_help_subcommand = true,
    after_help = "Examples:\n  \
        spillway serve                                   http://127.0.0.1:7070, data in ./data\n  \
        spillway serve --demo                            the same, with a demo shop that sends data\n  \
        spillway serve --listen 127.0.0.1:0 --otlp-grpc off\n  \
        spillway demo --spillway-url http://127.0.0.1:7070\n  \
        spillway config                                  every value and where it came from\n\n\
        Every setting is also a variable: SPILLWAY_LISTEN, SPILLWAY_ADMIN_TOKEN, SPILLWAY_RETENTION_SPANS, …"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Collect, store, show, decide
    #[command(
        args_override_self = true,
        after_help = "Examples:\n  \
        spillway serve --data-dir /var/lib/spillway\n  \
        SPILLWAY_ADMIN_TOKEN=… SPILLWAY_INGEST_KEY=… spillway serve --listen 0.0.0.0:7070 --behind-tls-proxy --allowed-hosts spillway.example.com"
    )]
    Serve(ServeArgs),
    /// Start a program so that it sends its telemetry here
    #[command(after_help = "Examples:\n  \
        spillway run -- python checkout.py\n  \
        spillway run --name payments -- node server.js\n  \
        spillway run -- java -jar inventory.jar\n  \
        spillway run -- ./mailer --port 9000\n\n\
        Sets the OTEL_* variables, switches on the automatic instrumentation of Python, Node.js and Java where it is installed (where not, it prints\n\
        the line that installs it), and becomes that program: signals, output and the exit code are the program's own. What you have set stays.")]
    Run(cli::RunArgs),
    /// Run a small shop of real services that sends its telemetry here
    Demo(spillway_demo::Args),
    /// Print every value and where it came from
    Config(ServeArgs),
    /// Copy the data, also while a server writes it
    #[command(after_help = "Examples:\n  \
        spillway backup /backups/monday\n  \
        spillway backup /backups/$(date +%F) --data-dir /var/lib/spillway\n\n\
        Everything that was acknowledged before it began is in it. A directory without manifest.json is no backup.\n\
        Exit code 65: a file is damaged, and was copied as it is.")]
    Backup(cli::BackupArgs),
    /// Read everything that is stored and name what is damaged
    #[command(after_help = "Examples:\n  \
        spillway check\n  \
        spillway check --data-dir /var/lib/spillway      also while a server writes it\n  \
        spillway check --data-dir /backups/monday        a backup, with its checksums\n\n\
        Changes nothing. Exit code 0: all is as it should be; 65: something is damaged, and stands on a line with its file and block.")]
    Check(cli::CheckArgs),
    /// Put a backup in the place of the data
    #[command(after_help = "Examples:\n  \
        spillway restore /backups/monday\n  \
        spillway restore /backups/monday --data-dir /var/lib/spillway --force\n\n\
        Nothing changes before every file was compared with its checksum; what was there is moved aside, never deleted.\n\
        Exit code 65: the backup is damaged.")]
    Restore(cli::RestoreArgs),
    /// Erase spans for good, from all files
    #[command(after_help = "Examples:\n  \
        spillway erase --where 'user.id=\"4711\"' --dry-run\n  \
        spillway erase --where 'service=checkout enduser.email=\"a@example.com\"' --traces\n  \
        SPILLWAY_ADMIN_TOKEN=… spillway erase --where 'user.id=\"4711\"' --url http://127.0.0.1:7070\n\n\
        Every SPAN that fulfils the filter goes, or with --traces every trace that has one. When it says that it is done, the text is in no file of\n\
        spans any more, nor is the filter. When it is stopped, `spillway serve` goes on with it. Backups, exports, events and sums are not searched;\n\
        backups that may still hold such spans are named.\n\
        Files that hold such spans are written anew: that takes free space as large as the largest of them twice.")]
    Erase(cli::EraseArgs),
    /// Write traces as OTLP/JSON lines
    #[command(after_help = "Examples:\n  \
        spillway export traces.jsonl\n  \
        spillway export --where 'service=checkout status=error' --from 2026-01-31T00:00:00Z - | gzip > errors.jsonl.gz\n  \
        spillway export history.jsonl --history          rollups, events and decisions\n\n\
        One OTLP export request a line, all spans of a trace on one line (over 2,000 on several), newest trace first. A trace goes out whole when one\n\
        of its spans fulfils the filter and began in the range. Any OTLP/HTTP receiver takes a line as the body of POST /v1/traces.")]
    Export(cli::ExportArgs),
    /// Read OTLP/JSON lines, or what Jaeger's interface saves, into the store
    #[command(after_help = "Examples:\n  \
        spillway import traces.jsonl.gz\n  \
        spillway import trace-from-jaeger.json --data-dir /var/lib/spillway\n  \
        gunzip -c errors.jsonl.gz | spillway import -\n\n\
        Spans that are stored already are left out: an import may be repeated, also one that was cut off. gzip is recognised. Secrets are masked as\n\
        those of other senders are (docs/INGEST.md says what becomes of Jaeger's fields). Lines of `export --history` are taken too, while no server runs.")]
    Import(cli::ImportArgs),
    /// Compile an uploaded rule; started by the server, never by hand
    #[command(hide = true)]
    CompileWorker,
}

#[derive(Args)]
struct ServeArgs {
    /// Address of the web interface and the API, or `off` [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address of the OTLP/HTTP receiver, or `off` [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDRESS")]
    otlp_http: Option<String>,
    /// Address of the OTLP/gRPC receiver, or `off` [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDRESS")]
    otlp_grpc: Option<String>,
    /// Address of the Zipkin receiver, or `off` [default: 127.0.0.1:9411, if it is free]
    #[arg(long, value_name = "ADDRESS")]
    zipkin: Option<String>,
    /// Directory of the SQLite files [default: ./data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// TOML file with the same keys
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Start the demo shop beside the server
    #[arg(long)]
    demo: bool,
    /// PEM file of the server's certificate chain
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// PEM file of its private key
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// A proxy in front ends TLS
    #[arg(long)]
    behind_tls_proxy: bool,
    /// Host names besides loopback that requests may name, separated by commas
    #[arg(long, value_name = "HOSTS")]
    allowed_hosts: Option<String>,
    /// `text` or `json` [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// What is logged, such as `info,spillway::ingest=debug` [default: info]
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<String>,
    /// How long spans are kept, such as 7d [default: 7d]
    #[arg(long, value_name = "TIME")]
    retention: Option<String>,
}

impl ServeArgs {
    /// As the highest layer of the configuration. Secrets have no flag: the process list shows flags to everybody.
    fn layers(self) -> (Vec<(&'static str, String)>, Option<PathBuf>) {
        let on = |flag: bool| flag.then(|| "true".to_owned());
        let flags = [
            ("listen", self.listen),
            ("otlp_http", self.otlp_http),
            ("otlp_grpc", self.otlp_grpc),
            ("zipkin", self.zipkin),
            ("data_dir", self.data_dir),
            ("demo", on(self.demo)),
            ("tls.cert", self.tls_cert),
            ("tls.key", self.tls_key),
            ("behind_tls_proxy", on(self.behind_tls_proxy)),
            ("allowed_hosts", self.allowed_hosts),
            ("log_format", self.log_format),
            ("log_filter", self.log_filter),
            ("retention.spans", self.retention),
        ];
        (flags.into_iter().filter_map(|(key, text)| text.map(|text| (key, text))).collect(), self.config)
    }

    fn load(self) -> Result<(config::Layered, config::Config), config::ConfigError> {
        let (flags, file) = self.layers();
        let variables: BTreeMap<String, String> = std::env::vars().collect();
        let layers = config::load(&flags, &variables, file)?;
        let config = config::Config::from_layers(&layers)?;
        Ok((layers, config))
    }
}

fn main() -> ExitCode {
    memory::share_arenas();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match cli.command {
        Command::Serve(args) => serve(args),
        Command::Run(args) => cli::run(args),
        Command::Demo(args) => spillway_demo::main(args),
        Command::Config(args) => print_config(args),
        Command::Backup(args) => cli::backup(args),
        Command::Check(args) => cli::check(args),
        Command::Restore(args) => cli::restore(args),
        Command::Export(args) => cli::export(args),
        Command::Import(args) => cli::import(args),
        Command::Erase(args) => cli::erase(args),
        Command::CompileWorker => spillway_plugin_host::compile_worker_main(),
    }
}

fn print_config(args: ServeArgs) -> ExitCode {
    let (flags, file) = args.layers();
    let variables: BTreeMap<String, String> = std::env::vars().collect();
    let layers = match config::load(&flags, &variables, file) {
        Ok(layers) => layers,
        Err(error) => {
            refuse(&error);
            return ExitCode::from(EX_USAGE);
        }
    };
    for (value, setting) in layers.iter().zip(config::SETTINGS) {
        print_line(format_args!("{:<24} {:<20} # {}; {}", value.key, value.shown(), value.origin, setting.help));
    }
    match config::Config::from_layers(&layers) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            refuse(&error);
            ExitCode::from(EX_USAGE)
        }
    }
}

/// Unlike `println!`, survives a reader that has gone: whoever waits for the first "listening" line may close the pipe.
fn print_line(line: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn serve(args: ServeArgs) -> ExitCode {
    let config = match args.load() {
        Ok((_, config)) => config,
        Err(error) => {
            refuse(&error);
            return ExitCode::from(EX_USAGE);
        }
    };
    if let Err(error) = spillway::log::install(&config) {
        refuse(&error);
        return ExitCode::from(EX_USAGE);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            refuse(&error);
            return ExitCode::from(EX_UNAVAILABLE);
        }
    };
    let outcome = runtime.block_on(async {
        let stop = spillway::signal::stop();
        let server = Server::bind(config).await?;
        for listener in server.listeners() {
            print_line(format_args!("listening {} {}", listener.name, listener.url));
        }
        server.run(stop).await;
        Ok::<(), BindError>(())
    });
    // Whatever blocking work is left holds no acknowledged data: the writer has been awaited.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            refuse(&error);
            ExitCode::from(EX_UNAVAILABLE)
        }
    }
}
