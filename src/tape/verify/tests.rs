//! Flips everywhere.
