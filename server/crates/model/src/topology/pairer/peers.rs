//! How callers name whom they call, and which service that turned out to be.
//!
//! A caller knows `payments:8080` or a loopback port; the callee calls itself `payments`. Each pair of a client and a server span
//! teaches which is which, so that the next call goes to the right node before its other half arrives, and a call to a
//! service that is down (and so sends no half) still goes to that service.

use std::{net::IpAddr, sync::Arc};

use hashbrown::HashTable;

use super::{
    PairerLimits,
    names::{Names, NodeId, ScopeId, Seeded, cut},
};
use crate::identity::NodeKind;

/// A callee's name in a caller's mouth, as a number of one [`super::Pairer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PeerId(u32);

/// What a caller says of its callee; empty means not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct PeerName<'a> {
    /// `service.peer.name` or `peer.service`.
    pub service: &'a str,
    /// `service.peer.namespace`.
    pub namespace: &'a str,
    /// Service within the RPC system.
    pub rpc: &'a str,
    /// Host name or address.
    pub host: &'a str,
    /// Port, 0 when not said.
    pub port: u16,
}

impl PeerName<'_> {
    /// The clearest name for a person.
    fn shown(&self) -> String {
        match (self.service, self.rpc, self.host) {
            ("", "", "") => "unknown".to_owned(),
            ("", "", host) if matches!(self.port, 0 | 80 | 443) => host.to_owned(),
            ("", "", host) if host.contains(':') => format!("[{host}]:{}", self.port),
            ("", "", host) => format!("{host}:{}", self.port),
            ("", rpc, _) => rpc.to_owned(),
            (service, ..) => service.to_owned(),
        }
    }

    fn known(&self) -> bool {
        !(self.service.is_empty() && self.rpc.is_empty() && self.host.is_empty())
    }
}

/// Host and port of a URL; the port is 0 when it says none.
pub(in crate::topology) fn host_of_url(url: &str) -> Option<(&str, u16)> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match host.rsplit_once(':') {
        // In [::1] the colons belong to the address.
        Some((name, port)) if !port.contains(']') => (name, port.parse().unwrap_or(0)),
        _ => (host, 0),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then_some((host, port))
}

/// Services remembered for one name: with two it names none of them for sure, more need not be told apart.
const ANSWERS_MAX: usize = 4;

/// A service that answered to a name.
#[derive(Clone, Copy, Debug)]
struct Answered {
    service: NodeId,
    /// Calls that showed it, less those that turned out to be others'.
    calls: u32,
    seen_at_ns: u64,
}

struct Peer {
    scope: ScopeId,
    shown: Box<str>,
    service: Box<str>,
    namespace: Box<str>,
    host: Box<str>,
    /// Who answered lately. One service is behind the name; several mean a proxy, or a balancer by path.
    answered: Vec<Answered>,
    nameless: bool,
    /// What the name alone resolves to, and for which generation of known services.
    by_name: (u64, Option<NodeId>),
    external: Option<NodeId>,
    used_at_ns: u64,
}

/// The table of names.
pub(super) struct Peers {
    hasher: Seeded,
    max: usize,
    memory_ns: u64,
    peers: Vec<Option<Peer>>,
    free: Vec<PeerId>,
    index: HashTable<PeerId>,
}

impl Peers {
    pub(super) fn new(limits: &PairerLimits) -> Self {
        Self {
            hasher: Seeded(limits.seed),
            max: limits.max_peers,
            // A port that another service took over names neither for so long.
            memory_ns: limits.unused_ns / 3,
            peers: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
        }
    }

