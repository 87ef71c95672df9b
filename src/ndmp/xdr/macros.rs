//! How a message is declared: once, in a form that reads like the XDR language, from which come the Rust type, its
//! codec and its schema.
//!
//! `xdr_types!` wraps all declarations of a file and collects their schemas in `SCHEMA`, so that no type can be left
//! out of the comparison with the `.x` file.

/// `struct`, `enum` and `union` declarations, each as `keyword xdr_name => RustName { … }`.
macro_rules! xdr_types {
    ($($(#[$meta:meta])* $kind:ident $xdr:ident => $name:ident
        $(switch ($tag:ident : $tag_type:ident))? { $($body:tt)* })*) => {
        $($crate::ndmp::xdr::xdr_types! {
            @$kind [$(#[$meta])*] $xdr $name $(($tag $tag_type))? { $($body)* }
        })*
        /// Every type declared in this file.
        pub(crate) const SCHEMA: &[$crate::ndmp::xdr::schema::Schema] = &[$($name::SCHEMA),*];
    };
    (@struct [$($meta:tt)*] $xdr:ident $name:ident { $($body:tt)* }) => {
        $crate::ndmp::xdr::xdr_struct! { [$($meta)* #[derive(Debug)]] $xdr $name { $($body)* } }
    };
    // A struct that holds a password or a digest: `Debug` shows its name only.
    (@secret [$($meta:tt)*] $xdr:ident $name:ident { $($body:tt)* }) => {
        $crate::ndmp::xdr::xdr_struct! { [$($meta)*] $xdr $name { $($body)* } }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), " { (not shown) }"))
            }
        }
    };
    (@enum [$($meta:tt)*] $xdr:ident $name:ident { $($body:tt)* }) => {
        $crate::ndmp::xdr::xdr_enum! { [$($meta)*] $xdr $name { $($body)* } }
    };
    (@union [$($meta:tt)*] $xdr:ident $name:ident ($tag:ident $tag_type:ident) { $($body:tt)* }) => {
        $crate::ndmp::xdr::xdr_union! { [$($meta)*] $xdr $name ($tag $tag_type) { $($body)* } }
    };
}

macro_rules! xdr_struct {
    ([$($meta:tt)*] $xdr:ident $name:ident { $($field:ident : $type:ty),* $(,)? }) => {
        $($meta)*
        #[doc = concat!("\n\n`", stringify!($xdr), "`; the fields are the standard's.")]
        #[derive(Clone, Default, PartialEq, Eq)]
        #[allow(missing_docs, reason = "xdr/ documents the fields")]
        pub struct $name { $(pub $field: $type),* }

        impl $name {
            pub(crate) const SCHEMA: $crate::ndmp::xdr::schema::Schema = $crate::ndmp::xdr::schema::Schema {
                name: stringify!($xdr),
                shape: $crate::ndmp::xdr::schema::Shape::Struct(&[$($crate::ndmp::xdr::schema::Field {
                    name: stringify!($field),
                    r#type: <$type as $crate::ndmp::xdr::Wire>::TYPE,
                }),*]),
                recode: $crate::ndmp::xdr::types::recode::<Self>,
            };
        }

        impl $crate::ndmp::xdr::Unpack<$crate::ndmp::xdr::In> for $name {
            fn unpack(input: &mut $crate::ndmp::xdr::In) -> xdr_codec::Result<(Self, usize)> {
                let start = input.at();
                $(
                    input.begin(concat!(stringify!($name), ".", stringify!($field)));
                    let $field = <$type as $crate::ndmp::xdr::Unpack<_>>::unpack(input)?.0;
                )*
                Ok((Self { $($field),* }, input.at() - start))
            }
        }

        impl $crate::ndmp::xdr::Pack<$crate::ndmp::xdr::Out> for $name {
            fn pack(&self, out: &mut $crate::ndmp::xdr::Out) -> xdr_codec::Result<usize> {
                let mut size = 0;
                $(
                    out.begin(concat!(stringify!($name), ".", stringify!($field)));
                    size += self.$field.pack(out)?;
                )*
                Ok(size)
            }
        }

        impl $crate::ndmp::xdr::Wire for $name {
            const MIN: usize = 0 $(+ <$type as $crate::ndmp::xdr::Wire>::MIN)*;
            const TYPE: $crate::ndmp::xdr::schema::Type = $crate::ndmp::xdr::schema::Type::Named(stringify!($xdr));
        }
    };
}

/// An open enum: a number this version does not know is kept, because NDMP's lists are open to extensions and a
/// message with an unknown number must be answered, not dropped.
macro_rules! xdr_enum {
    ([$($meta:tt)*] $xdr:ident $name:ident { $($value_xdr:ident => $value:ident = $code:literal),* $(,)? }) => {
        $($meta)*
        #[doc = concat!("\n\n`", stringify!($xdr), "`; open: unknown numbers are kept.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", stringify!($value_xdr), "`")] $value,)*
            /// A number that has no name here.
            Other(u32),
        }

        impl $name {
            pub(crate) const SCHEMA: $crate::ndmp::xdr::schema::Schema = $crate::ndmp::xdr::schema::Schema {
                name: stringify!($xdr),
                shape: $crate::ndmp::xdr::schema::Shape::Enum(&[$((stringify!($value_xdr), $code)),*]),
                recode: $crate::ndmp::xdr::types::recode::<Self>,
            };

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> u32 {
                match self {
                    $(Self::$value => $code,)*
                    Self::Other(code) => code,
                }
            }
        }

        impl From<u32> for $name {
            fn from(code: u32) -> Self {
                match code {
                    $($code => Self::$value,)*
                    code => Self::Other(code),
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::from(0)
            }
        }

        impl $crate::ndmp::xdr::Unpack<$crate::ndmp::xdr::In> for $name {
            fn unpack(input: &mut $crate::ndmp::xdr::In) -> xdr_codec::Result<(Self, usize)> {
                Ok((input.take_u32()?.into(), 4))
            }
        }

        impl $crate::ndmp::xdr::Pack<$crate::ndmp::xdr::Out> for $name {
            fn pack(&self, out: &mut $crate::ndmp::xdr::Out) -> xdr_codec::Result<usize> {
                self.code().pack(out)
            }
        }

        impl $crate::ndmp::xdr::Wire for $name {
            const MIN: usize = 4;
            const TYPE: $crate::ndmp::xdr::schema::Type = $crate::ndmp::xdr::schema::Type::Named(stringify!($xdr));
        }
    };
}

