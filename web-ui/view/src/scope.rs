//! Which part of the map is shown: one environment, and the nodes that a filter names.

use spillway_api::{Node, NodeKind, Topology};

use crate::{order, words};

/// The environment that is shown. Staging never mixes with production unless somebody asks for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Environment {
    /// By name; empty for services that say none.
    Named(String),
    /// Every one.
    All,
}

impl Environment {
    /// Reads the URL's `env`: `*` is all, `-` is the empty name. Without it, the one with the most traffic.
    pub fn read(env: Option<&str>, topology: &Topology) -> Self {
        match env {
            Some("*") => Self::All,
            Some("-") => Self::Named(String::new()),
            Some(name) if !name.is_empty() => Self::Named(name.to_owned()),
            _ => busiest(topology).map_or(Self::All, Self::Named),
        }
    }

    /// What [`Environment::read`] reads.
    pub fn token(&self) -> &str {
        match self {
            Self::All => "*",
            Self::Named(name) if name.is_empty() => "-",
            Self::Named(name) => name,
        }
    }

    /// For people.
    pub fn label(&self) -> &str {
        match self {
            Self::All => "all environments",
            Self::Named(name) => words::environment(name),
        }
    }

    /// True when a service of the environment `name` is shown.
    pub fn shows(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(own) => own == name,
        }
    }
}

/// Every environment on the map, sorted.
pub fn environments(topology: &Topology) -> Vec<String> {
    let names = order::distinct(topology.nodes.iter().map(|node| node.environment.as_str()).collect());
    names.into_iter().map(str::to_owned).collect()
}

fn busiest(topology: &Topology) -> Option<String> {
    let traffic = |name: &str| -> f64 {
        topology.nodes.iter().filter(|node| node.environment == name).filter_map(|node| node.rate).sum()
    };
    // Reversed, so that of equally busy ones the first by name is kept.
    environments(topology).into_iter().rev().max_by(|a, b| traffic(a).total_cmp(&traffic(b)))
}

/// A filter on nodes: words that must all match, `-word` that must not. A word matches a part of the name or namespace,
/// `state:failing` the health, `kind:database` the kind, `breaker:open` and `shed:` what their names say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<(Sign, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    With,
    Without,
}

impl Filter {
    /// Every text is a filter.
    pub fn parse(text: &str) -> Self {
        let terms = text.split_whitespace().filter_map(|word| {
            let (sign, word) = word.strip_prefix('-').map_or((Sign::With, word), |rest| (Sign::Without, rest));
            (!word.is_empty()).then(|| (sign, word.to_lowercase()))
        });
        Self { terms: terms.collect() }
    }

    /// True when it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// True when `node` passes.
    pub fn matches(&self, node: &Node, topology: &Topology) -> bool {
        self.terms.iter().all(|(sign, term)| term_matches(term, node, topology) == (*sign == Sign::With))
    }
}

fn term_matches(term: &str, node: &Node, topology: &Topology) -> bool {
    match term.split_once(':') {
        Some(("state", state)) => words::health(node.health) == state,
        Some(("kind", kind)) => kind_token(node.kind).starts_with(kind),
        Some(("shed", _)) => node.shedding.is_some(),
        Some(("breaker", state)) => topology.edges.iter().any(|edge| {
            (edge.source == node.id || edge.target == node.id)
                && edge.breaker.as_ref().is_some_and(|breaker| {
                    words::breaker(breaker.state) == state || words::breaker_token(breaker.state) == state
                })
        }),
        Some(("service" | "name", name)) => node.name.to_lowercase().contains(name.trim_end_matches('*')),
        _ => node.name.to_lowercase().contains(term) || node.namespace.to_lowercase().contains(term),
    }
}

const fn kind_token(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Service => "service",
        NodeKind::Database => "database",
        NodeKind::Queue => "queue",
        NodeKind::External => "external",
        NodeKind::User => "user",
        NodeKind::Other => "other",
    }
}

