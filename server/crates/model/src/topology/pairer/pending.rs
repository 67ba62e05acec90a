//! Halves of calls that wait for their other half.
//!
//! A *slot* stands for a span id. It knows the caller half with that id, the callee halves with that id, and the callee halves that wait
//! for a caller of that id (its children, or whoever links to it). So a pair is found from either side, in any order.

use std::{collections::VecDeque, num::NonZero};

use hashbrown::HashTable;

use super::{
    names::{NodeId, Seeded},
    peers::PeerId,
    reading::Role,
};
use crate::{
    batch::SpanKind,
    identity::{SpanId, TraceId},
    observation::{Protocol, Side},
};

/// No entry.
pub(super) const NIL: u32 = u32::MAX;

/// Entries by number, reused: those that went first, first. What is put in together then lies together, and so does what goes together,
/// since halves of calls go in the order in which they came.
pub(super) struct Slab<T> {
    entries: Vec<Option<T>>,
    free: VecDeque<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: VecDeque::new() }
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, entry: T) -> u32 {
        match self.free.pop_front() {
            Some(number) => {
                self.entries[number as usize] = Some(entry);
                number
            }
            None => {
                self.entries.push(Some(entry));
                u32::try_from(self.entries.len() - 1).expect("bounded by max_pending")
            }
        }
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let entry = self.entries[number as usize].take();
        if entry.is_some() {
            self.free.push_back(number);
        }
        entry
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.entries.get(number as usize).and_then(Option::as_ref)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.entries.get_mut(number as usize).and_then(Option::as_mut)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }
}

/// Names a span.
pub(super) type SpanKey = (TraceId, SpanId);

/// The bit that stands for no kind.
const NO_KIND: NonZero<u8> = NonZero::new(1 << 7).expect("it is not zero");

/// One span id.
pub(super) struct Slot {
    pub key: SpanKey,
    /// Bit per [`SpanKind`] that came with this id: a span that comes again is known by it. [`NO_KIND`] is always set, so that an empty
    /// place in the table needs no room of its own.
    kinds: NonZero<u8>,
    pub born_at_ns: u64,
    pub expires_at_ns: u64,
    /// The caller half with this id.
    pub caller: u32,
    /// Callee halves with this id.
    pub own: u32,
    /// Callee halves that wait for a caller with this id.
    pub waiting: u32,
}

/// An edge, by the numbers of its nodes.
pub(super) type EdgeRef = (NodeId, NodeId, Protocol);

/// What was measured.
#[derive(Clone, Copy)]
pub(super) struct Measured {
    pub at_ns: u64,
    pub duration_ns: u64,
    pub failed: bool,
    /// How many calls a sampled one stands for.
    pub times: u32,
}

/// Whom a caller says it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callee {
    /// A database or a queue: known for good by its name.
    Node(NodeId),
    /// By a name that may turn out to be a service.
    Peer(PeerId),
    /// "Other", for want of room.
    Unnamed,
}

/// The callee half that a caller half belongs to. Of several the smallest by `rank` counts, so that the order of arrival does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Real servers before guessed ones, then by span id.
    pub rank: (bool, SpanId),
    pub service: NodeId,
    pub protocol: Protocol,
    pub queue: Option<NodeId>,
}

/// The caller half of a call.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    pub slot: u32,
    pub service: NodeId,
    pub role: Role,
    pub protocol: Protocol,
    pub callee: Callee,
    pub measured: Measured,
    pub answer: Option<Answer>,
    /// What was said so far, and whether it was provisional.
    pub said: Option<(EdgeRef, bool)>,
    /// Counted as if nobody will answer any more.
    pub overdue: bool,
    pub dirty: bool,
}

/// What is known of the caller of a callee half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing yet.
    Nothing,
    /// It is the same service: no call over the network.
    Local,
    /// This one.
    Edge(EdgeRef),
    /// Nobody known, so a user; true while that may change.
    User(EdgeRef, bool),
}

