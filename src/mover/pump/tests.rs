//! Tests of the pump on a tape in memory and scripted connections; nothing here knows a socket or a file.
//!
//! `fake` has the tape and the connections, `backup` and `recover` the two directions, each with a model that says
//! what must come out whatever the sizes are.

mod backup;
mod fake;
mod recover;

/// The byte at `offset` of the streams in these tests: no two near records are alike.
fn stream_byte(offset: usize) -> u8 {
    let mixed = (offset as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.to_be_bytes()[1]
}

fn stream(range: std::ops::Range<usize>) -> Vec<u8> {
    range.map(stream_byte).collect()
}
