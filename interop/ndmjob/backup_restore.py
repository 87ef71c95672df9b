"""Part a: a real tree through ndmjob as client and data server, over several tapes that the robot changes, and back.

ndmjob exits 0 whatever happened, so every verdict here is taken from its text, its index and the restored tree.
"""

import pathlib
import re
import shutil

import tree
from harness import NDMJOB, check, data_server, run

FORMATTER = pathlib.Path(__file__).resolve().parent / "wrap_tar"
PARTIAL = ["big/blob 3", "odd/relative link", "small/07/0007.dat"]  # one that spans tapes, a link, a small one
# "fetch post backup env failed" is left out on purpose: ndmjob asks its own data server for it, also after a restore.
TROUBLE = re.compile(r"(?!.*fetch post backup env failed).*(had problems|Operation ended in failure|cancelling|failed|ERR-|UNEXPECTED|mishandled)", re.I)


def part(endpoint, folder, report):
    """All of part a; needs the server's tapes to be blank or scratch."""
    folder.mkdir()
    source = folder / "tree"
    with data_server(folder / "data", FORMATTER) as data_agent:
        with report.step("a tree of everything a backup can get wrong") as step:
            tree.build(source)
            original = tree.manifest(source)
            step.evidence = f"{len(original)} entries, {sum(entry[5] for entry in original.values())} bytes"
        for version, blocks, tapes, first in ((4, 126, 6, 0), (4, 20, 6, 0), (3, 126, 6, 0), (2, 126, 6, 0)):
            job = Job(endpoint, data_agent, folder, version, blocks, tapes, first)
            with report.step(f"v{version}: label {tapes} tapes, records of {job.record_bytes} bytes") as step:
                step.evidence = job.label()
            with report.step(f"v{version}: backup through robot, drive and mover") as step:
                step.evidence = job.back_up(source)
            with report.step(f"v{version}: the index lists the tree") as step:
                step.evidence = job.compare_index(original)
            with report.step(f"v{version}: list the tapes' content") as step:
                step.evidence = job.list_tapes(original)
            # In version 3 ndmjob cannot tell its data server to restore "/" under another name.
            if version != 3:
                with report.step(f"v{version}: restore into an empty directory") as step:
                    step.evidence = job.restore(original)
            if blocks == 126:
                with report.step(f"v{version}: restore single files by their position") as step:
                    step.evidence = job.restore_some(original)
    shutil.rmtree(source, ignore_errors=True)


