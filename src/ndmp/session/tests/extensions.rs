//! Extensions: negotiated once, in either form of the request; the echo; data connections over IPv6.

use super::bench::{Bench, Did};
use crate::ndmp::session::*;
use crate::ndmp::wire::*;
use crate::ndmp::xdr::Quad;
use MessageCode as C;

const ECHO: u16 = 0x7ff0;
const ADDRESSES: u16 = 0x2051;

fn choice(classes: &[(u16, u16)]) -> ConfigSetExtListRequest {
    let class = |&(class_id, class_version): &(u16, u16)| ClassVersion { class_id, class_version };
    ConfigSetExtListRequest { selected_ext: classes.iter().map(class).collect() }
}

fn old_choice(classes: &[(u16, u16)]) -> ConfigSetExtListRequestOld {
    let class =
        |&(class_id, version): &(u16, u16)| ClassList { class_id, class_version: vec![version].into() };
    ConfigSetExtListRequestOld { error: Error::NoErr, accepted_ext: classes.iter().map(class).collect() }
}

fn choose(bench: &mut Bench, classes: &[(u16, u16)]) -> Error {
    bench.error(C::ConfigSetExtList, &choice(classes))
}

/// A session that has chosen these.
fn with(classes: &[(u16, u16)]) -> Bench {
    let mut bench = Bench::new();
    let _: ConfigGetExtListReply = bench.ask(C::ConfigGetExtList, &());
    assert_eq!(choose(&mut bench, classes), Error::NoErr);
    bench
}

#[test]
fn what_is_offered_is_listed_with_its_versions() {
    let list: ConfigGetExtListReply = Bench::new().ask(C::ConfigGetExtList, &());
    let offered: Vec<_> =
        list.class_list.iter().map(|class| (class.class_id, class.class_version.to_vec())).collect();
    assert_eq!(offered, [(ECHO, vec![1, 2]), (ADDRESSES, vec![1])]);
}

#[test]
fn extensions_are_listed_before_they_are_chosen_and_chosen_once() {
    let mut bench = Bench::new();
    assert_eq!(choose(&mut bench, &[]), Error::Precondition);
    let _: ConfigGetExtListReply = bench.ask(C::ConfigGetExtList, &());
    for (classes, expected) in [
        (&[(0x2050, 1)][..], Error::ClassNotSupported),
        (&[(ECHO, 1), (0x2052, 1)], Error::ClassNotSupported),
        (&[(ECHO, 3)], Error::VersionNotSupported),
        (&[(ADDRESSES, 0)], Error::VersionNotSupported),
        (&[(ECHO, 1), (ECHO, 2)], Error::ExtDuplClasses),
    ] {
        let deeds = bench.send(C::ConfigSetExtList, &choice(classes));
        assert_eq!((deeds.error(), deeds.log().1), (expected, Some(bench.sequence)), "{classes:?}");
    }
    assert_eq!(choose(&mut bench, &[(ECHO, 1), (ADDRESSES, 1)]), Error::NoErr, "a refusal ends nothing");
    assert_eq!(choose(&mut bench, &[(ECHO, 1)]), Error::ExtDandnIllegal);
    let _: ConfigGetExtListReply = bench.ask(C::ConfigGetExtList, &());
    assert_eq!(choose(&mut bench, &[(ECHO, 1)]), Error::ExtDandnIllegal, "asking again changes nothing");
    assert_eq!(bench.error(C::MoverGetState, &()), Error::NoErr, "the session goes on");
    assert_eq!(choose(&mut with(&[]), &[]), Error::ExtDandnIllegal, "none is a choice, too");
}

/// As drafts before 04 had it, and NDMJOB and Bareos send it.
#[test]
fn the_older_form_of_the_choice_is_understood() {
    let mut bench = Bench::new();
    assert_eq!(bench.error(C::ConfigSetExtList, &old_choice(&[(ECHO, 2)])), Error::Precondition);
    let _: ConfigGetExtListReply = bench.ask(C::ConfigGetExtList, &());
    assert_eq!(bench.error(C::ConfigSetExtList, &old_choice(&[(0x2052, 1)])), Error::ClassNotSupported);
    let mut both = old_choice(&[(ECHO, 2)]);
    both.accepted_ext = vec![ClassList { class_id: ECHO, class_version: vec![1, 2].into() }].into();
    assert_eq!(bench.error(C::ConfigSetExtList, &both), Error::ExtDuplClasses);
    assert_eq!(bench.error(C::ConfigSetExtList, &old_choice(&[(ECHO, 2), (ADDRESSES, 1)])), Error::NoErr);
    let types: ConfigGetConnectionTypeReply = bench.ask(C::ConfigGetConnectionType, &());
    assert_eq!(types.addr_types.to_vec(), [AddrType::Tcp, AddrType::TcpIpv6]);
}

