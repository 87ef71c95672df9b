//! The numbers that all interfaces share: error codes (draft 2.8), message codes (2.9), name-value pairs, and the
//! kinds of addresses. What an error means for a message is said with that message's service.

use super::limits::{ENV_VALUE_MAX_BYTES, NAME_MAX_BYTES};
use crate::ndmp::xdr::{Text, xdr_consts, xdr_types};

xdr_consts! {
    /// The version of the protocol that stands here.
    NDMP4_VERSION => VERSION = 4,
    /// The TCP port of control connections.
    NDMP4_PORT => PORT = 10000,
}

xdr_types! {
    /// What became of a request.
    enum ndmp4_error => Error {
        NDMP4_NO_ERR => NoErr = 0,
        NDMP4_NOT_SUPPORTED_ERR => NotSupported = 1,
        NDMP4_DEVICE_BUSY_ERR => DeviceBusy = 2,
        NDMP4_DEVICE_OPENED_ERR => DeviceOpened = 3,
        NDMP4_NOT_AUTHORIZED_ERR => NotAuthorized = 4,
        NDMP4_PERMISSION_ERR => Permission = 5,
        NDMP4_DEV_NOT_OPEN_ERR => DevNotOpen = 6,
        NDMP4_IO_ERR => Io = 7,
        NDMP4_TIMEOUT_ERR => Timeout = 8,
        NDMP4_ILLEGAL_ARGS_ERR => IllegalArgs = 9,
        NDMP4_NO_TAPE_LOADED_ERR => NoTapeLoaded = 10,
        NDMP4_WRITE_PROTECT_ERR => WriteProtect = 11,
        NDMP4_EOF_ERR => Eof = 12,
        NDMP4_EOM_ERR => Eom = 13,
        NDMP4_FILE_NOT_FOUND_ERR => FileNotFound = 14,
        NDMP4_BAD_FILE_ERR => BadFile = 15,
        NDMP4_NO_DEVICE_ERR => NoDevice = 16,
        NDMP4_NO_BUS_ERR => NoBus = 17,
        NDMP4_XDR_DECODE_ERR => XdrDecode = 18,
        NDMP4_ILLEGAL_STATE_ERR => IllegalState = 19,
        NDMP4_UNDEFINED_ERR => Undefined = 20,
        NDMP4_XDR_ENCODE_ERR => XdrEncode = 21,
        NDMP4_NO_MEM_ERR => NoMem = 22,
        NDMP4_CONNECT_ERR => Connect = 23,
        NDMP4_SEQUENCE_NUM_ERR => SequenceNum = 24,
        NDMP4_READ_IN_PROGRESS_ERR => ReadInProgress = 25,
        NDMP4_PRECONDITION_ERR => Precondition = 26,
        NDMP4_CLASS_NOT_SUPPORTED_ERR => ClassNotSupported = 27,
        NDMP4_VERSION_NOT_SUPPORTED_ERR => VersionNotSupported = 28,
        NDMP4_EXT_DUPL_CLASSES_ERR => ExtDuplClasses = 29,
        NDMP4_EXT_DANDN_ILLEGAL_ERR => ExtDandnIllegal = 30,
    }

    /// What a message is about.
    enum ndmp4_message => MessageCode {
        NDMP4_CONFIG_GET_HOST_INFO => ConfigGetHostInfo = 0x100,
        NDMP4_CONFIG_GET_CONNECTION_TYPE => ConfigGetConnectionType = 0x102,
        NDMP4_CONFIG_GET_AUTH_ATTR => ConfigGetAuthAttr = 0x103,
        NDMP4_CONFIG_GET_BUTYPE_INFO => ConfigGetButypeInfo = 0x104,
        NDMP4_CONFIG_GET_FS_INFO => ConfigGetFsInfo = 0x105,
        NDMP4_CONFIG_GET_TAPE_INFO => ConfigGetTapeInfo = 0x106,
        NDMP4_CONFIG_GET_SCSI_INFO => ConfigGetScsiInfo = 0x107,
        NDMP4_CONFIG_GET_SERVER_INFO => ConfigGetServerInfo = 0x108,
        NDMP4_CONFIG_SET_EXT_LIST => ConfigSetExtList = 0x109,
        NDMP4_CONFIG_GET_EXT_LIST => ConfigGetExtList = 0x10a,
        NDMP4_SCSI_OPEN => ScsiOpen = 0x200,
        NDMP4_SCSI_CLOSE => ScsiClose = 0x201,
        NDMP4_SCSI_GET_STATE => ScsiGetState = 0x202,
        NDMP4_SCSI_RESET_DEVICE => ScsiResetDevice = 0x204,
        NDMP4_SCSI_EXECUTE_CDB => ScsiExecuteCdb = 0x206,
        NDMP4_TAPE_OPEN => TapeOpen = 0x300,
        NDMP4_TAPE_CLOSE => TapeClose = 0x301,
        NDMP4_TAPE_GET_STATE => TapeGetState = 0x302,
        NDMP4_TAPE_MTIO => TapeMtio = 0x303,
        NDMP4_TAPE_WRITE => TapeWrite = 0x304,
        NDMP4_TAPE_READ => TapeRead = 0x305,
        NDMP4_TAPE_EXECUTE_CDB => TapeExecuteCdb = 0x307,
        NDMP4_DATA_GET_STATE => DataGetState = 0x400,
        NDMP4_DATA_START_BACKUP => DataStartBackup = 0x401,
        NDMP4_DATA_START_RECOVER => DataStartRecover = 0x402,
        NDMP4_DATA_ABORT => DataAbort = 0x403,
        NDMP4_DATA_GET_ENV => DataGetEnv = 0x404,
        NDMP4_DATA_STOP => DataStop = 0x407,
        NDMP4_DATA_LISTEN => DataListen = 0x409,
        NDMP4_DATA_CONNECT => DataConnect = 0x40a,
        NDMP4_DATA_START_RECOVER_FILEHIST => DataStartRecoverFilehist = 0x40b,
        NDMP4_NOTIFY_DATA_HALTED => NotifyDataHalted = 0x501,
        NDMP4_NOTIFY_CONNECTION_STATUS => NotifyConnectionStatus = 0x502,
        NDMP4_NOTIFY_MOVER_HALTED => NotifyMoverHalted = 0x503,
        NDMP4_NOTIFY_MOVER_PAUSED => NotifyMoverPaused = 0x504,
        NDMP4_NOTIFY_DATA_READ => NotifyDataRead = 0x505,
        NDMP4_LOG_FILE => LogFile = 0x602,
        NDMP4_LOG_MESSAGE => LogMessage = 0x603,
        NDMP4_FH_ADD_FILE => FhAddFile = 0x703,
        NDMP4_FH_ADD_DIR => FhAddDir = 0x704,
        NDMP4_FH_ADD_NODE => FhAddNode = 0x705,
        NDMP4_CONNECT_OPEN => ConnectOpen = 0x900,
        NDMP4_CONNECT_CLIENT_AUTH => ConnectClientAuth = 0x901,
        NDMP4_CONNECT_CLOSE => ConnectClose = 0x902,
        NDMP4_CONNECT_SERVER_AUTH => ConnectServerAuth = 0x903,
        NDMP4_MOVER_GET_STATE => MoverGetState = 0xa00,
        NDMP4_MOVER_LISTEN => MoverListen = 0xa01,
        NDMP4_MOVER_CONTINUE => MoverContinue = 0xa02,
        NDMP4_MOVER_ABORT => MoverAbort = 0xa03,
        NDMP4_MOVER_STOP => MoverStop = 0xa04,
        NDMP4_MOVER_SET_WINDOW => MoverSetWindow = 0xa05,
        NDMP4_MOVER_READ => MoverRead = 0xa06,
        NDMP4_MOVER_CLOSE => MoverClose = 0xa07,
        NDMP4_MOVER_SET_RECORD_SIZE => MoverSetRecordSize = 0xa08,
        NDMP4_MOVER_CONNECT => MoverConnect = 0xa09,
        NDMP4_EXT_STANDARD_BASE => ExtStandardBase = 0x10000,
        NDMP4_EXT_PROPRIETARY_BASE => ExtProprietaryBase = 0x2000_0000,
        NDMP4_TEST_ECHO => TestEcho = 0x7ff0_0000,
    }

    /// How a data connection is made.
    enum ndmp4_addr_type => AddrType {
        NDMP4_ADDR_LOCAL => Local = 0,
        NDMP4_ADDR_TCP => Tcp = 1,
        NDMP4_ADDR_RESERVED => Reserved = 2,
        NDMP4_ADDR_IPC => Ipc = 3,
        NDMP4_ADDR_TCP_IPV6 => TcpIpv6 = 0x2051_0004,
    }

    /// A name and a value: environment variables, capabilities, attributes of addresses.
    struct ndmp4_pval => Pval {
        name: Text<NAME_MAX_BYTES>,
        value: Text<ENV_VALUE_MAX_BYTES>,
    }
}
