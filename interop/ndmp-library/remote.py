"""ndmjob's daemon as the remote library, and what lies on its cartridges, read from the simulator's own files.

Knows nothing of Tapesilo. An empty folder is a library of 10 full slots, 2 mail slots and 2 drives; its cartridges are files:
`slot0` …, `drive0` …, each a chain of records with a header of four longs (ndmp-src/ndma_tape_simulator.c of Amanda).
"""

import contextlib
import os
import pathlib
import struct
import subprocess
import time

from harness import NDMJOB, Endpoint, Failed, _end, check, free_port

FIRST_SLOT = 1024
FIRST_DRIVE = 128
GAP = struct.Struct("<4Q")
MAGIC = 0x0BEEFEE0
KINDS = {int.from_bytes(name, "little"): name.decode() for name in (b"BOT_", b"DATA", b"FILE", b"EOT_")}


class Remote:
    """The daemon. It listens on all addresses: it knows no other way; interop/run gives it a network of its own."""

    def __init__(self, folder, tape_limit=None):
        self.folder = pathlib.Path(folder)
        self.library = self.folder / "lib"
        self.library.mkdir(parents=True)
        self.tape_limit = tape_limit
        self.port = free_port()
        self.process = None

    def start(self):
        command = [NDMJOB, "-o", "daemon", "-p", str(self.port), "-d", "0"]
        if self.tape_limit:
            command += ["-o", f"tape-limit={self.tape_limit}"]
        with open(self.folder / "ndmjob.log", "ab") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                            cwd=self.folder, start_new_session=True)
        # Looked for without connecting: it serves one connection after the other to its end.
        deadline = time.monotonic() + 20
        while not is_listening(self.port):
            check(self.process.poll() is None, f"ndmjob ended with {self.process.returncode}")
            if time.monotonic() > deadline:
                raise Failed("ndmjob does not listen after 20 s")
            time.sleep(0.02)

    def kill(self):
        """Like a host that loses its power: everything at once. What it leaves locked stays locked (its own fault): that is removed."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        _end(self.process)
        for lock in self.library.glob("*.lck"):
            lock.unlink()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        _end(self.process)

    def tables(self, copy):
        """What Tapesilo's configuration says of it; the password's file lies in the same folder as the configuration."""
        return f"""
[[library]]
name = "far"
driver = "ndmp"
address = "127.0.0.1:{self.port}"
user = "ndmp"
password_file = "{self.password_file()}"
robot_device = "{self.library}"
drive_devices = ["{self.library}/drive0", "{self.library}/drive1"]

[[copy]]
loader = "vault"
library = "far"
{copy}
"""

    def password_file(self):
        file = self.folder / "password"
        file.write_text("ndmp\n")
        file.chmod(0o600)
        return file

    def endpoint(self):
        """It as ndmjob's own client reaches it."""
        return Endpoint(name="ndmjob", user="ndmp", password="ndmp", robot=str(self.library),
                        drives=[str(self.library / "drive0"), str(self.library / "drive1")], first_slot=FIRST_SLOT,
                        first_drive=FIRST_DRIVE, transport=16, port=self.port, is_reference=True)

    def slot(self, number):
        return self.library / f"slot{number}"


def is_listening(port):
    """Whether somebody listens on the port, as the kernel tells."""
    listening = "0A"
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == listening and int(words[1].rsplit(":", 1)[1], 16) == port:
            return True
    return False


def barcode(number):
    """What the simulator's robot reads on the cartridge of a slot."""
    return f"PTAG{number:02X}XX"


def cartridge(path):
    """The objects on a cartridge: bytes for a record, None for a filemark. Failed where the chain is broken."""
    data = pathlib.Path(path).read_bytes()
    if not data:
        return []
    objects, at = [], 0
    while True:
        check(at + GAP.size <= len(data), f"{path}: ends within a header at byte {at} of {len(data)}")
        magic, kind, _previous, size = GAP.unpack_from(data, at)
        kind = KINDS.get(kind)
        check(magic == MAGIC and kind, f"{path}: no header at byte {at}")
        at += GAP.size
        if kind == "EOT_":
            check(at == len(data), f"{path}: {len(data) - at} bytes behind its end")
            return objects
        if kind == "DATA":
            check(at + size <= len(data), f"{path}: ends within a record at byte {at}")
            objects.append(data[at:at + size])
            at += size
        elif kind == "FILE":
            objects.append(None)


def write_cartridge(path, objects):
    """Makes a cartridge with these objects, as somebody else would have written it."""
    parts, previous = [], 0
    for kind, content in [(b"BOT_", b""), *((b"FILE", b"") if content is None else (b"DATA", content) for content in objects), (b"EOT_", b"")]:
        parts += [GAP.pack(MAGIC, int.from_bytes(kind, "little"), previous, len(content)), content]
        previous = len(content)
    pathlib.Path(path).write_bytes(b"".join(parts))


def simh(path):
    """The objects in a SIMH .tap image: what is on a virtual tape, as `tape export` tells."""
    data, objects, at = pathlib.Path(path).read_bytes(), [], 0
    while at + 4 <= len(data):
        (length,) = struct.unpack_from("<I", data, at)
        at += 4
        if length == 0xFFFFFFFF:
            break
        if length == 0:
            objects.append(None)
            continue
        objects.append(data[at:at + length])
        at += length + length % 2 + 4
    return objects
