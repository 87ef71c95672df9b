//! Record marks: a stream cut anywhere gives the same records and the same error as in one piece, within its limits; and what
//! is encoded is decoded.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use tapesilo::ndmp::framing::{Decoder, FramingError, encode};
use tapesilo::ndmp::wire::{Message, TapeWriteRequest};
use tapesilo_fuzz::Input;

const LIMITS: [usize; 4] = [64, 16 * 1024, 1 << 20, (1 << 24) + 65535];

/// All records of a stream that comes in pieces, and how it ended.
fn decode(
    max: usize,
    pieces: impl Iterator<Item = usize>,
    mut stream: &[u8],
) -> (Vec<Bytes>, Option<FramingError>) {
    let (mut decoder, mut buffer, mut records) = (Decoder::new(max), BytesMut::new(), Vec::new());
    for piece in pieces {
        let (now, later) = stream.split_at(piece.min(stream.len()));
        buffer.extend_from_slice(now);
        stream = later;
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(record)) => {
                    assert!(record.len() <= max, "a record of {} bytes, {max} are allowed", record.len());
                    records.push(record);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.decode(&mut buffer), Err(error), "an error lasts");
                    return (records, Some(error));
                }
            }
        }
        // Room is made on a mark's word for 1 MiB at most, then by doubling.
        assert!(
            buffer.capacity()
                <= 4 * ((1 << 20) + records.iter().map(Bytes::len).sum::<usize>() + buffer.len())
        );
        if stream.is_empty() {
            break;
        }
    }
    (records, None)
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let max = LIMITS[usize::from(input.byte()) % LIMITS.len()];
    let cuts = usize::from(input.byte());
    let cuts: Vec<usize> = input.take(cuts).iter().map(|cut| usize::from(*cut).max(1)).collect();
    let stream = input.0;
    let whole = decode(max, std::iter::once(stream.len()), stream);
    let step = cuts.first().copied().unwrap_or(1);
    let in_pieces = decode(max, cuts.iter().copied().chain(std::iter::repeat(step)), stream);
    assert_eq!(whole, in_pieces, "the cuts changed something");
    for record in whole.0 {
        let Ok(message) = Message::split(record.clone()) else { continue };
        let body = TapeWriteRequest { data_out: message.body.to_vec().into() };
        let frame = encode(&message.header, &body).expect("a body within its bound").to_bytes();
        let (again, error) = decode(1 << 25, std::iter::once(frame.len()), &frame);
        assert_eq!((again.len(), error), (1, None));
        let again = Message::split(again[0].clone()).expect("a header");
        assert_eq!(again.header, message.header);
        assert_eq!(again.decode::<TapeWriteRequest>(), Ok(body));
    }
});
