//! The tower layer that services embed to enforce directives.
