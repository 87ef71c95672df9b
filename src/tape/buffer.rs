//! Buffers that direct I/O takes as they are: their bytes start at a multiple of a disk block in memory.
//!
//! Knows nothing of files or records. `storage` writes from them, `log::pending` fills them.

use std::ops::{Deref, DerefMut};

/// What direct I/O wants offsets, lengths and addresses to be multiples of, in bytes. No disk in use has larger
/// sectors, and it is the page cache's unit, too, so that buffered and direct writes never meet in one page.
pub(super) const BLOCK_BYTES: usize = 4096;

/// Bytes that start at a multiple of [`BLOCK_BYTES`] in memory.
#[derive(Default)]
pub(super) struct AlignedBuffer {
    /// A block longer than what is used of it: the aligned part lies somewhere inside.
    bytes: Box<[u8]>,
    start: usize,
    length: usize,
}

impl AlignedBuffer {
    /// `length` zero bytes. The kernel gives the memory when it is first touched.
    pub(super) fn new(length: usize) -> AlignedBuffer {
        let bytes = vec![0; length + BLOCK_BYTES].into_boxed_slice();
        // `align_offset` may give up in theory; the buffer is then only slower.
        let start = Some(bytes.as_ptr().align_offset(BLOCK_BYTES)).filter(|start| *start <= BLOCK_BYTES);
        AlignedBuffer { bytes, start: start.unwrap_or(0), length }
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.length]
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.length]
    }
}

/// Whether `bytes` start where direct I/O can take them from.
pub(super) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().align_offset(BLOCK_BYTES) == 0
}
