//! All directives in force, in the order in which a request meets them.

use std::{collections::HashMap, sync::Arc, time::Instant};

use spillway_api::{Directive, IgnoredDirective};

use super::rule::{Counters, Rule};
use crate::Identity;

/// Most directives of a set: as many as the host may send. More would make every request slow.
const MOST: usize = 1_000;

/// The compiled set.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) rules: Box<[Rule]>,
    /// By directive id, for the next table.
    counters: HashMap<Box<str>, Arc<Counters>>,
}

impl Table {
    /// Compiles a set; directives that were in `last` keep their tokens and their requests in flight.
    pub(super) fn compile(
        directives: Vec<Directive>,
        identity: &Identity,
        last: &Self,
        now: Instant,
    ) -> (Self, Vec<IgnoredDirective>) {
        let mut rules = Vec::with_capacity(directives.len());
        let mut counters = HashMap::new();
        let mut ignored = Vec::new();
        for directive in directives {
            if directive.r#match.instance.as_ref().is_some_and(|instance| *instance != identity.instance) {
                continue; // meant for a neighbour; nothing is wrong with it
            }
            let id: Box<str> = directive.id.as_str().into();
            let ours = {
                let wanted = &directive.r#match;
                wanted.environment == identity.environment
                    && wanted.namespace == identity.namespace
                    && wanted.service == identity.service
            };
            let kept = last.counters.get(&id).map_or_else(Arc::default, Arc::clone);
            let rule = if rules.len() >= MOST {
                Err(format!("more than {MOST} directives"))
            } else if !ours {
                let wanted = &directive.r#match;
                Err(format!("is for {}/{}/{}", wanted.environment, wanted.namespace, wanted.service))
            } else {
                Rule::new(directive, Arc::clone(&kept), now)
            };
            match rule {
                Ok(rule) => {
                    rules.push(rule);
                    counters.insert(id, kept);
                }
                Err(reason) => ignored.push(IgnoredDirective { id: id.into(), reason }),
            }
        }
        rules.sort_by(|a, b| {
            let ((a_kind, a_strict), (b_kind, b_strict)) = (a.check.order(), b.check.order());
            a_kind.cmp(&b_kind).then(a_strict.total_cmp(&b_strict)).then_with(|| a.notice.id.cmp(&b.notice.id))
        });
        (Self { rules: rules.into(), counters }, ignored)
    }
}
