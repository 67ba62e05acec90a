//! Targets: whom the server asks how they are.

use serde::{Deserialize, Serialize};

use crate::{HealthStatus, Timestamp};

/// What a target answers, and so how it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TargetFormat {
    /// Health by HTTP status, and by the one word `Healthy`, `Degraded` or `Unhealthy`.
    #[default]
    Http,
    /// Health: a TCP connection comes about.
    Tcp,
    /// Health: `grpc.health.v1.Health/Check`; the path of the URL names the service that is asked for.
    Grpc,
    /// Spring Boot's actuator: its health, and resilience4j's breakers and limiters. The URL is that of `/actuator`.
    Actuator,
    /// `application/health+json`.
    HealthJson,
    /// MicroProfile Health.
    Microprofile,
    /// .NET's health checks UI.
    Dotnet,
    /// Consul's health endpoints.
    Consul,
    /// A Hystrix event stream: breakers and thread pools.
    Hystrix,
    /// Envoy's admin interface: ejected hosts and limits. The URL is its root.
    Envoy,
    /// A Prometheus scrape: breakers and limiters.
    Prometheus,
}

/// Where a target comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TargetOrigin {
    /// The configuration.
    Config,
    /// Somebody added it.
    Api,
    /// A file of Prometheus' file discovery.
    FileSd,
    /// An address of Prometheus' HTTP discovery.
    HttpSd,
}

/// Whom to ask, how and how often. Body of `POST /api/v1/targets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TargetSpec {
    /// `service.name` of whom it answers for.
    pub service: String,
    /// `deployment.environment.name`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// `service.namespace`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `service.instance.id`; left out, it is the address that was asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// Where: `http`, `https`, `tcp`, `grpc` or `grpcs`.
    pub url: String,
    /// How.
    #[serde(default)]
    pub format: TargetFormat,
    /// How often, 1,000 to 30,000: what is said is believed for a minute.
    #[serde(default = "every_ms")]
    pub every_ms: u32,
    /// How long to wait, less than `every_ms`.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u32,
    /// Ask each address that the host's name has, as an instance of its own.
    #[serde(default)]
    pub each_address: bool,
}

/// As Kubernetes' probes have it.
const fn every_ms() -> u32 {
    10_000
}

/// As Kubernetes' probes have it.
const fn timeout_ms() -> u32 {
    1_000
}

/// Something in an answer that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TargetIgnored {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// How often in the last answer.
    pub times: u64,
}

/// What became of the last time that one address was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TargetCheck {
    /// Which instance.
    pub instance: String,
    /// When it was asked.
    pub at: Timestamp,
    /// How long that took.
    pub took_ms: u32,
    /// What is believed of its health, after the same answer came often enough; `null` when nothing is.
    pub health: Option<HealthStatus>,
    /// Why, or why nothing is known of it; empty when all is well.
    pub detail: String,
    /// Failures in a row; three are believed.
    pub failures: u32,
    /// Breakers and limiters in the answer.
    pub readings: u32,
    /// What of the answer was left out.
    pub ignored: Vec<TargetIgnored>,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// The begin of the body, with secrets masked.
    pub body: String,
}

/// Whom the server asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Target {
    /// Names it: made from what it is.
    pub id: String,
    /// Where it comes from; only those of `api` can be removed here.
    pub origin: TargetOrigin,
    /// What it is.
    pub spec: TargetSpec,
    /// The last answers, one for each address; empty until the first.
    pub checks: Vec<TargetCheck>,
}

/// `GET /api/v1/targets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TargetList {
    /// By service, then by URL.
    pub targets: Vec<Target>,
    /// What of the discovery did not work, and why.
    pub problems: Vec<String>,
    /// So many targets at most.
    pub most: u32,
}
