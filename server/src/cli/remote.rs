//! A running server, for commands that find the data directory in use: they ask the server that has it.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Serialize, de::DeserializeOwned};
use spillway_api::Problem;

/// A count over all blocks takes as long as it takes to read them.
const TIMEOUT: Duration = Duration::from_secs(600);
/// A page of traces is far below.
const ANSWER_BYTES: usize = 256 << 20;

/// Where a running server is.
#[derive(Args, Clone, Debug)]
pub struct RemoteArgs {
    /// The server to ask when one has the data directory open; its admin token is taken from SPILLWAY_ADMIN_TOKEN
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7070")]
    url: String,
}

/// Speaks to it.
pub struct Remote {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    authorization: Option<String>,
}

/// Why it did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No answer.
    #[error("no answer from {url}, which is to have the data directory open: {why}; say where it is with --url")]
    Unreachable {
        /// Who was asked.
        url: String,
        /// Why not.
        why: String,
    },
    /// It refused.
    #[error("the server at {url} answered {status}: {detail}")]
    Refused {
        /// Who was asked.
        url: String,
        /// Its status.
        status: StatusCode,
        /// What it said.
        detail: String,
    },
    /// What it said cannot be put where it is to go.
    #[error("cannot write what the server sends: {0}")]
    Output(#[source] std::io::Error),
}

impl Remote {
    /// Nothing is sent yet.
    pub fn new(args: &RemoteArgs) -> Self {
        let token = std::env::var("SPILLWAY_ADMIN_TOKEN").ok().filter(|token| !token.is_empty());
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            url: args.url.trim_end_matches('/').to_owned(),
            authorization: token.map(|token| format!("Bearer {token}")),
        }
    }

    /// Asks for JSON.
    ///
    /// # Errors
    /// [`RemoteError`] when it does not answer with success.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RemoteError> {
        self.call(Method::GET, path, Bytes::new(), "").await
    }

    /// Sends JSON and gets some back.
    ///
    /// # Errors
    /// [`RemoteError`] when it does not answer with success.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, RemoteError> {
        let body = serde_json::to_vec(body).map_err(|error| self.unreachable(error))?;
        self.call(Method::POST, path, body.into(), "application/json").await
    }

    /// Sends a body and gets JSON back.
    ///
    /// # Errors
    /// [`RemoteError`] when it does not answer with success.
    pub async fn send<T: DeserializeOwned>(&self, path: &str, body: Bytes) -> Result<T, RemoteError> {
        self.call(Method::POST, path, body, "application/json").await
    }

    /// Gets an answer of any length piece by piece.
    ///
    /// # Errors
    /// [`RemoteError`] when it does not answer with success, when the answer breaks off, or when `piece` fails.
    pub async fn stream(
        &self,
        path: &str,
        mut piece: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(), RemoteError> {
        let request = self.request(Method::GET, path, Bytes::new(), "")?;
        let (head, mut body) = self.client.request(request).await.map_err(|e| self.unreachable(e))?.into_parts();
        if !head.status.is_success() {
            let answer = Limited::new(body, ANSWER_BYTES).collect().await.map_err(|e| self.unreachable(e))?;
            return Err(self.refused(head.status, &answer.to_bytes()));
        }
        while let Some(frame) = body.frame().await {
            if let Ok(bytes) = frame.map_err(|error| self.unreachable(error))?.into_data() {
                piece(&bytes).map_err(RemoteError::Output)?;
            }
        }
        Ok(())
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        content_type: &'static str,
    ) -> Result<Request<Full<Bytes>>, RemoteError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if !content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request.body(Full::new(body)).map_err(|error| self.unreachable(error))
    }

    fn refused(&self, status: StatusCode, answer: &[u8]) -> RemoteError {
        let detail = serde_json::from_slice::<Problem>(answer).map_or_else(|_| String::new(), |it| it.detail);
        RemoteError::Refused { url: self.url.clone(), status, detail }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        content_type: &'static str,
    ) -> Result<T, RemoteError> {
        let request = self.request(method, path, body, content_type)?;
        let exchange = async {
            let (head, body) = self.client.request(request).await.map_err(|e| self.unreachable(e))?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(|e| self.unreachable(e))?;
            Ok((head.status, body.to_bytes()))
        };
        let late = |_| self.unreachable(format!("none within {} s", TIMEOUT.as_secs()));
        let (status, answer) = tokio::time::timeout(TIMEOUT, exchange).await.map_err(late)??;
        if !status.is_success() {
            return Err(self.refused(status, &answer));
        }
        serde_json::from_slice(&answer).map_err(|error| self.unreachable(error))
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> RemoteError {
        RemoteError::Unreachable { url: self.url.clone(), why: why.to_string() }
    }
}
