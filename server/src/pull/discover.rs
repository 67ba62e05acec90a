//! Prometheus' discovery: files that are read again when they change, and addresses that are asked every minute.
//!
//! What was found last holds as long as a file or an address cannot be read, as in Prometheus: a half-written file must not stop the
//! questions. Which service a target is, its labels say: `service`, `service_name`, `app` or `job`, whichever comes first in this order.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use spillway_api::{TargetFormat, TargetOrigin, TargetSpec};
use spillway_decode::discovery::{Discovered, groups};
use tokio::time::Instant;

use super::{
    Target, Trust,
    fetch::{self, Failed},
};
use crate::config::Config;

/// Bytes of a file.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// As Prometheus' `refresh_interval`.
const ASK_EVERY: Duration = Duration::from_secs(60);
/// For an address of HTTP discovery.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Labels that name the service.
const SERVICE_LABELS: [&str; 4] = ["service", "service_name", "app", "job"];

/// All places of discovery.
pub(super) struct Discovery {
    files: Vec<File>,
    addresses: Vec<Address>,
}

struct File {
    path: PathBuf,
    /// Length and time of change of what was read.
    read: Option<(u64, SystemTime)>,
    found: Vec<Target>,
    problems: Vec<String>,
}

struct Address {
    url: String,
    ask_at: Instant,
    found: Vec<Target>,
    problems: Vec<String>,
}

impl Discovery {
    pub(super) fn new(config: &Config) -> Self {
        let file = |path: &String| File { path: path.into(), read: None, found: Vec::new(), problems: Vec::new() };
        let address = |url: &String| Address {
            url: url.clone(),
            ask_at: Instant::now(),
            found: Vec::new(),
            problems: Vec::new(),
        };
        Self {
            files: config.pull_file_sd.iter().map(file).collect(),
            addresses: config.pull_http_sd.iter().map(address).collect(),
        }
    }

    /// What there is now; what does not work is added to `problems`.
    pub(super) async fn look(&mut self, problems: &mut Vec<String>) -> Vec<Target> {
        let mut found = Vec::new();
        for file in &mut self.files {
            file.look().await;
            problems.extend(file.problems.iter().cloned());
            found.extend(file.found.iter().cloned());
        }
        for address in &mut self.addresses {
            if Instant::now() >= address.ask_at {
                address.look().await;
            }
            problems.extend(address.problems.iter().cloned());
            found.extend(address.found.iter().cloned());
        }
        found
    }
}

impl File {
    async fn look(&mut self) {
        let name = self.path.display().to_string();
        match read_if_changed(&self.path, self.read).await {
            Ok(None) => {}
            Ok(Some((stamp, body))) => {
                self.read = Some(stamp);
                take(&name, &body, TargetOrigin::FileSd, &mut self.found, &mut self.problems);
            }
            Err(why) => {
                self.read = None;
                self.problems = vec![format!("{name}: {why}")];
            }
        }
    }
}

type Stamp = (u64, SystemTime);

async fn read_if_changed(path: &Path, known: Option<Stamp>) -> Result<Option<(Stamp, Vec<u8>)>, String> {
    let metadata = tokio::fs::metadata(path).await.map_err(|error| error.to_string())?;
    if metadata.len() > MAX_FILE_BYTES {
        return Err(format!("it has {} bytes, {MAX_FILE_BYTES} are allowed", metadata.len()));
    }
    let stamp = (metadata.len(), metadata.modified().map_err(|error| error.to_string())?);
    if known == Some(stamp) {
        return Ok(None);
    }
    let body = tokio::fs::read(path).await.map_err(|error| error.to_string())?;
    Ok(Some((stamp, body)))
}

impl Address {
    async fn look(&mut self) {
        self.ask_at = Instant::now() + ASK_EVERY;
        match tokio::time::timeout(ANSWER_WITHIN, ask(&self.url)).await {
            Ok(Ok(body)) => take(&self.url, &body, TargetOrigin::HttpSd, &mut self.found, &mut self.problems),
            Ok(Err(why)) => self.problems = vec![format!("{}: {why}", self.url)],
            Err(_) => self.problems = vec![format!("{}: no answer within {} s", self.url, ANSWER_WITHIN.as_secs())],
        }
    }
}

/// The address stands in the configuration, so it may be a private one.
async fn ask(url: &str) -> Result<Vec<u8>, String> {
    let spec = spec("discovery", url.to_owned(), TargetFormat::Http);
    let target = Target::new(spec, TargetOrigin::Config, Trust::Operator).map_err(|error| error.to_string())?;
    let text = |failed: Failed| failed.to_string();
    let addresses = fetch::addresses(&target.place, target.trust).await.map_err(text)?;
    let address = addresses.first().copied().ok_or("it has no address")?;
    let answer = fetch::get(&target.place, address, &target.place.path, "application/json").await.map_err(text)?;
    match answer.status {
        200 if answer.body.len() as u64 <= MAX_FILE_BYTES => Ok(answer.body.to_vec()),
        200 => Err(format!("the answer has {} bytes, {MAX_FILE_BYTES} are allowed", answer.body.len())),
        status => Err(format!("it answers {status}")),
    }
}

