//! Who may come how often, and where the server may be sent: rules without sockets.
//!
//! `logins` counts failed logins for each address, delays and locks out; `peers` says where a data connection may come from
//! and go to. Neither knows NDMP, sockets or the clock: whoever asks says what time it is. `ndmp::shell` asks.

pub mod logins;
pub mod peers;
