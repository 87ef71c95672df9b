//! CONNECT: greeting, version, authentication, and what is allowed before it.

use super::bench::{Bench, facts, user};
use super::catalogue::{UNSERVED, requests};
use crate::ndmp::session::*;
use crate::ndmp::wire::*;

fn server_info(bench: &mut Bench) -> ConfigGetServerInfoReply {
    bench.ask(MessageCode::ConfigGetServerInfo, &())
}

fn with_users(users: Vec<Arc<crate::config::User>>) -> Bench {
    Bench::stranger(Facts { users, ..facts() })
}

#[test]
fn the_server_greets_first() {
    let bench = Bench::stranger(facts());
    let post: NotifyConnectionStatusPost =
        bench.greeting.post(MessageCode::NotifyConnectionStatus).expect("the greeting");
    assert_eq!((post.reason, post.protocol_version), (ConnectionStatusReason::Connected, 4));
    assert!(post.text_reason.is_empty(), "DMAs take a text for a refusal");
    assert_eq!(bench.greeting.order(), ["status"], "and the bench has seen that its number is 1");
}

#[test]
fn a_refused_dma_is_told_why() {
    let effects = Session::refuse("too many sessions", 1000);
    let [Effect::Send(frame), Effect::Hangup] = &effects[..] else { panic!("{effects:?}") };
    let message = Message::split(frame.to_bytes().slice(4..)).unwrap();
    let post: NotifyConnectionStatusPost = message.decode().unwrap();
    assert_eq!(message.header.sequence, 1);
    assert_eq!(post.reason, ConnectionStatusReason::Refused);
    assert_eq!(post.text_reason.to_str(), Some("too many sessions"));
}

#[test]
fn the_right_password_logs_in() {
    for password in ["x", "1234567890123456789012345678901", "12345678901234567890123456789012"] {
        let mut bench = with_users(vec![user("u", password, true, false, None)]);
        assert_eq!(bench.login("u", password), Error::NoErr, "{} bytes", password.len());
        assert!(bench.session.is_authenticated());
    }
}

#[test]
fn only_32_bytes_of_a_password_count() {
    let password = "12345678901234567890123456789012";
    let mut bench = with_users(vec![user("u", password, true, false, None)]);
    assert_eq!(bench.login("u", &format!("{password}3")), Error::NoErr);
    let mut bench = with_users(vec![user("u", password, true, false, None)]);
    assert_eq!(bench.login("u", &password[..31]), Error::NotAuthorized);
}

#[test]
fn wrong_proofs_are_all_answered_alike() {
    for (name, password) in [("backup", "hunter3"), ("backup", ""), ("nobody", "hunter2"), ("", "")] {
        let mut bench = Bench::stranger(facts());
        assert_eq!(bench.login(name, password), Error::NotAuthorized, "{name} {password}");
        assert!(!bench.session.is_authenticated());
        assert_eq!(bench.login("backup", "hunter2"), Error::NoErr, "one wrong login ends nothing");
    }
}

#[test]
fn a_challenge_is_good_for_one_attempt_and_only_the_last_one_is() {
    let mut bench = Bench::stranger(facts());
    let zero = md5_digest(b"hunter2", &[0; CHALLENGE_BYTES]);
    assert_eq!(bench.md5("backup", zero), Error::NotAuthorized, "before any challenge");

    let old = bench.challenge();
    let new = bench.challenge();
    assert_ne!(old, new);
    assert_eq!(bench.md5("backup", md5_digest(b"hunter2", &old)), Error::NotAuthorized);
    assert_eq!(bench.md5("backup", md5_digest(b"hunter2", &new)), Error::NotAuthorized, "used up");

    let mut bench = Bench::stranger(facts());
    let challenge = bench.challenge();
    let right = md5_digest(b"hunter2", &challenge);
    assert_eq!(bench.md5("backup", right), Error::NoErr);
    assert_eq!(bench.md5("backup", right), Error::NotAuthorized, "replayed");
}

#[test]
fn clear_passwords_are_taken_from_users_who_may_only() {
    let mut bench = Bench::stranger(facts());
    assert_eq!(bench.text("backup", "hunter2"), Error::IllegalArgs);
    let request = ConfigGetAuthAttrRequest { auth_type: AuthType::Text };
    assert_eq!(bench.error(MessageCode::ConfigGetAuthAttr, &request), Error::IllegalArgs);
    assert_eq!(server_info(&mut bench).auth_type.to_vec(), [AuthType::Md5]);

    let mut bench =
        with_users(vec![user("old", "pw", false, true, None), user("new", "pw", true, false, None)]);
    assert_eq!(server_info(&mut bench).auth_type.to_vec(), [AuthType::Md5, AuthType::Text]);
    assert_eq!(bench.text("new", "pw"), Error::NotAuthorized, "another user's way");
    assert_eq!(bench.login("old", "pw"), Error::NotAuthorized);
    for wrong in ["", "p", "pw ", "pww"] {
        let mut bench = with_users(vec![user("old", "pw", false, true, None)]);
        assert_eq!(bench.text("old", wrong), Error::NotAuthorized, "{wrong:?}");
    }
    assert_eq!(bench.text("old", "pw"), Error::NoErr);
}

