//! The server and rotel in turns, with the same requests: neighbours on the machine disturb both alike, so the ratio holds where
//! the figures do not.

use super::{
    peers::{self, Venv},
    process,
    progress::Progress,
    runs::Bench,
    sender::Encoding,
    server::Server,
    stream::Stream,
};

const TURNS: usize = 5;
/// Spans a turn and side: a second or two of CPU, which is counted in ticks of 10 ms.
const SPANS: u64 = 300_000;

/// Spans per CPU-second, turn by turn.
#[derive(Default)]
pub struct Duel {
    own: Vec<f64>,
    theirs: Vec<f64>,
}

impl Duel {
    /// Plays all turns.
    ///
    /// # Errors
    /// Why rotel has no figures.
    pub async fn play(
        venv: &Venv,
        bench: &Bench,
        spans_per_s: f64,
        encoding: Encoding,
        progress: &mut Progress,
    ) -> Result<Self, String> {
        let mut duel = Self::default();
        for turn in 1..=TURNS {
            progress.step(&format!("in turns with rotel, {turn} of {TURNS}"));
            let plan = bench.top_plan(SPANS, spans_per_s);
            let (cpu_s, spans) = peers::decode_and_drop(venv, plan, encoding).await?;
            duel.theirs.push(spans as f64 / cpu_s);
            let server = Server::start(&bench.binary, &bench.work);
            let sending = bench.flat_out(&server, encoding);
            let before_s = process::cpu_s(server.pid());
            let (sent, _) = sending.stream(Stream::new(plan)).await;
            duel.own.push(sent.spans as f64 / (server.cpu_s() - before_s));
        }
        Ok(duel)
    }

    pub fn own(&self) -> f64 {
        middle(self.own.clone())
    }

    pub fn theirs(&self) -> f64 {
        middle(self.theirs.clone())
    }

    /// The middle ratio, and the lowest and highest.
    pub fn ratio(&self) -> (f64, f64, f64) {
        let ratios: Vec<f64> = self.own.iter().zip(&self.theirs).map(|(own, theirs)| own / theirs).collect();
        let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = ratios.iter().copied().fold(0.0, f64::max);
        (middle(ratios), lowest, highest)
    }
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
