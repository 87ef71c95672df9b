#!/usr/bin/python3
"""The copy engine of the real server against tgt's robot and drives; README.md says what each part proves. Run by `run`.

    interop/tgt/copies.py [PART ...]      all parts unless named; cartridges.py has what the environment may say

A part has a library and a server of its own. What must be so is in site.py; parts in which somebody dies are in interrupted.py.
"""

import os
import pathlib
import sys
import time
import urllib.request

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import interrupted  # noqa: E402
from cartridges import CHANGER_SERIAL, DRIVES, SLOTS, Scar, cartridge, layout  # noqa: E402
from copying import LIBRARY, LOADER, objects_of, wait_for  # noqa: E402
from harness import MIB, Report, check, free_port, workspace  # noqa: E402
from site_of_copies import LONG, site  # noqa: E402

# Lengths of records, None for a filemark: around each limit of the transport and of tgt's reads (a buffer of less than twice the
# record), odd ones; empty files, marks alone, in rows, at the beginning and the end.
MIXED = [None, 1, 2, 3, 4, 512, None, None, None, 65_535, 65_536, 65_537, 777, 1, 262_143, 262_144, 262_145, None, 524_287, 524_288,
         600_001, MIB - 1, MIB, None, 32_768, None, None]
NO_MARK_AT_THE_END = [10_240] * 40 + [None] + [333] * 5
DAY_SECONDS = 86_400


def shown(report, folder):
    """What operators are told before anything is copied."""
    with site(folder, ["TST001L8", "TST002L8", "OTHER1L8"], 'barcodes = ["TST*"]\nwhen = ["full"]') as here:
        with report.step("shown: the library, its robot and drives by their own names") as step:
            library = here.bench.ready()
            told = {key: library[key] for key in ("driver", "serial", "slots", "slots_full", "mail_slots", "drives", "drives_full", "copies_running")}
            wanted = {"driver": "scsi", "serial": CHANGER_SERIAL, "slots": SLOTS, "slots_full": 3, "mail_slots": 2, "drives": DRIVES,
                      "drives_full": 0, "copies_running": 0}
            check(told == wanted, f"{told}")
            status, text = here.bench.tool("library", "list")
            check(status == 0 and LIBRARY in text and CHANGER_SERIAL in text, text)
            step.evidence = f"{library['vendor']} {library['product']} {CHANGER_SERIAL}"
        with report.step("shown: the inventory, place by place") as step:
            check(here.bench.elements("slot") == {"slot 0": "TST001L8", "slot 1": "TST002L8", "slot 2": "OTHER1L8"}, f"{here.bench.elements('')}")
            drives = [element["drive_serial"] for element in here.bench.report("library", "inventory", LIBRARY)["elements"] if element["place"].startswith("drive")]
            check(drives == ["DRV00001", "DRV00002"], f"{drives}")
            status, text = here.bench.tool("library", "inventory", LIBRARY)
            check(status == 0 and "TST001L8" in text and "DRV00002" in text, text)
            step.evidence = "3 cartridges in 8 slots, drives DRV00001 and DRV00002"
        with report.step("shown: the plan says of each tape what is done, or why not") as step:
            for barcode in ("TST001L8", "TST009L8", "OTHER1L8"):
                here.bench.make(barcode, objects_of([1000, None]))
            here.bench.create("TST002L8")
            here.bench.make("TST003L8", objects_of([1000, None]))
            here.bench.load("TST003L8")
            plan = {barcode: (line["verdict"], line["reason"]) for barcode, line in here.bench.plan().items()}
            wanted = {"TST001L8": ("wait", "not_triggered"), "TST002L8": ("skip", "empty"), "TST003L8": ("wait", "in_drive"),
                      "TST009L8": ("skip", "no_cartridge"), "OTHER1L8": ("skip", "not_selected")}
            check(plan == wanted, f"{plan}")
            status, text = here.bench.tool("copy", "plan", LOADER, "--to", LIBRARY)
            check(status == 0 and all(barcode in text for barcode in wanted), text)
            step.evidence = ", ".join(f"{barcode} {reason}" for barcode, (_, reason) in sorted(plan.items()))
        with report.step("shown: the plan of a tape that an operator asks for is what is done") as step:
            done, text = here.bench.copy("TST001L8")
            check(done, text)
            line = here.bench.plan()["TST001L8"]
            check((line["verdict"], line["reason"]) == ("skip", "already_there"), f"{line}")
            step.evidence = here.is_copied("TST001L8", objects_of([1000, None]))


