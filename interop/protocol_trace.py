"""The server's own protocol trace beside a capture: both must have seen the same messages, by number and by name.

`traced` has the server write a trace during a block, `compare` holds it against what tshark makes of the capture. Sessions that
began before both were on are left out; that none is missing otherwise is what is judged.
"""

import collections
import contextlib
import functools
import re

import harness
from harness import check

LINE = re.compile(r"\S+Z session=\d+ (\S+) > (\S+) seq=(\d+)(?: reply_to=(\d+))? (\S+) (Request|Reply)")
CLIENT_AUTH = "CONNECT_CLIENT_AUTH"


@contextlib.contextmanager
def traced(endpoint, path):
    """All sessions from this machine, in the block."""
    _tool(endpoint, "session", "trace", "--address", endpoint.host, "--file", path, "--limit", "4 GiB")
    yield
    text = _tool(endpoint, "session", "trace", "--off")
    check(" lost" not in text, f"the trace has lost messages: {text}")


def _tool(endpoint, *arguments):
    status, text = harness.run([*endpoint.tool, *arguments], 60)
    check(status == 0, f"tapesilo {' '.join(map(str, arguments))}: {text}")
    return text


def compare(trace, packets, secrets):
    """Failed unless trace and capture have the same messages; the number of them."""
    text = trace.read_text()
    for secret in secrets:
        check(secret not in text, "a password is in the trace")
    ours = _of_trace(text)
    theirs = _of_capture(packets)
    sessions = [peer for peer in theirs if peer in ours]
    check(sessions, f"the trace has {len(ours)} sessions, the capture {len(theirs)}, none in common")
    lost = [peer for peer in theirs if peer not in ours]
    check(not lost, f"{len(lost)} sessions are not in the trace, one from {lost[0] if lost else ''}")
    for peer in ours:
        check(peer in theirs, f"the session from {peer} is not in the capture")
        for direction in (0, 1):
            difference = _difference(ours[peer][direction], theirs[peer][direction])
            check(not difference, f"from {peer}, direction {direction}: {difference}")
    logins = text.count(f"{CLIENT_AUTH} Request")
    check(logins > 0 and text.count("(not shown)") >= logins, f"{logins} logins, not all of them without their secret")
    return sum(len(messages) for both in ours.values() for messages in both)


def _difference(ours, theirs):
    for number, (own, other) in enumerate(zip(ours, theirs)):
        # What Wireshark has no name for (LOG_LOG of version 2) the trace may call what it likes.
        if own != other and own != (*other[:2], other[2] or own[2], other[3]):
            return f"message {number} is {own} in the trace and {other} in the capture"
    if len(ours) != len(theirs):
        return f"{len(ours)} messages in the trace, {len(theirs)} in the capture"
    return None


def _of_trace(text):
    """For each client the messages from and to it: sequence, sequence answered, name, request or reply."""
    sessions = collections.defaultdict(lambda: ([], []))
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        found = LINE.match(line)
        check(found, f"not a message: {line}")
        source, target, sequence, answered, name, kind = found.groups()
        is_request = int(source.rsplit(":", 1)[1]) != harness.PORT
        port = (source if is_request else target).rsplit(":", 1)[1]
        sessions[int(port)][0 if is_request else 1].append((int(sequence), int(answered or 0), name, kind))
    return dict(sessions)


@functools.cache
def _names():
    """Wireshark's names of the messages."""
    status, text = harness.run(["tshark", "-G", "values"], 120)
    check(status == 0, f"tshark: {text[-300:]}")
    rows = (line.split("\t") for line in text.splitlines() if line.startswith("V\tndmp.msg\t"))
    return {int(code, 0): name for _, _, code, name in rows}


def _of_capture(packets):
    """As _of_trace, by tshark."""
    fields = ["tcp.srcport", "tcp.dstport", "ndmp.sequence", "ndmp.reply_sequence", "ndmp.msg", "ndmp.msg_type"]
    sessions = collections.defaultdict(lambda: ([], []))
    for line in harness.tshark(packets, "ndmp.msg", fields):  # not the fragments of a record that others end
        source, target, *columns = line.split("\t")
        is_request = int(source) != harness.PORT
        into = sessions[int(source if is_request else target)][0 if is_request else 1]
        for sequence, answered, code, kind in zip(*(column.split(",") for column in columns), strict=True):
            code = int(code, 0)
            into.append((int(sequence, 0), int(answered, 0), _names().get(code), ("Request", "Reply")[int(kind, 0)]))
    return dict(sessions)
