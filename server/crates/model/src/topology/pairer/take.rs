//! Takes one span in: which half of a call it is, and where it waits for the other.

use super::{
    Pairer,
    names::NodeId,
    peers::{PeerName, host_of_url},
    pending::{Callee, Caller, Claim, Found, Measured, NIL, SpanKey},
    reading::{Reading, Role, Words},
    sampling::{adjusted_count, count_of_share, whole},
};
use crate::{
    batch::{SpanBatch, SpanKind, StrId},
    identity::{NodeKind, SpanId, TraceId},
    observation::{Protocol, Side},
};

/// The words by which a caller names its callee, as ids of one batch, with the row of its resource: the key of a cache for that batch.
pub(super) type PeerWords = (u32, [StrId; 5], u16);

impl Pairer {
    pub(super) fn take(&mut self, batch: &SpanBatch, span: usize) {
        let key = (batch.spans.trace_id[span], batch.spans.span_id[span]);
        let reading = self.reader.read(batch, span);
        // Ids of all zeros are invalid: they would pair with each other.
        if key.0 == TraceId::default() || key.1.is_none() {
            return;
        }
        let resource = batch.scopes[batch.spans.scope[span] as usize].resource;
        if reading.role == Role::Inner {
            self.inner.note(self.pending.hash(&key), self.services[resource as usize]);
            return;
        }
        self.stats.halves += 1;
        let measured = self.measure(batch, span, resource, &reading);
        match reading.role {
            Role::Client | Role::Producer => self.take_caller(batch, span, key, resource, &reading, measured),
            Role::Server | Role::Consumer | Role::Poll | Role::Weak => {
                self.take_callee(batch, span, key, resource, &reading, measured)
            }
            Role::Inner => {}
        }
    }

    fn measure(&mut self, batch: &SpanBatch, span: usize, resource: u32, reading: &Reading) -> Measured {
        let (start_ns, end_ns) = (batch.spans.start_ns[span], batch.spans.end_ns[span]);
        let said = match batch.spans.trace_state[span] {
            StrId::EMPTY => None,
            text => *self.said_counts.entry(text).or_insert_with(|| adjusted_count(batch.str(text))),
        };
        // What a span says of itself is more than what is set for its service.
        let said = said.or_else(|| reading.words.sampled_share(batch).and_then(count_of_share));
        let times = match said.unwrap_or(self.counts[resource as usize]) {
            1.0 => 1,
            count => whole(count, self.pending.hash(&(batch.spans.trace_id[span], batch.spans.span_id[span]))),
        };
        let failed = reading.failed;
        Measured { at_ns: end_ns.max(start_ns), duration_ns: end_ns.saturating_sub(start_ns), failed, times }
    }

    fn take_caller(
        &mut self,
        batch: &SpanBatch,
        span: usize,
        key: SpanKey,
        resource: u32,
        reading: &Reading,
        measured: Measured,
    ) {
        let service = self.services[resource as usize];
        let callee = match reading.role {
            Role::Producer => self.queue(batch, service, &reading.words),
            _ if reading.words.db => Some(self.database(batch, service, &reading.words)),
            _ => None,
        };
        let callee = match callee {
            Some(node) => Callee::Node(node),
            None => self.peer(batch, resource, service, &reading.words),
        };
        let mut caller = Caller {
            slot: NIL,
            service,
            role: reading.role,
            protocol: reading.protocol,
            callee,
            measured,
            answer: None,
            said: None,
            overdue: false,
            dirty: true,
        };
        let Some(slot) = self.slot_for(key) else {
            self.stats.overflowed += 1;
            let said = self.place_of_call(&caller, false);
            self.say_edge(said, Side::Caller, measured, 1);
            return;
        };
        let taken = self.pending.slots.get(slot).is_some_and(|slot| slot.caller != NIL);
        if !self.pending.first_time(slot, batch.spans.kind[span]) || taken {
            self.stats.repeated += 1;
            return;
        }
        caller.slot = slot;
        let caller = self.pending.callers.insert(caller);
        if let Some(slot) = self.pending.slots.get_mut(slot) {
            slot.caller = caller;
        }
        self.dirty_callers.push(caller);
        self.touch_waiting(slot);
        let (claims, dirty) = (&mut self.pending.claims, &mut self.dirty_claims);
        let mut own = self.pending.slots.get(slot).map_or(NIL, |slot| slot.own);
        while let Some(claim) = claims.get_mut(own) {
            if !std::mem::replace(&mut claim.dirty, true) {
                dirty.push(own);
            }
            own = claim.next_own;
        }
    }

