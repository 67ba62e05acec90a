//! Who may call what.
//!
//! Two secrets, and those of senders that sign: the admin token opens the web interface and the API, the ingest key lets services send telemetry, report
//! usage and fetch directives. Neither set means open, which the configuration allows on loopback only. A browser exchanges the token for
//! a cookie, since `EventSource` sends no headers; sessions live in memory and end with the process.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header};
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};
use spillway_decode::webhook::signature::{BadSignature, Signature, Signer};
use subtle::ConstantTimeEq as _;

use crate::config::{Config, Secret};

/// What a route demands. There is no route without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Nothing: health, the page itself, signing in.
    Public,
    /// The admin token or a session.
    Read,
    /// The admin token or a session, and for browsers the same origin.
    Change,
    /// The ingest key: telemetry, usage reports, directives.
    Ingest,
    /// The ingest key, or a signature, which the handler must check: [`Access::signer`].
    Webhook,
}

/// Unused sessions end after this.
const SESSION_IDLE: Duration = Duration::from_secs(12 * 3_600);
/// Sessions end after this however much they are used.
const SESSION_LIFE: Duration = Duration::from_secs(7 * 86_400);
/// More sessions than any team has browsers; the one that was unused longest makes room.
const SESSIONS: usize = 1_000;
/// Wrong tokens a minute, over all clients: guessing a 16-character token is hopeless long before.
const FAILURES_A_MINUTE: u32 = 30;

/// The gatekeeper.
pub struct Access {
    admin: Option<[u8; 32]>,
    ingest: Option<[u8; 32]>,
    signers: Vec<Signer>,
    secure_cookie: bool,
    /// Never held across an await: look-ups and inserts only.
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    /// By SHA-256 of the cookie's value, so that a memory dump opens nothing.
    live: HashMap<[u8; 32], Session>,
    failures: u32,
    failures_since: Option<Instant>,
}

struct Session {
    began: Instant,
    used: Instant,
}

/// Why somebody was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No credential, or a wrong one.
    Unauthorized,
    /// Too many wrong ones lately.
    TooManyFailures,
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

impl Access {
    /// From the configuration.
    pub fn new(config: &Config) -> Self {
        let digest_of = |secret: &Option<Secret>| secret.as_ref().map(|secret| digest(secret.expose()));
        Self {
            admin: digest_of(&config.admin_token),
            ingest: digest_of(&config.ingest_key),
            signers: config.webhook_secrets.clone(),
            secure_cookie: config.served_over_tls(),
            sessions: Mutex::default(),
        }
    }

    /// True when the web interface must ask for the token.
    pub fn token_required(&self) -> bool {
        self.admin.is_some()
    }

    /// True when ingest must carry a key.
    pub fn key_required(&self) -> bool {
        self.ingest.is_some()
    }

    /// Whether a request may use a route.
    ///
    /// # Errors
    /// [`Denied`] when it may not.
    pub fn check(&self, permission: Permission, headers: &HeaderMap, now: Instant) -> Result<(), Denied> {
        let granted = match permission {
            Permission::Public => true,
            Permission::Webhook => self.has_signature(headers) || self.check(Permission::Ingest, headers, now).is_ok(),
            Permission::Read | Permission::Change => self.signed_in(headers, now),
            Permission::Ingest => match self.ingest {
                None => true,
                Some(key) => presented(headers).any(|given| bool::from(digest(given).ct_eq(&key))),
            },
        };
        if granted { Ok(()) } else { Err(Denied::Unauthorized) }
    }

    /// Whether a request carries a signature that will be checked.
    fn has_signature(&self, headers: &HeaderMap) -> bool {
        !self.signers.is_empty() && !matches!(signature(headers), Ok(None))
    }

    /// Who signed a request, with its body as it came; `None` when nobody did, or no sender's secret is known here.
    ///
    /// # Errors
    /// [`BadSignature`] when it carries a signature that does not count.
    pub fn signer(&self, headers: &HeaderMap, body: &[u8], now_s: i64) -> Result<Option<&str>, BadSignature> {
        if self.signers.is_empty() {
            return Ok(None);
        }
        match signature(headers)? {
            None => Ok(None),
            Some(signature) => signature.verify(&self.signers, body, now_s).map(|signer| Some(signer.name())),
        }
    }

    /// Whether a request comes with the admin token or a live session, or none is asked for.
    pub fn signed_in(&self, headers: &HeaderMap, now: Instant) -> bool {
        let Some(admin) = self.admin else { return true };
        presented(headers).any(|given| bool::from(digest(given).ct_eq(&admin))) || self.session_is_live(headers, now)
    }

    fn session_is_live(&self, headers: &HeaderMap, now: Instant) -> bool {
        let Some(value) = cookie(headers, self.cookie_name()) else { return false };
        let mut sessions = self.lock();
        match sessions.live.get_mut(&digest(value)) {
            Some(session)
                if now.duration_since(session.used) < SESSION_IDLE
                    && now.duration_since(session.began) < SESSION_LIFE =>
            {
                session.used = now;
                true
            }
            _ => false,
        }
    }

