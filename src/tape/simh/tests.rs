//! Images: what is written is read, and what others write is read or refused, never misread.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;

/// A record, or a filemark where there is none.
type Block = Option<Vec<u8>>;

fn write(blocks: &[Block]) -> Vec<u8> {
    let mut writer = TapWriter::new(Vec::new());
    for block in blocks {
        match block {
            Some(record) => writer.record(record).unwrap(),
            None => writer.filemark().unwrap(),
        }
    }
    writer.finish().unwrap()
}

fn read(image: &[u8], accept: bool) -> Result<(Vec<Block>, TapNotices), TapError> {
    let mut reader = TapReader::new(Cursor::new(image), accept);
    let (mut blocks, mut data) = (Vec::new(), Vec::new());
    loop {
        match reader.next_object(Some(&mut data))? {
            TapObject::Record(length) => {
                assert_eq!(data.len(), length as usize);
                blocks.push(Some(data.clone()));
            }
            TapObject::Filemark => blocks.push(None),
            TapObject::End => return Ok((blocks, reader.notices())),
        }
    }
}

/// The same without looking at the data.
fn scan(image: &[u8], accept: bool) -> Result<usize, TapError> {
    let mut reader = TapReader::new(Cursor::new(image), accept);
    let mut blocks = 0;
    while reader.next_object(None)? != TapObject::End {
        blocks += 1;
    }
    Ok(blocks)
}

fn words(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn word(word: u32) -> [u8; 4] {
    word.to_le_bytes()
}

fn blocks() -> impl Strategy<Value = Vec<Block>> {
    let record = prop::collection::vec(any::<u8>(), 1..40).prop_map(Some);
    prop::collection::vec(prop_oneof![3 => record, 1 => Just(None)], 0..20)
}

proptest! {
    #[test]
    fn what_is_written_is_read(blocks in blocks()) {
        let image = write(&blocks);
        let (found, notices) = read(&image, false).unwrap();
        prop_assert_eq!(&found, &blocks);
        prop_assert_eq!(notices, TapNotices::default());
        prop_assert_eq!(scan(&image, false).unwrap(), blocks.len());
    }

    #[test]
    fn without_padding_it_is_read_too(blocks in blocks()) {
        let mut image = Vec::new();
        for block in &blocks {
            let length = block.as_ref().map_or(0, |record| u32::try_from(record.len()).unwrap());
            image.extend(word(length));
            if let Some(record) = block {
                image.extend(record);
                image.extend(word(length));
            }
        }
        let (found, notices) = read(&image, false).unwrap();
        let is_odd = blocks.iter().flatten().any(|record| record.len() % 2 == 1);
        prop_assert_eq!(&found, &blocks);
        prop_assert_eq!(notices.is_unpadded, is_odd);
        prop_assert_eq!(scan(&image, false).unwrap(), blocks.len());
    }

    #[test]
    fn a_cut_image_is_refused_or_a_beginning_of_the_whole(blocks in blocks(), cut in any::<prop::sample::Index>()) {
        let image = write(&blocks);
        let cut = cut.index(image.len());
        if let Ok((found, _)) = read(&image[..cut], false) {
            prop_assert_eq!(&found[..], &blocks[..found.len()]);
        }
    }

    #[test]
    fn any_bytes_end(image in prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(1), Just(0xff)], 0..200)) {
        // Both ways of reading agree on what is an image.
        prop_assert_eq!(read(&image, true).is_ok(), scan(&image, true).is_ok());
    }
}

#[test]
fn the_bytes_of_an_image() {
    let image = write(&[Some(b"abc".to_vec()), None, Some(b"de".to_vec())]);
    let expected =
        words(&[&word(3), b"abc\0", &word(3), &word(0), &word(2), b"de", &word(2), &word(0xFFFF_FFFF)]);
    assert_eq!(image, expected);
}

#[test]
fn hostile_images_are_refused_with_the_place() {
    let good = words(&[&word(2), b"ab", &word(2)]);
    for (tail, expected) in [
        (words(&[&word(4), b"abcd", &word(5)]), "at byte 10: the lengths"),
        (words(&[&word(3), b"abc", &word(4)]), "at byte 10: the image is cut off"),
        (words(&[&word(3), b"abc\0", &word(4)]), "at byte 10: the lengths"),
        (words(&[&word(100), b"abc"]), "at byte 10: the image is cut off"),
        (words(&[b"\x01\x02"]), "at byte 10: the image is cut off"),
        (words(&[&word(0x0100_0000)]), "at byte 10: a record of 16777216 bytes"),
        (words(&[&word(0x0FFF_FFFF)]), "at byte 10: a record of 268435455 bytes"),
        (words(&[&word(0x9000_0002), b"ab", &word(0x9000_0002)]), "means nothing"),
        (words(&[&word(0xF123_4567)]), "means nothing"),
        (words(&[&word(0x8000_0000)]), "means nothing"),
        (words(&[&word(0x8000_0002), b"ab", &word(0x8000_0002)]), "block 1 is marked"),
        (words(&[&word(0x3FFF_FFFF)]), "cut off"),
    ] {
        let image = words(&[&good, &tail]);
        for error in [read(&image, false).map(drop).unwrap_err(), scan(&image, false).map(drop).unwrap_err()]
        {
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}

#[test]
fn what_is_left_out_is_told() {
    let image = words(&[
        &word(0x7000_1234),
        &word(0x1000_0003),
        b"own\0",
        &word(0x1000_0003),
        &word(0xFFFF_FFFE),
        &word(0x8000_0002),
        b"ab",
        &word(0x8000_0002),
        &word(0xFFFF_FFFF),
        b"behind",
    ]);
    let (blocks, notices) = read(&image, true).unwrap();
    assert_eq!(blocks, [Some(b"ab".to_vec())]);
    let expected =
        TapNotices { bad_records: 1, private_objects: 2, is_unpadded: false, has_more_behind_end: true };
    assert_eq!(notices, expected);
}

#[test]
fn records_that_no_tape_holds_are_not_written() {
    let mut writer = TapWriter::new(Vec::new());
    assert!(writer.record(&[]).is_err());
    assert!(writer.record(&vec![0; RECORD_BYTES_MAX + 1]).is_err());
    writer.record(&vec![1; RECORD_BYTES_MAX]).unwrap();
    let image = writer.finish().unwrap();
    assert_eq!(read(&image, false).unwrap().0[0].as_ref().unwrap().len(), RECORD_BYTES_MAX);
}
