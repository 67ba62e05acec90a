//! Example rule.
