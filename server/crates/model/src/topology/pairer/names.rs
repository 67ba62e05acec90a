//! The names on the map: nodes by number, bounded per environment, and forgotten when unused.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::Arc,
};

use hashbrown::{HashMap, HashTable};
use rustc_hash::FxBuildHasher;

use super::PairerLimits;
use crate::{
    identity::{NodeKey, NodeKind, ServiceKey},
    observation::Protocol,
};

/// A node, as a number of one [`super::Pairer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub u32);

/// An environment and namespace, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ScopeId(pub u32);

/// Longer names are cut: they come from strangers, and end up in ids.
pub(super) const NAME_MAX_BYTES: usize = 255;

/// Name of the node where everything beyond the cap is counted, and of the environment beyond the cap of environments.
pub(super) const OTHER: &str = "other";

/// Hashes with a secret of the process: names and ids are chosen by strangers, who must not be able to make all of them collide.
#[derive(Clone, Copy, Debug)]
pub(in crate::topology) struct Seeded(pub u64);

impl std::hash::BuildHasher for Seeded {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}

impl Seeded {
    pub(super) fn of(self, value: impl Hash) -> u64 {
        std::hash::BuildHasher::hash_one(&self, value)
    }
}

/// Cuts a text to [`NAME_MAX_BYTES`], between characters.
pub(in crate::topology) fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_MAX_BYTES)]
}

struct Scope {
    environment: Arc<str>,
    namespace: Arc<str>,
    /// Index into `nodes_in`.
    environment_index: usize,
}

struct Node {
    key: NodeKey,
    scope: ScopeId,
    /// Sends telemetry itself.
    sender: bool,
    used_at_ns: u64,
}

/// The table of nodes and edges.
pub(super) struct Names {
    hasher: Seeded,
    max_nodes: usize,
    max_edges: usize,
    max_scopes: usize,
    max_environments: usize,
    scopes: Vec<Scope>,
    scope_index: HashTable<ScopeId>,
    environments: Vec<Arc<str>>,
    nodes_in: Vec<usize>,
    nodes: Vec<Option<Node>>,
    free: Vec<NodeId>,
    index: HashTable<NodeId>,
    /// Services that send telemetry, by environment and name.
    senders: HashMap<(Arc<str>, Arc<str>), Vec<NodeId>, Seeded>,
    /// Keyed by numbers that are given out here: nobody outside can make them collide.
    edges: HashMap<(NodeId, NodeId, Protocol), u64, FxBuildHasher>,
    /// Grows when a service is seen for the first time: what a peer's name resolves to may then change.
    generation: u64,
    folded: u64,
}

