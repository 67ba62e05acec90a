//! The commands that bring the first data, with the real addresses of this server.

use spillway_api::{IngestSource, Status};

/// A way to send data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Stable name.
    pub id: &'static str,
    /// Head of the tab.
    pub title: &'static str,
    /// One sentence.
    pub about: String,
    /// To be copied as it is.
    pub commands: String,
}

fn listener<'a>(status: &'a Status, name: &str) -> Option<&'a str> {
    status.listeners.iter().find(|listener| listener.name == name).map(|listener| listener.url.trim_end_matches('/'))
}

/// The ways, the nearest to hand first. `origin` is where the page itself came from.
pub fn ways(status: &Status, origin: &str) -> Vec<Way> {
    let http = listener(status, "http").unwrap_or(origin);
    // The main port takes OTLP too, so this works when the standard port is off.
    let otlp = listener(status, "otlp-http").unwrap_or(http);
    let standard = otlp.ends_with(":4318");
    let key = if status.ingest_key_required {
        "export OTEL_EXPORTER_OTLP_HEADERS=\"authorization=Bearer $SPILLWAY_INGEST_KEY\"\n"
    } else {
        ""
    };
    let curl_key =
        if status.ingest_key_required { " \\\n  -H \"authorization: Bearer $SPILLWAY_INGEST_KEY\"" } else { "" };
    let endpoint =
        format!("export OTEL_EXPORTER_OTLP_ENDPOINT={otlp}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n{key}");
    let note = if standard && !status.ingest_key_required {
        " The endpoint is the default of every SDK, so on this machine you may leave it out."
    } else {
        ""
    };
    vec![
        Way {
            id: "demo",
            title: "Demo",
            about: "No system at hand? This starts a small shop of real services that sends to this server.".to_owned(),
            commands: if http.ends_with(":7070") { "spillway demo".to_owned() } else { format!("spillway demo --spillway-url {http}") },
        },
        Way {
            id: "python",
            title: "Python",
            about: format!("Instruments a Python service without a change to its code.{note}"),
            commands: format!(
                "pip install opentelemetry-distro opentelemetry-exporter-otlp-proto-http\nopentelemetry-bootstrap -a install\nexport OTEL_SERVICE_NAME=my-service\n{endpoint}opentelemetry-instrument python app.py"
            ),
        },
        Way {
            id: "node",
            title: "Node.js",
            about: format!("Instruments a Node.js service without a change to its code.{note}"),
            commands: format!(
                "npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node\nexport OTEL_SERVICE_NAME=my-service\n{endpoint}node --require @opentelemetry/auto-instrumentations-node/register app.js"
            ),
        },
        Way {
            id: "webhook",
            title: "Webhook",
            about: "Tells the state of a circuit breaker; nodes and an edge appear at once.".to_owned(),
            commands: format!(
                "curl {http}/webhooks/spillway{curl_key} \\\n  -H 'content-type: application/json' \\\n  -d '{{\"id\":\"'$(date +%s%N)'\",\"kind\":\"breaker\",\"service\":\"checkout\",\"instance\":\"checkout-1\",\"target\":\"payments\",\"state\":\"open\",\"at\":\"'$(date -u +%Y-%m-%dT%H:%M:%SZ)'\"}}'"
            ),
        },
        alerts(status, http),
        grpc(status, key),
    ]
    .into_iter()
    .filter(|way| !way.commands.is_empty())
    .collect()
}

fn alerts(status: &Status, http: &str) -> Way {
    let key = if status.ingest_key_required {
        "\n        http_config: { authorization: { credentials: \"$SPILLWAY_INGEST_KEY\" } }"
    } else {
        ""
    };
    Way {
        id: "alerts",
        title: "Alertmanager",
        about: "What alerts say of a service stands on the map; their labels service, service_name or job name it."
            .to_owned(),
        commands: format!(
            "receivers:\n  - name: spillway\n    webhook_configs:\n      - url: {http}/webhooks/alertmanager\n        send_resolved: true{key}"
        ),
    }
}

