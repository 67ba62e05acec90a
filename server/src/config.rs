//! Configuration: flags over `SPILLWAY_*` variables over a TOML file over defaults, every value with where it came from.
//!
//! All layers speak text under the same keys, so that `spillway config` can print each value and its origin, and one parser
//! judges them all. A value that is wrong is refused with its key, its text and what would be right.

mod layers;
mod parse;
mod settings;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use spillway_decode::webhook::signature::Signer;

pub use layers::{Layered, Origin, Value};
pub use settings::{SETTINGS, Setting};
use spillway_model::topology::Sampling;

use crate::pull::Target;

/// Why the configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{} is not valid TOML: {message}", path.display())]
    NotToml {
        /// Which file.
        path: PathBuf,
        /// Line, column and what is wrong.
        message: String,
    },
    /// Nothing has this name.
    #[error("unknown configuration key `{key}` in {origin}{}", suggestion.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The closest that exists.
        suggestion: Option<&'static str>,
    },
    /// A value does not parse.
    #[error("bad value `{value}` for `{key}` from {origin}: {expected}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// Its text; `***` for a secret.
        value: String,
        /// Where it stands.
        origin: Origin,
        /// What would be right.
        expected: String,
    },
    /// Values that do not go together.
    #[error("{0}")]
    Unsafe(String),
}

/// Where a listener listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Not at all.
    Off,
    /// Here; port 0 takes a free one.
    On(SocketAddr),
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A secret: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, to compare or to send.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Certificate and key of the server itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file of the certificate chain.
    pub cert: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
}

/// Everything that can be set, parsed.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each field is described by the setting of the same name")]
pub struct Config {
    pub listen: Listen,
    pub otlp_http: Listen,
    pub otlp_grpc: Listen,
    pub zipkin: Listen,
    /// False when nobody asked for that listener: then a taken port is no reason not to start, since a Zipkin may be running there.
    pub zipkin_wanted: bool,
    pub data_dir: PathBuf,
    pub allow_network_filesystem: bool,
    pub demo: bool,
    pub admin_token: Option<Secret>,
    pub ingest_key: Option<Secret>,
    pub webhook_secrets: Vec<Signer>,
    pub allowed_hosts: Vec<String>,
    pub tls: Option<TlsFiles>,
    pub behind_tls_proxy: bool,
    pub log_format: LogFormat,
    pub log_filter: String,
    pub max_body_bytes: usize,
    pub max_decompressed_bytes: usize,
    pub queue_bytes: usize,
    pub retention_spans: Duration,
    pub retention_bytes: Option<u64>,
    pub retention_keep_share: Option<f64>,
    pub retention_keep_for: Duration,
    pub retention_history: Duration,
    pub retention_rollups_1s: Duration,
    pub retention_rollups_10s: Duration,
    pub retention_rollups_1m: Duration,
    pub sampling: Sampling,
    pub redact_keys: Vec<String>,
    pub redact_allow: Vec<String>,
    pub pull_targets: Vec<Target>,
    pub pull_file_sd: Vec<String>,
    pub pull_http_sd: Vec<String>,
    pub pull_allow_private: bool,
    pub shutdown_grace: Duration,
}

