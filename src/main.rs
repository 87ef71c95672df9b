//! The `tapesilo` program: parse the command line, run the command.

fn main() {}
