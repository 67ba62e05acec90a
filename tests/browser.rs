//! What a person does in a browser, in real Chromium.

mod boots;
mod empty;
mod files;
mod filter;
mod gestures;
mod keeping;
mod sign_in;
mod tour;
