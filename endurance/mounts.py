"""Small file systems, mounted in a mount namespace of their own. Users: full/run, space/run."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import writer
from writer import harness

MIB = 1 << 20


def main(script, usage, sizes_mib, try_disk):
    """Runs `try_disk(kind, folder, disk, report)` on every kind of file system; returns the exit status."""
    kinds = sys.argv[1:] or list(sizes_mib)
    if unknown := set(kinds) - set(sizes_mib):
        print(f"no such file system: {' '.join(sorted(unknown))}\n{usage}", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("NOTE    not root: nothing can be mounted, the full disk is tried only in process (src/tape/tests/faults.rs)")
        return 0
    if not os.environ.get("TAPESILO_FULL_MOUNTS"):
        os.environ |= {"TAPESILO_FULL_MOUNTS": "own", "TAPESILO": str(writer.binary())}
        if subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL, check=False).returncode:
            print("NOTE    no mount namespace can be made here: the full disk is tried only in process (src/tape/tests/faults.rs)")
            return 0
        os.execvp("unshare", ["unshare", "--mount", sys.executable, script, *kinds])
    report = harness.Report()
    for kind in kinds:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tapesilo-full-"))
        disk = folder / "disk"
        try:
            if why := mount(kind, sizes_mib[kind], folder, disk):
                print(f"NOTE    {kind} cannot be mounted here: {why}", flush=True)
                continue
            try_disk(kind, folder, disk, report)
        finally:
            subprocess.run(["umount", disk], stderr=subprocess.DEVNULL, check=False)
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{report.passed} passed, {report.failed} failed", flush=True)
    return 1 if report.failed else 0


def mount(kind, size_mib, folder, disk):
    """Mounts a small file system; says why not otherwise."""
    disk.mkdir()
    commands = [["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", disk]]
    if kind != "tmpfs":
        image = folder / "image"
        with open(image, "wb") as file:
            file.truncate(size_mib * MIB)
        commands = [[f"mkfs.{kind}", "-q", "-m", "0", image], ["mount", "-o", "loop", image, disk]]
    for command in commands:
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except FileNotFoundError as error:
            return str(error)
        if result.returncode:
            return result.stderr.strip().splitlines()[0]
    return None
