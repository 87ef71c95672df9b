//! A loan of the tape's own, with what the drive has to know of the records that come in through it.
//!
//! It must not know who receives. Read `crate::tape::Loan` for the work, `port` for what a pump sees.

use super::cartridge::Held;
use super::port::RecordLoan;
use super::status::StatusCell;
use super::unit::{Drive, Run};
use crate::tape::{self, TapeError};
use std::io::{self, Read};

/// Room for records on the tape in a drive.
pub struct Loan<'a> {
    loan: tape::Loan<'a>,
    run: &'a mut Run,
    is_begun: &'a mut bool,
    is_unterminated: &'a mut bool,
    has_medium_error: &'a mut bool,
    status: &'a StatusCell,
}

impl Drive {
    /// Room for up to `records_max` records in front of the early warning; `None` if there is none.
    pub(super) fn lend_tape(
        &mut self,
        record_bytes: u32,
        records_max: u64,
    ) -> Result<Option<Loan<'_>>, TapeError> {
        let Held::Ready(_, tape) = &mut self.held else { return Ok(None) };
        let Some(loan) = tape.lend_room(record_bytes, records_max)? else { return Ok(None) };
        Ok(Some(Loan {
            loan,
            run: &mut self.run,
            is_begun: &mut self.is_begun,
            is_unterminated: &mut self.is_unterminated,
            has_medium_error: &mut self.has_medium_error,
            status: &self.status,
        }))
    }
}

impl RecordLoan for Loan<'_> {
    fn receive(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        self.loan.receive(stream)
    }

    fn write(&mut self) -> u64 {
        let records = self.loan.write();
        if records > 0 {
            (*self.run, *self.is_begun) = (Run::Writing, true);
            (*self.is_unterminated, *self.has_medium_error) = (true, false);
            self.status.publish_position(self.loan.tape(), false);
        }
        records
    }

    fn unfinished(&mut self) -> &[u8] {
        self.loan.unfinished()
    }

    fn is_full(&self) -> bool {
        self.loan.is_full()
    }
}
