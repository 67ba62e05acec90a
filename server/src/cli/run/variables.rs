//! The variables that OpenTelemetry SDKs of all languages read
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>). Pure.

use std::collections::BTreeMap;

use super::language::Place;

/// What is set for the child. What the user has set stays, but for the address and the name, which were decided before.
pub(super) fn of(name: &str, otlp_url: &str, place: &Place) -> BTreeMap<&'static str, String> {
    let mut variables = BTreeMap::from([
        ("OTEL_SERVICE_NAME", name.to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", otlp_url.to_owned()),
        // What is sent to an OTLP/HTTP address by gRPC is lost in silence, and gRPC is the default of some SDKs.
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf".to_owned()),
    ]);
    let defaults = [
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        // They are not taken here, and a receiver that refuses them fills the program's output with complaints.
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_PROPAGATORS", "tracecontext,baggage"),
        // A laptop's owner looks at the map at once; the defaults are 5 and 60 s.
        ("OTEL_BSP_SCHEDULE_DELAY", "1000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "10000"),
        // The others ask for cloud providers' addresses at every start.
        ("OTEL_NODE_RESOURCE_DETECTORS", "env,host,os,process"),
        // Today's names of attributes in SDKs that still send the old ones.
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database"),
    ];
    for (key, text) in defaults {
        if !place.variables.contains_key(key) {
            variables.insert(key, text.to_owned());
        }
    }
    // Two processes of one service are two instances. The process is replaced by its child, which keeps the number.
    let attributes = place.variables.get("OTEL_RESOURCE_ATTRIBUTES").map_or("", String::as_str);
    if !attributes.split(',').any(|attribute| attribute.trim().starts_with("service.instance.id=")) {
        let before = if attributes.is_empty() { String::new() } else { format!("{attributes},") };
        variables.insert("OTEL_RESOURCE_ATTRIBUTES", format!("{before}service.instance.id={name}-{}", place.process));
    }
    let key = place.variables.get("SPILLWAY_INGEST_KEY").filter(|key| !key.is_empty());
    if let Some(key) = key.filter(|_| !place.variables.contains_key("OTEL_EXPORTER_OTLP_HEADERS")) {
        // Values are percent-encoded, as in W3C Baggage.
        variables.insert("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{key}"));
    }
    variables
}
