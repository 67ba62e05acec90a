//! A developer's first minute: five services in three languages, none of them changed, each started with `spillway run`, and a correct map.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::process::Command;

use crate::harness::{Client, Process, Server, eventually, runtimes};

/// From the start of the server, with everything installed.
const A_MINUTE: Duration = Duration::from_secs(60);

const PYTHON_PACKAGES: [&str; 5] = [
    "flask==3.1.3",
    "opentelemetry-distro==0.66b1",
    "opentelemetry-exporter-otlp-proto-http==1.45.1",
    "opentelemetry-instrumentation-flask==0.66b1",
    "opentelemetry-instrumentation-urllib==0.66b1",
];
const NODE_PACKAGES: &str = include_str!("first_minute/package.json");
const PYTHON: &str = include_str!("first_minute/front.py");
const NODE: &str = include_str!("first_minute/cart.js");

/// A port that nobody has just now.
fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

/// `spillway run` in a folder, as a person types it.
fn run(server: &Server, folder: &Path, path: Option<&Path>, words: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spillway"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        command.env_remove(name);
    }
    if let Some(first) = path {
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(first.to_owned()).chain(std::env::split_paths(&rest));
        command.env("PATH", std::env::join_paths(all).unwrap());
    }
    command.current_dir(folder).env("OTEL_EXPORTER_OTLP_ENDPOINT", &server.otlp_http).args(["run", "--"]).args(words);
    Process::spawn(&words.join(" "), &mut command)
}

fn named(list: &Value, kind: &str) -> BTreeSet<String> {
    let nodes = list["nodes"].as_array().unwrap().iter().filter(|node| node["kind"] == kind);
    nodes.map(|node| node["name"].as_str().unwrap().to_owned()).collect()
}

/// The calls of the map, `caller → callee`.
fn calls(map: &Value) -> BTreeSet<String> {
    let name = |id: &Value| id.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let edges = map["edges"].as_array().unwrap().iter().filter(|edge| edge["provisional"] == false);
    edges.map(|edge| format!("{} → {}", name(&edge["source"]), name(&edge["target"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_services_in_three_languages_are_on_the_map_within_a_minute() {
    let Some(python) = runtimes::off(|| runtimes::python("python-run", &PYTHON_PACKAGES)).await else {
        return runtimes::skipped("Python");
    };
    let Some(node) = runtimes::off(|| runtimes::node("node-run", NODE_PACKAGES)).await else {
        return runtimes::skipped("Node.js with npm");
    };
    let stock = Path::new(env!("CARGO_BIN_EXE_spillway")).with_file_name("examples").join("stock");
    assert!(stock.is_file(), "{} is missing: cargo build --example stock", stock.display());
    // Where a developer would have them: scripts in a folder, packages above it.
    let shop = node.join("shop");
    std::fs::create_dir_all(&shop).unwrap();
    for (file, text) in [("front.py", PYTHON), ("pricing.py", PYTHON), ("cart.js", NODE), ("mail.js", NODE)] {
        std::fs::write(shop.join(file), text.replace("\"front\"", &format!("\"{}\"", file.trim_end_matches(".py"))))
            .unwrap();
    }
    let bin: PathBuf = python.parent().unwrap().to_owned();
    let [front, cart, pricing, mail, stock_port] = [(); 5].map(|()| free_port());
    let at = |port: &str| format!("http://127.0.0.1:{port}/");

    let began = Instant::now();
    let server = Server::start().await;
    let _shop = [
        run(&server, &shop, Some(&bin), &["python", "front.py", &front, &at(&cart), &at(&mail)]),
        run(&server, &shop, Some(&bin), &["python", "pricing.py", &pricing]),
        run(&server, &shop, None, &["node", "cart.js", &cart, &at(&pricing), &at(&stock_port)]),
        run(&server, &shop, None, &["node", "mail.js", &mail]),
        run(&server, &shop, None, &[stock.to_str().unwrap(), &stock_port]),
    ];
    let client = Client::new();
    let services = ["cart", "front", "mail", "pricing", "stock"];
    let expected: BTreeSet<String> =
        ["cart → pricing", "cart → stock", "front → cart", "front → mail", "user → front"].map(str::to_owned).into();
    eventually("the map of the five services", A_MINUTE, async || {
        // Nobody answers before all have started.
        let request = http::Request::get(at(&front)).body(bytes::Bytes::new()).unwrap();
        let answer = client.try_send(request).await?;
        let map = client.get(&server.url("/api/v1/topology")).await.value();
        let all = named(&map, "service") == services.map(str::to_owned).into() && calls(&map) == expected;
        (answer.text() == "ok, ok, ok, in stock, ok" && all).then_some(())
    })
    .await;

    let took = began.elapsed();
    assert!(took < A_MINUTE, "{took:?}");
    println!("five services were on the map after {took:?}");
}
