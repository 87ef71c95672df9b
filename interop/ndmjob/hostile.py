"""Part c, bad input: wrong logins, unknown devices and messages, broken framing, another protocol.

Each time the server must answer as documented (or hang up, where nothing else makes sense), must not grow, and must go on
serving: a bystander's session with a tape open, and a new login.
"""

import contextlib
import pathlib
import socket

import dma
from dma import opaque, u32
from harness import MIB, check

HANG_UP_SECONDS = 10
GROWTH_MIB = 64
LOUD = 0x80000000  # the last fragment's mark


def part(endpoint, folder, report):
    """Every case, with a bystander throughout."""
    folder.mkdir()
    with dma.Session(endpoint) as bystander:
        bystander.scsi_open()
        bystander.move(endpoint.first_slot, endpoint.first_drive)
        bystander.scsi_close()
        bystander.tape_open(endpoint.drives[0])
        bystander.mtio(dma.REW)
        bystander.tape_write(b"before")
        for case in CASES:
            if endpoint.is_reference and case in NOT_FOR_REFERENCE:
                continue
            with report.step("hostile: " + case.__doc__) as step:
                before = resident_mib(endpoint)
                answer = case(endpoint)
                check(resident_mib(endpoint) - before < GROWTH_MIB, f"the server grew from {before} to {resident_mib(endpoint)} MiB")
                check(bystander.tape_state().blockno == 1, "the bystander's tape moved")
                with dma.Session(endpoint) as session:
                    session.host_name()
                step.evidence = f"{answer}; others served"
        with report.step("hostile: the bystander's data are whole") as step:
            bystander.tape_write(b"after")
            bystander.mtio(dma.REW)
            check([bystander.tape_read(100) for _ in range(2)] == [b"before", b"after"], "other records than written")
            step.evidence = "2 records"


