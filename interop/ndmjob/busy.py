"""Part c, control while data flow: a large stream into one tape, MOVER_GET_STATE and TAPE_GET_STATE asked all the while."""

import random
import socket
import statistics
import threading
import time

import dma
from harness import MIB, check

STREAM_MIB = 512
RECORD_BYTES = 65536
TAIL_BYTES = 12345  # the stream's last record is not full
SLOWEST_SECONDS = 1.0


def part(endpoint, folder, report):
    """One backup stream of 512 MiB; the tape must be larger (`tape_mib` in run)."""
    folder.mkdir()
    with report.step("busy: control messages while a backup streams") as step:
        with dma.Session(endpoint) as robot:
            robot.scsi_open()
            robot.move(endpoint.first_slot, endpoint.first_drive)
        with dma.Session(endpoint, timeout=60) as session:
            session.tape_open(endpoint.drives[0])
            session.mtio(dma.REW)
            session.record_size(RECORD_BYTES)
            session.window()
            address = session.listen(dma.MODE_READ)[0]
            block = random.Random(6).randbytes(MIB)
            sender = Sender(address, block)
            sender.start()
            times = poll(session, sender)
            sender.join(30)
            check(not sender.is_alive() and sender.error is None, f"the stream was not taken: {sender.error}")
            total = STREAM_MIB * MIB + TAIL_BYTES
            step.evidence = f"{total / MIB / sender.seconds:.0f} MiB/s; " + verify_end(session, total, block, endpoint) + "; " + judge(times)


class Sender(threading.Thread):
    """The data server: sends the stream and closes."""

    def __init__(self, address, block):
        super().__init__(daemon=True)
        self.address, self.block, self.error, self.seconds = address, block, None, 0.0

    def run(self):
        started = time.monotonic()
        try:
            with socket.create_connection(self.address, 20) as peer:
                peer.settimeout(60)
                for _ in range(STREAM_MIB):
                    peer.sendall(self.block)
                peer.sendall(self.block[:TAIL_BYTES])
        except OSError as error:
            self.error = error
        self.seconds = max(time.monotonic() - started, 1e-6)


def poll(session, sender):
    """Asks until the stream is sent; the answers must be possible ones. Returns the round trips in seconds."""
    times, moved = [], 0
    session.wait_state("ACTIVE")
    while sender.is_alive():
        started = time.perf_counter()
        mover = session.mover_state()
        between = time.perf_counter()
        tape = session.tape_state()
        times += [between - started, time.perf_counter() - between]
        check(mover.state in ("ACTIVE", "HALTED"), f"the mover is {mover.state} ({mover.pause})")
        check(mover.bytes_moved >= moved, f"bytes_moved went back from {moved} to {mover.bytes_moved}")
        check(tape.file_num == 0 and tape.blockno >= moved // RECORD_BYTES - 1, f"file_num, blockno = {tape.file_num}, {tape.blockno}")
        moved = mover.bytes_moved
        time.sleep(0.002)
    return times


def verify_end(session, total, block, endpoint):
    """What must hold when the peer has closed in the middle of a record."""
    reason = session.wait_halted()
    check(reason == "CONNECT_CLOSED", f"halted with {reason}")
    records = -(-total // RECORD_BYTES)
    mover, tape = session.mover_state(), session.tape_state()
    moved = records * RECORD_BYTES if endpoint.is_reference else total  # the reference counts the padding
    check((mover.bytes_moved, mover.record_num) == (moved, records),
          f"bytes_moved, record_num = {mover.bytes_moved}, {mover.record_num}, not {moved}, {records}")
    check((tape.file_num, tape.blockno) == (0, records), f"file_num, blockno = {tape.file_num}, {tape.blockno}, not 0, {records}")
    session.mover(dma.MOVER_STOP)
    session.mtio(dma.REW)
    check(session.mtio(dma.FSR, records - 2) == 0, f"FSR {records - 2} left a residual")
    last = [session.tape_read(RECORD_BYTES) for _ in range(2)]
    at = (STREAM_MIB * MIB - RECORD_BYTES) % MIB
    check(last[0] == block[at : at + RECORD_BYTES], "the last full record differs")
    check(last[1] == block[:TAIL_BYTES].ljust(RECORD_BYTES, b"\0"), "the last record is not the stream's tail, padded with zeros")
    return f"{records} records, the last one padded"


def judge(times):
    check(len(times) >= 20, f"only {len(times)} answers during the stream")
    text = f"{len(times)} answers, median {statistics.median(times) * 1e3:.2f} ms, max {max(times) * 1e3:.1f} ms"
    check(max(times) < SLOWEST_SECONDS, text)
    return text
