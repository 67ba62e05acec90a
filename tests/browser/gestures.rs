//! The harness itself: each gesture of the tests arrives on a page the way a person's would. When this fails, the other
//! browser tests say nothing about Spillway.

use serde_json::json;

use crate::harness::{Browser, View, keys::ENTER};

/// A page that writes down what is done to it. As a data: URL, so that no server takes part.
const PAGE: &str = "data:text/html,<meta name=viewport content=width=device-width><h1>Hello</h1>\
    <button onclick=\"document.querySelector('h1').textContent='Clicked'\">press</button>\
    <input id=text onkeydown=\"if(event.key=='Enter')window.entered=this.value\">\
    <input id=file type=file style=display:none onchange=\"window.chosen=this.files[0].name\">\
    <p id=zone ondragover=event.preventDefault() \
     ondrop=\"event.preventDefault();event.dataTransfer.files[0].text().then(text=>window.dropped=text)\">drop here</p>";

#[tokio::test(flavor = "multi_thread")]
async fn gestures_reach_the_page() {
    let browser = Browser::start(View::DESK).await;
    browser.open(PAGE).await;

    browser.click("button").await;
    browser.see_text("h1", "clicked").await;

    browser.type_into("#text", "typed").await;
    browser.press(ENTER).await;
    browser.until("the text after Enter", "return window.entered === arguments[0]", json!(["typed"])).await;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rule.wasm");
    std::fs::write(&file, "content").unwrap();
    browser.choose_file("#file", &file).await;
    browser.until("the chosen file", "return window.chosen === arguments[0]", json!(["rule.wasm"])).await;

    browser.drop_file("#zone", "other.wasm", b"dropped").await;
    browser.until("the dropped file", "return window.dropped === arguments[0]", json!(["dropped"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn size_theme_and_console_are_the_ones_asked_for() {
    let browser = Browser::start(View::DESK).await;
    browser.open(PAGE).await;
    let seen = "return [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]";
    assert_eq!(browser.run(seen, json!([])).await, json!([1280, false]));

    browser.look_through(View::PHONE.dark()).await;

    assert_eq!(browser.run(seen, json!([])).await, json!([390, true]));
    browser.run("console.error('a word')", json!([])).await;
    let console = browser.console().await;
    assert!(console.len() == 1 && console[0].contains("a word"), "{console:?}");
    let picture = std::fs::read(browser.screenshot("harness phone dark").await).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
}