impl Names {
    pub(super) fn new(limits: &PairerLimits) -> Self {
        let hasher = Seeded(limits.seed);
        Self {
            hasher,
            max_nodes: limits.max_nodes_per_environment,
            max_edges: limits.max_edges,
            max_scopes: limits.max_scopes,
            max_environments: limits.max_environments,
            scopes: Vec::new(),
            scope_index: HashTable::new(),
            environments: Vec::new(),
            nodes_in: Vec::new(),
            nodes: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            senders: HashMap::with_hasher(hasher),
            edges: HashMap::default(),
            generation: 0,
            folded: 0,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// How often a node or edge was counted as "other", for want of room.
    pub(super) fn folded(&self) -> u64 {
        self.folded
    }

    pub(super) fn node_count(&self) -> usize {
        self.index.len()
    }

    pub(super) fn key(&self, node: NodeId) -> &NodeKey {
        &self.entry(node).key
    }

    pub(super) fn kind(&self, node: NodeId) -> NodeKind {
        self.entry(node).key.kind
    }

    pub(super) fn scope_of(&self, node: NodeId) -> ScopeId {
        self.entry(node).scope
    }

    fn entry(&self, node: NodeId) -> &Node {
        self.nodes[node.0 as usize]
            .as_ref()
            .expect("a node outlives everything that refers to it: unused_for is longer than any pending call")
    }

    /// Environment and namespace of a scope.
    pub(super) fn scope_names(&self, scope: ScopeId) -> (&Arc<str>, &Arc<str>) {
        let scope = &self.scopes[scope.0 as usize];
        (&scope.environment, &scope.namespace)
    }

    /// The number of an environment and namespace. Beyond the cap all are one: "other".
    pub(super) fn scope(&mut self, environment: &str, namespace: &str) -> ScopeId {
        let (mut environment, mut namespace) = (cut(environment), cut(namespace));
        if let Some(known) = self.find_scope(environment, namespace) {
            return known;
        }
        let known_environment = self.environments.iter().any(|known| **known == *environment);
        if self.scopes.len() >= self.max_scopes
            || !known_environment && self.environments.len() >= self.max_environments
        {
            self.folded += 1;
            (environment, namespace) = (OTHER, "");
            if let Some(known) = self.find_scope(environment, namespace) {
                return known;
            }
        }
        let environment_index = match self.environments.iter().position(|known| **known == *environment) {
            Some(known) => known,
            None => {
                self.environments.push(environment.into());
                self.nodes_in.push(0);
                self.environments.len() - 1
            }
        };
        let id = ScopeId(u32::try_from(self.scopes.len()).expect("bounded by max_scopes"));
        self.scopes.push(Scope {
            environment: self.environments[environment_index].clone(),
            namespace: namespace.into(),
            environment_index,
        });
        let hash = self.hasher.of((environment, namespace));
        let (scopes, hasher) = (&self.scopes, self.hasher);
        self.scope_index.insert_unique(hash, id, |id| {
            let scope = &scopes[id.0 as usize];
            hasher.of((&*scope.environment, &*scope.namespace))
        });
        id
    }

    fn find_scope(&self, environment: &str, namespace: &str) -> Option<ScopeId> {
        let hash = self.hasher.of((environment, namespace));
        let same = |id: &ScopeId| {
            let scope = &self.scopes[id.0 as usize];
            *scope.environment == *environment && *scope.namespace == *namespace
        };
        self.scope_index.find(hash, same).copied()
    }

    fn hash_node(hasher: Seeded, kind: NodeKind, scope: ScopeId, name: &str) -> u64 {
        hasher.of((kind, scope, name))
    }

    /// The number of a node. Beyond the environment's cap it is the "other" node.
    pub(super) fn node(&mut self, kind: NodeKind, scope: ScopeId, name: &str, now_ns: u64) -> NodeId {
        let name = cut(name);
        let hash = Self::hash_node(self.hasher, kind, scope, name);
        let nodes = &self.nodes;
        let same = |id: &NodeId| {
            nodes[id.0 as usize]
                .as_ref()
                .is_some_and(|node| node.key.kind == kind && node.scope == scope && *node.key.service.name == *name)
        };
        if let Some(&known) = self.index.find(hash, same) {
            self.touch(known, now_ns);
            return known;
        }
        let environment = self.scopes[scope.0 as usize].environment_index;
        if kind != NodeKind::Other && self.nodes_in[environment] >= self.max_nodes {
            return self.other(scope, now_ns);
        }
        self.nodes_in[environment] += 1;
        let (env, namespace) = self.scope_names(scope);
        let service = ServiceKey { environment: env.clone(), namespace: namespace.clone(), name: name.into() };
        let node = Node { key: NodeKey { kind, service }, scope, sender: false, used_at_ns: now_ns };
        let id = match self.free.pop() {
            Some(id) => {
                self.nodes[id.0 as usize] = Some(node);
                id
            }
            None => {
                self.nodes.push(Some(node));
                NodeId(u32::try_from(self.nodes.len() - 1).expect("bounded by the caps"))
            }
        };
        let (nodes, hasher) = (&self.nodes, self.hasher);
        self.index.insert_unique(hash, id, |id| {
            nodes[id.0 as usize]
                .as_ref()
                .map_or(0, |node| Self::hash_node(hasher, node.key.kind, node.scope, &node.key.service.name))
        });
        id
    }

    /// The node of an environment where everything beyond the cap is counted.
    pub(super) fn other(&mut self, scope: ScopeId, now_ns: u64) -> NodeId {
        self.folded += 1;
        let environment = self.scopes[scope.0 as usize].environment.clone();
        let scope = self.scope(&environment, "");
        self.node(NodeKind::Other, scope, OTHER, now_ns)
    }

    pub(super) fn touch(&mut self, node: NodeId, now_ns: u64) {
        if let Some(node) = &mut self.nodes[node.0 as usize] {
            node.used_at_ns = node.used_at_ns.max(now_ns);
        }
    }

    /// The node of a service that sends telemetry.
    pub(super) fn sender(&mut self, scope: ScopeId, name: &str, now_ns: u64) -> NodeId {
        let id = self.node(NodeKind::Service, scope, name, now_ns);
        if let Some(node) = &mut self.nodes[id.0 as usize]
            && !node.sender
            && node.key.kind == NodeKind::Service
        {
            node.sender = true;
            let ServiceKey { environment, name, .. } = &node.key.service;
            self.senders.entry((environment.clone(), name.clone())).or_default().push(id);
            self.generation += 1;
        }
        id
    }

    /// A service that sends telemetry, by its name: in the named namespace, else in the asker's, else the only one of that name in the
    /// environment.
    pub(super) fn known_service(&self, asker: ScopeId, namespace: Option<&str>, name: &str) -> Option<NodeId> {
        let (environment, own) = self.scope_names(asker);
        let all = self.senders.get(&(environment.clone(), Arc::from(name)))?;
        let within = |namespace: &str| all.iter().copied().find(|&id| *self.key(id).service.namespace == *namespace);
        match namespace {
            Some(namespace) => within(namespace),
            None => within(own).or_else(|| if let [only] = all[..] { Some(only) } else { None }),
        }
    }

    /// The edge between two nodes, its target replaced by "other" when there is no room for one more edge.
    pub(super) fn edge(
        &mut self,
        source: NodeId,
        target: NodeId,
        protocol: Protocol,
        now_ns: u64,
    ) -> (NodeId, NodeId, Protocol) {
        self.touch(source, now_ns);
        self.touch(target, now_ns);
        if let Some(used_at_ns) = self.edges.get_mut(&(source, target, protocol)) {
            *used_at_ns = now_ns;
            return (source, target, protocol);
        }
        // "Other" edges have room of their own, so that they always fit: one for each source and protocol.
        if self.edges.len() >= self.max_edges && self.kind(target) != NodeKind::Other {
            let target = self.other(self.scope_of(source), now_ns);
            return self.edge(source, target, protocol, now_ns);
        }
        self.edges.insert((source, target, protocol), now_ns);
        (source, target, protocol)
    }

    /// Forgets what was not used since; returns the nodes that went.
    pub(super) fn sweep(&mut self, unused_since_ns: u64) -> Vec<NodeId> {
        self.edges.retain(|_, used_at_ns| *used_at_ns >= unused_since_ns);
        let mut gone = Vec::new();
        for (number, slot) in self.nodes.iter_mut().enumerate() {
            let Some(node) = slot.take_if(|node| node.used_at_ns < unused_since_ns) else { continue };
            let id = NodeId(u32::try_from(number).expect("node numbers are u32"));
            let hash = Self::hash_node(self.hasher, node.key.kind, node.scope, &node.key.service.name);
            if let Ok(entry) = self.index.find_entry(hash, |&have| have == id) {
                entry.remove();
            }
            self.nodes_in[self.scopes[node.scope.0 as usize].environment_index] -= 1;
            if node.sender {
                let ServiceKey { environment, name, .. } = node.key.service;
                let key = (environment, name);
                if let Some(all) = self.senders.get_mut(&key) {
                    all.retain(|&have| have != id);
                    if all.is_empty() {
                        self.senders.remove(&key);
                    }
                }
                self.generation += 1;
            }
            gone.push(id);
        }
        // `gone` is ascending.
        let went = |node: &NodeId| gone.binary_search(node).is_ok();
        self.edges.retain(|(source, target, _), _| !went(source) && !went(target));
        self.free.extend(&gone);
        gone
    }
}
