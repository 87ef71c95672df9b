"""Part c, tapes: one tape is written record by record, then copied to another by two sessions whose movers talk to each other.

No data server takes part. The DMA here (dma.py) goes file by file: where the reading mover pauses at a filemark, it ends the
connection and writes the mark itself. Both tapes are then read back with TAPE_READ and compared record for record.
"""

import contextlib
import random
import socket

import dma
from harness import check

# (record bytes, records) of each tape file; a mover cuts its stream into records of one size, so a file has one size.
FILES = [(512, 1), (1024, 100), (10240, 37), (0, 0), (139, 7), (64512, 30), (1, 5), (0, 0), (0, 0), (65536, 40)]
LARGE_FILES = [(262144, 3), (960 * 1024, 2)]  # more than the mover of the reference can hold
MARK = None


def part(endpoint, folder, report):
    """Both directions of the copy, then ranges out of a tape."""
    folder.mkdir()
    layout = FILES + ([] if endpoint.is_reference else LARGE_FILES)
    content = make_content(layout)
    with contextlib.ExitStack() as sessions:
        with report.step("duplicate: write the source tape with TAPE_WRITE") as step:
            with dma.Session(endpoint) as robot:
                robot.scsi_open()
                for number in (0, 1):
                    robot.move(endpoint.first_slot + number, endpoint.first_drive + number)
            source, target = (sessions.enter_context(dma.Session(endpoint, timeout=60)) for _ in range(2))
            source.tape_open(endpoint.drives[0])
            target.tape_open(endpoint.drives[1])
            write_tape(source, content)
            check(read_tape(source) == content, "TAPE_READ gives other records or marks than TAPE_WRITE took")
            step.evidence = describe(content)
        for name, listener_reads_tape in (("source listens, target connects", True), ("target listens, source connects", False)):
            with report.step(f"duplicate: {name}") as step:
                scratch(target)
                copy(source, target, layout, listener_reads_tape)
                compare(content, read_tape(target))
                check(read_tape(source) == content, "the source tape changed")
                step.evidence = f"{len(layout)} files identical, record for record and mark for mark"
        if not endpoint.is_reference:  # its mover hangs on a range behind the one before
            with report.step("MOVER_READ of any range") as step:
                step.evidence = ranges(source, content, layout)


def make_content(layout):
    """The records and marks of a tape, seeded."""
    chance = random.Random(4)
    content = []
    for length, count in layout:
        content += [chance.randbytes(length) for _ in range(count)]
        content.append(MARK)
    return content


def describe(content):
    records = [item for item in content if item is not MARK]
    return f"{len(records)} records of {len(set(map(len, records)))} sizes, {len(content) - len(records)} marks, {sum(map(len, records))} bytes"


def write_tape(session, content):
    session.mtio(dma.REW)
    for item in content:
        if item is MARK:
            check(session.mtio(dma.EOF) == 0, "MTIO EOF left a residual")
        else:
            session.tape_write(item)


def read_tape(session):
    """Every record and mark from the beginning to the end of data; the position is checked at each mark."""
    session.mtio(dma.REW)
    content = []
    largest = 256 << 10 if session.endpoint.is_reference else 2 << 20
    while True:
        try:
            item = session.tape_read(largest)
        except dma.NdmpError as error:
            check(error.code == "EOM", f"TAPE_READ: {error}")
            return content
        if item is MARK and session.mtio(dma.FSF) == 1:
            return content  # the reference says EOF at the end of data too
        content.append(item)
        if item is MARK:
            state, marks = session.tape_state(), content.count(MARK)
            check((state.file_num, state.blockno) == (marks, 0), f"behind mark {marks}: file_num, blockno = {state.file_num}, {state.blockno}")


def compare(left, right):
    check(len(left) == len(right), f"{len(left)} records and marks became {len(right)}")
    for number, (a, b) in enumerate(zip(left, right)):
        check(a == b, f"item {number}: {len(a) if a else 'mark'} became {len(b) if b else 'mark'}, or other bytes")


def scratch(session):
    """Overwrites the tape from the beginning, so that an earlier copy cannot be taken for the next."""
    write_tape(session, [b"scratch", MARK])
    check(read_tape(session) == [b"scratch", MARK], "writing at the beginning did not truncate the tape")
    session.mtio(dma.REW)


def copy(source, target, layout, listener_reads_tape):
    """Tape to tape over a data connection, a connection a file."""
    source.mtio(dma.REW)
    for number, (length, _) in enumerate(layout):
        for session in (source, target):
            session.record_size(length or 1024)
            session.window()
        if listener_reads_tape:
            target.connect(dma.MODE_READ, source.listen(dma.MODE_WRITE))
        else:
            source.connect(dma.MODE_WRITE, target.listen(dma.MODE_READ))
        source.wait_state("ACTIVE")
        target.wait_state("ACTIVE")
        source.mover_read()
        reason = source.wait_paused(20)
        check(reason == "EOF", f"file {number}: the reading mover paused with {reason}")
        check(source.tape_state().file_num == number, f"file {number}: paused in file {source.tape_state().file_num}")
        source.mover(dma.MOVER_CLOSE)
        for name, session in (("reading", source), ("writing", target)):
            reason = session.wait_halted()
            check(reason == "CONNECT_CLOSED", f"file {number}: the {name} mover halted with {reason}")
            session.mover(dma.MOVER_STOP)
        check(target.mtio(dma.EOF) == 0 and source.mtio(dma.FSF) == 0, f"file {number}: a residual at the mark")


def ranges(session, content, layout):
    """Ranges of one tape file: forwards, backwards, inside a record, across records, the last byte."""
    number = max(range(len(layout)), key=lambda file: layout[file][0] * layout[file][1])
    length, count = layout[number]
    first = sum(records + 1 for _, records in layout[:number])
    stream = b"".join(content[first : first + count])
    session.mtio(dma.REW)
    session.mtio(dma.FSF, number)
    session.record_size(length)
    session.window(0, len(stream))
    chance = random.Random(5)
    wanted = [(0, 1), (length - 1, 2), (len(stream) - 1, 1), (5 * length, length), (5 * length + 7, 11), (1, 3 * length), (0, len(stream))]
    wanted += [(start := chance.randrange(len(stream)), chance.randrange(1, len(stream) - start + 1)) for _ in range(200)]
    with socket.create_connection(session.listen(dma.MODE_WRITE)[0], 20) as peer:
        session.wait_state("ACTIVE")
        for offset, size in wanted:
            session.mover_read(offset, size)
            got = receive(peer, size)
            check(got == stream[offset : offset + size], f"MOVER_READ({offset}, {size}) delivered other bytes")
            # The next one at once: the mover may not have counted the last bytes yet, and must not call the read in progress.
        state = session.wait_read()
        check(state.bytes_left == 0, f"bytes_left_to_read is {state.bytes_left} behind the last range")
        session.mover_read(len(stream), 1)
        check(session.wait_paused() == "SEEK", "a range outside the window does not pause with SEEK")
        session.mover(dma.MOVER_CLOSE)
        check(session.wait_halted() == "CONNECT_CLOSED", "MOVER_CLOSE does not halt with CONNECT_CLOSED")
    session.mover(dma.MOVER_STOP)
    return f"{len(wanted)} ranges exact, one outside the window paused SEEK"


def receive(peer, size):
    parts = []
    while size:
        data = peer.recv(min(size, 1 << 20))
        check(data, f"the mover closed the data connection {size} bytes early")
        parts.append(data)
        size -= len(data)
    return b"".join(parts)
