//! Whom to ask: what somebody wrote, judged.

use std::{sync::Arc, time::Duration};

use http::Uri;
use spillway_api::{TargetFormat, TargetOrigin, TargetSpec};
use spillway_decode::webhook::MAX_NAME_BYTES;
use spillway_model::identity::ServiceKey;

use super::address::Trust;

/// Bytes of a URL.
const MAX_URL_BYTES: usize = 2_048;
/// Asking more often tells nothing more: the map shows seconds.
const EVERY_MIN: Duration = Duration::from_secs(1);
/// What is said is believed for a minute; asked less often, it would be forgotten in between.
const EVERY_MAX: Duration = Duration::from_secs(30);

/// How a target is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// A connection and nothing else.
    Tcp,
    /// gRPC in clear text.
    Grpc,
    /// gRPC over TLS.
    Grpcs,
}

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// How it is reached.
    pub scheme: Scheme,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub path: String,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Made from what it is, so the same one has the same id whenever and wherever it is found.
    pub id: Arc<str>,
    /// Where it was found.
    pub origin: TargetOrigin,
    /// Whose word it is.
    pub trust: Trust,
    /// What was written.
    pub spec: TargetSpec,
    /// Where it is.
    pub place: Place,
}

/// A specification that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct BadTarget {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

impl Target {
    /// Judges a specification.
    ///
    /// # Errors
    /// [`BadTarget`] for the first field that is wrong.
    pub fn new(spec: TargetSpec, origin: TargetOrigin, trust: Trust) -> Result<Self, BadTarget> {
        let bad = |field, why: &str| BadTarget { field, why: why.to_owned() };
        for (field, text) in [
            ("service", &spec.service),
            ("environment", &spec.environment),
            ("namespace", &spec.namespace),
            ("instance", &spec.instance),
        ] {
            if text.len() > MAX_NAME_BYTES {
                return Err(bad(field, "at most 256 bytes"));
            }
        }
        if spec.service.trim().is_empty() {
            return Err(bad("service", "must not be empty"));
        }
        let (every, timeout) = (every(&spec), timeout(&spec));
        if !(EVERY_MIN..=EVERY_MAX).contains(&every) {
            return Err(bad("every_ms", "1,000 to 30,000: what is said is believed for a minute"));
        }
        if timeout.is_zero() || timeout >= every {
            return Err(bad("timeout_ms", "must be less than every_ms, so that one question ends before the next"));
        }
        let place = Place::parse(&spec.url).map_err(|why| bad("url", why))?;
        place.suits(spec.format).map_err(|why| bad("url", why))?;
        if spec.each_address && !spec.instance.is_empty() {
            return Err(bad("instance", "with each_address every address is an instance of its own"));
        }
        Ok(Self { id: id(&spec), origin, trust, spec, place })
    }

    /// Whose health and breakers it tells.
    pub fn service(&self) -> ServiceKey {
        ServiceKey::new(&self.spec.environment, &self.spec.namespace, &self.spec.service)
    }

    /// How often.
    pub fn every(&self) -> Duration {
        every(&self.spec)
    }

    /// How long to wait for an answer.
    pub fn timeout(&self) -> Duration {
        timeout(&self.spec)
    }
}

fn every(spec: &TargetSpec) -> Duration {
    Duration::from_millis(spec.every_ms.into())
}

fn timeout(spec: &TargetSpec) -> Duration {
    Duration::from_millis(spec.timeout_ms.into())
}

fn id(spec: &TargetSpec) -> Arc<str> {
    let mut hasher = blake3::Hasher::new();
    let format = format!("{:?}", spec.format);
    for part in [&spec.environment, &spec.namespace, &spec.service, &spec.instance, &spec.url, &format] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..16].into()
}

