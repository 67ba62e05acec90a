use super::*;
use crate::sample;

fn at(stage: &Stage, name: &str) -> Point {
    let index = stage.scene().nodes.iter().position(|node| node.name == name).expect("it is on the map");
    stage.rects()[index].centre()
}

/// A stage that somebody has looked at for a minute.
fn settled() -> Stage {
    let mut stage = Stage::default();
    stage.update(&sample::calm(), 0.0);
    stage.advance(60_000.0);
    stage
}

fn grown() -> Topology {
    let mut topology = sample::calm();
    topology.nodes.push(sample::node("search", 10.0, 0.0));
    topology.edges.push(sample::edge("gateway", "search", 10.0, 0.0));
    topology
}

#[test]
fn new_numbers_move_nothing() {
    let mut stage = settled();
    let before = stage.rects().to_vec();

    assert_eq!(stage.update(&sample::sick(), 60_000.0), Changed::Values);
    assert_eq!(stage.rects(), before);
    assert!(stage.scene().trouble);
}

#[test]
fn a_new_service_on_a_known_map_moves_nothing_and_is_counted() {
    let mut stage = settled();
    let before = at(&stage, "checkout");

    assert_eq!(stage.update(&grown(), 60_000.0), Changed::Shape);

    assert_eq!(at(&stage, "checkout"), before);
    assert_eq!(stage.added(), 1);
}

#[test]
fn a_young_map_is_laid_out_anew_until_somebody_touches_it() {
    let mut young = Stage::default();
    young.update(&sample::calm(), 0.0);
    let mut touched = Stage::default();
    touched.update(&sample::calm(), 0.0);
    touched.touch();

    assert_eq!(young.update(&grown(), 2_000.0), Changed::Everything);
    assert_eq!(touched.update(&grown(), 2_000.0), Changed::Shape);
}

#[test]
fn a_glide_begins_where_things_were_and_ends_tidy() {
    let mut stage = settled();
    stage.update(&grown(), 60_000.0);
    let before = at(&stage, "search");

    stage.tidy(70_000.0);
    let during = at(&stage, "search");
    let moving = stage.advance(70_050.0);
    let ended = stage.advance(70_200.0);

    assert_eq!(during, before);
    assert!(moving && !ended);
    let mut fresh = Stage::default();
    fresh.update(&grown(), 0.0);
    assert_eq!(at(&stage, "search"), at(&fresh, "search"));
}

#[test]
fn a_dragged_node_stays_where_it_was_put_until_the_map_is_tidied() {
    let mut stage = settled();
    let index = stage.scene().nodes.iter().position(|node| node.name == "fraud").expect("it is on the map");
    stage.pin(index, Point::new(-300.0, 400.0));

    stage.update(&grown(), 60_000.0);
    assert_eq!(at(&stage, "fraud"), Point::new(-300.0, 400.0));

    stage.tidy(70_000.0);
    stage.advance(71_000.0);
    assert_ne!(at(&stage, "fraud"), Point::new(-300.0, 400.0));
}

#[test]
fn a_filter_that_comes_and_goes_leaves_everything_in_its_place() {
    let mut stage = settled();
    let before = at(&stage, "payments");
    let mut filtered = sample::calm();
    filtered.nodes.retain(|node| node.name != "payments");
    filtered.edges.retain(|edge| !edge.source.ends_with("payments") && !edge.target.ends_with("payments"));

    stage.update(&filtered, 60_000.0);
    stage.update(&sample::calm(), 61_000.0);

    assert_eq!(at(&stage, "payments"), before);
}

#[test]
fn the_next_visit_finds_everything_where_it_was() {
    let mut stage = settled();
    stage.update(&grown(), 60_000.0);

    let mut again = Stage::new(stage.memory());
    again.update(&grown(), 90_000.0);

    assert_eq!(again.rects(), stage.rects());
}

#[test]
fn two_environments_laid_out_apart_do_not_lie_on_each_other_when_shown_together() {
    let mut staging = sample::calm();
    staging.nodes.iter_mut().for_each(|node| node.id = node.id.replace("production", "staging"));
    staging.edges.iter_mut().for_each(|edge| {
        edge.source = edge.source.replace("production", "staging");
        edge.target = edge.target.replace("production", "staging");
    });
    let mut both = sample::calm();
    both.nodes.extend(staging.nodes.clone());
    both.edges.extend(staging.edges.clone());

    let mut stage = settled();
    stage.update(&staging, 60_000.0);
    stage.update(&both, 70_000.0);
    stage.advance(80_000.0);

    let rects = stage.rects();
    for (i, a) in rects.iter().enumerate() {
        assert!(rects[i + 1..].iter().all(|b| !a.overlaps(b)));
    }
}

#[test]
fn the_pointer_finds_boxes_before_lines_and_nothing_on_empty_ground() {
    let stage = settled();
    let edge = stage.tracks()[0].at(stage.tracks()[0].length() / 2.0);

    assert_eq!(stage.hit(stage.rects()[2].centre(), 6.0), Some(Target::Node(2)));
    assert!(matches!(stage.hit(edge, 6.0), Some(Target::Edge(_))));
    assert_eq!(stage.hit(Point::new(-9_999.0, 0.0), 6.0), None);
}

#[test]
fn the_keyboard_begins_at_the_worst_node_and_walks_along_calls() {
    let mut stage = settled();
    stage.update(&sample::sick(), 60_000.0);
    let name = |index: Option<usize>| index.map(|index| stage.scene().nodes[index].name.as_str());

    let first = stage.step(None, Direction::Right);
    assert_eq!(name(first), Some("payments"));
    assert_eq!(name(stage.step(first, Direction::Left)), Some("checkout"));
    assert_eq!(name(stage.step(first, Direction::Right)), Some("fraud"));
}

#[test]
fn a_selection_is_found_and_named_again() {
    let stage = settled();

    for target in [Target::Node(1), Target::Edge(2)] {
        let selection = stage.name(target).expect("it is on the map");
        assert_eq!(stage.find(&selection), Some(target));
    }
    assert_eq!(stage.find(&Selection::Node("gone".into())), None);
}
