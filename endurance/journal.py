"""What a DMA asked for, what was acknowledged and when, and what therefore may and must be found after a crash.

One `TapeJournal` a tape, one `MoveJournal` for the robot. Times are time.monotonic_ns(), the clock of powercut/recorder.c.
Knows neither NDMP nor files. Users: writer.py fills it, kill/run and powercut/ judge by it.
"""

import dataclasses
import hashlib
import threading
import time

MARK = None


class Lost(Exception):
    """What was found after a crash is not what may be there; the text is the evidence."""


def record(data):
    """A record as journals and readers hold it: its length and a digest of its bytes."""
    return len(data), hashlib.md5(data).hexdigest()


@dataclasses.dataclass
class Entry:
    """One request: from `cut` on the tape then holds `blocks`; nothing of it need be true before `acked_ns`."""

    what: str
    sent_ns: int
    cut: int
    blocks: list
    is_durable: bool
    acked_ns: int | None = None


class TapeJournal:
    """The life of one tape since `baseline`, which is durable."""

    def __init__(self, baseline=()):
        self.baseline = list(baseline)
        self.entries = []
        self.blocks = list(baseline)  # what the tape holds if all that was asked for is done

    def ask(self, what, cut, blocks, is_durable):
        """To be called before the request is sent; set `acked_ns` of what it returns when the answer is there."""
        entry = Entry(what, time.monotonic_ns(), cut, list(blocks), is_durable)
        self.entries.append(entry)
        self.blocks = self.blocks[:cut] + entry.blocks
        return entry

    def expected(self, at_ns):
        """What a crash at that instant may leave: (branches, kept). The tape must hold the beginning of one of the
        branches, and at least `kept` blocks of it."""
        blocks, branches, kept = list(self.baseline), [list(self.baseline)], len(self.baseline)
        for entry in self.entries:
            if entry.sent_ns > at_ns:
                break
            is_acked = entry.acked_ns is not None and entry.acked_ns <= at_ns
            is_overwrite = entry.cut < len(blocks)
            blocks = blocks[: entry.cut] + entry.blocks
            if is_acked and (is_overwrite or entry.is_durable):
                # An acknowledged overwrite is durable itself: what it destroyed stays away, what stood before it stays.
                branches, kept = [blocks], len(blocks) if entry.is_durable else entry.cut
            elif is_overwrite:
                branches, kept = branches + [blocks], min(kept, entry.cut)
            else:
                branches = branches[:-1] + [blocks]
        return branches, kept

    def judge(self, found, at_ns):
        """Raises Lost unless `found` may be what a crash at that instant left."""
        branches, kept = self.expected(at_ns)
        if len(found) < kept:
            raise Lost(f"{len(found)} blocks, of which {kept} were acknowledged; {self.last(at_ns)}")
        if not any(branch[: len(found)] == found for branch in branches):
            wrong = max(_same(branch, found) for branch in branches)
            raise Lost(f"block {wrong} of {len(found)} ({describe(found[wrong])}) was never written there, {kept} were "
                       f"acknowledged; {self.last(at_ns)}")
        return kept

    def last(self, at_ns):
        """The last requests before an instant, for messages."""
        before = [entry for entry in self.entries if entry.sent_ns <= at_ns][-3:]
        return "last asked for: " + ", ".join(
            f"{entry.what} at {entry.cut}{'' if entry.acked_ns and entry.acked_ns <= at_ns else ' (unanswered)'}" for entry in before)


def _same(left, right):
    """How many blocks are the same at the beginning of both."""
    for number, (a, b) in enumerate(zip(left, right)):
        if a != b:
            return number
    return min(len(left), len(right))


def describe(block):
    """A block in a message."""
    return "a filemark" if block is MARK else f"{block[0]} bytes, md5 {block[1]}" if isinstance(block, tuple) else str(block)


class MoveJournal:
    """Where every tape is, by element address; one request at a time."""

    def __init__(self, places):
        self.baseline = dict(places)  # barcode: address
        self.places = dict(places)
        self.moves = []  # [barcode, source, destination, sent_ns, acked_ns]
        self.lock = threading.Lock()

    def ask(self, barcode, destination):
        """Before the request is sent."""
        move = [barcode, self.places[barcode], destination, time.monotonic_ns(), None]
        self.moves.append(move)
        self.places[barcode] = destination
        return move

    def judge(self, found, at_ns):
        """`found`: {barcode: [addresses]} after a crash at that instant."""
        allowed = {barcode: {place} for barcode, place in self.baseline.items()}
        for barcode, _, destination, sent_ns, acked_ns in self.moves:
            if sent_ns <= at_ns:
                done = acked_ns is not None and acked_ns <= at_ns
                allowed[barcode] = {destination} if done else allowed[barcode] | {destination}
        if set(found) != set(allowed):
            raise Lost(f"tapes {sorted(found)} in the robot, not {sorted(allowed)}")
        for barcode, places in found.items():
            if len(places) != 1 or places[0] not in allowed[barcode]:
                raise Lost(f"tape {barcode} is in {places}, not in one of {sorted(allowed[barcode])}")
