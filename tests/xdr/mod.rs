//! What the XDR tests share: a reader of `.x` files, the Rust types in the same form, and the differences of two such
//! forms. `values` makes values of any type from its schema.
//!
//! The reader knows the part of RFC 4506 that NDMP uses; anything else is an error, not a guess.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod values;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;

use tapesilo::ndmp::wire;
use tapesilo::ndmp::xdr::schema::{self, Type};

/// The declarations of one specification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) types: BTreeMap<String, Shape>,
    pub(crate) consts: BTreeMap<String, u32>,
    pub(crate) typedefs: BTreeMap<String, String>,
}

/// A member: name, then type as `u_long`, `opaque[16]`, `ndmp4_pval<>` …
pub(crate) type Member = (String, String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Struct(Vec<Member>),
    Enum(Vec<(String, u32)>),
    Union(Member, Vec<(String, Option<Member>)>),
}

impl Spec {
    /// What the Rust types say of themselves.
    pub(crate) fn of_rust() -> Self {
        let mut spec = Self {
            consts: wire::consts().map(|(name, value)| (name.to_owned(), value)).collect(),
            typedefs: wire::typedefs().map(|(name, of)| (name.to_owned(), of.to_owned())).collect(),
            ..Self::default()
        };
        for schema in wire::schemas() {
            let shape = match schema.shape {
                schema::Shape::Struct(fields) => Shape::Struct(fields.iter().map(member).collect()),
                schema::Shape::Enum(values) => {
                    Shape::Enum(values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
                }
                schema::Shape::Union(tag, arms) => {
                    let arms =
                        arms.iter().map(|arm| (case_name(&tag, arm.case), arm.field.as_ref().map(member)));
                    Shape::Union(member(&tag), arms.collect())
                }
            };
            assert!(spec.types.insert(schema.name.to_owned(), shape).is_none(), "{} twice", schema.name);
        }
        spec
    }

    /// Reads a `.x` file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable() };
        let mut spec = Self::default();
        while parser.tokens.peek().is_some() {
            parser.declaration(&mut spec)?;
        }
        Ok(spec)
    }

    /// Every difference, one line each.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = compare("type", &self.types, &other.types);
        lines.extend(compare("const", &self.consts, &other.consts));
        lines.extend(compare("typedef", &self.typedefs, &other.typedefs));
        lines
    }
}

fn member(field: &schema::Field) -> Member {
    (field.name.to_owned(), type_name(&field.r#type))
}

fn type_name(of: &Type) -> String {
    match of {
        Type::Void => "void".to_owned(),
        Type::Named(name) => (*name).to_owned(),
        Type::FixedOpaque(size) => format!("opaque[{size}]"),
        Type::Opaque => "opaque<>".to_owned(),
        Type::String => "string<>".to_owned(),
        Type::List(element) => format!("{}<>", type_name(element)),
    }
}

fn case_name(tag: &schema::Field, case: u32) -> String {
    let Type::Named(name) = tag.r#type else { panic!("the tag {} is no enum", tag.name) };
    let schema::Shape::Enum(values) = values::find(name).shape else { panic!("{name} is no enum") };
    values.iter().find(|(_, value)| *value == case).expect("an arm has a name").0.to_owned()
}

fn compare<T: PartialEq + std::fmt::Debug>(
    what: &str,
    ours: &BTreeMap<String, T>,
    theirs: &BTreeMap<String, T>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in ours {
        match theirs.get(name) {
            None => lines.push(format!("{what} {name} is missing on the right")),
            Some(other) if other != value => lines.push(format!("{what} {name}: {value:?} | {other:?}")),
            Some(_) => {}
        }
    }
    lines.extend(
        theirs
            .keys()
            .filter(|name| !ours.contains_key(*name))
            .map(|name| format!("{what} {name} is missing on the left")),
    );
    lines
}

/// Words, numbers and single punctuation characters.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("/*") {
            rest.find("*/").ok_or("an open comment")? + 2
        } else if c.is_ascii_alphanumeric() || c == '_' {
            let word = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            found.push(rest[..word].to_owned());
            word
        } else if c.is_ascii_whitespace() {
            1
        } else if "{}()<>[]=:;,".contains(c) {
            found.push(c.to_string());
            1
        } else {
            return Err(format!("the character {c:?}"));
        };
        rest = &rest[length..];
    }
    Ok(found)
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<String>>,
}

