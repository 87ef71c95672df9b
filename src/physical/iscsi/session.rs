//! A session in its full feature phase: one command at a time, its data, its status, and what the target says in between.
//!
//! Must not know what a CDB means. Any doubt about what the target has received ends the session: the command that was on its
//! way is then answered with an error, and never sent again.

use super::Target;
use super::login::{Agreed, log_in};
use super::pdu::{
    ASYNCHRONOUS, COMMAND, DATA_IN, DATA_OUT, FINAL, Header, IMMEDIATE, LOGOUT, LOGOUT_RESPONSE, NO_TAG,
    NOP_IN, NOP_OUT, READY_TO_TRANSFER, REJECT, RESPONSE, not_behind, to_u32, to_usize,
};
use super::wire::{SEGMENT_BYTES_MAX, Wire, lost, protocol};
use crate::physical::limit::{Limit, Watch};
use crate::physical::sense_data::SENSE_BYTES_MAX;
use crate::physical::transport::{Answer, Data, TransportError};

/// A session with one connection.
#[derive(Debug)]
pub(super) struct Session {
    wire: Wire,
    agreed: Agreed,
    tag: u32,
    command_number: u32,
    command_number_max: u32,
    status_number: u32,
    /// The target has asked us to go.
    is_unwelcome: bool,
}

/// A command under way.
struct Command<'a> {
    lun: [u8; 8],
    tag: u32,
    data: Data<'a>,
    answer: Answer,
}

impl Session {
    pub(super) fn open(target: &Target, isid: [u8; 6], limit: &Limit) -> Result<Self, TransportError> {
        let mut wire = Wire::connect(&target.portal, limit)?;
        let agreed = log_in(target, isid, &mut wire, &mut limit.watch())?;
        Ok(Self {
            wire,
            agreed,
            tag: 1,
            command_number: agreed.command_number,
            command_number_max: agreed.command_number_max,
            status_number: agreed.status_number,
            is_unwelcome: false,
        })
    }

    pub(super) fn digests(&self) -> (bool, bool) {
        (self.wire.header_digest, self.wire.data_digest)
    }

