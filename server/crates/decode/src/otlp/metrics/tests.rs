#![expect(clippy::unwrap_used, reason = "a test may panic")]

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value},
    metrics::v1::{
        ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
        NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, metric::Data,
        number_data_point::Value as Number,
    },
    resource::v1::Resource as ProtoResource,
};
use proptest::prelude::*;
use prost::Message as _;
use serde_json::json;

use super::*;

const NOW: i64 = 1_767_225_600_000_000_000;

fn json(body: &serde_json::Value) -> Result<Metrics, DecodeError> {
    decode_metrics(body.to_string().as_bytes(), Encoding::Json, &Limits::default(), NOW)
}

/// A request with these metrics of one service.
fn request(metrics: serde_json::Value) -> serde_json::Value {
    json!({ "resourceMetrics": [{ "resource": { "attributes": [
        { "key": "service.name", "value": { "stringValue": "cart" } },
        { "key": "service.instance.id", "value": { "stringValue": "cart-1" } }] },
        "scopeMetrics": [{ "scope": { "name": "m" }, "metrics": metrics }] }] })
}

fn state(value: serde_json::Value) -> serde_json::Value {
    let mut point = json!({ "timeUnixNano": NOW.to_string(), "attributes": [
        { "key": "name", "value": { "stringValue": "payments" } }, { "key": "state", "value": { "stringValue": "open" } }] });
    point.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    request(json!([{ "name": "resilience4j.circuitbreaker.state", "gauge": { "dataPoints": [point] } }]))
}

#[test]
fn a_breakers_gauge_is_kept_with_whose_it_is_and_when() {
    let metrics = json(&state(json!({ "asDouble": 1 }))).unwrap();

    assert_eq!(
        metrics.sources,
        [Source {
            service: ServiceKey::new("", "", "cart"),
            instance: "cart-1".into(),
            points: vec![Point {
                name: "resilience4j.circuitbreaker.state".into(),
                labels: vec![("name".into(), "payments".into()), ("state".into(), "open".into())],
                value: 1.0,
                at_ns: Some(NOW),
                temporality: Temporality::Gauge,
            }],
        }]
    );
    let name = "resilience4j.circuitbreaker.state".into();
    assert_eq!(metrics.series, [Counted { name, why: None, points: 1 }]);
}

/// `serde` with the generated types answers "fine" to some of these and keeps nothing (opentelemetry-rust #3527).
#[test]
fn numbers_are_taken_as_numbers_and_as_text() {
    for (point, expected) in [
        (json!({ "asDouble": 1.5 }), 1.5),
        (json!({ "asDouble": 1 }), 1.0),
        (json!({ "asDouble": "1.5" }), 1.5),
        (json!({ "asInt": 3 }), 3.0),
        (json!({ "asInt": "3" }), 3.0),
        (json!({ "asInt": null, "asDouble": 2 }), 2.0),
    ] {
        let mut body = state(point.clone());
        // A limiter, whose number may be any.
        let metric = &mut body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
        metric["name"] = "resilience4j.bulkhead.max.allowed.concurrent.calls".into();
        let metrics = json(&body).unwrap();
        assert_eq!(metrics.sources[0].points[0].value, expected, "{point}");
    }
    let error = json(&state(json!({ "asInt": "1.5" }))).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[0].asInt: expected a 64-bit integer"
        ),
        "{error}"
    );
}

#[test]
fn points_that_are_broken_in_themselves_are_rejected_alone() {
    let day_ns: i64 = 86_400_000_000_000;
    let good = json!({ "asInt": "1", "timeUnixNano": (NOW + day_ns).to_string() });
    let body = request(json!([
        { "name": "x", "gauge": { "dataPoints": [good, {}, { "asInt": 1, "timeUnixNano": (NOW + day_ns + 1).to_string() },
            { "asInt": 1, "timeUnixNano": u64::MAX.to_string() }, { "flags": 1 }] } },
        { "sum": { "dataPoints": [good] } },
    ]));

    let metrics = json(&body).unwrap();

    assert_eq!((metrics.points, metrics.rejected), (6, 4));
    assert_eq!(
        metrics.message,
        "4 data points rejected: 1 because the data point has no value, 1 because its time is more than a day ahead, 1 because its time is after the year 2262, 1 because the metric has no name; the first is in resourceMetrics[0].scopeMetrics[0].metrics[0]: the data point has no value"
    );
    let series: Vec<_> =
        metrics.series.iter().map(|series| (&*series.name, series.why.unwrap(), series.points)).collect();
    assert_eq!(
        series,
        [
            ("x", "its data points say that nothing was recorded", 1),
            ("x", "no series of a breaker, limiter, retry, timeout or request", 1)
        ]
    );
}