impl Found {
    /// The edge and whether it is provisional.
    pub(super) fn said(self) -> Option<(EdgeRef, bool)> {
        match self {
            Self::Nothing | Self::Local => None,
            Self::Edge(edge) => Some((edge, false)),
            Self::User(edge, provisional) => Some((edge, provisional)),
        }
    }
}

/// The callee half of a call: one for each server span, and one for each message of a consumer span.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    /// Slot of the span itself.
    pub own: u32,
    pub next_own: u32,
    /// Slot of the caller that it waits for.
    pub waits_on: u32,
    pub next_waiting: u32,
    pub previous_waiting: u32,
    pub service: NodeId,
    pub role: Role,
    pub protocol: Protocol,
    pub queue: Option<NodeId>,
    pub measured: Measured,
    pub side: Side,
    /// True for the one half of a span that counts for the node.
    pub counts_node: bool,
    /// The sender said that the parent is in another process.
    pub remote_parent: bool,
    /// No parent and no link.
    pub root: bool,
    /// Waited long enough to be shown as a user's call.
    pub waited: bool,
    /// The caller half that it was paired with.
    pub via: u32,
    pub found: Found,
    pub node_said: bool,
    pub dirty: bool,
}

/// Hashes span ids with a secret: strangers choose them. Two 64-bit multiplications, folded, as in wyhash; SipHash took a fifth of the
/// time of pairing.
#[derive(Clone, Copy)]
struct IdHasher {
    keys: [u64; 3],
}

impl IdHasher {
    fn new(seed: u64) -> Self {
        let seeded = Seeded(seed);
        Self { keys: [seeded.of(0u8), seeded.of(1u8), seeded.of(2u8)] }
    }

    fn of(self, (TraceId(trace), SpanId(span)): &SpanKey) -> u64 {
        let fold = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            (product as u64) ^ (product >> 64) as u64
        };
        let trace = u128::from_le_bytes(*trace);
        let [first, second, third] = self.keys;
        let trace = fold(trace as u64 ^ first, (trace >> 64) as u64 ^ second);
        fold(trace ^ u64::from_le_bytes(*span), third | 1)
    }
}

/// Where a slot is, with half of its hash: a growing table, and a search that meets another span, need not look at slots, which lie all over
/// the memory.
#[derive(Clone, Copy)]
struct Place {
    hash: u32,
    slot: u32,
}

impl Place {
    /// What the table goes by. Its upper bits must differ as well as its lower ones.
    fn spread(hash: u32) -> u64 {
        u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// All of it, bounded.
pub(super) struct Pending {
    hasher: IdHasher,
    index: HashTable<Place>,
    pub slots: Slab<Slot>,
    pub callers: Slab<Caller>,
    pub claims: Slab<Claim>,
    /// Slots by the time when they were to expire.
    expiries: VecDeque<(u64, u32)>,
    /// Slots that wait on although their time is over, by the time when that ends.
    overdue: VecDeque<(u64, u32)>,
    /// Claims by the time when a provisional user is assumed.
    waits: VecDeque<(u64, u32)>,
}

impl Pending {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            hasher: IdHasher::new(seed),
            index: HashTable::new(),
            slots: Slab::default(),
            callers: Slab::default(),
            claims: Slab::default(),
            expiries: VecDeque::new(),
            overdue: VecDeque::new(),
            waits: VecDeque::new(),
        }
    }

    /// The keyed hash of a span id.
    pub(super) fn hash(&self, key: &SpanKey) -> u64 {
        self.hasher.of(key)
    }

    pub(super) fn find(&self, key: &SpanKey) -> Option<u32> {
        self.find_hashed(key, self.half_hash(key))
    }

    /// True when there is a slot of that hash. Asked for all spans of a batch before they are taken in, it fetches what [`Self::slot`] will need
    /// from memory while the next one is already looked for: these tables are far larger than the processor's caches.
    pub(super) fn may_hold(&self, key: &SpanKey) -> bool {
        let hash = self.half_hash(key);
        let same = |place: &Place| place.hash == hash && self.slots.get(place.slot).is_some();
        self.index.find(Place::spread(hash), same).is_some()
    }