fn grpc(status: &Status, key: &str) -> Way {
    let commands = listener(status, "otlp-grpc").map_or_else(String::new, |url| format!("export OTEL_SERVICE_NAME=my-service\nexport OTEL_EXPORTER_OTLP_ENDPOINT={url}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=grpc\n{key}"));
    Way { id: "grpc", title: "OTLP/gRPC", about: "For SDKs and collectors that speak gRPC.".to_owned(), commands }
}

/// True once anything was ever taken in.
pub fn has_data(status: &Status) -> bool {
    status.spans_stored > 0 || status.ingest.iter().any(|source| source.items > 0)
}

/// What came first into an empty server: "212 spans by otlp_http".
pub fn first_data(status: &Status) -> Option<String> {
    let busiest: &IngestSource =
        status.ingest.iter().filter(|source| source.items > 0).max_by_key(|source| source.items)?;
    let noun = match &*busiest.source {
        "otlp_http" | "otlp_grpc" | "zipkin" => ("span", "spans"),
        "otlp_metrics" => ("data point", "data points"),
        _ => ("event", "events"),
    };
    Some(format!("{} by {}", crate::format::plural(busiest.items, noun.0, noun.1), source(&busiest.source)))
}

/// A way in, for people.
pub fn source(token: &str) -> &str {
    match token {
        "otlp_http" => "OTLP/HTTP",
        "otlp_grpc" => "OTLP/gRPC",
        "otlp_metrics" => "OTLP metrics",
        "webhook" => "webhook",
        "zipkin" => "Zipkin",
        "cloudevents" => "CloudEvents",
        "alertmanager" => "alerts",
        "github" => "GitHub",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use spillway_api::{Listener, Timestamp};

    use super::*;

    fn status(listeners: &[(&str, &str)]) -> Status {
        Status {
            version: "0.1.0".into(),
            started_at: Timestamp::default(),
            listeners: listeners
                .iter()
                .map(|(name, url)| Listener { name: (*name).into(), url: (*url).into() })
                .collect(),
            ingest_key_required: false,
            ingest: vec![],
            spans_stored: 0,
            bytes_stored: 0,
            retention_s: 1,
            redacted: Default::default(),
            demo: false,
        }
    }

    #[test]
    fn commands_carry_the_real_addresses() {
        let ways = ways(
            &status(&[
                ("http", "http://127.0.0.1:9000"),
                ("otlp-http", "http://127.0.0.1:9001"),
                ("otlp-grpc", "http://127.0.0.1:9002"),
            ]),
            "http://x",
        );

        assert_eq!(
            ways.iter().map(|way| way.id).collect::<Vec<_>>(),
            ["demo", "python", "node", "webhook", "alerts", "grpc"]
        );
        assert_eq!(ways[0].commands, "spillway demo --spillway-url http://127.0.0.1:9000");
        assert!(ways[1].commands.contains("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9001\n"));
        assert!(ways[3].commands.starts_with("curl http://127.0.0.1:9000/webhooks/spillway "));
        assert!(ways[4].commands.contains("url: http://127.0.0.1:9000/webhooks/alertmanager\n"));
        assert!(ways[5].commands.contains("http://127.0.0.1:9002"));
    }

    #[test]
    fn a_listener_that_is_off_falls_back_to_the_main_port_or_is_left_out() {
        let ways = ways(&status(&[("http", "http://127.0.0.1:7070/")]), "http://x");

        assert!(ways[1].commands.contains("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:7070\n"));
        assert!(ways.iter().all(|way| way.id != "grpc"));
    }

    #[test]
    fn the_key_is_asked_for_where_the_server_wants_one() {
        let mut status = status(&[("http", "http://127.0.0.1:7070")]);
        status.ingest_key_required = true;

        let ways = ways(&status, "http://x");

        assert!(ways.iter().filter(|way| way.id != "demo").all(|way| way.commands.contains("$SPILLWAY_INGEST_KEY")));
    }
}