    /// The number of a name in a caller's scope; `None` when the table is full.
    pub(super) fn peer(&mut self, scope: ScopeId, name: &PeerName<'_>, now_ns: u64) -> Option<PeerId> {
        let shown = name.shown();
        let shown = cut(&shown);
        let (service, namespace, host) = (cut(name.service), cut(name.namespace), cut(name.host));
        let hash = self.hasher.of((scope, shown, service, namespace, host));
        let peers = &self.peers;
        let same = |id: &PeerId| {
            peers[id.0 as usize].as_ref().is_some_and(|peer| {
                peer.scope == scope
                    && *peer.shown == *shown
                    && *peer.service == *service
                    && *peer.namespace == *namespace
                    && *peer.host == *host
            })
        };
        if let Some(&known) = self.index.find(hash, same) {
            if let Some(peer) = &mut self.peers[known.0 as usize] {
                peer.used_at_ns = now_ns;
            }
            return Some(known);
        }
        if self.index.len() >= self.max {
            return None;
        }
        let peer = Peer {
            scope,
            shown: shown.into(),
            service: service.into(),
            namespace: namespace.into(),
            host: host.into(),
            answered: Vec::new(),
            // Many callees without a name are not one callee.
            nameless: !name.known(),
            by_name: (0, None),
            external: None,
            used_at_ns: now_ns,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.peers[id.0 as usize] = Some(peer);
                id
            }
            None => {
                self.peers.push(Some(peer));
                PeerId(u32::try_from(self.peers.len() - 1).expect("bounded by max_peers"))
            }
        };
        let (peers, hasher) = (&self.peers, self.hasher);
        self.index
            .insert_unique(hash, id, |id| peers[id.0 as usize].as_ref().map_or(0, |peer| Self::hash_of(hasher, peer)));
        Some(id)
    }

    fn hash_of(hasher: Seeded, peer: &Peer) -> u64 {
        hasher.of((peer.scope, &*peer.shown, &*peer.service, &*peer.namespace, &*peer.host))
    }

    /// A call by this name was served by that service.
    pub(super) fn learn(&mut self, peer: PeerId, service: NodeId, now_ns: u64) {
        let Some(peer) = self.peers[peer.0 as usize].as_mut().filter(|peer| !peer.nameless) else { return };
        if let [only] = &mut peer.answered[..]
            && only.service == service
        {
            (only.calls, only.seen_at_ns) = (only.calls.saturating_add(1), now_ns);
            return;
        }
        let memory_ns = self.memory_ns;
        peer.answered.retain(|known| known.seen_at_ns.saturating_add(memory_ns) > now_ns);
        let room = peer.answered.len() < ANSWERS_MAX;
        match peer.answered.iter_mut().find(|known| known.service == service) {
            Some(known) => (known.calls, known.seen_at_ns) = (known.calls.saturating_add(1), now_ns),
            None if room => peer.answered.push(Answered { service, calls: 1, seen_at_ns: now_ns }),
            None => {}
        }
    }

    /// That call was another's: nothing is known from it.
    pub(super) fn unlearn(&mut self, peer: PeerId, service: NodeId) {
        let Some(peer) = &mut self.peers[peer.0 as usize] else { return };
        if let Some(at) = peer.answered.iter().position(|known| known.service == service) {
            peer.answered[at].calls -= 1;
            if peer.answered[at].calls == 0 {
                peer.answered.remove(at);
            }
        }
    }

    /// The best-known node behind a name: whoever answered to it, else the service of that name, else a host outside.
    pub(super) fn resolve(&mut self, peer: PeerId, names: &mut Names, now_ns: u64) -> NodeId {
        let peer = self.peers[peer.0 as usize].as_mut().expect("a peer outlives the calls that refer to it");
        peer.used_at_ns = now_ns;
        if let [Answered { service, .. }] = peer.answered[..] {
            names.touch(service, now_ns);
            return service;
        }
        // Generations begin at 1 with the first service, and there is one: the caller.
        if peer.by_name.0 != names.generation() {
            peer.by_name = (names.generation(), peer.service_by_name(names));
        }
        if let Some(service) = peer.by_name.1 {
            names.touch(service, now_ns);
            return service;
        }
        if let Some(external) = peer.external {
            names.touch(external, now_ns);
            return external;
        }
        let external = names.node(NodeKind::External, peer.scope, &peer.shown, now_ns);
        // The "other" node is not kept: there may be room again.
        peer.external = (names.kind(external) == NodeKind::External).then_some(external);
        external
    }

    /// Forgets names that were not used since, and what is known of nodes that went (ascending).
    pub(super) fn sweep(&mut self, unused_since_ns: u64, gone: &[NodeId]) {
        let went = |node: NodeId| gone.binary_search(&node).is_ok();
        for (number, slot) in self.peers.iter_mut().enumerate() {
            if let Some(old) = slot.take_if(|peer| peer.used_at_ns < unused_since_ns) {
                let id = PeerId(u32::try_from(number).expect("peer numbers are u32"));
                if let Ok(entry) = self.index.find_entry(Self::hash_of(self.hasher, &old), |&have| have == id) {
                    entry.remove();
                }
                self.free.push(id);
            } else if let Some(peer) = slot {
                peer.answered.retain(|known| !went(known.service));
                if peer.by_name.1.is_some_and(went) {
                    peer.by_name = (0, None);
                }
                peer.external = peer.external.filter(|&external| !went(external));
            }
        }
    }

    /// The service that a caller in `scope` means by a text such as `payments` or `127.0.0.1:8083`, when a call showed it.
    pub(super) fn answered(&self, names: &Names, environment: &str, namespace: &str, shown: &str) -> Option<NodeId> {
        self.peers.iter().flatten().find_map(|peer| match peer.answered[..] {
            [Answered { service, .. }] if *peer.shown == *shown => {
                let (have_environment, have_namespace): (&Arc<str>, &Arc<str>) = names.scope_names(peer.scope);
                (**have_environment == *environment && **have_namespace == *namespace).then_some(service)
            }
            _ => None,
        })
    }
}

