//! The program as an operator runs it, and what he is told. Knows nothing of what the commands do.

use std::process::Output;

use super::Site;

/// Runs `tapesilo` with the site's configuration.
pub(crate) fn run(site: &Site, args: &[&str]) -> Output {
    site.command(args).output().unwrap()
}

/// What it says when all is well: exit code 0, and nothing on standard error.
#[track_caller]
pub(crate) fn success(site: &Site, args: &[&str]) -> String {
    let output = run(site, args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && error.is_empty(), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Exit code 1 and one line on standard error, which is given.
#[track_caller]
pub(crate) fn failure(site: &Site, args: &[&str]) -> String {
    let output = run(site, args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{args:?}: {error}");
    error
}
