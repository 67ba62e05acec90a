//! Whether this browser may look: asked once at the start, and again when the server says 401.

use leptos::{prelude::*, task::spawn_local};
use spillway_api::{Session as Answer, SessionStart};

use crate::api::{self, Failure};

/// What is known of the session.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Not yet asked.
    Asking,
    /// The server cannot be asked.
    Unreachable(Failure),
    /// The server asks for the token.
    TokenNeeded,
    /// Everything may be read and changed.
    Open {
        /// True when there is a session that can be ended.
        required: bool,
    },
}

/// The session.
#[derive(Clone, Copy)]
pub struct Session {
    state: RwSignal<State>,
}

impl Session {
    /// Asks the server and puts itself in the context.
    pub fn provide() -> Self {
        let session = Self { state: RwSignal::new(State::Asking) };
        provide_context(session);
        session.ask();
        session
    }

    /// From the context.
    pub fn get() -> Self {
        expect_context()
    }

    /// What is known.
    pub fn state(self) -> State {
        self.state.get()
    }

    /// Asks the server how things are.
    pub fn ask(self) {
        spawn_local(async move { self.settle(api::get::<Answer>(api::SESSION).await) });
    }

    /// The server said 401.
    pub fn expired(self) {
        self.state.set(State::TokenNeeded);
    }

    /// Exchanges the token for a cookie.
    ///
    /// # Errors
    /// Why it was refused, in words.
    pub async fn start(self, token: String) -> Result<(), Failure> {
        let answer: Answer = api::post(api::SESSION, &SessionStart { token }).await?;
        self.settle(Ok(answer));
        Ok(())
    }

    /// Ends it.
    pub fn end(self) {
        spawn_local(async move {
            // Whether or not it could be ended there, ask how things are now.
            drop(api::delete(api::SESSION).await);
            self.ask();
        });
    }

    fn settle(self, answer: Result<Answer, Failure>) {
        let next = match answer {
            Ok(answer) if answer.required && !answer.signed_in => State::TokenNeeded,
            Ok(answer) => State::Open { required: answer.required },
            Err(Failure::SignInNeeded) => State::TokenNeeded,
            // A server that is away for a moment must not take the page away: the connection pill tells that.
            Err(_) if matches!(self.state.get_untracked(), State::Open { .. }) => return,
            Err(failure) => State::Unreachable(failure),
        };
        // Equal states must not rebuild the whole page.
        if self.state.get_untracked() != next {
            self.state.set(next);
        }
    }
}
