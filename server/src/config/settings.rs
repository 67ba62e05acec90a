//! Every setting: its key, its default and what it means. Flags, variables, the file and `spillway config` are made from this table.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Key in the file (a dot is a table); the variable is `SPILLWAY_` and the key in upper case with `_` for `.`.
    pub key: &'static str,
    /// Text that holds when no layer says otherwise.
    pub default: &'static str,
    /// True for values that are never printed.
    pub secret: bool,
    /// What it means.
    pub help: &'static str,
}

impl Setting {
    /// Name of the environment variable.
    pub fn variable(&self) -> String {
        format!("SPILLWAY_{}", self.key.to_ascii_uppercase().replace('.', "_"))
    }
}

const fn setting(key: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { key, default, secret: false, help }
}

const fn secret(key: &'static str, help: &'static str) -> Setting {
    Setting { key, default: "", secret: true, help }
}

/// All settings.
pub const SETTINGS: &[Setting] = &[
    setting("listen", "127.0.0.1:7070", "address of the web interface and the API, or `off`"),
    setting("otlp_http", "127.0.0.1:4318", "address of the OTLP/HTTP receiver, or `off`"),
    setting("otlp_grpc", "127.0.0.1:4317", "address of the OTLP/gRPC receiver, or `off`"),
    setting("zipkin", "127.0.0.1:9411", "address of the Zipkin receiver, or `off`"),
    setting("data_dir", "./data", "directory of the SQLite files"),
    setting(
        "allow_network_filesystem",
        "false",
        "open data on NFS, SMB, FUSE or 9P, where a lock or a sync may not hold: data can be lost or damaged",
    ),
    setting("demo", "false", "start the demo shop beside the server"),
    secret("admin_token", "token that the web interface and the API ask for"),
    secret("ingest_key", "key that telemetry, usage reports and directive calls must carry"),
    secret(
        "webhooks.secrets",
        "senders that sign their webhooks, each as NAME:SECRET, separated by commas; they need no ingest key",
    ),
    setting("allowed_hosts", "", "host names besides loopback that requests may name, separated by commas"),
    setting("tls.cert", "", "PEM file of the server's certificate chain"),
    setting("tls.key", "", "PEM file of its private key"),
    setting("behind_tls_proxy", "false", "a proxy in front ends TLS"),
    setting("log_format", "text", "`text` or `json`"),
    setting("log_filter", "info", "what is logged, such as `info,spillway::ingest=debug`"),
    setting("ingest.max_body", "16MiB", "largest request body as sent"),
    setting("ingest.max_decompressed", "64MiB", "largest request body once decompressed"),
    setting(
        "ingest.queue",
        "128MiB",
        "memory for requests that wait for their commit; beyond it senders get 503 and Retry-After",
    ),
    setting("retention.spans", "7d", "how long spans are kept"),
    setting(
        "retention.bytes",
        "off",
        "largest size of the store, such as 50GiB: beyond it the oldest spans go, whatever their age, or `off`",
    ),
    setting(
        "retention.keep_share",
        "off",
        "share of each service's spans, such as 1%, that outlives `retention.spans` in traces that failed, were slow or were shed, or `off`",
    ),
    setting(
        "retention.keep_for",
        "30d",
        "how long such traces are kept; longer than `retention.spans`, and `retention.bytes` goes before it",
    ),
    setting("retention.history", "90d", "how long events and decisions are kept"),
    setting("retention.rollups_1s", "1h", "how long charts and the map of the past can tell single seconds apart"),
    setting(
        "retention.rollups_10s",
        "1d",
        "how long they can tell ten seconds apart; not less than `retention.rollups_1s`",
    ),
    setting("retention.rollups_1m", "90d", "how long they go back, in minutes; not less than `retention.rollups_10s`"),
    setting(
        "sampling.services",
        "",
        "services whose spans do not say how they were sampled, separated by commas: `checkout=1%` when one trace in a hundred is sent, `legacy=tail` when slow and failed ones are chosen, which are then never counted",
    ),
    setting("redact.keys", "", "further attribute keys whose values are masked, separated by commas"),
    setting("redact.allow", "", "attribute keys that are never masked, separated by commas"),
    setting(
        "pull.targets",
        "[]",
        "whom to ask how they are: a list of tables (JSON in a variable) with `service`, `url`, `format` and the other fields of `POST /api/v1/targets`",
    ),
    setting(
        "pull.file_sd",
        "",
        "JSON files of Prometheus' file discovery, separated by commas; read again when they change",
    ),
    setting("pull.http_sd", "", "addresses of Prometheus' HTTP discovery, separated by commas; asked every minute"),
    setting(
        "pull.allow_private",
        "false",
        "targets that are added in the interface may be on loopback and private addresses, as those of the configuration may",
    ),
    setting("shutdown_grace", "10s", "how long a stop waits for requests in flight"),
];
