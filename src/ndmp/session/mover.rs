//! The MOVER interface (NDMPv4 3.6): the wire's side of `crate::mover`.
//!
//! It translates requests, refusals and reasons, and keeps the order: reply, then notification, then work. It must not
//! decide what is legal: the mover's own table does.

use super::effect::{Completion, Effect, Family, Live, Work};
use super::post::{halt_reason, pause_reason};
use super::scsi::mismatch;
use super::{Answer, Fault, Pending, PendingKind, RequestHead, Session};
use crate::mover::{self, End, Ended, Mode, Mover, Outcome, Phase, ReadRange, Refusal, State, Window};
use crate::ndmp::wire::{
    Addr, AddrType, Error, Incoming, Message, MoverConnectReply, MoverConnectRequest, MoverContinueReply,
    MoverGetStateReply, MoverHaltReason, MoverListenReply, MoverListenRequest, MoverMode, MoverPauseReason,
    MoverReadRequest, MoverSetRecordSizeReply, MoverSetRecordSizeRequest, MoverSetWindowReply,
    MoverSetWindowRequest, MoverState, MoverStopReply, TcpAddr, TcpIpv6Addr, WireError,
};
use crate::ndmp::xdr::{List, Quad};
use crate::vtl::drive::MediumStatus;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

impl Session {
    /// MOVER_SET_RECORD_SIZE (3.6.2.1).
    pub(super) fn mover_set_record_size(
        &mut self,
        request: MoverSetRecordSizeRequest,
    ) -> Result<Answer<MoverSetRecordSizeReply>, Fault> {
        self.mover.set_record_size(request.len)?;
        Ok(Answer::Now(MoverSetRecordSizeReply { error: Error::NoErr }))
    }

    /// MOVER_SET_WINDOW (3.6.2.2).
    pub(super) fn mover_set_window(
        &mut self,
        request: MoverSetWindowRequest,
    ) -> Result<Answer<MoverSetWindowReply>, Fault> {
        self.mover.set_window(Window { offset_bytes: request.offset.0, length_bytes: request.length.0 })?;
        Ok(Answer::Now(MoverSetWindowReply { error: Error::NoErr }))
    }

    /// MOVER_LISTEN (3.6.2.4): arguments first, then the state, the tape, and what must be set before.
    pub(super) fn mover_listen(
        &mut self,
        request: MoverListenRequest,
    ) -> Result<Answer<MoverListenReply>, Fault> {
        let mode = mode(request.mode)?;
        let family = self.family(request.addr_type)?;
        self.mover.check_start(mover::Request::Listen, mode, self.tape_access())?;
        Ok(Answer::Later(PendingKind::MoverListen { mode }, Work::Listen(family)))
    }

    /// The family of addresses that is meant, if such connections are served on this session.
    fn family(&self, addr_type: AddrType) -> Result<Family, Fault> {
        match addr_type {
            AddrType::Tcp => Ok(Family::V4),
            AddrType::TcpIpv6 if self.extensions.has_ipv6_addresses() => Ok(Family::V6),
            other => {
                let text = format!("data connections of type {:#x} are not served; TCP is", other.code());
                Err(Fault::new(Error::IllegalArgs, text))
            }
        }
    }

    pub(super) fn mover_listening(&mut self, head: RequestHead, mode: Mode, completion: Completion) {
        match completion {
            Completion::Listening(Ok(addresses)) => {
                self.mover.listening(mode);
                let connect_addr = wire_address(&addresses);
                self.reply(head, &MoverListenReply { error: Error::NoErr, connect_addr });
            }
            Completion::Listening(Err(text)) => {
                let text = format!("no data connection can be offered: {text}");
                self.fail::<MoverListenReply>(head, &Fault::new(Error::Connect, text));
            }
            _ => self.fail::<MoverListenReply>(head, &mismatch()),
        }
    }

    /// MOVER_CONNECT (3.6.2.3): the addresses are tried in the order given.
    pub(super) fn mover_connect(
        &mut self,
        request: MoverConnectRequest,
    ) -> Result<Answer<MoverConnectReply>, Fault> {
        let mode = mode(request.mode)?;
        self.family(request.addr.addr_type())?;
        let mut addresses = socket_addresses(&request.addr);
        addresses.retain(|address| !address.ip().is_unspecified() && address.port() != 0);
        if addresses.is_empty() {
            return Err(Fault::new(Error::IllegalArgs, "the request has no address to connect to"));
        }
        self.mover.check_start(mover::Request::Connect, mode, self.tape_access())?;
        self.retain_allowed(&mut addresses)?;
        Ok(Answer::Later(PendingKind::MoverConnect { mode }, Work::Connect(addresses)))
    }