def exact(report, folder):
    """Record for record, by each of the verifications, by two drives at once."""
    names = [f"TST00{number}L8" for number in range(1, 6)]
    copies = [f'barcodes = ["{name}"]\nverify = "{verify}"' for name, verify in zip(names, ("read-back", "counts", "none"))]
    copies.append('barcodes = ["TST004L8", "TST005L8"]\nverify = "read-back"\nbandwidth = "20 MB"')
    with site(folder, names, *copies) as here:
        contents = {name: objects_of(MIXED, number * 1000) for number, name in enumerate(names[:3])}
        for name, content in contents.items():
            here.bench.make(name, content)
        for number, name in enumerate(names[3:], 5):
            contents[name] = objects_of([256 * 1024] * 60 + NO_MARK_AT_THE_END, number)
            here.bench.take(name, contents[name])
        before = {name: here.bench.digest(name) for name in names}
        # tgt's drives cannot count: they are made to read.
        for name, state, how in zip(names, ("verified", "verified", "copied"), ("read-back", ("counts", "read-back"), None)):
            verify = how if isinstance(how, str) else how and how[0]
            with report.step(f"exact: records of 1 byte to 1 MiB and filemarks as tgt shows them, verification {verify or 'none'}") as step:
                done, text = here.bench.copy(name)
                check(done, text)
                copy = here.bench.shown(name)
                check(copy["state"] == state and (copy["verification"] == how or copy["verification"] in (how or ())), f"{copy}")
                step.evidence = f"{here.is_copied(name, contents[name])}, {copy['verification']}"
        with report.step("exact: two drives at one time; tapes that do not end with a filemark end so on the cartridge") as step:
            here.bench.begin(names[3], names[4])
            drives = wait_for(lambda: found if len(found := here.bench.elements("drive")) == 2 else None, "two full drives at one time", 30, 0.02)
            for name in names[3:]:
                here.bench.wait_state(name, "verified")
            step.evidence = f"{drives}; " + "; ".join(here.is_copied(name, contents[name]) for name in names[3:])
        with report.step("exact: cartridges are in the slots where they began, drives empty, virtual tapes as they were") as step:
            check(here.bench.elements("drive") == {}, f"{here.bench.elements('drive')}")
            check(here.bench.elements("slot") == {f"slot {slot}": name for slot, name in enumerate(names)}, f"{here.bench.elements('slot')}")
            check({name: here.bench.digest(name) for name in names} == before, "a virtual tape has changed")
            reasons = {line["reason"] for line in here.bench.plan().values()}
            check(reasons == {"already_there"}, f"{reasons}")
            step.evidence = "5 of 5, by tgt's robot and by SHA-256"


