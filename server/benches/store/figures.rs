//! The aims, and what was measured against them.

use super::{
    Beside, Content, Measured,
    duel::Duel,
    peers::Stored,
    queries::Times,
    report::{Report, Verdict, grouped},
    runs::{HURRY, Ingested, SENDERS, SLOW_BATCH, SLOW_SENDERS, SLOW_SPANS_PER_S},
    sender::quantile,
};

/// Fills the table.
pub fn all(measured: &Measured, beside: &Beside, report: &mut Report) {
    throughput("plain", &measured.top, &beside.rotel, report);
    throughput("gzip", &measured.gzip, &beside.rotel_gzip, report);
    bytes("top rate", &measured.top, &measured.content, &beside.clickhouse, &beside.duckdb, report);
    bytes(
        "few spans",
        &measured.small,
        &measured.small_content,
        &beside.clickhouse_small,
        &beside.duckdb_small,
        report,
    );
    questions(measured, beside, report);
    acknowledgements(measured, report);
    memory(&measured.top, report);
    growth(&measured.top, report);
    engines(measured, beside, report);
    rest(measured, report);
    notes(measured, report);
}

fn throughput(name: &str, run: &Ingested, rotel: &Result<Duel, String>, report: &mut Report) {
    let per_cpu_s = |cpu_s: f64| run.spans() / cpu_s;
    let acked = per_cpu_s(run.acked_cpu_s);
    let (beside, enough) = match rotel {
        Ok(duel) => {
            let (ratio, lowest, highest) = duel.ratio();
            let text = format!(
                "in turns: {} against {} that rotel decodes and drops: {ratio:.2} × ({lowest:.2}–{highest:.2})",
                grouped(duel.own()),
                grouped(duel.theirs())
            );
            (text, Some(ratio >= 1.5))
        }
        Err(reason) => (format!("rotel: {}", shortened(reason)), None),
    };
    report.row(
        format!("durable and queryable spans per CPU-second, {name}"),
        "≥ 400,000 and ≥ 1.5 × rotel",
        format!("{} ({}/s wall)", grouped(acked), grouped(run.spans() / run.sent.wall.as_secs_f64())),
        beside,
        Verdict::of_all([Some(acked >= 400_000.0), enough]),
    );
    let settled = &run.settled;
    let rollups = per_cpu_s(settled.rollups_cpu_s);
    report.row(
        format!("the same, {name}, until rollups are settled"),
        "",
        grouped(rollups),
        format!("{:.2} × of the above{}", rollups / acked, gauge(settled.rollups_gauge)),
        Verdict::Open,
    );
    let compaction = per_cpu_s(settled.compaction_cpu_s);
    report.row(
        format!("the same, {name}, until compaction is settled"),
        "≥ 250,000",
        grouped(compaction),
        format!("{:.2} × of the first{}", compaction / acked, gauge(settled.compaction_gauge)),
        Verdict::when(compaction >= 250_000.0),
    );
}

fn gauge(there: bool) -> &'static str {
    if there { "" } else { "; no gauge says so, the server stood still" }
}

fn bytes(
    name: &str,
    run: &Ingested,
    content: &Content,
    clickhouse: &Result<Stored, String>,
    duckdb: &Result<Stored, String>,
    report: &mut Report,
) {
    let own = run.bytes_per_span();
    let against = |name: &str, peer: &Result<Stored, String>, aim: f64| match peer {
        Ok(peer) => {
            let ratio = own / peer.bytes_per_span();
            (format!("{name} {:.1}: {ratio:.2} ×", peer.bytes_per_span()), Some(ratio <= aim))
        }
        Err(reason) => (format!("{name}: {}", shortened(reason)), None),
    };
    let (first, first_met) = against("ClickHouse", clickhouse, 0.9);
    let (second, second_met) = against("DuckDB", duckdb, 0.5);
    let share = |bytes: u64| bytes as f64 / run.spans();
    report.row(
        format!("bytes a span on disk, {name}, {} spans", grouped(run.spans())),
        "≤ 0.9 × ClickHouse, ≤ 0.5 × DuckDB",
        format!("{own:.1} (segments {:.1}, logs {:.1})", share(run.space.segments), share(run.space.logs)),
        format!(
            "{first}; {second}; entropy floor {:.1}, zstd-3 of the raw stream {:.1}, wire {:.0}",
            content.entropy, content.zstd3, content.wire
        ),
        Verdict::of_all([first_met, second_met]),
    );
}

