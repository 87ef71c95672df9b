//! The fields of a body, found by the shape that is declared for its message and version.
//!
//! Lenient, since it shows what really came: a number out of range is shown, bytes behind the body are counted. What is secret
//! is decided by type: of bytes of fixed length nothing is shown unless they are known to be an address.

use super::names;
use crate::ndmp::wire::{Dialect, MessageCode};
use crate::ndmp::xdr::In;
use crate::ndmp::xdr::schema::{Field, Schema, Shape, Type};
use bytes::Bytes;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Elements of a list that are shown.
const ELEMENTS_SHOWN_MAX: u32 = 8;
/// Bytes of a text that are shown.
const TEXT_SHOWN_BYTES: usize = 256;
/// Bytes of a CDB or of sense data that are shown.
const HEX_SHOWN_BYTES: usize = 32;

/// Why a body could not be walked to its end.
struct Broken;

/// All fields, each behind a blank.
pub(super) fn of(dialect: Dialect, code: MessageCode, is_reply: bool, body: &Bytes) -> String {
    let shapes = shapes(dialect, code, is_reply);
    if shapes.is_empty() || body.is_empty() {
        return if body.is_empty() { String::new() } else { format!(" ({} bytes)", body.len()) };
    }
    let walked: Vec<Walked> = shapes.iter().map(|shape| walk(shape, is_reply, body)).collect();
    let whole = walked.iter().find(|walked| !walked.is_broken && walked.left == 0);
    let Walked { text, left, is_broken } = match whole.or(walked.first()) {
        Some(walked) => walked,
        None => return String::new(),
    };
    let is_login = matches!(code, MessageCode::ConnectClientAuth | MessageCode::ConnectServerAuth);
    match (is_broken, left) {
        (false, 0) => text.clone(),
        // Out of step, anything may stand for anything.
        _ if is_login => format!(" (undecodable, {} bytes, not shown)", body.len()),
        (true, _) => format!("{text} (undecodable from here, {} bytes in all)", body.len()),
        (false, left) => format!("{text} ({left} bytes behind it)"),
    }
}

/// The shapes that a body may have, the likeliest first.
pub(super) fn shapes(dialect: Dialect, code: MessageCode, is_reply: bool) -> Vec<&'static Schema> {
    let Some(name) = names::standard_message(code) else { return Vec::new() };
    let name = name.to_ascii_lowercase();
    let prefixes: &[&str] = match dialect {
        Dialect::V4 => &["ndmp4"],
        Dialect::V3 => &["ndmp3", "ndmp4"],
        Dialect::V2 => &["ndmp2", "ndmp3", "ndmp4"],
    };
    let kinds: &[&str] = if is_reply { &["reply"] } else { &["request", "post"] };
    let forms = ["", "_old", "_v2"];
    let mut found = Vec::new();
    for form in forms {
        let of_form = kinds.iter().find_map(|kind| {
            prefixes.iter().find_map(|prefix| names::schema(&format!("{prefix}_{name}_{kind}{form}")))
        });
        found.extend(of_form);
    }
    found
}

struct Walked {
    text: String,
    left: usize,
    is_broken: bool,
}

fn walk(schema: &Schema, is_reply: bool, body: &Bytes) -> Walked {
    let mut walk = Walk { input: In::new(body.clone()), text: String::new(), is_reply };
    let is_broken = match schema.shape {
        Shape::Struct(fields) => walk.members(fields),
        _ => walk.declared(schema),
    }
    .is_err();
    Walked { left: walk.input.remaining(), text: walk.text, is_broken }
}

struct Walk {
    input: In,
    text: String,
    is_reply: bool,
}

impl Walk {
    /// ` name=value` for each field.
    fn members(&mut self, fields: &[Field]) -> Result<(), Broken> {
        for field in fields {
            self.put(format_args!(" {}=", field.name));
            self.value(field.name, field.r#type)?;
        }
        Ok(())
    }

    fn value(&mut self, name: &str, r#type: Type) -> Result<(), Broken> {
        match r#type {
            Type::Void => Ok(()),
            Type::Named(declared) => self.named(name, declared),
            Type::FixedOpaque(bytes) => self.fixed(name, bytes),
            Type::Opaque => self.opaque(name),
            Type::String => self.string(name),
            Type::List(element) => self.list(name, *element),
        }
    }

