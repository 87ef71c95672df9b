"""A scripted NDMP v4 client (DMA): XDR, framing, login, SCSI, tape and mover messages, notifications.

Written from the specification (draft-skardal-ndmp4-04) alone and sharing nothing with the server under test. It hides no
error: what the server answers is returned or raised as `NdmpError`. Users: duplicate.py, vanish.py, hostile.py.
"""

import collections
import hashlib
import socket
import struct
import time

ALL_ONES = (1 << 64) - 1

# Message codes.
CONNECT_OPEN, CLIENT_AUTH, CONNECT_CLOSE = 0x900, 0x901, 0x902
GET_HOST_INFO, GET_CONNECTION_TYPE, GET_AUTH_ATTR, GET_SERVER_INFO = 0x100, 0x102, 0x103, 0x108
SCSI_OPEN, SCSI_CLOSE, SCSI_EXECUTE_CDB = 0x200, 0x201, 0x206
TAPE_OPEN, TAPE_CLOSE, TAPE_GET_STATE, TAPE_MTIO, TAPE_WRITE, TAPE_READ = 0x300, 0x301, 0x302, 0x303, 0x304, 0x305
MOVER_GET_STATE, MOVER_LISTEN, MOVER_CONTINUE, MOVER_ABORT, MOVER_STOP = 0xA00, 0xA01, 0xA02, 0xA03, 0xA04
MOVER_SET_WINDOW, MOVER_READ, MOVER_CLOSE, MOVER_SET_RECORD_SIZE, MOVER_CONNECT = 0xA05, 0xA06, 0xA07, 0xA08, 0xA09
NOTIFY_CONNECTION_STATUS, NOTIFY_MOVER_HALTED, NOTIFY_MOVER_PAUSED = 0x502, 0x503, 0x504
LOG_MESSAGE = 0x603

ERRORS = {
    0: "NO_ERR", 1: "NOT_SUPPORTED", 2: "DEVICE_BUSY", 3: "DEVICE_OPENED", 4: "NOT_AUTHORIZED", 5: "PERMISSION",
    6: "DEV_NOT_OPEN", 7: "IO", 8: "TIMEOUT", 9: "ILLEGAL_ARGS", 10: "NO_TAPE_LOADED", 11: "WRITE_PROTECT", 12: "EOF",
    13: "EOM", 14: "FILE_NOT_FOUND", 15: "BAD_FILE", 16: "NO_DEVICE", 17: "NO_BUS", 18: "XDR_DECODE", 19: "ILLEGAL_STATE",
    20: "UNDEFINED", 21: "XDR_ENCODE", 22: "NO_MEM", 23: "CONNECT", 24: "SEQUENCE_NUM", 25: "READ_IN_PROGRESS",
    26: "PRECONDITION", 27: "CLASS_NOT_SUPPORTED", 28: "VERSION_NOT_SUPPORTED", 29: "EXT_DUPL_CLASSES", 30: "EXT_DANDN_ILLEGAL",
}
OPEN_READ, OPEN_READ_WRITE, OPEN_RAW = 0, 1, 2
FSF, BSF, FSR, BSR, REW, EOF, OFF, TUR = range(8)
MODE_READ, MODE_WRITE = 0, 1  # READ: from the connection to the tape; WRITE: from the tape to the connection
MOVER_STATES = ["IDLE", "LISTEN", "ACTIVE", "PAUSED", "HALTED"]
PAUSE_REASONS = {0: "NA", 1: "EOM", 2: "EOF", 3: "SEEK", 5: "EOW"}
HALT_REASONS = {0: "NA", 1: "CONNECT_CLOSED", 2: "ABORTED", 3: "INTERNAL_ERROR", 4: "CONNECT_ERROR", 5: "MEDIA_ERROR"}

TapeState = collections.namedtuple("TapeState", "unsupported error flags file_num soft_errors block_size blockno total remain")
MoverState = collections.namedtuple(
    "MoverState", "mode state pause halt record_size record_num bytes_moved seek bytes_left window_offset window_length")


class NdmpError(Exception):
    """The server answered with an error; `in_header` tells where it stood."""

    def __init__(self, message, code, in_header):
        self.code = ERRORS.get(code, str(code))
        self.in_header = in_header
        super().__init__(f"0x{message:x}: {self.code}" + (" (header)" if in_header else ""))


class Disconnected(Exception):
    """The server ended the connection."""


# ---------------------------------------------------------------------------------------------------- XDR


def u32(*values):
    return b"".join(struct.pack(">I", value) for value in values)


def u64(value):
    return struct.pack(">Q", value)


def opaque(data):
    if isinstance(data, str):
        data = data.encode()
    return u32(len(data)) + data + bytes(-len(data) % 4)


