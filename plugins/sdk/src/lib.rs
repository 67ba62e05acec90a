//! What a rule author writes against.