    pub(super) fn execute(
        &mut self,
        lun: [u8; 8],
        cdb: &[u8],
        data: Data<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<Answer, TransportError> {
        while !not_behind(self.command_number, self.command_number_max) {
            let header = self.receive(watch)?;
            self.aside(&header, watch)?;
        }
        self.tag = if self.tag == NO_TAG - 1 { 1 } else { self.tag + 1 };
        let mut command = Command { lun, tag: self.tag, data, answer: Answer::default() };
        self.send_command(&mut command, cdb, watch)?;
        loop {
            let header = self.receive(watch)?;
            let is_ours = header.tag() == command.tag;
            let is_done = match header.opcode() {
                DATA_IN if is_ours => self.take_data(&mut command, &header, watch)?,
                READY_TO_TRANSFER if is_ours => self.send_data(&mut command, &header, watch)?,
                RESPONSE if is_ours => self.take_response(&mut command, &header, watch)?,
                _ => self.aside(&header, watch)?,
            };
            if is_done {
                return if self.is_unwelcome {
                    self.leave(command.answer, watch)
                } else {
                    Ok(command.answer)
                };
            }
        }
    }

    /// Ends the session in order; what was answered stays answered.
    fn leave(&mut self, answer: Answer, watch: &mut Watch<'_>) -> Result<Answer, TransportError> {
        if let Err(error) = self.log_out(watch) {
            tracing::debug!(%error, "logout after the target asked for it");
        }
        Ok(answer)
    }

    /// Whether another command can be sent.
    pub(super) fn is_usable(&self) -> bool {
        !self.is_unwelcome
    }

    /// Answers what the target sent while there was no command.
    pub(super) fn answer_aside(&mut self, watch: &mut Watch<'_>) -> Result<(), TransportError> {
        while self.wire.has_something() {
            let header = self.receive(watch)?;
            self.aside(&header, watch)?;
        }
        if self.is_unwelcome {
            self.log_out(watch)?;
            return Err(lost("the target asked for a logout"));
        }
        Ok(())
    }

    pub(super) fn log_out(&mut self, watch: &mut Watch<'_>) -> Result<(), TransportError> {
        let mut header = Header::new(LOGOUT | IMMEDIATE, FINAL);
        header.set::<16>(0);
        self.number(&mut header);
        self.wire.send(header, &[], watch)?;
        loop {
            let answer = self.receive(watch)?;
            if answer.opcode() == LOGOUT_RESPONSE {
                return Ok(());
            }
            self.aside(&answer, watch)?;
        }
    }

    fn number(&self, header: &mut Header) {
        header.set::<24>(self.command_number);
        header.set::<28>(self.status_number);
    }

    fn send_command(
        &mut self,
        command: &mut Command<'_>,
        cdb: &[u8],
        watch: &mut Watch<'_>,
    ) -> Result<(), TransportError> {
        const SIMPLE: u8 = 0x01;
        const READ: u8 = 0x40;
        const WRITE: u8 = 0x20;
        let (direction, length) = match &command.data {
            Data::None => (0, 0),
            Data::In(room) => (READ, room.len()),
            Data::Out(bytes) => (WRITE, bytes.len()),
        };
        let mut header = Header::new(COMMAND, FINAL | direction | SIMPLE);
        header.set_lun(command.lun);
        header.set::<16>(command.tag);
        header.set::<20>(to_u32(length));
        self.number(&mut header);
        let cdb = &cdb[..cdb.len().min(16)];
        header.0[32..32 + cdb.len()].copy_from_slice(cdb);
        let immediate = match &command.data {
            Data::Out(bytes) => &bytes[..bytes.len().min(self.agreed.immediate_bytes)],
            _ => &[],
        };
        command.answer.transferred_bytes = immediate.len();
        self.wire.send(header, immediate, watch)?;
        self.command_number = self.command_number.wrapping_add(1);
        Ok(())
    }

    /// Waits for a PDU, and notes the numbers that it carries.
    fn receive(&mut self, watch: &mut Watch<'_>) -> Result<Header, TransportError> {
        let header = self.wire.receive(watch)?;
        let has_status = match header.opcode() {
            RESPONSE | ASYNCHRONOUS | LOGOUT_RESPONSE => true,
            DATA_IN => header.flags() & 0x01 != 0,
            NOP_IN => header.tag() != NO_TAG,
            _ => false,
        };
        if has_status {
            self.status_number = header.get::<24>().wrapping_add(1);
        }
        if not_behind(self.command_number_max, header.get::<32>()) {
            self.command_number_max = header.get::<32>();
        }
        Ok(header)
    }

    /// Data-In; true if it carries the status, too.
    fn take_data(
        &mut self,
        command: &mut Command<'_>,
        header: &Header,
        watch: &mut Watch<'_>,
    ) -> Result<bool, TransportError> {
        let start = to_usize(header.get::<40>());
        let Data::In(room) = &mut command.data else { return Err(protocol("data for a command without")) };
        if start != command.answer.transferred_bytes {
            return Err(protocol("data out of order"));
        }
        let end = start.saturating_add(header.data_bytes());
        let part = room.get_mut(start..end).ok_or_else(|| protocol("more data than there is room for"))?;
        self.wire.receive_data(part, watch)?;
        command.answer.transferred_bytes = end;
        if header.flags() & 0x01 == 0 {
            return Ok(false);
        }
        command.answer.status = header.0[3];
        residual(command, header)?;
        Ok(true)
    }

    /// Sends what the target is ready for.
    fn send_data(
        &mut self,
        command: &mut Command<'_>,
        header: &Header,
        watch: &mut Watch<'_>,
    ) -> Result<bool, TransportError> {
        let Data::Out(bytes) = &command.data else {
            return Err(protocol("ready for data of a command without"));
        };
        let (start, length) = (to_usize(header.get::<40>()), to_usize(header.get::<44>()));
        let end = start.saturating_add(length);
        let wanted = bytes.get(start..end).ok_or_else(|| protocol("ready for more data than there is"))?;
        // Each byte is asked for once: a target without an end would else be sent the same for ever.
        if start != command.answer.transferred_bytes || wanted.is_empty() {
            return Err(protocol("ready for data out of order"));
        }
        let segments = wanted.chunks(self.agreed.segment_bytes);
        let last = segments.len() - 1;
        for (index, segment) in segments.enumerate() {
            let mut out = Header::new(DATA_OUT, if index == last { FINAL } else { 0 });
            out.set_lun(command.lun);
            out.set::<16>(command.tag);
            out.set::<20>(header.get::<20>());
            out.set::<28>(self.status_number);
            out.set::<36>(to_u32(index));
            out.set::<40>(to_u32(start + index * self.agreed.segment_bytes));
            self.wire.send(out, segment, watch)?;
        }
        command.answer.transferred_bytes = end;
        Ok(false)
    }

    fn take_response(
        &mut self,
        command: &mut Command<'_>,
        header: &Header,
        watch: &mut Watch<'_>,
    ) -> Result<bool, TransportError> {
        let data = self.wire.receive_short(header, SEGMENT_BYTES_MAX, watch)?;
        if header.0[2] != 0 {
            return Err(protocol(format!("the target failed (response {:02x}h)", header.0[2])));
        }
        command.answer.status = header.0[3];
        if let [high, low, sense @ ..] = data.as_slice() {
            let length = usize::from(u16::from_be_bytes([*high, *low])).min(sense.len()).min(SENSE_BYTES_MAX);
            command.answer.sense = sense[..length].to_vec();
        }
        residual(command, header)?;
        Ok(true)
    }

    /// What may come at any time.
    fn aside(&mut self, header: &Header, watch: &mut Watch<'_>) -> Result<bool, TransportError> {
        let data = self.wire.receive_short(header, SEGMENT_BYTES_MAX, watch)?;
        match header.opcode() {
            NOP_IN if header.get::<20>() != NO_TAG => {
                let mut pong = Header::new(NOP_OUT | IMMEDIATE, FINAL);
                pong.set_lun(header.lun());
                pong.set::<16>(NO_TAG);
                pong.set::<20>(header.get::<20>());
                self.number(&mut pong);
                self.wire.send(pong, &[], watch)?;
            }
            NOP_IN => {}
            ASYNCHRONOUS => self.take_event(header.0[36])?,
            REJECT => {
                return Err(protocol(format!(
                    "the target rejects what it got (reason {:02x}h)",
                    header.0[2]
                )));
            }
            // A response to a command that nobody waits for any more cannot be: giving up ends the session.
            other => {
                return Err(protocol(format!(
                    "PDU {other:02x}h, which does not belong here ({} bytes)",
                    data.len()
                )));
            }
        }
        Ok(false)
    }

    fn take_event(&mut self, event: u8) -> Result<(), TransportError> {
        match event {
            1 => self.is_unwelcome = true,
            2 | 3 => return Err(lost("the target says that it drops the connection")),
            // Sense that belongs to no command comes again as a unit attention; the rest is for negotiators.
            _ => {}
        }
        Ok(())
    }
}

fn residual(command: &mut Command<'_>, header: &Header) -> Result<(), TransportError> {
    const UNDERFLOW: u8 = 0x02;
    if header.flags() & UNDERFLOW != 0 {
        command.answer.residual_bytes = to_usize(header.get::<44>());
    }
    let length = match &command.data {
        Data::None => 0,
        Data::In(room) => room.len(),
        Data::Out(bytes) => bytes.len(),
    };
    if command.answer.residual_bytes > length {
        return Err(protocol("a residual longer than the data"));
    }
    Ok(())
}
