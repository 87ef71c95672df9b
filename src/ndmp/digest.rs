//! NDMP's MD5 proof of a password (NDMPv4 2.6.2), for both who proves and who checks.
//!
//! Must not log, store or print what it is given.

use md5::{Digest, Md5};

/// Length of a challenge, in bytes.
pub const CHALLENGE_BYTES: usize = 64;
/// Only so many bytes of a password count for MD5.
pub const PASSWORD_BYTES_MAX: usize = 32;

/// The MD5 digest of NDMP: over exactly 128 bytes, password | zeros | challenge | password (NDMPv4 2.6.2).
#[must_use]
pub fn md5_digest(password: &[u8], challenge: &[u8; CHALLENGE_BYTES]) -> [u8; 16] {
    let password = &password[..password.len().min(PASSWORD_BYTES_MAX)];
    let mut message = [0u8; 128];
    message[..password.len()].copy_from_slice(password);
    let challenge_at = 64 - password.len();
    message[challenge_at..challenge_at + CHALLENGE_BYTES].copy_from_slice(challenge);
    message[128 - password.len()..].copy_from_slice(password);
    Md5::digest(message).into()
}
