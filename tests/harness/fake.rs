//! A service that the server asks: pages that the test writes, on a port of loopback.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::{net::TcpListener, task::JoinHandle};

/// What a path answers.
#[derive(Clone)]
enum Page {
    Text(u16, String),
    /// Says it again every 20 ms and never ends.
    Stream(String),
    /// A gRPC message in its frame, and the code behind it.
    Grpc(Vec<u8>, u32),
    /// Where else to look.
    Redirect(String),
}

type Pages = Arc<Mutex<BTreeMap<String, Page>>>;

pub struct Fake {
    /// `127.0.0.1:port`.
    pub address: String,
    pages: Pages,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (pages, asked) = (Pages::default(), Arc::<Mutex<Vec<String>>>::default());
        let (known, noted) = (pages.clone(), asked.clone());
        let router = Router::new().fallback(move |request: Request| {
            let path = request.uri().path().to_owned();
            noted.lock().unwrap().push(path.clone());
            let page = known.lock().unwrap().get(&path).cloned();
            async move { page.map_or_else(|| answer(404, Body::empty()), Page::answer) }
        });
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, pages, asked, serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn says(&self, path: &str, status: u16, text: impl ToString) {
        self.set(path, Page::Text(status, text.to_string()));
    }

    pub fn streams(&self, path: &str, text: &str) {
        self.set(path, Page::Stream(text.to_owned()));
    }

    pub fn answers_grpc(&self, path: &str, message: &[u8], code: u32) {
        self.set(path, Page::Grpc(message.to_vec(), code));
    }

    pub fn redirects(&self, path: &str, to: &str) {
        self.set(path, Page::Redirect(to.to_owned()));
    }

    /// The paths that were asked for, in their order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn set(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Page {
    fn answer(self) -> Response {
        match self {
            Self::Text(status, text) => answer(status, Body::from(text)),
            Self::Stream(text) => {
                let again = stream::unfold((), move |()| {
                    let text = text.clone();
                    async move {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        Some((Ok::<_, Infallible>(text), ()))
                    }
                });
                answer(200, Body::from_stream(again))
            }
            Self::Grpc(message, code) => {
                let mut framed = vec![0];
                framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
                framed.extend_from_slice(&message);
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", code.into());
                let frames = [Frame::data(Bytes::from(framed)), Frame::trailers(trailers)];
                answer(200, Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)))))
            }
            Self::Redirect(to) => {
                let mut response = answer(302, Body::empty());
                response.headers_mut().insert("location", to.parse().unwrap());
                response
            }
        }
    }
}

fn answer(status: u16, body: Body) -> Response {
    Response::builder().status(status).body(body).unwrap()
}