impl Config {
    /// Parses and judges the merged layers.
    ///
    /// # Errors
    /// The first value that is wrong, or the first combination that would be unsafe.
    pub fn from_layers(layers: &Layered) -> Result<Self, ConfigError> {
        let get = |key: &'static str| layers.get(key);
        let secret = |key: &'static str| {
            let text = &get(key).text;
            (!text.is_empty()).then(|| Secret(text.clone()))
        };
        let config = Self {
            listen: get("listen").parse(parse::listen)?,
            otlp_http: get("otlp_http").parse(parse::listen)?,
            otlp_grpc: get("otlp_grpc").parse(parse::listen)?,
            zipkin: get("zipkin").parse(parse::listen)?,
            zipkin_wanted: get("zipkin").origin != Origin::Default,
            data_dir: PathBuf::from(&get("data_dir").text),
            allow_network_filesystem: get("allow_network_filesystem").parse(parse::boolean)?,
            demo: get("demo").parse(parse::boolean)?,
            admin_token: secret("admin_token"),
            ingest_key: secret("ingest_key"),
            webhook_secrets: get("webhooks.secrets").parse(parse::signers)?,
            allowed_hosts: parse::list(&get("allowed_hosts").text),
            tls: tls_files(layers)?,
            behind_tls_proxy: get("behind_tls_proxy").parse(parse::boolean)?,
            log_format: get("log_format").parse(parse::log_format)?,
            log_filter: get("log_filter").text.clone(),
            max_body_bytes: get("ingest.max_body").parse(parse::size)?,
            max_decompressed_bytes: get("ingest.max_decompressed").parse(parse::size)?,
            queue_bytes: get("ingest.queue").parse(parse::size)?,
            retention_spans: get("retention.spans").parse(parse::duration)?,
            retention_bytes: get("retention.bytes").parse(parse::space)?,
            retention_keep_share: get("retention.keep_share").parse(parse::share)?,
            retention_keep_for: get("retention.keep_for").parse(parse::duration)?,
            retention_history: get("retention.history").parse(parse::duration)?,
            retention_rollups_1s: get("retention.rollups_1s").parse(parse::duration)?,
            retention_rollups_10s: get("retention.rollups_10s").parse(parse::duration)?,
            retention_rollups_1m: get("retention.rollups_1m").parse(parse::duration)?,
            sampling: get("sampling.services").parse(parse::sampling)?,
            redact_keys: parse::list(&get("redact.keys").text),
            redact_allow: parse::list(&get("redact.allow").text),
            pull_targets: get("pull.targets").parse(parse::targets)?,
            pull_file_sd: parse::list(&get("pull.file_sd").text),
            pull_http_sd: parse::list(&get("pull.http_sd").text),
            pull_allow_private: get("pull.allow_private").parse(parse::boolean)?,
            shutdown_grace: get("shutdown_grace").parse(parse::duration)?,
        };
        config.refuse_gaps()?;
        config.refuse_unsafe()?;
        Ok(config)
    }

    /// True when some listener can be reached from other machines.
    pub fn reachable_from_outside(&self) -> bool {
        [self.listen, self.otlp_http, self.otlp_grpc, self.zipkin]
            .into_iter()
            .any(|listen| matches!(listen, Listen::On(address) if !address.ip().is_loopback()))
    }

    /// True when browsers reach the server by https.
    pub fn served_over_tls(&self) -> bool {
        self.tls.is_some() || self.behind_tls_proxy
    }

    /// What is forgotten finely is answered coarser: that must still be there.
    fn refuse_gaps(&self) -> Result<(), ConfigError> {
        let kept = [
            ("retention.rollups_1s", self.retention_rollups_1s),
            ("retention.rollups_10s", self.retention_rollups_10s),
            ("retention.rollups_1m", self.retention_rollups_1m),
        ];
        for pair in kept.windows(2) {
            let [(fine, fine_kept), (coarse, coarse_kept)] = [pair[0], pair[1]];
            if fine_kept > coarse_kept {
                return Err(ConfigError::Unsafe(format!(
                    "`{fine}` is longer than `{coarse}`: what is kept in fine steps must be kept in coarse ones too"
                )));
            }
        }
        if self.retention_keep_share.is_some() && self.retention_keep_for <= self.retention_spans {
            return Err(ConfigError::Unsafe(
                "`retention.keep_for` is not longer than `retention.spans`: nothing would be kept by `retention.keep_share`"
                    .into(),
            ));
        }
        Ok(())
    }

    fn refuse_unsafe(&self) -> Result<(), ConfigError> {
        for (key, secret) in [("admin_token", &self.admin_token), ("ingest_key", &self.ingest_key)] {
            // 16 characters of a random token are out of reach of guessing over a network.
            if secret.as_ref().is_some_and(|secret| secret.expose().len() < 16) {
                return Err(ConfigError::Unsafe(format!(
                    "`{key}` is shorter than 16 characters: take a random one, such as the output of `openssl rand -hex 24`"
                )));
            }
        }
        if !self.reachable_from_outside() {
            return Ok(());
        }
        let mut missing = Vec::new();
        if self.admin_token.is_none() {
            missing.push("an admin token (SPILLWAY_ADMIN_TOKEN)");
        }
        if self.ingest_key.is_none() {
            missing.push("an ingest key (SPILLWAY_INGEST_KEY)");
        }
        if !self.served_over_tls() {
            missing.push("TLS (--tls-cert and --tls-key, or --behind-tls-proxy when a proxy ends TLS in front of it)");
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(ConfigError::Unsafe(format!(
            "a listener on an address that other machines can reach needs {}",
            missing.join(" and ")
        )))
    }
}

fn tls_files(layers: &Layered) -> Result<Option<TlsFiles>, ConfigError> {
    let (cert, key) = (&layers.get("tls.cert").text, &layers.get("tls.key").text);
    match (cert.is_empty(), key.is_empty()) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(TlsFiles { cert: PathBuf::from(cert), key: PathBuf::from(key) })),
        _ => Err(ConfigError::Unsafe("`tls.cert` and `tls.key` go together: only one of them is set".into())),
    }
}

