//! Values of any declared type, made from its schema and encoded by hand: a second opinion on the wire format that
//! shares no code with the codec. The same walk can write C statements that fill rpcgen's structs with the values.

use std::fmt::Write as _;

use tapesilo::ndmp::wire;
use tapesilo::ndmp::xdr::schema::{Arm, Field, Schema, Shape, Type};

/// The schema with that `.x` name.
pub(crate) fn find(name: &str) -> &'static Schema {
    wire::schemas().find(|schema| schema.name == name).unwrap_or_else(|| panic!("{name} is not declared"))
}

/// Where the numbers in a value come from.
pub(crate) struct Source {
    state: u64,
    /// Every union takes its arm of this index (modulo their number); `None`: any.
    pub(crate) arm: Option<usize>,
}

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed | 1, arm: None }
    }

    /// SplitMix64: good enough, and the same everywhere.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn word(&mut self) -> u32 {
        u32::try_from(self.next() >> 32).unwrap()
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// One value: its bytes, and the C statements that make it.
#[derive(Default)]
pub(crate) struct Value {
    pub(crate) bytes: Vec<u8>,
    pub(crate) c: String,
    arrays: usize,
}

impl Value {
    /// A value of the type, named `place` in C.
    pub(crate) fn of(schema: &Schema, place: &str, source: &mut Source) -> Self {
        let mut value = Self::default();
        value.declared(schema, place, source);
        value
    }

    fn declared(&mut self, schema: &Schema, place: &str, source: &mut Source) {
        match schema.shape {
            Shape::Struct(fields) => {
                for field in fields {
                    self.field(field, place, source);
                }
            }
            Shape::Enum(values) => {
                let code = if source.arm.is_none() && source.below(8) == 0 {
                    source.word()
                } else {
                    values[source.below(values.len())].1
                };
                self.word(code);
                let _ = writeln!(self.c, "    {place} = ({}){code}U;", schema.name);
            }
            Shape::Union(tag, arms) => self.union(schema.name, &tag, arms, place, source),
        }
    }

    fn union(&mut self, name: &str, tag: &Field, arms: &[Arm], place: &str, source: &mut Source) {
        let arm = &arms[source.arm.unwrap_or_else(|| source.below(arms.len())) % arms.len()];
        self.word(arm.case);
        let _ = writeln!(self.c, "    {place}.{} = {}U;", tag.name, arm.case);
        if let Some(field) = &arm.field {
            self.field(field, &format!("{place}.{name}_u"), source);
        }
    }

    fn field(&mut self, field: &Field, parent: &str, source: &mut Source) {
        let place = format!("{parent}.{}", field.name);
        match field.r#type {
            Type::Void => {}
            Type::Named(name) => self.named(name, &place, source),
            Type::FixedOpaque(size) => {
                let bytes = noise(size, source);
                let _ = writeln!(self.c, "    memcpy({place}, {}, {size});", c_string(&bytes));
                self.padded(&bytes);
            }
            Type::Opaque => {
                let size = source.below(20);
                let bytes = noise(size, source);
                let _ = writeln!(self.c, "    {place}.{}_len = {size};", field.name);
                let _ = writeln!(self.c, "    {place}.{}_val = {};", field.name, c_string(&bytes));
                self.counted(&bytes);
            }
            Type::String => {
                let size = source.below(20);
                // C's strings end at a zero; every other byte may stand in one.
                let bytes: Vec<u8> = noise(size, source).into_iter().map(|byte| byte.max(1)).collect();
                let _ = writeln!(self.c, "    {place} = {};", c_string(&bytes));
                self.counted(&bytes);
            }
            Type::List(element) => self.list(element, &place, field.name, source),
        }
    }

    fn list(&mut self, element: &Type, place: &str, name: &str, source: &mut Source) {
        let &Type::Named(of) = element else { panic!("a list of {element:?}") };
        let count = source.below(4);
        self.word(u32::try_from(count).unwrap());
        let array = format!("list{}", self.arrays);
        self.arrays += 1;
        let _ = writeln!(self.c, "    static {of} {array}[4];");
        let _ = writeln!(self.c, "    {place}.{name}_len = {count};");
        let _ = writeln!(self.c, "    {place}.{name}_val = {array};");
        for index in 0..count {
            self.named(of, &format!("{array}[{index}]"), source);
        }
    }

    fn named(&mut self, name: &str, place: &str, source: &mut Source) {
        let word = match name {
            "u_long" => source.word(),
            "u_short" => source.word() & 0xffff,
            "u_char" => source.word() & 0xff,
            "short" => {
                let value = i16::from_ne_bytes(*source.next().to_ne_bytes().first_chunk().unwrap());
                i32::from(value).cast_unsigned()
            }
            declared => return self.declared(find(declared), place, source),
        };
        let _ = writeln!(self.c, "    {place} = ({name}){word}U;");
        self.word(word);
    }

    fn word(&mut self, word: u32) {
        self.bytes.extend(word.to_be_bytes());
    }

    fn counted(&mut self, bytes: &[u8]) {
        self.word(u32::try_from(bytes.len()).unwrap());
        self.padded(bytes);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn noise(size: usize, source: &mut Source) -> Vec<u8> {
    (0..size).map(|_| source.next().to_be_bytes()[0]).collect()
}

fn c_string(bytes: &[u8]) -> String {
    // Three octal digits: unlike hex escapes they end by themselves.
    let escaped: String = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:03o}");
        text
    });
    format!("\"{escaped}\"")
}