#[test]
fn no_authentication_is_no_way_in() {
    let mut bench = Bench::stranger(facts());
    let none = ConnectClientAuthRequest { auth_data: AuthData::None };
    assert_eq!(bench.error(MessageCode::ConnectClientAuth, &none), Error::IllegalArgs);
    for auth_type in [AuthType::None, AuthType::Other(9)] {
        let request = ConfigGetAuthAttrRequest { auth_type };
        assert_eq!(bench.error(MessageCode::ConfigGetAuthAttr, &request), Error::IllegalArgs);
    }
    let mut nobody = with_users(Vec::new());
    assert!(server_info(&mut nobody).auth_type.is_empty());
}

#[test]
fn a_second_login_changes_the_user_when_nothing_is_open() {
    let mut bench = Bench::new();
    assert_eq!(bench.login("guest", "guest"), Error::NoErr);
    assert_eq!(bench.session.summary().user.as_deref(), Some("guest"));

    let request = ScsiOpenRequest { device: "attic_robot".into() };
    assert_eq!(bench.error(MessageCode::ScsiOpen, &request), Error::NoErr);
    assert_eq!(bench.login("backup", "hunter2"), Error::IllegalState);
    assert_eq!(bench.session.summary().user.as_deref(), Some("guest"));
}

#[test]
fn a_second_login_that_fails_leaves_the_first() {
    let mut bench = Bench::new();
    assert_eq!(bench.text("backup", "hunter2"), Error::IllegalArgs);
    assert!(bench.session.is_authenticated(), "a way to log in that is not served");
    assert_eq!(bench.login("guest", "wrong"), Error::NotAuthorized);
    assert_eq!(bench.session.summary().user.as_deref(), Some("backup"));
}

#[test]
fn five_wrong_logins_hang_up() {
    let mut bench = Bench::stranger(facts());
    for _ in 0..4 {
        assert_eq!(bench.login("backup", "guess"), Error::NotAuthorized);
    }
    bench.challenge();
    let auth_data = AuthData::Md5(AuthMd5 { auth_id: "backup".into(), auth_digest: [0; 16] });
    let deeds = bench.send(MessageCode::ConnectClientAuth, &ConnectClientAuthRequest { auth_data });
    assert_eq!(deeds.order(), ["login failed", "reply", "hangup"], "counted before it is answered");
    assert_eq!(deeds.error(), Error::NotAuthorized);
}

#[test]
fn from_an_address_that_is_locked_out_not_even_the_right_password_is_looked_at() {
    for was_in in [false, true] {
        let mut bench = if was_in { Bench::new() } else { Bench::stranger(facts()) };
        let challenge = bench.challenge();
        bench.world.locked_out_seconds = Some(17);
        let auth_digest = md5_digest(b"hunter2", &challenge);
        let auth_data = AuthData::Md5(AuthMd5 { auth_id: "backup".into(), auth_digest });
        let deeds = bench.send(MessageCode::ConnectClientAuth, &ConnectClientAuthRequest { auth_data });
        assert_eq!(deeds.error(), Error::NotAuthorized);
        assert_eq!(deeds.order().last(), Some(&"hangup"), "{deeds:?}");
        assert!(!deeds.order().contains(&"authenticated"));
    }
}

#[test]
fn a_user_without_a_password_cannot_log_in() {
    let nobody = |md5, text| {
        let user = user("u", "x", md5, text, None);
        Arc::new(crate::config::User { password: None, ..crate::config::User::clone(&user) })
    };
    let mut bench = with_users(vec![nobody(true, true)]);
    for password in ["", "x"] {
        assert_eq!(bench.login("u", password), Error::NotAuthorized);
        assert_eq!(bench.text("u", password), Error::NotAuthorized);
    }
}

#[test]
fn before_login_only_what_a_login_needs_is_answered() {
    use MessageCode as C;
    let open = [
        C::ConnectOpen,
        C::ConnectClientAuth,
        C::ConfigGetHostInfo,
        C::ConfigGetAuthAttr,
        C::ConfigGetServerInfo,
    ];
    for request in requests() {
        let mut bench = Bench::stranger(facts());
        let deeds = bench.send_bytes(request.code, &request.body);
        let is_refused = deeds.error() == Error::NotAuthorized && request.code != C::ConnectClientAuth;
        assert_eq!(is_refused, !open.contains(&request.code), "{:?}", request.code);
        let is_answer = |name: &&str| ["reply", "login failed"].contains(name);
        assert!(deeds.order().iter().all(is_answer), "{:?}: {deeds:?}", request.code);
    }
    for code in UNSERVED {
        let mut bench = Bench::stranger(facts());
        let deeds = bench.send_bytes(code.into(), &[]);
        assert_eq!(deeds.reply().header.error_code, Error::NotAuthorized, "{code:#x}");
    }
}

#[test]
fn strangers_are_not_told_who_the_server_is() {
    let mut bench = Bench::stranger(facts());
    let info: ConfigGetHostInfoReply = bench.ask(MessageCode::ConfigGetHostInfo, &());
    assert!(info.hostname.is_empty() && info.hostid.is_empty());
    let server = server_info(&mut bench);
    assert!(server.vendor_name.is_empty() && server.product_name.is_empty());
    let mut bench = Bench::new();
    let info: ConfigGetHostInfoReply = bench.ask(MessageCode::ConfigGetHostInfo, &());
    assert_eq!(info.hostname.to_str(), Some("silo"));
}

#[test]
fn connect_close_has_no_reply() {
    for mut bench in [Bench::stranger(facts()), Bench::new()] {
        let deeds = bench.send(MessageCode::ConnectClose, &());
        assert_eq!(deeds.order(), ["hangup"]);
    }
}
