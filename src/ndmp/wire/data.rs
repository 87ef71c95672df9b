//! DATA (draft 3.5): the service that backs file systems up, and the addresses at which it and the mover meet.

use super::limits::{
    ADDRESSES_MAX, ENV_MAX, IPC_ADDRESS_MAX_BYTES, NAME_LIST_MAX, NAME_MAX_BYTES, PATH_MAX_BYTES,
};
use super::numbers::{AddrType, Error, Pval};
use crate::ndmp::xdr::{List, Opaque, Quad, Text, xdr_consts, xdr_types};

type Env = List<Pval, ENV_MAX>;
type Path = Text<PATH_MAX_BYTES>;

xdr_consts! {
    /// Mask: `est_bytes_remain` means nothing.
    NDMP4_DATA_STATE_EST_BYTES_REMAIN_UNS => DATA_STATE_EST_BYTES_REMAIN_UNS = 0x1,
    /// Mask: `est_time_remain` means nothing.
    NDMP4_DATA_STATE_EST_TIME_REMAIN_UNS => DATA_STATE_EST_TIME_REMAIN_UNS = 0x2,
}

xdr_types! {
    /// An IPv4 address and port.
    struct ndmp4_tcp_addr => TcpAddr { ip_addr: u32, port: u16, addr_env: List<Pval, ENV_MAX> }
    /// An IPv6 address and port, of the connection address extension (class 0x2051).
    struct ndmp4_tcp_ipv6_addr => TcpIpv6Addr { ip_addr: [u8; 16], port: u16, addr_env: List<Pval, ENV_MAX> }
    /// An address within one host.
    struct ndmp4_ipc_addr => IpcAddr { comm_data: Opaque<IPC_ADDRESS_MAX_BYTES> }

    /// Where a data connection ends.
    union ndmp4_addr => Addr switch (addr_type: AddrType) {
        Local,
        Tcp(tcp_addr: List<TcpAddr, ADDRESSES_MAX>),
        Ipc(ipc_addr: IpcAddr),
        TcpIpv6(tcp_ipv6_addr: List<TcpIpv6Addr, ADDRESSES_MAX>),
    }

    /// What the service is doing.
    enum ndmp4_data_operation => DataOperation {
        NDMP4_DATA_OP_NOACTION => Noaction = 0,
        NDMP4_DATA_OP_BACKUP => Backup = 1,
        NDMP4_DATA_OP_RECOVER => Recover = 2,
        NDMP4_DATA_OP_RECOVER_FILEHIST => RecoverFilehist = 3,
    }

    /// The service's state.
    enum ndmp4_data_state => DataState {
        NDMP4_DATA_STATE_IDLE => Idle = 0,
        NDMP4_DATA_STATE_ACTIVE => Active = 1,
        NDMP4_DATA_STATE_HALTED => Halted = 2,
        NDMP4_DATA_STATE_LISTEN => Listen = 3,
        NDMP4_DATA_STATE_CONNECTED => Connected = 4,
    }

    /// Why it halted.
    enum ndmp4_data_halt_reason => DataHaltReason {
        NDMP4_DATA_HALT_NA => Na = 0,
        NDMP4_DATA_HALT_SUCCESSFUL => Successful = 1,
        NDMP4_DATA_HALT_ABORTED => Aborted = 2,
        NDMP4_DATA_HALT_INTERNAL_ERROR => InternalError = 3,
        NDMP4_DATA_HALT_CONNECT_ERROR => ConnectError = 4,
    }

    /// All of the above; `unsupported` stands before `error`.
    struct ndmp4_data_get_state_reply => DataGetStateReply {
        unsupported: u32,
        error: Error,
        operation: DataOperation,
        state: DataState,
        halt_reason: DataHaltReason,
        bytes_processed: Quad,
        est_bytes_remain: Quad,
        est_time_remain: u32,
        data_connection_addr: Addr,
        read_offset: Quad,
        read_length: Quad,
    }

    /// Waits for a mover.
    struct ndmp4_data_listen_request => DataListenRequest { addr_type: AddrType }
    /// Where.
    struct ndmp4_data_listen_reply => DataListenReply { error: Error, connect_addr: Addr }
    /// Connects to a mover.
    struct ndmp4_data_connect_request => DataConnectRequest { addr: Addr }
    /// Whether it is connected.
    struct ndmp4_data_connect_reply => DataConnectReply { error: Error }
    /// Starts a backup.
    struct ndmp4_data_start_backup_request => DataStartBackupRequest { butype_name: Text<NAME_MAX_BYTES>, env: Env }
    /// Whether it started.
    struct ndmp4_data_start_backup_reply => DataStartBackupReply { error: Error }

    /// A file to recover.
    struct ndmp4_name => Name {
        original_path: Path,
        destination_path: Path,
        name: Path,
        other_name: Path,
        node: Quad,
        fh_info: Quad,
    }

    /// Starts a recovery.
    struct ndmp4_data_start_recover_request => DataStartRecoverRequest {
        env: Env,
        nlist: List<Name, NAME_LIST_MAX>,
        butype_name: Text<NAME_MAX_BYTES>,
    }

    /// Whether it started.
    struct ndmp4_data_start_recover_reply => DataStartRecoverReply { error: Error }

    /// Starts a recovery of the file history alone.
    struct ndmp4_data_start_recover_filehist_request => DataStartRecoverFilehistRequest {
        env: Env,
        nlist: List<Name, NAME_LIST_MAX>,
        butype_name: Text<NAME_MAX_BYTES>,
    }

    /// Whether it started.
    struct ndmp4_data_start_recover_filehist_reply => DataStartRecoverFilehistReply { error: Error }
    /// Whether the service aborts.
    struct ndmp4_data_abort_reply => DataAbortReply { error: Error }
    /// Whether the service is idle.
    struct ndmp4_data_stop_reply => DataStopReply { error: Error }
    /// The backup's environment as it ended.
    struct ndmp4_data_get_env_reply => DataGetEnvReply { error: Error, env: Env }
}
