//! What time does: halves that waited long enough are settled for good, and unused names are forgotten.

use super::{
    Pairer,
    pending::{Found, NIL},
    reading::Role,
};

/// How often unused names are looked for.
const SWEEP_NS: u64 = 60_000_000_000;

impl Pairer {
    /// Lets the time go on to `now_ns`; it never goes back.
    pub(super) fn advance(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        while let Some(number) = self.pending.woken(self.now_ns) {
            let Some(claim) = self.pending.claims.get_mut(number) else { continue };
            claim.waited = true;
            if claim.found == Found::Nothing && !std::mem::replace(&mut claim.dirty, true) {
                self.dirty_claims.push(number);
            }
        }
        self.settle();
        while let Some(slot) = self.pending.expired(self.now_ns) {
            self.expire_slot(slot);
        }
        // Last: what was settled just now may have needed them.
        self.inner.advance(self.now_ns);
    }

    /// Forgets what is unused. Only when all facts are said: until then they refer to nodes by number.
    pub(super) fn sweep(&mut self) {
        if self.now_ns < self.next_sweep_ns {
            return;
        }
        self.next_sweep_ns = self.now_ns.saturating_add(SWEEP_NS);
        // Pending halves refer to nodes as well, and were touched when they came.
        let pending_ns = self.limits.span_life_ns.saturating_add(self.limits.pending_ns).saturating_mul(2);
        let unused_since_ns = self.now_ns.saturating_sub(self.limits.unused_ns.max(pending_ns));
        let gone = self.names.sweep(unused_since_ns);
        self.peers.sweep(unused_since_ns, &gone);
    }

    fn expire_slot(&mut self, number: u32) {
        let Some(slot) = self.pending.slots.get(number) else { return };
        let caller = slot.caller;
        if self.pending.callers.get(caller).is_some_and(|caller| caller.answer.is_none()) {
            self.settle_caller(caller, true);
        }
        let waiting: Vec<u32> = self.pending.waiting(number).collect();
        let own: Vec<u32> = self.pending.own(number).collect();
        for &claim in waiting.iter().chain(&own) {
            if let Some(claim) = self.pending.claims.get_mut(claim)
                && claim.via == caller
            {
                claim.via = NIL;
            }
        }
        if caller != NIL {
            self.pending.callers.remove(caller);
        }
        for claim in waiting {
            self.look_once_more(claim);
            self.pending.stop_waiting(claim);
        }
        for claim in own {
            self.expire_claim(claim);
        }
        self.pending.remove_slot(number);
    }

    /// An internal span that came after its child is found only now.
    fn look_once_more(&mut self, number: u32) {
        let Some(claim) = self.pending.claims.get(number).copied() else { return };
        if matches!(claim.found, Found::Nothing | Found::User(_, true)) {
            let (found, _) = self.look_up(&claim);
            if matches!(found, Found::Edge(_) | Found::Local) {
                self.change_claim(number, &claim, found);
            }
        }
    }

    fn expire_claim(&mut self, number: u32) {
        self.look_once_more(number);
        let Some(claim) = self.pending.claims.get(number).copied() else { return };
        if claim.role == Role::Server && matches!(claim.found, Found::Nothing | Found::User(_, true)) {
            let edge = self.call_of_user(claim.service, claim.protocol);
            self.change_claim(number, &claim, Found::User(edge, false));
        }
        self.pending.stop_waiting(number);
        self.pending.claims.remove(number);
    }
}
