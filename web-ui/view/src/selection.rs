//! What is selected on the map, and how it stands in the URL.

use spillway_api::{EdgeKey, Topology};

use crate::{query::Query, words};

/// A node or an edge of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// By node id.
    Node(String),
    /// By what identifies an edge.
    Edge(EdgeKey),
}

impl Selection {
    /// Reads `sel=<node>` or `sel=<source>&to=<target>&by=<protocol>`.
    pub fn from_query(query: &Query) -> Option<Self> {
        let source = query.get("sel").filter(|id| !id.is_empty())?.to_owned();
        match (query.get("to"), query.get("by").and_then(words::parse_protocol)) {
            (Some(target), Some(protocol)) => Some(Self::Edge(EdgeKey { source, target: target.to_owned(), protocol })),
            _ => Some(Self::Node(source)),
        }
    }

    /// Writes `selection` into `query`, or takes it out.
    pub fn set(selection: Option<&Self>, query: &mut Query) {
        let (sel, to, by) = match selection {
            None => (None, None, None),
            Some(Self::Node(id)) => (Some(id.as_str()), None, None),
            Some(Self::Edge(key)) => {
                (Some(key.source.as_str()), Some(key.target.as_str()), Some(words::protocol_token(key.protocol)))
            }
        };
        query.set("sel", sel);
        query.set("to", to);
        query.set("by", by);
    }

    /// The same for the same selection, and for no other.
    pub fn key(&self) -> String {
        let mut query = Query::new();
        Self::set(Some(self), &mut query);
        query.href("")
    }

    /// True when it is on this map.
    pub fn on(&self, topology: &Topology) -> bool {
        match self {
            Self::Node(id) => topology.nodes.iter().any(|node| node.id == *id),
            Self::Edge(key) => topology
                .edges
                .iter()
                .any(|edge| edge.source == key.source && edge.target == key.target && edge.protocol == key.protocol),
        }
    }
}

#[cfg(test)]
mod tests {
    use spillway_api::Protocol;

    use super::*;

    #[test]
    fn a_selection_survives_the_url() {
        let edge = EdgeKey {
            source: "service:prod/shop/a%2Fb".into(),
            target: "database:prod//db".into(),
            protocol: Protocol::Database,
        };

        for selection in [Selection::Node("service:prod/shop/a".into()), Selection::Edge(edge)] {
            let mut query = Query::new().with("env", "prod");
            Selection::set(Some(&selection), &mut query);
            let href = query.href("/topology");
            let read = Query::parse(href.split_once('?').map_or("", |(_, query)| query));

            assert_eq!(Selection::from_query(&read), Some(selection));
            assert_eq!(read.get("env"), Some("prod"));
        }
    }

    #[test]
    fn clearing_takes_every_part_out() {
        let mut query = Query::parse("sel=a&to=b&by=http&env=x");

        Selection::set(None, &mut query);

        assert_eq!(query.href("/"), "/?env=x");
        assert_eq!(Selection::from_query(&query), None);
    }
}