    fn named(&mut self, name: &str, declared: &str) -> Result<(), Broken> {
        match declared {
            "ndmp4_u_quad" => {
                let (high, low) = (self.number()?, self.number()?);
                match u64::from(high) << 32 | u64::from(low) {
                    u64::MAX => self.put(format_args!("all-ones")),
                    quad => self.put(format_args!("{quad}")),
                }
            }
            "short" => {
                let number = self.number()?.cast_signed();
                self.put(format_args!("{number}"));
            }
            "u_long" if name == "ip_addr" => {
                let address = Ipv4Addr::from(self.number()?);
                self.put(format_args!("{address}"));
            }
            "u_long" | "u_short" | "u_char" => {
                let number = self.number()?;
                self.put(format_args!("{number}"));
            }
            declared => self.declared(names::schema(declared).ok_or(Broken)?)?,
        }
        Ok(())
    }

    fn declared(&mut self, schema: &Schema) -> Result<(), Broken> {
        match schema.shape {
            Shape::Enum(_) => self.coded(schema).map(drop),
            Shape::Struct(fields) => {
                self.text.push('{');
                self.members(fields)?;
                self.put(format_args!(" }}"));
                Ok(())
            }
            Shape::Union(tag, arms) => {
                let Type::Named(tag_type) = tag.r#type else { return Err(Broken) };
                let tag_schema = names::schema(tag_type).ok_or(Broken)?;
                let code = self.coded(tag_schema)?;
                let arm = arms.iter().find(|arm| arm.case == code).ok_or(Broken)?;
                if let Some(field) = arm.field {
                    self.put(format_args!(":"));
                    self.value(field.name, field.r#type)?;
                }
                Ok(())
            }
        }
    }

    /// A value of an enum: its name, or its number if it has none.
    fn coded(&mut self, schema: &Schema) -> Result<u32, Broken> {
        let code = self.number()?;
        match names::value(schema, code) {
            Some(name) => self.put(format_args!("{name}")),
            None => self.put(format_args!("{code:#x}")),
        }
        Ok(code)
    }

    fn list(&mut self, name: &str, element: Type) -> Result<(), Broken> {
        let count = self.number()?;
        // Every element takes 4 bytes at least.
        if usize::try_from(count).map_or(true, |count| count > self.input.remaining() / 4) {
            return Err(Broken);
        }
        self.put(format_args!("["));
        for index in 0..count {
            let length = self.text.len();
            if index > 0 {
                self.put(format_args!(", "));
            }
            self.value(name, element)?;
            if index >= ELEMENTS_SHOWN_MAX {
                self.text.truncate(length);
            }
        }
        match count {
            0..=ELEMENTS_SHOWN_MAX => self.put(format_args!("]")),
            _ => self.put(format_args!(", … {count} in all]")),
        }
        Ok(())
    }

    fn fixed(&mut self, name: &str, bytes: usize) -> Result<(), Broken> {
        let taken = self.input.take(bytes).map_err(|_| Broken)?;
        match <[u8; 16]>::try_from(&taken[..]) {
            Ok(address) if name == "ip_addr" => self.put(format_args!("{}", Ipv6Addr::from(address))),
            _ => self.put(format_args!("(not shown)")),
        }
        Ok(())
    }

    fn opaque(&mut self, name: &str) -> Result<(), Broken> {
        let bytes = self.counted()?;
        if !matches!(name, "cdb" | "ext_sense") {
            self.put(format_args!("({} bytes)", bytes.len()));
            return Ok(());
        }
        self.text.push('[');
        for (index, byte) in bytes.iter().take(HEX_SHOWN_BYTES).enumerate() {
            let blank = if index > 0 { " " } else { "" };
            self.put(format_args!("{blank}{byte:02x}"));
        }
        if bytes.len() > HEX_SHOWN_BYTES {
            self.put(format_args!(" … {} bytes", bytes.len()));
        }
        self.text.push(']');
        Ok(())
    }

    fn string(&mut self, name: &str) -> Result<(), Broken> {
        let bytes = self.counted()?;
        // Not even how long it is. Values that a DMA sends are its environment: nobody knows what it puts there.
        if name == "auth_password" || (name == "value" && !self.is_reply) {
            self.put(format_args!("(not shown)"));
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_SHOWN_BYTES)]);
        // Quotes, backslashes and what does not print are escaped: one line stays one line.
        self.put(format_args!("{:?}", &*shown));
        if bytes.len() > TEXT_SHOWN_BYTES {
            self.put(format_args!("… ({} bytes)", bytes.len()));
        }
        Ok(())
    }

    fn counted(&mut self) -> Result<Bytes, Broken> {
        let length = usize::try_from(self.number()?).map_err(|_| Broken)?;
        self.input.take(length).map_err(|_| Broken)
    }

    fn number(&mut self) -> Result<u32, Broken> {
        self.input.take_u32().map_err(|_| Broken)
    }

    /// Text that no line has room for is not kept.
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        if self.text.len() <= super::LINE_BYTES_MAX {
            // Writing to a String cannot fail.
            let _ = self.text.write_fmt(text);
        }
    }
}
