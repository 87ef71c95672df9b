//! Buffers that direct I/O takes as they are: their bytes start at a multiple of a disk block in memory.
//!
//! Knows nothing of files or records. `storage` writes from them, `log::pending` fills them.

use std::ops::{Deref, DerefMut};

use memmap2::{Advice, MmapMut};

/// What direct I/O wants offsets, lengths and addresses to be multiples of, in bytes. No disk in use has larger
/// sectors, and it is the page cache's unit, too, so that buffered and direct writes never meet in one page.
pub(super) const BLOCK_BYTES: usize = 4096;

/// The processor's larger page. A buffer of such pages costs the kernel a fraction per transfer: it must find and
/// hold each page for the disk, and hands over one piece of memory where it would be 512.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Bytes that start at a multiple of [`BLOCK_BYTES`] in memory.
#[derive(Default)]
pub(super) struct AlignedBuffer {
    /// Longer than what is used of it: the aligned part lies somewhere inside.
    memory: Memory,
    start: usize,
    length: usize,
}

enum Memory {
    Heap(Box<[u8]>),
    /// Pages of its own, huge ones where the kernel has them to give. No file is behind it.
    Pages(MmapMut),
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::Heap(Box::default())
    }
}

impl AlignedBuffer {
    /// `length` zero bytes. The kernel gives the memory when it is first touched.
    pub(super) fn new(length: usize) -> AlignedBuffer {
        let (memory, alignment) = match huge_pages(length) {
            Some(pages) => (Memory::Pages(pages), HUGE_PAGE_BYTES),
            None => (Memory::Heap(vec![0; length + BLOCK_BYTES].into_boxed_slice()), BLOCK_BYTES),
        };
        // `align_offset` may give up in theory; the buffer is then only slower.
        let start = Some(memory.bytes().as_ptr().align_offset(alignment)).filter(|start| *start <= alignment);
        AlignedBuffer { start: start.unwrap_or(0), length, memory }
    }
}

/// Room for `length` bytes from some multiple of a huge page on; `None` if that is not worth it, or not to be had.
fn huge_pages(length: usize) -> Option<MmapMut> {
    if length < HUGE_PAGE_BYTES {
        return None;
    }
    let pages = MmapMut::map_anon(length.checked_add(HUGE_PAGE_BYTES)?).ok()?;
    // Advice: a kernel without huge pages gives small ones.
    let _ = pages.advise(Advice::HugePage);
    Some(pages)
}

impl Memory {
    fn bytes(&self) -> &[u8] {
        match self {
            Memory::Heap(bytes) => bytes,
            Memory::Pages(pages) => pages,
        }
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory.bytes()[self.start..self.start + self.length]
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let bytes: &mut [u8] = match &mut self.memory {
            Memory::Heap(bytes) => bytes,
            Memory::Pages(pages) => pages,
        };
        &mut bytes[self.start..self.start + self.length]
    }
}

/// Whether `bytes` start where direct I/O can take them from.
pub(super) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().align_offset(BLOCK_BYTES) == 0
}
