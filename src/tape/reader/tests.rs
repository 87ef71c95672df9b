//! Looking at a tape that is being written.
