use super::*;
use crate::sample;

fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

fn named<'a>(scene: &'a Scene, name: &str) -> &'a SceneNode {
    scene.nodes.iter().find(|node| node.name == name).expect("the sample has this node")
}

#[test]
fn a_calm_map_fades_nothing_and_complains_of_nothing() {
    let scene = Scene::new(&sample::calm());

    assert!(!scene.trouble && (0..scene.nodes.len()).all(|v| scene.bright_node(v)));
    assert!(scene.edges.iter().all(|edge| edge.complaint.is_none() && edge.mark.is_none()));
}

#[test]
fn in_trouble_only_the_sick_part_is_bright() {
    let scene = Scene::new(&sample::sick());

    let bright: Vec<&str> = scene
        .nodes
        .iter()
        .enumerate()
        .filter(|(v, _)| scene.bright_node(*v))
        .map(|(_, node)| node.name.as_str())
        .collect();
    assert_eq!(bright, ["checkout", "gateway", "payments"]);
    let payments = named(&scene, "payments");
    assert_eq!((payments.health, payments.errors.as_deref().map(plain)), (ServiceHealth::Failing, Some("38 %".into())));
}

#[test]
fn an_open_breaker_is_said_on_its_edge() {
    let mut topology = sample::calm();
    let edge =
        topology.edges.iter_mut().find(|edge| edge.target.ends_with("payments")).expect("checkout calls payments");
    edge.breaker = Some(sample::breaker(2, 900_000));

    let scene = Scene::new(&topology);

    let edge = scene.edges.iter().find(|edge| edge.mark.is_some()).expect("one edge has the mark");
    assert_eq!(edge.mark.as_ref().map(|mark| mark.text.as_str()), Some("breaker open 2 of 3"));
    assert_eq!((edge.health, edge.loud), (ServiceHealth::Failing, true));
}

#[test]
fn width_grows_with_the_rate_and_a_silent_edge_is_dotted_without_dots() {
    let mut topology = sample::calm();
    topology.edges[0].rate = None;
    topology.edges[1].rate = Some(10.0);
    topology.edges[2].rate = Some(10_000.0);

    let edges = Scene::new(&topology).edges;

    assert_eq!((edges[0].line, edges[0].flow, edges[0].health), (Line::Dotted, None, ServiceHealth::Unknown));
    assert!(edges[1].width < edges[2].width && edges[2].width <= 6.0);
}

#[test]
fn shedding_names_its_share_and_who_has_not_applied_it() {
    let mut topology = sample::calm();
    let shedding = |applied| spillway_api::Shedding {
        ratio: 0.38,
        instances_applied: applied,
        instances_enforcing: 9,
        reason: None,
    };
    topology.nodes[0].shedding = Some(shedding(9));
    topology.nodes[1].shedding = Some(shedding(7));

    let scene = Scene::new(&topology);

    assert_eq!(scene.nodes[0].badge.as_deref().map(plain), Some("sheds 38 %".into()));
    assert_eq!(scene.nodes[1].badge.as_deref().map(plain), Some("sheds 38 % · 7 of 9".into()));
}

#[test]
fn an_edge_complains_only_of_what_its_callee_does_not_say() {
    let mut topology = sample::sick();
    for edge in topology.edges.iter_mut().filter(|edge| edge.target.ends_with("payments")) {
        edge.p99_ms = Some(2_900.0);
    }
    for edge in topology.edges.iter_mut().filter(|edge| edge.target.ends_with("checkout")) {
        edge.error_ratio = Some(0.5);
    }

    let scene = Scene::new(&topology);

    let of = |name: &str| {
        let edge = scene.edges.iter().find(|edge| edge.key.target.ends_with(name)).expect("the sample has this edge");
        edge.complaint.as_deref().map(plain)
    };
    assert_eq!((of("payments"), of("checkout"), of("catalog")), (Some("p99 2.9 s".into()), Some("50 %".into()), None));
}

#[test]
fn users_are_never_unknown_and_shares_are_short() {
    let mut topology = sample::calm();
    let node = &mut topology.nodes[0];
    (node.kind, node.health, node.stale, node.error_ratio) =
        (NodeKind::User, ServiceHealth::Unknown, true, Some(0.3351));

    let scene = Scene::new(&topology);

    assert_eq!(scene.nodes[0].health, ServiceHealth::Healthy);
    assert_eq!(scene.nodes[0].errors.as_deref().map(plain), Some("34 %".into()));
    assert_eq!(plain(&percent(0.0712)), "7.12 %");
    assert_eq!(plain(&percent(0.9999)), "99.9 %");
}

#[test]
fn a_stale_node_is_unknown_whatever_it_was() {
    let mut topology = sample::sick();
    topology.nodes.iter_mut().for_each(|node| node.stale = true);

    assert!(Scene::new(&topology).nodes.iter().all(|node| node.health == ServiceHealth::Unknown));
}

#[test]
fn an_edge_into_nowhere_and_a_node_told_twice_do_no_harm() {
    let mut topology = sample::calm();
    topology.nodes.push(topology.nodes[0].clone());
    topology.edges[0].target = "service:production/shop/gone".into();

    let scene = Scene::new(&topology);

    assert_eq!((scene.nodes.len(), scene.edges.len()), (5, 3));
}

#[test]
fn a_long_name_keeps_head_and_tail() {
    assert_eq!(shortened("recommendation-worker-eu-west-1"), "recommendati…eu-west-1");
    assert_eq!(shortened("catalog"), "catalog");
}