#[test]
fn requests_are_understood_and_said_not_to_be_used() {
    let body = request(
        json!([{ "name": "http.server.request.duration", "unit": "s", "histogram": { "aggregationTemporality": 2,
        "dataPoints": [{ "count": "7", "sum": 1.5, "bucketCounts": ["7"], "timeUnixNano": "1" }] } }]),
    );

    let metrics = json(&body).unwrap();

    assert_eq!((metrics.sources.len(), &metrics.sources[0].points[..]), (1, &[][..]));
    assert_eq!(metrics.series[0].why, Some("understood, but not used yet"));
}

#[test]
fn what_tells_how_to_read_a_point_may_stand_behind_it() {
    let point = r#"{"attributes":[{"value":{"stringValue":"OnCircuitOpened"},"key":"event.name"},{"key":"pipeline.name","value":{"stringValue":"p"}},
        {"key":"nested","value":{"arrayValue":{"values":[]}}},{"key":"tries","value":{"intValue":"3"}}],"asInt":2}"#;
    let body = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"sum":{{"dataPoints":[{point}],"isMonotonic":true,"aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA"}},
        "name":"resilience.polly.strategy.events"}}]}}],"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"late"}}}}]}}}}]}}"#
    );

    let metrics = decode_metrics(body.as_bytes(), Encoding::Json, &Limits::default(), NOW).unwrap();

    let source = &metrics.sources[0];
    assert_eq!((&*source.service.name, source.points[0].temporality), ("late", Temporality::Delta));
    let labels: Vec<_> = source.points[0].labels.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(labels, [("event.name", "OnCircuitOpened"), ("pipeline.name", "p"), ("tries", "3")]);
    assert_eq!(source.points[0].at_ns, None);
}

#[test]
fn names_and_points_are_bounded() {
    let metric = |name: String| json!({ "name": name, "gauge": { "dataPoints": [{ "asInt": 1 }] } });
    let many: Vec<_> = (0..MAX_NAMES + 5).map(|number| metric(format!("m{number:04}"))).collect();

    let metrics = json(&request(many.into())).unwrap();

    assert_eq!(metrics.series.len(), MAX_NAMES + 1);
    assert_eq!((&*metrics.series[0].name, metrics.series[0].points), ("(others)", 5));

    let points = vec![json!({ "asInt": 1 }); MAX_POINTS + 1];
    let metrics = json(&request(json!([{ "name": "x", "gauge": { "dataPoints": points } }]))).unwrap();
    assert_eq!((metrics.points, metrics.rejected), (MAX_POINTS as u64, 1));

    let long = json(&request(json!([metric("é".repeat(200))]))).unwrap();
    assert_eq!(long.series[0].name.len(), 256);
}

