//! Asking: what the server makes of services that do not send, and whom it does not ask.

use std::{path::Path, process::Stdio, time::Duration};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Client, Fake, Server, clock::now_ns, eventually};

/// Whoever runs the tests has services on loopback.
const PRIVATE: [(&str, &str); 1] = [("SPILLWAY_PULL_ALLOW_PRIVATE", "true")];

/// Far above what a healthy server takes, also on a busy machine.
const WITHIN: Duration = Duration::from_secs(30);

/// Adds a target that is asked only when a test asks for it, and gives its id.
async fn add(client: &Client, server: &Server, service: &str, url: &str, format: &str) -> String {
    let spec = json!({"service": service, "url": url, "format": format, "every_ms": 30_000, "timeout_ms": 5_000});
    let answer = client.json(Method::POST, &server.url("/api/v1/targets"), &spec).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let id = answer.value()["id"].as_str().unwrap().to_owned();
    eventually("the target is on the board", WITHIN, async || {
        let list = client.get(&server.url("/api/v1/targets")).await.value();
        list["targets"].as_array().unwrap().iter().any(|target| target["id"] == id).then_some(())
    })
    .await;
    id
}

/// Asks a target now, and gives its last answer.
async fn check(client: &Client, server: &Server, id: &str) -> Value {
    let answer = client.json(Method::POST, &server.url(&format!("/api/v1/targets/{id}/check")), &Value::Null).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.value()["checks"][0].clone()
}

/// Events of a service, oldest first.
async fn events(client: &Client, server: &Server, service: &str) -> Vec<Value> {
    let list = client.get(&server.url(&format!("/api/v1/events?service={service}"))).await.value();
    list["events"].as_array().unwrap().iter().rev().map(|record| record["event"].clone()).collect()
}

fn words(events: &[Value], key: &str) -> Vec<String> {
    events.iter().filter_map(|event| event[key].as_str().map(str::to_owned)).collect()
}

fn rfc3339(ns: u64) -> String {
    spillway_api::Timestamp::from_unix_ns(ns.try_into().unwrap()).to_string()
}

#[tokio::test]
async fn a_breaker_that_opened_and_closed_between_two_answers_is_on_the_timeline() {
    let (client, actuator) = (Client::new(), Fake::start().await);
    let server = Server::start_with_variables(&PRIVATE).await;
    actuator.says("/actuator/health", 200, json!({"status": "UP"}));
    actuator.says("/actuator/circuitbreakers", 200, json!({"circuitBreakers": {"payments": {"state": "CLOSED"}}}));
    actuator.says("/actuator/circuitbreakerevents", 200, json!({"circuitBreakerEvents": []}));
    let id = add(&client, &server, "checkout", &actuator.url("/actuator"), "actuator").await;
    let first = check(&client, &server, &id).await;
    assert_eq!((first["health"].as_str(), first["readings"].as_u64()), (Some("up"), Some(1)), "{first}");

    let turned = |transition: &str, ago_ms: u64| {
        json!({"circuitBreakerName": "payments", "type": "STATE_TRANSITION", "stateTransition": transition,
               "creationTime": format!("{}[UTC]", rfc3339(now_ns() - ago_ms * 1_000_000))})
    };
    let ring = json!({"circuitBreakerEvents": [
        turned("CLOSED_TO_OPEN", 300), turned("OPEN_TO_HALF_OPEN", 200), turned("HALF_OPEN_TO_CLOSED", 100),
        {"circuitBreakerName": "payments", "type": "ERROR", "creationTime": "2026-01-01T00:00:00Z[UTC]"}]});
    actuator.says("/actuator/circuitbreakerevents", 200, &ring);
    let second = check(&client, &server, &id).await;
    check(&client, &server, &id).await;

    assert_eq!(second["ignored"][0]["why"], "an event of a call, not of a state", "{second}");
    let told = events(&client, &server, "checkout").await;
    assert_eq!(words(&told, "state"), ["closed", "open", "half_open", "closed"], "{told:#?}");
    assert_eq!(words(&told, "status"), ["up"]);
    assert!(told.iter().all(|event| event["instance"] == actuator.address), "{told:#?}");

    // The ring still has them after a restart, and they are stored once.
    let (_, data) = server.stop().await;
    let server = Server::start_in_with_variables(data, &PRIVATE).await;
    let list = client.get(&server.url("/api/v1/targets")).await;
    assert_eq!(list.status, StatusCode::OK);
    eventually("the target was kept", WITHIN, async || {
        let list = client.get(&server.url("/api/v1/targets")).await.value();
        (list["targets"][0]["id"] == id).then_some(())
    })
    .await;
    check(&client, &server, &id).await;
    let again = words(&events(&client, &server, "checkout").await, "state");
    assert_eq!(again[..4], ["closed", "open", "half_open", "closed"]);
    // A sign of life from the new process at most.
    assert!(again[4..].iter().all(|state| state == "closed") && again.len() <= 5, "{again:?}");
}

