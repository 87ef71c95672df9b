//! What an edit leaves as it was: compared as text.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

const FILE: &str = "\
# Head of the file.

[server]   # odd   spacing stays
listen = [ \"127.0.0.1:0\" ]  # loopback
state_dir = \"state\"
control_socket = \"c.sock\"
# below the server

# All about a.
# In two lines.
[[loader]]
name = \"a\"   # first
path = \"a\"
tape_family = \"AAA\"
#slots = 5

# about b
[[loader]]
name = 'b'
path = \"b\"
tape_family = \"BBB\"
[loader.aliases]
b_robot = \"mc0\"

[space]
alert_percent = 6
# The end.
";

const A: &str = "
# All about a.
# In two lines.
[[loader]]
name = \"a\"   # first
path = \"a\"
tape_family = \"AAA\"
";

const B: &str = "
# about b
[[loader]]
name = 'b'
path = \"b\"
tape_family = \"BBB\"
[loader.aliases]
b_robot = \"mc0\"
";

fn site(text: &str) -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("t.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    (scratch, file)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_loader_more_changes_nothing_else_and_one_less_neither() {
    let (scratch, file) = site(FILE);
    let keys = [("name", Value::from("c \"x\"")), ("path", "c".into())];
    let refused = Edit::open(&file).unwrap().add_loader(&keys).unwrap_err().to_string();
    assert!(refused.contains("name: use 1 to 32") && !refused.contains('\n'), "{refused}");
    assert_eq!(names(scratch.path()), ["t.toml"]);

    let keys = [("name", Value::from("c")), ("path", "c".into()), ("slots", 7.into())];
    let prepared = Edit::open(&file).unwrap().add_loader(&keys).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), FILE, "not yet");
    assert_eq!(prepared.config().loaders[2].slots, 7);
    prepared.commit().unwrap();
    let with = format!("{FILE}\n[[loader]]\nname = \"c\"\npath = \"c\"\nslots = 7\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), with);
    assert_eq!(fs::read_to_string(backup_path(&file)).unwrap(), FILE);
    assert_eq!(names(scratch.path()), ["t.toml", "t.toml.bak"]);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
    assert_eq!(fs::metadata(backup_path(&file)).unwrap().mode() & 0o777, 0o640);

    Edit::open(&file).unwrap().remove_loader("c").unwrap().commit().unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), FILE);
    assert_eq!(fs::read_to_string(backup_path(&file)).unwrap(), with);
}

#[test]
fn a_loader_leaves_with_its_sub_tables_and_its_own_comment() {
    assert_eq!(cut(FILE, "a").unwrap(), FILE.replace(A, ""));
    assert_eq!(cut(FILE, "b").unwrap(), FILE.replace(B, ""));
    let windows = FILE.replace('\n', "\r\n");
    assert_eq!(cut(&windows, "b").unwrap(), windows.replace(&B.replace('\n', "\r\n"), ""));
    assert_eq!(cut(FILE, "c"), None);
    assert_eq!(cut("[[loader]]\nname = \"a\"", "a").unwrap(), "");
    let tricky = "[[loader]]\nname = \"a\"\npath = '''\n[[loader]]\nname = \"b\"\n'''\n# end\n";
    assert_eq!(cut(tricky, "b"), None, "it stands in a string");
    assert_eq!(cut(tricky, "a").unwrap(), "# end\n");
}

#[test]
fn what_is_between_two_tables_in_any_order_stays() {
    let mixed = "[[loader]]\nname = \"a\"\n[server]\n# s\n[loader.aliases]\na_robot = \"m\"\n\n[[loader]]\nname = \"b\"\n";
    assert_eq!(cut(mixed, "a").unwrap(), "[server]\n\n[[loader]]\nname = \"b\"\n");
}

