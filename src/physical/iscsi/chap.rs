//! CHAP (RFC 7143 12.1.3): proving to the target who we are, and having it prove who it is.
//!
//! Of the digests, MD5 (5), which every target knows. Must not log, store or print what it compares.

use std::fmt;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::text::{BINARY_BYTES_MAX, Text, from_binary, to_hex};

/// MD5, of the registry of CHAP algorithms.
pub(super) const ALGORITHM_MD5: &str = "5";
const CHALLENGE_BYTES: usize = 16;

/// A name and its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    name: String,
    secret: Box<[u8]>,
}

impl Credentials {
    /// For a name of at most 255 bytes and a secret of 1 to 255, of which RFC 7143 asks for 12.
    ///
    /// # Errors
    /// In one line, what is wrong.
    pub fn new(name: &str, secret: &[u8]) -> Result<Self, String> {
        if name.is_empty() || name.len() > 255 || name.contains('\0') {
            return Err("a CHAP name has 1 to 255 bytes".to_owned());
        }
        if secret.is_empty() || secret.len() > 255 {
            return Err("a CHAP secret has 1 to 255 bytes; use 12 to 16".to_owned());
        }
        Ok(Self { name: name.to_owned(), secret: secret.into() })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How to prove who is who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chap {
    /// Who we are.
    pub initiator: Credentials,
    /// Who the target must prove to be.
    pub target: Option<Credentials>,
}

/// Our challenge to the target.
pub(super) struct Challenge {
    identifier: u8,
    bytes: [u8; CHALLENGE_BYTES],
}

impl Chap {
    /// Answers the target's challenge, with one of ours if the target has to prove who it is.
    pub(super) fn answer(&self, text: &Text) -> Result<(Text, Option<Challenge>), String> {
        if text.get("CHAP_A") != Some(ALGORITHM_MD5) {
            return Err("the target does not offer CHAP with MD5".to_owned());
        }
        let identifier = text.number("CHAP_I").and_then(|number| u8::try_from(number).ok());
        let challenge =
            text.get("CHAP_C").and_then(from_binary).filter(|bytes| bytes.len() <= BINARY_BYTES_MAX);
        let (Some(identifier), Some(challenge)) = (identifier, challenge) else {
            return Err("the target sent no challenge that makes sense".to_owned());
        };
        let mut answer = Text::default();
        answer.push("CHAP_N", &self.initiator.name);
        answer.push("CHAP_R", to_hex(&response(identifier, &self.initiator.secret, &challenge)));
        if self.target.is_none() {
            return Ok((answer, None));
        }
        let ours = Challenge::new()?;
        // Else our own answer, sent back to us, would prove that the target is the target.
        if self.target.as_ref().is_some_and(|target| target.secret == self.initiator.secret) {
            return Err("the secrets of both directions are the same; choose two".to_owned());
        }
        answer.push("CHAP_I", ours.identifier.to_string());
        answer.push("CHAP_C", to_hex(&ours.bytes));
        Ok((answer, Some(ours)))
    }

    /// Whether the target has proved who it is.
    pub(super) fn is_proved(&self, text: &Text, ours: &Challenge) -> bool {
        let Some(target) = &self.target else { return true };
        let Some(sent) = text.get("CHAP_R").and_then(from_binary) else { return false };
        let expected = response(ours.identifier, &target.secret, &ours.bytes);
        let is_named = text.get("CHAP_N").is_some_and(|name| name == target.name);
        bool::from(expected.as_slice().ct_eq(&sent)) && is_named
    }
}

impl Challenge {
    fn new() -> Result<Self, String> {
        let mut random = [0; CHALLENGE_BYTES + 1];
        getrandom::fill(&mut random).map_err(|error| format!("no random numbers: {error}"))?;
        let [identifier, bytes @ ..] = random;
        Ok(Self { identifier, bytes })
    }
}

fn response(identifier: u8, secret: &[u8], challenge: &[u8]) -> [u8; 16] {
    let digest = Md5::new().chain_update([identifier]).chain_update(secret).chain_update(challenge);
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pairs: &[(&str, &str)]) -> Text {
        let mut text = Text::default();
        pairs.iter().for_each(|(key, value)| text.push(key, *value));
        text
    }

    fn chap(secret_of_target: &[u8]) -> Chap {
        Chap {
            initiator: Credentials::new("me", b"my secret, long").unwrap(),
            target: Some(Credentials::new("it", secret_of_target).unwrap()),
        }
    }

    #[test]
    fn the_response_is_the_digest_of_identifier_secret_and_challenge() {
        // printf '\x07secretchallenge' | md5sum
        assert_eq!(to_hex(&response(7, b"secret", b"challenge")), "0x".to_owned() + MD5_OF_IT);
    }
    const MD5_OF_IT: &str = "35524f3f6d24a5b27d3a2ff77c7c5060";

    #[test]
    fn both_sides_prove_who_they_are() {
        let chap = chap(b"its secret, long");
        let challenge = text(&[("CHAP_A", "5"), ("CHAP_I", "200"), ("CHAP_C", "0x0102")]);
        let (answer, ours) = chap.answer(&challenge).unwrap();
        let ours = ours.unwrap();
        assert_eq!(answer.get("CHAP_N"), Some("me"));
        assert_eq!(answer.get("CHAP_R"), Some(to_hex(&response(200, b"my secret, long", &[1, 2])).as_str()));
        let right = to_hex(&response(ours.identifier, b"its secret, long", &ours.bytes));
        assert!(chap.is_proved(&text(&[("CHAP_N", "it"), ("CHAP_R", &right)]), &ours));
        assert!(!chap.is_proved(&text(&[("CHAP_N", "other"), ("CHAP_R", &right)]), &ours));
        assert!(!chap.is_proved(&text(&[("CHAP_N", "it"), ("CHAP_R", "0x00")]), &ours));
        assert!(!chap.is_proved(&text(&[]), &ours));
    }

    #[test]
    fn what_would_prove_nothing_is_refused() {
        let challenge = text(&[("CHAP_A", "5"), ("CHAP_I", "200"), ("CHAP_C", "0x0102")]);
        assert!(chap(b"my secret, long").answer(&challenge).is_err());
        for (key, value) in [("CHAP_A", "7"), ("CHAP_I", "256"), ("CHAP_C", "0x")] {
            let pairs = [("CHAP_A", "5"), ("CHAP_I", "1"), ("CHAP_C", "0x01")]
                .map(|(k, v)| (k, if k == key { value } else { v }));
            assert!(chap(b"another one").answer(&text(&pairs)).is_err(), "{key}");
        }
        assert!(Credentials::new("", b"x").is_err() && Credentials::new("x", b"").is_err());
        assert!(!format!("{:?}", chap(b"its secret, long")).contains("secret, long"));
    }
}
