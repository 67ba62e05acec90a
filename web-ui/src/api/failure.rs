//! Why a request brought nothing, in words that a person can act on.

use std::fmt;

use spillway_api::Problem;

/// A request that failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The session has ended, or there is none.
    SignInNeeded,
    /// The server refused, and says why.
    Refused(Box<Problem>),
    /// No answer: the server is away, or the network.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// An answer that is not what the API promises.
    Unreadable(String),
}

impl Failure {
    /// True when the thing itself is not there, as opposed to a failure to ask.
    pub fn not_found(&self) -> bool {
        matches!(self, Self::Refused(problem) if problem.status == 404)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignInNeeded => f.write_str("Sign in first."),
            Self::Unreachable => {
                f.write_str("The server does not answer. It may be restarting, or the network is away.")
            }
            Self::TimedOut => f.write_str("The server took longer than 20 s to answer."),
            Self::Unreadable(what) => write!(f, "The server's answer cannot be read: {what}"),
            Self::Refused(problem) => {
                let said = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
                f.write_str(said)?;
                for error in &problem.errors {
                    write!(f, "\n{}: {}", error.pointer, error.detail)?;
                }
                Ok(())
            }
        }
    }
}
