//! Directive protocol, version 1: what enforcers fetch and obey.
//!
//! A directive is a lease. Its time to live counts from receipt on the enforcer's monotonic clock; when it expires the
//! enforcer ramps back to admitting everything within 3 s, so that neither our death nor a partition stops traffic.

use serde::{Deserialize, Serialize};

use crate::Criticality;

/// Which requests a directive is about. An absent field matches everything.
///
/// Unknown fields are an error on purpose: an enforcer that ignored a matcher would apply the directive to too much.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// `deployment.environment.name` of the enforcing service.
    pub environment: String,
    /// `service.namespace` of the enforcing service.
    pub namespace: String,
    /// `service.name` of the enforcing service.
    pub service: String,
    /// `service.name` of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The normalised route (`http.route`, or the gRPC method), never a raw path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// This class and the less important ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Criticality>,
    /// First cohort, 0 to 127.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort_from: Option<u16>,
    /// Last cohort, 0 to 127, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort_to: Option<u16>,
    /// `service.instance.id` of the enforcing instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// What to do with the matching requests. Limits are this instance's share already: the host divides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Admit this share, 0 to 1.
    AdmitRatio {
        /// Share to admit.
        ratio: f64,
    },
    /// Reject every request whose level is at or above this.
    LevelThreshold {
        /// 0 to 512; 512 rejects nothing.
        level: u16,
    },
    /// At most this many at once.
    ConcurrencyLimit {
        /// Requests in flight.
        limit: u32,
    },
    /// A token bucket.
    RateLimit {
        /// Tokens per second.
        per_second: f64,
        /// Size of the bucket.
        burst: u32,
    },
    /// Let it run, but as its degraded variant: the request carries `x-spillway-degrade: <variant>`.
    Degrade {
        /// Name of the variant.
        variant: String,
    },
}

/// What happens when the lease ends without a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// Ramp back to admitting everything.
    #[default]
    Admit,
}

/// Who is behind a directive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Author {
    /// A rule.
    Rule {
        /// Name of the plugin.
        plugin: String,
        /// Its version.
        version: String,
        /// How it runs: `active`.
        mode: crate::PluginMode,
    },
    /// A person.
    Person {
        /// Who.
        person: String,
    },
}

/// One lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Directive {
    /// Stable while the decision lasts; a rejection names it in `X-Spillway-Decision`.
    pub id: String,
    /// Which requests.
    pub r#match: Match,
    /// What to do.
    pub action: Action,
    /// Counts from receipt.
    pub ttl_ms: u32,
    /// What happens then.
    #[serde(default)]
    pub on_expiry: OnExpiry,
    /// For the `Retry-After` of a rejection; the enforcer adds jitter.
    #[serde(default)]
    pub retry_after_ms: Option<u32>,
    /// One sentence that a person on call understands.
    pub reason: String,
    /// Who decided.
    pub by: Author,
}

/// The answer of `GET /api/v1/directives`: everything in force for one instance of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DirectiveSet {
    /// `<boot epoch>-<n>`; also the ETag. A set with another revision replaces the whole of the last one.
    pub revision: String,
    /// In force now.
    pub directives: Vec<Directive>,
}

/// A directive that this enforcer cannot obey, and why. It is reported with the usage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IgnoredDirective {
    /// Its id, or `?` when it has none.
    pub id: String,
    /// What was not understood.
    pub reason: String,
}

/// What an enforcer understood of a [`DirectiveSet`].
#[derive(Clone, Debug, PartialEq)]
pub struct ReadDirectives {
    /// The set's revision.
    pub revision: String,
    /// Those that are understood.
    pub directives: Vec<Directive>,
    /// Those that are not: one strange directive must not disarm the others.
    pub ignored: Vec<IgnoredDirective>,
}

impl DirectiveSet {
    /// Reads a set, setting aside each directive that holds an unknown matcher or action.
    ///
    /// # Errors
    /// When the document as a whole is not a directive set.
    pub fn read(json: &[u8]) -> Result<ReadDirectives, serde_json::Error> {
        #[derive(Deserialize)]
        struct Raw {
            revision: String,
            directives: Vec<serde_json::Value>,
        }
        let raw: Raw = serde_json::from_slice(json)?;
        let mut read = ReadDirectives { revision: raw.revision, directives: Vec::new(), ignored: Vec::new() };
        for value in raw.directives {
            let id = value.get("id").and_then(|id| id.as_str()).unwrap_or("?").to_owned();
            match serde_json::from_value(value) {
                Ok(directive) => read.directives.push(directive),
                Err(error) => read.ignored.push(IgnoredDirective { id, reason: error.to_string() }),
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn the_wire_form_is_as_published() {
        let set = DirectiveSet {
            revision: "1f-42".into(),
            directives: vec![Directive {
                id: "d-7k2".into(),
                r#match: Match {
                    environment: "production".into(),
                    namespace: "shop".into(),
                    service: "checkout".into(),
                    class: Some(Criticality::Sheddable),
                    ..Match::default()
                },
                action: Action::AdmitRatio { ratio: 0.62 },
                ttl_ms: 5_000,
                on_expiry: OnExpiry::Admit,
                retry_after_ms: Some(1_000),
                reason: "checkout fails 38 % of its calls".into(),
                by: Author::Rule {
                    plugin: "goodput-guard".into(),
                    version: "0.1.0".into(),
                    mode: crate::PluginMode::Active,
                },
            }],
        };

        insta::assert_json_snapshot!(set);
        assert_eq!(DirectiveSet::read(&serde_json::to_vec(&set).unwrap()).unwrap().directives, set.directives);
    }

    #[test]
    fn an_unknown_matcher_or_action_sets_only_that_directive_aside() {
        let json = br#"{"revision":"1-1","directives":[
            {"id":"a","match":{"environment":"","namespace":"","service":"s","moon":"full"},"action":{"kind":"admit_ratio","ratio":0},"ttl_ms":1,"reason":"","by":{"person":"p"}},
            {"id":"b","match":{"environment":"","namespace":"","service":"s"},"action":{"kind":"teleport"},"ttl_ms":1,"reason":"","by":{"person":"p"}},
            {"id":"c","match":{"environment":"","namespace":"","service":"s"},"action":{"kind":"concurrency_limit","limit":3},"ttl_ms":1,"reason":"","by":{"person":"p"}}]}"#;

        let read = DirectiveSet::read(json).unwrap();

        assert_eq!(read.directives.iter().map(|d| d.id.as_str()).collect::<Vec<_>>(), ["c"]);
        assert_eq!(read.ignored.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(read.ignored[0].reason.contains("moon"), "{}", read.ignored[0].reason);
        assert!(read.ignored[1].reason.contains("teleport"), "{}", read.ignored[1].reason);
    }
}
