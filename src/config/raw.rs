//! The configuration file as written: one struct a table, nothing checked yet.
//!
//! Every key is optional and keeps its position (`Field`), so that `check` can name the line of whatever it finds.
//! No `#[serde(flatten)]`: it loses positions. A key added here must be added to `config/tapesilo.toml` too; a test
//! holds the two equal. Read on in `parse` (text to these tables) and `check` (these tables to the model).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::Error as NoValue;
use serde::de::{self, Deserialize, Deserializer, Error as _, Visitor};
use toml::Spanned;

use super::size::ByteSize;

/// A key that may be absent, with its position in the text.
pub(super) type Field<T> = Option<Spanned<T>>;
/// A list whose elements each have a position.
pub(super) type List<T> = Option<Spanned<Vec<Spanned<T>>>>;

/// The whole file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) server: Option<RawServer>,
    pub(super) identity: Option<RawIdentity>,
    pub(super) user: Vec<Spanned<RawUser>>,
    pub(super) space: Field<RawSpace>,
    pub(super) loader: Vec<Spanned<RawLoader>>,
    pub(super) library: Vec<Spanned<RawLibrary>>,
    pub(super) copy: Vec<Spanned<RawCopy>>,
}

/// `[server]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawServer {
    pub(super) listen: List<String>,
    pub(super) state_dir: Field<String>,
    pub(super) control_socket: Field<String>,
    pub(super) data_ports: Field<String>,
    pub(super) data_addresses: List<String>,
    pub(super) metrics: Field<String>,
    pub(super) data_peers: List<String>,
    pub(super) max_sessions: Field<WholeNumber>,
    pub(super) max_sessions_per_address: Field<WholeNumber>,
    pub(super) failed_logins_max: Field<WholeNumber>,
    pub(super) lockout_seconds: Field<WholeNumber>,
    pub(super) keepalive_seconds: Field<WholeNumber>,
    pub(super) ndmp_strict: Field<bool>,
}

/// `[identity]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawIdentity {
    pub(super) host_name: Field<String>,
    pub(super) host_id: Field<String>,
    pub(super) os_type: Field<String>,
    pub(super) os_version: Field<String>,
    pub(super) vendor: Field<String>,
    pub(super) product: Field<String>,
    pub(super) revision: Field<String>,
}

/// `[[user]]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawUser {
    pub(super) name: Field<String>,
    pub(super) password_file: Field<String>,
    pub(super) password_credential: Field<String>,
    pub(super) auth: List<String>,
    pub(super) allow: List<String>,
    pub(super) loaders: List<String>,
}

/// `[space]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSpace {
    pub(super) alert_percent: Field<WholeNumber>,
    pub(super) stop_percent: Field<WholeNumber>,
}

/// `[[loader]]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLoader {
    pub(super) name: Field<String>,
    pub(super) path: Field<String>,
    pub(super) slots: Field<WholeNumber>,
    pub(super) drives: Field<WholeNumber>,
    pub(super) mail_slots: Field<WholeNumber>,
    pub(super) tape_capacity: Field<ByteSize>,
    pub(super) tape_family: Field<String>,
    pub(super) tapes: Field<WholeNumber>,
    pub(super) new_tape_at_end_of_medium: Field<bool>,
    pub(super) compression: Field<String>,
    pub(super) personality: Field<String>,
    pub(super) drive_generation: Field<WholeNumber>,
    pub(super) aliases: Option<BTreeMap<String, Spanned<String>>>,
}

/// `[[library]]`; which keys belong to which driver is `check_library`'s to say.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLibrary {
    pub(super) name: Field<String>,
    pub(super) driver: Field<String>,
    pub(super) tape_capacity: Field<ByteSize>,
    pub(super) portal: Field<String>,
    pub(super) target: Field<String>,
    pub(super) chap_user: Field<String>,
    pub(super) chap_secret_file: Field<String>,
    pub(super) changer_serial: Field<String>,
    pub(super) drive_serials: List<String>,
    pub(super) address: Field<String>,
    pub(super) user: Field<String>,
    pub(super) password_file: Field<String>,
    pub(super) robot_device: Field<String>,
    pub(super) drive_devices: List<String>,
    pub(super) path: Field<String>,
}

/// `[[copy]]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCopy {
    pub(super) loader: Field<String>,
    pub(super) library: Field<String>,
    #[serde(rename = "match")]
    pub(super) matching: Field<String>,
    pub(super) when: List<String>,
    pub(super) hours: Field<String>,
    pub(super) time_zone: Field<String>,
    pub(super) barcodes: List<String>,
    pub(super) verify: Field<String>,
    pub(super) priority: Field<WholeNumber>,
    pub(super) drives: Field<WholeNumber>,
    pub(super) bandwidth: Field<ByteSize>,
    pub(super) checkpoint: Field<ByteSize>,
    pub(super) attempts: Field<WholeNumber>,
    pub(super) release: Field<String>,
}

/// A TOML integer; a type of its own so that a wrong type is answered in the operator's words.
#[derive(Debug, Clone, Copy)]
pub(super) struct WholeNumber(pub(super) i64);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeNumberVisitor)
    }
}

struct WholeNumberVisitor;

impl Visitor<'_> for WholeNumberVisitor {
    type Value = WholeNumber;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number without quotes")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<WholeNumber, E> {
        Ok(WholeNumber(number))
    }
}

/// Every key of the file by section, as the raw model knows them: `("server", "listen")` and so on; the sections
/// themselves under `""`. For the test that holds the example file complete.
#[must_use]
pub fn known_keys() -> Vec<(&'static str, &'static str)> {
    [
        ("", fields_of::<RawConfig>()),
        ("server", fields_of::<RawServer>()),
        ("identity", fields_of::<RawIdentity>()),
        ("user", fields_of::<RawUser>()),
        ("space", fields_of::<RawSpace>()),
        ("loader", fields_of::<RawLoader>()),
        ("library", fields_of::<RawLibrary>()),
        ("copy", fields_of::<RawCopy>()),
    ]
    .into_iter()
    .flat_map(|(section, keys)| keys.iter().map(move |key| (section, *key)))
    .collect()
}

/// The keys that serde's derive lists for a struct.
fn fields_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // Always an error: the probe only listens to what is asked of it.
    let _ = T::deserialize(FieldProbe(&mut fields));
    fields
}

struct FieldProbe<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldProbe<'_> {
    type Error = NoValue;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, NoValue> {
        *self.0 = fields;
        Err(NoValue::custom("only the field names were asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, NoValue> {
        Err(NoValue::custom("only structs have field names"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