    fn half_hash(&self, key: &SpanKey) -> u32 {
        (self.hasher.of(key) >> 32) as u32
    }

    fn find_hashed(&self, key: &SpanKey, hash: u32) -> Option<u32> {
        let same =
            |place: &Place| place.hash == hash && self.slots.get(place.slot).is_some_and(|slot| slot.key == *key);
        self.index.find(Place::spread(hash), same).map(|place| place.slot)
    }

    /// The slot of a span id, made when it is not there; kept until `expires_at_ns` at least, but not longer than `life_ns` in all.
    pub(super) fn slot(&mut self, key: SpanKey, now_ns: u64, expires_at_ns: u64, life_ns: u64) -> u32 {
        let hash = self.half_hash(&key);
        if let Some(known) = self.find_hashed(&key, hash) {
            if let Some(slot) = self.slots.get_mut(known) {
                slot.expires_at_ns = slot.expires_at_ns.max(expires_at_ns.min(slot.born_at_ns.saturating_add(life_ns)));
            }
            return known;
        }
        let number = self.slots.insert(Slot {
            key,
            kinds: NO_KIND,
            born_at_ns: now_ns,
            expires_at_ns,
            caller: NIL,
            own: NIL,
            waiting: NIL,
        });
        self.index.insert_unique(Place::spread(hash), Place { hash, slot: number }, |place| Place::spread(place.hash));
        self.expiries.push_back((expires_at_ns, number));
        number
    }

    /// Notes that a span of this kind came with this id; false when it had come before.
    pub(super) fn first_time(&mut self, slot: u32, kind: SpanKind) -> bool {
        let Some(slot) = self.slots.get_mut(slot) else { return true };
        let bit = 1 << (kind as u8);
        let first = slot.kinds.get() & bit == 0;
        slot.kinds |= bit;
        first
    }

    /// Adds a callee half to its own slot and to the one that it waits on.
    pub(super) fn add_claim(&mut self, mut claim: Claim) -> u32 {
        let (own, waits_on) = (claim.own, claim.waits_on);
        claim.next_own = self.slots.get(own).map_or(NIL, |slot| slot.own);
        claim.next_waiting =
            if waits_on == NIL { NIL } else { self.slots.get(waits_on).map_or(NIL, |slot| slot.waiting) };
        let next_waiting = claim.next_waiting;
        let number = self.claims.insert(claim);
        if let Some(slot) = self.slots.get_mut(own) {
            slot.own = number;
        }
        if waits_on != NIL
            && let Some(slot) = self.slots.get_mut(waits_on)
        {
            slot.waiting = number;
        }
        if let Some(next) = self.claims.get_mut(next_waiting) {
            next.previous_waiting = number;
        }
        number
    }

    /// Takes a callee half off the list that it waits in.
    pub(super) fn stop_waiting(&mut self, claim: u32) {
        let Some(entry) = self.claims.get_mut(claim) else { return };
        let (slot, previous, next) = (entry.waits_on, entry.previous_waiting, entry.next_waiting);
        if slot == NIL {
            return;
        }
        (entry.waits_on, entry.previous_waiting, entry.next_waiting) = (NIL, NIL, NIL);
        if let Some(next) = self.claims.get_mut(next) {
            next.previous_waiting = previous;
        }
        match self.claims.get_mut(previous) {
            Some(previous) => previous.next_waiting = next,
            None => {
                if let Some(slot) = self.slots.get_mut(slot) {
                    slot.waiting = next;
                }
            }
        }
    }

