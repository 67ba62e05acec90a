//! What an operator sees of the process: its listeners, its end, its next start.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::harness::{Client, Server, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn every_listener_that_is_printed_takes_connections() {
    let server = Server::start().await;

    for url in [&server.http, &server.otlp_http, &server.otlp_grpc] {
        let address = url.split_once("://").map_or(url.as_str(), |(_, address)| address);
        let connected = TcpStream::connect(address).await;
        assert!(connected.is_ok(), "{url}: {connected:?}{}", server.last_words());
    }
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