impl Peer {
    fn service_by_name(&self, names: &Names) -> Option<NodeId> {
        if !self.service.is_empty() {
            let namespace = (!self.namespace.is_empty()).then_some(&*self.namespace);
            if let Some(service) = names.known_service(self.scope, namespace, &self.service) {
                return Some(service);
            }
        }
        let (name, namespace) = service_of_host(&self.host)?;
        match namespace {
            Within::Any => names.known_service(self.scope, None, name),
            Within::Exactly(namespace) => names.known_service(self.scope, Some(namespace), name),
            Within::Rather(namespace) => names
                .known_service(self.scope, Some(namespace), name)
                .or_else(|| names.known_service(self.scope, None, name)),
        }
    }
}

/// Where a host name says that its service lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within<'a> {
    Any,
    Exactly(&'a str),
    /// A Kubernetes namespace: often the service's namespace, not always.
    Rather(&'a str),
}

/// The service behind a cluster-internal host name: `payments`, `payments.shop`, `payments.shop.svc.cluster.local`. A public name
/// such as `api.stripe.com` says nothing of a service `api`.
fn service_of_host(host: &str) -> Option<(&str, Within<'_>)> {
    if host.is_empty() || host == "localhost" || host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let mut labels = host.trim_end_matches('.').split('.');
    match (labels.next()?, labels.next(), labels.next()) {
        (name, None, _) => Some((name, Within::Any)),
        (name, Some(namespace), None) => Some((name, Within::Exactly(namespace))),
        (name, Some(namespace), Some("svc")) => Some((name, Within::Rather(namespace))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url_is_found() {
        for (url, host) in [
            ("http://payments:8080/pay?x=1", Some(("payments", 8080))),
            ("https://api.stripe.com/v1", Some(("api.stripe.com", 0))),
            ("https://user:word@host:9/x", Some(("host", 9))),
            ("http://[::1]:7070/", Some(("::1", 7070))),
            ("http://[::1]/", Some(("::1", 0))),
            ("ws://host?x", Some(("host", 0))),
            ("/only/a/path", None),
            ("http://", None),
        ] {
            assert_eq!(host_of_url(url), host, "{url}");
        }
    }

    #[test]
    fn only_cluster_names_say_a_service() {
        assert_eq!(service_of_host("payments"), Some(("payments", Within::Any)));
        assert_eq!(service_of_host("payments.shop"), Some(("payments", Within::Exactly("shop"))));
        assert_eq!(service_of_host("payments.shop.svc.cluster.local."), Some(("payments", Within::Rather("shop"))));
        for host in ["", "localhost", "127.0.0.1", "::1", "api.stripe.com"] {
            assert_eq!(service_of_host(host), None, "{host}");
        }
    }

    #[test]
    fn a_name_shows_its_port_only_when_it_says_something() {
        let host = |host, port| PeerName { host, port, ..PeerName::default() }.shown();

        assert_eq!(host("api.stripe.com", 443), "api.stripe.com");
        assert_eq!(host("127.0.0.1", 8083), "127.0.0.1:8083");
        assert_eq!(host("::1", 8083), "[::1]:8083");
        assert_eq!(PeerName { service: "payments", host: "10.0.0.1", ..PeerName::default() }.shown(), "payments");
        assert_eq!(PeerName::default().shown(), "unknown");
    }
}
