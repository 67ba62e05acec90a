//! A small shop of real HTTP services that can be made to fail.
