//! What enforcers are told: directives by service, each a lease, with revisions that change when the content does.
//!
//! Leases need renewal even when nothing changes. So a long poll is answered with the same revision and fresh leases at the
//! latest when half of the shortest lease is over, and without an answer only while nothing is in force.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use spillway_api::{Directive, DirectiveSet};
use spillway_model::identity::ServiceKey;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{ByService, Swapped};

/// A revision that was replaced so lately still counts as applied: the enforcer is just fetching the new one.
const STILL_NEW: Duration = Duration::from_secs(3);
/// Replaced revisions that are remembered of a service: more than one a tick there are not.
const REPLACED: usize = 8;
/// Enforcers that may wait at once; more are answered without waiting, and ask again a second later.
const WAITING: usize = 20_000;

/// One directive and the end of its lease.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lease {
    /// Its `ttl_ms` is set when it is sent.
    pub(super) directive: Directive,
    pub(super) ends_at: Instant,
}

#[derive(Debug, Default)]
struct Entry {
    number: u64,
    leases: Vec<Lease>,
    replaced: VecDeque<(u64, Instant)>,
}

impl Entry {
    /// Leases that have not ended: when the loop stands still, nothing is renewed.
    fn in_force(&self, now: Instant) -> impl Iterator<Item = &Lease> {
        self.leases.iter().filter(move |lease| lease.ends_at > now)
    }

    /// When half of the shortest lease is over.
    fn renewal(&self, now: Instant) -> Option<Instant> {
        self.in_force(now).map(|lease| now + (lease.ends_at - now) / 2).min()
    }
}

/// What a fetch brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Fetched {
    /// The directives, with fresh leases.
    Set(DirectiveSet),
    /// Nothing is in force, as before.
    Unchanged {
        /// Still.
        revision: String,
    },
}

/// The table.
pub(super) struct DirectiveTable {
    epoch: u32,
    entries: Swapped<ByService<Arc<Entry>>>,
    /// Counts changes of content; who waits looks again.
    changes: watch::Sender<u64>,
    waiting: AtomicUsize,
}

impl DirectiveTable {
    /// An empty one; `epoch` tells its revisions from those of another start.
    pub(super) fn new(epoch: u32) -> Self {
        Self { epoch, entries: Swapped::default(), changes: watch::Sender::new(0), waiting: AtomicUsize::new(0) }
    }

    fn name(&self, number: u64) -> String {
        format!("{:x}-{number}", self.epoch)
    }

