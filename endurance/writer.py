"""A DMA that writes at random, keeping a journal: TAPE_WRITE dialogues and mover backups, filemarks, overwrites,
rewinds, tapes changed by the robot. Also the reading back.

Built on interop's client (dma.py), harness and server (server.py). Users: kill/run, powercut/run, full/run.
"""

import os
import pathlib
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY / "interop"), str(REPOSITORY / "interop" / "ndmjob")]

import dma  # noqa: E402
import harness  # noqa: E402
from journal import MARK, record  # noqa: E402
from server import FIRST_DRIVE, FIRST_SLOT, PASSWORD, Server, binary  # noqa: E402, F401  (for those who import this)

MIB = 1 << 20
TAPE_EXECUTE_CDB = 0x307
READ_BYTES_MAX = 2 * MIB


# ---------------------------------------------------------------------------------------------------- robot


def where(robot):
    """READ ELEMENT STATUS of an open robot session: {barcode: [addresses]}."""
    status, data, sense = robot.cdb(struct.pack(">BBHHB3sBB", 0xB8, 0x10, 0, 0xFFFF, 0, (65535).to_bytes(3, "big"), 0, 0), 65535)
    harness.check(status == 0, f"READ ELEMENT STATUS: status {status}, sense {sense.hex()}")
    found, at = {}, 8
    while at < len(data):
        length, page_bytes = struct.unpack(">xxHxBH", data[at : at + 8])[0], int.from_bytes(data[at + 5 : at + 8], "big")
        page = data[at + 8 : at + 8 + page_bytes]
        for start in range(0, page_bytes, length):
            element = page[start : start + length]
            if element[2] & 1:
                barcode = element[12:44].decode("ascii").rstrip(" \0")
                found.setdefault(barcode, []).append(struct.unpack(">H", element[:2])[0])
        at += 8 + page_bytes
    return found


class Robot:
    """The robot's session, shared by the writers, with its journal."""

    def __init__(self, endpoint, journal):
        self.session = dma.Session(endpoint)
        self.session.scsi_open()
        self.journal = journal

    def move(self, barcode, destination):
        """Moves a tape and journals it."""
        move = self.journal.ask(barcode, destination)
        self.session.move(move[1], destination)
        move[4] = time.monotonic_ns()


# ---------------------------------------------------------------------------------------------------- writing