def resident_mib(endpoint):
    """The server's resident memory (all of it is one process; the reference forks, so there it means nothing)."""
    for line in pathlib.Path(f"/proc/{endpoint.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 // MIB
    return 0


def refused(code, call, *arguments, header=None):
    """Calls and expects this error; returns how it was said."""
    try:
        call(*arguments)
    except dma.NdmpError as error:
        check(error.code == code, f"{error}, not {code}")
        check(header is None or error.in_header == header, f"{code} stands in the {'header' if error.in_header else 'body'}")
        return code + (" in the header" if error.in_header else " in the body")
    check(False, f"answered without {code}")


def usable(session):
    """The session answers an ordinary request."""
    check(session.host_name() is not None, "no host name")


def hung_up(peer):
    """Reads until the server hangs up; what it sent on the way is of no interest."""
    peer.settimeout(HANG_UP_SECONDS)
    try:
        while peer.recv(65536):
            pass
    except TimeoutError:
        check(False, f"still connected after {HANG_UP_SECONDS} s")
    except ConnectionResetError:
        pass
    return "hung up"


# ---------------------------------------------------------------------------------------------------- logins and names


def wrong_password(endpoint):
    """a wrong password"""
    with dma.Session(endpoint, login=False) as session:
        session.open()
        return refused("NOT_AUTHORIZED", session.authenticate, None, "not " + endpoint.password)


def unknown_user(endpoint):
    """an unknown user"""
    with dma.Session(endpoint, login=False) as session:
        session.open()
        return refused("NOT_AUTHORIZED", session.authenticate, "nobody at all")


def challenge_used_twice(endpoint):
    """a digest sent again, and one without a challenge"""
    with dma.Session(endpoint, login=False) as session:
        session.open()
        digest = bytes(16)
        body = u32(2) + opaque(endpoint.user) + digest
        first = refused("NOT_AUTHORIZED", session.call, dma.CLIENT_AUTH, body)
        check(session.challenge() != session.challenge(), "two challenges are the same")
        return first


def before_login(endpoint):
    """devices before login"""
    with dma.Session(endpoint, login=False) as session:
        session.open()
        refused("NOT_AUTHORIZED", session.scsi_open)
        refused("NOT_AUTHORIZED", session.tape_state)
        return refused("NOT_AUTHORIZED", session.tape_open, endpoint.drives[1])


def unknown_device(endpoint):
    """unknown devices"""
    with dma.Session(endpoint) as session:
        for name in ("no_such_drive", "", "../../etc/passwd", "x" * 200, b"\xff\xfe", b"nul\0inside"):
            refused("NO_DEVICE", session.call, dma.TAPE_OPEN, opaque(name) + u32(0))
            answer = refused("NO_DEVICE", session.call, dma.SCSI_OPEN, opaque(name))
        usable(session)
        return answer


# ---------------------------------------------------------------------------------------------------- messages


def unknown_messages(endpoint):
    """unknown message codes"""
    with dma.Session(endpoint) as session:
        for code in (0x0FFF, 0x20700001, 0xA99, 0xFFFFFFFF):
            answer = refused("NOT_SUPPORTED", session.call, code, b"", header=True)
        usable(session)
        return answer


def body_cut_short(endpoint):
    """bodies that end too early or promise 4 GiB"""
    with dma.Session(endpoint) as session:
        for code, body in (
            (dma.TAPE_OPEN, u32(100) + b"abc\0"),
            (dma.TAPE_OPEN, b""),
            (dma.TAPE_WRITE, u32(0xFFFFFFF0) + b"abcd"),
            (dma.MOVER_SET_WINDOW, u32(0)),
            (dma.MOVER_CONNECT, u32(0, 1, 0x7FFFFFFF)),
            (dma.SCSI_EXECUTE_CDB, u32(1, 0, 0xFFFFFFFF, 0xFFFFFFFF)),
        ):
            answer = refused("XDR_DECODE", session.call, code, body, header=True)
        usable(session)
        return answer


def half_a_header(endpoint):
    """a message shorter than a header"""
    with dma.Session(endpoint) as session:
        session.socket.sendall(u32(LOUD | 8) + bytes(8))
        usable(session)
        return "ignored, the session goes on"


def a_byte_at_a_time(endpoint):
    """a request in fragments of one byte, in segments of one byte, with an empty last fragment"""
    with dma.Session(endpoint) as session:
        session.sequence += 1
        message = u32(session.sequence, 0, 0, dma.GET_HOST_INFO, 0, 0)
        for byte in message:
            for piece in u32(1) + bytes([byte]):
                session.socket.sendall(bytes([piece]))
        session.socket.sendall(u32(LOUD))
        kind, code, reply_sequence, error, body = session.receive()
        check((kind, code, reply_sequence, error) == (1, dma.GET_HOST_INFO, session.sequence, 0) and body, "another reply")
        return "answered"


def pipelined(endpoint):
    """a hundred requests at once"""
    with dma.Session(endpoint) as session:
        sent = [session.send(dma.GET_HOST_INFO) for _ in range(100)]
        received = [session.receive() for _ in sent]
        check([message[2] for message in received] == sent, "replies are missing or out of order")
        return "100 answers in order"


# ---------------------------------------------------------------------------------------------------- framing


def message_cut_short(endpoint):
    """a message that ends with the connection"""
    with dma.Session(endpoint) as session:
        session.socket.sendall(u32(LOUD | 1000) + bytes(10))
        session.socket.shutdown(socket.SHUT_WR)
        answer = hung_up(session.socket)
        session.socket.close()
    return answer


def huge_before_login(endpoint):
    """a message of 2 GiB before login"""
    session = dma.Session(endpoint, login=False)
    with session.socket:
        with contextlib.suppress(ConnectionError):
            session.socket.sendall(u32(0xFFFFFFFF) + bytes(1 << 20))
        return hung_up(session.socket)


def endless_fragments(endpoint):
    """fragments without an end before login"""
    session = dma.Session(endpoint, login=False)
    with session.socket:
        session.socket.settimeout(HANG_UP_SECONDS)
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                session.socket.sendall(u32(1 << 20) + bytes(1 << 20))
        return hung_up(session.socket)


def huge_after_login(endpoint):
    """a message of 2 GiB after login"""
    session = dma.Session(endpoint)
    with session.socket:
        with contextlib.suppress(ConnectionError):
            session.socket.sendall(u32(0xFFFFFFFF) + bytes(1 << 20))
        return hung_up(session.socket)


def http(endpoint):
    """an HTTP request"""
    with socket.create_connection((endpoint.host, endpoint.port), HANG_UP_SECONDS) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: scanner\r\n\r\n")
        return hung_up(peer)


def tls(endpoint):
    """a TLS greeting"""
    with socket.create_connection((endpoint.host, endpoint.port), HANG_UP_SECONDS) as peer:
        peer.sendall(bytes.fromhex("16030100c8010000c40303") + bytes(190))
        return hung_up(peer)


CASES = [
    wrong_password, unknown_user, challenge_used_twice, before_login, unknown_device, unknown_messages, body_cut_short,
    half_a_header, a_byte_at_a_time, pipelined, message_cut_short, huge_before_login, endless_fragments, huge_after_login, http, tls,
]
# The reference draws challenges from rand(), ignores what it cannot decode without a word, and never hangs up on anyone.
NOT_FOR_REFERENCE = {
    challenge_used_twice, unknown_messages, body_cut_short, huge_before_login, endless_fragments, huge_after_login, http, tls,
}
