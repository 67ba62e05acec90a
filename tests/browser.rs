//! What a person does in a browser, in real Chromium.

mod boots;
mod files;
mod gestures;
