//! The CONFIG interface (NDMPv4 3.2): what the server is and has.
//!
//! A tape and robot server has no file systems and no backup types: those lists are empty, not errors, because DMAs
//! ask for them on any server. It must not know how devices work.

use super::facts::Device;
use super::{Fault, Session};
use crate::ndmp::wire::{
    AddrType, AuthType, ConfigGetButypeInfoReply, ConfigGetConnectionTypeReply, ConfigGetExtListReply,
    ConfigGetFsInfoReply, ConfigGetHostInfoReply, ConfigGetScsiInfoReply, ConfigGetServerInfoReply,
    ConfigGetTapeInfoReply, ConfigSetExtListReply, ConfigSetExtListRequest, DeviceCapability, DeviceInfo,
    Error, Pval, TAPE_ATTR_RAW,
};
use crate::ndmp::xdr::List;

/// How far the negotiation of extensions has come (2.12). None are offered yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Extensions {
    #[default]
    NotAsked,
    Listed,
    Chosen,
}

impl Session {
    /// CONFIG_GET_HOST_INFO (3.2.2.1): before login without the names that tell the host apart.
    pub(super) fn config_get_host_info(&mut self) -> ConfigGetHostInfoReply {
        let identity = &self.facts.identity;
        let known = |text: &str| if self.is_authenticated() { text.into() } else { Default::default() };
        ConfigGetHostInfoReply {
            error: Error::NoErr,
            hostname: known(&identity.hostname),
            os_type: identity.os_type.as_str().into(),
            os_vers: known(&identity.os_version),
            hostid: known(&identity.host_id),
        }
    }

    /// CONFIG_GET_SERVER_INFO (3.2.2.8): before login only the ways to log in.
    pub(super) fn config_get_server_info(&mut self) -> ConfigGetServerInfoReply {
        let identity = &self.facts.identity;
        let known = |text: &str| if self.is_authenticated() { text.into() } else { Default::default() };
        let mut auth_type = Vec::new();
        if self.facts.offers_md5() {
            auth_type.push(AuthType::Md5);
        }
        if self.facts.offers_text() {
            auth_type.push(AuthType::Text);
        }
        ConfigGetServerInfoReply {
            error: Error::NoErr,
            vendor_name: known(&identity.vendor),
            product_name: known(&identity.product),
            revision_number: known(&identity.revision),
            auth_type: auth_type.into(),
        }
    }

    /// CONFIG_GET_CONNECTION_TYPE (3.2.2.2): LOCAL would need a data service.
    pub(super) fn config_get_connection_type(&mut self) -> ConfigGetConnectionTypeReply {
        ConfigGetConnectionTypeReply { error: Error::NoErr, addr_types: vec![AddrType::Tcp].into() }
    }

    /// CONFIG_GET_BUTYPE_INFO (3.2.2.4).
    pub(super) fn config_get_butype_info(&mut self) -> ConfigGetButypeInfoReply {
        ConfigGetButypeInfoReply { error: Error::NoErr, butype_info: List::default() }
    }

    /// CONFIG_GET_FS_INFO (3.2.2.5).
    pub(super) fn config_get_fs_info(&mut self) -> ConfigGetFsInfoReply {
        ConfigGetFsInfoReply { error: Error::NoErr, fs_info: List::default() }
    }

    /// CONFIG_GET_TAPE_INFO (3.2.2.6): one entry a drive, in the order of the robot's data transfer elements.
    pub(super) fn config_get_tape_info(&mut self) -> ConfigGetTapeInfoReply {
        let tape_info =
            self.visible(&self.facts.tapes).map(|device| info(device, TAPE_ATTR_RAW, "t")).collect();
        ConfigGetTapeInfoReply { error: Error::NoErr, tape_info }
    }

    /// CONFIG_GET_SCSI_INFO (3.2.2.7).
    pub(super) fn config_get_scsi_info(&mut self) -> ConfigGetScsiInfoReply {
        let scsi_info = self.visible(&self.facts.robots).map(|device| info(device, 0, "s")).collect();
        ConfigGetScsiInfoReply { error: Error::NoErr, scsi_info }
    }

    /// CONFIG_GET_EXT_LIST (3.2.2.10).
    pub(super) fn config_get_ext_list(&mut self) -> ConfigGetExtListReply {
        if self.extensions == Extensions::NotAsked {
            self.extensions = Extensions::Listed;
        }
        ConfigGetExtListReply { error: Error::NoErr, class_list: List::default() }
    }

    /// CONFIG_SET_EXT_LIST (3.2.2.9): after the list was asked for, once.
    pub(super) fn config_set_ext_list(
        &mut self,
        request: &ConfigSetExtListRequest,
    ) -> Result<ConfigSetExtListReply, Fault> {
        match self.extensions {
            Extensions::NotAsked => {
                return Err(Fault::new(Error::Precondition, "ask for the extensions first"));
            }
            Extensions::Chosen => {
                return Err(Fault::new(Error::ExtDandnIllegal, "extensions are chosen already"));
            }
            Extensions::Listed => {}
        }
        if let Some(class) = request.selected_ext.first() {
            let text = format!("extension class {:#06x} is not offered", class.class_id);
            return Err(Fault::new(Error::ClassNotSupported, text));
        }
        self.extensions = Extensions::Chosen;
        Ok(ConfigSetExtListReply { error: Error::NoErr })
    }

    /// The devices of loaders that this user may see, with their index in `devices`.
    pub(super) fn visible<'d>(&self, devices: &'d [Device]) -> impl Iterator<Item = &'d Device> + use<'d> {
        let loaders = self.login.user().and_then(|user| user.loaders.clone());
        devices.iter().filter(move |device| {
            loaders.as_ref().is_none_or(|loaders| loaders.contains(&device.loader))
        })
    }
}

/// One device, one capability entry (DMAs read the first only).
fn info(device: &Device, attr: u32, execute_cdb: &str) -> DeviceInfo {
    let pval = |name: &str, value: &str| Pval { name: name.into(), value: value.into() };
    let capability = DeviceCapability {
        device: device.shown_name().into(),
        attr,
        capability: vec![pval("EXECUTE_CDB", execute_cdb), pval("SERIAL_NUMBER", &device.serial)].into(),
    };
    DeviceInfo { model: device.model.as_str().into(), caplist: vec![capability].into() }
}
