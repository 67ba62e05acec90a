//! A server with an admin token lets nobody in without it, and keeps it out of the reach of scripts.

use serde_json::json;

use crate::harness::{Browser, Server, View, keys::ENTER};

const TOKEN: &str = "a-long-admin-token-of-the-browser-test";

#[tokio::test(flavor = "multi_thread")]
async fn the_token_opens_the_interface_and_is_kept_from_scripts() {
    let server = Server::start_with_variables(&[("SPILLWAY_ADMIN_TOKEN", TOKEN)]).await;
    let browser = Browser::start(View::DESK).await;
    browser.open(&server.url("/services")).await;

    browser.type_into("[data-testid='token']", "not this one").await;
    browser.press(ENTER).await;
    browser.see_text("[data-page='sign-in'] [role='alert']", "not the token").await;
    browser.screenshot("sign in desk light").await;
    browser.type_into("[data-testid='token']", TOKEN).await;
    browser.press(ENTER).await;

    browser.see("[data-page='services']").await;
    assert_eq!(browser.run("return document.cookie", json!([])).await, "");
    let kept = "return Object.values(localStorage).concat(Object.values(sessionStorage)).join()";
    assert!(!browser.run(kept, json!([])).await.to_string().contains(TOKEN));
    browser.open(&server.url("/services")).await;
    browser.see("[data-page='services']").await;
}
