//! The shape of every declared message as data, so that a test can hold `xdr/ndmp4.x` and the Rust types equal and
//! other tests can cover every type without a list of their own.

use bytes::Bytes;

use super::WireError;

/// One declared type.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Its name in the `.x` file.
    pub name: &'static str,
    /// What it consists of.
    pub shape: Shape,
    /// Decodes a value of the type and encodes it again.
    pub recode: fn(Bytes) -> Result<Bytes, WireError>,
}

/// Struct, enum or union.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Fields in wire order.
    Struct(&'static [Field]),
    /// `.x` names and values.
    Enum(&'static [(&'static str, u32)]),
    /// The discriminant and the arms.
    Union(Field, &'static [Arm]),
}

/// A named member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the `.x` file.
    pub name: &'static str,
    /// Its type in the XDR language.
    pub r#type: Type,
}

/// One arm of a union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arm {
    /// The discriminant's value.
    pub case: u32,
    /// `None`: void.
    pub field: Option<Field>,
}

/// A type in the XDR language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// No bytes at all: the body of a message without one.
    Void,
    /// A scalar or a declared type.
    Named(&'static str),
    /// `opaque name[N]`
    FixedOpaque(usize),
    /// `opaque name<>`
    Opaque,
    /// `string name<>`
    String,
    /// `type name<>`
    List(&'static Type),
}