    /// Exchanges the token for a `Set-Cookie` value.
    ///
    /// # Errors
    /// [`Denied`] when the token is wrong, or too many were lately.
    pub fn sign_in(&self, token: &str, now: Instant) -> Result<String, Denied> {
        let mut sessions = self.lock();
        if sessions.failures_since.is_some_and(|since| now.duration_since(since) >= Duration::from_secs(60)) {
            sessions.failures = 0;
        }
        if sessions.failures >= FAILURES_A_MINUTE {
            return Err(Denied::TooManyFailures);
        }
        if !self.admin.is_none_or(|admin| bool::from(digest(token).ct_eq(&admin))) {
            if sessions.failures == 0 {
                sessions.failures_since = Some(now);
            }
            sessions.failures += 1;
            return Err(Denied::Unauthorized);
        }
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        let value = URL_SAFE_NO_PAD.encode(secret);
        if sessions.live.len() >= SESSIONS {
            let oldest = sessions.live.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key);
            oldest.and_then(|key| sessions.live.remove(&key));
        }
        sessions.live.insert(digest(&value), Session { began: now, used: now });
        Ok(self.set_cookie(&value, SESSION_LIFE.as_secs()))
    }

    /// Ends a session; the `Set-Cookie` value that makes the browser forget it.
    pub fn sign_out(&self, headers: &HeaderMap) -> String {
        if let Some(value) = cookie(headers, self.cookie_name()) {
            self.lock().live.remove(&digest(value));
        }
        self.set_cookie("", 0)
    }

    /// `__Host-` makes browsers insist on Secure and Path=/, so it can only be used behind TLS.
    fn cookie_name(&self) -> &'static str {
        if self.secure_cookie { "__Host-spillway" } else { "spillway" }
    }

    fn set_cookie(&self, value: &str, max_age_s: u64) -> String {
        let secure = if self.secure_cookie { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}", self.cookie_name())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sessions> {
        // A panic while holding it leaves at worst a session too many or too few.
        self.sessions.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn signature(headers: &HeaderMap) -> Result<Option<Signature>, BadSignature> {
    Signature::of(|name| headers.get(name).and_then(|value| value.to_str().ok()))
}

/// Secrets that a request carries in its headers.
fn presented(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let bearer = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let key = headers.get_all("x-spillway-key").iter().filter_map(|value| value.to_str().ok());
    bearer.chain(key)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().split_once('=').filter(|(have, _)| *have == name).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use http::HeaderValue;

    use super::*;

    const TOKEN: &str = "0123456789abcdef-admin";
    const KEY: &str = "0123456789abcdef-ingest";

    fn access() -> Access {
        Access {
            admin: Some(digest(TOKEN)),
            ingest: Some(digest(KEY)),
            signers: Vec::new(),
            secure_cookie: true,
            sessions: Mutex::default(),
        }
    }

    fn bearer(token: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap())])
    }

    #[test]
    fn each_secret_opens_its_own_doors_only() {
        let (access, now) = (access(), Instant::now());

        assert!(access.check(Permission::Read, &bearer(TOKEN), now).is_ok());
        assert!(access.check(Permission::Change, &bearer(KEY), now).is_err());
        assert!(access.check(Permission::Ingest, &bearer(KEY), now).is_ok());
        assert!(access.check(Permission::Ingest, &bearer(TOKEN), now).is_err());
        assert!(access.check(Permission::Read, &HeaderMap::new(), now).is_err());
        assert!(access.check(Permission::Public, &HeaderMap::new(), now).is_ok());
    }

    #[test]
    fn a_signature_stands_for_the_key_only_where_it_will_be_checked() {
        let now = Instant::now();
        let signed = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-hub-signature-256"),
            HeaderValue::from_static("sha256=00"),
        )]);
        let mut access = access();

        assert!(access.check(Permission::Webhook, &bearer(KEY), now).is_ok());
        assert!(access.check(Permission::Webhook, &HeaderMap::new(), now).is_err());
        assert!(access.check(Permission::Webhook, &signed, now).is_err());
        access.signers = vec![Signer::parse("github:0123456789abcdef").unwrap()];
        assert!(access.check(Permission::Webhook, &signed, now).is_ok());
        assert!(access.check(Permission::Ingest, &signed, now).is_err());
        assert!(access.signer(&signed, b"", 0).is_err());
        assert_eq!(access.signer(&bearer(KEY), b"", 0), Ok(None));
    }

    #[test]
    fn a_session_ends_when_it_is_idle_or_signed_out() {
        let (access, now) = (access(), Instant::now());
        let set = access.sign_in(TOKEN, now).unwrap();
        assert!(set.starts_with("__Host-spillway=") && set.contains("HttpOnly; SameSite=Strict; Secure"), "{set}");
        let pair = set.split(';').next().unwrap();
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&format!("a=b; {pair}")).unwrap())]);

        assert!(access.check(Permission::Change, &headers, now + Duration::from_secs(60)).is_ok());
        assert!(access.check(Permission::Change, &headers, now + SESSION_IDLE + Duration::from_secs(61)).is_err());

        access.sign_out(&headers);
        assert!(access.check(Permission::Change, &headers, now + Duration::from_secs(60)).is_err());
    }

    #[test]
    fn guessing_is_slowed_down_and_allowed_again_later() {
        let (access, now) = (access(), Instant::now());
        for _ in 0..FAILURES_A_MINUTE {
            assert_eq!(access.sign_in("wrong", now), Err(Denied::Unauthorized));
        }

        assert_eq!(access.sign_in(TOKEN, now), Err(Denied::TooManyFailures));
        assert!(access.sign_in(TOKEN, now + Duration::from_secs(60)).is_ok());
    }
}
