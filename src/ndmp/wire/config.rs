//! CONFIG (draft 3.2): what the server is and has. Requests have no body but GET_AUTH_ATTR and SET_EXT_LIST.

use bytes::Bytes;

use super::connect::{AuthAttr, AuthType};
use super::limits::{CLASS_VERSIONS_MAX, CLASSES_MAX, DEVICES_MAX, ENV_MAX, NAME_MAX_BYTES, TYPES_MAX};
use super::numbers::{AddrType, Error, Pval};
use crate::ndmp::xdr::{self, List, Quad, Text, WireError, xdr_consts, xdr_types};

type Name = Text<NAME_MAX_BYTES>;

xdr_consts! {
    NDMP4_BUTYPE_BACKUP_FILELIST => BUTYPE_BACKUP_FILELIST = 0x0002,
    NDMP4_BUTYPE_RECOVER_FILELIST => BUTYPE_RECOVER_FILELIST = 0x0004,
    NDMP4_BUTYPE_BACKUP_DIRECT => BUTYPE_BACKUP_DIRECT = 0x0008,
    NDMP4_BUTYPE_RECOVER_DIRECT => BUTYPE_RECOVER_DIRECT = 0x0010,
    NDMP4_BUTYPE_BACKUP_INCREMENTAL => BUTYPE_BACKUP_INCREMENTAL = 0x0020,
    NDMP4_BUTYPE_RECOVER_INCREMENTAL => BUTYPE_RECOVER_INCREMENTAL = 0x0040,
    NDMP4_BUTYPE_BACKUP_UTF8 => BUTYPE_BACKUP_UTF8 = 0x0080,
    NDMP4_BUTYPE_RECOVER_UTF8 => BUTYPE_RECOVER_UTF8 = 0x0100,
    NDMP4_BUTYPE_BACKUP_FH_FILE => BUTYPE_BACKUP_FH_FILE = 0x0200,
    NDMP4_BUTYPE_BACKUP_FH_DIR => BUTYPE_BACKUP_FH_DIR = 0x0400,
    NDMP4_BUTYPE_RECOVER_FILEHIST => BUTYPE_RECOVER_FILEHIST = 0x0800,
    NDMP4_BUTYPE_RECOVER_FH_FILE => BUTYPE_RECOVER_FH_FILE = 0x1000,
    NDMP4_BUTYPE_RECOVER_FH_DIR => BUTYPE_RECOVER_FH_DIR = 0x2000,
    NDMP4_FS_INFO_TOTAL_SIZE_UNS => FS_INFO_TOTAL_SIZE_UNS = 0x01,
    NDMP4_FS_INFO_USED_SIZE_UNS => FS_INFO_USED_SIZE_UNS = 0x02,
    NDMP4_FS_INFO_AVAIL_SIZE_UNS => FS_INFO_AVAIL_SIZE_UNS = 0x04,
    NDMP4_FS_INFO_TOTAL_INODES_UNS => FS_INFO_TOTAL_INODES_UNS = 0x08,
    NDMP4_FS_INFO_USED_INODES_UNS => FS_INFO_USED_INODES_UNS = 0x10,
    NDMP4_TAPE_ATTR_REWIND => TAPE_ATTR_REWIND = 0x1,
    NDMP4_TAPE_ATTR_UNLOAD => TAPE_ATTR_UNLOAD = 0x2,
    NDMP4_TAPE_ATTR_RAW => TAPE_ATTR_RAW = 0x4,
}