class Writer:
    """Writes at random on one drive until `stop()` is true or the server is gone. `journals`: {barcode: TapeJournal}."""

    def __init__(self, endpoint, drive, robot, journals, chance, stop, bytes_max=8 * MIB):
        self.endpoint, self.drive, self.robot, self.journals = endpoint, drive, robot, journals
        self.chance, self.stop, self.bytes_max = chance, stop, bytes_max
        self.tape = self.journal = None
        self.at, self.is_unterminated = 0, False
        self.error = None
        self.acknowledged = 0

    def run(self):
        """The thread's body. A server that is gone is no error: that is what is being tried."""
        try:
            self.session = dma.Session(self.endpoint)
            self.load()
            while not self.stop():
                self.step()
            self.finish()
        except (dma.Disconnected, ConnectionError):
            pass
        except Exception as error:  # noqa: BLE001 - the main thread reports it
            self.error = error

    def step(self):
        """One action."""
        actions = [(self.dialogue, 8), (self.backup, 6), (self.marks, 5), (self.go_back, 4), (self.rewind, 1),
                   (self.marks_by_cdb, 1), (self.reopen, 1), (self.change, 2)]
        if sum(block[0] for block in self.journal.blocks if block) > self.bytes_max:
            self.rewind()
        names, weights = zip(*actions)
        self.chance.choices(names, weights)[0]()

    def finish(self):
        """Ends in order: close and hang up."""
        self.close()
        self.session.close()

    # -- requests, each with its entry in the journal

    def _ask(self, what, blocks, is_durable, request):
        entry = self.journal.ask(what, self.at if blocks else len(self.journal.blocks), blocks, is_durable)
        result = request()
        entry.acked_ns = time.monotonic_ns()
        self.acknowledged += 1
        if blocks:
            self.at = len(self.journal.blocks)
            self.is_unterminated = blocks[-1] is not MARK
        return result

    def _implicit_mark(self):
        """The filemark that the server puts behind unterminated data on rewind, close and motions over marks."""
        return [MARK] if self.is_unterminated and self.at == len(self.journal.blocks) else []

    def write(self, data):
        """TAPE_WRITE of one record."""
        self._ask(f"TAPE_WRITE {len(data)}", [record(data)], False, lambda: self.session.tape_write(data))

    def marks(self):
        """WRITE FILEMARKS, 0 to 3."""
        count = self.chance.choices([0, 1, 2, 3], [2, 5, 2, 1])[0]
        self._ask(f"EOF {count}", [MARK] * count, True, lambda: self.session.mtio(dma.EOF, count))

    def rewind(self):
        """MTIO REW: a durability point."""
        self._ask("REW", self._implicit_mark(), True, lambda: self.session.mtio(dma.REW))
        self.at, self.is_unterminated = 0, False

    def marks_by_cdb(self):
        """WRITE FILEMARKS (SSC), 0 to 2, by TAPE_EXECUTE_CDB."""
        count = self.chance.randint(0, 2)

        def execute():
            command = bytes([0x10, 0, 0, 0, count, 0])
            status = self.session.call(TAPE_EXECUTE_CDB, dma.u32(0, 300_000, 0) + dma.opaque(command) + dma.opaque(b"")).u32()
            harness.check(status == 0, f"WRITE FILEMARKS: status {status}")

        self._ask(f"WRITE FILEMARKS {count}", [MARK] * count, True, execute)

    def size(self):
        """A record's length: 1 byte to 1 MiB, all orders of magnitude alike."""
        return min(MIB, int(2 ** self.chance.uniform(0, 20.2)))

    def dialogue(self):
        """Some records by TAPE_WRITE."""
        for _ in range(self.chance.randint(1, 12)):
            self.write(self.chance.randbytes(self.size()))

    def backup(self):
        """A stream through the mover; when it has halted it is durable."""
        size = self.chance.choice([512, 1000, 10240, 65536, 65536, 262144, MIB])
        count = self.chance.randint(1, max(1, min(60, 3 * MIB // size)))
        stream = self.chance.randbytes(size * count)
        records = [record(stream[start : start + size]) for start in range(0, len(stream), size)]
        session = self.session
        session.record_size(size)
        session.window()
        address = session.listen(dma.MODE_READ)[0]

        def transfer():
            with socket.create_connection(address, 20) as peer:
                peer.sendall(stream)
            reason = session.wait_halted()
            harness.check(reason == "CONNECT_CLOSED", f"a backup halted with {reason}")

        self._ask(f"backup of {count} times {size}", records, True, transfer)
        session.mover(dma.MOVER_STOP)

    # -- motion

    def go_to(self, block):
        """Rewinds and spaces to a block, over marks and then records."""
        self.rewind()
        before = self.journal.blocks[:block]
        files = before.count(MARK)
        in_file = len(before) - (len(before) - 1 - before[::-1].index(MARK) + 1) if files else len(before)
        for operation, count in ((dma.FSF, files), (dma.FSR, in_file)):
            if count:
                left = self.session.mtio(operation, count)
                harness.check(left == 0, f"spacing to block {block} of {len(self.journal.blocks)}: {left} of {count} left over")
        self.at = block

    def go_back(self):
        """Somewhere into what is written; what comes next overwrites."""
        self.go_to(self.chance.randint(0, len(self.journal.blocks)))

    # -- tapes

    def close(self):
        """TAPE_CLOSE: a durability point."""
        self._ask("TAPE_CLOSE", self._implicit_mark(), True, self.session.tape_close)
        self.is_unterminated = False

    def open(self):
        """TAPE_OPEN; the position stays what it was."""
        self.session.tape_open(self.endpoint.drives[self.drive])

    def reopen(self):
        """Close and open."""
        self.close()
        self.open()

    def load(self):
        """Takes the tape that is in the drive, or puts one in."""
        address = FIRST_DRIVE + self.drive
        with self.robot.journal.lock:
            inside = [barcode for barcode, place in self.robot.journal.places.items() if place == address]
            if not inside:
                shelved = [barcode for barcode, place in self.robot.journal.places.items() if place >= FIRST_SLOT]
                inside = [self.chance.choice(sorted(shelved))]
                self.robot.move(inside[0], address)
        self.tape, self.journal = inside[0], self.journals[inside[0]]
        self.open()
        self.rewind()

    def change(self):
        """Another tape; half of the time the drive is told to unload first, else the robot sees to it."""
        if self.chance.random() < 0.5:
            self._ask("OFF", self._implicit_mark(), True, lambda: self.session.mtio(dma.OFF))
            self.at, self.is_unterminated = 0, False
            self.session.tape_close()
        else:
            self.close()
        with self.robot.journal.lock:
            taken = set(self.robot.journal.places.values())
            free = [slot for slot in range(FIRST_SLOT, FIRST_SLOT + 10) if slot not in taken]
            self.robot.move(self.tape, self.chance.choice(free))
        self.load()


# ---------------------------------------------------------------------------------------------------- reading back


def read_tape(session):
    """All that stands on the tape that the session has open, as a journal holds it."""
    session.mtio(dma.REW)
    blocks = []
    while True:
        try:
            data = session.tape_read(READ_BYTES_MAX)
        except dma.NdmpError as error:
            harness.check(error.code == "EOM", f"TAPE_READ of block {len(blocks)}: {error}")
            return blocks
        if data is None:
            harness.check(session.mtio(dma.FSF) == 0, "a filemark that cannot be passed")
            blocks.append(MARK)
        else:
            blocks.append(record(data))


def read_back(endpoint, robot, journal, barcodes):
    """Puts tapes into drive 0 one after the other and reads them: {barcode: blocks}."""
    found = {}
    for barcode in barcodes:
        place = journal.places[barcode]
        if place >= FIRST_SLOT:
            place = FIRST_DRIVE
            inside = [other for other, at in journal.places.items() if at == place]
            if inside:
                taken = set(journal.places.values())
                robot.move(inside[0], next(slot for slot in range(FIRST_SLOT, FIRST_SLOT + 10) if slot not in taken))
            robot.move(barcode, place)
        with dma.Session(endpoint) as session:
            session.tape_open(endpoint.drives[place - FIRST_DRIVE], dma.OPEN_READ)
            found[barcode] = read_tape(session)
            session.tape_close()
    return found


# ---------------------------------------------------------------------------------------------------- measuring


def resident_mib(pid, what="VmRSS"):
    """Memory of a process that is resident now, or (VmHWM) was at most."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split(what + ":")[1].split()[0]) / 1024


def descriptors(pid):
    """How many files and sockets a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
