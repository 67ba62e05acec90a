//! The whole loop, as a person goes through it: the map fills, a trace opens, a rule is dropped in and switched on, the
//! shop is overloaded, and the decision is there to be read.

use std::path::PathBuf;

use serde_json::json;

use crate::harness::{
    Browser, Server, View, alone,
    keys::{ENTER, ESCAPE, RIGHT},
};

/// Services of the demo shop that call one another; stores, queues and the user come on top.
const SERVICES: usize = 7;

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_span_to_a_decision() {
    let _turn = alone().await;
    let server = Server::start_with(&["--demo"]).await;
    let browser = Browser::start(View::DESK).await;

    the_map_fills(&browser, &server).await;
    a_trace_opens(&browser).await;
    a_rule_is_uploaded(&browser).await;
    the_shop_is_overloaded(&browser).await;
    the_rule_decides(&browser).await;
    the_keyboard_reaches_everything(&browser).await;
    every_page_is_fit_to_be_seen(&browser).await;

    // The browser itself notes the answer to the upload that was meant to be refused.
    let refused = "/api/v1/plugins - Failed to load resource: the server responded with a status of 422";
    let errors: Vec<_> = browser
        .console()
        .await
        .into_iter()
        .filter(|line| line.starts_with("SEVERE") && !line.contains(refused))
        .collect();
    assert!(errors.is_empty(), "on the console: {errors:#?}{}", server.last_words());
}

async fn the_map_fills(browser: &Browser, server: &Server) {
    browser.open(&server.http).await;

    let drawn = "const map = document.querySelector('canvas[data-ready]'); \
                 return map && map.dataset.nodes >= arguments[0] && map.dataset.edges >= arguments[0]";
    browser.until("the shop on the map", drawn, json!([SERVICES])).await;
}

async fn a_trace_opens(browser: &Browser) {
    // The list is asked for once, when the page opens, and the first traces arrive in pieces; some touch one service
    // only. One that is worth a look has to be there before.
    let arrived = "return fetch('/api/v1/traces?limit=20').then(answer => answer.json()) \
                   .then(list => list.traces.filter(trace => trace.spans >= 8).length >= 3)";
    browser.until("whole traces in the store", arrived, json!([])).await;
    browser.click("nav a[href^='/traces']").await;
    let rich = "const row = [...document.querySelectorAll('tr[data-trace]')] \
                  .find(row => [...row.querySelectorAll('td.num')].some(cell => parseInt(cell.innerText) >= 8)); \
                return row && row.dataset.trace";
    let trace = browser.until("a trace of eight spans in the list", rich, json!([])).await;
    browser.click(&format!("tr[data-trace='{}'] a", trace.as_str().unwrap())).await;

    let spans = "return document.querySelectorAll('[data-span]').length >= 8";
    browser.until("its waterfall", spans, json!([])).await;
    browser.screenshot("trace desk light").await;
}

async fn a_rule_is_uploaded(browser: &Browser) {
    browser.click("nav a[href^='/plugins']").await;

    // Something that is no rule first: the refusal is as much a part of it as the success.
    browser.drop_file("[data-testid='drop-zone']", "notes.wasm", b"this is a text").await;
    browser.see("[data-testid='upload-refused']").await;
    browser.choose_file("[data-testid='plugin-upload']", &guest("rule_goodput_guard.wasm")).await;

    browser.see("[data-testid='upload-stored']").await;
    browser.see("article.plugin[aria-label='goodput-guard'][data-mode='off']").await;
    browser.click("article.plugin[aria-label='goodput-guard'] button[data-mode='active']").await;
    browser.see("article.plugin[aria-label='goodput-guard'][data-mode='active']").await;
}

async fn the_shop_is_overloaded(browser: &Browser) {
    browser.click("nav a[href^='/topology']").await;
    browser.click("[data-testid='demo']").await;
    browser.click("[data-demo='load'] button[data-mode='10']").await;
    browser.see("[data-demo='load'] button[data-mode='10'][aria-pressed='true']").await;
}

async fn the_rule_decides(browser: &Browser) {
    browser.click("nav a[href^='/decisions']").await;

    browser.see_text("[data-decision]", "goodput-guard").await;
    let shedding = "return fetch('/api/v1/topology').then(answer => answer.json()) \
                    .then(map => map.nodes.some(node => node.shedding && node.shedding.ratio > 0.2))";
    browser.until("a service that sheds a fifth of its load", shedding, json!([])).await;
}

async fn the_keyboard_reaches_everything(browser: &Browser) {
    for (key, page) in [("s", "services"), ("b", "breakers"), ("t", "topology")] {
        browser.press("g").await;
        browser.press(key).await;
        browser.see(&format!("[data-page='{page}']")).await;
    }

    browser.press("?").await;
    browser.see("dialog[open]").await;
    browser.press(ESCAPE).await;
    browser.until("the keys closed", "return !document.querySelector('dialog[open]')", json!([])).await;

    browser.run("document.querySelector('[data-testid=map-canvas]').focus()", json!([])).await;
    browser.press(RIGHT).await;
    browser.press(ENTER).await;
    browser.see("[data-testid='panel']").await;
    browser.screenshot("panel desk light").await;
    browser.press(ESCAPE).await;
    browser.until("the panel closed", "return !document.querySelector('[data-testid=panel]')", json!([])).await;
}

async fn every_page_is_fit_to_be_seen(browser: &Browser) {
    for page in ["topology", "services", "traces", "breakers", "plugins", "decisions", "settings"] {
        browser.click(&format!("nav a[href^='/{page}']")).await;
        browser.see(&format!("[data-page='{page}']")).await;
        for (name, view) in [
            ("desk light", View::DESK),
            ("desk dark", View::DESK.dark()),
            ("phone light", View::PHONE),
            ("phone dark", View::PHONE.dark()),
        ] {
            browser.look_through(view).await;
            // Nothing may stick out sideways: on a phone that is the usual way for a page to be broken.
            let fits = "return document.documentElement.scrollWidth <= innerWidth";
            browser.until(&format!("{page} within the width of {name}"), fits, json!([])).await;
            browser.screenshot(&format!("{page} {name}")).await;
        }
        browser.look_through(View::DESK).await;
    }
}

fn guest(file: &str) -> PathBuf {
    let folder = std::env::var_os("SPILLWAY_GUESTS")
        .expect("set SPILLWAY_GUESTS: run `cargo xtask test`, or `cargo xtask guests`");
    let path = PathBuf::from(folder).join(file);
    assert!(path.is_file(), "{} is not there; `cargo xtask guests` builds it", path.display());
    path
}
