"""One library of tgt's with one server beside it, and what must be so after a copy.

Read next: copies.py and interrupted.py, the users.
"""

import contextlib
import hashlib

from cartridges import FIRST_SLOT, Tgt, cartridge, layout
from copying import Bench, check_same, objects_of, shape, tables
from harness import MIB, check

# Two checkpoints of the smallest distance there is (64 MiB), and more.
LONG = ([MIB] * 15 + [999_999, None]) * 10


@contextlib.contextmanager
def site(folder, barcodes, *copies, library="", others=None, server=""):
    """A library with blank cartridges of these barcodes, the first in the first slot, and a server that copies to it by these [[copy]]
    tables; `library` and `server` go into its tables of that name. `others`: what somebody else has on some of the cartridges."""
    with Tgt(folder / "tgt") as tgt:
        tgt.fill(barcodes)
        if others:
            # Another host with a server and tapes of its own.
            with Bench(folder / "other", tables(tgt.table(), 'match = "barcode"')) as bench:
                for barcode, objects in others.items():
                    bench.make(barcode, objects)
                done, text = bench.copy()
                check(done, text)
        with Bench(folder / "server", tables(f"{tgt.table()}\n{library}", *copies), server=server) as bench:
            yield Site(tgt, bench)
            check("panicked" not in bench.log(), "the server has panicked")


class Site:
    """The two."""

    def __init__(self, library, bench):
        self.library, self.bench = library, bench

    def is_copied(self, barcode, objects, but=None):
        """The ledger says that all is on the cartridge; tgt shows these records and filemarks there; their bytes are the same, but for
        record `but`; the cartridge is in its slot again; and the virtual tape is as it was."""
        copy = self.bench.shown(barcode)
        check(copy["state"] in ("copied", "verified") and not copy["pending"] and copy["progress"] is None, f"{copy}")
        check(copy["secured_blocks"] == len(objects), f"{copy['secured_blocks']} of {len(objects)} blocks are said to be sure")
        image = self.library.image(barcode)
        told = [0 if at is None else at[1] for at in layout(image)]
        check(told == shape(objects), f"tgt shows {told[:60]} and not {shape(objects)[:60]}")
        landed, wanted = cartridge(image), list(objects)
        if but is not None:
            landed[but] = wanted[but] = None
        check_same(landed, wanted, f"cartridge {barcode}")
        check_same(self.bench.on_tape(barcode), objects, f"virtual tape {barcode}")
        slots = self.bench.report("library", "inventory", "attic")["elements"]
        at = next(element["element"] for element in slots if element["barcode"] == barcode and element["full"])
        check(at == FIRST_SLOT + self.library.slots[barcode], f"cartridge {barcode} is at element {at}, not in its slot")
        return f"{len(objects)} objects, {sum(shape(objects))} bytes"

    def sha256(self, barcode):
        """Of all that is in a cartridge's image."""
        with open(self.library.image(barcode), "rb") as image:
            return hashlib.file_digest(image, "sha256").hexdigest()

    def make_long(self, barcode):
        """A virtual tape of 160 MiB; (what is on it, its digest)."""
        objects = objects_of(LONG)
        self.bench.make(barcode, objects)
        return objects, self.bench.digest(barcode)
