//! Framing against any cut of the stream, any fragmentation, and marks that lie.

use proptest::prelude::*;

use super::*;
use crate::ndmp::wire::{
    Error, Header, HeaderMessageType, MessageCode, MoverGetStateReply, TapeReadReply, limits,
};
use crate::ndmp::xdr;

/// The stream of one record in fragments of the given lengths (the last one takes the rest).
fn fragmented(record: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut rest = record;
    for &length in lengths {
        let (fragment, behind) = rest.split_at(length.min(rest.len()));
        stream.extend(mark(fragment.len(), false));
        stream.extend(fragment);
        rest = behind;
    }
    stream.extend(mark(rest.len(), true));
    stream.extend(rest);
    stream
}

/// Feeds the stream in segments of the given sizes, over and over, and collects the records.
fn records(decoder: &mut Decoder, stream: &[u8], segments: &[usize]) -> Result<Vec<Bytes>, FramingError> {
    let mut input = BytesMut::new();
    let mut found = Vec::new();
    let mut rest = stream;
    for &size in segments.iter().cycle() {
        let (segment, behind) = rest.split_at(size.min(rest.len()));
        input.extend_from_slice(segment);
        rest = behind;
        while let Some(record) = decoder.decode(&mut input)? {
            found.push(record);
        }
        if rest.is_empty() {
            break;
        }
    }
    assert!(!decoder.mid_record(&input), "bytes are left: {}", input.len());
    Ok(found)
}

