//! Every declared type, with values from its schema: decoded and encoded again they are the same bytes, every cut of
//! them is an error, and so is every byte more.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod xdr;

use bytes::Bytes;
use proptest::prelude::*;
use tapesilo::ndmp::wire::{WireErrorKind, schemas};

use xdr::values::{Source, Value};

proptest! {
    // Each case goes through every type.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_type_survives_the_round_trip(seed: u64) {
        let mut source = Source::new(seed);
        for schema in schemas() {
            let bytes = Bytes::from(Value::of(schema, "value", &mut source).bytes);
            prop_assert_eq!((schema.recode)(bytes.clone()), Ok(bytes), "{}", schema.name);
        }
    }

    #[test]
    fn every_cut_and_every_surplus_is_an_error(seed: u64) {
        let mut source = Source::new(seed);
        for schema in schemas() {
            let mut bytes = Value::of(schema, "value", &mut source).bytes;
            let cut = source.below(bytes.len());
            let error = (schema.recode)(Bytes::copy_from_slice(&bytes[..cut])).unwrap_err();
            let short = matches!(error.kind, WireErrorKind::Short { .. } | WireErrorKind::TooMany { .. });
            prop_assert!(short, "{}: {error}", schema.name);
            let whole = bytes.len();
            bytes.push(0);
            let error = (schema.recode)(bytes.into()).unwrap_err();
            prop_assert_eq!(error.kind, WireErrorKind::Trailing(1), "{}", schema.name);
            prop_assert_eq!(usize::try_from(error.offset), Ok(whole));
        }
    }

    #[test]
    fn noise_and_flipped_words_neither_panic_nor_hang(
        seed: u64, noise in prop::collection::vec(any::<u8>(), 0..200), word in prop::sample::select(
            vec![0_u32, 1, 2, 0xff, 0xffff, 0x1_0000, 0x7fff_fffc, 0x8000_0000, 0xffff_fffd, 0xffff_ffff]),
    ) {
        let mut source = Source::new(seed);
        for schema in schemas() {
            let _ = (schema.recode)(Bytes::copy_from_slice(&noise));
            let mut bytes = Value::of(schema, "value", &mut source).bytes;
            let at = source.below(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
            let sent = Bytes::from(bytes);
            if let Ok(again) = (schema.recode)(sent.clone()) {
                // What is accepted must mean the same when it is sent on, padding aside.
                prop_assert_eq!(again.len(), sent.len(), "{}", schema.name);
            }
        }
    }
}
