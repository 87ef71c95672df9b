"""tgtd as the physical library, and what lies on its cartridges: told by tgt's own `tgtimg --op show`, the bytes read from the
image where that says they are.

Knows nothing of Tapesilo. Read next: library (the script that starts one tgtd), copying.py (the server that copies to it).

Environment:
  TAPESILO_LIBRARY_LOCAL   1: the library's devices are on this host's own busses, /dev/sg*, and its tgtd already runs
  TAPESILO_LIBRARY_FOLDER  then the DIRECTORY of `library start`; its slots are emptied and filled anew
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from harness import Failed, check, free_port, run

SCRIPT = pathlib.Path(__file__).resolve().parent / "library"
CHANGER_SERIAL = "LIB00001"
FIRST_SLOT, FIRST_DRIVE = 1024, 256
SLOTS, DRIVES = 8, 2
# `Uncompressed User data(2): Blk No. 1, prev 0, curr 1152,  next 1280, sz 80`
LINE = re.compile(r"^\s*(?P<kind>[^(]+)\(\d+\):.*curr (?P<at>\d+),\s+next (?P<next>\d+)(?:, sz (?P<bytes>\d+))?")


def is_local():
    """Whether the library's devices are this host's own, and its tgtd not ours."""
    return os.environ.get("TAPESILO_LIBRARY_LOCAL") == "1"


class Tgt:
    """One tgtd with 8 slots and 2 drives. `fill` puts cartridges in, after each start anew: tgtd keeps no places."""

    def __init__(self, folder):
        self.folder = pathlib.Path(os.environ["TAPESILO_LIBRARY_FOLDER"]) if is_local() else pathlib.Path(folder)
        self.media = self.folder / "media"
        self.port = free_port()
        self.slots = {}
        self.pid = None

    def __enter__(self):
        if is_local():
            for slot in range(SLOTS):
                with contextlib.suppress(Failed):
                    self.admin(f"element_type=2,address={FIRST_SLOT + slot},clear_slot=1")
        else:
            self.start()
        return self

    def __exit__(self, *_):
        if not is_local():
            self.signal(signal.SIGCONT)
            run([SCRIPT, "stop", self.folder], 30)

    def start(self):
        """Starts tgtd; all cartridges are in their slots then, with what is on them."""
        # Its output goes to a file: tgtd inherits it.
        with open(self.folder.parent / "library.log", "ab") as log:
            self.folder.mkdir(parents=True, exist_ok=True)
            status = subprocess.run([SCRIPT, "start", self.folder, str(self.port), "0", "0", str(DRIVES)], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, env=dict(os.environ, PATH=f"{os.environ['PATH']}:/usr/sbin"), timeout=60)
        check(status.returncode == 0, f"tgtd did not start; see {self.folder.parent}/library.log")
        self.pid = int((self.folder / "pid").read_text())
        for barcode, slot in self.slots.items():
            self._insert(barcode, slot)

    def signal(self, number):
        """A signal to tgtd, if it runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self):
        """tgtd dies at once, with its connections and what it knew of places."""
        self.signal(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while is_running(self.pid):
            check(time.monotonic() < deadline, "tgtd is still there after SIGKILL")
            time.sleep(0.01)

    def admin(self, parameters, unit=None):
        """Changes a unit's parameters: the robot's unless told."""
        unit = unit or (self.folder / "robot_lun").read_text().strip()
        command = [SCRIPT, "admin", self.folder, "--mode", "logicalunit", "--op", "update", "--tid", "1", "--lun", str(unit), "--params", parameters]
        status, text = run(command, 20, env={"PATH": f"{os.environ['PATH']}:/usr/sbin"})
        check(status == 0, f"tgtadm {parameters}: {text}")

    def fill(self, barcodes, mebibytes=512):
        """Puts new, blank cartridges into the first slots that are free."""
        for barcode in barcodes:
            slot = next(slot for slot in range(SLOTS) if slot not in self.slots.values())
            new_cartridge(self.media / barcode, barcode, mebibytes)
            self.slots[barcode] = slot
            self._insert(barcode, slot)

    def _insert(self, barcode, slot):
        self.admin(f"element_type=2,address={FIRST_SLOT + slot},barcode={barcode},sides=1")

    def protect(self, is_protected):
        """Makes what is in any drive write-protected, or no longer so."""
        for unit in range(1, DRIVES + 1):
            self.admin(f"readonly={int(is_protected)}", unit)

    def loaded(self):
        """Barcodes of the cartridges that tgt's own tool shows in drives."""
        status, text = run([SCRIPT, "admin", self.folder, "--mode", "target", "--op", "show"], 20, env={"PATH": f"{os.environ['PATH']}:/usr/sbin"})
        check(status == 0, f"tgtadm --op show: {text}")
        return [pathlib.Path(path).name for path in re.findall(r"Backing store path: (\S+)", text) if pathlib.Path(path).parent == self.media]

    def table(self):
        """What the configuration says of how the library is reached."""
        if is_local():
            return f'driver = "scsi"\nchanger_serial = "{CHANGER_SERIAL}"'
        return f'driver = "scsi"\nportal = "127.0.0.1:{self.port}"\ntarget = "{(self.folder / "target").read_text().strip()}"'

    def image(self, barcode):
        """The file that is a cartridge."""
        return self.media / barcode


def new_cartridge(path, barcode, mebibytes):
    """A blank cartridge; what was there is gone."""
    path.unlink(missing_ok=True)
    status, text = tgtimg("--op", "new", f"--barcode={barcode}", f"--size={mebibytes}", "--type=data", f"--file={path}", "--thin-provisioning")
    check(status == 0, f"tgtimg: {text}")


def tgtimg(*arguments):
    program = shutil.which("tgtimg", path=f"{os.environ['PATH']}:/usr/sbin")
    check(program, "tgtimg is missing: run interop/install")
    return run([program, *arguments[:2], "--device-type", "tape", *arguments[2:]], 60)


def layout(path):
    """What stands on a cartridge, as tgt's own tool tells it: (where its bytes are in the image, their number) of a record, None for
    a filemark."""
    status, text = tgtimg("--op", "show", f"--file={path}")
    check(status == 0, f"tgtimg --op show {path}: {text}")
    objects, is_ended = [], False
    for line in text.splitlines():
        found = LINE.match(line)
        if found is None:
            continue
        kind = found["kind"].strip()
        if kind == "Beginning of Tape":
            continue
        if kind == "End of Data":
            is_ended = True
            break
        if kind.endswith("Filemark"):
            objects.append(None)
        elif "data" in kind:
            size = int(found["bytes"])
            objects.append((int(found["next"]) - size, size))
        else:
            raise Failed(f"tgtimg --op show {path}: {line!r}: what is that?")
    check(is_ended, f"tgtimg --op show {path}: no end of data")
    return objects


def cartridge(path):
    """The objects on a cartridge: bytes for a record, None for a filemark."""
    with open(path, "rb") as image:
        return [at and os.pread(image.fileno(), at[1], at[0]) for at in layout(path)]


class Scar:
    """One changed byte in the middle of a record on a cartridge: it is there until the record is written again."""

    def __init__(self, path, number):
        at, size = layout(path)[number]
        self.path, self.place = path, at + size // 2
        self.before = self._byte()
        self.after = bytes([self.before[0] ^ 0x55])
        self._put(self.after)

    def is_there(self):
        return self._byte() == self.after

    def heal(self):
        """As if it had never been."""
        self._put(self.before)

    def _byte(self):
        with open(self.path, "rb") as image:
            image.seek(self.place)
            return image.read(1)

    def _put(self, byte):
        with open(self.path, "r+b") as image:
            image.seek(self.place)
            image.write(byte)


def is_running(pid):
    """Whether a process runs; one that ended and that nobody waits for does not."""
    try:
        return "\nState:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