#[test]
fn the_users_lists_lose_the_name_and_a_user_who_saw_no_other_is_an_error() {
    for (list, expected) in [
        ("[\"a\", \"b\"]", "[\"b\"]"),
        ("[\"b\", \"a\"]", "[\"b\"]"),
        ("[\n  \"a\", # one\n  \"b\",\n]", "[\n  # one\n  \"b\",\n]"),
        ("[\"b\"]", "[\"b\"]"),
    ] {
        let text = format!("[[user]]\nname = \"u\"\nloaders = {list}\n[[loader]]\nname = \"a\"\n");
        assert_eq!(cut(&text, "a").unwrap(), format!("[[user]]\nname = \"u\"\nloaders = {expected}\n"));
    }
    let (scratch, file) = site(FILE);
    let password = scratch.path().join("pw");
    fs::write(&password, "secret\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let user = "[[user]]\nname = \"u\"\npassword_file = \"pw\"\nloaders = [\"a\"]\n";
    fs::write(&file, format!("{FILE}{user}")).unwrap();
    let refused = Edit::open(&file).unwrap().remove_loader("a").unwrap_err().to_string();
    assert!(refused.contains("user \"u\" may see loader \"a\" only"), "{refused}");
}

#[test]
fn a_loader_that_is_copied_is_not_taken_out_and_copies_stay_as_they_are() {
    let copy = "[[library]]\nname = \"l\"\ndriver = \"directory\"\npath = \"l\"\n# nightly\n[[copy]]\nloader = \"a\"\n\
                library = \"l\"\n";
    let (_scratch, file) = site(&format!("{FILE}{copy}"));
    let refused = Edit::open(&file).unwrap().remove_loader("a").unwrap_err().to_string();
    assert!(
        refused.contains("loader \"a\" is copied to library \"l\"; take that [[copy]] out of"),
        "{refused}"
    );
    Edit::open(&file).unwrap().remove_loader("b").unwrap().commit().unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{FILE}{copy}").replace(B, ""));
}

#[test]
fn a_file_that_is_wrong_already_is_not_touched_and_its_backup_neither() {
    let (scratch, file) = site("[server\n");
    fs::write(backup_path(&file), FILE).unwrap();
    let error = Edit::open(&file).unwrap_err().to_string();
    assert!(error.contains("not valid TOML") && error.contains("first"), "{error}");
    assert_eq!(fs::read_to_string(backup_path(&file)).unwrap(), FILE);
    fs::remove_file(&file).unwrap();
    assert!(matches!(Edit::open(&file), Err(EditError::Unusable(_))));
    assert_eq!(names(scratch.path()), ["t.toml.bak"]);
}

#[test]
fn a_link_stays_one_and_its_target_changes() {
    let (scratch, file) = site(FILE);
    fs::create_dir(scratch.path().join("etc")).unwrap();
    let link = scratch.path().join("etc/t.toml");
    symlink("../t.toml", &link).unwrap();
    Edit::open(&link).unwrap().remove_loader("a").unwrap().commit().unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), FILE.replace(A, ""));
    assert_eq!(names(scratch.path()), ["etc", "t.toml"]);
    assert_eq!(names(&scratch.path().join("etc")), ["t.toml", "t.toml.bak"], "where it is looked for");
}

#[test]
fn one_process_at_a_time_and_an_editor_that_was_faster_wins() {
    let (_scratch, file) = site(FILE);
    let prepared = Edit::open(&file).unwrap().remove_loader("a").unwrap();
    let other = format!("{FILE}# new\n");
    fs::write(&file, &other).unwrap();
    assert!(matches!(prepared.commit(), Err(EditError::Changed(_))));
    assert_eq!(fs::read_to_string(&file).unwrap(), other);
    let held = Edit::open(&file).unwrap();
    let refused = Edit::open(&file).unwrap_err().to_string();
    assert!(refused.contains("another tapesilo"), "{refused}");
    drop(held);
    Edit::open(&file).unwrap();
}

#[test]
fn inline_loaders_are_named() {
    let (_scratch, file) = site("loader = [ { name = \"a\", path = \"x/a\", tape_family = \"A\" } ]\n");
    let edit = Edit::open(&file).unwrap();
    assert_eq!(edit.last_path_as_written().as_deref(), Some("x/a"));
    let error = edit.add_loader(&[("name", "b".into())]).unwrap_err().to_string();
    assert!(error.contains("[[loader]]"), "{error}");
    let error = Edit::open(&file).unwrap().remove_loader("a").unwrap_err().to_string();
    assert!(error.contains("by hand"), "{error}");
}
