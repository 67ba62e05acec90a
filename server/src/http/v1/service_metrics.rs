//! `GET /metrics/services`: what the map knows of each service and each call, in Prometheus text format.

use std::fmt::Write as _;

use axum::{extract::State, response::IntoResponse};
use http::header;
use spillway_api::{Edge, Node, Topology};

use crate::live::LiveHandle;

/// Nodes and edges with series of their own, those with most requests first: each is up to seven series in somebody's Prometheus.
const MOST: usize = 1_000;
/// What `quantile` says, as summaries do.
const QUANTILES: [&str; 3] = ["0.5", "0.95", "0.99"];

/// Gauges over the map's window; what has no samples has no series.
pub async fn handler(State(live): State<LiveHandle>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], exposition(&live.snapshot(), MOST))
}

/// The series of a map, of at most so many nodes and so many edges.
fn exposition(map: &Topology, most: usize) -> String {
    let busiest = |rate: Option<f64>| std::cmp::Reverse((rate.unwrap_or(0.0) * 1_000.0) as u64);
    let mut nodes: Vec<&Node> = map.nodes.iter().collect();
    nodes.sort_by_key(|node| (busiest(node.rate), &node.id));
    let mut edges: Vec<&Edge> = map.edges.iter().collect();
    edges.sort_by_key(|edge| (busiest(edge.rate), &edge.source, &edge.target, edge.protocol));
    let left_out = [("node", nodes.len().saturating_sub(most)), ("edge", edges.len().saturating_sub(most))];
    nodes.truncate(most);
    edges.truncate(most);

    let mut text = String::with_capacity(200 * (nodes.len() + edges.len()) + 2_000);
    let mut family = |name: &str, help: &str, rows: Vec<(String, f64)>| {
        if !rows.is_empty() {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        }
        for (labels, value) in rows {
            let _ = writeln!(text, "{name}{{{labels}}} {value}");
        }
    };
    let of_nodes = |value: &dyn Fn(&Node) -> Option<f64>| -> Vec<(String, f64)> {
        nodes.iter().filter_map(|node| Some((of_node(node), value(node)?))).collect()
    };
    let of_edges = |value: &dyn Fn(&Edge) -> Option<f64>| -> Vec<(String, f64)> {
        edges.iter().filter_map(|edge| Some((of_edge(edge), value(edge)?))).collect()
    };
    family("spillway_service_request_rate", "Requests served per second.", of_nodes(&|node| node.rate));
    family("spillway_service_error_ratio", "Share of them that failed.", of_nodes(&|node| node.error_ratio));
    let times = nodes.iter().flat_map(|node| quantiles(of_node(node), [node.p50_ms, node.p95_ms, node.p99_ms]));
    family("spillway_service_duration_seconds", "Time to serve a request.", times.collect());
    family("spillway_service_instances", "Instances seen.", of_nodes(&|node| Some(f64::from(node.instances))));
    family(
        "spillway_service_shed_ratio",
        "Share of the offered requests that was turned away on purpose.",
        of_nodes(&|node| node.shedding.as_ref().map(|shedding| shedding.ratio)),
    );
    family("spillway_edge_request_rate", "Calls per second, as the caller sees them.", of_edges(&|edge| edge.rate));
    family("spillway_edge_error_ratio", "Share of them that failed.", of_edges(&|edge| edge.error_ratio));
    let times = edges.iter().flat_map(|edge| quantiles(of_edge(edge), [edge.p50_ms, edge.p95_ms, edge.p99_ms]));
    family("spillway_edge_duration_seconds", "Time of a call.", times.collect());
    let breaker = |value: fn(&spillway_api::Breaker) -> u32| {
        move |edge: &Edge| edge.breaker.as_ref().map(|breaker| f64::from(value(breaker)))
    };
    family(
        "spillway_edge_breakers_open",
        "Instances of the caller whose breaker is open.",
        of_edges(&breaker(|breaker| breaker.open)),
    );
    family(
        "spillway_edge_breakers",
        "Instances of the caller with a breaker.",
        of_edges(&breaker(|breaker| breaker.total)),
    );
    let rows = left_out.iter().map(|(kind, count)| (format!("kind=\"{kind}\""), *count as f64));
    family("spillway_map_left_out", "Nodes and edges that are on the map and not here.", rows.collect());
    text
}