fn take(name: &str, body: &[u8], origin: TargetOrigin, found: &mut Vec<Target>, problems: &mut Vec<String>) {
    problems.clear();
    let discovered = match groups(body) {
        Ok(discovered) => discovered,
        Err(error) => return problems.push(format!("{name}: {error}")),
    };
    found.clear();
    for one in discovered {
        match target(&one, origin) {
            Ok(target) => found.push(target),
            // One line a document: a thousand alike help nobody.
            Err(why) if problems.is_empty() => problems.push(format!("{name}: {}: {why}", one.address)),
            Err(_) => {}
        }
    }
}

/// A target from its address and labels. `spillway_format` says how it is asked, else it is scraped.
fn target(discovered: &Discovered, origin: TargetOrigin) -> Result<Target, String> {
    let label = |name: &str| discovered.labels.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let service = SERVICE_LABELS
        .iter()
        .find_map(|name| label(name))
        .ok_or("its labels name no service (service, service_name, app or job)")?;
    let format = match label("spillway_format") {
        None => TargetFormat::Prometheus,
        Some(word) => serde_json::from_value(word.into()).map_err(|_| format!("there is no format `{word}`"))?,
    };
    let scheme = match format {
        TargetFormat::Tcp => "tcp",
        TargetFormat::Grpc => "grpc",
        _ => label("__scheme__").unwrap_or("http"),
    };
    let path = label("__metrics_path__").unwrap_or(match format {
        TargetFormat::Prometheus => "/metrics",
        TargetFormat::Actuator => "/actuator",
        TargetFormat::Hystrix => "/hystrix.stream",
        _ => "/",
    });
    let mut spec = spec(service, format!("{scheme}://{}{path}", discovered.address), format);
    spec.environment = label("environment").unwrap_or_default().to_owned();
    spec.namespace = label("namespace").unwrap_or_default().to_owned();
    spec.instance = label("instance").unwrap_or_default().to_owned();
    Target::new(spec, origin, Trust::Operator).map_err(|error| error.to_string())
}

fn spec(service: &str, url: String, format: TargetFormat) -> TargetSpec {
    TargetSpec {
        service: service.to_owned(),
        environment: String::new(),
        namespace: String::new(),
        instance: String::new(),
        url,
        format,
        every_ms: 10_000,
        timeout_ms: 5_000,
        each_address: false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn discovered(labels: &[(&str, &str)]) -> Result<Target, String> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        target(&Discovered { address: "10.0.0.1:8080".into(), labels }, TargetOrigin::FileSd)
    }

    #[test]
    fn labels_say_which_service_it_is_and_how_it_is_asked() {
        let target = discovered(&[("job", "x"), ("service", "cart"), ("__scheme__", "https")]).unwrap();
        assert_eq!((target.spec.service.as_str(), target.spec.url.as_str()), ("cart", "https://10.0.0.1:8080/metrics"));
        let target = discovered(&[("job", "cart"), ("spillway_format", "actuator"), ("instance", "a")]).unwrap();
        assert_eq!((target.spec.url.as_str(), target.spec.instance.as_str()), ("http://10.0.0.1:8080/actuator", "a"));
        let target = discovered(&[("job", "db"), ("spillway_format", "tcp")]).unwrap();
        assert_eq!(target.spec.url, "tcp://10.0.0.1:8080/");

        assert_eq!(
            discovered(&[("team", "a")]).unwrap_err(),
            "its labels name no service (service, service_name, app or job)"
        );
        assert_eq!(discovered(&[("job", "a"), ("spillway_format", "x")]).unwrap_err(), "there is no format `x`");
    }

    #[tokio::test]
    async fn a_file_is_read_again_when_it_changes_and_holds_while_it_is_broken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("targets.json");
        let mut file = File { path: path.clone(), read: None, found: Vec::new(), problems: Vec::new() };
        let group = |addresses: &str| format!("[{{\"targets\": [{addresses}], \"labels\": {{\"job\": \"cart\"}}}}]");

        file.look().await;
        assert!(file.found.is_empty() && file.problems.len() == 1, "{:?}", file.problems);
        std::fs::write(&path, group("\"a:1\"")).unwrap();
        file.look().await;
        assert!(file.found.len() == 1 && file.problems.is_empty(), "{:?}", file.problems);
        std::fs::write(&path, "[{\"targets\": [\"a:1\", \"b").unwrap();
        file.look().await;
        assert!(file.found.len() == 1 && file.problems.len() == 1, "{:?}", file.problems);
        std::fs::write(&path, group("\"a:1\", \"b:1\", \"c:1\"")).unwrap();
        file.look().await;
        assert!(file.found.len() == 3 && file.problems.is_empty(), "{:?}", file.problems);
    }
}
