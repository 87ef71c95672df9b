//! Exchanges: what they do, what they refuse, and that whatever fails within one leaves both tapes where they were.

use super::*;

/// Two tapes in slots 0 and 1, one in drive 0 (from slot 2), one in drive 1 (from slot 3); slots 4 and 5 and a mail slot are free.
fn bench() -> (Site, Loader, Vec<Arc<FakeBay>>) {
    let site = Site::new(6, 1, 4);
    let (loader, bays) = site.open(3);
    for index in 0..2 {
        loader.move_medium(Place::Slot(2 + index), Place::Drive(index), MovedBy::Robot).unwrap();
    }
    (site, loader, bays)
}

fn exchange(loader: &Loader, source: Place, first: Place, second: Place) -> Result<String, String> {
    let done = loader.exchange_media(source, first, second, MovedBy::Robot);
    done.map(|(comes, goes)| format!("{comes} {goes}")).map_err(|error| error.to_string())
}

/// Where the four tapes are, and that drives hold what their elements say.
fn places(loader: &Loader, bays: &[Arc<FakeBay>]) -> Vec<Place> {
    let elements = loader.elements();
    for (index, bay) in (0..).zip(bays) {
        let drive = elements.at(Place::Drive(index)).unwrap();
        let mounted = drive.tape.clone().filter(|_| drive.fault.is_none());
        assert_eq!(bay.state().holds, mounted, "drive{index}");
    }
    (1..=4).map(|number| loader.place_of(&code(&format!("VLT00{number}L8"))).unwrap()).collect()
}

const START: [Place; 4] = [Place::Slot(0), Place::Slot(1), Place::Drive(0), Place::Drive(1)];

#[test]
fn tapes_change_places_in_every_direction_and_stay_so() {
    let [slot0, slot1, drive0, drive1] = START;
    let free = Place::Slot(4);
    let mail = Place::MailSlot(0);
    let empty_drive = Place::Drive(2);
    /// Source, first and second destination; where the four tapes are then.
    type Case = (Place, Place, Place, [Place; 4]);
    let cases: [Case; 9] = [
        (slot0, slot1, slot0, [slot1, slot0, drive0, drive1]),
        (slot0, slot1, free, [slot1, free, drive0, drive1]),
        (slot0, slot1, mail, [slot1, mail, drive0, drive1]),
        (slot0, drive0, slot0, [drive0, slot1, slot0, drive1]),
        (slot0, drive0, Place::Slot(2), [drive0, slot1, Place::Slot(2), drive1]),
        (drive0, slot0, drive0, [drive0, slot1, slot0, drive1]),
        (drive0, drive1, drive0, [slot0, slot1, drive1, drive0]),
        (drive0, drive1, empty_drive, [slot0, slot1, drive1, empty_drive]),
        (slot0, slot1, empty_drive, [slot1, empty_drive, drive0, drive1]),
    ];
    for (source, first, second, expected) in cases {
        let (site, loader, bays) = bench();
        exchange(&loader, source, first, second).unwrap();
        assert_eq!(places(&loader, &bays), expected, "{source} {first} {second}");
        drop(loader);
        let (loader, bays) = site.open(3);
        assert_eq!(places(&loader, &bays), expected, "after a restart");
    }
}

#[test]
fn what_cannot_be_exchanged_is_refused_and_nothing_moves() {
    let (_site, loader, bays) = bench();
    let [slot0, slot1, drive0, drive1] = START;
    for (source, first, second, part) in [
        (Place::Slot(4), drive0, slot1, "slot4 holds no tape"),
        (slot0, Place::Slot(4), slot0, "slot4 holds no tape"),
        (slot0, drive0, drive1, "drive1 holds a tape already"),
        (slot0, slot0, slot1, "slot0 holds a tape already"),
        (slot0, slot1, slot1, "slot1 holds a tape already"),
        (slot0, Place::Drive(3), slot0, "drive3 does not exist"),
        (Place::Shelf, drive0, slot0, "shelf does not exist"),
        (slot0, drive0, Place::Slot(6), "slot6 does not exist"),
    ] {
        let error = exchange(&loader, source, first, second).unwrap_err();
        assert!(error.contains(part), "{error}");
        assert_eq!(places(&loader, &bays), START);
    }
}

