//! Tests of the whole tape; the pieces test themselves.
