"""What tests of the copy engine do with a server: tapes written over NDMP, copies asked for by the command line, its reports read.

Knows no library: which one there is, what lies on its cartridges, and what must be so, is the test's. Built on server.py and the
scripted DMA, ndmjob/dma.py. Users: tgt/copies.py, ../endurance/copy.
"""

import hashlib
import json
import pathlib
import random
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "ndmjob"))

import dma  # noqa: E402
from harness import check, run  # noqa: E402
from server import FIRST_DRIVE, Server  # noqa: E402

LOADER, LIBRARY = "vault", "attic"
END_OF_MEDIUM = 0xFFFFFFFF


def content(number, length):
    """The bytes of a record: unlike any other's, and not to be compressed."""
    return random.Random(number).randbytes(length)


def objects_of(lengths, first=0):
    """Records of these lengths, None for a filemark."""
    return [None if length is None else content(number, length) for number, length in enumerate(lengths, first)]


def tables(library, *copies):
    """The configuration's tables: the library's own keys, and of each [[copy]] the keys beside loader and library."""
    parts = [f'\n[[library]]\nname = "{LIBRARY}"\n{library}\n']
    parts += [f'\n[[copy]]\nloader = "{LOADER}"\nlibrary = "{LIBRARY}"\n{keys}\n' for keys in copies]
    return "".join(parts)


