//! The rules by name, and how often each found something.

/// Why something was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The value of a header that carries credentials.
    Header,
    /// The value of a key that says it is a secret.
    SecretKey,
    /// The value of a key that the configuration names.
    ExtraKey,
    /// User and password in a URL.
    UrlUserInfo,
    /// Values of a URL's query or fragment.
    UrlQuery,
    /// What follows `Bearer` or `Basic`.
    AuthScheme,
    /// The value behind `password=` in a text.
    Assignment,
    /// An e-mail address.
    Email,
    /// A card number.
    Card,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Header,
        Self::SecretKey,
        Self::ExtraKey,
        Self::UrlUserInfo,
        Self::UrlQuery,
        Self::AuthScheme,
        Self::Assignment,
        Self::Email,
        Self::Card,
    ];

    /// The name in metrics and on the settings page.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::SecretKey => "secret_key",
            Self::ExtraKey => "extra_key",
            Self::UrlUserInfo => "url_user_info",
            Self::UrlQuery => "url_query",
            Self::AuthScheme => "auth_scheme",
            Self::Assignment => "assignment",
            Self::Email => "email",
            Self::Card => "card",
        }
    }
}

/// How often each rule found something. A text that stands at many places of one request counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedactionCounts([u64; Rule::ALL.len()]);

impl RedactionCounts {
    pub(super) fn add(&mut self, rule: Rule) {
        self.0[rule as usize] += 1;
    }

    /// Those of one rule.
    pub fn get(&self, rule: Rule) -> u64 {
        self.0[rule as usize]
    }

    /// Each rule's name with its count, the zeros too.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        Rule::ALL.into_iter().zip(self.0).map(|(rule, count)| (rule.as_str(), count))
    }

    /// All rules together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds those of another request.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(have, more)| *have += more);
    }
}