#[tokio::test]
async fn a_hystrix_stream_and_envoys_admin_pages_are_read() {
    let (client, fake) = (Client::new(), Fake::start().await);
    let server = Server::start_with_variables(&PRIVATE).await;
    let command = json!({"type": "HystrixCommand", "name": "Charge", "group": "payments", "isCircuitBreakerOpen": true,
                         "currentTime": now_ns() / 1_000_000});
    let pool = json!({"type": "HystrixThreadPool", "name": "payments", "currentActiveCount": 10,
                      "currentMaximumPoolSize": 10, "currentQueueSize": 4});
    fake.streams("/hystrix.stream", &format!("ping: \n\ndata: {command}\n\ndata: {pool}\n\n"));
    let host = |port: u16, ejected: bool| {
        json!({"address": {"socket_address": {"address": "10.0.0.1", "port_value": port}},
               "health_status": {"failed_outlier_check": ejected}})
    };
    fake.says(
        "/clusters",
        200,
        json!({"cluster_statuses": [{"name": "payments", "host_statuses": [host(1, true), host(2, false)]}]}),
    );
    fake.says("/stats", 200, "cluster.payments.circuit_breakers.default.rq_pending_open: 1\n");

    let hystrix = add(&client, &server, "orders", &fake.url("/hystrix.stream"), "hystrix").await;
    let envoy = add(&client, &server, "gateway", &fake.url("/"), "envoy").await;
    let checks = [check(&client, &server, &hystrix).await, check(&client, &server, &envoy).await];

    assert_eq!(checks.each_ref().map(|check| check["detail"].as_str().unwrap()), ["", ""]);
    let told = events(&client, &server, "orders").await;
    let kinds = |events: &[Value]| {
        let mut kinds: Vec<String> = events
            .iter()
            .map(|event| {
                format!(
                    "{} {} {}",
                    event["kind"].as_str().unwrap(),
                    event["name"].as_str().unwrap(),
                    event["state"].as_str().unwrap()
                )
            })
            .collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(&told), ["breaker Charge open", "limit payments exhausted"], "{told:#?}");
    let told = events(&client, &server, "gateway").await;
    assert_eq!(
        kinds(&told),
        ["breaker 10.0.0.1:1 open", "breaker 10.0.0.1:2 closed", "limit pending requests exhausted"],
        "{told:#?}"
    );
}

#[tokio::test]
async fn a_scrape_and_a_grpc_health_service_are_read() {
    let (client, fake) = (Client::new(), Fake::start().await);
    let server = Server::start_with_variables(&PRIVATE).await;
    let metrics = |opened: u32| {
        format!(
            "gobreaker_state{{name=\"db\"}} 2\ngo_goroutines 7\n\
             resilience_polly_strategy_events_total{{pipeline_name=\"mail\",strategy_name=\"cb\",event_name=\"OnCircuitOpened\"}} {opened}\n"
        )
    };
    fake.says("/metrics", 200, metrics(1));
    fake.answers_grpc("/grpc.health.v1.Health/Check", &[8, 1], 0);

    let scrape = add(&client, &server, "cart", &fake.url("/metrics"), "prometheus").await;
    let grpc = add(&client, &server, "cart", &format!("grpc://{}/shop.Cart", fake.address), "grpc").await;
    let first = check(&client, &server, &scrape).await;
    fake.says("/metrics", 200, metrics(2));
    check(&client, &server, &scrape).await;
    let healthy = check(&client, &server, &grpc).await;

    assert!(first["ignored"].as_array().unwrap().iter().any(|ignored| ignored["what"] == "go_goroutines"), "{first}");
    assert_eq!(healthy["health"], "up", "{healthy}");
    let told = events(&client, &server, "cart").await;
    // gobreaker's 2 is open; Polly's counter has grown.
    assert_eq!(words(&told, "name"), ["db", "cb"], "{told:#?}");
    assert_eq!(words(&told, "state"), ["open", "open"]);
}