fn questions(measured: &Measured, beside: &Beside, report: &mut Report) {
    let stored = grouped(measured.top.spans());
    let against = |own: Option<f64>, times: fn(&Stored) -> &Vec<f64>| {
        let one = |name: &str, peer: &Result<Stored, String>| match peer {
            Ok(peer) => {
                let theirs = quantile(times(peer), 0.99);
                match own {
                    Some(own) => format!("{name} {theirs:.1} ms: {:.2} ×", own / theirs),
                    None => format!("{name} {theirs:.1} ms"),
                }
            }
            Err(_) => format!("{name}: no figure"),
        };
        format!("p99 of {}; {}", one("ClickHouse", &beside.clickhouse), one("DuckDB", &beside.duckdb))
    };
    let (hot, cold) = (&measured.hot, &measured.cold);
    let disk = cold.disk_kb.map_or_else(|| "disk reads unknown".into(), |kb| format!("{kb:.0} kB read from disk each"));
    for (name, aim, times, more) in [
        ("hot (just written)", 2.0, hot, String::new()),
        ("cold (oldest, files forgotten before each)", 15.0, cold, format!("; {disk}")),
    ] {
        report.row(
            format!("trace by id, {name}, {stored} spans stored"),
            format!("p99 ≤ {aim} ms"),
            format!("{:.2} ms p50, {:.2} ms p99 of {}{more}", times.p50(), times.p99(), times.ms.len()),
            against(Some(times.p99()), |peer| &peer.trace_ms),
            Verdict::when(times.p99() <= aim),
        );
    }
    let search = &measured.slow_search;
    report.row(
        "search by service + duration, last 20",
        "≤ 50 ms",
        format!("{:.1} ms p50, {:.1} ms p99 of {}", search.p50(), search.p99(), search.ms.len()),
        against(Some(search.p99()), |peer| &peer.search_ms),
        Verdict::when(search.p99() <= 50.0),
    );
    let (text, met) = match &measured.attribute {
        Ok(times) => (
            format!("{:.1} ms p50, {:.1} ms p99 of {}", times.p50(), times.p99(), times.ms.len()),
            Verdict::when(times.p99() <= 300.0),
        ),
        Err(reason) => (format!("not available: {}", shortened(reason)), Verdict::Missed),
    };
    let own = measured.attribute.as_ref().ok().map(Times::p99);
    report.row("search by rare attribute", "≤ 300 ms", text, against(own, |peer| &peer.attribute_ms), met);
}

fn shortened(text: &str) -> String {
    text.replace('|', "/").chars().take(120).collect()
}

fn acknowledgements(measured: &Measured, report: &mut Report) {
    let (acks, syncs) = (&measured.paced.acks_ms, &measured.syncs_ms);
    let (ack, sync) = (quantile(acks, 0.99), quantile(syncs, 0.99));
    let rate = measured.paced.spans as f64 / measured.paced.wall.as_secs_f64();
    report.row(
        format!("acknowledgement at half of the top rate ({}/s)", grouped(rate)),
        "p99 ≤ 3 × p99 of a sync",
        format!("{:.2} ms p50, {ack:.2} ms p99 of {}", quantile(acks, 0.5), acks.len()),
        format!("4 KiB write + fdatasync {:.2} ms p50, {sync:.2} ms p99: {:.1} ×", quantile(syncs, 0.5), ack / sync),
        Verdict::when(ack <= 3.0 * sync),
    );
    let flat_out = &measured.top.sent.acks_ms;
    report.row(
        format!("acknowledgement flat out, {SENDERS} senders"),
        "",
        format!("{:.1} ms p50, {:.1} ms p99", quantile(flat_out, 0.5), quantile(flat_out, 0.99)),
        "",
        Verdict::Open,
    );
}

fn memory(run: &Ingested, report: &mut Report) {
    report.row(
        "memory at top rate (VmHWM)",
        "≤ 300 MB",
        format!("{:.0} MB", run.peak_mb),
        format!("idle {:.0} MB", run.idle_mb),
        Verdict::when(run.peak_mb <= 300.0),
    );
    let parts = [0.25, 0.5, 0.75, 1.0].map(|share| run.memory_at(share));
    report.row(
        "memory at 25 / 50 / 75 / 100 % of the spans (VmRSS)",
        "flat: the last ≤ 1.2 × the first",
        format!("{:.0} / {:.0} / {:.0} / {:.0} MB", parts[0], parts[1], parts[2], parts[3]),
        format!("{:.2} ×; {:.0} MB when settled", parts[3] / parts[0], run.end_mb),
        Verdict::when(parts[3] <= 1.2 * parts[0]),
    );
}

