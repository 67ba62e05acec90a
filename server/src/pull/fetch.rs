//! Asking over the network: one connection a question, to an address that was judged, with everything bounded.

use std::{
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::TlsConnector;

use super::{
    address::{self, Trust},
    target::{Place, Scheme},
};

/// Bytes of an answer. Envoy with some thousand hosts and a large scrape have less.
pub const MAX_BODY_BYTES: usize = 8 << 20;
/// Addresses of one name.
pub const MAX_ADDRESSES: usize = 64;
/// Said to those who are asked.
const USER_AGENT: &str = concat!("spillway/", env!("CARGO_PKG_VERSION"));

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// It must not be asked. That says nothing of its health.
    #[error("{0}")]
    Refused(String),
    /// It was asked and did not answer.
    #[error("{0}")]
    NoAnswer(String),
}

/// A whole answer over HTTP.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// The addresses of a target's host, each of them judged: a name that also has a forbidden one is not asked at all.
///
/// # Errors
/// [`Failed`]: the name is not known, or an address is forbidden.
pub async fn addresses(place: &Place, trust: Trust) -> Result<Vec<SocketAddr>, Failed> {
    let found = lookup_host((&*place.host, place.port))
        .await
        .map_err(|error| Failed::NoAnswer(format!("the name {} cannot be resolved: {error}", place.host)))?;
    let mut addresses: Vec<SocketAddr> = found.take(MAX_ADDRESSES).collect();
    for found in &addresses {
        if let Some(why) = address::refused(found.ip(), trust) {
            let who = if place.host == found.ip().to_string() { String::new() } else { format!("{} is ", place.host) };
            return Err(Failed::Refused(format!("{who}{}: {why}", found.ip())));
        }
    }
    addresses.sort();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(Failed::NoAnswer(format!("the name {} has no address", place.host)));
    }
    Ok(addresses)
}

/// Connects, and no more.
///
/// # Errors
/// [`Failed::NoAnswer`].
pub async fn connect(address: SocketAddr) -> Result<TcpStream, Failed> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| Failed::NoAnswer(format!("no connection to {address}: {error}")))?;
    // Questions are small; without this an answer can wait for 40 ms.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn open(place: &Place, address: SocketAddr) -> Result<Box<dyn Stream>, Failed> {
    let stream = connect(address).await?;
    let protocol: &[u8] = match place.scheme {
        Scheme::Http | Scheme::Tcp | Scheme::Grpc => return Ok(Box::new(stream)),
        Scheme::Https => b"http/1.1",
        Scheme::Grpcs => b"h2",
    };
    let name = ServerName::try_from(place.host.clone())
        .map_err(|_| Failed::Refused(format!("{} is no name that a certificate can have", place.host)))?;
    let connector = TlsConnector::from(tls(protocol)?);
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| Failed::NoAnswer(format!("no TLS with {address}: {error}")))?;
    Ok(Box::new(stream))
}

/// The authorities that this machine trusts; read once.
fn tls(protocol: &[u8]) -> Result<Arc<ClientConfig>, Failed> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    if roots.is_empty() {
        return Err(Failed::Refused(
            "this machine has no certificates of authorities, so nobody can be asked over TLS".into(),
        ));
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots.clone()).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

/// Runs a connection as long as the exchange over it takes.
async fn driven<T>(connection: impl Future, exchange: impl Future<Output = T>) -> T {
    let (mut connection, mut exchange) = (pin!(connection), pin!(exchange));
    tokio::select! {
        biased;
        result = &mut exchange => return result,
        _ = &mut connection => {}
    }
    // It ended first: what it delivered is still to be read, and if that is not all, reading it ends with the error.
    exchange.await
}

