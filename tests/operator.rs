//! What an operator sees of the process: its listeners, its end, its next start.

use std::{process::Stdio, time::Duration};

use tokio::net::TcpStream;

use crate::harness::{Client, Server, alone, eventually, outcome};

#[tokio::test(flavor = "multi_thread")]
async fn every_listener_that_is_printed_takes_connections() {
    let server = Server::start().await;

    for url in [&server.http, &server.otlp_http, &server.otlp_grpc, &server.zipkin] {
        let address = url.split_once("://").map_or(url.as_str(), |(_, address)| address);
        let connected = TcpStream::connect(address).await;
        assert!(connected.is_ok(), "{url}: {connected:?}{}", server.last_words());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_whoever_read_its_first_lines() {
    let data = tempfile::tempdir().unwrap();
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_spillway"));
    command.args(["serve", "--listen", &listen.to_string(), "--data-dir"]).arg(data.path()).current_dir(data.path());
    for listener in ["--otlp-http", "--otlp-grpc", "--zipkin"] {
        command.args([listener, "127.0.0.1:0"]);
    }
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    drop(server.stdout.take());

    let client = Client::new();
    let ready = async || match server.try_wait().unwrap() {
        Some(status) => panic!("it ended with {status}"),
        None => {
            TcpStream::connect(listen).await.ok()?;
            (client.get(&format!("http://{listen}/readyz")).await.status == 200).then_some(())
        }
    };
    eventually("a server that is ready", Duration::from_secs(20), ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_signal_ends_it_cleanly_and_the_next_start_finds_its_data() {
    let server = Server::start().await;
    assert!(std::fs::read_dir(server.data()).unwrap().next().is_some(), "the data folder is empty");

    let (code, data) = server.stop().await;

    assert_eq!(code, Some(0));
    let again = Server::start_in(data, &[]).await;
    let client = Client::new();
    let ready = async || (client.get(&again.url("/readyz")).await.status == 200).then_some(());
    eventually("a ready server", Duration::from_secs(10), ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_refused_with_a_clear_line_and_code_64() {
    /// Arguments, variables and what the line must say.
    type Case = (&'static [&'static str], &'static [(&'static str, &'static str)], &'static str);
    let cases: [Case; 6] = [
        (&["serve", "--listen", "7070"], &[], "`7070` for `listen` from the command line"),
        (&["serve"], &[("SPILLWAY_LISTN", "off")], "did you mean `listen`?"),
        (&["serve", "--config", "missing.toml"], &[], "missing.toml"),
        (&["serve", "--listen", "0.0.0.0:0"], &[], "an admin token"),
        (&["serve"], &[("SPILLWAY_ADMIN_TOKEN", "short")], "shorter than 16"),
        (&["serve", "--frobnicate"], &[], "--frobnicate"),
    ];
    for (args, variables, expected) in cases {
        let (code, _, stderr) = outcome(args, variables).await;

        assert_eq!(code, Some(64), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_and_a_data_folder_in_use_are_named_with_code_69() {
    let server = Server::start().await;
    let taken = server.http.trim_start_matches("http://");
    let data = server.data().to_str().unwrap();

    let (code, _, stderr) =
        outcome(&["serve", "--listen", taken, "--otlp-http", "off", "--otlp-grpc", "off"], &[]).await;
    assert_eq!(code, Some(69), "{stderr}");
    assert!(stderr.contains(taken) && stderr.contains("--listen off"), "{stderr}");

    let args = ["serve", "--listen", "127.0.0.1:0", "--otlp-http", "off", "--otlp-grpc", "off", "--data-dir", data];
    let (code, _, stderr) = outcome(&args, &[]).await;
    assert_eq!(code, Some(69), "{stderr}");
    assert!(stderr.contains(data), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_is_printed_with_its_origin_and_no_secret_among_them() {
    let variables = [("SPILLWAY_ADMIN_TOKEN", "a-token-that-nobody-should-see"), ("SPILLWAY_RETENTION_SPANS", "2d")];

    let (code, stdout, stderr) = outcome(&["config", "--listen", "127.0.0.1:1"], &variables).await;

    assert_eq!(code, Some(0), "{stderr}");
    let line =
        |key: &str| stdout.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key} in {stdout}"));
    assert!(line("listen ").contains("127.0.0.1:1") && line("listen ").contains("the command line"));
    assert!(line("retention.spans").contains("2d") && line("retention.spans").contains("SPILLWAY_RETENTION_SPANS"));
    assert!(line("otlp_http").contains("the defaults"));
    assert!(!stdout.contains("nobody-should-see"), "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_dependency_opens_the_breakers_towards_it_and_goes_silent() {
    let _turn = alone().await;
    let (server, client) = (Server::start_with(&["--demo"]).await, Client::new());
    let demo = server.url("/api/v1/demo");
    let running = async || (client.get(&demo).await.status == 200).then_some(());
    eventually("the demo's switches", Duration::from_secs(20), running).await;

    let edge = async || {
        let map = client.get(&server.url("/api/v1/topology")).await.value();
        let edge = map["edges"].as_array()?.iter().find(|edge| {
            edge["source"] == "service:demo/shop/checkout" && edge["target"] == "service:demo/shop/payments"
        })?;
        Some(edge.clone())
    };
    // Its breakers are on the map at once, its calls a little later; a service that was dead from the start would be a name
    // that others call, not a service.
    let called = async || (edge().await?["callee"]["rate"].as_f64()? > 0.0).then_some(());
    eventually("payments serving checkout", Duration::from_secs(30), called).await;

    let switch = serde_json::json!({ "load": 5.0, "dependencies": [{ "service": "payments", "fault": "dead" }] });
    let answer = client.json(http::Method::PUT, &demo, &switch).await;
    assert_eq!(answer.status, 200, "{}", answer.text());

    let open = async || {
        let edge = edge().await?;
        let breaker = &edge["breaker"];
        (breaker["state"] == "open" && breaker["open"] == 2 && edge["error_ratio"].as_f64()? > 0.2).then_some(())
    };
    eventually("both breakers of checkout open", Duration::from_secs(40), open).await;

    let nonsense = serde_json::json!({ "dependencies": [{ "service": "moon", "fault": "dead" }] });
    let answer = client.json(http::Method::PUT, &demo, &nonsense).await;
    assert!(answer.status == 400 && answer.text().contains("moon"), "{}", answer.text());
}
