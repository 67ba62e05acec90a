//! One word and one wire name for each state, so that tables, panels and the map speak alike.

use spillway_api::{
    Breaker, BreakerState, Criticality, DecisionState, DemoFault, HealthStatus, NodeKind, PluginMode, Protocol,
    ServiceHealth, SpanKind, SpanStatus,
};

/// `healthy`, `degraded`, `failing`, `unknown`: the word and the `data-state` token.
pub const fn health(state: ServiceHealth) -> &'static str {
    match state {
        ServiceHealth::Healthy => "healthy",
        ServiceHealth::Degraded => "degraded",
        ServiceHealth::Failing => "failing",
        ServiceHealth::Unknown => "unknown",
    }
}

/// How bad it is, for sorting: failing first.
pub const fn severity(state: ServiceHealth) -> u8 {
    match state {
        ServiceHealth::Failing => 0,
        ServiceHealth::Degraded => 1,
        ServiceHealth::Unknown => 2,
        ServiceHealth::Healthy => 3,
    }
}

/// The word for people.
pub const fn breaker(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::HalfOpen => "half-open",
        BreakerState::Open => "open",
        BreakerState::ForcedOpen => "forced open",
        BreakerState::Disabled => "disabled",
        BreakerState::MetricsOnly => "metrics only",
        BreakerState::Unknown => "unknown",
    }
}

/// The `data-state` token.
pub const fn breaker_token(state: BreakerState) -> &'static str {
    match state {
        BreakerState::HalfOpen => "half_open",
        // They look like what they do; the word says the rest.
        BreakerState::ForcedOpen => "open",
        BreakerState::Disabled | BreakerState::MetricsOnly => "closed",
        other => breaker(other),
    }
}

/// "open 2 of 5", or the state alone.
pub fn breakers(merged: &Breaker) -> String {
    let word = breaker(merged.state);
    if merged.state.refuses() { format!("{word} {} of {}", merged.open, merged.total) } else { word.to_owned() }
}

/// What an instance says of itself.
pub const fn reported(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Up => "up",
        HealthStatus::Degraded => "degraded",
        HealthStatus::Down => "down",
    }
}

/// What a node is.
pub const fn kind(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Service => "service",
        NodeKind::Database => "database",
        NodeKind::Queue => "queue",
        NodeKind::External => "external host",
        NodeKind::User => "callers without telemetry",
        NodeKind::Other => "everything beyond the cap",
    }
}

/// How two nodes talk, for people.
pub const fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "HTTP",
        Protocol::Grpc => "gRPC",
        Protocol::Graphql => "GraphQL",
        Protocol::Websocket => "WebSocket",
        Protocol::Rpc => "RPC",
        Protocol::Messaging => "messaging",
        Protocol::Database => "database",
        Protocol::Unknown => "unknown protocol",
    }
}

/// The wire name of a protocol.
pub const fn protocol_token(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "http",
        Protocol::Grpc => "grpc",
        Protocol::Graphql => "graphql",
        Protocol::Websocket => "websocket",
        Protocol::Rpc => "rpc",
        Protocol::Messaging => "messaging",
        Protocol::Database => "database",
        Protocol::Unknown => "unknown",
    }
}

/// Reads [`protocol_token`] back.
pub fn parse_protocol(token: &str) -> Option<Protocol> {
    const ALL: [Protocol; 8] = [
        Protocol::Http,
        Protocol::Grpc,
        Protocol::Graphql,
        Protocol::Websocket,
        Protocol::Rpc,
        Protocol::Messaging,
        Protocol::Database,
        Protocol::Unknown,
    ];
    ALL.into_iter().find(|protocol| protocol_token(*protocol) == token)
}

/// `off`, `shadow`, `active`: the word and the `data-mode` token.
pub const fn mode(mode: PluginMode) -> &'static str {
    match mode {
        PluginMode::Off => "off",
        PluginMode::Shadow => "shadow",
        PluginMode::Active => "active",
    }
}

/// The word for a decision's state.
pub const fn decision(state: DecisionState) -> &'static str {
    match state {
        DecisionState::InForce => "in force",
        DecisionState::Ended => "ended",
        DecisionState::Shadow => "shadow",
    }
}

/// The `data-state` token of a decision.
pub const fn decision_token(state: DecisionState) -> &'static str {
    match state {
        DecisionState::InForce => "in_force",
        DecisionState::Ended => "ended",
        DecisionState::Shadow => "shadow",
    }
}

/// The word for a class of requests.
pub const fn class(class: Criticality) -> &'static str {
    match class {
        Criticality::CriticalPlus => "critical-plus",
        Criticality::Critical => "critical",
        Criticality::SheddablePlus => "sheddable-plus",
        Criticality::Sheddable => "sheddable",
    }
}

/// The switch of a demo dependency: the word and the wire name.
pub const fn fault(fault: DemoFault) -> &'static str {
    match fault {
        DemoFault::None => "none",
        DemoFault::Slow => "slow",
        DemoFault::Failing => "failing",
        DemoFault::Dead => "dead",
    }
}

/// Which side of a call a span is.
pub const fn span_kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "unspecified",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

/// Whether a span failed.
pub const fn span_status(status: SpanStatus) -> &'static str {
    match status {
        SpanStatus::Unset => "unset",
        SpanStatus::Ok => "ok",
        SpanStatus::Error => "error",
    }
}

/// The environment for people: an empty one is named, not hidden.
pub fn environment(name: &str) -> &str {
    if name.is_empty() { "no environment" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_survives_its_token() {
        for token in ["http", "grpc", "graphql", "websocket", "rpc", "messaging", "database", "unknown"] {
            assert_eq!(parse_protocol(token).map(protocol_token), Some(token));
        }
        assert_eq!(parse_protocol("telepathy"), None);
    }
}