/// `GET`, with each piece of the body handed out until `each` has enough. Redirects are answers like others: what they lead to was not judged.
///
/// # Errors
/// [`Failed`].
pub async fn get_pieces(
    place: &Place,
    address: SocketAddr,
    path: &str,
    accept: &str,
    each: impl FnMut(u16, &[u8]) -> Enough,
) -> Result<u16, Failed> {
    let stream = open(place, address).await?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(64 << 10)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Failed::NoAnswer(error.to_string()))?;
    let request = Request::get(path)
        .header(header::HOST, place.authority())
        .header(header::ACCEPT, accept)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Full::<Bytes>::default())
        .map_err(|_| Failed::Refused(format!("`{path}` cannot be asked for")))?;
    let exchange = async move {
        let answer = sender.send_request(request).await.map_err(|error| broken(address, &error))?;
        let status = answer.status().as_u16();
        pieces(answer.into_body(), address, status, each).await?;
        Ok(status)
    };
    driven(connection, exchange).await
}

/// Whether more of a body is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough {
    /// Go on.
    No,
    /// What was read is enough.
    Yes,
}

async fn pieces(
    mut body: Incoming,
    address: SocketAddr,
    status: u16,
    mut each: impl FnMut(u16, &[u8]) -> Enough,
) -> Result<(), Failed> {
    let mut left = MAX_BODY_BYTES;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(address, &error))?;
        let Some(data) = frame.data_ref() else { continue };
        let Some(less) = left.checked_sub(data.len()) else {
            return Err(Failed::NoAnswer(format!(
                "the answer of {address} is larger than {} MiB",
                MAX_BODY_BYTES >> 20
            )));
        };
        left = less;
        if each(status, data) == Enough::Yes {
            return Ok(());
        }
    }
    Ok(())
}

fn broken(address: SocketAddr, error: &hyper::Error) -> Failed {
    Failed::NoAnswer(format!("the connection to {address} broke: {error}"))
}

/// `GET`, the whole answer.
///
/// # Errors
/// [`Failed`].
pub async fn get(place: &Place, address: SocketAddr, path: &str, accept: &str) -> Result<Answer, Failed> {
    let mut body = BytesMut::new();
    let status = get_pieces(place, address, path, accept, |_, piece| {
        body.extend_from_slice(piece);
        Enough::No
    })
    .await?;
    Ok(Answer { status, body: body.freeze() })
}

/// Calls `grpc.health.v1.Health/Check` for a service, or for the whole server when it is empty: the code of the call, and the message.
///
/// # Errors
/// [`Failed`].
pub async fn grpc_check(place: &Place, address: SocketAddr, service: &str) -> Result<(u32, Bytes), Failed> {
    let stream = open(place, address).await?;
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .max_header_list_size(16 << 10)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Failed::NoAnswer(error.to_string()))?;
    let scheme = if place.scheme == Scheme::Grpcs { "https" } else { "http" };
    // Boxed, because the compiler cannot see for every lifetime that what is inside may change threads.
    let connection: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>> = Box::pin(connection);
    let request = Request::post(format!("{scheme}://{}/grpc.health.v1.Health/Check", place.authority()))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, USER_AGENT)
        .body(Full::new(health_request(service)))
        .map_err(|_| Failed::Refused(format!("{} cannot be asked", place.authority())))?;
    let exchange = async move {
        let answer = sender.send_request(request).await.map_err(|error| broken(address, &error))?;
        let (head, mut body) = answer.into_parts();
        let (mut data, mut trailers) = (BytesMut::new(), HeaderMap::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(address, &error))?;
            match frame.into_data() {
                // An answer has some bytes.
                Ok(piece) if data.len() + piece.len() <= 64 << 10 => data.extend_from_slice(&piece),
                Ok(_) => return Err(Failed::NoAnswer(format!("the answer of {address} is larger than 64 KiB"))),
                Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
            }
        }
        // An error may come with its code among the headers.
        let code = trailers.get("grpc-status").or_else(|| head.headers.get("grpc-status"));
        let code = code.and_then(|code| code.to_str().ok()?.parse().ok()).ok_or_else(|| {
            Failed::NoAnswer(format!("{address} answers {} and no grpc-status: it does not speak gRPC", head.status))
        })?;
        // A byte that says whether it is compressed, and the length.
        data.advance(data.len().min(5));
        Ok((code, data.freeze()))
    };
    driven(connection, exchange).await
}

/// A framed `HealthCheckRequest`: field 1 is the service.
fn health_request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.put_u8((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        message.put_u8(length as u8);
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put(message);
    framed.freeze()
}
