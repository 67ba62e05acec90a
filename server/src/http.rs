//! The HTTP face: routes with their permission, who may call them, and how errors look.

pub mod access;
pub mod error;
pub mod guard;
pub mod openapi;
pub mod route;
pub mod v1;
