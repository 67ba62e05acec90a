//! A search for traces: as it stands in the URL of the page, and as it is sent to the API.

use spillway_api::Timestamp;

use crate::{query::Query, range::Range};

/// How many traces a page of the list holds.
pub const PAGE: u32 = 50;

/// What is searched for. Empty text means any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSearch {
    /// Environment; `None` for all.
    pub environment: Option<String>,
    /// Conditions in the filter language.
    pub filter: String,
    /// Service that takes part.
    pub service: String,
    /// Operation of that service.
    pub operation: String,
    /// `error`, `ok`, `unset` or empty.
    pub status: String,
    /// At least so long.
    pub min_duration_ms: Option<u64>,
    /// At most so long.
    pub max_duration_ms: Option<u64>,
    /// When.
    pub range: Range,
}

impl TraceSearch {
    /// Reads the page's URL; what cannot be read is any.
    pub fn from_query(query: &Query, environment: Option<String>) -> Self {
        let text = |key: &str| query.get(key).unwrap_or_default().to_owned();
        let number = |key: &str| query.get(key).and_then(|text| text.parse().ok());
        let status = text("status");
        Self {
            environment,
            filter: text("q"),
            service: text("service"),
            operation: text("operation"),
            status: if ["error", "ok", "unset"].contains(&status.as_str()) { status } else { String::new() },
            min_duration_ms: number("min"),
            max_duration_ms: number("max"),
            range: Range::from_query(query),
        }
    }

    /// Writes itself into the page's URL, leaving the other parts alone.
    pub fn set(&self, query: &mut Query) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        query.set("q", some(&self.filter).as_deref());
        query.set("service", some(&self.service).as_deref());
        query.set("operation", some(&self.operation).as_deref());
        query.set("status", some(&self.status).as_deref());
        query.set("min", self.min_duration_ms.map(|ms| ms.to_string()).as_deref());
        query.set("max", self.max_duration_ms.map(|ms| ms.to_string()).as_deref());
        self.range.set(query);
    }

    /// The request for one page of results.
    pub fn request(&self, now: Timestamp, cursor: Option<&str>, limit: u32) -> String {
        let (from, to) = self.range.bounds(now);
        let mut query = Query::new()
            .with_some("q", Some(&self.filter))
            .with_some("service", Some(&self.service))
            .with_some("operation", Some(&self.operation))
            .with_some("status", Some(&self.status))
            .with_some("min_duration_ms", self.min_duration_ms.map(|ms| ms.to_string()).as_deref())
            .with_some("max_duration_ms", self.max_duration_ms.map(|ms| ms.to_string()).as_deref())
            .with_some("from", from.map(|at| at.to_string()).as_deref())
            .with_some("to", to.map(|at| at.to_string()).as_deref())
            .with("limit", &limit.to_string())
            .with_some("cursor", cursor);
        if let Some(environment) = &self.environment {
            query = query.with("environment", environment);
        }
        query.href("/api/v1/traces")
    }

    /// True when something beyond the time is asked for, so that "clear the filter" can help an empty list.
    pub fn narrows(&self) -> bool {
        !self.filter.is_empty()
            || !self.service.is_empty()
            || !self.operation.is_empty()
            || !self.status.is_empty()
            || self.min_duration_ms.is_some()
            || self.max_duration_ms.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_survives_the_url_and_becomes_a_request() {
        let query = Query::parse(
            "env=production&q=a%3Db&service=checkout&operation=POST%20/pay&status=error&min=500&last=15m&sel=x",
        );
        let search = TraceSearch::from_query(&query, Some("production".into()));

        let mut again = Query::parse("sel=x");
        search.set(&mut again);

        assert_eq!(TraceSearch::from_query(&again, Some("production".into())), search);
        assert_eq!(again.get("sel"), Some("x"));
        assert_eq!(
            search.request(Timestamp::from_unix_ms(900_000), Some("c 1"), 50),
            "/api/v1/traces?q=a%3Db&service=checkout&operation=POST%20/pay&status=error&min_duration_ms=500&from=1970-01-01T00:00:00Z&limit=50&cursor=c%201&environment=production"
        );
        assert!(search.narrows());
    }

    #[test]
    fn an_unknown_status_is_any() {
        let search = TraceSearch::from_query(&Query::parse("status=purple&min=x"), None);

        assert_eq!(search.status, "");
        assert!(!search.narrows());
    }
}