    /// Callee halves that wait for a caller of this slot, or have found it.
    pub(super) fn waiting(&self, slot: u32) -> impl Iterator<Item = u32> + '_ {
        let first = self.slots.get(slot).map_or(NIL, |slot| slot.waiting);
        std::iter::successors((first != NIL).then_some(first), |&claim| {
            self.claims.get(claim).map(|claim| claim.next_waiting).filter(|&next| next != NIL)
        })
    }

    /// Callee halves with the id of this slot.
    pub(super) fn own(&self, slot: u32) -> impl Iterator<Item = u32> + '_ {
        let first = self.slots.get(slot).map_or(NIL, |slot| slot.own);
        std::iter::successors((first != NIL).then_some(first), |&claim| {
            self.claims.get(claim).map(|claim| claim.next_own).filter(|&next| next != NIL)
        })
    }

    /// Wakes a claim up at that time.
    pub(super) fn wake_at(&mut self, at_ns: u64, claim: u32) {
        self.waits.push_back((at_ns, claim));
    }

    /// The next claim whose time has come.
    pub(super) fn woken(&mut self, now_ns: u64) -> Option<u32> {
        self.waits.pop_front_if(|(at_ns, _)| *at_ns <= now_ns).map(|(_, claim)| claim)
    }

    /// The next slot whose time has come. One that was used again is put off.
    pub(super) fn expired(&mut self, now_ns: u64) -> Option<u32> {
        while let Some((_, number)) = self.expiries.pop_front_if(|(at_ns, _)| *at_ns <= now_ns) {
            match self.slots.get(number) {
                Some(slot) if slot.expires_at_ns > now_ns => self.expiries.push_back((slot.expires_at_ns, number)),
                Some(_) => return Some(number),
                None => {}
            }
        }
        None
    }

    /// Has a slot wait on whose time is over; gives back the one that has to make room for it.
    pub(super) fn wait_on(&mut self, slot: u32, until_ns: u64, most: usize) -> Option<u32> {
        self.overdue.push_back((until_ns, slot));
        (self.overdue.len() > most).then(|| self.overdue.pop_front()).flatten().map(|(_, slot)| slot)
    }

    /// The next slot that has waited on for long enough.
    pub(super) fn given_up(&mut self, now_ns: u64) -> Option<u32> {
        self.overdue.pop_front_if(|(until_ns, _)| *until_ns <= now_ns).map(|(_, slot)| slot)
    }

    /// Has the memory fetched that is needed to forget the `count` slots that expire next, all of it at once.
    pub(super) fn fetch_oldest(&self, count: usize) {
        let mut known = 0usize;
        for &(_, number) in self.overdue.iter().chain(&self.expiries).take(count) {
            let Some(slot) = self.slots.get(number) else { continue };
            let hash = self.half_hash(&slot.key);
            known += usize::from(self.index.find(Place::spread(hash), |place| place.slot == number).is_some());
            known += usize::from(self.callers.get(slot.caller).is_some());
            known += usize::from(self.claims.get(slot.own).is_some());
            known += usize::from(self.claims.get(slot.waiting).is_some());
        }
        std::hint::black_box(known);
    }

    /// The slot that would expire next, if time had gone on so far; of those that are overdue first.
    pub(super) fn oldest(&mut self) -> Option<u32> {
        if let Some((_, number)) = self.overdue.pop_front() {
            return Some(number);
        }
        while let Some((at_ns, number)) = self.expiries.pop_front() {
            match self.slots.get(number) {
                // It was used again: its turn comes at the time that it was put off to.
                Some(slot) if slot.expires_at_ns > at_ns => self.expiries.push_back((slot.expires_at_ns, number)),
                Some(_) => return Some(number),
                None => {}
            }
        }
        None
    }

    /// When the slot that would expire next was to expire.
    pub(super) fn next_expiry_ns(&self) -> Option<u64> {
        self.expiries.front().map(|(at_ns, _)| *at_ns)
    }

    /// Wakes nobody up whose time comes before that.
    pub(super) fn let_sleep_before(&mut self, at_ns: u64) {
        while self.waits.pop_front_if(|(wakes_at_ns, _)| *wakes_at_ns < at_ns).is_some() {}
    }

    /// Forgets a slot.
    pub(super) fn remove_slot(&mut self, number: u32) {
        let Some(slot) = self.slots.remove(number) else { return };
        let hash = self.half_hash(&slot.key);
        if let Ok(entry) = self.index.find_entry(Place::spread(hash), |place| place.slot == number) {
            entry.remove();
        }
    }
}
