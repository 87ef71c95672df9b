//! The built-in personalities: that they are read, fit their counts and say what they should; what is refused of others.

use super::*;
use crate::scsi::identity::DeviceType;

const OWN: &str = include_str!("tapesilo.toml");

#[test]
fn every_built_in_one_is_read_in_every_generation() {
    assert_eq!(
        Personality::built_in_names(),
        [Personality::HONEST, "ibm-3584", "stk-l700", "quantum-i500", "hp-msl"]
    );
    assert_eq!(Personality::honest().name, Personality::HONEST);
    for name in Personality::built_in_names() {
        for generation in Generation::ALL {
            let personality = Personality::built_in(name, Some(generation)).unwrap();
            assert_eq!(personality.drive.generation, generation);
            assert_eq!(personality.changer.device.product.device_type, DeviceType::Changer);
            assert!(personality.drive.device.product.model().contains(&generation.number().to_string()));
            personality.check_counts(4, 20, 400).unwrap();
        }
        assert!(!Personality::built_in(name, None).unwrap().description.is_empty());
    }
    assert_eq!(Personality::built_in("acme", None), None);
}

/// The strings that backup applications look for, and the addresses that they expect behind them.
#[test]
fn strings_and_addresses_are_the_vendors() {
    let expected = [
        ("tapesilo", "TAPESILO VIRTUAL LIBRARY 0.1", "TAPESILO VIRTUAL LTO-8 0.1", [1, 16, 256, 4096]),
        ("ibm-3584", "IBM 03584L32 5490", "IBM ULT3580-TD8 J4D1", [1, 769, 257, 1025]),
        ("stk-l700", "STK L700 3.12", "IBM ULT3580-TD8 J4D1", [1, 10, 500, 1000]),
        ("quantum-i500", "QUANTUM Scalar i500 696Q", "IBM ULTRIUM-TD8 J4D1", [1, 16, 256, 4096]),
        ("hp-msl", "HP MSL G3 Series 9.50", "HPE Ultrium 8-SCSI JM71", [1, 448, 480, 32]),
    ];
    for (name, changer, drive, [transport, mail_slots, drives, slots]) in expected {
        let personality = Personality::built_in(name, None).unwrap();
        assert_eq!(personality.changer.device.product.model(), changer);
        assert_eq!(personality.drive.device.product.model(), drive);
        assert_eq!(personality.changer.layout, ElementLayout { transport, mail_slots, drives, slots });
    }
    let msl = Personality::built_in("hp-msl", None).unwrap();
    assert_eq!(msl.changer.drive_identifier, DriveIdentifier::Serial { characters: 10 });
    assert_eq!(
        msl.check_counts(32, 64, 417).unwrap_err().to_string().split(';').next(),
        Some("417 slots are too many")
    );
}

#[test]
fn an_own_one_may_have_pages_of_its_own() {
    let text = OWN.replace(
        "[drive]",
        "[[changer.vital_product_data]]\npage = 0xc1\ntext = \"abc\"\n\
         [[changer.vital_product_data]]\npage = 0xc0\nhex = \"01 fF\"\n\
         [[changer.mode_page]]\npage = 0x18\nhex = \"\"\n[drive]",
    );
    let device = Personality::parse(&text, None).unwrap().changer.device;
    let codes: Vec<(u8, &[u8])> =
        device.vital_product_data.iter().map(|page| (page.code, &page.bytes[..])).collect();
    assert_eq!(codes, [(0xc0, &[0x01, 0xff][..]), (0xc1, &b"abc"[..])]);
    assert_eq!(device.mode_pages.len(), 1);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let page = |table: &str, page: &str| format!("[[{table}]]\npage = {page}\n[drive]");
    let wrong = [
        (
            "vendor = \"TAPESILO\"",
            "vendor = \"NINE CHARS\"".to_owned(),
            "changer.vendor: \"NINE CHARS\" does not fit",
        ),
        ("product = \"VIRTUAL LIB", "product = \"\\u00e9VIRTUAL LIB".to_owned(), "changer.product"),
        ("generation = 8", "generation = 4".to_owned(), "drive.generation: set 5, 6, 7, 8 or 9"),
        ("drives = 0x100", "drives = 0x10".to_owned(), "two kinds begin at one address"),
        ("transport = 0x1", "transport = 0".to_owned(), "0 is no address"),
        ("transport = 0x1", "transport = 70000".to_owned(), "line"),
        ("name = \"tapesilo\"", "name = \"a b\"".to_owned(), "name: use 1 to 64"),
        (
            "[drive]",
            page("changer.vital_product_data", "0x83\ntext = \"x\""),
            "vital_product_data 83h: the device makes",
        ),
        ("[drive]", page("changer.vital_product_data", "0xc0"), "give either text or hex"),
        ("[drive]", page("changer.vital_product_data", "0xc0\nhex = \"abc\""), "not pairs"),
        ("[drive]", page("changer.mode_page", "0x3f\nhex = \"00\""), "mode_page 3Fh"),
        ("[drive]", format!("exhange = true\n{}", "[drive]"), "line"),
        (
            "[drive]",
            page("changer.mode_page", "0x18\nhex = \"\"\n[[changer.mode_page]]\npage = 0x18\nhex = \"\""),
            "is given twice",
        ),
    ];
    for (from, to, message) in wrong {
        let text = OWN.replacen(from, &to, 1);
        assert_ne!(text, OWN, "{from}");
        let error = Personality::parse(&text, None).unwrap_err().to_string();
        assert!(error.contains(message), "{to}: {error}");
    }
}
