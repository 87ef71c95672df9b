//! The CONFIG interface (NDMPv4 3.2): what the server is and has.
//!
//! A tape and robot server has no file systems and no backup types: those lists are empty, not errors, because DMAs
//! ask for them on any server. It must not know how devices work. The extensions are `extensions`'.

use super::Session;
use super::facts::Device;
use crate::ndmp::wire::{
    AddrType, AuthType, ConfigGetButypeInfoReply, ConfigGetConnectionTypeReply, ConfigGetFsInfoReply,
    ConfigGetScsiInfoReply, ConfigGetServerInfoReply, ConfigGetTapeInfoReply, DeviceCapability, DeviceInfo,
    Error, Pval, TAPE_ATTR_RAW, v2,
};
use crate::ndmp::xdr::List;

impl Session {
    /// CONFIG_GET_HOST_INFO (3.2.2.1): before login without the names that tell the host apart. Version 2 also learns
    /// here how to log in.
    pub(super) fn config_get_host_info(&mut self) -> v2::ConfigGetHostInfoReply {
        let identity = &self.facts.identity;
        let known = |text: &str| if self.is_authenticated() { text.into() } else { Default::default() };
        v2::ConfigGetHostInfoReply {
            error: Error::NoErr,
            hostname: known(&identity.hostname),
            os_type: identity.os_type.as_str().into(),
            os_vers: known(&identity.os_version),
            hostid: known(&identity.host_id),
            auth_type: self.auth_types().into(),
        }
    }

    /// CONFIG_GET_SERVER_INFO (3.2.2.8): before login only the ways to log in.
    pub(super) fn config_get_server_info(&mut self) -> ConfigGetServerInfoReply {
        let identity = &self.facts.identity;
        let known = |text: &str| if self.is_authenticated() { text.into() } else { Default::default() };
        ConfigGetServerInfoReply {
            error: Error::NoErr,
            vendor_name: known(&identity.vendor),
            product_name: known(&identity.product),
            revision_number: known(&identity.revision),
            auth_type: self.auth_types().into(),
        }
    }

    fn auth_types(&self) -> Vec<AuthType> {
        let mut types = Vec::new();
        if self.facts.offers_md5() {
            types.push(AuthType::Md5);
        }
        if self.facts.offers_text() {
            types.push(AuthType::Text);
        }
        types
    }

    /// CONFIG_GET_CONNECTION_TYPE (3.2.2.2): LOCAL would need a data service.
    pub(super) fn config_get_connection_type(&mut self) -> ConfigGetConnectionTypeReply {
        let mut addr_types = vec![AddrType::Tcp];
        if self.extensions.has_ipv6_addresses() {
            addr_types.push(AddrType::TcpIpv6);
        }
        ConfigGetConnectionTypeReply { error: Error::NoErr, addr_types: addr_types.into() }
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
        let attr = TAPE_ATTR_RAW & self.version.tape_attr_known;
        let tape_info = self.visible(&self.facts.tapes).map(|device| info(device, attr, "t")).collect();
        ConfigGetTapeInfoReply { error: Error::NoErr, tape_info }
    }

    /// CONFIG_GET_SCSI_INFO (3.2.2.7).
    pub(super) fn config_get_scsi_info(&mut self) -> ConfigGetScsiInfoReply {
        let scsi_info = self.visible(&self.facts.robots).map(|device| info(device, 0, "s")).collect();
        ConfigGetScsiInfoReply { error: Error::NoErr, scsi_info }
    }

    /// The devices of loaders that this user may see, with their index in `devices`.
    pub(super) fn visible<'d>(&self, devices: &'d [Device]) -> impl Iterator<Item = &'d Device> + use<'d> {
        let loaders = self.login.user().and_then(|user| user.loaders.clone());
        devices
            .iter()
            .filter(move |device| loaders.as_ref().is_none_or(|loaders| loaders.contains(&device.loader)))
    }
}

/// One device, one capability entry (DMAs read the first only).
fn info(device: &Device, attr: u32, execute_cdb: &str) -> DeviceInfo {
    let pval = |name: &str, value: &str| Pval { name: name.into(), value: value.into() };
    let mut told = vec![pval("EXECUTE_CDB", execute_cdb), pval("SERIAL_NUMBER", &device.serial)];
    told.extend(device.world_wide_name.as_ref().map(|name| pval("WORLD_WIDE_NAME", name)));
    let capability = DeviceCapability { device: device.shown_name().into(), attr, capability: told.into() };
    DeviceInfo { model: device.model.as_str().into(), caplist: vec![capability].into() }
}