fn quantiles(labels: String, values: [Option<f64>; 3]) -> impl Iterator<Item = (String, f64)> {
    let rows = QUANTILES.into_iter().zip(values);
    rows.filter_map(move |(quantile, ms)| Some((format!("{labels},quantile=\"{quantile}\""), ms? / 1_000.0)))
}

fn of_node(node: &Node) -> String {
    let Node { environment, namespace, name, .. } = node;
    let kind = word(&node.kind);
    format!(
        "environment=\"{}\",namespace=\"{}\",service=\"{}\",kind=\"{kind}\"",
        escaped(environment),
        escaped(namespace),
        escaped(name)
    )
}

fn of_edge(edge: &Edge) -> String {
    let (source, target, protocol) = (escaped(&edge.source), escaped(&edge.target), word(&edge.protocol));
    format!("source=\"{source}\",target=\"{target}\",protocol=\"{protocol}\"")
}

/// The word that the API uses.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// As the format wants label values (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use spillway_api::{Node, NodeKind, ServiceHealth};

    use super::*;

    fn node(name: &str, rate: Option<f64>) -> Node {
        Node {
            id: format!("service:test/shop/{name}"),
            environment: "test".into(),
            namespace: "shop".into(),
            name: name.into(),
            kind: NodeKind::Service,
            health: ServiceHealth::Healthy,
            health_reason: None,
            reported_health: None,
            rate,
            error_ratio: rate.map(|_| 0.25),
            p50_ms: rate.map(|_| 12.0),
            p95_ms: None,
            p99_ms: None,
            estimated: false,
            instances: 2,
            version: None,
            shedding: None,
            last_seen_at: spillway_api::Timestamp::default(),
            stale: false,
        }
    }

    #[test]
    fn a_service_has_its_numbers_and_none_where_nothing_was_seen() {
        let map = Topology { nodes: vec![node("idle", None), node("cart", Some(3.5))], ..Topology::default() };

        let text = exposition(&map, 10);

        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let cart = r#"{environment="test",namespace="shop",service="cart",kind="service""#;
        assert_eq!(
            samples,
            [
                format!("spillway_service_request_rate{cart}}} 3.5"),
                format!("spillway_service_error_ratio{cart}}} 0.25"),
                format!("spillway_service_duration_seconds{cart},quantile=\"0.5\"}} 0.012"),
                format!("spillway_service_instances{cart}}} 2"),
                format!("spillway_service_instances{}}} 2", cart.replace("cart", "idle")),
                "spillway_map_left_out{kind=\"node\"} 0".to_owned(),
                "spillway_map_left_out{kind=\"edge\"} 0".to_owned(),
            ]
        );
    }

    #[test]
    fn the_busiest_are_shown_and_the_others_counted() {
        let nodes = (0..5).map(|number| node(&number.to_string(), Some(f64::from(number)))).collect();

        let text = exposition(&Topology { nodes, ..Topology::default() }, 2);

        let shown: Vec<&str> = text.lines().filter(|line| line.starts_with("spillway_service_request_rate")).collect();
        assert!(shown.len() == 2 && shown[0].ends_with(" 4") && shown[1].ends_with(" 3"), "{shown:?}");
        assert!(text.contains("spillway_map_left_out{kind=\"node\"} 3\n"), "{text}");
    }

    #[test]
    fn a_name_cannot_begin_another_line() {
        let map = Topology { nodes: vec![node("a\"} 1\nb\\", Some(1.0))], ..Topology::default() };

        let text = exposition(&map, 10);

        assert!(text.contains(r#"service="a\"} 1\nb\\""#), "{text}");
        assert!(text.lines().all(|line| line.starts_with("# ") || line.starts_with("spillway_")), "{text}");
    }
}