    /// Leaves those addresses that the server may connect to; if there are none, says why of the last.
    fn retain_allowed(&self, addresses: &mut Vec<SocketAddr>) -> Result<(), Fault> {
        let mut refused = None;
        addresses.retain(|address| match self.facts.data_peers.check_target(self.facts.dma, *address) {
            Ok(()) => true,
            Err(why) => {
                refused = Some(format!("{address}: {why}"));
                false
            }
        });
        match refused {
            Some(why) if addresses.is_empty() => {
                tracing::warn!("MOVER_CONNECT refused: {why}");
                Err(Fault::new(Error::Permission, why))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn mover_connected(&mut self, head: RequestHead, mode: Mode, completion: Completion) {
        match completion {
            Completion::Connected(Ok(peer)) => {
                self.reply(head, &MoverConnectReply { error: Error::NoErr });
                self.data_peer = Some(peer);
                let outcome = self.mover.connected(mode);
                self.apply(outcome);
            }
            Completion::Connected(Err(text)) => {
                let text = format!("the data connection could not be made: {text}");
                self.fail::<MoverConnectReply>(head, &Fault::new(Error::Connect, text));
            }
            _ => self.fail::<MoverConnectReply>(head, &mismatch()),
        }
    }

    /// MOVER_STOP (3.6.2.10).
    pub(super) fn mover_stop(&mut self, (): ()) -> Result<Answer<MoverStopReply>, Fault> {
        self.mover.stop()?;
        self.data_peer = None;
        Ok(Answer::Now(MoverStopReply { error: Error::NoErr }))
    }

    /// MOVER_CONTINUE (3.6.2.7). Without a tape to go on with it is refused and the mover stays paused: going on would
    /// end the backup.
    pub(super) fn mover_continue(
        &mut self,
        head: RequestHead,
        message: &Message,
        live: &Live,
    ) -> Result<(), WireError> {
        if self.mover.phase() == Phase::Paused
            && let Err(fault) = self.check_tape_to_continue(live)
        {
            self.fail::<MoverContinueReply>(head, &fault);
            return Ok(());
        }
        self.steer(head, message, |mover, ()| mover.continue_transfer())
    }

    fn check_tape_to_continue(&self, live: &Live) -> Result<(), Fault> {
        let mode = self.mover.mode().unwrap_or(Mode::Read);
        mover::check_tape(self.tape_access(), mode)?;
        let status = live.drive.as_ref().filter(|status| status.medium == MediumStatus::Ready);
        let Some(status) = status else {
            return Err(Fault::new(
                Error::NoTapeLoaded,
                "no tape is loaded in the drive: load one, then continue",
            ));
        };
        if mode == Mode::Read && status.is_write_protected {
            return Err(Fault::new(
                Error::WriteProtect,
                "the tape is write protected: load another, then continue",
            ));
        }
        Ok(())
    }

    /// MOVER_CONTINUE, MOVER_ABORT, MOVER_READ and MOVER_CLOSE: what the mover says is done behind the reply.
    pub(super) fn steer<Q: Incoming>(
        &mut self,
        head: RequestHead,
        message: &Message,
        steer: impl FnOnce(&mut Mover, Q) -> Result<Outcome, Refusal>,
    ) -> Result<(), WireError> {
        let request = self.decode(message)?;
        let steered = steer(&mut self.mover, request);
        self.steered(head, steered);
        Ok(())
    }

    pub(super) fn steered(&mut self, head: RequestHead, steered: Result<Outcome, Refusal>) {
        match steered {
            Ok(outcome) => {
                self.reply(head, &MoverConnectReply { error: Error::NoErr });
                self.apply(outcome);
            }
            Err(refusal) => self.fail::<MoverConnectReply>(head, &refusal.into()),
        }
    }

    /// MOVER_READ (3.6.2.8). The data server may have the last byte of the read before, and the DMA know of it, before the pump
    /// has said that it is through: a read that comes so early waits for that a moment.
    pub(super) fn mover_read(&mut self, head: RequestHead, message: &Message) -> Result<(), WireError> {
        let request: MoverReadRequest = self.decode(message)?;
        let range = ReadRange { offset_bytes: request.offset.0, length_bytes: request.length.0 };
        match self.mover.read(range) {
            Err(Refusal::ReadInProgress) => {
                self.pending = Some(Pending { head, kind: PendingKind::MoverRead { range } });
                self.effects.push(Effect::Work(Work::AwaitPump));
            }
            read => self.steered(head, read),
        }
        Ok(())
    }

    /// The pump has ended: a read that waits for that is taken up.
    pub(super) fn take_up_read(&mut self) {
        if let Some(Pending { head, kind: PendingKind::MoverRead { range } }) = self.pending {
            self.pending = None;
            let read = self.mover.read(range);
            self.steered(head, read);
        }
    }

    /// MOVER_GET_STATE (3.6.2.6): answered in every state.
    pub(super) fn mover_get_state(&mut self) -> MoverGetStateReply {
        let mover = &self.mover;
        let progress = mover.progress();
        let window = mover.window().unwrap_or(Window { offset_bytes: 0, length_bytes: 0 });
        let (state, pause_reason, halt_reason) = match mover.state() {
            State::Idle => (MoverState::Idle, MoverPauseReason::Na, MoverHaltReason::Na),
            State::Listen { .. } => (MoverState::Listen, MoverPauseReason::Na, MoverHaltReason::Na),
            State::Active(_) => (MoverState::Active, MoverPauseReason::Na, MoverHaltReason::Na),
            State::Paused(_, reason) => (MoverState::Paused, pause_reason(*reason), MoverHaltReason::Na),
            State::Halted { reason, .. } => (MoverState::Halted, MoverPauseReason::Na, halt_reason(*reason)),
        };
        let halt_reason = self.version.halt_reason(halt_reason);
        MoverGetStateReply {
            error: Error::NoErr,
            mode: match mover.mode() {
                None => MoverMode::Noaction,
                Some(Mode::Read) => MoverMode::Read,
                Some(Mode::Write) => MoverMode::Write,
            },
            state,
            pause_reason,
            halt_reason,
            record_size: mover.record_bytes(),
            record_num: u32::try_from(progress.record_number).unwrap_or(u32::MAX),
            bytes_moved: Quad(progress.moved_bytes),
            seek_position: Quad(mover.transfer().map_or(0, |transfer| transfer.seek_bytes)),
            bytes_left_to_read: Quad(progress.left_to_read_bytes),
            window_offset: Quad(window.offset_bytes),
            window_length: Quad(window.length_bytes),
            data_connection_addr: self.data_peer.map_or(Addr::Local, |peer| wire_address(&[peer])),
        }
    }

    pub(super) fn data_peer_connected(&mut self, peer: SocketAddr) {
        let mover::State::Listen { mode } = *self.mover.state() else { return };
        self.data_peer = Some(peer);
        let outcome = self.mover.connected(mode);
        self.apply(outcome);
    }

    pub(super) fn data_peer_failed(&mut self, text: &str) {
        if self.mover.phase() != Phase::Listen {
            return;
        }
        self.log_error(&format!("the data connection could not be accepted: {text}"), None);
        let outcome = self.mover.accept_failed();
        self.apply(outcome);
    }

    pub(super) fn pump_ended(&mut self, ended: &Ended) {
        match &ended.end {
            End::Media(text) => self.log_error(&format!("the tape failed: {text}"), None),
            End::ConnectionBroken(text) => {
                self.log_error(&format!("the data connection broke: {text}"), None);
            }
            End::OutOfSpace(text) | End::NoSpace(text) | End::Internal(text) => self.log_error(text, None),
            _ => {}
        }
        let outcome = self.mover.ended(ended);
        self.apply(outcome);
    }

    /// Does what the mover says, in its order: the notice, the connection's end, the work.
    pub(super) fn apply(&mut self, outcome: Outcome) {
        if let Some(notice) = outcome.notice {
            self.post_notice(notice);
        }
        if outcome.disconnect {
            self.effects.push(Effect::Disconnect);
        }
        if let Some(start) = outcome.start {
            self.tape_is_moved();
            self.effects.push(Effect::Pump { start, progress: self.mover.progress() });
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        let error = match refusal {
            Refusal::IllegalState(_) => Error::IllegalState,
            Refusal::IllegalArgs(_) => Error::IllegalArgs,
            Refusal::Precondition(_) => Error::Precondition,
            Refusal::TapeNotOpen => Error::DevNotOpen,
            Refusal::TapeReadOnly => Error::Permission,
            Refusal::ReadInProgress => Error::ReadInProgress,
        };
        Fault::new(error, refusal.to_string())
    }
}

fn mode(mode: MoverMode) -> Result<Mode, Fault> {
    match mode {
        MoverMode::Read => Ok(Mode::Read),
        MoverMode::Write => Ok(Mode::Write),
        other => Err(Fault::new(Error::IllegalArgs, format!("there is no mover mode {}", other.code()))),
    }
}

/// All of one family: that of the first.
fn wire_address(addresses: &[SocketAddr]) -> Addr {
    let of_v4 = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(ip) => {
            Some(TcpAddr { ip_addr: ip.to_bits(), port: address.port(), addr_env: List::default() })
        }
        IpAddr::V6(_) => None,
    };
    let of_v6 = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => {
            Some(TcpIpv6Addr { ip_addr: ip.octets(), port: address.port(), addr_env: List::default() })
        }
    };
    if addresses.first().is_some_and(SocketAddr::is_ipv6) {
        return Addr::TcpIpv6(addresses.iter().filter_map(of_v6).collect());
    }
    Addr::Tcp(addresses.iter().filter_map(of_v4).collect())
}

fn socket_addresses(addr: &Addr) -> Vec<SocketAddr> {
    match addr {
        Addr::Tcp(list) => {
            list.iter().map(|addr| (Ipv4Addr::from_bits(addr.ip_addr), addr.port).into()).collect()
        }
        Addr::TcpIpv6(list) => {
            list.iter().map(|addr| (Ipv6Addr::from(addr.ip_addr), addr.port).into()).collect()
        }
        Addr::Local | Addr::Ipc(_) => Vec::new(),
    }
}