xdr_types! {
    /// The server's host.
    struct ndmp4_config_get_host_info_reply => ConfigGetHostInfoReply {
        error: Error,
        hostname: Name,
        os_type: Name,
        os_vers: Name,
        hostid: Name,
    }

    /// The server's product and how to authenticate to it.
    struct ndmp4_config_get_server_info_reply => ConfigGetServerInfoReply {
        error: Error,
        vendor_name: Name,
        product_name: Name,
        revision_number: Name,
        auth_type: List<AuthType, TYPES_MAX>,
    }

    /// The kinds of data connections the mover makes.
    struct ndmp4_config_get_connection_type_reply => ConfigGetConnectionTypeReply {
        error: Error,
        addr_types: List<AddrType, TYPES_MAX>,
    }

    /// Asks for a challenge.
    struct ndmp4_config_get_auth_attr_request => ConfigGetAuthAttrRequest { auth_type: AuthType }
    /// The challenge.
    struct ndmp4_config_get_auth_attr_reply => ConfigGetAuthAttrReply { error: Error, server_attr: AuthAttr }

    /// A backup format of a data service.
    struct ndmp4_butype_info => ButypeInfo {
        butype_name: Name,
        default_env: List<Pval, ENV_MAX>,
        attrs: u32,
    }

    /// The backup formats.
    struct ndmp4_config_get_butype_info_reply => ConfigGetButypeInfoReply {
        error: Error,
        butype_info: List<ButypeInfo, DEVICES_MAX>,
    }

    /// A file system of a data service. `unsupported` says which numbers mean nothing (`FS_INFO_…_UNS`).
    struct ndmp4_fs_info => FsInfo {
        unsupported: u32,
        fs_type: Name,
        fs_logical_device: Name,
        fs_physical_device: Name,
        total_size: Quad,
        used_size: Quad,
        avail_size: Quad,
        total_inodes: Quad,
        used_inodes: Quad,
        fs_env: List<Pval, ENV_MAX>,
        fs_status: Name,
    }

    /// The file systems.
    struct ndmp4_config_get_fs_info_reply => ConfigGetFsInfoReply {
        error: Error,
        fs_info: List<FsInfo, DEVICES_MAX>,
    }

    /// One name under which a device can be opened (`TAPE_ATTR_…`).
    struct ndmp4_device_capability => DeviceCapability {
        device: Name,
        attr: u32,
        capability: List<Pval, ENV_MAX>,
    }

    /// A model and its devices.
    struct ndmp4_device_info => DeviceInfo {
        model: Name,
        caplist: List<DeviceCapability, DEVICES_MAX>,
    }

    /// The tape drives.
    struct ndmp4_config_get_tape_info_reply => ConfigGetTapeInfoReply {
        error: Error,
        tape_info: List<DeviceInfo, DEVICES_MAX>,
    }

    /// The robots.
    struct ndmp4_config_get_scsi_info_reply => ConfigGetScsiInfoReply {
        error: Error,
        scsi_info: List<DeviceInfo, DEVICES_MAX>,
    }

    /// An extension class and the versions of it that are offered.
    struct ndmp4_class_list => ClassList {
        class_id: u16,
        class_version: List<u16, CLASS_VERSIONS_MAX>,
    }

    /// An extension class and the one version of it that is chosen.
    struct ndmp4_class_version => ClassVersion { class_id: u16, class_version: u16 }

    /// The extensions offered.
    struct ndmp4_config_get_ext_list_reply => ConfigGetExtListReply {
        error: Error,
        class_list: List<ClassList, CLASSES_MAX>,
    }

    /// The extensions chosen. Decode with [`Self::decode_either`].
    struct ndmp4_config_set_ext_list_request => ConfigSetExtListRequest {
        selected_ext: List<ClassVersion, CLASSES_MAX>,
    }

    /// The same as drafts before 04 had it, which NDMJOB and Bareos send.
    struct ndmp4_config_set_ext_list_request_old => ConfigSetExtListRequestOld {
        error: Error,
        accepted_ext: List<ClassList, CLASSES_MAX>,
    }

    /// Whether the choice holds.
    struct ndmp4_config_set_ext_list_reply => ConfigSetExtListReply { error: Error }
}

impl ConfigSetExtListRequest {
    /// Decodes either form of the request. They cannot be taken for one another: each fixes its length by its counts,
    /// and the old one begins with an error code of 0, which in the new one is an empty list and nothing behind it.
    ///
    /// # Errors
    /// What is wrong with the draft's form when the bytes are neither.
    pub fn decode_either(body: &Bytes) -> Result<Self, WireError> {
        xdr::decode(body.clone()).or_else(|wrong| {
            let old: ConfigSetExtListRequestOld = xdr::decode(body.clone()).map_err(|_| wrong)?;
            Ok(old.into())
        })
    }
}

impl From<ConfigSetExtListRequestOld> for ConfigSetExtListRequest {
    /// A class with several versions becomes several choices, which the session refuses as duplicates.
    fn from(old: ConfigSetExtListRequestOld) -> Self {
        let choices = old.accepted_ext.iter().flat_map(|class| {
            let class_id = class.class_id;
            class.class_version.iter().map(move |&class_version| ClassVersion { class_id, class_version })
        });
        Self { selected_ext: choices.collect() }
    }
}