#[tokio::test]
async fn a_target_that_flaps_is_not_down_and_one_that_stays_away_is() {
    let (client, fake) = (Client::new(), Fake::start().await);
    let server = Server::start_with_variables(&PRIVATE).await;
    fake.says("/health", 200, "Healthy");
    let id = add(&client, &server, "cart", &fake.url("/health"), "http").await;
    check(&client, &server, &id).await;

    for _ in 0..4 {
        fake.says("/health", 503, "password=hunter2");
        let failed = check(&client, &server, &id).await;
        assert_eq!(failed["health"], "up");
        assert!(!failed["body"].as_str().unwrap().contains("hunter2"), "{failed}");
        check(&client, &server, &id).await;
        fake.says("/health", 200, "Healthy");
        check(&client, &server, &id).await;
    }
    assert_eq!(words(&events(&client, &server, "cart").await, "status"), ["up"]);

    fake.says("/health", 503, "no database");
    let checks =
        [check(&client, &server, &id).await, check(&client, &server, &id).await, check(&client, &server, &id).await];

    let beliefs: Vec<_> =
        checks.iter().map(|check| (check["health"].as_str().unwrap(), check["failures"].as_u64().unwrap())).collect();
    assert_eq!(beliefs, [("up", 1), ("up", 2), ("down", 3)]);
    assert_eq!(words(&events(&client, &server, "cart").await, "status"), ["up", "down"]);
    eventually("the map says so", WITHIN, async || {
        let map = client.get(&server.url("/api/v1/topology")).await.value();
        let nodes = map["nodes"].as_array().unwrap();
        nodes.iter().any(|node| node["name"] == "cart" && node["health"] == "failing").then_some(())
    })
    .await;
}

#[tokio::test]
async fn metadata_is_never_asked_and_private_addresses_only_on_the_operators_word() {
    let (client, fake) = (Client::new(), Fake::start().await);
    let config = json!([{"service": "cloud", "url": "http://169.254.169.254/latest/meta-data/"},
                        {"service": "own", "url": fake.url("/health")}]);
    let server = Server::start_with_variables(&[("SPILLWAY_PULL_TARGETS", &config.to_string())]).await;
    fake.says("/health", 200, "");
    fake.redirects("/away", &fake.url("/secret"));

    let list = eventually("the configured targets are there", WITHIN, async || {
        let list = client.get(&server.url("/api/v1/targets")).await.value();
        (list["targets"].as_array().unwrap().len() == 2).then_some(list)
    })
    .await;
    let ids: Vec<&str> =
        list["targets"].as_array().unwrap().iter().map(|target| target["id"].as_str().unwrap()).collect();
    let (cloud, own) = (check(&client, &server, ids[0]).await, check(&client, &server, ids[1]).await);
    assert!(cloud["detail"].as_str().unwrap().contains("never asked"), "{cloud}");
    assert_eq!((&cloud["health"], own["health"].as_str()), (&Value::Null, Some("up")), "{own}");

    // The same address, on the word of whoever reaches the interface, also by a name, and in other spellings of it.
    for url in [
        fake.url("/private"),
        fake.url("/private").replace("127.0.0.1", "localhost"),
        fake.url("/private").replace("127.0.0.1", "[::ffff:127.0.0.1]"),
    ] {
        let id = add(&client, &server, "stranger", &url, "http").await;
        let refused = check(&client, &server, &id).await;
        assert!(refused["detail"].as_str().unwrap().contains("private address"), "{refused}");
    }
    assert!(fake.asked().iter().all(|path| path == "/health"), "{:?}", fake.asked());
    assert_eq!(events(&client, &server, "stranger").await, Vec::<Value>::new());
    // What is configured is not removed here.
    let gone = client.json(Method::DELETE, &server.url(&format!("/api/v1/targets/{}", ids[1])), &Value::Null).await;
    assert_eq!(gone.status, StatusCode::CONFLICT, "{}", gone.text());
}