    pub(super) fn revision(&self, service: &ServiceKey) -> String {
        self.name(self.entries.load().get(service).map_or(0, |entry| entry.number))
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether an enforcer that says this revision applies what is in force.
    pub(super) fn applies(&self, service: &ServiceKey, revision: &str, now: Instant) -> bool {
        let entries = self.entries.load();
        let Some(entry) = entries.get(service) else { return revision == self.name(0) };
        let lately = entry.replaced.iter().filter(|(_, at)| now.saturating_duration_since(*at) < STILL_NEW);
        revision == self.name(entry.number) || lately.into_iter().any(|(number, _)| revision == self.name(*number))
    }

    /// Replaces everything that is in force. Only the tick task calls it.
    pub(super) fn replace(&self, mut wanted: ByService<Vec<Lease>>, now: Instant) {
        let before = self.entries.load_full();
        let mut number = *self.changes.borrow();
        let mut entries = ByService::new();
        for (service, entry) in before.iter() {
            let leases = wanted.remove(service).unwrap_or_default();
            let mut replaced = entry.replaced.clone();
            let kept = if same(&leases, &entry.leases) {
                entry.number
            } else {
                number += 1;
                replaced.push_front((entry.number, now));
                replaced.truncate(REPLACED);
                number
            };
            // An entry without content is dropped once nobody can be behind any more; its revision is then 0 again,
            // which is another one, so whoever asks gets the empty set.
            let over = leases.is_empty()
                && replaced.front().is_none_or(|(_, at)| now.saturating_duration_since(*at) > super::LONGEST_WAIT * 20);
            if !over {
                entries.insert(service.clone(), Arc::new(Entry { number: kept, leases, replaced }));
            }
        }
        for (service, leases) in wanted {
            number += 1;
            let replaced = VecDeque::from([(0, now)]);
            entries.insert(service, Arc::new(Entry { number, leases, replaced }));
        }
        self.entries.store(Arc::new(entries));
        self.changes.send_if_modified(|changes| std::mem::replace(changes, number) != number);
    }

    fn set(&self, entry: Option<&Entry>, now: Instant) -> DirectiveSet {
        let leases = entry.into_iter().flat_map(|entry| entry.in_force(now));
        let directives = leases.map(|lease| Directive {
            ttl_ms: u32::try_from((lease.ends_at - now).as_millis()).unwrap_or(u32::MAX),
            ..lease.directive.clone()
        });
        DirectiveSet { revision: self.name(entry.map_or(0, |entry| entry.number)), directives: directives.collect() }
    }

    /// What there is, without waiting.
    pub(super) fn current(&self, service: &ServiceKey, known: Option<&str>) -> Fetched {
        let entries = self.entries.load();
        let set = self.set(entries.get(service).map(|entry| &**entry), Instant::now());
        if set.directives.is_empty() && known == Some(&set.revision) {
            return Fetched::Unchanged { revision: set.revision };
        }
        Fetched::Set(set)
    }

    /// What there is once it is another revision than `known`, needs renewal, or `wait` is over.
    pub(super) async fn fetch(&self, service: &ServiceKey, known: Option<&str>, wait: Duration) -> Fetched {
        let mut changes = self.changes.subscribe();
        let began_at = Instant::now();
        let Some(_place) = Place::take(&self.waiting) else {
            return self.current(service, known);
        };
        let mut renewal = None;
        loop {
            changes.borrow_and_update();
            let entry = self.entries.load().get(service).map(Arc::clone);
            if known != Some(&self.name(entry.as_ref().map_or(0, |entry| entry.number))) {
                return self.current(service, known);
            }
            // Counted from the first look: the enforcer's lease began when the last answer came.
            let renewal = *renewal.get_or_insert_with(|| entry.and_then(|entry| entry.renewal(began_at)));
            let until = renewal.map_or(began_at + wait, |renewal| renewal.min(began_at + wait));
            tokio::select! {
                changed = changes.changed() => {
                    if changed.is_err() {
                        return self.current(service, known);
                    }
                }
                () = sleep_until(until) => return self.current(service, known),
            }
        }
    }
}

/// Whether an enforcer does the same with both. What a directive gives as its reason may change with every tick; it goes
/// along with the next renewal.
fn same(a: &[Lease], b: &[Lease]) -> bool {
    let content = |lease: &Lease| {
        let Directive { id, r#match, action, retry_after_ms, .. } = lease.directive.clone();
        (id, r#match, action, retry_after_ms)
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| content(a) == content(b))
}

/// A place among those who wait; given back when its future ends, however that is.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let taken = waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(waiting);
        (taken < WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use spillway_api::{Action, Author, Match, OnExpiry};

    use super::*;

    fn key(name: &str) -> ServiceKey {
        ServiceKey::new("prod", "shop", name)
    }

    fn lease(ratio: f64, reason: &str, ttl: Duration) -> Lease {
        let directive = Directive {
            id: "d-1".into(),
            r#match: Match {
                environment: "prod".into(),
                namespace: "shop".into(),
                service: "a".into(),
                ..Match::default()
            },
            action: Action::AdmitRatio { ratio },
            ttl_ms: 0,
            on_expiry: OnExpiry::Admit,
            retry_after_ms: None,
            reason: reason.into(),
            by: Author::Person { person: "test".into() },
        };
        Lease { directive, ends_at: Instant::now() + ttl }
    }

    fn put(table: &DirectiveTable, service: &str, leases: Vec<Lease>) {
        table.replace([(key(service), leases)].into(), Instant::now());
    }

    const TTL: Duration = Duration::from_secs(5);
    const WAIT: Duration = Duration::from_secs(25);

    #[tokio::test(start_paused = true)]
    async fn a_revision_changes_with_the_content_only() {
        let table = DirectiveTable::new(0xab);
        assert_eq!(table.revision(&key("a")), "ab-0");

        put(&table, "a", vec![lease(0.5, "one", TTL)]);
        assert_eq!(table.revision(&key("a")), "ab-1");
        put(&table, "a", vec![lease(0.5, "two", TTL)]);
        assert_eq!(table.revision(&key("a")), "ab-1");
        put(&table, "a", vec![lease(0.4, "two", TTL)]);
        assert_eq!(table.revision(&key("a")), "ab-2");
        put(&table, "b", vec![lease(0.4, "two", TTL)]);
        assert_eq!((table.revision(&key("a")), table.revision(&key("b"))), ("ab-3".into(), "ab-4".into()));
        let Fetched::Set(set) = table.current(&key("a"), Some("ab-2")) else { panic!("changed") };
        assert_eq!(set.directives, []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_waits_for_a_change_and_no_longer() {
        let table = Arc::new(DirectiveTable::new(1));
        let waits = tokio::spawn({
            let table = Arc::clone(&table);
            async move { (table.fetch(&key("a"), Some("1-0"), WAIT).await, Instant::now()) }
        });
        tokio::time::sleep(Duration::from_secs(3)).await;
        put(&table, "other", vec![lease(0.5, "r", TTL)]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let changed_at = Instant::now();
        put(&table, "a", vec![lease(0.5, "r", TTL)]);

        let (fetched, at) = waits.await.unwrap();

        let Fetched::Set(set) = fetched else { panic!("changed") };
        assert_eq!((set.revision.as_str(), set.directives[0].ttl_ms, at), ("1-3", 5_000, changed_at));
        assert_eq!(table.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn leases_are_renewed_at_half_their_time_and_silence_means_nothing_in_force() {
        let table = DirectiveTable::new(1);
        let began_at = Instant::now();
        assert_eq!(table.fetch(&key("a"), Some("1-0"), WAIT).await, Fetched::Unchanged { revision: "1-0".into() });
        assert_eq!(began_at.elapsed(), WAIT);

        put(&table, "a", vec![lease(0.5, "r", TTL)]);
        let began_at = Instant::now();
        let Fetched::Set(set) = table.fetch(&key("a"), Some("1-1"), WAIT).await else { panic!("in force") };

        assert_eq!(began_at.elapsed(), TTL / 2);
        assert_eq!((set.revision.as_str(), set.directives[0].ttl_ms), ("1-1", 2_500));
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_loop_stands_still_leases_end() {
        let table = DirectiveTable::new(1);
        put(&table, "a", vec![lease(0.5, "r", TTL)]);

        tokio::time::sleep(TTL).await;

        assert_eq!(table.current(&key("a"), Some("1-1")), Fetched::Unchanged { revision: "1-1".into() });
    }

    #[tokio::test(start_paused = true)]
    async fn a_revision_that_was_just_replaced_still_counts_as_applied() {
        let table = DirectiveTable::new(1);
        put(&table, "a", vec![lease(0.5, "r", TTL)]);
        put(&table, "a", vec![lease(0.4, "r", TTL)]);

        let applies = |revision: &str| table.applies(&key("a"), revision, Instant::now());
        assert_eq!(["1-2", "1-1", "9-1", ""].map(applies), [true, true, false, false]);
        tokio::time::sleep(STILL_NEW).await;
        assert_eq!(["1-2", "1-1"].map(applies), [true, false]);
    }
}
