//! LOG (draft 4.2): posts for people. DMAs copy them into their job reports.

use super::limits::{PATH_MAX_BYTES, TEXT_MAX_BYTES};
use crate::ndmp::xdr::{Text, xdr_types};

xdr_types! {
    /// Whether `associated_message_sequence` says anything.
    enum ndmp4_has_associated_message => HasAssociatedMessage {
        NDMP4_NO_ASSOCIATED_MESSAGE => NoAssociatedMessage = 0,
        NDMP4_HAS_ASSOCIATED_MESSAGE => HasAssociatedMessage = 1,
    }

    /// How bad it is.
    enum ndmp4_log_type => LogType {
        NDMP4_LOG_NORMAL => Normal = 0,
        NDMP4_LOG_DEBUG => Debug = 1,
        NDMP4_LOG_ERROR => Error = 2,
        NDMP4_LOG_WARNING => Warning = 3,
    }

    /// A line for the DMA's log, and the sequence number of the request it belongs to.
    struct ndmp4_log_message_post => LogMessagePost {
        log_type: LogType,
        message_id: u32,
        entry: Text<TEXT_MAX_BYTES>,
        associated_message_valid: HasAssociatedMessage,
        associated_message_sequence: u32,
    }

    /// What became of a file in a recovery.
    enum ndmp4_recovery_status => RecoveryStatus {
        NDMP4_RECOVERY_SUCCESSFUL => Successful = 0,
        NDMP4_RECOVERY_FAILED_PERMISSION => FailedPermission = 1,
        NDMP4_RECOVERY_FAILED_NOT_FOUND => FailedNotFound = 2,
        NDMP4_RECOVERY_FAILED_NO_DIRECTORY => FailedNoDirectory = 3,
        NDMP4_RECOVERY_FAILED_OUT_OF_MEMORY => FailedOutOfMemory = 4,
        NDMP4_RECOVERY_FAILED_IO_ERROR => FailedIoError = 5,
        NDMP4_RECOVERY_FAILED_UNDEFINED_ERROR => FailedUndefinedError = 6,
        NDMP4_RECOVERY_FAILED_FILE_PATH_EXISTS => FailedFilePathExists = 7,
    }

    /// A file was recovered, or was not.
    struct ndmp4_log_file_post => LogFilePost {
        name: Text<PATH_MAX_BYTES>,
        recovery_status: RecoveryStatus,
    }
}
