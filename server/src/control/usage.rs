//! From a usage report on the wire to the model's. A report comes from outside: every number is checked.

use std::sync::Arc;

use spillway_api as api;
use spillway_model::{
    histogram::{Histogram, SCALE},
    identity::ServiceKey,
    rule::Criticality,
    signals::{Counts, Report, Totals},
};

use super::ControlError;

/// Rows of a report, as the protocol says.
const ROWS: usize = 1_000;
/// Samples of a report, as the protocol says.
const SAMPLES: usize = 20;
/// Length of a name.
const NAME_BYTES: usize = 256;
/// Buckets of a histogram: 64 octaves of 16 are all that durations have.
const BUCKETS: usize = 1_024;
/// A counter that is larger than this was not counted: a million a second for three hundred years.
const LARGEST: u64 = 1 << 53;

fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> ControlError {
    ControlError::Invalid { pointer: pointer.into(), detail: detail.into() }
}

/// # Errors
/// [`ControlError::Invalid`] with the place of what makes no sense.
pub(super) fn read(report: &api::UsageReport) -> Result<Report, ControlError> {
    for (name, text, may_be_empty) in [
        ("environment", &report.environment, true),
        ("namespace", &report.namespace, true),
        ("service", &report.service, false),
        ("instance", &report.instance, false),
        ("boot", &report.boot, false),
        ("revision", &report.revision, true),
    ] {
        if text.len() > NAME_BYTES || (text.is_empty() && !may_be_empty) {
            return Err(invalid(format!("/{name}"), format!("{name} must have 1 to {NAME_BYTES} bytes")));
        }
    }
    for (name, length, most) in [
        ("usage", report.usage.len(), ROWS),
        ("shed_samples", report.shed_samples.len(), SAMPLES),
        ("ignored", report.ignored.len(), ROWS),
    ] {
        if length > most {
            return Err(invalid(
                format!("/{name}"),
                format!("{name} has {length} entries, at most {most} are allowed"),
            ));
        }
    }
    let mut totals = Totals::default();
    for (place, row) in report.usage.iter().enumerate() {
        add(&mut totals, row).map_err(|(field, detail)| invalid(format!("/usage/{place}/{field}"), detail))?;
    }
    Ok(Report {
        service: ServiceKey::new(&report.environment, &report.namespace, &report.service),
        instance: Arc::from(report.instance.as_str()),
        boot: Arc::from(report.boot.as_str()),
        seq: report.seq,
        revision: Arc::from(report.revision.as_str()),
        in_flight: report.in_flight,
        in_flight_limit: report.in_flight_limit,
        queue_wait_ms: report.queue_wait_ms.filter(|wait| wait.is_finite() && *wait >= 0.0),
        totals,
    })
}

fn add(totals: &mut Totals, row: &api::RouteUsage) -> Result<(), (&'static str, String)> {
    for (field, count) in [
        ("offered", row.offered),
        ("admitted", row.admitted),
        ("shed", row.shed),
        ("ok", row.ok),
        ("failed", row.failed),
        ("timed_out", row.timed_out),
        ("relayed", row.relayed),
    ] {
        if count > LARGEST {
            return Err((field, format!("{count} is more than can have been counted")));
        }
    }
    let latency = histogram(&row.latency).map_err(|detail| ("latency", detail))?;
    let class = Criticality::ALL[usize::from(row.class.index())];
    let counts = Counts {
        admitted: row.admitted,
        shed: row.shed,
        ok: row.ok,
        failed: row.failed,
        timed_out: row.timed_out,
        relayed: row.relayed,
    };
    totals.add(class, &counts, &latency);
    Ok(())
}

