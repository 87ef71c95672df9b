"""Part c, the client that vanishes: at each point of a session its connections are dropped, with FIN and with RST.

Within a second another session must have robot and drive, and what the server had acknowledged must be on the tape.
"""

import contextlib
import os
import random
import socket
import threading
import time

import dma
from harness import check

WITHIN_SECONDS = 1.0
RECORD_BYTES = 32768
RECORDS = [bytes([65 + number]) * 1000 for number in range(3)]
STREAM = random.Random(7).randbytes(128 * RECORD_BYTES)


def part(endpoint, folder, report):
    """Every point, twice."""
    folder.mkdir()
    with dma.Session(endpoint) as robot:
        robot.scsi_open()
        robot.move(endpoint.first_slot, endpoint.first_drive)
    for name, bring_there in POINTS.items():
        for reset in (False, True):
            with report.step(f"vanish ({'RST' if reset else 'FIN'}) {name}") as step:
                victim = Victim(endpoint)
                bring_there(victim)
                if victim.tape:
                    victim.tape.vanish(reset)
                if victim.robot:
                    victim.robot.vanish(reset)
                forget_locks(endpoint)
                step.evidence = take_over(endpoint, victim)
                victim.end()


def forget_locks(endpoint):
    """The reference leaves its tape lock files behind when a client vanishes: with it, only the scripts are tried."""
    if endpoint.is_reference:
        for drive in endpoint.drives:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(drive + ".lck")


class Victim:
    """The sessions that will vanish, and what must be found on the tape afterwards."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.robot = self.tape = self.peer = None
        self.found = None  # the tape's content that was acknowledged; None: nothing was written
        self.acknowledged_records = None  # of STREAM, behind `found`
        self.stop = threading.Event()
        self.feeder = None

    def end(self):
        self.stop.set()
        if self.feeder:
            self.feeder.join(10)
            check(not self.feeder.is_alive(), "the data connection of the vanished session is still taken care of")
        if self.peer:
            self.peer.close()

    def feed(self, address, length=None):
        """Connects as data server and sends the stream (round and round, or its first `length` bytes)."""
        self.peer = socket.create_connection(address, 10)
        if length is not None:
            self.peer.sendall(STREAM[:length])
            return

        def send():
            with contextlib.suppress(OSError):  # the server hangs up: that is right
                self.peer.settimeout(10)
                position = 0
                while not self.stop.is_set():
                    self.peer.sendall(STREAM[position : position + RECORD_BYTES])
                    position = (position + RECORD_BYTES) % len(STREAM)

        self.feeder = threading.Thread(target=send, daemon=True)
        self.feeder.start()


def take_over(endpoint, victim):
    """A new session takes everything, as fast as it can; then the tape is read."""
    started = time.monotonic()
    robot, tape = dma.Session(endpoint), dma.Session(endpoint)
    while True:
        try:
            robot.scsi_open()
            break
        except dma.NdmpError as error:
            check(error.code == "DEVICE_BUSY" and time.monotonic() - started < WITHIN_SECONDS, f"robot: {error}")
            time.sleep(0.005)
    while True:
        try:
            tape.tape_open(endpoint.drives[0])
            break
        except dma.NdmpError as error:
            check(error.code == "DEVICE_BUSY" and time.monotonic() - started < WITHIN_SECONDS, f"drive: {error}")
            time.sleep(0.005)
    took = time.monotonic() - started
    check(took < WITHIN_SECONDS, f"robot and drive took {took:.2f} s")
    with robot, tape:
        text = verify_tape(tape, victim)
        tape.mtio(dma.REW)
        tape.tape_close()
        robot.scsi_close()
    return f"robot and drive after {took * 1e3:.0f} ms{text}"


def verify_tape(tape, victim):
    """The acknowledged content, the stream's records behind it, then the mark that the drop stands for."""
    if victim.found is None:
        return ""
    tape.mtio(dma.REW)
    for number, expected in enumerate(victim.found):
        item = tape.tape_read(RECORD_BYTES)
        check(item == expected, f"item {number} on the tape is {len(item) if item else 'a mark'}, not what was acknowledged")
        if item is None:
            tape.mtio(dma.FSF)
    if victim.acknowledged_records is None:
        expect_end_of_data(tape, victim.endpoint)
        return ", acknowledged data there"
    count = 0
    while True:
        try:
            item = tape.tape_read(RECORD_BYTES)
        except dma.NdmpError as error:
            check(error.code == "EOM" and victim.endpoint.is_reference, f"record {count} of the stream: {error}")
            break
        if item is None:
            tape.mtio(dma.FSF)
            expect_end_of_data(tape, victim.endpoint)
            break
        position = count * RECORD_BYTES % len(STREAM)
        check(item == STREAM[position : position + RECORD_BYTES], f"record {count} of the stream differs")
        count += 1
    check(count >= victim.acknowledged_records, f"{count} of {victim.acknowledged_records} acknowledged records of the stream there")
    return f", {count} records there, {victim.acknowledged_records} had been reported"


