//! The bounds of everything in a message that has a length. NDMP sets none; each of ours is far above what any known
//! peer sends and low enough that a message cannot be made of one absurd field.

/// The largest tape record: what three bytes count (SSC's WRITE(6)), and what drives and DMAs take as the limit.
pub const RECORD_MAX_BYTES: usize = 0xff_ffff;
/// Device names, models, host, vendor and file system names, environment names: host names end at 255 bytes, paths of
/// devices well below 1 KiB.
pub const NAME_MAX_BYTES: usize = 1024;
/// User names and passwords. NDMP's digest uses the first 32 bytes of a password; overlong ones have a history of
/// exploits (CVE-2005-0773).
pub const AUTH_MAX_BYTES: usize = 256;
/// The value of an environment variable: file lists and filters are passed in them.
pub const ENV_VALUE_MAX_BYTES: usize = 64 * 1024;
/// Environment variables, capabilities and address attributes in one list; DMAs send some tens.
pub const ENV_MAX: usize = 1024;
/// Paths of files to recover: NTFS allows 32,767 UTF-16 units, which UTF-8 may triple.
pub const PATH_MAX_BYTES: usize = 96 * 1024;
/// Files in one recover request. The message's own size bounds it further.
pub const NAME_LIST_MAX: usize = 64 * 1024;
/// Lines meant for people.
pub const TEXT_MAX_BYTES: usize = 4096;
/// Addresses in one reply: a host has some tens at most.
pub const ADDRESSES_MAX: usize = 64;
/// The opaque address of a connection within one host.
pub const IPC_ADDRESS_MAX_BYTES: usize = 1024;
/// Kinds of addresses, and of authentication, in one list: the standard has four and three.
pub const TYPES_MAX: usize = 16;
/// Devices of one model, models, backup types, file systems in a reply: a server of 4,096 drives in one message.
pub const DEVICES_MAX: usize = 4096;
/// Extension classes: 16 bits could name more, peers offer fewer than ten.
pub const CLASSES_MAX: usize = 256;
/// Versions of one extension class.
pub const CLASS_VERSIONS_MAX: usize = 64;
/// A CDB: the variable-length form ends at 260 bytes (SPC-3 4.3.3). Which lengths are legal is SCSI's to say.
pub const CDB_MAX_BYTES: usize = 260;
/// Sense data: SPC-3 4.5.1 ends it at 252 bytes.
pub const SENSE_MAX_BYTES: usize = 252;
/// Data to and from a CDB: one tape record at most.
pub const CDB_DATA_MAX_BYTES: usize = RECORD_MAX_BYTES;
/// The largest message: one record and room for what stands around it.
pub const MESSAGE_MAX_BYTES: usize = RECORD_MAX_BYTES + 64 * 1024;
/// The largest message before login: enough for the longest user name, password or extension list.
pub const MESSAGE_BEFORE_LOGIN_MAX_BYTES: usize = 16 * 1024;
