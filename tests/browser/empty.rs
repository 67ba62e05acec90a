//! A server that nobody has sent anything to yet: the page says how, and changes by itself when the first data arrive.

use http::Method;
use serde_json::json;
use tokio::process::Command;

use crate::harness::{Browser, Client, Server, View};

const COMMANDS: &str = "[data-testid='onboarding'] [role='tabpanel'] pre";

/// The command line that the page shows is one that the binary takes.
async fn understood(command: &str) {
    let arguments =
        command.trim().strip_prefix("spillway ").unwrap_or_else(|| panic!("not a command of ours: {command}"));
    let mut binary = Command::new(env!("CARGO_BIN_EXE_spillway"));
    // `--help` last: an unknown flag before it is refused, and nothing is started.
    let output = binary.args(arguments.split_whitespace()).arg("--help").output().await.unwrap();
    assert!(output.status.success(), "`{command}`: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_server_shows_how_to_send_data_and_then_the_data() {
    let server = Server::start().await;
    let browser = Browser::start(View::DESK).await;

    browser.open(&server.http).await;

    // The commands name this very server, so that they can be copied as they are.
    browser.see_text(COMMANDS, &server.http).await;
    let demo = browser.run("return document.querySelector(arguments[0]).innerText", json!([COMMANDS])).await;
    understood(demo.as_str().unwrap()).await;
    browser.click("[data-way='python']").await;
    browser.see_text(COMMANDS, &server.otlp_http).await;
    for (name, view) in [("empty desk light", View::DESK), ("empty phone dark", View::PHONE.dark())] {
        browser.look_through(view).await;
        browser.screenshot(name).await;
    }

    let now = browser.run("return new Date().toISOString()", json!([])).await;
    let event =
        json!({ "id": "1", "kind": "health", "service": "first", "instance": "first-1", "status": "up", "at": now });
    let answer = Client::new().json(Method::POST, &server.url("/webhooks/spillway"), &event).await;

    assert!(answer.status.is_success(), "{}", answer.text());
    let drawn = "const map = document.querySelector('canvas[data-ready]'); return map && map.dataset.nodes >= 1";
    browser.until("the first service on the map", drawn, json!([])).await;
}
