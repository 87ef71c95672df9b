//! The login (RFC 7143 6): who we are, which target we want, proofs, and what both sides take.
//!
//! Must not know what is done with the connection afterwards; that is `session`.

use super::Target;
use super::chap::{ALGORITHM_MD5, Challenge};
use super::pdu::{FINAL, Header, IMMEDIATE, LOGIN, LOGIN_RESPONSE};
use super::text::{TEXT_BYTES_MAX, Text};
use super::wire::{SEGMENT_BYTES_MAX, Wire, protocol};
use crate::physical::limit::Watch;
use crate::physical::transport::TransportError;

/// The longest burst of data that the target may ask for or send at once, in bytes.
const BURST_BYTES_MAX: usize = 1 << 20;
/// The most data sent with a command, unasked, in bytes.
const FIRST_BURST_BYTES_MAX: usize = SEGMENT_BYTES_MAX;
/// Exchanges until a login must be done.
const EXCHANGES_MAX: u32 = 12;
const SECURITY: u8 = 0;
const OPERATIONAL: u8 = 1;
const FULL_FEATURE: u8 = 3;
const CONTINUE: u8 = 0x40;

/// What both sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    /// The longest data segment that the target takes.
    pub(super) segment_bytes: usize,
    /// The most data that goes with a command; 0 if none may.
    pub(super) immediate_bytes: usize,
    /// The first command's number.
    pub(super) command_number: u32,
    /// The last command number that the target takes now.
    pub(super) command_number_max: u32,
    /// The next status number expected of the target.
    pub(super) status_number: u32,
}

/// A login under way.
struct Login<'a, 'w> {
    target: &'a Target,
    wire: &'a mut Wire,
    watch: &'a mut Watch<'w>,
    isid: [u8; 6],
    stage: u8,
    last: Header,
    exchanges: u32,
    status_number: u32,
    keys: Text,
}

/// Logs in. Session of the same `isid` that the target still has, it ends first, with what they had on their way.
pub(super) fn log_in(
    target: &Target,
    isid: [u8; 6],
    wire: &mut Wire,
    watch: &mut Watch<'_>,
) -> Result<Agreed, TransportError> {
    let last = Header::new(LOGIN_RESPONSE, 0);
    let keys = Text::default();
    let mut login =
        Login { target, wire, watch, isid, stage: SECURITY, last, exchanges: 0, status_number: 0, keys };
    login.prove()?;
    login.agree()
}

const COMMAND_NUMBER: u32 = 1;

impl Login<'_, '_> {
    /// One exchange: keys there, keys back. `next` is the stage that we want to go to.
    fn exchange(&mut self, keys: &Text, next: Option<u8>) -> Result<Text, TransportError> {
        let mut text = Vec::new();
        let mut outgoing = keys.to_bytes();
        loop {
            self.exchanges += 1;
            if self.exchanges > EXCHANGES_MAX {
                return Err(protocol("a login without end"));
            }
            let transit = next.map_or(0, |next| FINAL | next);
            let mut header = Header::new(LOGIN | IMMEDIATE, transit | self.stage << 2);
            header.0[8..14].copy_from_slice(&self.isid);
            header.set::<16>(1);
            header.set::<24>(COMMAND_NUMBER);
            header.set::<28>(self.status_number);
            self.wire.send(header, &outgoing, self.watch)?;
            outgoing.clear();
            self.last = self.wire.receive(self.watch)?;
            if self.last.opcode() != LOGIN_RESPONSE {
                return Err(protocol(format!("no answer to a login but PDU {:02x}h", self.last.opcode())));
            }
            text.extend(self.wire.receive_short(&self.last, TEXT_BYTES_MAX - text.len(), self.watch)?);
            self.status()?;
            self.status_number = self.last.get::<24>().wrapping_add(1);
            if self.last.flags() & CONTINUE == 0 {
                break;
            }
        }
        if self.last.flags() & FINAL != 0 {
            self.stage = self.last.flags() & 0x03;
        }
        Text::parse(&text).map_err(protocol)
    }

    /// What the target says of the login as a whole.
    fn status(&self) -> Result<(), TransportError> {
        let name = &self.target.name;
        let reason = match (self.last.0[36], self.last.0[37]) {
            (0, _) => return Ok(()),
            (1, _) => format!(
                "{name} has moved to another address; ask its administrator which, and configure that"
            ),
            (2, 1) => format!("{name} does not accept the CHAP name or secret; compare both sides' settings"),
            (2, 2) => format!("{name} does not admit initiator {}; add it there", self.target.initiator),
            (2, 3) => format!("{} has no target {name}; look at its name", self.target.portal),
            (class, detail) => format!("{name} refuses the login (status {class:02x}{detail:02x}h)"),
        };
        Err(TransportError::Refused { reason })
    }

