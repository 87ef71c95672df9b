//! Text keys of a login (RFC 7143 6): "key=value", each with a zero byte behind it.
//!
//! Must not know of sockets. What a target sends is bounded before it comes here.

use super::pdu::to_usize;

/// The longest text of one side in one exchange of a login.
pub(super) const TEXT_BYTES_MAX: usize = 16 << 10;
/// The longest CHAP challenge, and other binary values.
pub(super) const BINARY_BYTES_MAX: usize = 1024;

/// Keys and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text(Vec<(String, String)>);

impl Text {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > TEXT_BYTES_MAX {
            return Err("more text than a login needs".to_owned());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "text that is not UTF-8".to_owned())?;
        let mut pairs = Vec::new();
        for pair in text.split('\0').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| "text without a value".to_owned())?;
            pairs.push((key.to_owned(), value.to_owned()));
        }
        Ok(Self(pairs))
    }

    pub(super) fn push(&mut self, key: &str, value: impl Into<String>) {
        self.0.push((key.to_owned(), value.into()));
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A number in decimal or hexadecimal digits.
    pub(super) fn number(&self, key: &str) -> Option<usize> {
        let value = self.get(key)?;
        let hex = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"));
        let number = hex.map_or_else(|| value.parse().ok(), |digits| u32::from_str_radix(digits, 16).ok());
        number.map(to_usize)
    }

    pub(super) fn is_yes(&self, key: &str) -> Option<bool> {
        self.get(key).map(|value| value == "Yes")
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(key, value)| format!("{key}={value}\0").into_bytes()).collect()
    }
}

/// A binary value as text.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// A binary value from its text, in hexadecimal digits or base 64.
pub(super) fn from_binary(text: &str) -> Option<Vec<u8>> {
    let (kind, digits) = text.split_at_checked(2)?;
    if digits.is_empty() || digits.len() > 2 * BINARY_BYTES_MAX {
        return None;
    }
    match kind {
        "0x" | "0X" => from_hex(digits),
        "0b" | "0B" => from_base64(digits),
        _ => None,
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let values: Option<Vec<u8>> = digits
        .bytes()
        .map(|digit| char::from(digit).to_digit(16).and_then(|v| u8::try_from(v).ok()))
        .collect();
    let values = values?;
    // An odd number of digits has a zero in front.
    let (first, rest) = values.split_at(values.len() % 2);
    Some(first.iter().copied().chain(rest.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1])).collect())
}

fn from_base64(digits: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for digit in digits.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == digit)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_read_as_it_is_written() {
        let mut text = Text::default();
        text.push("AuthMethod", "CHAP");
        text.push("MaxBurstLength", "0x40000");
        text.push("ImmediateData", "Yes");
        let read = Text::parse(&text.to_bytes()).unwrap();
        assert_eq!(read, text);
        assert_eq!((read.get("AuthMethod"), read.number("MaxBurstLength")), (Some("CHAP"), Some(262_144)));
        assert_eq!((read.is_yes("ImmediateData"), read.is_yes("InitialR2T")), (Some(true), None));
        assert!(Text::parse(b"novalue\0").is_err() && Text::parse(&[0xff, 0]).is_err());
        assert!(Text::parse(&vec![b'a'; TEXT_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn binary_values_come_in_both_forms() {
        assert_eq!(to_hex(&[0, 0xab, 5]), "0x00ab05");
        assert_eq!(from_binary("0x00aB05"), Some(vec![0, 0xab, 5]));
        assert_eq!(from_binary("0x1ab"), Some(vec![1, 0xab]));
        assert_eq!(from_binary("0bTWFuTQ=="), Some(b"ManM".to_vec()));
        for bad in ["", "0x", "12", "0xzz", "0b!", &format!("0x{}", "0".repeat(5000))] {
            assert_eq!(from_binary(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_can_hurt(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,80}") {
            if let Ok(text) = Text::parse(&bytes) { text.number("a"); }
            from_binary(&text);
            from_binary(&format!("0b{text}"));
            prop_assert_eq!(from_binary(&to_hex(&bytes)), Some(bytes).filter(|bytes| !bytes.is_empty()));
        }
    }
}