/// A discriminated union. Each arm has the name of its discriminant's variant; the first arm is the default, what an
/// error reply carries. An unknown discriminant is `WireErrorKind::UnknownArm`, since its body's length is unknown.
macro_rules! xdr_union {
    ([$($meta:tt)*] $xdr:ident $name:ident ($tag:ident $tag_type:ident)
        { $first:ident, $($arm:ident $(($field:ident : $type:ty))?),* $(,)? }) => {
        $($meta)*
        #[doc = concat!("\n\n`", stringify!($xdr), "`; the arms are those of [`", stringify!($tag_type), "`].")]
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs, reason = "xdr/ documents the arms")]
        pub enum $name { #[default] $first, $($arm $(($type))?),* }

        impl $name {
            pub(crate) const SCHEMA: $crate::ndmp::xdr::schema::Schema = $crate::ndmp::xdr::schema::Schema {
                name: stringify!($xdr),
                shape: $crate::ndmp::xdr::schema::Shape::Union(
                    $crate::ndmp::xdr::schema::Field {
                        name: stringify!($tag),
                        r#type: <$tag_type as $crate::ndmp::xdr::Wire>::TYPE,
                    },
                    &[
                        $crate::ndmp::xdr::schema::Arm { case: $tag_type::$first.code(), field: None },
                        $($crate::ndmp::xdr::xdr_union!(@arm $tag_type $arm $($field $type)?)),*
                    ],
                ),
                recode: $crate::ndmp::xdr::types::recode::<Self>,
            };

            /// Which arm it is.
            #[must_use]
            pub const fn $tag(&self) -> $tag_type {
                match self {
                    Self::$first => $tag_type::$first,
                    $(Self::$arm { .. } => $tag_type::$arm,)*
                }
            }
        }

        impl $crate::ndmp::xdr::Unpack<$crate::ndmp::xdr::In> for $name {
            fn unpack(input: &mut $crate::ndmp::xdr::In) -> xdr_codec::Result<(Self, usize)> {
                let start = input.at();
                input.begin(concat!(stringify!($name), ".", stringify!($tag)));
                let value = match <$tag_type as $crate::ndmp::xdr::Unpack<_>>::unpack(input)?.0 {
                    $tag_type::$first => Self::$first,
                    $($tag_type::$arm => {
                        input.begin(concat!(stringify!($name), "::", stringify!($arm)));
                        Self::$arm $((<$type as $crate::ndmp::xdr::Unpack<_>>::unpack(input)?.0))?
                    })*
                    unknown => {
                        let kind = $crate::ndmp::xdr::WireErrorKind::UnknownArm(unknown.code());
                        return Err(input.fail(kind));
                    }
                };
                Ok((value, input.at() - start))
            }
        }

        impl $crate::ndmp::xdr::Pack<$crate::ndmp::xdr::Out> for $name {
            fn pack(&self, out: &mut $crate::ndmp::xdr::Out) -> xdr_codec::Result<usize> {
                out.begin(stringify!($name));
                let tag = self.$tag().pack(out)?;
                match self {
                    Self::$first => Ok(tag),
                    $(Self::$arm $(($field))? => Ok(tag $(+ $field.pack(out)?)?),)*
                }
            }
        }

        impl $crate::ndmp::xdr::Wire for $name {
            const MIN: usize = 4;
            const TYPE: $crate::ndmp::xdr::schema::Type = $crate::ndmp::xdr::schema::Type::Named(stringify!($xdr));
        }
    };
    (@arm $tag_type:ident $arm:ident) => {
        $crate::ndmp::xdr::schema::Arm { case: $tag_type::$arm.code(), field: None }
    };
    (@arm $tag_type:ident $arm:ident $field:ident $type:ty) => {
        $crate::ndmp::xdr::schema::Arm {
            case: $tag_type::$arm.code(),
            field: Some($crate::ndmp::xdr::schema::Field {
                name: stringify!($field),
                r#type: <$type as $crate::ndmp::xdr::Wire>::TYPE,
            }),
        }
    };
}

/// Constants, each as `NDMP4_NAME => NAME = value`, and the list of them for the comparison with the `.x` file.
macro_rules! xdr_consts {
    ($($(#[$meta:meta])* $xdr:ident => $name:ident = $value:literal),* $(,)?) => {
        $(
            $(#[$meta])*
            #[doc = concat!("`", stringify!($xdr), "`")]
            pub const $name: u32 = $value;
        )*
        /// Every constant declared in this file.
        pub(crate) const CONSTS: &[(&str, u32)] = &[$((stringify!($xdr), $name)),*];
    };
}

pub(crate) use {xdr_consts, xdr_enum, xdr_struct, xdr_types, xdr_union};