    /// The security stage.
    fn prove(&mut self) -> Result<(), TransportError> {
        let mut keys = Text::default();
        keys.push("InitiatorName", &self.target.initiator);
        keys.push("SessionType", "Normal");
        keys.push("TargetName", &self.target.name);
        let refused = |reason: String| TransportError::Refused { reason };
        let Some(chap) = &self.target.chap else {
            keys.push("AuthMethod", "None");
            let answer = self.exchange(&keys, Some(OPERATIONAL))?;
            if answer.get("AuthMethod").is_some_and(|method| method != "None") || self.stage == SECURITY {
                return Err(refused(format!(
                    "{} asks for a CHAP name and secret; configure them",
                    self.target.name
                )));
            }
            return Ok(());
        };
        keys.push("AuthMethod", "CHAP");
        let answer = self.exchange(&keys, None)?;
        if answer.get("AuthMethod") != Some("CHAP") {
            return Err(refused(format!(
                "{} does not know CHAP, which is configured; set it up there",
                self.target.name
            )));
        }
        let mut keys = Text::default();
        keys.push("CHAP_A", ALGORITHM_MD5);
        let challenge = self.exchange(&keys, None)?;
        let (answer, ours) = chap.answer(&challenge).map_err(refused)?;
        let proof = self.exchange(&answer, Some(OPERATIONAL))?;
        self.check_proof(&proof, ours.as_ref())?;
        if self.stage == SECURITY { Err(protocol("no end of the security stage")) } else { Ok(()) }
    }

    fn check_proof(&self, proof: &Text, ours: Option<&Challenge>) -> Result<(), TransportError> {
        let is_proved = match (&self.target.chap, ours) {
            (Some(chap), Some(ours)) => chap.is_proved(proof, ours),
            _ => true,
        };
        if is_proved {
            return Ok(());
        }
        let reason = format!(
            "{} does not prove who it is; compare both sides' names and secrets, and who answers at {}",
            self.target.name, self.target.portal
        );
        Err(TransportError::Refused { reason })
    }

    /// The operational stage.
    fn agree(mut self) -> Result<Agreed, TransportError> {
        let offer = self.offer();
        let mut outgoing = offer;
        while self.stage == OPERATIONAL {
            let answer = self.exchange(&outgoing, Some(FULL_FEATURE))?;
            for key in [
                "MaxRecvDataSegmentLength",
                "FirstBurstLength",
                "ImmediateData",
                "HeaderDigest",
                "DataDigest",
            ] {
                if let Some(value) = answer.get(key) {
                    self.keys.push(key, value);
                }
            }
            outgoing = Text::default();
        }
        if self.stage != FULL_FEATURE {
            return Err(protocol("a login into nowhere"));
        }
        let has_digest = |key: &str| self.keys.get(key) == Some("CRC32C");
        (self.wire.header_digest, self.wire.data_digest) =
            (has_digest("HeaderDigest"), has_digest("DataDigest"));
        if !self.target.digests && (self.wire.header_digest || self.wire.data_digest) {
            return Err(protocol("digests that nobody offered"));
        }
        let segment_bytes =
            self.keys.number("MaxRecvDataSegmentLength").unwrap_or(8192).clamp(512, 0xff_ffff);
        let first =
            self.keys.number("FirstBurstLength").unwrap_or(FIRST_BURST_BYTES_MAX).min(FIRST_BURST_BYTES_MAX);
        let is_immediate = self.keys.is_yes("ImmediateData").unwrap_or(true);
        Ok(Agreed {
            segment_bytes,
            immediate_bytes: if is_immediate { first.min(segment_bytes) } else { 0 },
            command_number: COMMAND_NUMBER,
            command_number_max: self.last.get::<32>(),
            status_number: self.status_number,
        })
    }

    fn offer(&self) -> Text {
        let digest = if self.target.digests { "CRC32C,None" } else { "None" };
        let mut keys = Text::default();
        keys.push("HeaderDigest", digest);
        keys.push("DataDigest", digest);
        keys.push("MaxRecvDataSegmentLength", SEGMENT_BYTES_MAX.to_string());
        keys.push("MaxBurstLength", BURST_BYTES_MAX.to_string());
        keys.push("FirstBurstLength", FIRST_BURST_BYTES_MAX.to_string());
        for key in ["ImmediateData", "InitialR2T", "DataPDUInOrder", "DataSequenceInOrder"] {
            keys.push(key, "Yes");
        }
        for (key, value) in [("MaxConnections", "1"), ("MaxOutstandingR2T", "1"), ("ErrorRecoveryLevel", "0")]
        {
            keys.push(key, value);
        }
        keys.push("DefaultTime2Wait", "0");
        keys.push("DefaultTime2Retain", "0");
        keys
    }
}
