//! The mover's table, exhaustively, and the walks a DMA takes through it.