impl Place {
    fn parse(url: &str) -> Result<Self, &'static str> {
        const FORM: &str = "expected a URL such as http://10.0.0.5:8080/health, tcp://db:5432 or grpc://cart:9000";
        if url.len() > MAX_URL_BYTES {
            return Err("at most 2,048 bytes");
        }
        let uri: Uri = url.parse().map_err(|_| FORM)?;
        let (scheme, port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, Some(80)),
            Some("https") => (Scheme::Https, Some(443)),
            Some("tcp") => (Scheme::Tcp, None),
            Some("grpc") => (Scheme::Grpc, Some(80)),
            Some("grpcs") => (Scheme::Grpcs, Some(443)),
            _ => return Err(FORM),
        };
        let authority = uri.authority().ok_or(FORM)?;
        // It would be shown with the target, and sent in clear text.
        if authority.as_str().contains('@') {
            return Err("must not hold a user name or a password");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(FORM);
        }
        let port = authority.port_u16().or(port).ok_or("tcp needs a port, such as tcp://db:5432")?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self { scheme, host, port, path: if path.is_empty() { "/" } else { path }.to_owned() })
    }

    fn suits(&self, format: TargetFormat) -> Result<(), &'static str> {
        let suits = match format {
            TargetFormat::Tcp => self.scheme == Scheme::Tcp,
            TargetFormat::Grpc => matches!(self.scheme, Scheme::Grpc | Scheme::Grpcs),
            _ => matches!(self.scheme, Scheme::Http | Scheme::Https),
        };
        if suits {
            return Ok(());
        }
        Err(match format {
            TargetFormat::Tcp => "this format needs tcp://",
            TargetFormat::Grpc => "this format needs grpc:// or grpcs://",
            _ => "this format needs http:// or https://",
        })
    }

    /// `host:port` as a URL has it.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The path, with another one behind it.
    pub fn below(&self, path: &str) -> String {
        format!("{}{path}", self.path.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn spec(changes: &[(&str, serde_json::Value)]) -> TargetSpec {
        let mut spec = serde_json::json!({"service": "cart", "url": "http://cart:8080/health"});
        for (key, value) in changes {
            spec[key] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    }

    fn judge(changes: &[(&str, serde_json::Value)]) -> Result<Target, String> {
        Target::new(spec(changes), TargetOrigin::Api, Trust::Stranger).map_err(|error| error.to_string())
    }

    #[test]
    fn a_target_has_kubernetes_defaults_and_an_id_of_its_own() {
        let target = judge(&[]).unwrap();

        assert_eq!((target.every(), target.timeout()), (Duration::from_secs(10), Duration::from_secs(1)));
        assert_eq!(target.place.authority(), "cart:8080");
        assert_eq!(target.id, judge(&[("every_ms", 5_000.into())]).unwrap().id);
        assert_ne!(target.id, judge(&[("instance", "a".into())]).unwrap().id);
        assert_ne!(target.id, judge(&[("format", "dotnet".into())]).unwrap().id);
    }

    #[test]
    fn urls_are_taken_apart() {
        let place = |url: &str, format: &str| {
            let place = judge(&[("url", url.into()), ("format", format.into())]).unwrap().place;
            (place.host.clone(), place.port, place.path.clone())
        };

        assert_eq!(place("https://a.example/x?y=1", "http"), ("a.example".into(), 443, "/x?y=1".into()));
        assert_eq!(place("tcp://[::1]:5432", "tcp"), ("::1".into(), 5432, "/".into()));
        assert_eq!(place("grpc://cart:9000/shop.Cart", "grpc"), ("cart".into(), 9000, "/shop.Cart".into()));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let bad = |key: &str, value: serde_json::Value| judge(&[(key, value)]).unwrap_err();

        assert_eq!(bad("service", " ".into()), "service: must not be empty");
        assert_eq!(bad("service", "x".repeat(257).into()), "service: at most 256 bytes");
        assert_eq!(bad("url", "http://user:secret@cart/".into()), "url: must not hold a user name or a password");
        assert_eq!(bad("url", "tcp://cart:80".into()), "url: this format needs http:// or https://");
        assert!(bad("url", "file:///etc/passwd".into()).starts_with("url: expected a URL"));
        assert!(bad("url", "cart:8080".into()).starts_with("url: expected a URL"));
        assert!(bad("every_ms", 500.into()).starts_with("every_ms: 1,000"));
        assert!(bad("every_ms", 60_000.into()).starts_with("every_ms: 1,000"));
        assert!(bad("timeout_ms", 10_000.into()).starts_with("timeout_ms: must be less"));
        assert_eq!(
            judge(&[("url", "tcp://db".into()), ("format", "tcp".into())]).unwrap_err(),
            "url: tcp needs a port, such as tcp://db:5432"
        );
    }
}