def grown(report, folder):
    """Tapes that change after they were copied. A changed byte in the middle of the cartridge tells whether it is written again."""
    copies = ['barcodes = ["TST001L8", "TST002L8"]\nverify = "none"', 'barcodes = ["TST003L8"]\nattempts = 1']
    with site(folder, ["TST001L8", "TST002L8", "TST003L8"], *copies) as here:
        content = objects_of([MIB] * 4 + [None, 5000, None])
        for name in ("TST001L8", "TST002L8", "TST003L8"):
            here.bench.make(name, content)
            done, text = here.bench.copy(name)
            check(done, text)
        with report.step("grown: what is appended is written behind what is there, and nothing before it again") as step:
            scar = Scar(here.library.image("TST001L8"), 2)
            here.bench.append("TST001L8", objects_of([70_000, None, 1, None], 50))
            wait_for(lambda: True if here.bench.shown("TST001L8")["state"] == "stale" else None, "copy that is stale")
            done, text = here.bench.copy("TST001L8")
            check(done, text)
            check("it goes on behind block 7" in text or here.bench.shown("TST001L8")["secured_blocks"] == 11, text)
            check(scar.is_there(), "the record with the changed byte was written again")
            wanted = here.bench.on_tape("TST001L8")
            step.evidence = f"from 7 to {here.is_copied('TST001L8', wanted, but=2)}"
        with report.step("grown: a tape that was overwritten is copied anew, over what was there") as step:
            here.bench.write("TST002L8", objects_of([9, None, 80_000, None], 70))
            done, text = here.bench.copy("TST002L8")
            check(done, text)
            step.evidence = here.is_copied("TST002L8", objects_of([9, None, 80_000, None], 70))
        with report.step("grown: a byte that changes on the cartridge is found by reading back, and never verified") as step:
            here.bench.append("TST003L8", objects_of([10, None], 90))
            scar = Scar(here.library.image("TST003L8"), 1)
            step.evidence = here.bench.refused("copy", "run", LOADER, "TST003L8", "--to", LIBRARY, words=["TST003L8", "block 1"])
            copy = here.bench.shown("TST003L8")
            check(copy["state"] == "failed" and copy["verification"] is None, f"{copy}")
            done, text = here.bench.copy("TST003L8")
            check(done and not scar.is_there(), text)
            here.is_copied("TST003L8", here.bench.on_tape("TST003L8"))


def refused(report, folder):
    """Cartridges that must not be written: nothing of them changes."""
    names = [f"TST00{number}L8" for number in range(1, 5)]
    others = {"TST002L8": [b"somebody else's data" * 50, None], "TST003L8": [*objects_of([4000], 7), None, b"and more", None]}
    with site(folder, names, "attempts = 1", library='tape_capacity = "24 MiB"', others=others) as here:
        for name, lengths in zip(names, (LONG[:40], [4000, None], [4000, None], [4000, None])):
            here.bench.make(name, objects_of(lengths, 7))
        with report.step("refused: a cartridge that is smaller than the tape") as step:
            before = here.sha256("TST001L8")
            line = here.bench.plan()["TST001L8"]
            check((line["verdict"], line["reason"]) == ("skip", "too_small"), f"{line}")
            step.evidence = here.bench.refused("copy", "run", LOADER, "TST001L8", "--to", LIBRARY, words=["attic/TST001L8", "holds 25165824 bytes", "are needed"])
            check(here.sha256("TST001L8") == before, "the cartridge has changed")
            here.bench.refused("copy", "show", f"{LIBRARY}/TST001L8", words=["TST001L8"])
        with report.step("refused: another's data, also where it begins with the same record") as step:
            for name, objects in others.items():
                before = here.sha256(name)
                line = here.bench.refused("copy", "run", LOADER, name, "--to", LIBRARY, words=[name, "was not touched"])
                check(here.sha256(name) == before, f"{name} has changed")
                check(here.bench.shown(name)["state"] == "failed", f"{here.bench.shown(name)}")
                check(cartridge(here.library.image(name)) == objects, "what tgt shows has changed")
            step.evidence = line
        with report.step("refused: a write-protected cartridge") as step:
            here.library.protect(True)
            before = here.sha256("TST004L8")
            step.evidence = here.bench.refused("copy", "run", LOADER, "TST004L8", "--to", LIBRARY, words=["TST004L8", "write-protected"])
            here.library.protect(False)
            check(here.sha256("TST004L8") == before and layout(here.library.image("TST004L8")) == [], "the cartridge has changed")
            copy = here.bench.shown("TST004L8")
            check(copy["state"] == "failed" and copy["secured_blocks"] == 0 and not copy["pending"], f"{copy}")
        with report.step("refused: all cartridges are home, and status tells operators what waits for them") as step:
            check(here.bench.elements("drive") == {}, f"{here.bench.elements('drive')}")
            alerts = {alert["subject"]: alert["message"] for alert in here.bench.report("status")["alerts"]}
            check({f"copy {LIBRARY}/{name}" for name in names[1:]} <= set(alerts), f"{alerts}")
            step.evidence = f"{len(alerts)} alerts"
        with report.step("refused: what stood in the way is gone: the next try copies") as step:
            done, text = here.bench.copy("TST004L8")
            check(done, text)
            step.evidence = here.is_copied("TST004L8", objects_of([4000, None], 7))