class Bench:
    """A server with loader "vault" that has no tapes yet, and library "attic"."""

    def __init__(self, folder, more, server="", capacity="2 GiB"):
        self.folder = pathlib.Path(folder)
        self.server = Server(self.folder, tapes=0, capacity=capacity, more=more, server=server)
        self.endpoint = self.server.endpoint

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.server.stop()

    def start(self):
        """Starts the server, and waits until the library answers."""
        self.server.start()
        self.server.wait()
        self.ready()

    def ready(self, seconds=60):
        """Waits until the library answers; tells what is reported of it."""
        return wait_for(lambda: found if (found := self.report("library", "list")[0])["state"] == "ready" else None,
                        "a library that is ready", seconds)

    # -- the command line

    def tool(self, *arguments, timeout=120):
        """(exit code, text of stdout and stderr together)"""
        return run([*self.server.tool(), *arguments], timeout)

    def report(self, *arguments):
        """What a command prints with --json."""
        status, text = self.tool(*arguments, "--json")
        check(status == 0, f"{arguments}: {text}")
        return json.loads(text)

    def refused(self, *arguments, words, code=1):
        """The command fails with this exit code, and one line on stderr that has these words. Returns the line."""
        done = subprocess.run([*self.server.tool(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        check(done.returncode == code, f"{arguments}: exit code {done.returncode}, not {code}: {done.stdout}{done.stderr}")
        check(all(word in done.stderr for word in words), f"{arguments}: not the words {words}: {done.stderr}")
        check(code != 1 or done.stderr.count("\n") == 1, f"{arguments}: not one line: {done.stderr}")
        return done.stderr.strip().removeprefix("tapesilo: ")

    # -- tapes

    def create(self, barcode):
        """A blank virtual tape."""
        self.report("tape", "create", LOADER, "--barcode", barcode)

    def make(self, barcode, objects):
        """A virtual tape with these objects, written by a DMA."""
        self.create(barcode)
        self.write(barcode, objects)

    def take(self, barcode, objects):
        """A virtual tape with these objects, as an image had them: it need not end with a filemark, as what DMAs write does."""
        image = self.folder / f"{barcode}.tap"
        write_simh(image, objects)
        self.report("tape", "import", LOADER, image)
        image.unlink()

    def append(self, barcode, objects):
        """A DMA writes behind what is on the tape."""
        self.write(barcode, objects, is_behind=True)

    def write(self, barcode, objects, is_behind=False):
        """A DMA loads the tape, writes from its beginning or behind its end, and takes it out again. What it last wrote is a filemark,
        or the close writes one."""
        slot = self.load(barcode)
        with dma.Session(self.endpoint, timeout=120) as session:
            session.tape_open(self.endpoint.drives[0])
            if is_behind:
                session.mtio(dma.FSF, 1_000_000)
            for item in objects:
                if item is None:
                    session.mtio(dma.EOF)
                else:
                    session.tape_write(item)
            session.tape_close()
        self.move(FIRST_DRIVE, slot)

    def load(self, barcode):
        """Puts a tape into the first drive; returns the slot that it was in."""
        slot = next(tape["element"] for tape in self.report("tape", "list", LOADER) if tape["barcode"] == barcode)
        self.move(slot, FIRST_DRIVE)
        return slot

    def move(self, source, destination):
        with dma.Session(self.endpoint) as robot:
            robot.scsi_open()
            robot.move(source, destination)

    def on_tape(self, barcode):
        """The objects on a virtual tape, by its export."""
        image = self.folder / f"{barcode}.tap"
        status, text = self.tool("tape", "export", LOADER, barcode, str(image), "--force")
        check(status == 0, text)
        objects = simh(image)
        image.unlink()
        return objects

    def digest(self, barcode):
        """SHA-256 of a virtual tape's log: it is the truth of what is on it."""
        with open(self.server.vault / barcode / "data", "rb") as log:
            return hashlib.file_digest(log, "sha256").hexdigest()

    # -- copies

    def copy(self, *barcodes, timeout=120):
        """Has tapes copied, and waits for the end: (whether all went well, what was said)."""
        status, text = self.tool("copy", "run", LOADER, *barcodes, "--to", LIBRARY, timeout=timeout)
        return status == 0, text

    def begin(self, *barcodes):
        """Has tapes copied, and does not wait."""
        self.report("copy", "run", LOADER, *barcodes, "--to", LIBRARY, "--no-wait")

    def shown(self, barcode):
        return self.report("copy", "show", f"{LIBRARY}/{barcode}")

    def plan(self):
        """What the plan says of each tape: {barcode: its line}."""
        return {line["barcode"]: line for line in self.report("copy", "plan", LOADER, "--to", LIBRARY)}

    def wait_secured(self, barcode, blocks, seconds=60):
        """Waits until so many blocks are sure, and the copy is writing on."""
        def seen():
            copy = self.shown(barcode)
            check(copy["state"] in ("queued", "copying"), f"it does not go on: {copy}")
            return copy if copy["secured_blocks"] >= blocks and (copy["progress"] or {}).get("activity") == "writing" else None
        return wait_for(seen, f"a copy of {barcode} with {blocks} blocks that are sure", seconds, 0.02)

    def wait_state(self, barcode, *states, seconds=60):
        """Waits until nothing is done any more, and it is in one of these states."""
        def seen():
            copy = self.shown(barcode)
            return copy if copy["progress"] is None and copy["state"] in states else None
        return wait_for(seen, f"a copy of {barcode} that is {' or '.join(states)}", seconds, 0.05)

    def elements(self, kind):
        """The library's full places of a kind, as its robot tells now: {place: barcode}."""
        report = self.report("library", "inventory", LIBRARY)
        return {element["place"]: element["barcode"] for element in report["elements"] if element["full"] and element["place"].startswith(kind)}

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")


def wait_for(look, what, seconds=60, interval=0.1):
    """Looks again and again until there is something; returns that."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        check(time.monotonic() < deadline, f"there is no {what} after {seconds} s")
        time.sleep(interval)
    return found


def shape(objects):
    """Lengths of records, 0 for filemarks: what `tgtimg --op show` tells, and short enough for a report."""
    return [0 if item is None else len(item) for item in objects]


def check_same(found, wanted, what):
    """Object for object the same; the first difference is the evidence."""
    for number, (one, other) in enumerate(zip(found, wanted)):
        check(one == other, f"{what}: object {number} is {shape([one])} and not {shape([other])}, or has other bytes")
    check(len(found) == len(wanted), f"{what}: {len(found)} objects and not {len(wanted)}")


def simh(path):
    """The objects in a SIMH .tap image."""
    data, objects, at = pathlib.Path(path).read_bytes(), [], 0
    while at + 4 <= len(data):
        (length,) = struct.unpack_from("<I", data, at)
        at += 4
        if length == END_OF_MEDIUM:
            break
        check(length < 1 << 24, f"{path}: {length:08x} at byte {at - 4}")
        if length == 0:
            objects.append(None)
            continue
        objects.append(data[at:at + length])
        at += length + length % 2 + 4
    return objects


def write_simh(path, objects):
    """Makes a SIMH .tap image of these objects."""
    with open(path, "wb") as image:
        for item in objects:
            length = struct.pack("<I", len(item or b""))
            image.write(length if item is None else length + item + bytes(len(item) % 2) + length)
        image.write(struct.pack("<I", END_OF_MEDIUM))
