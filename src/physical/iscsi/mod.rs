//! A small iSCSI initiator (RFC 7143): one session with one connection for each device, error recovery level 0.
//!
//! [`login`](self) with CHAP in one or both directions, immediate data and R2T, CRC32C digests where asked for, pings
//! answered also while there is no command. Discovery is not needed: targets are named. Nothing is ever sent twice: a
//! connection that breaks in the middle of a command is reported as such. It must not know what a CDB means.
//!
//! Read on in `session`, `login`, `wire`.

mod chap;
mod login;
mod pdu;
mod session;
#[cfg(test)]
mod tests;
mod text;
mod wire;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use chap::{Chap, Credentials};

use self::session::Session;
use super::limit::{Cancel, Limit};
use super::transport::{Answer, Bus, Data, Transport, TransportError, Unit};

/// Targets have this long for a goodbye, in the end.
const GOODBYE: Duration = Duration::from_millis(500);
/// How often a connection without a command is looked at; targets wait at least some seconds for an answer to a ping.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long an answer to a ping may take to be sent.
const PING_TIME: Duration = Duration::from_secs(3);
/// The most logical units that are looked at behind one target.
const UNITS_MAX: usize = 256;

/// A target, and who we are to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `host:port` or `[address]:port`.
    pub portal: String,
    /// Its iSCSI name.
    pub name: String,
    /// Our iSCSI name.
    pub initiator: String,
    /// How both prove who they are; none if the target asks for nothing.
    pub chap: Option<Chap>,
    /// Whether to ask for CRC32C digests.
    pub digests: bool,
}

/// The devices behind some targets.
#[derive(Clone, Debug)]
pub struct IscsiBus {
    targets: Vec<Target>,
}

impl IscsiBus {
    /// Of these targets. Nothing is connected yet.
    #[must_use]
    pub fn new(targets: Vec<Target>) -> Self {
        Self { targets }
    }

    fn target(&self, index: usize) -> Result<&Target, TransportError> {
        let reason = || format!("no target {index} is configured");
        self.targets.get(index).ok_or_else(|| TransportError::Refused { reason: reason() })
    }
}

impl Bus for IscsiBus {
    fn units(&mut self, limit: &Limit) -> Result<Vec<Unit>, TransportError> {
        let mut units = Vec::new();
        for (index, target) in self.targets.iter().enumerate() {
            let mut transport = IscsiTransport::connect(target, [0; 8], limit)?;
            units.extend(transport.report_luns(limit)?.into_iter().map(|lun| Unit { target: index, lun }));
        }
        Ok(units)
    }

    fn connect(&mut self, unit: Unit, limit: &Limit) -> Result<Box<dyn Transport>, TransportError> {
        Ok(Box::new(IscsiTransport::connect(self.target(unit.target)?, unit.lun, limit)?))
    }
}

/// One logical unit, by a session of its own.
#[derive(Debug)]
pub struct IscsiTransport {
    target: Target,
    lun: [u8; 8],
    /// The same for each session of this transport: the target ends an old one, with what is on its way, for a new one.
    isid: [u8; 6],
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

/// What transport and keeper share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Session>,
    is_over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers pings while there is no command, until the transport ends.
    fn keep(&self) {
        let mut state = self.lock();
        while !state.is_over {
            let waited = self.ended.wait_timeout(state, LOOK_EVERY);
            state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
            let limit = Limit::new(&Cancel::new(), PING_TIME);
            if let Some(Err(error)) =
                state.session.as_mut().map(|session| session.answer_aside(&mut limit.watch()))
            {
                tracing::debug!(%error, "an iSCSI connection without a command");
                state.session = None;
            }
        }
    }
}