/// Finer scales fold down exactly: two buckets become one. Coarser ones go into the middle of what they span.
fn histogram(wire: &api::HistogramWire) -> Result<Histogram, String> {
    if wire.buckets.len() > BUCKETS {
        return Err(format!("{} buckets, at most {BUCKETS} are allowed", wire.buckets.len()));
    }
    if !(-10..=20).contains(&wire.scale) {
        return Err(format!("scale {} is not within -10 to 20", wire.scale));
    }
    if !wire.sum_ms.is_finite() || wire.sum_ms < 0.0 {
        return Err(format!("a sum of {} ms", wire.sum_ms));
    }
    let shift = i32::from(wire.scale) - i32::from(SCALE);
    let mut buckets = Vec::with_capacity(wire.buckets.len());
    for (index, count) in &wire.buckets {
        let index = i64::from(*index);
        let folded = if shift >= 0 { index >> shift } else { (index << -shift) + (1 << (-shift - 1)) };
        let folded = i16::try_from(folded).map_err(|_| format!("bucket {index} is not a duration"))?;
        let count = i64::try_from(*count).ok().filter(|count| count.unsigned_abs() <= LARGEST);
        buckets.push((folded, count.ok_or_else(|| format!("bucket {index} counts too much"))?));
    }
    let zero = i64::try_from(wire.zero).ok().filter(|zero| zero.unsigned_abs() <= LARGEST).ok_or("too many zeros")?;
    Ok(Histogram::from_parts(buckets, zero, (wire.sum_ms * 1e6) as i128))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn report(rows: Vec<api::RouteUsage>) -> api::UsageReport {
        api::UsageReport {
            environment: "prod".into(),
            namespace: "shop".into(),
            service: "checkout".into(),
            instance: "checkout-1".into(),
            boot: "b".into(),
            seq: 1,
            at: api::Timestamp::default(),
            revision: String::new(),
            ignored: Vec::new(),
            in_flight: 1,
            in_flight_limit: None,
            queue_wait_ms: Some(f64::NAN),
            usage: rows,
            shed_samples: Vec::new(),
        }
    }

    fn row(latency: api::HistogramWire) -> api::RouteUsage {
        api::RouteUsage {
            class: api::Criticality::Sheddable,
            route: "/".into(),
            offered: 3,
            admitted: 2,
            shed: 1,
            ok: 2,
            failed: 0,
            timed_out: 0,
            relayed: 0,
            latency,
        }
    }

    #[test]
    fn rows_are_summed_by_class_and_odd_numbers_left_out() {
        let latency = api::HistogramWire { scale: 4, count: 2, sum_ms: 40.0, zero: 0, buckets: vec![(69, 2)] };

        let read = read(&report(vec![row(latency.clone()), row(latency)])).unwrap();

        assert_eq!(read.totals.classes[3], Counts { admitted: 4, shed: 2, ok: 4, failed: 0, timed_out: 0, relayed: 0 });
        assert_eq!((read.totals.latency.count(), read.queue_wait_ms), (4, None));
    }

    #[test]
    fn histograms_of_other_scales_land_in_the_same_place() {
        // 20 ms is within bucket 69 of scale 4, 138 of scale 5, 17 of scale 2.
        for (scale, index) in [(4, 69), (5, 138), (2, 17)] {
            let wire = api::HistogramWire { scale, count: 1, sum_ms: 20.0, zero: 0, buckets: vec![(index, 1)] };
            let median = histogram(&wire).unwrap().quantile_ms(0.5).unwrap();
            assert!((median / 20.0 - 1.0).abs() < 0.07, "scale {scale}: {median}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        let bad = |wire| read(&report(vec![row(api::HistogramWire::default()), row(wire)])).unwrap_err();
        for (wire, words) in [
            (api::HistogramWire { scale: 99, ..Default::default() }, "scale 99"),
            (api::HistogramWire { scale: 4, buckets: vec![(i32::MAX, 1)], ..Default::default() }, "not a duration"),
            (api::HistogramWire { scale: 4, buckets: vec![(0, u64::MAX)], ..Default::default() }, "too much"),
            (api::HistogramWire { scale: 4, sum_ms: f64::NAN, ..Default::default() }, "NaN"),
            (api::HistogramWire { scale: 4, buckets: vec![(0, 1); 2_000], ..Default::default() }, "2000 buckets"),
        ] {
            let ControlError::Invalid { pointer, detail } = bad(wire) else { panic!("invalid") };
            assert_eq!(pointer, "/usage/1/latency");
            assert!(detail.contains(words), "{detail}");
        }
        let ControlError::Invalid { pointer, .. } =
            read(&api::UsageReport { service: String::new(), ..report(vec![]) }).unwrap_err()
        else {
            panic!("invalid")
        };
        assert_eq!(pointer, "/service");
    }
}
