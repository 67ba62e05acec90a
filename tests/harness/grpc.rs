//! A gRPC client for one call: the five bytes before a message and the trailers behind it, over HTTP/2.

use std::io::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

pub struct Grpc {
    pool: Client<HttpConnector, Full<Bytes>>,
    url: String,
}

/// What a call came to.
#[derive(Debug)]
pub struct Reply {
    pub code: i32,
    pub text: String,
    pub message: Bytes,
}

impl Grpc {
    pub fn new(url: &str) -> Self {
        Self::of(url, "trace.v1.TraceService")
    }

    /// One that sends metrics.
    pub fn metrics(url: &str) -> Self {
        Self::of(url, "metrics.v1.MetricsService")
    }

    fn of(url: &str, service: &str) -> Self {
        let pool = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let url = format!("{}/opentelemetry.proto.collector.{service}/Export", url.replace("grpc://", "http://"));
        Self { pool, url }
    }

    pub async fn export(&self, message: &[u8], gzip: bool) -> Reply {
        if !gzip {
            return self.export_as(message, None).await;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(message).unwrap();
        self.export_as(&encoder.finish().unwrap(), Some("gzip")).await
    }

    /// Sends a message that is compressed already.
    pub async fn export_as(&self, message: &[u8], encoding: Option<&str>) -> Reply {
        let mut request = Request::post(&self.url).header("content-type", "application/grpc").header("te", "trailers");
        let mut body = BytesMut::new();
        if let Some(encoding) = encoding {
            request = request.header("grpc-encoding", encoding);
        }
        body.put_u8(encoding.is_some().into());
        body.put_u32(message.len().try_into().unwrap());
        body.put_slice(message);
        let response = self.pool.request(request.body(Full::new(body.freeze())).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        // An error comes with its status among the headers, success with it among the trailers.
        let field = |name: &str| {
            let value =
                trailers.get(name).or_else(|| head.headers.get(name)).map(|value| value.to_str().unwrap().to_owned());
            value.unwrap_or_default()
        };
        let message = body.to_bytes();
        Reply {
            code: field("grpc-status").parse().unwrap_or_else(|_| panic!("no grpc-status: {head:?} {trailers:?}")),
            text: field("grpc-message"),
            message: message.slice(message.len().min(5)..),
        }
    }
}
