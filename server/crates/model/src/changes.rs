//! Changes that nobody announces: another `service.version`, other instances.
//!
//! Seen in the order of arrival, with the time of arrival as the only clock: the same log tells the same changes, with the same ids, so that
//! taking a part of it in again after a restart announces nothing twice. What a service is first seen with is where it stands, no change.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use crate::{
    batch::{Resource, SpanBatch, StrId},
    event::{ChangeKind, Event, EventBody},
    identity::ServiceKey,
};

const SECOND: i64 = 1_000_000_000;

/// A version or instance that was silent for longer is gone; when it comes back it is new. Rollouts take less, and so do idle instances of a
/// service that has traffic at all.
const GONE_NS: i64 = 600 * SECOND;
/// Instances that join within this time are told together.
const GATHER_NS: i64 = 30 * SECOND;
/// A service is known well enough to tell who joins it when it was watched for so long: after a start idle instances come late.
const SETTLED_NS: i64 = 600 * SECOND;
/// Instances that come and go so soon after another version came belong to its rollout.
const ROLLOUT_NS: i64 = 900 * SECOND;

/// What [`Changes`] holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangesLimits {
    /// Services; of others nothing is told.
    pub services: usize,
    /// Instances of a service; of one with more only versions are told.
    pub instances: usize,
    /// Versions of a service at a time: a rollout has two.
    pub versions: usize,
}

impl Default for ChangesLimits {
    fn default() -> Self {
        Self { services: 10_000, instances: 500, versions: 8 }
    }
}

/// What is known of each service.
#[derive(Debug, Default)]
pub struct Changes {
    limits: ChangesLimits,
    services: BTreeMap<ServiceKey, Watched>,
}

#[derive(Debug)]
struct Watched {
    since_ns: i64,
    /// With the time of the last span. In the order in which they came.
    versions: Vec<(Arc<str>, i64)>,
    changed_version_ns: Option<i64>,
    instances: BTreeMap<Arc<str>, i64>,
    too_many: bool,
    joined: Vec<Arc<str>>,
    joined_ns: i64,
    looked_ns: i64,
}

impl Changes {
    /// Nothing is known yet.
    pub fn new(limits: ChangesLimits) -> Self {
        Self { limits, services: BTreeMap::new() }
    }

    /// Takes in what arrived, in order, and tells what it changed.
    pub fn observe(&mut self, batch: &SpanBatch, received_at_ns: i64) -> Vec<Event> {
        let mut told = Vec::new();
        for resource in &batch.resources {
            if resource.service != StrId::EMPTY {
                self.see(batch, resource, received_at_ns, &mut told);
            }
        }
        told
    }

    fn see(&mut self, batch: &SpanBatch, resource: &Resource, now_ns: i64, told: &mut Vec<Event>) {
        let key = batch.service(resource);
        if !self.services.contains_key(&key) && self.services.len() >= self.limits.services {
            return;
        }
        let service = self.services.entry(key.clone()).or_insert_with(|| Watched::new(now_ns));
        if let Some(body) = service.see_version(batch.str(resource.version), now_ns, self.limits.versions) {
            told.push(event("version", &key, now_ns, body));
        }
        if let Some(body) = service.see_instance(batch.str(resource.instance), now_ns, self.limits.instances) {
            told.push(event("instances", &key, now_ns, body));
        }
    }
}

impl Watched {
    fn new(now_ns: i64) -> Self {
        Self {
            since_ns: now_ns,
            versions: Vec::new(),
            changed_version_ns: None,
            instances: BTreeMap::new(),
            too_many: false,
            joined: Vec::new(),
            joined_ns: 0,
            looked_ns: now_ns,
        }
    }

