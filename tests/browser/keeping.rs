//! Keeping a trace, and where the space goes.

use http::StatusCode;
use serde_json::json;

use crate::harness::{
    Browser, Client, Server, View,
    telemetry::{call, hex, otlp, trace_id},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_kept_released_and_the_release_is_taken_back() {
    let (server, client) = (Server::start().await, Client::new());
    assert_eq!(client.send(otlp(&server.otlp_http, &call(1))).await.status, StatusCode::OK);
    let pins = async || client.get(&server.url("/api/v1/pins")).await.value()["pins"].as_array().unwrap().len();
    let browser = Browser::start(View::DESK).await;

    browser.open(&server.url(&format!("/traces/{}", hex(&trace_id(1))))).await;
    browser.click("[data-testid='keep']").await;
    browser.see_text(".trace__kept", "Kept until released").await;
    assert_eq!(pins().await, 1);
    browser.screenshot("kept trace").await;
    browser.click("[data-testid='release']").await;
    browser.see_text("[data-testid='keep']", "Keep it again").await;
    assert_eq!(pins().await, 0);
    browser.click("[data-testid='keep']").await;
    browser.see("[data-testid='release']").await;

    browser.open(&server.url("/settings")).await;
    browser.click("[data-testid='pins'] button").await;
    browser.see("[data-testid='no-pins']").await;
    browser.click("[data-testid='undo-release']").await;
    browser.see("[data-testid='pins'] tr[data-pin]").await;
    assert_eq!(pins().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_that_fill_the_disk_are_listed() {
    let (server, client) = (Server::start().await, Client::new());
    let browser = Browser::start(View::DESK).await;
    browser.open(&server.url("/settings")).await;
    browser.see_text("[data-testid='storage-empty']", "Nothing is stored yet").await;

    for number in 1..=3 {
        assert_eq!(client.send(otlp(&server.otlp_http, &call(number))).await.status, StatusCode::OK);
    }

    // The page asks again by itself.
    let rows = "return document.querySelectorAll('[data-testid=storage] tr[data-service]').length === 2";
    browser.until("a row for each service", rows, json!([])).await;
    browser.see_text("[data-testid='storage'] tr[data-service='checkout']", "50").await;
}