def commands(report, folder):
    """The commands, their --json and their exit codes."""
    with site(folder, ["TST001L8", "TST002L8"], 'bandwidth = "20 MB"') as here:
        here.bench.make("TST001L8", objects_of(LONG[:60] + [None]))
        here.bench.make("TST002L8", objects_of([100, None]))
        with report.step("commands: list and show tell of a copy that is being made, with rate and time left") as step:
            here.bench.begin("TST001L8")
            seen = []

            def progress():
                copy = next(copy for copy in here.bench.report("copy", "list") if copy["barcode"] == "TST001L8")
                if copy["progress"] and (copy["progress"]["activity"], copy["state"]) not in seen:
                    seen.append((copy["progress"]["activity"], copy["state"]))
                is_moving = (copy["progress"] or {}).get("rate_bytes_per_second")
                return copy if is_moving and copy["progress"]["left_seconds"] is not None else None

            copy = wait_for(progress, "rate and time left", 30, 0.02)
            rate = copy["progress"]["rate_bytes_per_second"]
            check(rate < 40_000_000, f"{rate} bytes a second, with a limit of 20 MB")
            status, text = here.bench.tool("copy", "show", f"{LIBRARY}/TST001L8")
            check(status == 0 and "MB/s" in text and "left" in text, text)
            status, text = here.bench.tool("copy", "list")
            check(status == 0 and "TST001L8" in text and "writing" in text, text)
            step.evidence = f"{seen}, {rate / 1e6:.1f} MB/s"
        with report.step("commands: cancel ends a copy; the next run goes on with it") as step:
            status, text = here.bench.tool("copy", "cancel", f"{LIBRARY}/TST001L8")
            check(status == 0, text)
            copy = here.bench.wait_state("TST001L8", "failed")
            check("called" in copy["message"] and copy["retry_unix_seconds"] is None, f"{copy}")
            check(here.bench.elements("drive") == {}, "the cartridge is not home")
            here.bench.refused("copy", "cancel", f"{LIBRARY}/TST001L8", words=["nothing to cancel"])
            done, text = here.bench.copy("TST001L8")
            check(done, text)
            step.evidence = here.is_copied("TST001L8", objects_of(LONG[:60] + [None]))
        with report.step("commands: run exits 0 when all went well, 1 when a tape was not copied, 2 when used wrongly") as step:
            copies = here.bench.report("copy", "run", LOADER, "TST002L8", "--to", LIBRARY)
            check([copy["state"] for copy in copies] == ["verified"], f"{copies}")
            status, text = here.bench.tool("copy", "run", LOADER, "--to", LIBRARY)
            check(status == 0 and text.count("is copied already") == 2, text)
            here.bench.create("TST008L8")
            here.bench.append("TST008L8", objects_of([5, None]))
            lines = [
                here.bench.refused("copy", "run", LOADER, "TST008L8", "--to", LIBRARY, words=["TST008L8", "no cartridge"]),
                here.bench.refused("copy", "run", LOADER, "TST00L8", "--to", LIBRARY, words=["no tape", "did you mean"]),
                here.bench.refused("copy", "run", LOADER, "--to", "attik", words=["attik", LIBRARY]),
                here.bench.refused("copy", "plan", "vaul", "--to", LIBRARY, words=["vaul", LOADER]),
                here.bench.refused("copy", "show", f"{LIBRARY}/NONE", words=["NONE"]),
                here.bench.refused("copy", "cancel", f"{LIBRARY}/NONE", words=["NONE"]),
                here.bench.refused("library", "inventory", "attik", words=["attik", LIBRARY]),
            ]
            here.bench.refused("copy", "run", LOADER, words=["--to"], code=2)
            here.bench.refused("copy", "list", "--nonsense", words=["--nonsense"], code=2)
            step.evidence = f"{len(lines)} refusals with one line each"
        with report.step("commands: without a server they say so") as step:
            here.bench.server.stop()
            step.evidence = here.bench.refused("copy", "list", words=["tapesilo serve"])
            here.bench.start()


