"""Part b: ndmjob's own conformance tests, `-o test-tape` and `-o test-mover`, in NDMP v2, v3 and v4. The counts are the client's.

The client stops at its first failed or warned step; a test passed only when every phase came to its end without either.
"""

import pathlib
import re

import dma
from harness import NDMJOB, check, run

VERSIONS = (4, 3, 2)
TAPE_PHASES = ["T-OC", "T-BGS", "T-BW", "T-BR", "T-BWR", "T-WRITE", "T-READ", "T-MTIO"]
MOVER_PHASES = ["M-IDLE", "M-LISTEN", "M-LISTEN/bogus-args", "M-LISTEN/not-open", "M-LISTEN/tape-ro", "M-LISTEN/tape-rw"]
# 110 steps are what a client does whose phase T-BWR ends at the faulty comparison; shim.c lets it go on to its end.
LEAST_TAPE_STEPS = 111
# Every step with LOCAL exists a second time with TCP: 1 + 2 * 2 + (2 + 12) + 2 * 12 of them fall away for a server without it.
MOVER_STEPS = {"LOCAL and TCP": 100, "TCP addressing ONLY": 57}


def part(endpoint, folder, report):
    """Both tests, each with a blank tape in a drive of its own."""
    folder.mkdir()
    with report.step("conformance: shim built, a tape in each drive") as step:
        shim = build_shim(folder)
        with dma.Session(endpoint) as robot:
            robot.scsi_open()
            for number in (0, 1):
                robot.move(endpoint.first_slot + number, endpoint.first_drive + number)
        step.evidence = "loaded by MOVE MEDIUM"
    for version in VERSIONS:
        test(endpoint, folder, report, shim, version)


def test(endpoint, folder, report, shim, version):
    """Both tests in one version."""
    with report.step(f"test-mover v{version}") as step:
        text = client(endpoint, folder, version, "test-mover", endpoint.drives[1], None)
        counts = judge(text, "test-mover", MOVER_PHASES)
        scope = next((scope for scope in MOVER_STEPS if scope in text), None)
        check(scope, "the client does not say which addressing it tested")
        check(counts[3] == MOVER_STEPS[scope], f"{counts[3]} steps, not {MOVER_STEPS[scope]} ({scope})")
        step.evidence = f"{counts[0]} of {counts[3]} passed, 0 warned, 0 failed ({scope})"
    with report.step(f"test-tape v{version}") as step:
        text = client(endpoint, folder, version, "test-tape", endpoint.drives[0], shim)
        counts = judge(text, "test-tape", TAPE_PHASES)
        check(counts[3] >= LEAST_TAPE_STEPS, f"only {counts[3]} steps")
        step.evidence = f"{counts[0]} of {counts[3]} passed, 0 warned, 0 failed"


def build_shim(folder):
    """Compiles shim.c; its head tells which faults of the client it repairs."""
    source = pathlib.Path(__file__).resolve().parent / "shim.c"
    status, text = run(["cc", "-O2", "-Wall", "-shared", "-fPIC", "-o", folder / "shim.so", source, "-ldl"], 60)
    check(status == 0, f"cc: {text}")
    return folder / "shim.so"


def client(endpoint, folder, version, test, drive, shim):
    """The text of one run of the client."""
    _, text = run([NDMJOB, "-o", test, "-T", endpoint.agent(version), "-f", drive, "-v", "-d", "2"], 120,
                  log=folder / f"{test}-v{version}.log", env={"LD_PRELOAD": str(shim)} if shim else None)
    return text


def judge(text, test, phases):
    """(passed, warned, failed, total) of the whole test, once every phase is known to have ended well."""
    ended = re.findall(r"Test (\S+) (\w+) -- pass=(\d+) warn=(\d+) fail=(\d+) \(total (\d+)\)", text)
    so_far = ", ".join(f"{name} {passed}/{total}" for name, _, passed, _, _, total in ended) or "no phase ended"
    bad = re.findall(r"\S+ #\d+ -- (?:Failed|Almost) [^\"]*|Test \"Failure\"", text)
    check(not bad, f"{bad[-1] if bad else ''} (phases ended before: {so_far})")
    check([name for name, *_ in ended] == phases, f"phases ended: {so_far}; all: {' '.join(phases)}")
    final = re.search(rf"FINAL {test} Passed -- pass=(\d+) warn=(\d+) fail=(\d+) \(total (\d+)\)", text)
    check(final, f"no 'FINAL {test} Passed' ({so_far})")
    counts = tuple(map(int, final.groups()))
    check(counts[1] == counts[2] == 0 and counts[0] == counts[3] > 0, f"pass, warn, fail, total = {counts}")
    check(counts[3] == sum(int(phase[5]) for phase in ended), f"the phases do not add up to {counts[3]}: {so_far}")
    return counts
