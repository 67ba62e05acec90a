//! A filter judged on part of what it asks for, many rows at a time: how an engine decides most rows without reading their attributes.

use crate::{Filter, Term};

/// What is known of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It does not fulfil the filter.
    No,
    /// What is known does not decide.
    Maybe,
    /// It fulfils the filter.
    Yes,
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl Filter {
    /// The verdict on each of `rows` rows, from those on single conditions: `term` gives as many, [`Verdict::Maybe`] where it cannot tell.
    ///
    /// The logic is Kleene's: a part that is not known matters only where the others do not decide.
    pub fn judge(&self, rows: usize, term: &mut impl FnMut(&Term) -> Vec<Verdict>) -> Vec<Verdict> {
        let fold = |parts: &[Self], start, choose: fn(Verdict, Verdict) -> Verdict, term: &mut _| {
            let mut all = vec![start; rows];
            for part in parts {
                let verdicts = Self::judge(part, rows, term);
                all.iter_mut().zip(verdicts).for_each(|(sum, verdict)| *sum = choose(*sum, verdict));
            }
            all
        };
        match self {
            Self::All(parts) => fold(parts, Verdict::Yes, Ord::min, term),
            Self::Any(parts) => fold(parts, Verdict::No, Ord::max, term),
            Self::Not(part) => {
                let mut verdicts = part.judge(rows, term);
                for verdict in &mut verdicts {
                    *verdict = match verdict {
                        Verdict::No => Verdict::Yes,
                        Verdict::Maybe => Verdict::Maybe,
                        Verdict::Yes => Verdict::No,
                    };
                }
                verdicts
            }
            Self::Term(one) => term(one),
        }
    }
}