proptest! {
    #[test]
    fn any_cut_and_any_fragmentation_gives_the_same_records(
        sent in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..200), prop::collection::vec(0_usize..40, 0..12)), 1..8),
        segments in prop::collection::vec(1_usize..64, 1..10),
    ) {
        let stream: Vec<u8> = sent.iter().flat_map(|(record, lengths)| fragmented(record, lengths)).collect();
        let found = records(&mut Decoder::new(1024), &stream, &segments).unwrap();
        let expected: Vec<Bytes> = sent.into_iter().map(|(record, _)| record.into()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn noise_neither_panics_nor_takes_memory(noise in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut decoder = Decoder::new(4096);
        let mut input = BytesMut::from(&noise[..]);
        while let Ok(Some(_)) = decoder.decode(&mut input) {}
        prop_assert!(input.capacity() + decoder.partial.capacity() <= 16 * 1024);
    }
}

#[test]
fn one_byte_segments_and_an_empty_last_fragment() {
    let record = vec![7; 5000];
    let mut stream = fragmented(&record, &vec![10; 500]);
    assert_eq!(stream[stream.len() - 4..], [0x80, 0, 0, 0]);
    stream.extend(fragmented(b"next", &[]));
    let found = records(&mut Decoder::new(8192), &stream, &[1]).unwrap();
    assert_eq!(found, [Bytes::from(record), Bytes::from_static(b"next")]);
}

#[test]
fn the_largest_record_in_the_pieces_of_a_c_stream() {
    let record = vec![1; limits::MESSAGE_MAX_BYTES];
    let stream = fragmented(&record, &vec![4000; limits::MESSAGE_MAX_BYTES / 4000]);
    let found = records(&mut Decoder::new(limits::MESSAGE_MAX_BYTES), &stream, &[65536]).unwrap();
    assert!(found == [Bytes::from(record)]);
}

#[test]
fn a_record_in_one_fragment_is_not_copied() {
    let mut input = BytesMut::from(&fragmented(&[9; 100], &[])[..]);
    let start = input.as_ptr();
    let record = Decoder::new(1024).decode(&mut input).unwrap().unwrap();
    assert_eq!(record.as_ptr(), start.wrapping_add(4));
}

#[test]
fn a_length_is_refused_at_its_mark_and_for_good() {
    for mark in [0xffff_ffff_u32, 0x7fff_ffff, 0x8000_0401] {
        let mut decoder = Decoder::new(1024);
        let mut input = BytesMut::from(&mark.to_be_bytes()[..]);
        let error = decoder.decode(&mut input).unwrap_err();
        assert!(matches!(error, FramingError::RecordTooLong { max: 1024, .. }), "{error}");
        assert!(input.capacity() < 64, "nothing is reserved");
        assert_eq!(decoder.decode(&mut input), Err(error));
    }
}

#[test]
fn fragments_add_up_to_the_limit() {
    let mut decoder = Decoder::new(100);
    assert!(records(&mut decoder, &fragmented(&[0; 100], &[60]), &[3]).is_ok());
    let error = records(&mut decoder, &fragmented(&[0; 101], &[60]), &[3]).unwrap_err();
    assert_eq!(error, FramingError::RecordTooLong { claimed: 101, max: 100 });
}

#[test]
fn the_limit_rises_after_login() {
    let stream = fragmented(&[0; 5000], &[]);
    let mut decoder = Decoder::new(1024);
    decoder.set_max_record_bytes(8192);
    assert_eq!(records(&mut decoder, &stream, &[100]).unwrap()[0].len(), 5000);
}

#[test]
fn fragments_are_counted() {
    let empty = [0; 4 * 1000];
    let error = Decoder::new(1024).decode(&mut BytesMut::from(&empty[..])).unwrap_err();
    assert_eq!(error, FramingError::TooManyEmptyFragments);

    let tiny = [0, 0, 0, 1, 0xaa].repeat(20_000);
    let error = Decoder::new(16_384).decode(&mut BytesMut::from(&tiny[..])).unwrap_err();
    assert_eq!(error, FramingError::TooManyFragments { max: 4112 });
}

#[test]
fn memory_grows_with_what_arrives() {
    let mut decoder = Decoder::new(limits::MESSAGE_MAX_BYTES);
    let mut input = BytesMut::from(&mark(limits::RECORD_MAX_BYTES, true)[..]);
    assert_eq!(decoder.decode(&mut input), Ok(None));
    assert!(input.capacity() <= RESERVE_MAX_BYTES + 64, "{}", input.capacity());
}

fn header() -> Header {
    Header {
        sequence: 2,
        time_stamp: 3,
        message_type: HeaderMessageType::Reply,
        message_code: MessageCode::TapeRead,
        reply_sequence: 1,
        error_code: Error::NoErr,
    }
}

#[test]
fn a_small_message_is_one_piece() {
    let frame = encode(&header(), &MoverGetStateReply::default()).unwrap();
    assert_eq!(frame.parts().len(), 1);
    assert_eq!(frame.to_bytes()[..4], [0x80, 0, 0, 96]);
    let frame = encode(&header(), &()).unwrap();
    assert_eq!(frame.to_bytes()[..4], [0x80, 0, 0, 24]);
}

#[test]
fn a_record_is_attached_and_not_copied() {
    let record = Bytes::from(vec![5; 10_001]);
    let reply = TapeReadReply { error: Error::NoErr, data_in: record.clone().into() };
    let frame = encode(&header(), &reply).unwrap();
    let parts = frame.parts();
    assert_eq!(parts.iter().map(Bytes::len).collect::<Vec<_>>(), [4 + 24 + 8, 10_001, 3]);
    assert_eq!(parts[1].as_ptr(), record.as_ptr());
}

#[test]
fn the_largest_record_goes_out_in_two_fragments_and_comes_back_whole() {
    for size in [limits::RECORD_MAX_BYTES, FRAGMENT_MAX_BYTES - 32, FRAGMENT_MAX_BYTES - 31] {
        let reply = TapeReadReply { error: Error::NoErr, data_in: vec![5; size].into() };
        let frame = encode(&header(), &reply).unwrap();
        assert!(frame.parts().iter().all(|part| part.len() <= FRAGMENT_MAX_BYTES));
        let stream = frame.to_bytes();
        let first = u32::from_be_bytes(*stream.first_chunk().unwrap());
        assert!(usize::try_from(first & !LAST).unwrap() <= FRAGMENT_MAX_BYTES);
        assert_eq!(first & LAST != 0, size + 32 <= FRAGMENT_MAX_BYTES, "{size}");
        let found = records(&mut Decoder::new(limits::MESSAGE_MAX_BYTES), &stream, &[1 << 20]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(xdr::decode::<TapeReadReply>(found[0].slice(24..)).unwrap(), reply);
    }
}
