//! The map in words, for who does not see it: one sentence for all, one line a node.

use spillway_api::ServiceHealth;

use super::scene::Scene;
use crate::words;

impl Scene {
    /// "12 nodes and 13 calls between them. Failing: payments. Breaker open: checkout to payments."
    #[must_use]
    pub fn summary(&self) -> String {
        if self.nodes.is_empty() {
            return "The map is empty.".to_owned();
        }
        let count = |n: usize, one: &str, many: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {many}") };
        let mut text = format!(
            "{} and {} between them.",
            count(self.nodes.len(), "node", "nodes"),
            count(self.edges.len(), "kind of call", "kinds of calls")
        );
        let named = |health| self.nodes.iter().filter(move |node| node.health == health).map(|node| node.name.clone());
        let open = self.edges.iter().filter(|edge| edge.mark.as_ref().is_some_and(|mark| mark.state.refuses()));
        let lists = [
            ("Failing", named(ServiceHealth::Failing).collect::<Vec<_>>()),
            ("Degraded", named(ServiceHealth::Degraded).collect()),
            (
                "Breaker open",
                open.map(|edge| format!("{} to {}", self.nodes[edge.source].name, self.nodes[edge.target].name))
                    .collect(),
            ),
            ("Shedding", self.nodes.iter().filter(|node| node.badge.is_some()).map(|node| node.name.clone()).collect()),
        ];
        for (title, names) in lists.iter().filter(|(_, names)| !names.is_empty()) {
            // A long list is read to the end by a screen reader: the table has the rest.
            let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
            let more = names.len() - shown.len();
            text += &format!(
                " {title}: {}{}.",
                shown.join(", "),
                if more > 0 { format!(" and {more} more") } else { String::new() }
            );
        }
        if !self.trouble {
            text += " All healthy.";
        }
        text
    }

    /// One node in words that change only when its state does: no rates.
    #[must_use]
    pub fn listed(&self, index: usize) -> String {
        let Some(node) = self.nodes.get(index) else { return String::new() };
        let mut text = format!("{}, {}, {}", node.name, words::kind(node.kind), words::health(node.health));
        if let Some(badge) = &node.badge {
            text += &format!(", {badge}");
        }
        for edge in self.edges.iter().filter(|edge| edge.source == index) {
            if let Some(mark) = &edge.mark {
                text += &format!(", {} to {}", mark.text, self.nodes[edge.target].name);
            }
        }
        text
    }

    /// One node with its numbers and neighbours: what is said when the keyboard reaches it.
    #[must_use]
    pub fn spoken(&self, index: usize) -> String {
        let Some(node) = self.nodes.get(index) else { return String::new() };
        let mut text = format!("{}. {}", self.listed(index), node.rate.replace("/s", " per second"));
        if let Some(errors) = &node.errors {
            text += &format!(", {errors} fail");
        }
        let names = |indices: Vec<usize>| {
            indices.into_iter().take(6).map(|v| self.nodes[v].name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let callees: Vec<usize> =
            self.edges.iter().filter(|edge| edge.source == index).map(|edge| edge.target).collect();
        let callers: Vec<usize> =
            self.edges.iter().filter(|edge| edge.target == index).map(|edge| edge.source).collect();
        for (title, neighbours) in [("Calls", callees), ("Called by", callers)] {
            if !neighbours.is_empty() {
                text += &format!(". {title} {}", names(neighbours));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_summary_says_what_is_wrong_and_nothing_when_all_is_well() {
        assert_eq!(Scene::new(&sample::calm()).summary(), "5 nodes and 4 kinds of calls between them. All healthy.");
        assert_eq!(
            Scene::new(&sample::sick()).summary(),
            "5 nodes and 4 kinds of calls between them. Failing: checkout, payments. Degraded: gateway."
        );
    }

    #[test]
    fn a_node_is_listed_by_its_state_and_spoken_with_its_neighbours() {
        let scene = Scene::new(&sample::sick());
        let payments = scene.nodes.iter().position(|node| node.name == "payments").expect("the sample has payments");

        assert_eq!(scene.listed(payments), "payments, service, failing");
        let spoken = scene.spoken(payments).replace('\u{a0}', " ");
        assert_eq!(spoken, "payments, service, failing. 251 per second, 38 % fail. Calls fraud. Called by checkout");
    }
}