def expect_end_of_data(tape, endpoint):
    """Nothing more stands on the tape: one mark was written for the drop, not two, and no part of a record."""
    try:
        item = tape.tape_read(RECORD_BYTES)
    except dma.NdmpError as error:
        check(error.code == "EOM", f"at the end of data: {error}")
        return
    check(item is None and endpoint.is_reference, f"{len(item) if item else 'a mark'} more on the tape than expected")


# ---------------------------------------------------------------------------------------------------- the points


def connected(victim):
    victim.robot = dma.Session(victim.endpoint, login=False)
    victim.tape = dma.Session(victim.endpoint, login=False)


def logged_in(victim):
    victim.robot, victim.tape = dma.Session(victim.endpoint), dma.Session(victim.endpoint)


def robot_open(victim):
    logged_in(victim)
    victim.robot.scsi_open()


def tape_open(victim):
    robot_open(victim)
    victim.tape.tape_open(victim.endpoint.drives[0])
    victim.tape.mtio(dma.REW)


def data_written(victim, terminate=False):
    tape_open(victim)
    for record in RECORDS:
        victim.tape.tape_write(record)
    if terminate:
        victim.tape.mtio(dma.EOF)
    # On connection loss data without a mark get one (TAPE_CLOSE, implied); the reference does not do that.
    victim.found = RECORDS + ([] if victim.endpoint.is_reference and not terminate else [None])


def request_half_sent(victim):
    data_written(victim)
    victim.tape.socket.sendall(dma.u32(0x80000000 | 100_000) + bytes(50))


def mover_listening(victim):
    data_written(victim, terminate=True)
    victim.tape.record_size(RECORD_BYTES)
    victim.tape.window()
    return victim.tape.listen(dma.MODE_READ)[0]


def mover_active(victim):
    victim.feed(mover_listening(victim))
    deadline = time.monotonic() + 20
    while (state := victim.tape.mover_state()).record_num < 20:
        check(state.state in ("LISTEN", "ACTIVE"), f"the mover is {state.state}")
        check(time.monotonic() < deadline, f"only {state.record_num} records moved in 20 s")
    victim.acknowledged_records = state.record_num


def mover_paused(victim):
    data_written(victim, terminate=True)
    victim.tape.record_size(RECORD_BYTES)
    victim.tape.window(0, 4 * RECORD_BYTES)
    victim.feed(victim.tape.listen(dma.MODE_READ)[0], 5 * RECORD_BYTES)
    reason = victim.tape.wait_paused()
    check(reason in (("SEEK",) if victim.endpoint.is_reference else ("EOW",)), f"paused with {reason}")
    victim.acknowledged_records = 4


def mover_halted(victim):
    victim.feed(mover_listening(victim), 3 * RECORD_BYTES)
    victim.peer.shutdown(socket.SHUT_WR)
    reason = victim.tape.wait_halted()
    check(reason == "CONNECT_CLOSED", f"halted with {reason}")
    victim.acknowledged_records = 3


POINTS = {
    "after connecting": connected,
    "after login": logged_in,
    "with the robot open": robot_open,
    "with the tape open": tape_open,
    "behind data without a mark": data_written,
    "in the middle of a request": request_half_sent,
    "with the mover listening": mover_listening,
    "while data flow": mover_active,
    "with the mover paused": mover_paused,
    "with the mover halted": mover_halted,
}
