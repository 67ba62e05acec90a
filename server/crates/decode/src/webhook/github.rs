//! GitHub's webhook `deployment_status` (`octokit/webhooks`, `deployment_status/created`): a deployment that ended is a change.
//!
//! The service is the deployment's `payload.service` where there is one, else the repository's name.

use std::borrow::Cow;

use spillway_model::{
    event::{ChangeKind, Event, EventBody},
    identity::ServiceKey,
};

use super::{
    native::{
        self, MAX_LINK_BYTES, MAX_NAME_BYTES, MAX_TITLE_BYTES, WebhookError,
        fields::{instant, is_link},
    },
    posted::{Posted, cut},
};
use crate::{Limits, json::Reader};

/// Ids of GitHub's events are apart from those of others.
pub const SOURCE: &str = "github";

/// What is read of the body, as paths.
const PATHS: [&str; 15] = [
    "deployment_status.id",
    "deployment_status.state",
    "deployment_status.created_at",
    "deployment_status.environment",
    "deployment_status.target_url",
    "deployment_status.log_url",
    "deployment_status.environment_url",
    "deployment_status.creator.login",
    "deployment.ref",
    "deployment.sha",
    "deployment.payload.service",
    "deployment.payload.environment",
    "deployment.payload.namespace",
    "repository.name",
    "repository.html_url",
];

/// Reads a body; `event` is what the header `X-GitHub-Event` says.
///
/// # Errors
/// [`WebhookError`] when a deployment's status is not what GitHub sends.
pub fn github(event: &str, body: &[u8], limits: &Limits, now_ns: i64) -> Result<Posted, WebhookError> {
    let mut reader = native::open(body, limits)?;
    let mut found = Found::default();
    if event != "deployment_status" {
        reader.skip().map_err(native::syntax(""))?;
        reader.end().map_err(native::syntax(""))?;
        let mut posted = Posted::default();
        posted.ignore(format!("a GitHub event `{}` means nothing here: send deployment_status", cut(event, 64)));
        return Ok(posted);
    }
    found.read(&mut reader, "").map_err(native::syntax(""))?;
    reader.end().map_err(native::syntax(""))?;
    found.posted(now_ns)
}

#[derive(Default)]
struct Found<'a>([Option<Cow<'a, str>>; PATHS.len()]);

impl<'a> Found<'a> {
    /// Walks the objects that lie on a path, and passes over the rest.
    fn read(&mut self, reader: &mut Reader<'a>, path: &str) -> Result<(), Box<crate::otlp::DecodeError>> {
        // A payload may be any JSON, a text too.
        if reader.next_byte() != Some(b'{') {
            return reader.skip();
        }
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            let here = if path.is_empty() { key.into_owned() } else { format!("{path}.{key}") };
            let leaf = PATHS.iter().position(|known| *known == here);
            let below = PATHS.iter().any(|known| known.strip_prefix(&*here).is_some_and(|rest| rest.starts_with('.')));
            match (leaf, reader.next_byte()) {
                (Some(index), Some(b'"')) => self.0[index] = Some(reader.string()?),
                (Some(index), Some(b'0'..=b'9')) => {
                    self.0[index] = Some(reader.integer::<u64>("a whole number")?.to_string().into());
                }
                (None, _) if below => self.read(reader, &here)?,
                _ => reader.skip()?,
            }
        }
        Ok(())
    }

    fn get(&self, path: &str) -> Option<&str> {
        let index = PATHS.iter().position(|known| *known == path)?;
        self.0[index].as_deref().filter(|text| !text.is_empty())
    }

    fn required(&self, path: &str) -> Result<&str, WebhookError> {
        self.get(path).ok_or_else(|| error(path, "is missing".into()))
    }

    fn posted(&self, now_ns: i64) -> Result<Posted, WebhookError> {
        let state = self.required("deployment_status.state")?;
        let done = match state {
            "success" => "Deployed",
            "failure" | "error" => "Failed to deploy",
            other => {
                let mut posted = Posted::default();
                posted.ignore(format!("a deployment that is {} has changed nothing yet", cut(other, 32)));
                return Ok(posted);
            }
        };
        let id = self.required("deployment_status.id")?;
        let at = self.required("deployment_status.created_at")?;
        let at_ns = instant(at, now_ns).map_err(|detail| error("deployment_status.created_at", detail))?;
        let path = if self.get("deployment.payload.service").is_some() {
            "deployment.payload.service"
        } else {
            "repository.name"
        };
        let service = cut(self.required(path)?, MAX_NAME_BYTES);
        let deployed = self.get("deployment.ref").or(self.get("deployment.sha")).unwrap_or_default();
        let commit = self.get("deployment.sha").map(|sha| format!(" ({})", cut(sha, 7))).unwrap_or_default();
        let environment = self.get("deployment.payload.environment").or(self.get("deployment_status.environment"));
        let to = environment.map(|environment| format!(" to {environment}")).unwrap_or_default();
        let by = self.get("deployment_status.creator.login").map(|login| format!(" by {login}")).unwrap_or_default();
        let title = format!("{done} {deployed}{commit}{to}{by}");
        let url = ["log_url", "target_url", "environment_url"]
            .iter()
            .filter_map(|name| self.get(&format!("deployment_status.{name}")))
            .chain(self.get("repository.html_url"))
            .find(|url| is_link(url) && url.len() <= MAX_LINK_BYTES);
        let namespace = self.get("deployment.payload.namespace").unwrap_or_default();
        let event = Event {
            id: format!("deployment_status-{}", cut(id, 64)).into(),
            service: ServiceKey::new(
                cut(environment.unwrap_or_default(), MAX_NAME_BYTES),
                cut(namespace, MAX_NAME_BYTES),
                service,
            ),
            instance: "".into(),
            at_ns,
            body: EventBody::Change {
                change: ChangeKind::Deploy,
                // What failed may run or not.
                version: if state == "success" { cut(deployed, MAX_NAME_BYTES).into() } else { "".into() },
                title: cut(&title, MAX_TITLE_BYTES).into(),
                url: url.unwrap_or_default().into(),
            },
        };
        Ok(Posted::of(SOURCE, vec![event]))
    }
}

fn error(path: &str, detail: String) -> WebhookError {
    WebhookError::new(format!("/{}", path.replace('.', "/")), detail)
}

#[cfg(test)]
mod tests;