impl Parser {
    fn declaration(&mut self, spec: &mut Spec) -> Result<(), String> {
        let keyword = self.next()?;
        match keyword.as_str() {
            "const" => {
                let name = self.next()?;
                self.expect("=")?;
                let value = self.number()?;
                insert(&mut spec.consts, name, value)?;
            }
            "typedef" => {
                let of = self.next()?;
                let name = self.next()?;
                insert(&mut spec.typedefs, name, of)?;
            }
            "struct" => {
                let name = self.next()?;
                let shape = self.structure()?;
                insert(&mut spec.types, name, shape)?;
            }
            "enum" => {
                let name = self.next()?;
                let shape = self.enumeration()?;
                insert(&mut spec.types, name, shape)?;
            }
            "union" => {
                let name = self.next()?;
                let shape = self.union()?;
                insert(&mut spec.types, name, shape)?;
            }
            other => return Err(format!("{other} is no declaration")),
        }
        self.expect(";")
    }

    fn structure(&mut self) -> Result<Shape, String> {
        self.expect("{")?;
        let mut members = Vec::new();
        while !self.accept("}") {
            members.push(self.member()?.ok_or("void in a struct")?);
        }
        Ok(Shape::Struct(members))
    }

    fn enumeration(&mut self) -> Result<Shape, String> {
        self.expect("{")?;
        let mut values = Vec::new();
        loop {
            let name = self.next()?;
            self.expect("=")?;
            values.push((name, self.number()?));
            if !self.accept(",") {
                break;
            }
        }
        self.expect("}")?;
        Ok(Shape::Enum(values))
    }

    fn union(&mut self) -> Result<Shape, String> {
        self.expect("switch")?;
        self.expect("(")?;
        let tag_type = self.next()?;
        let tag = (self.next()?, tag_type);
        self.expect(")")?;
        self.expect("{")?;
        let mut arms = Vec::new();
        while !self.accept("}") {
            self.expect("case")?;
            let case = self.next()?;
            self.expect(":")?;
            arms.push((case, self.member()?));
        }
        Ok(Shape::Union(tag, arms))
    }

    /// `type name`, `type name<>`, `opaque name[n]` or `void`, and the semicolon.
    fn member(&mut self) -> Result<Option<Member>, String> {
        let mut of = self.next()?;
        if of == "void" {
            self.expect(";")?;
            return Ok(None);
        }
        let name = self.next()?;
        if self.accept("<") {
            self.expect(">")?;
            of.push_str("<>");
        } else if self.accept("[") {
            let _ = write!(of, "[{}]", self.number()?);
            self.expect("]")?;
        }
        self.expect(";")?;
        Ok(Some((name, of)))
    }

    fn next(&mut self) -> Result<String, String> {
        self.tokens.next().ok_or_else(|| "the end of the file".to_owned())
    }

    fn accept(&mut self, token: &str) -> bool {
        self.tokens.next_if(|next| next == token).is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        let next = self.next()?;
        if next == token { Ok(()) } else { Err(format!("{next} instead of {token}")) }
    }

    fn number(&mut self) -> Result<u32, String> {
        let word = self.next()?;
        let parsed = match word.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => word.parse(),
        };
        parsed.map_err(|error| format!("{word}: {error}"))
    }
}

fn insert<T>(map: &mut BTreeMap<String, T>, name: String, value: T) -> Result<(), String> {
    match map.entry(name) {
        Entry::Occupied(entry) => Err(format!("{} is declared twice", entry.key())),
        Entry::Vacant(entry) => {
            entry.insert(value);
            Ok(())
        }
    }
}