#[test]
fn what_is_no_request_is_refused_with_its_place() {
    let refused =
        |body: &str| decode_metrics(body.as_bytes(), Encoding::Json, &Limits::default(), NOW).unwrap_err().to_string();

    assert!(refused("[]").starts_with("expected an object"));
    assert!(
        refused(r#"{"resourceMetrics":[{},{"scopeMetrics":[{"metrics":[{"name":7}]}]}]}"#)
            .starts_with("resourceMetrics[1].scopeMetrics[0].metrics[0].name: expected a string, found `7`")
    );
    let bad = b"\x0a\x07\x12\x05\x12\x03\x0a\x01\xff";
    let error = decode_metrics(bad, Encoding::Protobuf, &Limits::default(), NOW).unwrap_err();
    assert_eq!(
        error.to_string(),
        "resourceMetrics[0].scopeMetrics[0].metrics[0].name: the text is not valid UTF-8 (byte 8)"
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => prop_oneof![Just("open"), Just("closed"), Just("OnCircuitOpened"), Just("true"), Just("")].prop_map(|text| Value::StringValue(text.into())),
        1 => any::<bool>().prop_map(Value::BoolValue),
        1 => any::<i64>().prop_map(Value::IntValue),
        1 => (-9..9i32).prop_map(|half| Value::DoubleValue(f64::from(half) / 2.0)),
        1 => Just(Value::ArrayValue(ArrayValue { values: vec![] })),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let key = prop_oneof![
        Just("name"),
        Just("state"),
        Just("event.name"),
        Just("pipeline.name"),
        Just("service.name"),
        Just("x")
    ];
    let pair = (key, any_value()).prop_map(|(key, value)| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    });
    prop::collection::vec(pair, 0..4)
}

fn metric() -> impl Strategy<Value = Metric> {
    let name = prop_oneof![
        Just("resilience4j.circuitbreaker.state"),
        Just("resilience4j.bulkhead.available.concurrent.calls"),
        Just("resilience.polly.strategy.events"),
        Just("http.server.request.duration"),
        Just("other"),
        Just(""),
    ];
    let number = prop_oneof![
        Just(None),
        (-3..9i64).prop_map(|int| Some(Number::AsInt(int))),
        (-3..9i32).prop_map(|half| Some(Number::AsDouble(f64::from(half) / 2.0)))
    ];
    let time = prop_oneof![Just(0), Just(NOW.cast_unsigned()), Just(u64::MAX)];
    let points = (attributes(), number, time, 0..2u32, 0..5u64);
    let points = prop::collection::vec(points, 0..3);
    (name, points, 0..6u8, 0..3i32, any::<bool>()).prop_map(|(name, points, kind, temporality, is_monotonic)| {
        let numbers = points.iter().map(|(attributes, value, time, flags, _)| NumberDataPoint {
            attributes: attributes.clone(),
            time_unix_nano: *time,
            value: *value,
            flags: *flags,
            ..NumberDataPoint::default()
        });
        let data = match kind {
            0 => Some(Data::Gauge(Gauge { data_points: numbers.collect() })),
            1 | 2 => Some(Data::Sum(Sum {
                data_points: numbers.collect(),
                aggregation_temporality: temporality,
                is_monotonic,
            })),
            3 => {
                let point = |(attributes, _, time, flags, count): &(Vec<_>, _, u64, u32, u64)| HistogramDataPoint {
                    attributes: attributes.clone(),
                    time_unix_nano: *time,
                    flags: *flags,
                    count: *count,
                    ..HistogramDataPoint::default()
                };
                let data_points = points.iter().map(point).collect();
                Some(Data::Histogram(Histogram { data_points, aggregation_temporality: temporality }))
            }
            4 => {
                let point =
                    |(attributes, _, time, flags, count): &(Vec<_>, _, u64, u32, u64)| ExponentialHistogramDataPoint {
                        attributes: attributes.clone(),
                        time_unix_nano: *time,
                        flags: *flags,
                        count: *count,
                        ..ExponentialHistogramDataPoint::default()
                    };
                let data_points = points.iter().map(point).collect();
                Some(Data::ExponentialHistogram(ExponentialHistogram {
                    data_points,
                    aggregation_temporality: temporality,
                }))
            }
            _ => {
                let point = |(attributes, _, time, flags, count): &(Vec<_>, _, u64, u32, u64)| SummaryDataPoint {
                    attributes: attributes.clone(),
                    time_unix_nano: *time,
                    flags: *flags,
                    count: *count,
                    ..SummaryDataPoint::default()
                };
                Some(Data::Summary(Summary { data_points: points.iter().map(point).collect() }))
            }
        };
        Metric { name: name.into(), unit: "1".into(), data, ..Metric::default() }
    })
}

fn requests() -> impl Strategy<Value = ExportMetricsServiceRequest> {
    let scope =
        prop::collection::vec(metric(), 0..4).prop_map(|metrics| ScopeMetrics { metrics, ..ScopeMetrics::default() });
    let resource = (proptest::option::of(attributes()), prop::collection::vec(scope, 0..3));
    let resource = resource.prop_map(|(attributes, scope_metrics)| ResourceMetrics {
        resource: attributes.map(|attributes| ProtoResource { attributes, ..ProtoResource::default() }),
        scope_metrics,
        ..ResourceMetrics::default()
    });
    prop::collection::vec(resource, 0..3).prop_map(|resource_metrics| ExportMetricsServiceRequest { resource_metrics })
}

/// As the specification says, not as `serde` does it.
fn as_json(request: &ExportMetricsServiceRequest) -> serde_json::Value {
    let attributes = |attributes: &[KeyValue]| {
        let pair = |pair: &KeyValue| {
            let value = match pair.value.as_ref().unwrap().value.as_ref().unwrap() {
                Value::StringValue(text) => json!({ "stringValue": text }),
                Value::BoolValue(bool) => json!({ "boolValue": bool }),
                Value::IntValue(int) => json!({ "intValue": int.to_string() }),
                Value::DoubleValue(double) => json!({ "doubleValue": double }),
                _ => json!({ "arrayValue": { "values": [] } }),
            };
            json!({ "key": pair.key, "value": value })
        };
        attributes.iter().map(pair).collect::<Vec<_>>()
    };
    let numbers = |points: &[NumberDataPoint]| {
        let point = |point: &NumberDataPoint| {
            let mut json = json!({ "attributes": attributes(&point.attributes), "timeUnixNano": point.time_unix_nano.to_string(), "flags": point.flags });
            match point.value {
                Some(Number::AsInt(int)) => json["asInt"] = int.to_string().into(),
                Some(Number::AsDouble(double)) => json["asDouble"] = double.into(),
                None => {}
            }
            json
        };
        points.iter().map(point).collect::<Vec<_>>()
    };
    let counted = |attribute_list: &[KeyValue], time: u64, flags: u32, count: u64| json!({ "attributes": attributes(attribute_list), "timeUnixNano": time.to_string(), "flags": flags, "count": count.to_string() });
    let metric = |metric: &Metric| {
        let mut json = json!({ "name": metric.name, "unit": metric.unit });
        match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => json["gauge"] = json!({ "dataPoints": numbers(&gauge.data_points) }),
            Data::Sum(sum) => {
                json["sum"] = json!({ "dataPoints": numbers(&sum.data_points), "isMonotonic": sum.is_monotonic, "aggregationTemporality": sum.aggregation_temporality });
            }
            Data::Histogram(data) => {
                let points: Vec<_> = data
                    .data_points
                    .iter()
                    .map(|point| counted(&point.attributes, point.time_unix_nano, point.flags, point.count))
                    .collect();
                json["histogram"] = json!({ "dataPoints": points });
            }
            Data::ExponentialHistogram(data) => {
                let points: Vec<_> = data
                    .data_points
                    .iter()
                    .map(|point| counted(&point.attributes, point.time_unix_nano, point.flags, point.count))
                    .collect();
                json["exponentialHistogram"] = json!({ "dataPoints": points });
            }
            Data::Summary(data) => {
                let points: Vec<_> = data
                    .data_points
                    .iter()
                    .map(|point| counted(&point.attributes, point.time_unix_nano, point.flags, point.count))
                    .collect();
                json["summary"] = json!({ "dataPoints": points });
            }
        }
        json
    };
    let scope = |scope: &ScopeMetrics| json!({ "metrics": scope.metrics.iter().map(metric).collect::<Vec<_>>() });
    let resource = |resource: &ResourceMetrics| {
        let about =
            resource.resource.as_ref().map(|resource| json!({ "attributes": attributes(&resource.attributes) }));
        json!({ "scopeMetrics": resource.scope_metrics.iter().map(scope).collect::<Vec<_>>(), "resource": about })
    };
    json!({ "resourceMetrics": request.resource_metrics.iter().map(resource).collect::<Vec<_>>() })
}