    fn take_callee(
        &mut self,
        batch: &SpanBatch,
        span: usize,
        key: SpanKey,
        resource: u32,
        reading: &Reading,
        measured: Measured,
    ) {
        let service = self.services[resource as usize];
        let queue = if matches!(reading.role, Role::Consumer | Role::Poll) {
            self.queue(batch, service, &reading.words)
        } else {
            None
        };
        let parent = batch.spans.parent_id[span];
        // A span that is its own parent has none.
        let parent = if parent == key.1 { SpanId::NONE } else { parent };
        let claim = Claim {
            own: NIL,
            next_own: NIL,
            waits_on: NIL,
            next_waiting: NIL,
            previous_waiting: NIL,
            service,
            role: reading.role,
            protocol: reading.protocol,
            queue,
            measured,
            side: if reading.role == Role::Poll { Side::Caller } else { Side::Callee },
            counts_node: reading.role != Role::Poll,
            remote_parent: reading.remote_parent,
            root: parent.is_none(),
            waited: false,
            via: NIL,
            found: Found::Nothing,
            node_said: false,
            dirty: true,
        };
        let callers = self.callers_of(batch, span, key, parent, reading.role);
        self.add_claims(batch.spans.kind[span], key, claim, &callers);
        self.callers = callers;
    }

    fn add_claims(&mut self, kind: SpanKind, key: SpanKey, mut claim: Claim, callers: &[Option<SpanKey>]) {
        let Some(own) = self.slot_for(key) else {
            self.stats.overflowed += 1;
            for (number, caller) in callers.iter().enumerate() {
                claim.waits_on = caller.and_then(|caller| self.pending.find(&caller)).unwrap_or(NIL);
                claim.counts_node &= number == 0;
                self.say_once(claim, key.1);
            }
            return;
        };
        if !self.pending.first_time(own, kind) {
            self.stats.repeated += 1;
            return;
        }
        claim.own = own;
        for (number, caller) in callers.iter().enumerate() {
            claim.counts_node &= number == 0;
            claim.waits_on = match caller {
                Some(caller) => self.slot_for(*caller).unwrap_or_else(|| {
                    self.stats.overflowed += 1;
                    NIL
                }),
                None => NIL,
            };
            let claim = self.pending.add_claim(claim);
            self.dirty_claims.push(claim);
        }
        self.touch_waiting(own);
    }

    /// The spans that may have called this one: one entry a call that it served, `None` where nobody is named.
    fn callers_of(
        &mut self,
        batch: &SpanBatch,
        span: usize,
        key: SpanKey,
        parent: SpanId,
        role: Role,
    ) -> Vec<Option<SpanKey>> {
        let limit = match role {
            Role::Consumer => self.limits.max_links,
            // One fetch is one call, however many messages it brings.
            Role::Poll => 1,
            _ => 0,
        };
        // Its memory is used again for the next span.
        let mut linked = std::mem::take(&mut self.callers);
        linked.clear();
        for link in &batch.links[batch.spans.links[span].range()] {
            let caller = Some((link.trace_id, link.span_id));
            if linked.len() >= limit {
                break;
            }
            if caller != Some(key) && !link.span_id.is_none() && !linked.contains(&caller) {
                linked.push(caller);
            }
        }
        if linked.is_empty() {
            linked.push((!parent.is_none()).then_some((key.0, parent)));
        }
        linked
    }

    /// The slot of a span, if there is one or room for one.
    fn slot_for(&mut self, key: SpanKey) -> Option<u32> {
        let full = self.pending.slots.len() >= self.limits.max_pending;
        if full && self.pending.find(&key).is_none() {
            return None;
        }
        Some(self.pending.slot(
            key,
            self.now_ns,
            self.now_ns.saturating_add(self.limits.pending_ns),
            self.limits.span_life_ns,
        ))
    }

