//! The attribute keys that mean something to the map, in today's and in older semantic conventions.
//!
//! A fleet sends old, new or both names at once (`OTEL_SEMCONV_STABILITY_OPT_IN`), so both are read and none is required.

/// What an attribute key says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Attribute {
    /// The key was not looked at yet.
    #[default]
    Unread,
    /// Nothing for the map.
    Other,
    /// Any HTTP attribute without a use of its own: evidence of the protocol.
    Http,
    /// The HTTP status.
    HttpStatus,
    /// `ws` and `wss` are WebSockets.
    Scheme,
    /// A whole URL: its host, when nothing better is there.
    Url,
    /// The `Upgrade` header of the request.
    Upgrade,
    /// `websocket`, in instrumentations that know.
    ProtocolName,
    /// Any RPC attribute.
    Rpc,
    /// `grpc` or another.
    RpcSystem,
    /// Name of the remote service within the RPC system.
    RpcService,
    /// `package.Service/method` in the newer conventions.
    RpcMethod,
    /// Any GraphQL attribute.
    Graphql,
    /// Any database attribute.
    Db,
    /// Which product.
    DbSystem,
    /// Which database in it.
    DbNamespace,
    /// Any messaging attribute.
    Messaging,
    /// Which product.
    MessagingSystem,
    /// Queue or topic.
    Destination,
    /// Queue or topic with its variable parts left out.
    DestinationTemplate,
    /// True for queues that live shorter than their service.
    DestinationTemporary,
    /// What is done with the message.
    Operation,
    /// The same in the system's own words.
    OperationName,
    /// Name of the callee, as the caller knows it.
    PeerService,
    /// Namespace of the callee.
    PeerNamespace,
    /// Host of the callee.
    Address,
    /// Its network address: worse than its name.
    PeerAddress,
    /// Its port.
    Port,
    /// True when the request was turned away on purpose.
    Shed,
    /// The header that a rejection carries.
    ShedHeader,
    /// How Jaeger's clients chose the trace; on its first span only.
    Sampler,
    /// With which chance.
    SamplerParam,
}

impl Attribute {
    /// What this key says.
    pub(super) fn of(key: &str) -> Self {
        match key {
            "http.response.status_code" | "http.status_code" => Self::HttpStatus,
            "url.scheme" | "http.scheme" => Self::Scheme,
            "url.full" | "http.url" => Self::Url,
            "http.request.header.upgrade" => Self::Upgrade,
            "network.protocol.name" => Self::ProtocolName,
            "rpc.system.name" | "rpc.system" => Self::RpcSystem,
            "rpc.service" => Self::RpcService,
            "rpc.method" => Self::RpcMethod,
            "db.system.name" | "db.system" => Self::DbSystem,
            "db.namespace" | "db.name" => Self::DbNamespace,
            "messaging.system" => Self::MessagingSystem,
            "messaging.destination.name" | "messaging.destination" => Self::Destination,
            "messaging.destination.template" => Self::DestinationTemplate,
            "messaging.destination.temporary" | "messaging.destination.anonymous" | "messaging.temp_destination" => {
                Self::DestinationTemporary
            }
            "messaging.operation.type" | "messaging.operation" => Self::Operation,
            "messaging.operation.name" => Self::OperationName,
            "service.peer.name" | "peer.service" => Self::PeerService,
            "service.peer.namespace" => Self::PeerNamespace,
            "server.address" | "net.peer.name" | "http.host" => Self::Address,
            "network.peer.address" | "net.sock.peer.addr" | "net.peer.ip" => Self::PeerAddress,
            "server.port" | "net.peer.port" => Self::Port,
            "spillway.shed" => Self::Shed,
            "http.response.header.x-spillway-decision" | "http.response.header.x_spillway_decision" => Self::ShedHeader,
            "sampler.type" => Self::Sampler,
            "sampler.param" => Self::SamplerParam,
            _ => Self::of_family(key),
        }
    }

    fn of_family(key: &str) -> Self {
        match key.split_once('.').map_or("", |(family, _)| family) {
            "http" => Self::Http,
            "rpc" => Self::Rpc,
            "graphql" => Self::Graphql,
            "db" => Self::Db,
            "messaging" => Self::Messaging,
            _ => Self::Other,
        }
    }

    /// The current name wins over the old one when a span carries both and they differ.
    pub(super) fn current(key: &str) -> bool {
        !matches!(
            key,
            "http.status_code"
                | "http.scheme"
                | "http.url"
                | "rpc.system"
                | "db.system"
                | "db.name"
                | "messaging.destination"
                | "messaging.operation"
                | "peer.service"
                | "net.peer.name"
                | "http.host"
                | "net.sock.peer.addr"
                | "net.peer.ip"
                | "net.peer.port"
                | "messaging.temp_destination"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_names_say_the_same() {
        for (new, old) in [
            ("http.response.status_code", "http.status_code"),
            ("db.system.name", "db.system"),
            ("db.namespace", "db.name"),
            ("rpc.system.name", "rpc.system"),
            ("messaging.destination.name", "messaging.destination"),
            ("messaging.operation.type", "messaging.operation"),
            ("service.peer.name", "peer.service"),
            ("server.address", "net.peer.name"),
            ("server.port", "net.peer.port"),
            ("url.full", "http.url"),
        ] {
            assert_eq!(Attribute::of(new), Attribute::of(old), "{new}");
            assert!(Attribute::current(new) && !Attribute::current(old), "{new}");
        }
        assert_eq!(Attribute::of("http.route"), Attribute::Http);
        assert_eq!(Attribute::of("graphql.operation.name"), Attribute::Graphql);
        assert_eq!(Attribute::of("thread.id"), Attribute::Other);
        assert_eq!(Attribute::of("httpx"), Attribute::Other);
    }
}