class Job:
    """One backup and what is restored from it."""

    def __init__(self, endpoint, data_agent, folder, version, blocks, tapes, first):
        folder = folder / f"v{version}-records-{blocks * 512}"
        folder.mkdir()
        self.endpoint = endpoint
        self.version = version
        self.data_agent = data_agent.replace("/4", f"/{version}")
        self.folder = folder
        self.record_bytes = blocks * 512
        self.blocks = blocks
        self.index = folder / "index"
        self.media = [f"T{n + 1}@{endpoint.first_slot + first + n}" for n in range(tapes)]
        self.used_media = []

    def _ndmjob(self, name, *arguments, data=True, timeout=120):
        """Runs the client and returns its text; Failed when the text tells of trouble."""
        agent = self.endpoint.agent(self.version)
        command = [NDMJOB, "-v", "-d", "1", "-T", agent, "-R", agent, "-r", self.endpoint.robot, "-f", self.endpoint.drives[0]]
        if data:
            command += ["-D", self.data_agent, "-B", "tar", "-b", str(self.blocks)]
        _, text = run([*command, *arguments], timeout, log=self.folder / f"{name}.log")
        trouble = [line for line in text.splitlines() if TROUBLE.match(line)]
        check(not trouble, f"{trouble[:3]} in {self.folder}/{name}.log")
        return text

    def label(self):
        arguments = [word for medium in self.media for word in ("-m", medium)]
        text = self._ndmjob("label", "-o", "init-labels", *arguments, data=False)
        check("Operation complete" in text, f"no 'Operation complete' in {self.folder}/label.log")
        return "Operation complete"

    def back_up(self, source):
        arguments = [word for medium in self.media for word in ("-m", medium)]
        text = self._ndmjob("backup", "-c", *arguments, "-E", "HIST=F", "-E", f"FILESYSTEM={source}", "-I", self.index)
        check("Operation ended OKAY" in text, f"no 'Operation ended OKAY' in {self.folder}/backup.log")
        lines = self.index.read_bytes().decode("utf-8", "surrogateescape").splitlines()
        self.used_media = [line.split()[2] for line in lines if line.startswith("CM ")]
        check(len(self.used_media) >= 3, f"the index names {len(self.used_media)} used media, not 3 or more: {self.used_media}")
        return f"{len(self.used_media)} media used: {' '.join(self.used_media)}"

    def compare_index(self, original):
        return self._compare_history(self.index, original)

    def list_tapes(self, original):
        listed = self.folder / "listed"
        text = self._ndmjob("list", "-t", *self._used(), "-E", "HIST=F", "-E", f"RECORD_BYTES={self.record_bytes}", "-I", listed)
        check("Operation ended OKAY" in text, f"no 'Operation ended OKAY' in {self.folder}/list.log")
        return self._compare_history(listed, original)

    def restore(self, original):
        target = self.folder / "restored"
        text = self._ndmjob("restore", "-x", *self._used(), "-J", self.index, "-E", "FILESYSTEM=/nowhere",
                            "-E", f"RECORD_BYTES={self.record_bytes}", f"{target}=/")
        check("Operation ended OKAY" in text, f"no 'Operation ended OKAY' in {self.folder}/restore.log")
        copy = tree.manifest(target)
        lines = tree.differences(original, copy)
        check(not lines, f"{len(lines)} differences, first: {lines[:3]}")
        shutil.rmtree(target)
        return f"{len(copy)} entries identical: type, mode, owner, group, time, content, links"

    def restore_some(self, original):
        target = self.folder / "some"
        text = self._ndmjob("partial", "-x", *self._used(), "-J", self.index, "-E", "FILESYSTEM=/nowhere", "-E", "DIRECT=y",
                            "-E", f"RECORD_BYTES={self.record_bytes}",
                            *(["-E", "ALIGN=y"] if self.endpoint.is_reference else []),
                            *[f"{target}/{name}=/{name}" for name in PARTIAL])
        check("Operation ended OKAY" in text, f"no 'Operation ended OKAY' in {self.folder}/partial.log")
        names = [name.encode() for name in PARTIAL]
        copy = tree.manifest(target)
        for name in names:
            check(name in copy, f"{name!r} was not restored")
            check(copy[name][:-1] == original[name][:-1], f"{name!r}: {original[name][:-1]} became {copy[name][:-1]}")
        shutil.rmtree(target)
        return ", ".join(PARTIAL)

    def _used(self):
        return [word for medium in self.used_media for word in ("-m", medium)]

    def _compare_history(self, index, original):
        """The index's file lines against the tree: every name, its type, mode, owner, size."""
        found = {}
        for line in index.read_bytes().splitlines():
            if line.startswith(b"DHf "):
                words = line.split()
                found[_unpercent(words[1]).strip(b"/") or b"."] = {word[:1]: word[1:] for word in words[2:]}
        missing, surplus = original.keys() - found.keys(), found.keys() - original.keys()
        check(not missing and not surplus, f"{len(missing)} names missing, {len(surplus)} too many: {sorted(missing | surplus)[:3]}")
        for name, (_, mode, uid, gid, *_rest) in original.items():
            entry = found[name]
            told = (int(entry[b"m"], 8), int(entry[b"u"]), int(entry[b"g"]))
            check(told == (mode, uid, gid), f"{name!r}: the index tells {told}, not {(mode, uid, gid)}")
        return f"{len(found)} names with mode, owner, group"


def _unpercent(text):
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), text)