    /// Has those looked at again that wait for a caller in this slot.
    fn touch_waiting(&mut self, slot: u32) {
        let claims = &mut self.pending.claims;
        let mut waiting = self.pending.slots.get(slot).map_or(NIL, |slot| slot.waiting);
        while let Some(claim) = claims.get_mut(waiting) {
            if !std::mem::replace(&mut claim.dirty, true) {
                self.dirty_claims.push(waiting);
            }
            waiting = claim.next_waiting;
        }
    }

    /// The node of a queue or topic, when it has a name.
    fn queue(&mut self, batch: &SpanBatch, service: NodeId, words: &Words) -> Option<NodeId> {
        let name = words.queue();
        if name == StrId::EMPTY {
            return None;
        }
        // Each short-lived queue has a name of its own: together they are one node.
        let name = if words.temporary { "(temporary)" } else { batch.str(name) };
        let scope = self.names.scope_of(service);
        Some(self.names.node(NodeKind::Queue, scope, name, self.now_ns))
    }

    /// The node of a database: named as the database, else as its host, else as the product.
    fn database(&mut self, batch: &SpanBatch, service: NodeId, words: &Words) -> NodeId {
        let scope = self.names.scope_of(service);
        let namespace = batch.str(words.db_namespace);
        let host = batch.str(words.host());
        // Redis numbers its databases: "0" is no name.
        if !namespace.is_empty() && !namespace.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.names.node(NodeKind::Database, scope, namespace, self.now_ns);
        }
        if host.is_empty() {
            let system = batch.str(words.db_system);
            return self.names.node(
                NodeKind::Database,
                scope,
                if system.is_empty() { "database" } else { system },
                self.now_ns,
            );
        }
        let bare = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok();
        match words.port {
            // An address alone does not tell two databases of one machine apart.
            Some(port) if bare => self.names.node(NodeKind::Database, scope, &format!("{host}:{port}"), self.now_ns),
            _ => self.names.node(NodeKind::Database, scope, host, self.now_ns),
        }
    }

    /// Whom a client calls, in its own words.
    fn peer(&mut self, batch: &SpanBatch, resource: u32, service: NodeId, words: &Words) -> Callee {
        let rpc = if words.rpc_service == StrId::EMPTY { words.rpc_method() } else { words.rpc_service };
        let host = words.host();
        let url = if host == StrId::EMPTY { words.url } else { StrId::EMPTY };
        let key = (resource, [words.peer_service, words.peer_namespace, rpc, host, url], words.port.unwrap_or(0));
        if let Some(&known) = self.peer_of.get(&key) {
            return known.map_or(Callee::Unnamed, Callee::Peer);
        }
        let (host, port) = match host_of_url(batch.str(url)) {
            Some((host, port)) => (host, if port == 0 { words.port.unwrap_or(0) } else { port }),
            None => (batch.str(host), words.port.unwrap_or(0)),
        };
        let messaging = if words.messaging && host.is_empty() { batch.str(words.messaging_system) } else { "" };
        let said = batch.str(words.peer_service);
        let name = PeerName {
            service: if said.is_empty() { messaging } else { said },
            namespace: batch.str(words.peer_namespace),
            rpc: words.rpc_service(batch),
            host,
            port,
        };
        let scope = self.names.scope_of(service);
        let peer = self.peers.peer(scope, &name, self.now_ns);
        self.peer_of.insert(key, peer);
        peer.map_or(Callee::Unnamed, Callee::Peer)
    }

    /// For callee halves that found no room: says at once what is known, and keeps nothing.
    fn say_once(&mut self, mut claim: Claim, span: SpanId) {
        claim.waited = true;
        let (found, via) = self.look_up(&claim);
        self.answer(via, &claim, span);
        if let Some(said) = found.said() {
            self.say_edge(said, claim.side, claim.measured, 1);
        }
        if claim.counts_for_node(found) {
            self.say(super::About::Node(claim.service), claim.measured, false, 1);
        }
        self.settle();
    }
}

impl Claim {
    /// Whether the span counts as a request that its node served.
    pub(super) fn counts_for_node(&self, found: Found) -> bool {
        self.counts_node
            && match self.role {
                // A server span within a server span of the same service is the same request.
                Role::Server => found != Found::Local,
                Role::Weak => matches!(found, Found::Edge(_)),
                _ => true,
            }
    }

    /// Protocol towards its caller.
    pub(super) fn protocol_with(&self, other: Protocol) -> Protocol {
        super::reading::more_specific(self.protocol, other)
    }
}
