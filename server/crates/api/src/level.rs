//! How important a request is: four classes of 128 cohorts make 512 levels, 0 being the most important.
//!
//! Classes are those of Google's SRE book (Handling Overload); cohorts within a class follow WeChat's DAGOR (SoCC 2018):
//! they shed finely inside a class, and treat one user's whole visit alike instead of failing a part of each page.

use serde::{Deserialize, Serialize};

/// Google SRE's four classes. A request without one is [`Criticality::Critical`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    /// Never shed by a rule.
    CriticalPlus,
    /// What users wait for; the default.
    #[default]
    Critical,
    /// Partial loss is expected at times: retried batches.
    SheddablePlus,
    /// Best effort: prefetch, crawlers, reports.
    Sheddable,
}

impl Criticality {
    /// All classes, most important first.
    pub const ALL: [Self; 4] = [Self::CriticalPlus, Self::Critical, Self::SheddablePlus, Self::Sheddable];

    /// 0 for the most important class, 3 for the least.
    pub const fn index(self) -> u16 {
        self as u16
    }

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CriticalPlus => "critical_plus",
            Self::Critical => "critical",
            Self::SheddablePlus => "sheddable_plus",
            Self::Sheddable => "sheddable",
        }
    }

    /// Reads a header value: any case, `-` and `_` alike. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let same = |class: &Self| {
            let name = class.as_str();
            name.len() == text.len()
                && name
                    .bytes()
                    .zip(text.bytes())
                    .all(|(want, got)| want == if got == b'-' { b'_' } else { got.to_ascii_lowercase() })
        };
        Self::ALL.into_iter().find(same)
    }
}

/// Cohorts in a class.
pub const COHORTS: u16 = 128;

/// Levels in all: 4 classes × 128 cohorts.
pub const LEVELS: u16 = 4 * COHORTS;

/// The cohort of a request, 0 to 127: FNV-1a (64 bit) over `key`, a zero byte and the hour as 8 bytes little-endian, folded to 7 bits by
/// xor of its 64 bits in steps of 7.
///
/// `key` is the tenant or user where one is known, else the trace id. `hour` is hours since the Unix epoch: the same
/// user stays in or out for an hour, then the dice are thrown anew. Every enforcer in every language must agree; the test
/// vectors below are the definition.
pub fn cohort(key: &[u8], hour: u64) -> u16 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = key
        .iter()
        .copied()
        .chain([0])
        .chain(hour.to_le_bytes())
        .fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    // FNV's low bits are its weakest; folding lets every bit count.
    let folded = (0..64).step_by(7).fold(0, |folded, shift| folded ^ (hash >> shift));
    (folded & 0x7f) as u16
}

/// `class * 128 + cohort`.
pub const fn level(class: Criticality, cohort: u16) -> u16 {
    class.index() * COHORTS + if cohort < COHORTS { cohort } else { COHORTS - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_in_every_common_spelling() {
        assert_eq!(Criticality::parse("CRITICAL_PLUS"), Some(Criticality::CriticalPlus));
        assert_eq!(Criticality::parse("sheddable-plus"), Some(Criticality::SheddablePlus));
        assert_eq!(Criticality::parse("sheddable"), Some(Criticality::Sheddable));
        assert_eq!(Criticality::parse("important"), None);
    }

    #[test]
    fn cohorts_are_spread_evenly() {
        let mut counts = [0u32; COHORTS as usize];
        for user in 0..128_000u32 {
            counts[usize::from(cohort(format!("user-{user}").as_bytes(), 490_000))] += 1;
        }

        assert!(counts.iter().all(|&count| (850..1_150).contains(&count)), "{counts:?}");
    }

    #[test]
    fn cohorts_of_a_user_change_with_the_hour() {
        let hours: std::collections::BTreeSet<u16> = (0..64).map(|hour| cohort(b"user-7", hour)).collect();

        assert!(hours.len() > 30, "{hours:?}");
    }

    /// Published: another language's enforcer is right when it gives these.
    #[test]
    fn cohort_matches_the_published_vectors() {
        let vectors: [(&[u8], u64); 4] =
            [(b"", 0), (b"user-7", 490_000), (b"user-7", 490_001), (b"4bf92f3577b34da6a3ce929d0e0e4736", 490_000)];

        insta::assert_json_snapshot!(vectors.map(|(key, hour)| (
            String::from_utf8_lossy(key).into_owned(),
            hour,
            cohort(key, hour)
        )));
    }
}
