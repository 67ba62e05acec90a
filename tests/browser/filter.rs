//! The filter box of the traces page.

use http::StatusCode;
use serde_json::json;

use crate::harness::{
    Browser, Client, Server, View,
    keys::ENTER,
    telemetry::{call, otlp},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_completed_corrected_and_obeyed() {
    let (server, client) = (Server::start().await, Client::new());
    assert_eq!(client.send(otlp(&server.otlp_http, &call(1))).await.status, StatusCode::OK);
    let browser = Browser::start(View::DESK).await;
    browser.open(&server.url("/traces")).await;
    browser.see("tr[data-trace]").await;

    browser.type_into("[data-testid='trace-filter']", "http.ro").await;
    let offered = "return [...document.querySelectorAll('#filter-choices option')].some(o => o.value === 'http.route')";
    browser.until("the key among what can be typed", offered, json!([])).await;

    browser.type_into("[data-testid='trace-filter']", "ute=/pay status=eror").await;
    browser.press(ENTER).await;
    browser.see_text("[data-testid='filter-problem']", "did you mean error?").await;
    browser.see_text("[data-testid='filter-problem'] mark", "eror").await;

    browser.open(&server.url("/traces?q=http.route%3D%2Fpay")).await;
    browser.see("tr[data-trace]").await;
    browser.see_text(".traces__foot", "1 of 1 blocks read").await;

    browser.open(&server.url("/traces?q=http.route%3D%2Fnone")).await;
    browser.see("[data-testid='empty']").await;
}
