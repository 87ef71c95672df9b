//! NDMP's two ways to prove who one is (NDMPv4 2.6, 3.1.2.2): MD5 over a challenge, and the password in clear.
//!
//! It must not log, store or print what it compares. Used by `connect` only.

use super::facts::Facts;
use crate::config::{Secret, User};
use crate::ndmp::digest::PASSWORD_BYTES_MAX;
pub use crate::ndmp::digest::{CHALLENGE_BYTES, md5_digest};
use md5::{Digest, Md5};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The user whom this digest proves. Takes the same time whether the user exists or not.
pub(super) fn check_md5<'f>(
    facts: &'f Facts,
    name: &[u8],
    digest: &[u8; 16],
    challenge: &[u8; CHALLENGE_BYTES],
) -> Option<&'f Arc<User>> {
    let user = find(facts, name).filter(|user| user.auth.md5);
    let password = user.and_then(|user| user.password.as_ref());
    let user = user.filter(|_| password.is_some());
    let password = password.map_or(&challenge[..PASSWORD_BYTES_MAX], Secret::expose);
    let expected = md5_digest(password, challenge);
    let is_right = bool::from(expected.ct_eq(digest)) && !password.is_empty();
    user.filter(|_| is_right)
}

/// The user whom this password proves. Takes the same time whether the user exists or not.
pub(super) fn check_text<'f>(facts: &'f Facts, name: &[u8], password: &[u8]) -> Option<&'f Arc<User>> {
    let user = find(facts, name).filter(|user| user.auth.text);
    let expected = user.and_then(|user| user.password.as_ref()).map_or(&[][..], Secret::expose);
    // Both are hashed first, so that the comparison tells nothing about the length.
    let is_right = bool::from(Md5::digest(expected).ct_eq(&Md5::digest(password)))
        && !expected.is_empty()
        && expected.len() == password.len();
    user.filter(|_| is_right)
}

fn find<'f>(facts: &'f Facts, name: &[u8]) -> Option<&'f Arc<User>> {
    facts.users.iter().find(|user| user.name.as_bytes() == name)
}
