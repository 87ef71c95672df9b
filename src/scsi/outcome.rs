//! What a command gives back.

use super::sense::Sense;

/// GOOD status (SAM-5 5.3.1).
pub const STATUS_GOOD: u8 = 0x00;
/// CHECK CONDITION status: the sense says why.
pub const STATUS_CHECK_CONDITION: u8 = 0x02;
/// RESERVATION CONFLICT status: another initiator has the device to itself; there is no sense.
pub const STATUS_RESERVATION_CONFLICT: u8 = 0x18;

/// The end of a command: status, and data or sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// [`STATUS_GOOD`], [`STATUS_CHECK_CONDITION`] or [`STATUS_RESERVATION_CONFLICT`].
    pub status: u8,
    /// Data for the initiator, exactly as long as it is.
    pub data_in: Vec<u8>,
    /// How many bytes of the initiator's data were taken.
    pub data_out_consumed: u32,
    /// With CHECK CONDITION: why.
    pub sense: Option<Sense>,
}

impl Outcome {
    /// GOOD, without data for the initiator and `bytes` of its data taken.
    #[must_use]
    pub fn taken(bytes: u32) -> Self {
        Self { status: STATUS_GOOD, data_in: Vec::new(), data_out_consumed: bytes, sense: None }
    }

    /// The same, with something to be said: CHECK CONDITION. What data there is stays.
    #[must_use]
    pub fn saying(self, sense: Sense) -> Self {
        Self { status: STATUS_CHECK_CONDITION, sense: Some(sense), ..self }
    }

    /// Refused in favour of another initiator.
    #[must_use]
    pub fn conflict() -> Self {
        Self { status: STATUS_RESERVATION_CONFLICT, ..Self::taken(0) }
    }
}

impl From<Result<Vec<u8>, Sense>> for Outcome {
    /// Data in with GOOD, or CHECK CONDITION.
    fn from(result: Result<Vec<u8>, Sense>) -> Self {
        match result {
            Ok(data_in) => Self { status: STATUS_GOOD, data_in, data_out_consumed: 0, sense: None },
            Err(sense) => Self {
                status: STATUS_CHECK_CONDITION,
                data_in: Vec::new(),
                data_out_consumed: 0,
                sense: Some(sense),
            },
        }
    }
}

/// The end of a command as it goes to whoever asked, by whatever device: with sense data as bytes, since those of a real device
/// are passed on as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// The status, as of [`Outcome`], or another that a real device has sent.
    pub status: u8,
    /// Data for the initiator, exactly as long as it is.
    pub data_in: Vec<u8>,
    /// How many bytes of the initiator's data were taken.
    pub data_out_consumed: u32,
    /// Sense data; empty if there is none.
    pub sense: Vec<u8>,
    /// What the initiator's operator is to know beside it.
    pub remark: Option<String>,
}

impl From<Outcome> for Executed {
    fn from(outcome: Outcome) -> Self {
        let Outcome { status, data_in, data_out_consumed, sense } = outcome;
        let sense = sense.map(|sense| sense.to_bytes().to_vec()).unwrap_or_default();
        Self { status, data_in, data_out_consumed, sense, remark: None }
    }
}
