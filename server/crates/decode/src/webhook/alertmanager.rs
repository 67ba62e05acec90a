//! Notifications of Prometheus' Alertmanager (webhook version 4) and of Grafana (version 1), which has the same skeleton
//! (`prometheus/alertmanager` `notify/webhook/webhook.go` and `template/template.go`; Grafana's "webhook notifier").
//!
//! An alert is what somebody says of a service's health: it becomes a health event of an instance named after the alert, so that it stands
//! beside what the service says of itself. Firing is down for the severities in [`DOWN`] and degraded for others; resolved is up.

use std::{borrow::Cow, collections::BTreeMap};

use spillway_model::{
    event::{Event, EventBody, HealthStatus},
    identity::ServiceKey,
};

use super::{
    native::{self, MAX_DETAIL_BYTES, MAX_EVENTS, MAX_NAME_BYTES, WebhookError, fields::instant},
    posted::{Posted, cut, fingerprint},
};
use crate::{Limits, json::Reader};

/// Ids of alerts are apart from those of others.
pub const SOURCE: &str = "alertmanager";

/// What ids of alerts begin with.
pub const ID: &str = "alert-";

/// Labels that name the service, the first that is there.
pub const SERVICE_LABELS: [&str; 5] = ["service", "service_name", "app_kubernetes_io_name", "app", "job"];
/// Labels that name its environment.
pub const ENVIRONMENT_LABELS: [&str; 4] =
    ["deployment_environment_name", "deployment_environment", "environment", "env"];
/// The label that names its namespace; without it a `job` of two parts does, as OpenTelemetry writes it for Prometheus.
pub const NAMESPACE_LABEL: &str = "service_namespace";
/// Severities that mean that the service does not serve.
pub const DOWN: [&str; 8] = ["critical", "page", "emergency", "disaster", "fatal", "error", "high", "sev1"];
/// Severities that say nothing of the service: watchdogs and notes.
pub const SILENT: [&str; 3] = ["none", "info", "informational"];

/// Annotations that say why, the first that is there.
const WHY: [&str; 4] = ["summary", "description", "message", "title"];
/// Labels and annotations that are kept of an alert.
const MAX_PAIRS: usize = 64;

type Pairs<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

#[derive(Debug, Default)]
struct Alert<'a> {
    status: Option<Cow<'a, str>>,
    labels: Pairs<'a>,
    annotations: Pairs<'a>,
    starts_at: Option<Cow<'a, str>>,
    ends_at: Option<Cow<'a, str>>,
    fingerprint: Option<Cow<'a, str>>,
}

/// Reads a notification of up to [`MAX_EVENTS`] alerts. Alerts that name no service are left out and counted.
///
/// The same notification makes the same events, however often it comes: a change of its text makes another.
///
/// # Errors
/// [`WebhookError`] when it is no such notification, or an alert has no usable status or time.
pub fn alertmanager(body: &[u8], limits: &Limits, now_ns: i64) -> Result<Posted, WebhookError> {
    let syntax = native::syntax("");
    let mut reader = native::open(body, limits)?;
    let mut posted = Posted::default();
    let mut seen = false;
    let mut members = reader.object().map_err(&syntax)?;
    while let Some(key) = reader.key(&mut members).map_err(&syntax)? {
        if key != "alerts" {
            reader.skip().map_err(&syntax)?;
            continue;
        }
        if std::mem::replace(&mut seen, true) {
            return Err(WebhookError::new("/alerts", "the key comes twice"));
        }
        let mut array = reader.array().map_err(native::syntax("/alerts"))?;
        let mut index = 0;
        while reader.item(&mut array).map_err(native::syntax("/alerts"))? {
            if index == MAX_EVENTS {
                return Err(WebhookError::new("/alerts", format!("more than {MAX_EVENTS} alerts in one request")));
            }
            let pointer = format!("/alerts/{index}");
            let alert = Alert::read(&mut reader).map_err(native::syntax(&pointer))?;
            match alert.event(&pointer, now_ns)? {
                Ok(event) => posted.add(SOURCE, event),
                Err(why) => posted.ignore(why),
            }
            index += 1;
        }
    }
    reader.end().map_err(&syntax)?;
    if !seen {
        let detail =
            "is missing: this takes what Alertmanager (version 4) and Grafana send without a template of your own";
        return Err(WebhookError::new("/alerts", detail));
    }
    Ok(posted)
}

