"""What recorder.c wrote down, and the directories that a loss of power at any instant would have left.

The model of the disk is the one that src/tape/FORMAT.md assumes, and no kinder: what a returned fsync or fdatasync of a file
covers is there; every other write, cut or growth of it may be there or not, in part, or as zeros, in any combination; names
are there once their directory was synced, and otherwise as far as some point in the order in which they were made.
"""

import bisect
import collections
import pathlib
import struct

HEAD = struct.Struct("<IIQQQQII")
MAGIC = 0x54435750
CREATE, WRITE, SYNC, TRUNCATE, RENAME, LINK, UNLINK, MKDIR, RMDIR, FALLOCATE = range(1, 11)
NAMES = {CREATE: "create", WRITE: "write", SYNC: "sync", TRUNCATE: "truncate", RENAME: "rename", LINK: "link", UNLINK: "unlink",
         MKDIR: "mkdir", RMDIR: "rmdir", FALLOCATE: "fallocate"}

Event = collections.namedtuple("Event", "kind start end inode at name data")


def read_log(path):
    """The recorder's events, in the order in which the calls ended."""
    data, at, events = memoryview(pathlib.Path(path).read_bytes()), 0, []
    while at < len(data):
        magic, kind, start, end, inode, offset, name, more = HEAD.unpack_from(data, at)
        if magic != MAGIC:
            raise ValueError(f"the recorder's log is damaged at byte {at}")
        at += HEAD.size
        text = bytes(data[at : at + name]).decode()
        events.append(Event(kind, start, end, inode, offset, text, data[at + name : at + name + more]))
        at += name + more
    return events


class File:
    """One file's operations, and those of them that syncs covered."""

    def __init__(self):
        self.operations = []  # WRITE and TRUNCATE, by their end
        self.covered = []  # (instant, how many operations are durable from then on)
        self.base, self.done = bytearray(), 0  # the content after so many operations

    def sync(self, event):
        covered = bisect.bisect_right([operation.end for operation in self.operations], event.start)
        self.covered.append((event.end, covered))

    def durable(self, at_ns):
        """How many operations a sync has covered by then."""
        return max((count for instant, count in self.covered if instant <= at_ns), default=0)

    def pending(self, at_ns):
        """Those begun by then that no sync has covered."""
        return [operation for operation in self.operations[self.durable(at_ns) :] if operation.start <= at_ns]

    def content(self, at_ns, chosen):
        """The durable content, and `chosen` operations done on top of it. Instants must not go back."""
        for operation in self.operations[self.done : self.durable(at_ns)]:
            apply(self.base, operation)
        self.done = max(self.done, self.durable(at_ns))
        content = bytearray(self.base)
        for operation in sorted(chosen, key=lambda operation: operation.start):
            apply(content, operation)
        return content


