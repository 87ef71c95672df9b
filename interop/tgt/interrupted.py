"""Parts of copies.py in which somebody stops or dies in the middle of a copy: tgtd, or the server.

Copies are slowed to a known rate so that the middle can be met; checkpoints are 64 MiB apart. A byte that is changed on the cartridge
before the last checkpoint tells whether what stands there is written again: nobody reads it, as these copies are not verified.
"""

import signal
import time

from cartridges import Scar, is_local
from copying import LIBRARY, wait_for
from harness import check
from site_of_copies import site

COPY = 'verify = "none"\nbandwidth = "80 MB"\ncheckpoint = "64 MiB"'
# Blocks of the tape before its first checkpoint, about; and a record that stands there.
FIRST_CHECKPOINT, EARLY = 64, 20


def library_dies(report, folder):
    """tgtd stands still, and tgtd dies."""
    if is_local():
        print("NOTE    tgtd: not stopped and killed here: this kernel has its devices", flush=True)
        return
    with site(folder, ["TST001L8"], COPY) as here:
        objects, digest = here.make_long("TST001L8")
        with report.step("tgtd: stands still for a while in the middle; the copy waits and goes on, without a new try") as step:
            here.bench.begin("TST001L8")
            here.bench.wait_secured("TST001L8", FIRST_CHECKPOINT)
            here.library.signal(signal.SIGSTOP)
            time.sleep(1.5)
            before = here.bench.shown("TST001L8")["progress"]["blocks"]
            time.sleep(1)
            copy = here.bench.shown("TST001L8")
            check(copy["progress"]["blocks"] == before and copy["state"] == "copying", f"{copy}")
            here.library.signal(signal.SIGCONT)
            copy = here.bench.wait_state("TST001L8", "copied")
            check(copy["attempts"] == 0, f"{copy}")
            step.evidence = f"stood at block {before}; {here.is_copied('TST001L8', objects)}"
        with report.step("tgtd: stands still, and the operator calls the copy off all the same") as step:
            here.library.fill(["TST002L8"])
            objects, digest = here.make_long("TST002L8")
            here.bench.begin("TST002L8")
            here.bench.wait_secured("TST002L8", FIRST_CHECKPOINT)
            here.library.signal(signal.SIGSTOP)
            time.sleep(0.5)
            begun = time.monotonic()
            status, text = here.bench.tool("copy", "cancel", f"{LIBRARY}/TST002L8")
            check(status == 0, text)
            here.library.signal(signal.SIGCONT)
            copy = here.bench.wait_state("TST002L8", "failed")
            check("called" in copy["message"] and copy["secured_blocks"] >= FIRST_CHECKPOINT, f"{copy}")
            step.evidence = f"{copy['message']} ({time.monotonic() - begun:.1f} s)"
        with report.step("tgtd: is killed in the middle; the copy fails with what is sure, and nothing is said to be copied") as step:
            here.bench.begin("TST002L8")
            here.bench.wait_secured("TST002L8", 2 * FIRST_CHECKPOINT)
            here.library.kill()
            copy = here.bench.wait_state("TST002L8", "failed")
            check(copy["retry_unix_seconds"] and copy["secured_blocks"] >= 2 * FIRST_CHECKPOINT, f"{copy}")
            library = wait_for(lambda: told if (told := here.bench.report("library", "list")[0])["state"] == "offline" else None, "library that is offline")
            here.bench.refused("library", "inventory", LIBRARY, words=[LIBRARY, "offline"])
            step.evidence = f"{copy['message']}; {library['problem']}"
        with report.step("tgtd: is started again; the copy goes on behind the last checkpoint") as step:
            scar = Scar(here.library.image("TST002L8"), EARLY)
            here.library.start()
            here.bench.ready()
            line = here.bench.plan()["TST002L8"]
            done, text = here.bench.copy("TST002L8")
            check(done, text)
            check(scar.is_there(), "what was sure was written again")
            check(here.bench.digest("TST002L8") == digest, "the virtual tape has changed")
            step.evidence = f"{line['reason']}; {copy['secured_blocks']} of {here.is_copied('TST002L8', objects, but=EARLY)} not written again"


def server_dies(report, folder):
    """The server is told to end, and is killed."""
    with site(folder, ["TST001L8"], COPY) as here:
        objects, digest = here.make_long("TST001L8")

        def interrupt(how, blocks):
            here.bench.begin("TST001L8")
            here.bench.wait_secured("TST001L8", blocks)
            begun = time.monotonic()
            how()
            return time.monotonic() - begun

        def resumed(blocks):
            """The server that starts again goes on by itself."""
            scar = Scar(here.library.image("TST001L8"), EARLY)
            here.bench.start()
            copy = here.bench.wait_state("TST001L8", "copied")
            check(scar.is_there(), "what was sure was written again")
            check(here.bench.digest("TST001L8") == digest, "the virtual tape has changed")
            check(copy["attempts"] == 0 and copy["secured_blocks"] > blocks, f"{copy}")
            evidence = here.is_copied("TST001L8", objects, but=EARLY)
            check(here.bench.elements("drive") == {}, "a drive is full")
            scar.heal()
            return evidence

        with report.step("server: told to end (SIGTERM) in the middle, it brings the cartridge home first") as step:
            seconds = interrupt(here.bench.server.stop, FIRST_CHECKPOINT)
            check(here.library.loaded() == [], f"{here.library.loaded()} are still in drives")
            check(here.bench.server.process.returncode == 0, f"exit code {here.bench.server.process.returncode}")
            step.evidence = f"{seconds:.1f} s"
        with report.step("server: started again, it goes on by itself behind the last checkpoint") as step:
            step.evidence = resumed(FIRST_CHECKPOINT)
        with report.step("server: killed (SIGKILL) in the middle, and goes on by itself; the cartridge comes home") as step:
            here.bench.append("TST001L8", objects[:2 * len(objects) // 3])
            objects, digest = here.bench.on_tape("TST001L8"), here.bench.digest("TST001L8")
            interrupt(here.bench.server.kill, len(objects) // 10 * 7)
            check(here.library.loaded() == ["TST001L8"], f"{here.library.loaded()} are in drives")
            step.evidence = resumed(len(objects) // 10 * 7)
        with report.step("server: nothing was tried in vain, nothing is left over") as step:
            reasons = {line["reason"] for line in here.bench.plan().values()}
            check(reasons == {"already_there"}, f"{reasons}")
            errors = [line for line in here.bench.log().splitlines() if " ERROR " in line]
            check(not errors, f"{errors}")
            step.evidence = f"{here.bench.log().count('goes on where it is sure')} times gone on where it was sure"


PARTS = {"tgtd": library_dies, "server": server_dies}