/// Reads all layers: `flags` are (key, text) from the command line, `variables` the process's environment.
///
/// # Errors
/// An unreadable file or an unknown key.
pub fn load(
    flags: &[(&'static str, String)],
    variables: &BTreeMap<String, String>,
    file: Option<PathBuf>,
) -> Result<Layered, ConfigError> {
    let mut layers = Layered::defaults();
    if let Some(path) = file.or_else(|| variables.get("SPILLWAY_CONFIG").map(PathBuf::from)) {
        layers.add_file(&path)?;
    }
    layers.add_variables(variables)?;
    layers.add_flags(flags)?;
    Ok(layers)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn config(flags: &[(&'static str, &str)]) -> Result<Config, ConfigError> {
        let flags: Vec<_> = flags.iter().map(|&(key, text)| (key, text.to_owned())).collect();
        Config::from_layers(&load(&flags, &BTreeMap::new(), None)?)
    }

    #[test]
    fn defaults_listen_on_loopback_only() {
        let config = config(&[]).unwrap();

        assert_eq!(config.listen, Listen::On("127.0.0.1:7070".parse().unwrap()));
        assert!(!config.reachable_from_outside());
    }

    #[test]
    fn flags_win_over_variables_and_variables_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spillway.toml");
        std::fs::write(&path, "otlp_http = \"off\"\nlog_filter = \"debug\"\n[retention]\nspans = \"1d\"\n").unwrap();
        let variables = BTreeMap::from([
            ("SPILLWAY_OTLP_HTTP".to_owned(), "127.0.0.1:1".to_owned()),
            ("SPILLWAY_RETENTION_SPANS".to_owned(), "2d".to_owned()),
        ]);

        let layers = load(&[("retention.spans", "3d".into())], &variables, Some(path.clone())).unwrap();

        assert_eq!(layers.get("log_filter").origin, Origin::File(path));
        assert_eq!(layers.get("otlp_http").origin, Origin::Variable("SPILLWAY_OTLP_HTTP".into()));
        assert_eq!(
            (layers.get("retention.spans").text.as_str(), &layers.get("retention.spans").origin),
            ("3d", &Origin::Flag)
        );
        assert_eq!(layers.get("listen").origin, Origin::Default);
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_that_exists() {
        let variables = BTreeMap::from([("SPILLWAY_LISTN".to_owned(), "off".to_owned())]);

        let error = load(&[], &variables, None).unwrap_err().to_string();

        assert_eq!(error, "unknown configuration key `SPILLWAY_LISTN` in the environment; did you mean `listen`?");
    }

    #[test]
    fn a_bad_value_is_named_with_its_origin_and_what_would_be_right() {
        let error = config(&[("listen", "7070")]).unwrap_err().to_string();

        assert!(error.starts_with("bad value `7070` for `listen` from the command line: "), "{error}");
    }

    #[test]
    fn an_open_address_needs_token_key_and_tls() {
        let token = "0123456789abcdef";
        let open = ("listen", "0.0.0.0:7070");

        let error = config(&[open]).unwrap_err().to_string();
        assert!(
            error.contains("SPILLWAY_ADMIN_TOKEN") && error.contains("SPILLWAY_INGEST_KEY") && error.contains("TLS"),
            "{error}"
        );
        let error = config(&[open, ("admin_token", token), ("ingest_key", token)]).unwrap_err().to_string();
        assert!(!error.contains("TOKEN") && error.contains("TLS"), "{error}");
        assert!(config(&[open, ("admin_token", token), ("ingest_key", token), ("behind_tls_proxy", "true")]).is_ok());
    }

    #[test]
    fn fine_sums_are_not_kept_longer_than_coarse_ones() {
        assert!(config(&[("retention.rollups_1s", "1d"), ("retention.rollups_10s", "1d")]).is_ok());

        let error = config(&[("retention.rollups_1s", "2d")]).unwrap_err().to_string();
        assert!(error.contains("`retention.rollups_1s` is longer than `retention.rollups_10s`"), "{error}");
        let error = config(&[("retention.rollups_1m", "12h")]).unwrap_err().to_string();
        assert!(error.contains("`retention.rollups_10s` is longer than `retention.rollups_1m`"), "{error}");
    }

    #[test]
    fn what_is_kept_longer_is_kept_longer_than_the_rest() {
        assert_eq!(config(&[]).unwrap().retention_keep_share, None);
        let share = ("retention.keep_share", "1%");
        assert_eq!(config(&[share]).unwrap().retention_keep_share, Some(0.01));

        let error = config(&[share, ("retention.keep_for", "7d")]).unwrap_err().to_string();
        assert!(error.contains("`retention.keep_for` is not longer than `retention.spans`"), "{error}");
    }

    #[test]
    fn secrets_of_webhooks_have_names_and_are_not_printed() {
        let secrets = "github:0123456789abcdef,ci:whsec_MDEyMzQ1Njc4OWFiY2RlZg==";
        let config = config(&[("webhooks.secrets", secrets)]).unwrap();
        assert_eq!(config.webhook_secrets.iter().map(Signer::name).collect::<Vec<_>>(), ["github", "ci"]);
        assert!(!format!("{config:?}").contains("0123456789"));

        let error = self::config(&[("webhooks.secrets", "github:hunter2")]).unwrap_err().to_string();
        assert!(error.contains("bad value `***` for `webhooks.secrets`") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_secret_is_not_printed() {
        let config = config(&[("admin_token", "hunter2-hunter2-hunter2")]).unwrap();

        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