fn growth(run: &Ingested, report: &mut Report) {
    let (spans, width) = (run.oracle.spans, (run.oracle.spans / 4).min(1_000_000));
    let early = (spans / 2).min(1_000_000);
    let first = run.cost_us(early - width / 2, early + width / 2);
    let last = run.cost_us(spans - width, spans);
    report.row(
        format!("ingest CPU a span at {} against at {}", grouped(spans as f64), grouped(early as f64)),
        "≤ 1.2 ×",
        format!("{last:.2} µs against {first:.2} µs"),
        format!("{:.2} ×", last / first),
        Verdict::when(last <= 1.2 * first),
    );
}

/// What the engines cost, beside the same work here.
fn engines(measured: &Measured, beside: &Beside, report: &mut Report) {
    let own = measured.top.spans() / measured.top.settled.compaction_cpu_s;
    for (name, peer) in [("ClickHouse", &beside.clickhouse), ("DuckDB", &beside.duckdb)] {
        let text = match peer {
            Ok(peer) => {
                let settled = peer.spans as f64 / peer.settled_cpu_s;
                format!(
                    "{} {}: inserted {}, merged {}: {:.2} ×; {:.1} bytes a span before merging, {:.1} after",
                    name,
                    peer.version,
                    grouped(peer.spans as f64 / peer.insert_cpu_s),
                    grouped(settled),
                    own / settled,
                    peer.bytes_inserted as f64 / peer.spans as f64,
                    peer.bytes_per_span()
                )
            }
            Err(reason) => format!("{name}: {}", shortened(reason)),
        };
        report.row(
            format!("spans per CPU-second, all settled, beside {name} (columns handed over in process, no sync)"),
            "",
            grouped(own),
            text,
            Verdict::Open,
        );
    }
}

fn rest(measured: &Measured, report: &mut Report) {
    let small = &measured.small;
    report.row(
        format!("CPU a span, requests of {SLOW_BATCH} spans"),
        "",
        format!("{:.2} µs", small.settled.compaction_cpu_s * 1e6 / small.spans()),
        format!("{SLOW_SENDERS} senders, {:.0} spans/s, settled", SLOW_SPANS_PER_S * HURRY),
        Verdict::Open,
    );
    let (p50, p99) = (quantile(&measured.events_ms, 0.5), quantile(&measured.events_ms, 0.99));
    report.row(
        "breaker event to frame",
        "p99 ≤ 250 ms",
        format!("{p50:.0} ms p50, {p99:.0} ms p99"),
        "",
        Verdict::when(p99 <= 250.0),
    );
    let top = &measured.top;
    report.row(
        "idle memory",
        "≤ 80 MB",
        format!("{:.0} MB (started in {:.0} ms)", top.idle_mb, top.started.as_secs_f64() * 1e3),
        "",
        Verdict::when(top.idle_mb <= 80.0),
    );
}

fn notes(measured: &Measured, report: &mut Report) {
    let (top, content) = (&measured.top, &measured.content);
    report.note(format!(
        "{} spans in {} traces ({:.1} spans each) and {} requests, {:.0} B a span on the wire; seed {}.",
        grouped(top.spans()),
        grouped(top.oracle.traces as f64),
        content.spans_per_trace,
        grouped(top.sent.acks_ms.len() as f64),
        content.wire,
        top.plan.seed
    ));
    report.note(format!(
        "“Few spans” is what {SLOW_SENDERS} senders make at {SLOW_SPANS_PER_S:.0} spans/s in requests of {SLOW_BATCH}, sent {HURRY:.0} times faster than that; the server's clock runs as always."
    ));
    report.note("Until acknowledged counts all CPU of the server up to that moment, so also the rollups and the compaction that ran meanwhile.".to_owned());
    report.note("Files are forgotten with fdatasync and posix_fadvise, without special rights; what the server caches itself stays.".to_owned());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    report.note(format!("{cores} cores, load average at the end: {}.", load.trim()));
}