class Body:
    """Reads XDR from the front of a body."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, length):
        if self.at + length > len(self.data):
            raise ValueError(f"body of {len(self.data)} bytes ends inside a field at {self.at}")
        self.at += length
        return self.data[self.at - length : self.at]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def u64(self):
        return struct.unpack(">Q", self.take(8))[0]

    def opaque(self):
        length = self.u32()
        data = self.take(length)
        self.take(-length % 4)
        return data

    def tcp_addresses(self):
        """The v4 address union: [(host, port)], empty for LOCAL."""
        if self.u32() != 1:
            return []
        found = []
        for _ in range(self.u32()):
            host, port = socket.inet_ntoa(self.take(4)), self.u32()
            for _ in range(self.u32()):
                self.opaque(), self.opaque()
            found.append((host, port))
        return found

    def done(self):
        if self.at != len(self.data):
            raise ValueError(f"{len(self.data) - self.at} bytes too many behind the body")


# ---------------------------------------------------------------------------------------------------- session


class Session:
    """One control connection. Notifications that arrive with replies wait in `posts`."""

    def __init__(self, endpoint, login=True, timeout=20):
        self.endpoint = endpoint
        self.socket = socket.create_connection((endpoint.host, endpoint.port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sequence = 0
        self.last_reply_sequence = None
        self.server_sequence = 0
        self.posts = collections.deque()
        self.greeting = self.wait_post(NOTIFY_CONNECTION_STATUS)
        if login:
            self.open()
            self.authenticate()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.close()
        finally:
            self.socket.close()

    def close(self):
        """CONNECT_CLOSE, then waits until the server has hung up (it answers nothing)."""
        if self.socket.fileno() < 0:
            return
        self.send(CONNECT_CLOSE)
        try:
            while True:
                self.receive()
        except (Disconnected, ConnectionResetError):
            self.socket.close()

    def vanish(self, reset):
        """Drops the connection without a word: FIN, or RST when `reset`."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # -- framing

    def send(self, code, body=b""):
        """Sends a request and returns its sequence number."""
        self.sequence += 1
        message = u32(self.sequence, int(time.time()), 0, code, 0, 0) + body
        self.socket.sendall(u32(0x80000000 | len(message)) + message)
        return self.sequence

    def _exactly(self, length):
        parts = []
        while length:
            data = self.socket.recv(min(length, 1 << 20))
            if not data:
                raise Disconnected("the server closed the connection")
            parts.append(data)
            length -= len(data)
        return b"".join(parts)

    def receive(self):
        """The next message, whatever it is: (type, code, reply_sequence, error, body)."""
        parts, last = [], False
        while not last:
            (mark,) = struct.unpack(">I", self._exactly(4))
            last = bool(mark & 0x80000000)
            parts.append(self._exactly(mark & 0x7FFFFFFF))
        message = b"".join(parts)
        sequence, _, kind, code, reply_sequence, error = struct.unpack(">6I", message[:24])
        if not self.endpoint.is_reference and sequence != self.server_sequence + 1:
            raise ValueError(f"the server's sequence went from {self.server_sequence} to {sequence}")
        self.server_sequence = sequence
        return kind, code, reply_sequence, error, message[24:]

    def call(self, code, body=b"", error_at=0):
        """Request and reply: the reply's body behind its error. error_at is the error's place, in words."""
        wanted = self.send(code, body)
        while True:
            kind, answered, reply_sequence, error, data = self.receive()
            if kind == 0:
                self.posts.append((answered, data))
                continue
            if reply_sequence != wanted or answered != code:
                raise ValueError(f"reply 0x{answered:x} to {reply_sequence}, awaited 0x{code:x} to {wanted}")
            break
        if error:
            if data:
                raise ValueError(f"a header error with {len(data)} bytes of body")
            raise NdmpError(code, error, True)
        reply = Body(data)
        words = [reply.u32() for _ in range(error_at + 1)]
        if words[error_at]:
            raise NdmpError(code, words[error_at], False)
        return reply

    def wait_post(self, wanted, timeout=20):
        """The next notification of this kind; log messages on the way are dropped."""
        deadline = time.monotonic() + timeout
        while True:
            while self.posts:
                code, data = self.posts.popleft()
                if code == wanted:
                    return data
                if code != LOG_MESSAGE:
                    raise ValueError(f"notification 0x{code:x} ({data.hex()}) in place of 0x{wanted:x}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"no notification 0x{wanted:x} within {timeout} s")
            kind, code, _, _, data = self.receive()
            if kind == 0:
                self.posts.append((code, data))

    # -- connect

    def open(self, version=4):
        self.call(CONNECT_OPEN, u32(version)).done()

    def challenge(self):
        reply = self.call(GET_AUTH_ATTR, u32(2))
        if reply.u32() != 2:
            raise ValueError("GET_AUTH_ATTR answered another type than MD5")
        data = reply.take(64)
        reply.done()
        return data

    def authenticate(self, user=None, password=None):
        """MD5 over password, zeros, challenge, zeros, password: 128 bytes in all."""
        secret = (password or self.endpoint.password).encode()[:32]
        block = secret + bytes(64 - 2 * len(secret)) + self.challenge() + secret
        self.call(CLIENT_AUTH, u32(2) + opaque(user or self.endpoint.user) + hashlib.md5(block).digest()).done()

    def host_name(self):
        return self.call(GET_HOST_INFO).opaque().decode()

    # -- robot

    def scsi_open(self, device=None):
        self.call(SCSI_OPEN, opaque(device or self.endpoint.robot)).done()

    def scsi_close(self):
        self.call(SCSI_CLOSE).done()

    def cdb(self, command, data_in=0):
        """A CDB without data out: (status, data in, sense)."""
        reply = self.call(SCSI_EXECUTE_CDB, u32(1 if data_in else 0, 300_000, data_in) + opaque(command) + opaque(b""))
        status, _ = reply.u32(), reply.u32()
        data, sense = reply.opaque(), reply.opaque()
        reply.done()
        return status, data, sense

    def move(self, source, destination):
        """MOVE MEDIUM between element addresses."""
        command = struct.pack(">BBHHHHBB", 0xA5, 0, self.endpoint.transport, source, destination, 0, 0, 0)
        status, _, sense = self.cdb(command)
        if status:
            raise ValueError(f"MOVE MEDIUM 0x{source:x} to 0x{destination:x}: status {status}, sense {sense.hex()}")

    # -- tape

    def tape_open(self, device, mode=OPEN_READ_WRITE):
        self.call(TAPE_OPEN, opaque(device) + u32(mode)).done()

    def tape_close(self):
        self.call(TAPE_CLOSE).done()

    def tape_state(self):
        reply = self.call(TAPE_GET_STATE, error_at=1)
        reply.at = 0
        state = TapeState(*[reply.u32() for _ in range(7)], reply.u64(), reply.u64())
        reply.done()
        return state

    def mtio(self, operation, count=1):
        """Returns the residual count."""
        return self.call(TAPE_MTIO, u32(operation, count)).u32()

    def tape_write(self, record):
        count = self.call(TAPE_WRITE, opaque(record)).u32()
        if count != len(record):
            raise ValueError(f"TAPE_WRITE of {len(record)} bytes wrote {count}")

    def tape_read(self, length):
        """One record, or None at a filemark; EOM is raised."""
        try:
            reply = self.call(TAPE_READ, u32(length))
        except NdmpError as error:
            if error.code == "EOF":
                return None
            raise
        record = reply.opaque()
        reply.done()
        return record

    # -- mover

    def record_size(self, length):
        self.call(MOVER_SET_RECORD_SIZE, u32(length)).done()

    def window(self, offset=0, length=ALL_ONES):
        self.call(MOVER_SET_WINDOW, u64(offset) + u64(length)).done()

    def listen(self, mode):
        """Returns the addresses a peer may connect to."""
        return self.call(MOVER_LISTEN, u32(mode, 1)).tcp_addresses()

    def connect(self, mode, addresses):
        pairs = b"".join(socket.inet_aton(host) + u32(port, 0) for host, port in addresses)
        self.call(MOVER_CONNECT, u32(mode, 1, len(addresses)) + pairs).done()

    def mover_read(self, offset=0, length=ALL_ONES):
        self.call(MOVER_READ, u64(offset) + u64(length)).done()

    def mover(self, code):
        """MOVER_CONTINUE, _ABORT, _STOP or _CLOSE."""
        self.call(code).done()

    def mover_state(self):
        reply = self.call(MOVER_GET_STATE)
        mode, state, pause, halt = (reply.u32() for _ in range(4))
        size, number = reply.u32(), reply.u32()
        quads = [reply.u64() for _ in range(5)]
        reply.tcp_addresses()
        reply.done()
        return MoverState(mode, MOVER_STATES[state], PAUSE_REASONS[pause], HALT_REASONS[halt], size, number, *quads)

    def wait_state(self, *states, timeout=10):
        """Polls MOVER_GET_STATE until one of the states is reached."""
        deadline = time.monotonic() + timeout
        while (state := self.mover_state()).state not in states:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the mover is {state.state}, not {' or '.join(states)}, after {timeout} s")
            time.sleep(0.005)
        return state

    def wait_read(self, timeout=5):
        """Polls MOVER_GET_STATE until the MOVER_READ in progress is satisfied, or time is up."""
        deadline = time.monotonic() + timeout
        while (state := self.wait_state("ACTIVE")).bytes_left and time.monotonic() < deadline:
            time.sleep(0.005)
        return state

    def wait_paused(self, timeout=60):
        """The reason of the next MOVER_PAUSED."""
        return PAUSE_REASONS[Body(self.wait_post(NOTIFY_MOVER_PAUSED, timeout)).u32()]

    def wait_halted(self, timeout=60):
        """The reason of the next MOVER_HALTED."""
        return HALT_REASONS[Body(self.wait_post(NOTIFY_MOVER_HALTED, timeout)).u32()]
