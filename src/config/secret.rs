//! A password in memory, kept out of every log and message.
//!
//! `Debug` prints a placeholder and there is no `Display`; the bytes leave by one method, so that a search for
//! `expose` finds every use. NDMP's MD5 digest needs the clear password on the server (NDMPv4 3.2.4) and takes at
//! most 32 bytes of it into account, which is why longer ones are refused.

use std::fmt;

/// A password of 1 to 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

/// Why a password cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nothing in the file but, perhaps, a line end.
    #[error("holds no password; write one of 1 to 32 bytes into it")]
    Empty,
    /// More than NDMP's digest takes into account.
    #[error(
        "the password has more than {} bytes, and NDMP's MD5 login uses no more; shorten it",
        Secret::MAX_BYTES
    )]
    TooLong,
    /// A line end in the middle: the file holds more than the password.
    #[error("the password holds a line end; the file must hold one line")]
    Lines,
}

impl Secret {
    /// The longest password accepted, in bytes.
    pub const MAX_BYTES: usize = 32;

    /// A password from a file's content; one line end at the end is not part of it.
    ///
    /// # Errors
    /// If nothing is left, if more than 32 bytes are left, or if they hold another line end.
    pub fn from_file_content(content: &[u8]) -> Result<Self, SecretError> {
        let password = content.strip_suffix(b"\n").unwrap_or(content);
        let password = password.strip_suffix(b"\r").unwrap_or(password);
        if password.is_empty() {
            return Err(SecretError::Empty);
        }
        if password.contains(&b'\n') {
            return Err(SecretError::Lines);
        }
        if password.len() > Self::MAX_BYTES {
            return Err(SecretError::TooLong);
        }
        Ok(Self(password.into()))
    }

    /// The password's bytes, for the digest or a constant-time comparison. Never log them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_becomes_a_password() {
        for (content, expected) in [
            (&b"secret"[..], Ok(&b"secret"[..])),
            (b"secret\n", Ok(b"secret")),
            (b"secret\r\n", Ok(b"secret")),
            (b" two words \n", Ok(b" two words ")),
            (b"", Err(SecretError::Empty)),
            (b"\n", Err(SecretError::Empty)),
            (b"a\n\n", Err(SecretError::Lines)),
            (b"a\nb\n", Err(SecretError::Lines)),
            (&[b'x'; 32], Ok(&[b'x'; 32])),
            (&[b'x'; 33], Err(SecretError::TooLong)),
        ] {
            let found = Secret::from_file_content(content);
            assert_eq!(found.as_ref().map(Secret::expose).map_err(|e| *e), expected);
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::from_file_content(b"hunter2").unwrap();
        assert!(!format!("{secret:?} {secret:#?}").contains("hunter2"));
    }
}
