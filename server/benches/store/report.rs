//! The table at the end.

use std::fmt::Write as _;

/// One figure beside its aim.
pub struct Row {
    figure: String,
    aim: String,
    measured: String,
    /// Beside what it was measured, and the ratio.
    beside: String,
    verdict: Verdict,
}

/// Whether an aim is met.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Met,
    Missed,
    /// There is no aim, or what it is measured against is not there.
    Open,
}

impl Verdict {
    pub fn when(met: bool) -> Self {
        if met { Self::Met } else { Self::Missed }
    }

    /// One part that is missed decides; one that could not be measured leaves it open.
    pub fn of_all<const N: usize>(parts: [Option<bool>; N]) -> Self {
        match parts {
            _ if parts.contains(&Some(false)) => Self::Missed,
            _ if parts.contains(&None) => Self::Open,
            _ => Self::Met,
        }
    }
}

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Report {
    pub fn row(
        &mut self,
        figure: impl Into<String>,
        aim: impl Into<String>,
        measured: impl Into<String>,
        beside: impl Into<String>,
        verdict: Verdict,
    ) {
        let row =
            Row { figure: figure.into(), aim: aim.into(), measured: measured.into(), beside: beside.into(), verdict };
        self.rows.push(row);
    }

    /// A line below the table.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub fn markdown(&self) -> String {
        let mut text = String::from("| figure | aim | measured | beside it, ratio | |\n|---|---|---|---|---|\n");
        for row in &self.rows {
            let verdict = match row.verdict {
                Verdict::Met => "met",
                Verdict::Missed => "**missed**",
                Verdict::Open => "",
            };
            let _ = writeln!(text, "| {} | {} | {} | {} | {verdict} |", row.figure, row.aim, row.measured, row.beside);
        }
        text.push('\n');
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
