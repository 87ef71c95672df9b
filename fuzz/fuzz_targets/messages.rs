//! Bodies of every declared message: what decodes is encoded again as long as it was, and then stays the same.
//!
//! The schemas are the list: a version or an extension that adds its own is fuzzed at once, without a line here.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use tapesilo::ndmp::wire::schemas;
use tapesilo::ndmp::xdr::schema::Schema;
use tapesilo_fuzz::Input;

static ALL: LazyLock<Vec<&'static Schema>> = LazyLock::new(|| schemas().collect());

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let schema = ALL[usize::from(input.short()) % ALL.len()];
    let body = Bytes::copy_from_slice(input.0);
    match (schema.recode)(body.clone()) {
        Ok(again) => {
            // Padding may differ: it is written as zeros.
            assert_eq!(again.len(), body.len(), "{}", schema.name);
            assert_eq!((schema.recode)(again.clone()), Ok(again), "{}", schema.name);
        }
        Err(error) => {
            assert!(error.offset as usize <= body.len(), "{}: {error}", schema.name);
            assert!(!error.to_string().is_empty());
        }
    }
});
