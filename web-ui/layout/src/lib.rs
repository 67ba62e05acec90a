//! Stable graph layout: pure geometry.