def apply(content, operation):
    """One write or cut."""
    if operation.kind == TRUNCATE:
        if len(content) > operation.at:
            del content[operation.at :]
        else:
            content.extend(bytes(operation.at - len(content)))
        return
    end = operation.at + len(operation.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[operation.at : end] = operation.data


class Directory:
    """One directory's changes of names, and those of them that syncs covered."""

    def __init__(self):
        self.changes = []  # (start, end, function of a dict of names)
        self.covered = []

    def sync(self, event):
        covered = bisect.bisect_right([end for _, end, _ in self.changes], event.start)
        self.covered.append((event.end, covered))

    def durable(self, at_ns):
        return max((count for instant, count in self.covered if instant <= at_ns), default=0)

    def begun(self, at_ns):
        return sum(1 for start, _, _ in self.changes if start <= at_ns)

    def names(self, count):
        """The names after so many changes."""
        names = {}
        for _, _, change in self.changes[:count]:
            change(names)
        return names


class Disk:
    """All of a log: directories by path, files by a number of their own (the kernel gives inode numbers out again)."""

    def __init__(self, events):
        self.directories, self.files, self.events = {}, [], events
        self.inodes = {}  # inode number: file, or Directory
        now = {}  # path: file, as the names are at this point of the log
        for event in events:
            self.take(event, now)

    def take(self, event, now):
        kind, path = event.kind, event.name
        if kind in (WRITE, TRUNCATE):
            self.inodes[event.inode].operations.append(event)
        elif kind == SYNC:
            self.inodes[event.inode].sync(event)
        elif kind == MKDIR:
            self.directories[path] = self.inodes[event.inode] = Directory()
            self.change(event, path, self.directories[path])
        elif kind == CREATE:
            now[path] = self.inodes[event.inode] = File()
            self.files.append(now[path])
            self.change(event, path, now[path])
        elif kind == LINK:
            other = bytes(event.data).decode()
            now[other] = now[path]
            self.change(event, other, now[path])
        elif kind == UNLINK:
            now.pop(path)
            self.change(event, path, None)
        elif kind == RENAME:
            other = bytes(event.data).decode()
            now[other] = now.pop(path)
            self.rename(event, path, other, now[other])
        elif kind != FALLOCATE:  # room taken beyond the length changes no content
            raise ValueError(f"{NAMES[kind]} {path}: not known here")

    def above(self, path):
        above, name = path.rsplit("/", 1)
        return self.directories.setdefault(above, Directory()), name

    def change(self, event, path, what):
        directory, name = self.above(path)

        def change(names):
            names.pop(name, None)
            if what is not None:
                names[name] = what

        directory.changes.append((event.start, event.end, change))

    def rename(self, event, path, other, what):
        directory, old = self.above(path)
        if self.above(other)[0] is not directory:
            raise ValueError(f"rename from {path} to {other}: between directories")

        def change(names):
            names.pop(old, None)
            names[other.rsplit("/", 1)[1]] = what

        directory.changes.append((event.start, event.end, change))

    def pending(self, at_ns, path):
        """How many changes below a directory (not those below its directories) a crash may undo."""
        directory = self.directories[path]
        files = [file for file in set(directory.names(directory.begun(at_ns)).values()) if isinstance(file, File)]
        return sum(len(file.pending(at_ns)) for file in files) + directory.begun(at_ns) - directory.durable(at_ns)


def torn(operation, chance):
    """What is on disk of a write that was under way: a beginning, an end, a piece as zeros, or all zeros."""
    if operation.kind != WRITE or len(operation.data) < 2:
        return operation
    cut = chance.randrange(1, len(operation.data))
    if chance.random() < 0.5:  # sectors, mostly
        cut = max(1, cut // 512 * 512)
    how = chance.randrange(4)
    if how == 0:
        return operation._replace(data=operation.data[:cut])
    if how == 1:
        return operation._replace(at=operation.at + cut, data=operation.data[cut:])
    if how == 2:
        return operation._replace(data=bytes(operation.data[:cut]) + bytes(len(operation.data) - cut))
    return operation._replace(data=bytes(len(operation.data)))


VARIANTS = ["nothing", "everything", "last torn", "last alone", "subset"]


def choose(pending, variant, chance):
    """Which of a file's unsynced operations a crash has left, and how."""
    if variant == "nothing" or not pending:
        return []
    if variant == "everything":
        return pending
    if variant == "last torn":
        return pending[:-1] + [torn(pending[-1], chance)]
    if variant == "last alone":
        return pending[-1:]
    return [torn(operation, chance) if chance.random() < 0.3 else operation for operation in pending if chance.random() < 0.6]


def image(disk, path, at_ns, variant, chance):
    """One directory after a crash: {name: content}, without the directories in it. Instants must not go back."""
    directory = disk.directories[path]
    durable, begun = directory.durable(at_ns), directory.begun(at_ns)
    count = {"nothing": durable, "everything": begun, "last torn": begun, "last alone": begun}.get(variant)
    names = directory.names(chance.randint(durable, begun) if count is None else count)
    contents = {}
    for name, what in names.items():
        if isinstance(what, File):
            if what not in contents:
                contents[what] = what.content(at_ns, choose(what.pending(at_ns), variant, chance))
    return {name: contents[what] for name, what in names.items() if isinstance(what, File)}