def uncopied(report, folder):
    """Tapes that wait long for their copy."""
    port = free_port()
    with site(folder, ["TST001L8"], 'when = ["full"]', server=f'metrics = "127.0.0.1:{port}"') as here:
        for name in ("TST001L8", "TST002L8"):
            here.bench.make(name, objects_of([50_000, None]))
        written = int(time.time()) - 9 * DAY_SECONDS
        os.utime(here.bench.server.vault / "TST002L8" / "data", (written, written))

        def metrics():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
                lines = [line.rsplit(" ", 1) for line in reply.read().decode().splitlines() if not line.startswith("#")]
            label = f'{{library="{LIBRARY}",loader="{LOADER}"}}'
            return {name.removesuffix(label): float(value) for name, value in lines if name.startswith("tapesilo_uncopied") and name.endswith(label)}

        with report.step("uncopied: how many tapes wait, how much, and since when, as metrics and in the library's report") as step:
            found = wait_for(lambda: seen if (seen := metrics()).get("tapesilo_uncopied_oldest_timestamp_seconds") == written else None,
                             "metric of the tape that waits longest", 30)
            check(found["tapesilo_uncopied_tapes"] == 2 and found["tapesilo_uncopied_bytes"] > 100_000, f"{found}")
            told = here.bench.report("library", "list")[0]["uncopied"]
            check([line["oldest_barcode"] for line in told] == ["TST002L8"], f"{told}")
            step.evidence = f"{found}"
        with report.step("uncopied: the oldest is an alert, with its age and what tells more") as step:
            alerts = [alert["message"] for alert in here.bench.report("status")["alerts"] if alert["subject"] == "tape TST002L8"]
            check(len(alerts) == 1 and "9 days" in alerts[0] and "copy plan" in alerts[0], f"{alerts}")
            step.evidence = alerts[0]
        with report.step("uncopied: what was copied does not wait any more") as step:
            here.library.fill(["TST002L8"])
            done, text = here.bench.copy()
            check(done, text)
            found = wait_for(lambda: seen if (seen := metrics()).get("tapesilo_uncopied_tapes") == 0 else None, "metric that says that nothing waits", 30)
            check(not [alert for alert in here.bench.report("status")["alerts"] if "TST" in alert["subject"]], "the alert is still there")
            step.evidence = f"{found}"


PARTS = {"shown": shown, "exact": exact, "grown": grown, "refused": refused, "commands": commands, "uncopied": uncopied} | interrupted.PARTS


def main():
    wanted = sys.argv[1:] or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        print(f"no such part: {' '.join(sorted(unknown))}\n{__doc__}", file=sys.stderr)
        return 2
    report = Report()
    with workspace(report, limit_seconds=int(os.environ.get("LIMIT_SECONDS", "600"))) as folder:
        for name in wanted:
            here = folder / name
            here.mkdir()
            with report.step(f"{name}: library and server up and down again") as step:
                PARTS[name](report, here)
                step.evidence = "no complaint in the server's log that nothing explains"
    print(f"copies to tgt: {report.passed} passed, {report.failed} failed", flush=True)
    return 0 if report.failed == 0 and report.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
