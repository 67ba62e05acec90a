//! Decisions in memory: those that hold now, and the last that ended.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use spillway_api as api;

use super::Swapped;

/// Ended decisions that are kept beside those of now: what a page shows first.
const ENDED: usize = 50;
/// Decisions that watchers are sent.
const SHOWN: usize = 100;

#[derive(Clone, Default)]
struct Decisions {
    now: BTreeMap<String, api::DecisionRecord>,
    /// Newest first.
    ended: VecDeque<api::DecisionRecord>,
}

/// Written by the tick task, read by everybody.
#[derive(Default)]
pub(super) struct History {
    decisions: Swapped<Decisions>,
}

impl History {
    pub(super) fn get(&self, id: &str) -> Option<api::DecisionRecord> {
        let decisions = self.decisions.load();
        decisions.now.get(id).or_else(|| decisions.ended.iter().find(|record| record.id == id)).cloned()
    }

    /// What a tick decided.
    pub(super) fn replace(&self, now: BTreeMap<String, api::DecisionRecord>, just_ended: Vec<api::DecisionRecord>) {
        let mut ended = self.decisions.load().ended.clone();
        for record in just_ended {
            ended.push_front(record);
        }
        ended.truncate(ENDED);
        self.decisions.store(Arc::new(Decisions { now, ended }));
    }

    /// Newest first by when they began.
    pub(super) fn list(&self) -> api::DecisionList {
        let decisions = self.decisions.load();
        let mut list: Vec<_> = decisions.now.values().chain(&decisions.ended).cloned().collect();
        list.sort_by(|a, b| (b.began_at, &b.id).cmp(&(a.began_at, &a.id)));
        list.truncate(SHOWN);
        api::DecisionList { decisions: list, next_cursor: None }
    }
}
