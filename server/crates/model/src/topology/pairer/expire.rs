//! What time does: halves that waited long enough are settled for good, and unused names are forgotten.

use super::{
    Pairer, PairerLimits,
    pending::{Callee, Claim, Found, NIL},
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
            if self.may_be_found_late(slot) {
                self.settle_for_now(slot);
            } else {
                self.expire_slot(slot);
            }
        }
        while let Some(slot) = self.pending.given_up(self.now_ns) {
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
        let PairerLimits { span_life_ns, pending_ns, overdue_ns, unused_ns, .. } = self.limits;
        let longest_ns = span_life_ns.saturating_add(pending_ns).saturating_add(overdue_ns);
        let unused_since_ns = self.now_ns.saturating_sub(unused_ns.max(longest_ns));
        let gone = self.names.sweep(unused_since_ns);
        self.peers.sweep(unused_since_ns, &gone);
    }

    /// Settles the oldest before their time where the next batch would find no room: of calls that are paired nothing is lost by it, and of
    /// the others old ones are less likely to meet their other half than new ones. Only when all is settled, so between batches.
    pub(super) fn make_room(&mut self, spans: usize) {
        // A span has an id of its own and may name a parent that was not seen.
        let kept = self.limits.max_pending.saturating_sub(spans.saturating_mul(2));
        if self.pending.slots.len() <= kept {
            return;
        }
        self.pending.fetch_oldest(self.pending.slots.len() - kept);
        while self.pending.slots.len() > kept
            && let Some(slot) = self.pending.oldest()
        {
            self.stats.overflowed += u64::from(self.still_waits(slot));
            self.expire_slot(slot);
        }
        // Those that went are not waited for either: their numbers are given to others, and they would be many.
        let PairerLimits { pending_ns, user_after_ns, .. } = self.limits;
        let born_ns = self.pending.next_expiry_ns().map_or(self.now_ns, |at_ns| at_ns.saturating_sub(pending_ns));
        self.pending.let_sleep_before(born_ns.saturating_add(user_after_ns));
    }

    /// True when a half of this span may still meet its other half.
    fn still_waits(&self, number: u32) -> bool {
        let caller = self.pending.slots.get(number).and_then(|slot| self.pending.callers.get(slot.caller));
        let claims = &self.pending.claims;
        caller.is_some_and(|caller| caller.answer.is_none() && !caller.overdue)
            || self.pending.own(number).any(|claim| {
                claims.get(claim).is_some_and(|claim| matches!(claim.found, Found::Nothing | Found::User(_, true)))
            })
    }

    /// True when its other half, should it come late, would show that a half belongs elsewhere. Not so for calls to a database and for messages
    /// sent: they have their place by name.
    fn may_be_found_late(&self, number: u32) -> bool {
        let Some(slot) = self.pending.slots.get(number) else { return false };
        let unanswered = self
            .pending
            .callers
            .get(slot.caller)
            .is_some_and(|caller| caller.answer.is_none() && !matches!(caller.callee, Callee::Node(_)));
        let orphan = |claim: u32| {
            let orphan =
                |claim: &Claim| claim.waits_on != NIL && matches!(claim.found, Found::Nothing | Found::User(..));
            self.pending.claims.get(claim).is_some_and(orphan)
        };
        unanswered || self.pending.own(number).any(orphan) || self.pending.waiting(number).any(orphan)
    }

    /// Counts its halves where they seem to belong, and lets them wait on.
    fn settle_for_now(&mut self, number: u32) {
        let caller = self.pending.slots.get(number).map_or(NIL, |slot| slot.caller);
        if let Some(entry) = self.pending.callers.get_mut(caller)
            && entry.answer.is_none()
        {
            entry.overdue = true;
            self.settle_caller(caller, true);
        }
        let mut claims = std::mem::take(&mut self.expiring);
        claims.extend(self.pending.own(number));
        for claim in claims.drain(..) {
            self.settle_claim_for_now(claim);
        }
        self.expiring = claims;
        let until_ns = self.now_ns.saturating_add(self.limits.overdue_ns);
        if let Some(slot) = self.pending.wait_on(number, until_ns, self.limits.max_overdue) {
            self.expire_slot(slot);
        }
    }

    fn expire_slot(&mut self, number: u32) {
        let Some(slot) = self.pending.slots.get(number) else { return };
        let caller = slot.caller;
        if self.pending.callers.get(caller).is_some_and(|caller| caller.answer.is_none()) {
            self.settle_caller(caller, true);
        }
        let mut claims = std::mem::take(&mut self.expiring);
        claims.extend(self.pending.waiting(number));
        let waiting = claims.len();
        claims.extend(self.pending.own(number));
        for &claim in &claims {
            if let Some(claim) = self.pending.claims.get_mut(claim)
                && claim.via == caller
            {
                claim.via = NIL;
            }
        }
        if caller != NIL {
            self.pending.callers.remove(caller);
        }
        for &claim in &claims[..waiting] {
            self.look_once_more(claim);
            self.pending.stop_waiting(claim);
        }
        for &claim in &claims[waiting..] {
            self.expire_claim(claim);
        }
        self.pending.remove_slot(number);
        claims.clear();
        self.expiring = claims;
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
        self.settle_claim_for_now(number);
        self.pending.stop_waiting(number);
        self.pending.claims.remove(number);
    }

    /// Without a caller by now a request is a user's.
    fn settle_claim_for_now(&mut self, number: u32) {
        self.look_once_more(number);
        let Some(claim) = self.pending.claims.get(number).copied() else { return };
        if claim.role == Role::Server && matches!(claim.found, Found::Nothing | Found::User(_, true)) {
            let edge = self.call_of_user(claim.service, claim.protocol);
            self.change_claim(number, &claim, Found::User(edge, false));
        }
    }
}
