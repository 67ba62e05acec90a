//! Where each half belongs, by what is known now.

use super::{
    About, Pairer,
    names::NodeId,
    pending::{Answer, Callee, Caller, Claim, EdgeRef, Found, NIL},
    reading::{Role, more_specific},
};
use crate::{
    identity::{NodeKind, SpanId},
    observation::{Protocol, Side},
};

impl Pairer {
    /// Looks at everything again that something new was learnt about, and says what changed.
    pub(super) fn settle(&mut self) {
        while let Some(number) = self.dirty_claims.pop() {
            self.settle_claim(number);
        }
        while let Some(number) = self.dirty_callers.pop() {
            self.settle_caller(number, false);
        }
    }

    fn settle_claim(&mut self, number: u32) {
        let Some(entry) = self.pending.claims.get_mut(number) else { return };
        entry.dirty = false;
        let claim = *entry;
        let (mut found, via) = self.look_up(&claim);
        // It is overdue: what was settled as a user's call is not provisional again because it was looked at.
        if let (Found::User(_, false), Found::User(..)) = (claim.found, found) {
            found = claim.found;
        }
        // Its caller's slot has expired: looking again finds less than was found.
        let less =
            matches!(found, Found::Nothing | Found::User(..)) && matches!(claim.found, Found::Edge(_) | Found::Local);
        if less || claim.settled() && via == NIL {
            return;
        }
        self.change_claim(number, &claim, found);
        if via != claim.via {
            if let Some(entry) = self.pending.claims.get_mut(number) {
                entry.via = via;
            }
            self.forget_answer(claim.via, number, &claim);
            let span = self.span_of(&claim);
            self.answer(via, &claim, span);
        }
        if found == Found::Nothing && claim.role == Role::Server && !claim.waited {
            self.pending.wake_at(self.now_ns.saturating_add(self.limits.user_after_ns), number);
        }
    }

    /// Says the difference between what was said of a callee half and what is known now.
    pub(super) fn change_claim(&mut self, number: u32, claim: &Claim, found: Found) {
        if found.said() != claim.found.said() {
            if let Some(said) = claim.found.said() {
                self.say_edge(said, claim.side, claim.measured, -1);
            }
            if let Some(said) = found.said() {
                self.say_edge(said, claim.side, claim.measured, 1);
            }
        }
        let node_said = claim.counts_for_node(found);
        if node_said != claim.node_said {
            self.say(About::Node(claim.service), claim.measured, false, if node_said { 1 } else { -1 });
        }
        if let Some(entry) = self.pending.claims.get_mut(number) {
            entry.found = found;
            entry.node_said = node_said;
        }
    }

    /// Who called, by what is known now; and the caller half, when it is there.
    pub(super) fn look_up(&mut self, claim: &Claim) -> (Found, u32) {
        let shared = self.pending.slots.get(claim.own).map_or(NIL, |slot| slot.caller);
        let parent = self.pending.slots.get(claim.waits_on);
        let (parent_caller, parent_own) = parent.map_or((NIL, NIL), |slot| (slot.caller, slot.own));
        // Where a client and a server share one id, children of that id are the server's.
        let served_there = self.pending.claims.get(parent_own).is_some_and(|parent| parent.role == Role::Server);
        let parent_caller = if served_there { NIL } else { parent_caller };
        let shared = if claim.role == Role::Server
            && self.pending.callers.get(shared).is_some_and(|caller| caller.role == Role::Client)
        {
            shared
        } else {
            NIL
        };
        let via = if shared == NIL { parent_caller } else { shared };
        if let Some(caller) = self.pending.callers.get(via) {
            let (service, role, protocol, callee) = (caller.service, caller.role, caller.protocol, caller.callee);
            return self.called_by(claim, via, service, role, protocol, callee);
        }
        let inner = || parent.and_then(|slot| self.inner.service(self.pending.hash(&slot.key)));
        if let Some(parent) = self.pending.claims.get(parent_own).map(|parent| parent.service).or_else(inner) {
            return (self.child_of(claim, parent), NIL);
        }
        let found = match (claim.role, claim.queue) {
            (Role::Server, _) if claim.root || claim.waited => {
                Found::User(self.call_of_user(claim.service, claim.protocol), !claim.root)
            }
            (Role::Consumer | Role::Poll, Some(queue)) => {
                Found::Edge(self.edge(queue, claim.service, Protocol::Messaging))
            }
            _ => Found::Nothing,
        };
        (found, NIL)
    }

    fn called_by(
        &mut self,
        claim: &Claim,
        via: u32,
        service: NodeId,
        role: Role,
        protocol: Protocol,
        callee: Callee,
    ) -> (Found, u32) {
        match claim.role {
            // Without kinds a child in the same service is just a step of its work.
            Role::Weak if service == claim.service => (Found::Local, NIL),
            Role::Server | Role::Weak => {
                (Found::Edge(self.edge(service, claim.service, claim.protocol_with(protocol))), via)
            }
            _ => {
                let sent_to = match callee {
                    Callee::Node(queue) if role == Role::Producer => Some(queue),
                    _ => None,
                };
                // The producer's name for the queue comes first: then both ends meet at one node, whatever the consumer calls it.
                match (sent_to, claim.queue) {
                    (Some(queue), _) => (Found::Edge(self.edge(queue, claim.service, Protocol::Messaging)), NIL),
                    (None, Some(queue)) => (
                        Found::Edge(self.edge(queue, claim.service, Protocol::Messaging)),
                        if role == Role::Producer { via } else { NIL },
                    ),
                    (None, None) if service == claim.service => (Found::Local, NIL),
                    (None, None) => (Found::Edge(self.edge(service, claim.service, Protocol::Messaging)), via),
                }
            }
        }
    }

