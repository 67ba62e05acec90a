//! The interface starts under the security policy that the server sends with it.

use serde_json::json;

use crate::harness::{Browser, Server, View};

#[tokio::test(flavor = "multi_thread")]
async fn the_interface_starts_without_a_word_on_the_console() {
    let server = Server::start().await;
    let browser = Browser::start(View::DESK).await;

    browser.open(&server.http).await;

    let started = "const boot = document.getElementById('boot'); return !boot && document.body.children.length > 0";
    browser.until("the interface instead of the boot screen", started, json!([])).await;
    assert_eq!(browser.console().await, Vec::<String>::new(), "{}", server.last_words());
}
