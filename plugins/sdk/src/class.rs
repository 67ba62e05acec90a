//! Shedding the least important requests first.

use crate::{Criticality, Signals};

/// Splits one admitted share over the classes: the least important go first, and only when all of them are gone does the
/// next class begin to lose. Returns the classes that lose something, most important first, each with the share of it
/// that is admitted.
///
/// A directive for a class also holds for the less important ones, and the smaller share wins, so the result can be
/// turned into one directive each. Critical-plus is never in it: the host protects that class anyway, and what it takes
/// is taken from the others. Without counts by class everything counts as critical, which is what an unmarked request is.
///
/// ```
/// use spillway_plugin_sdk::{ClassCounts, Criticality, Signals, class};
///
/// let counts = |class, offered| ClassCounts { class, offered, admitted: offered, shed: 0 };
/// let signals = Signals {
///     by_class: vec![counts(Criticality::Critical, 50), counts(Criticality::Sheddable, 50)],
///     ..Signals::default()
/// };
///
/// assert_eq!(class::shares(&signals, 0.75), [(Criticality::Sheddable, 0.5)]);
/// assert_eq!(class::shares(&signals, 0.4), [(Criticality::Critical, 0.8), (Criticality::Sheddable, 0.0)]);
/// ```
#[must_use]
pub fn shares(signals: &Signals, admit: f64) -> Vec<(Criticality, f64)> {
    let offered = |class| -> u64 {
        signals.by_class.iter().filter(|counts| counts.class == class).map(|counts| counts.offered).sum()
    };
    let total: u64 = Criticality::ALL.into_iter().map(offered).sum();
    let admit = admit.clamp(0.0, 1.0);
    if total == 0 {
        return if admit < 1.0 { vec![(Criticality::Critical, admit)] } else { Vec::new() };
    }
    let mut left = total as f64 * admit - offered(Criticality::CriticalPlus) as f64;
    let mut shares = Vec::new();
    for class in [Criticality::Critical, Criticality::SheddablePlus, Criticality::Sheddable] {
        let wanted = offered(class) as f64;
        let granted = left.clamp(0.0, wanted);
        left -= granted;
        if granted < wanted {
            shares.push((class, granted / wanted));
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClassCounts;

    fn signals(counts: [u64; 4]) -> Signals {
        let by_class = Criticality::ALL.into_iter().zip(counts);
        let by_class = by_class.map(|(class, offered)| ClassCounts { class, offered, admitted: offered, shed: 0 });
        Signals { by_class: by_class.collect(), ..Signals::default() }
    }

    #[test]
    fn the_least_important_go_first() {
        use Criticality::{Critical, Sheddable, SheddablePlus};
        let mixed = signals([10, 40, 30, 20]);
        for (admit, expected) in [
            (1.0, vec![]),
            (0.9, vec![(Sheddable, 0.5)]),
            (0.8, vec![(Sheddable, 0.0)]),
            (0.65, vec![(SheddablePlus, 0.5), (Sheddable, 0.0)]),
            (0.3, vec![(Critical, 0.5), (SheddablePlus, 0.0), (Sheddable, 0.0)]),
            (0.0, vec![(Critical, 0.0), (SheddablePlus, 0.0), (Sheddable, 0.0)]),
        ] {
            assert_eq!(shares(&mixed, admit), expected, "{admit}");
        }
    }

    #[test]
    fn requests_without_a_class_count_as_critical() {
        assert_eq!(shares(&Signals::default(), 0.3), [(Criticality::Critical, 0.3)]);
        assert_eq!(shares(&Signals::default(), 1.0), []);
        assert_eq!(shares(&signals([100, 0, 0, 0]), 0.1), [], "critical-plus is not ours to shed");
    }
}