    fn see_version(&mut self, version: &str, now_ns: i64, room: usize) -> Option<EventBody> {
        if version.is_empty() {
            return None;
        }
        let known = self.versions.iter_mut().find(|(text, _)| **text == *version);
        if let Some((_, seen_ns)) = known {
            let was_ns = std::mem::replace(seen_ns, now_ns.max(*seen_ns));
            // While nothing else ran meanwhile it was only silent.
            if was_ns + GONE_NS >= now_ns
                || self.versions.iter().all(|(text, seen)| **text == *version || *seen <= was_ns)
            {
                return None;
            }
        } else {
            if self.versions.len() >= room.max(1)
                && let Some(oldest) = (0..self.versions.len()).min_by_key(|&at| self.versions[at].1)
            {
                self.versions.remove(oldest);
            }
            self.versions.push((version.into(), now_ns));
        }
        let others = self.versions.iter().filter(|(text, _)| **text != *version);
        let before = others.max_by_key(|(_, seen_ns)| *seen_ns).map(|(text, _)| text.clone())?;
        self.changed_version_ns = Some(now_ns);
        Some(EventBody::Change {
            change: ChangeKind::Deploy,
            version: version.into(),
            title: format!("Version {version} runs, before it {before}").into(),
            url: "".into(),
        })
    }

    fn see_instance(&mut self, instance: &str, now_ns: i64, room: usize) -> Option<EventBody> {
        if instance.is_empty() || self.too_many {
            return None;
        }
        let settled = self.since_ns + SETTLED_NS <= now_ns;
        let rollout = self.changed_version_ns.is_some_and(|at_ns| at_ns + ROLLOUT_NS > now_ns);
        if let Some(seen_ns) = self.instances.get_mut(instance) {
            *seen_ns = now_ns.max(*seen_ns);
        } else if self.instances.len() >= room {
            self.too_many = true;
            self.instances.clear();
            self.joined.clear();
            return None;
        } else {
            let instance: Arc<str> = instance.into();
            self.instances.insert(instance.clone(), now_ns);
            if settled && !rollout {
                if self.joined.is_empty() {
                    self.joined_ns = now_ns;
                }
                self.joined.push(instance);
            }
        }
        self.look(now_ns, rollout)
    }

    /// Tells who joined and who left, not more often than once in [`GATHER_NS`].
    fn look(&mut self, now_ns: i64, rollout: bool) -> Option<EventBody> {
        let waits = !self.joined.is_empty() && self.joined_ns + GATHER_NS > now_ns;
        if waits || self.looked_ns + GATHER_NS > now_ns {
            return None;
        }
        self.looked_ns = now_ns;
        let gone = |seen_ns: &i64| *seen_ns + GONE_NS < now_ns;
        let mut left: Vec<Arc<str>> =
            self.instances.iter().filter(|(_, seen_ns)| gone(seen_ns)).map(|(instance, _)| instance.clone()).collect();
        self.instances.retain(|_, seen_ns| !gone(seen_ns));
        let joined = std::mem::take(&mut self.joined);
        if rollout {
            left.clear();
        }
        if joined.is_empty() && left.is_empty() {
            return None;
        }
        let mut title = String::new();
        for (names, verb) in [(&joined, "joined"), (&left, "left")] {
            if !names.is_empty() {
                let comma = if title.is_empty() { "" } else { "; " };
                // Writing into a String cannot fail.
                let _ = write!(title, "{comma}{} {verb}", listed(names));
            }
        }
        let running = self.instances.len();
        let _ = write!(title, ": {running} {}", if running == 1 { "instance runs" } else { "instances run" });
        Some(EventBody::Change { change: ChangeKind::Scale, version: "".into(), title: title.into(), url: "".into() })
    }
}