impl<'a> Alert<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Box<crate::otlp::DecodeError>> {
        let mut alert = Self::default();
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "labels" => alert.labels = pairs(reader)?,
                "annotations" => alert.annotations = pairs(reader)?,
                "status" => alert.status = text(reader)?,
                "startsAt" => alert.starts_at = text(reader)?,
                "endsAt" => alert.ends_at = text(reader)?,
                "fingerprint" => alert.fingerprint = text(reader)?,
                _ => reader.skip()?,
            }
        }
        Ok(alert)
    }

    /// The event, or why it means nothing here.
    fn event(&self, pointer: &str, now_ns: i64) -> Result<Result<Event, String>, WebhookError> {
        let error = |key: &str, detail: String| WebhookError::new(format!("{pointer}/{key}"), detail);
        let firing = match self.status.as_deref() {
            Some("firing") => true,
            Some("resolved") => false,
            Some(other) => {
                return Err(error("status", format!("expected firing or resolved, found `{}`", cut(other, 32))));
            }
            None => return Err(error("status", "is missing".into())),
        };
        let starts_at = self.starts_at.as_deref().ok_or_else(|| error("startsAt", "is missing".into()))?;
        let starts_ns = instant(starts_at, now_ns).map_err(|detail| error("startsAt", detail))?;
        let severity = self.label("severity").unwrap_or_default().to_ascii_lowercase();
        if SILENT.contains(&&*severity) {
            return Ok(Err("an alert of severity none or info says nothing of a service".into()));
        }
        let Some(service) = self.service() else {
            return Ok(Err(format!("an alert without a label {} names no service", SERVICE_LABELS.join(", "))));
        };
        let status = match (firing, DOWN.contains(&&*severity)) {
            (false, _) => HealthStatus::Up,
            (true, true) => HealthStatus::Down,
            (true, false) => HealthStatus::Degraded,
        };
        // An end before the start is the zero of Go's time: it goes on.
        let ended_ns = self.ends_at.as_deref().and_then(|at| instant(at, now_ns).ok()).filter(|at| *at > starts_ns);
        let at_ns = if firing { starts_ns } else { ended_ns.unwrap_or(starts_ns.saturating_add(1)) };
        let why = WHY.iter().find_map(|key| self.annotations.get(*key)).map_or("", |why| why.as_ref());
        let detail = cut(why, MAX_DETAIL_BYTES);
        let instance = self.instance();
        let labels = self.labels.iter().flat_map(|(key, value)| [key.as_ref(), value.as_ref()]);
        let named = match self.fingerprint.as_deref() {
            Some(fingerprint) if !fingerprint.is_empty() => cut(fingerprint, 64).to_owned(),
            _ => format!("{:016x}", fingerprint(labels)),
        };
        let word = if firing { "firing" } else { "resolved" };
        // The text is not the alert's identity, but an event that says something else is another event.
        let says = fingerprint([detail, &severity, &instance, &service.environment, &service.namespace, &service.name]);
        // In hexadecimal: 19 decimal digits look like the number of a card to the redactor.
        let id = format!("{ID}{named}-{starts_ns:x}-{word}-{at_ns:x}-{says:016x}");
        Ok(Ok(Event {
            id: id.into(),
            service,
            instance: instance.into(),
            at_ns,
            body: EventBody::Health { status, detail: detail.into() },
        }))
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn service(&self) -> Option<ServiceKey> {
        let (label, name) = SERVICE_LABELS.iter().find_map(|label| Some((*label, self.label(label)?)))?;
        let (namespace, name) = match name.rsplit_once('/') {
            Some((namespace, name)) if label == "job" && !name.is_empty() => (namespace, name),
            _ => ("", name),
        };
        let environment = ENVIRONMENT_LABELS.iter().find_map(|label| self.label(label)).unwrap_or_default();
        let namespace = self.label(NAMESPACE_LABEL).unwrap_or(namespace);
        let [environment, namespace, name] = [environment, namespace, name].map(|text| cut(text, MAX_NAME_BYTES));
        Some(ServiceKey::new(environment, namespace, name))
    }

    /// `HighLatency 10.0.0.1:9100`: alerts of the same name about other machines are others.
    fn instance(&self) -> String {
        let name = self.label("alertname").unwrap_or("alert");
        let text = match self.label("instance") {
            Some(instance) => format!("{name} {instance}"),
            None => name.to_owned(),
        };
        cut(&text, MAX_NAME_BYTES).to_owned()
    }
}

/// A text; anything else is passed over.
fn text<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, Box<crate::otlp::DecodeError>> {
    if reader.next_byte() == Some(b'"') { reader.string().map(Some) } else { reader.skip().map(|()| None) }
}

fn pairs<'a>(reader: &mut Reader<'a>) -> Result<Pairs<'a>, Box<crate::otlp::DecodeError>> {
    let mut pairs = Pairs::new();
    if reader.null() {
        return Ok(pairs);
    }
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        if let Some(value) = text(reader)?
            && pairs.len() < MAX_PAIRS
        {
            pairs.insert(key, value);
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests;