/// The part of `topology` in the environment, cut down to the nodes that pass `filter` and, where the filter says what
/// it wants, their direct neighbours: a service without its callers and callees explains nothing.
pub fn show(topology: &Topology, environment: &Environment, filter: &Filter) -> Topology {
    // A flag a node, by its place: the nodes are sorted by id, so the ends of an edge are found by halving.
    let place = |id: &str| topology.nodes.binary_search_by(|node| node.id.as_str().cmp(id)).ok();
    let allowed: Vec<bool> = topology
        .nodes
        .iter()
        .map(|node| environment.shows(&node.environment) && !filter.excludes(node, topology))
        .collect();
    let matching: Vec<bool> =
        topology.nodes.iter().zip(&allowed).map(|(node, allowed)| *allowed && filter.wants(node, topology)).collect();
    let mut shown = matching.clone();
    if filter.terms.iter().any(|(sign, _)| *sign == Sign::With) {
        for edge in &topology.edges {
            if let (Some(source), Some(target)) = (place(&edge.source), place(&edge.target)) {
                shown[target] |= matching[source] && allowed[target];
                shown[source] |= matching[target] && allowed[source];
            }
        }
    }
    let visible = |id: &str| place(id).is_some_and(|at| shown[at]);
    Topology {
        seq: topology.seq,
        at: topology.at,
        window_s: topology.window_s,
        lag_ms: topology.lag_ms,
        nodes: topology.nodes.iter().zip(&shown).filter(|(_, shown)| **shown).map(|(node, _)| node.clone()).collect(),
        edges: topology.edges.iter().filter(|edge| visible(&edge.source) && visible(&edge.target)).cloned().collect(),
    }
}

impl Filter {
    fn excludes(&self, node: &Node, topology: &Topology) -> bool {
        self.terms.iter().any(|(sign, term)| *sign == Sign::Without && term_matches(term, node, topology))
    }

    fn wants(&self, node: &Node, topology: &Topology) -> bool {
        self.terms.iter().all(|(sign, term)| *sign == Sign::Without || term_matches(term, node, topology))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn names(topology: &Topology) -> Vec<&str> {
        topology.nodes.iter().map(|node| node.name.as_str()).collect()
    }

    #[test]
    fn without_a_choice_the_busiest_environment_is_shown() {
        let mut topology = sample::calm();
        let mut staging = sample::node("gateway", 3.0, 0.0);
        staging.environment = "staging".into();
        staging.id = "service:staging/shop/gateway".into();
        topology.nodes.push(staging);
        topology.nodes.sort_by(|a, b| a.id.cmp(&b.id));

        let environment = Environment::read(None, &topology);

        assert_eq!(environment, Environment::Named("production".into()));
        assert_eq!(show(&topology, &environment, &Filter::default()).nodes.len(), 5);
        assert_eq!(show(&topology, &Environment::read(Some("*"), &topology), &Filter::default()).nodes.len(), 6);
        assert_eq!(Environment::read(Some("-"), &topology), Environment::Named(String::new()));
    }

    #[test]
    fn a_word_keeps_its_matches_and_their_neighbours() {
        let shown = show(&sample::calm(), &Environment::All, &Filter::parse("paym"));

        assert_eq!(names(&shown), ["checkout", "fraud", "payments"]);
        assert_eq!(shown.edges.len(), 2);
    }

    #[test]
    fn an_excluded_word_takes_only_its_matches_away() {
        let shown = show(&sample::calm(), &Environment::All, &Filter::parse("-fraud"));

        assert_eq!(names(&shown), ["catalog", "checkout", "gateway", "payments"]);
    }

    #[test]
    fn states_and_breakers_can_be_asked_for() {
        let mut topology = sample::sick();
        topology.edges[0].breaker = Some(sample::breaker(2, 0));
        let source = topology.edges[0].source.clone();

        let matching = |text: &str| {
            topology
                .nodes
                .iter()
                .filter(|node| Filter::parse(text).matches(node, &topology))
                .map(|node| node.name.clone())
                .collect::<Vec<_>>()
        };

        assert_eq!(matching("state:degraded"), ["gateway"]);
        assert!(matching("breaker:open").iter().any(|name| source.ends_with(name.as_str())));
        assert_eq!(matching("kind:database"), Vec::<String>::new());
    }
}