proptest! {
    #[test]
    fn both_encodings_say_the_same(request in requests()) {
        let protobuf = request.encode_to_vec();

        let from_protobuf = decode_metrics(&protobuf, Encoding::Protobuf, &Limits::default(), NOW).unwrap();
        let from_json = json(&as_json(&request)).unwrap();

        prop_assert_eq!(from_protobuf, from_json);
    }

    #[test]
    fn arbitrary_and_changed_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        request in requests(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            let _ = decode_metrics(&bytes, encoding, &Limits::default(), NOW);
        }
        for (mut body, encoding) in
            [(request.encode_to_vec(), Encoding::Protobuf), (as_json(&request).to_string().into_bytes(), Encoding::Json)]
        {
            for (place, byte) in changes.iter().filter(|_| !body.is_empty()).map(|(place, byte)| (place.index(body.len()), byte)).collect::<Vec<_>>() {
                body[place] = *byte;
            }
            let _ = decode_metrics(&body, encoding, &Limits::default(), NOW);
            body.truncate(cut.index(body.len() + 1));
            let _ = decode_metrics(&body, encoding, &Limits::default(), NOW);
        }
    }
}

/// The example of the specification, where it lies beside the checkout.
#[test]
fn the_example_of_the_specification_decodes() {
    let Some(folder) = std::env::var_os("SPILLWAY_PAYLOADS").map(std::path::PathBuf::from) else {
        println!("\n*** SKIPPED: SPILLWAY_PAYLOADS names no folder, the example of OTLP was not read ***\n");
        return;
    };
    let body = std::fs::read(folder.join("otlp/metrics.json")).unwrap();

    let metrics = decode_metrics(&body, Encoding::Json, &Limits::default(), NOW).unwrap();

    assert_eq!((metrics.points, metrics.rejected, metrics.sources.len()), (4, 0, 1));
    let names: Vec<_> = metrics.series.iter().map(|series| &*series.name).collect();
    assert_eq!(names, ["my.counter", "my.exponential.histogram", "my.gauge", "my.histogram"]);
}