#[test]
fn whatever_fails_leaves_both_tapes_where_they_were() {
    let [slot0, _, drive0, drive1] = START;
    let empty_drive = Place::Drive(2);
    let busy = || Some(BayError::InUse { by: "a session".into() });
    /// What goes wrong, and the exchange that it spoils.
    type Case<'a> = (&'a dyn Fn(&Site, &[Arc<FakeBay>]), Place, Place, Place);
    let refuse_0: &dyn Fn(&Site, &[Arc<FakeBay>]) = &|_, bays| bays[0].state().refuse_insert_once = true;
    let refuse_2: &dyn Fn(&Site, &[Arc<FakeBay>]) = &|_, bays| bays[2].state().refuse_insert = true;
    let busy_0: &dyn Fn(&Site, &[Arc<FakeBay>]) = &|_, bays| bays[0].state().refuse_remove = busy();
    let busy_1: &dyn Fn(&Site, &[Arc<FakeBay>]) = &|_, bays| bays[1].state().refuse_remove = busy();
    let unsaved: &dyn Fn(&Site, &[Arc<FakeBay>]) = &|site, _| {
        fs::remove_file(site.path("slots.toml.tmp")).unwrap();
        fs::create_dir(site.path("slots.toml.tmp")).unwrap();
    };
    let cases: [Case<'_>; 9] = [
        (busy_0, slot0, drive0, slot0),
        (busy_0, drive0, drive1, drive0),
        (busy_1, drive0, drive1, drive0),
        (refuse_0, slot0, drive0, slot0),
        (refuse_0, drive1, drive0, empty_drive),
        (refuse_0, drive0, drive1, drive0),
        (refuse_2, drive0, drive1, empty_drive),
        (unsaved, drive0, drive1, drive0),
        (unsaved, slot0, drive0, empty_drive),
    ];
    for (at, (spoil, source, first, second)) in cases.into_iter().enumerate() {
        let (site, loader, bays) = bench();
        spoil(&site, &bays);
        exchange(&loader, source, first, second).unwrap_err();
        assert_eq!(places(&loader, &bays), START, "case {at}");
        assert!((0..3).all(|index| loader.elements().at(Place::Drive(index)).unwrap().fault.is_none()));
        drop(loader);
        if site.path("slots.toml.tmp").is_dir() {
            fs::remove_dir(site.path("slots.toml.tmp")).unwrap();
        }
        let (loader, bays) = site.open(3);
        assert_eq!(places(&loader, &bays), START, "case {at}, after a restart");
    }
}

#[test]
fn what_cannot_even_be_undone_is_where_the_map_says() {
    let (site, loader, bays) = bench();
    // The tape that comes is loaded, the one that goes is refused, and then the first drive does not let go any more.
    bays[2].state().refuse_insert = true;
    bays[1].state().refuse_remove_after_insert = Some(BayError::Failed { reason: "stuck".into() });
    exchange(&loader, Place::Drive(0), Place::Drive(1), Place::Drive(2)).unwrap_err();
    let expected = [Place::Slot(0), Place::Slot(1), Place::Drive(1), Place::Drive(2)];
    assert_eq!(places(&loader, &bays), expected);
    let fault = |loader: &Loader, index| loader.elements().at(Place::Drive(index)).unwrap().fault.clone();
    assert_eq!([fault(&loader, 1).is_some(), fault(&loader, 2).is_some()], [false, true]);
    drop(loader);
    let (loader, bays) = site.open(3);
    assert_eq!(places(&loader, &bays), expected);
    assert_eq!(fault(&loader, 2), None, "the next start has loaded it");
}

#[test]
fn a_tape_that_its_drive_never_mounted_is_exchanged_like_any_other() {
    let (site, loader, _) = bench();
    drop(loader);
    site.damage_tape("VLT003L8", "torn");
    let (loader, bays) = site.open(3);
    assert!(loader.elements().at(Place::Drive(0)).unwrap().fault.is_some());
    exchange(&loader, Place::Slot(0), Place::Drive(0), Place::Slot(0)).unwrap();
    assert_eq!(places(&loader, &bays)[..3], [Place::Drive(0), Place::Slot(1), Place::Slot(0)]);
    assert_eq!(loader.elements().at(Place::Drive(0)).unwrap().fault, None);
    assert_eq!(loader.elements().at(Place::Drive(0)).unwrap().source, None, "its slot is taken now");
}