/// The first few by name.
fn listed(names: &[Arc<str>]) -> String {
    const SHOWN: usize = 3;
    const NAME_BYTES: usize = 64;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(|name| &name[..name.floor_char_boundary(NAME_BYTES)]).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn event(what: &str, service: &ServiceKey, at_ns: i64, body: EventBody) -> Event {
    let said = match &body {
        EventBody::Change { title, .. } => title.clone(),
        _ => "".into(),
    };
    let parts = [&service.environment, &service.namespace, &service.name, &said];
    // FNV-1a: the same over restarts and releases. A byte that no text has stands behind each part.
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([0xff])).chain(at_ns.to_le_bytes());
    let id =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Event { id: format!("{what}-{id:016x}").into(), service: service.clone(), instance: "".into(), at_ns, body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Scope, SpanBatchBuilder, SpanRow, Value};

    const NOW: i64 = 1_767_225_600 * SECOND;

    fn batch(version: &str, instance: &str) -> SpanBatch {
        let mut builder = SpanBatchBuilder::new();
        let start = builder.attribute_count();
        for (key, value) in [("service.name", "cart"), ("service.version", version), ("service.instance.id", instance)]
        {
            let (key, value) = (builder.intern(key), builder.intern(value));
            builder.attribute(key, Value::Str(value));
        }
        let attributes = builder.attributes_since(start);
        let resource = builder.resource(attributes, 0, StrId::EMPTY);
        let scope = builder.scope(Scope { resource, ..Scope::default() });
        builder.span(&SpanRow { scope, ..SpanRow::default() });
        builder.finish()
    }

    /// Titles of what these (second, version, instance) change.
    fn titles(seen: &[(i64, &str, &str)]) -> Vec<String> {
        let mut changes = Changes::new(ChangesLimits::default());
        let told = seen
            .iter()
            .flat_map(|(at, version, instance)| changes.observe(&batch(version, instance), NOW + at * SECOND));
        told.map(|event| match event.body {
            EventBody::Change { title, .. } => title.to_string(),
            other => format!("{other:?}"),
        })
        .collect()
    }

    #[test]
    fn another_version_is_told_once_and_the_first_not_at_all() {
        assert_eq!(
            titles(&[(0, "1", "a"), (1, "1", "b"), (60, "2", "a"), (61, "1", "b"), (62, "2", "a"), (63, "2", "b")]),
            ["Version 2 runs, before it 1"]
        );
    }

    #[test]
    fn going_back_is_a_change_and_a_silent_night_is_none() {
        let day = 86_400;
        assert_eq!(
            titles(&[(0, "1", "a"), (60, "2", "a"), (3_600, "2", "a"), (3_601, "1", "a"), (3_602 + day, "1", "a")]),
            ["Version 2 runs, before it 1", "Version 1 runs, before it 2"]
        );
    }

    #[test]
    fn instances_that_join_and_leave_a_known_service_are_told_together() {
        let mut seen = vec![(0, "", "a"), (1, "", "b")];
        seen.extend([(700, "", "c"), (710, "", "d"), (711, "", "b"), (731, "", "c"), (740, "", "b")]);
        assert_eq!(titles(&seen), ["c, d joined; a left: 3 instances run"]);
        assert_eq!(titles(&[(0, "", "a"), (300, "", "b"), (340, "", "a")]), Vec::<String>::new());
    }

    #[test]
    fn the_instances_of_a_rollout_are_a_part_of_it() {
        let mut seen = vec![(0, "1", "a"), (700, "1", "a")];
        seen.extend([(710, "2", "b"), (760, "2", "b"), (1_400, "2", "b"), (1_500, "2", "b")]);
        assert_eq!(titles(&seen), ["Version 2 runs, before it 1"]);
    }

    #[test]
    fn the_same_log_tells_the_same_ids() {
        let tell = |first: i64| {
            let mut changes = Changes::new(ChangesLimits::default());
            (first..3)
                .flat_map(|at| changes.observe(&batch(["1", "1", "2"][at as usize], "a"), NOW + at * SECOND))
                .collect::<Vec<_>>()
        };

        assert_eq!(tell(0).len(), 1);
        assert_eq!(tell(0), tell(1));
    }

    #[test]
    fn what_strangers_invent_is_bounded() {
        let mut changes = Changes::new(ChangesLimits { services: 1, instances: 2, versions: 2 });
        for number in 0..100 {
            changes.observe(&batch(&number.to_string(), &number.to_string()), NOW + number * SECOND);
        }
        let service = &changes.services[&ServiceKey::new("", "", "cart")];
        assert!(service.too_many && service.instances.is_empty() && service.versions.len() == 2);
    }
}
