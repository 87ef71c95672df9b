//! Whole dialogues with a session, without sockets, threads or time: `bench` has the DMA, the world and the clock; one
//! file a subject has the dialogues, `random` any sequence of requests and events.

mod bench;
mod catalogue;
mod clients;
mod devices;
mod extensions;
mod login;
mod mover;
mod protocol;
mod random;
mod strict;
mod tape;
mod versions;
