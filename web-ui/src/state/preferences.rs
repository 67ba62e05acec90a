//! What a viewer chose for this browser: the theme. Everything else about a view is in its URL.

use leptos::prelude::*;
use web_sys::Storage;

const KEY: &str = "spillway.theme";

/// Light, dark, or as the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl Theme {
    /// In the order of the control.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The word and the `data-theme` token.
    pub const fn token(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The viewer's choices.
#[derive(Clone, Copy)]
pub struct Preferences {
    theme: RwSignal<Theme>,
}

fn storage() -> Option<Storage> {
    // Browsers that block storage throw here: the choice then lasts as long as the page.
    window().local_storage().ok().flatten()
}

impl Preferences {
    /// Reads what was kept, applies it and puts it in the context.
    pub fn provide() -> Self {
        let kept = storage().and_then(|storage| storage.get_item(KEY).ok().flatten());
        let theme = Theme::ALL.into_iter().find(|theme| Some(theme.token()) == kept.as_deref()).unwrap_or_default();
        let preferences = Self { theme: RwSignal::new(theme) };
        preferences.set_theme(theme);
        provide_context(preferences);
        preferences
    }

    /// From the context.
    pub fn get() -> Self {
        expect_context()
    }

    /// The theme in use.
    pub fn theme(self) -> Theme {
        self.theme.get()
    }

    /// Applies and keeps it.
    pub fn set_theme(self, theme: Theme) {
        self.theme.set(theme);
        if let Some(root) = document().document_element() {
            let _ = match theme {
                Theme::System => root.remove_attribute("data-theme"),
                chosen => root.set_attribute("data-theme", chosen.token()),
            };
        }
        if let Some(storage) = storage() {
            let _ = storage.set_item(KEY, theme.token());
        }
    }
}