#[tokio::test]
async fn redirects_are_not_followed_and_a_wrong_target_is_refused_by_its_field() {
    let (client, fake) = (Client::new(), Fake::start().await);
    let server = Server::start_with_variables(&PRIVATE).await;
    fake.redirects("/away", &fake.url("/secret"));

    let id = add(&client, &server, "cart", &fake.url("/away"), "http").await;
    let answer = check(&client, &server, &id).await;

    assert_eq!((answer["status"].as_u64(), answer["health"].as_str()), (Some(302), Some("up")), "{answer}");
    assert!(!fake.asked().contains(&"/secret".to_owned()));
    for (spec, pointer) in [
        (json!({"service": "cart", "url": "file:///etc/passwd"}), "/url"),
        (json!({"service": "", "url": "http://cart/"}), "/service"),
        (json!({"service": "cart", "url": "http://cart/", "every_ms": 10}), "/every_ms"),
    ] {
        let refused = client.json(Method::POST, &server.url("/api/v1/targets"), &spec).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.value()["errors"][0]["pointer"], pointer, "{}", refused.text());
    }
    let url = server.url(&format!("/api/v1/targets/{id}"));
    assert_eq!(client.json(Method::DELETE, &url, &Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.json(Method::DELETE, &url, &Value::Null).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn targets_are_discovered_from_files_and_addresses() {
    let (client, fake) = (Client::new(), Fake::start().await);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("targets.json");
    let group = |service: &str| json!([{"targets": [fake.address], "labels": {"service": service, "spillway_format": "http", "__metrics_path__": "/health"}}]);
    std::fs::write(&file, group("cart").to_string()).unwrap();
    fake.says("/health", 200, "");
    fake.says("/sd", 200, group("orders"));
    let variables = [("SPILLWAY_PULL_FILE_SD", file.to_str().unwrap()), ("SPILLWAY_PULL_HTTP_SD", &fake.url("/sd"))];
    let server = Server::start_with_variables(&variables).await;

    let found = async |services: &[&str]| {
        eventually("the targets are found", WITHIN, async || {
            let list = client.get(&server.url("/api/v1/targets")).await.value();
            let targets = list["targets"].as_array().unwrap();
            let up: Vec<_> = targets.iter().filter(|target| target["checks"][0]["health"] == "up").collect();
            (up.iter().map(|target| target["spec"]["service"].as_str().unwrap()).eq(services.iter().copied()))
                .then_some(())
        })
        .await;
    };
    found(&["cart", "orders"]).await;
    std::fs::write(&file, group("shipping").to_string()).unwrap();
    found(&["orders", "shipping"]).await;
}

/// A web server of Debian, which knows nothing of us.
#[tokio::test]
async fn nginx_is_a_target_like_any_other() {
    let Some(nginx) = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists()) else {
        eprintln!("NOT TESTED: nginx is not installed (apt-get install nginx-light)");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let path = dir.path().display();
    let config = format!(
        "daemon off; master_process off; pid {path}/pid; error_log {path}/error.log;\nevents {{}}\n\
         http {{ access_log off; client_body_temp_path {path}/b; proxy_temp_path {path}/p; fastcgi_temp_path {path}/f;\n\
         uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n\
         server {{ listen 127.0.0.1:{port}; location = /health {{ return 200 'Healthy'; }} location / {{ return 503; }} }} }}\n"
    );
    std::fs::write(dir.path().join("nginx.conf"), config).unwrap();
    let mut running = tokio::process::Command::new(nginx)
        .args(["-p", dir.path().to_str().unwrap(), "-c", dir.path().join("nginx.conf").to_str().unwrap()])
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (client, server) = (Client::new(), Server::start_with_variables(&PRIVATE).await);

    let well = add(&client, &server, "web", &format!("http://127.0.0.1:{port}/health"), "http").await;
    let sick = add(&client, &server, "sick", &format!("http://127.0.0.1:{port}/"), "http").await;
    eventually("nginx answers", WITHIN, async || {
        (check(&client, &server, &well).await["health"] == "up").then_some(())
    })
    .await;
    let answer = check(&client, &server, &sick).await;
    assert_eq!(answer["detail"], "it answers 503", "{answer}");

    running.kill().await.unwrap();
    let gone = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let answer = check(&client, &server, &well).await;
            if answer["health"] == "down" {
                return answer;
            }
        }
    });
    let gone = gone.await.unwrap();
    assert!(gone["detail"].as_str().unwrap().contains("no connection to 127.0.0.1"), "{gone}");
}