    /// The parent is no caller but some other span of `parent`: that service made the call, without measuring it.
    fn child_of(&mut self, claim: &Claim, parent: NodeId) -> Found {
        match (claim.role, claim.queue) {
            (Role::Consumer | Role::Poll, Some(queue)) => {
                Found::Edge(self.edge(queue, claim.service, Protocol::Messaging))
            }
            _ if parent == claim.service && !claim.remote_parent => Found::Local,
            _ => Found::Edge(self.edge(parent, claim.service, claim.protocol)),
        }
    }

    pub(super) fn call_of_user(&mut self, service: NodeId, protocol: Protocol) -> EdgeRef {
        let scope = self.names.scope_of(service);
        let user = self.names.node(NodeKind::User, scope, "user", self.now_ns);
        self.edge(user, service, protocol)
    }

    pub(super) fn edge(&mut self, source: NodeId, target: NodeId, protocol: Protocol) -> EdgeRef {
        self.names.edge(source, target, protocol, self.now_ns)
    }

    fn span_of(&self, claim: &Claim) -> SpanId {
        self.pending.slots.get(claim.own).map_or(SpanId::NONE, |slot| slot.key.1)
    }

    /// Tells a caller half who served it, and remembers who answers to the name that it used.
    pub(super) fn answer(&mut self, via: u32, claim: &Claim, span: SpanId) {
        if let Some(caller) = self.pending.callers.get(via)
            && teaches(caller, claim)
            && let Callee::Peer(peer) = caller.callee
        {
            self.peers.learn(peer, claim.service, self.now_ns);
        }
        self.consider(via, claim, span);
    }

    fn consider(&mut self, via: u32, claim: &Claim, span: SpanId) {
        let Some(caller) = self.pending.callers.get_mut(via) else { return };
        let answer = Answer {
            rank: (claim.role == Role::Weak, span),
            service: claim.service,
            protocol: claim.protocol,
            queue: claim.queue,
        };
        if caller.answer.is_none_or(|known| answer.rank < known.rank) {
            caller.answer = Some(answer);
            if !std::mem::replace(&mut caller.dirty, true) {
                self.dirty_callers.push(via);
            }
        }
    }

    /// A callee half turned out to belong to another caller half: the old one looks for the best of those that are left.
    fn forget_answer(&mut self, via: u32, number: u32, claim: &Claim) {
        let Some(caller) = self.pending.callers.get(via) else { return };
        let slot = caller.slot;
        if teaches(caller, claim)
            && let Callee::Peer(peer) = caller.callee
        {
            self.peers.unlearn(peer, claim.service);
        }
        let left: Vec<u32> = self
            .pending
            .waiting(slot)
            .chain(self.pending.own(slot))
            .filter(|&other| other != number && self.pending.claims.get(other).is_some_and(|claim| claim.via == via))
            .collect();
        if let Some(caller) = self.pending.callers.get_mut(via) {
            caller.answer = None;
            if !std::mem::replace(&mut caller.dirty, true) {
                self.dirty_callers.push(via);
            }
        }
        for number in left {
            let Some(claim) = self.pending.claims.get(number).copied() else { continue };
            let span = self.span_of(&claim);
            self.consider(via, &claim, span);
        }
    }

    /// Says the difference between what was said of a caller half and what is known now.
    pub(super) fn settle_caller(&mut self, number: u32, last: bool) {
        let Some(entry) = self.pending.callers.get_mut(number) else { return };
        entry.dirty = false;
        let caller = *entry;
        let said = self.place_of_call(&caller, last || caller.overdue);
        if caller.said == Some(said) {
            return;
        }
        if let Some(before) = caller.said {
            self.say_edge(before, Side::Caller, caller.measured, -1);
        }
        self.say_edge(said, Side::Caller, caller.measured, 1);
        if let Some(entry) = self.pending.callers.get_mut(number) {
            entry.said = Some(said);
        }
    }

    /// The edge that a call belongs to, and whether that is provisional. `last`: nobody will answer any more.
    pub(super) fn place_of_call(&mut self, caller: &Caller, last: bool) -> (EdgeRef, bool) {
        match (caller.callee, caller.answer) {
            (Callee::Node(queue), _) if caller.role == Role::Producer => {
                (self.edge(caller.service, queue, Protocol::Messaging), false)
            }
            (_, Some(Answer { queue: Some(queue), .. })) => {
                (self.edge(caller.service, queue, Protocol::Messaging), false)
            }
            (_, Some(answer)) => {
                (self.edge(caller.service, answer.service, more_specific(caller.protocol, answer.protocol)), false)
            }
            (Callee::Node(database), None) => (self.edge(caller.service, database, caller.protocol), false),
            (Callee::Peer(peer), None) => {
                let target = self.peers.resolve(peer, &mut self.names, self.now_ns);
                (self.edge(caller.service, target, caller.protocol), !last)
            }
            (Callee::Unnamed, None) => {
                let scope = self.names.scope_of(caller.service);
                let target = self.names.other(scope, self.now_ns);
                (self.edge(caller.service, target, caller.protocol), !last)
            }
        }
    }
}

/// Whether the two show which service is behind the caller's name for it.
fn teaches(caller: &Caller, claim: &Claim) -> bool {
    caller.role == Role::Client && matches!(claim.role, Role::Server | Role::Weak)
}

impl Claim {
    /// True when its caller was found, and can no longer be found by looking again.
    fn settled(&self) -> bool {
        self.waits_on == NIL && !self.root && matches!(self.found, Found::Edge(_) | Found::Local)
    }
}
