//! Which page a path names.

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// The map.
    Topology,
    /// The table of services.
    Services,
    /// The search for traces.
    Traces,
    /// One trace.
    Trace(String),
    /// Breakers and health.
    Breakers,
    /// Rules.
    Plugins,
    /// Decisions.
    Decisions,
    /// Settings.
    Settings,
    /// None.
    Missing,
}

impl Page {
    /// Reads a path; a slash at the end does not matter.
    pub fn read(path: &str) -> Self {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        match (parts.next(), parts.next(), parts.next()) {
            (None | Some("topology"), None, None) => Self::Topology,
            (Some("services"), None, None) => Self::Services,
            (Some("traces"), None, None) => Self::Traces,
            (Some("traces"), Some(id), None) => Self::Trace(id.to_owned()),
            (Some("breakers"), None, None) => Self::Breakers,
            (Some("plugins"), None, None) => Self::Plugins,
            (Some("decisions"), None, None) => Self::Decisions,
            (Some("settings"), None, None) => Self::Settings,
            _ => Self::Missing,
        }
    }

    /// The path of the page, or of the page that it belongs to.
    pub const fn path(&self) -> &'static str {
        match self {
            Self::Topology => "/topology",
            Self::Services => "/services",
            Self::Traces | Self::Trace(_) => "/traces",
            Self::Breakers => "/breakers",
            Self::Plugins => "/plugins",
            Self::Decisions => "/decisions",
            Self::Settings => "/settings",
            Self::Missing => "",
        }
    }

    /// Two paths with the same key show the same page, which then lives on while its query changes.
    pub fn key(&self) -> String {
        match self {
            Self::Trace(id) => format!("/traces/{id}"),
            page => page.path().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_found_at_its_path() {
        for page in [
            Page::Topology,
            Page::Services,
            Page::Traces,
            Page::Breakers,
            Page::Plugins,
            Page::Decisions,
            Page::Settings,
        ] {
            assert_eq!(Page::read(page.path()), page);
        }
        assert_eq!(Page::read("/"), Page::Topology);
        assert_eq!(Page::read("/traces/4bf9/"), Page::Trace("4bf9".into()));
        assert_eq!(Page::Trace("4bf9".into()).path(), "/traces");
    }

    #[test]
    fn anything_else_is_missing() {
        for path in ["/nowhere", "/traces/a/b", "/topology/x"] {
            assert_eq!(Page::read(path), Page::Missing, "{path}");
        }
    }
}