#[test]
fn the_echo_answers_in_the_version_that_was_chosen() {
    let short = TestEchoRequest { echo_msg: "caf\u{e9}".into() };
    let long = TestEchoRequestV2 { echo_msg: "text".into(), echo_short: 0xfffe };
    let reply: TestEchoReply = with(&[(ECHO, 1)]).ask(C::TestEcho, &short);
    assert_eq!(reply, TestEchoReply { error: Error::NoErr, echo_msg: short.echo_msg.clone() });
    let reply: TestEchoReplyV2 = with(&[(ECHO, 2)]).ask(C::TestEcho, &long);
    let expected = TestEchoReplyV2 { error: Error::NoErr, echo_msg: "text".into(), echo_short: 0xfffe };
    assert_eq!(reply, expected);
    let deeds = with(&[(ECHO, 2)]).send(C::TestEcho, &short);
    assert_eq!(deeds.reply().header.error_code, Error::XdrDecode, "version 2 has a number behind the text");
}

#[test]
fn a_class_that_was_not_chosen_is_not_served() {
    for mut bench in [Bench::new(), with(&[]), with(&[(ADDRESSES, 1)])] {
        let deeds = bench.send(C::TestEcho, &TestEchoRequest { echo_msg: "x".into() });
        assert_eq!(deeds.reply().header.error_code, Error::ClassNotSupported);
        assert_eq!(deeds.log().1, Some(bench.sequence));
        assert_eq!(bench.error(C::MoverGetState, &()), Error::NoErr);
    }
    let mut stranger = Bench::stranger(super::bench::facts());
    let deeds = stranger.send(C::TestEcho, &TestEchoRequest { echo_msg: "x".into() });
    assert_eq!(deeds.reply().header.error_code, Error::NotAuthorized);
}

fn prepare(bench: &mut Bench) {
    bench.open_tape(TapeOpenMode::Rdwr);
    let size = MoverSetRecordSizeRequest { len: 512 };
    assert_eq!(bench.error(C::MoverSetRecordSize, &size), Error::NoErr);
    let window = MoverSetWindowRequest { offset: Quad(0), length: Quad::MAX };
    assert_eq!(bench.error(C::MoverSetWindow, &window), Error::NoErr);
}

fn ipv6(address: &str) -> TcpIpv6Addr {
    let address: std::net::SocketAddrV6 = address.parse().unwrap();
    TcpIpv6Addr { ip_addr: address.ip().octets(), port: address.port(), addr_env: Default::default() }
}

#[test]
fn the_mover_listens_for_ipv6_once_that_was_chosen() {
    let request = MoverListenRequest { mode: MoverMode::Read, addr_type: AddrType::TcpIpv6 };
    let mut bench = with(&[(ECHO, 1)]);
    prepare(&mut bench);
    assert_eq!(bench.error(C::MoverListen, &request), Error::IllegalArgs);
    let types: ConfigGetConnectionTypeReply = bench.ask(C::ConfigGetConnectionType, &());
    assert_eq!(types.addr_types.to_vec(), [AddrType::Tcp]);

    let mut bench = with(&[(ADDRESSES, 1)]);
    prepare(&mut bench);
    bench.world.next.push_back(Completion::Listening(Ok(vec!["[2001:db8::1]:5000".parse().unwrap()])));
    let deeds = bench.send(C::MoverListen, &request);
    assert!(matches!(deeds.0[0], Did::Worked(Work::Listen(Family::V6))), "{deeds:?}");
    let reply: MoverListenReply = deeds.reply().decode().unwrap();
    let offered = Addr::TcpIpv6(vec![ipv6("[2001:db8::1]:5000")].into());
    assert_eq!(reply, MoverListenReply { error: Error::NoErr, connect_addr: offered });
    bench.event(Event::PeerConnected("[2001:db8::2]:4000".parse().unwrap()));
    let state: MoverGetStateReply = bench.ask(C::MoverGetState, &());
    assert_eq!(state.data_connection_addr, Addr::TcpIpv6(vec![ipv6("[2001:db8::2]:4000")].into()));
}

#[test]
fn the_mover_connects_over_ipv6_once_that_was_chosen() {
    let list = vec![ipv6("[::]:7000"), ipv6("[2001:db8::2]:0"), ipv6("[2001:db8::2]:7000")];
    let request = MoverConnectRequest { mode: MoverMode::Write, addr: Addr::TcpIpv6(list.into()) };
    let mut bench = Bench::new();
    prepare(&mut bench);
    assert_eq!(bench.error(C::MoverConnect, &request), Error::IllegalArgs);
    let mut bench = with(&[(ADDRESSES, 1)]);
    prepare(&mut bench);
    let deeds = bench.send(C::MoverConnect, &request);
    let Did::Worked(Work::Connect(addresses)) = &deeds.0[0] else { panic!("{deeds:?}") };
    assert_eq!(addresses[..], ["[2001:db8::2]:7000".parse().unwrap()], "as far as they can be connected to");
    assert_eq!(deeds.error(), Error::NoErr);
}

#[test]
fn a_chosen_class_takes_nothing_away() {
    let mut bench = with(&[(ADDRESSES, 1)]);
    prepare(&mut bench);
    let request = MoverListenRequest { mode: MoverMode::Read, addr_type: AddrType::Tcp };
    let deeds = bench.send(C::MoverListen, &request);
    assert!(matches!(deeds.0[0], Did::Worked(Work::Listen(Family::V4))), "{deeds:?}");
    assert_eq!(deeds.error(), Error::NoErr);
}
