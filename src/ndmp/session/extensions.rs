//! Extensions of the protocol (NDMPv4 2.12, 3.2.2.9, 3.2.2.10): what is offered, what the DMA has chosen, and the echo
//! that tries it.
//!
//! A message of an extension has its class in the upper half of its code. What only data services extend (restartable and
//! cluster aware backup) is not offered. It must not know what a chosen class changes: whoever needs one asks here.

use super::{Fault, RequestHead, Session};
use crate::ndmp::wire::{
    ClassList, ConfigGetExtListReply, ConfigSetExtListReply, ConfigSetExtListRequest, Error, Message,
    TestEchoReply, TestEchoReplyV2, TestEchoRequest, TestEchoRequestV2, WireError,
};
use std::collections::BTreeSet;

/// The echo (appendix B).
const ECHO: u16 = 0x7ff0;
/// The connection address extension: IPv6 data connections, as ONTAP and Bareos have them.
const CONNECTION_ADDRESSES: u16 = 0x2051;

/// Every class with its versions, the default first.
const OFFERED: [(u16, &[u16]); 2] = [(ECHO, &[1, 2]), (CONNECTION_ADDRESSES, &[1])];

/// How far the negotiation has come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Extensions {
    #[default]
    NotAsked,
    Listed,
    /// Classes and the version of each.
    Chosen(Vec<(u16, u16)>),
}

impl Extensions {
    /// The version of the class that is in force.
    fn version_of(&self, class: u16) -> Option<u16> {
        let Extensions::Chosen(chosen) = self else { return None };
        chosen.iter().find(|(chosen, _)| *chosen == class).map(|(_, version)| *version)
    }

    /// Whether data connections over IPv6 can be asked for.
    pub(super) fn has_ipv6_addresses(&self) -> bool {
        self.version_of(CONNECTION_ADDRESSES).is_some()
    }
}

impl Session {
    /// CONFIG_GET_EXT_LIST (3.2.2.10).
    pub(super) fn config_get_ext_list(&mut self) -> ConfigGetExtListReply {
        if self.extensions == Extensions::NotAsked {
            self.extensions = Extensions::Listed;
        }
        let class = |&(class_id, versions): &(u16, &[u16])| ClassList {
            class_id,
            class_version: versions.to_vec().into(),
        };
        ConfigGetExtListReply { error: Error::NoErr, class_list: OFFERED.iter().map(class).collect() }
    }

    /// CONFIG_SET_EXT_LIST (3.2.2.9): after the list was asked for, until it has worked once.
    pub(super) fn config_set_ext_list(
        &mut self,
        request: &ConfigSetExtListRequest,
    ) -> Result<ConfigSetExtListReply, Fault> {
        match self.extensions {
            Extensions::NotAsked => {
                return Err(Fault::new(Error::Precondition, "ask for the extensions first"));
            }
            Extensions::Chosen(_) => {
                return Err(Fault::new(Error::ExtDandnIllegal, "extensions are chosen already"));
            }
            Extensions::Listed => {}
        }
        let mut seen = BTreeSet::new();
        let mut chosen = Vec::new();
        for choice in &request.selected_ext {
            let (class, version) = (choice.class_id, choice.class_version);
            if !seen.insert(class) {
                let text = format!("extension class {class:#06x} is chosen twice");
                return Err(Fault::new(Error::ExtDuplClasses, text));
            }
            let Some((_, versions)) = OFFERED.iter().find(|(offered, _)| *offered == class) else {
                let text = format!("extension class {class:#06x} is not offered");
                return Err(Fault::new(Error::ClassNotSupported, text));
            };
            if !versions.contains(&version) {
                let text = format!("version {version} of extension class {class:#06x} is not offered");
                return Err(Fault::new(Error::VersionNotSupported, text));
            }
            chosen.push((class, version));
        }
        self.extensions = Extensions::Chosen(chosen);
        Ok(ConfigSetExtListReply { error: Error::NoErr })
    }

    /// TEST_ECHO: in the form of the version that was chosen.
    pub(super) fn test_echo(&mut self, head: RequestHead, message: &Message) -> Result<(), WireError> {
        match self.extensions.version_of(ECHO) {
            Some(1) => {
                let TestEchoRequest { echo_msg } = self.decode(message)?;
                self.reply(head, &TestEchoReply { error: Error::NoErr, echo_msg });
            }
            Some(_) => {
                let TestEchoRequestV2 { echo_msg, echo_short } = self.decode(message)?;
                self.reply(head, &TestEchoReplyV2 { error: Error::NoErr, echo_msg, echo_short });
            }
            None => {
                self.reply_header(head, Error::ClassNotSupported);
                self.log_error("this extension class was not chosen with CONFIG_SET_EXT_LIST", Some(head));
            }
        }
        Ok(())
    }
}