impl IscsiTransport {
    /// Logs in to a target for one of its logical units.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn connect(target: &Target, lun: [u8; 8], limit: &Limit) -> Result<Self, TransportError> {
        let mut isid = [0; 6];
        getrandom::fill(&mut isid)
            .map_err(|error| TransportError::Refused { reason: format!("no random numbers: {error}") })?;
        isid[0] = 0x80; // a random one
        let session = Session::open(target, isid, limit)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State { session: Some(session), is_over: false }),
            ..Shared::default()
        });
        let kept = shared.clone();
        let keeper = std::thread::Builder::new().name("iscsi-pings".into()).spawn(move || kept.keep());
        let keeper =
            keeper.map_err(|error| TransportError::Refused { reason: format!("no thread: {error}") })?;
        Ok(Self { target: target.clone(), lun, isid, shared, keeper: Some(keeper) })
    }

    /// Whether headers and data carry digests, as both sides agreed; none without a session.
    #[must_use]
    pub fn digests(&self) -> Option<(bool, bool)> {
        self.shared.lock().session.as_ref().map(Session::digests)
    }

    /// REPORT LUNS, whatever it says in at most [`UNITS_MAX`] units.
    fn report_luns(&mut self, limit: &Limit) -> Result<Vec<[u8; 8]>, TransportError> {
        const BYTES: usize = 8 + 8 * UNITS_MAX;
        let [b0, b1, b2, b3] = pdu::to_u32(BYTES).to_be_bytes();
        let cdb = [crate::scsi::cdb::REPORT_LUNS, 0, 0, 0, 0, 0, b0, b1, b2, b3, 0, 0];
        let mut data = vec![0; BYTES];
        // The first commands of a session are answered by unit attentions.
        for _ in 0..8 {
            let answer = self.execute(&cdb, Data::In(&mut data), limit)?;
            if answer.status == crate::scsi::outcome::STATUS_GOOD {
                return Ok(luns(&data[..answer.transferred_bytes.min(BYTES)]));
            }
        }
        Err(TransportError::Refused {
            reason: format!("{} does not tell its logical units", self.target.name),
        })
    }
}

fn luns(data: &[u8]) -> Vec<[u8; 8]> {
    let Some((length, entries)) = data.split_first_chunk::<8>() else { return Vec::new() };
    let length = pdu::to_usize(u32::from_be_bytes([length[0], length[1], length[2], length[3]]));
    let (luns, _) = entries[..entries.len().min(length)].as_chunks::<8>();
    luns.to_vec()
}

impl Transport for IscsiTransport {
    fn execute(&mut self, cdb: &[u8], data: Data<'_>, limit: &Limit) -> Result<Answer, TransportError> {
        limit.begin().map_err(|over| TransportError::Over { over, was_sent: false })?;
        let mut state = self.shared.lock();
        let gone = || wire::lost("it was lost or given up before");
        let session = state.session.as_mut().filter(|session| session.is_usable()).ok_or_else(gone)?;
        let result = session.execute(self.lun, cdb, data, &mut limit.watch());
        if result.is_err() {
            // What is on its way now would be taken for the answer to the next command.
            state.session = None;
        }
        result
    }

    fn reconnect(&mut self, limit: &Limit) -> Result<(), TransportError> {
        self.shared.lock().session = None;
        let session = Session::open(&self.target, self.isid, limit)?;
        self.shared.lock().session = Some(session);
        Ok(())
    }

    fn describe(&self) -> String {
        let lun = match self.lun {
            [0, lun, ..] => lun.to_string(),
            lun => text::to_hex(&lun),
        };
        format!("{} LUN {lun} at {}", self.target.name, self.target.portal)
    }
}

impl Drop for IscsiTransport {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_over = true;
        if let Some(mut session) = state.session.take() {
            let limit = Limit::new(&Cancel::new(), GOODBYE);
            if let Err(error) = session.log_out(&mut limit.watch()) {
                tracing::debug!(%error, "logout");
            }
        }
        drop(state);
        self.shared.ended.notify_all();
        if let Some(Err(_)) = self.keeper.take().map(JoinHandle::join) {
            tracing::error!("the thread that answers iSCSI pings has panicked");
        }
    }
}
