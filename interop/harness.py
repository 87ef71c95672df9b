"""What every peer's tests need: the server under test, ndmjob's daemon, a capture of the control port, and a report.

Knows nothing of NDMP itself. Everything started here runs in its own process group, has a time limit, and is ended by
its process id when its `with` block ends, however it ends. Read next: ndmjob/run, the first user.

Environment:
  TAPESILO      the server binary; without it `cargo build --release` makes one
  SERVER        "tapesilo" (the only one that counts) or "ndmjob": the reference daemon, to develop these scripts against
  INTEROP_PORT  the control port, 10000 unless told
"""

import contextlib
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
NDMJOB = "/usr/lib/amanda/ndmjob"
PORT = int(os.environ.get("INTEROP_PORT", "10000"))
MIB = 1 << 20


class Failed(Exception):
    """A check that did not hold; the text is the evidence."""


def check(condition, evidence):
    """Raises Failed with the evidence unless the condition holds. (Not `assert`: python3 -O would drop it.)"""
    if not condition:
        raise Failed(evidence)


# ---------------------------------------------------------------------------------------------------- report


class Step:
    """One line of the report; a test sets `evidence` to what it measured."""

    evidence = ""


class Report:
    """Prints one line a step and remembers how many failed."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    @contextlib.contextmanager
    def step(self, name):
        """The block is the step: it fails by raising, and the run goes on behind it."""
        step = Step()
        started = time.monotonic()
        try:
            yield step
        except Exception as error:  # noqa: BLE001 - any failure is one line and the next step
            self.failed += 1
            text = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
            print(f"FAILED  {name}: {text[:1000]}", flush=True)
            if not isinstance(error, Failed):
                traceback.print_exc(file=sys.stdout)
            return
        self.passed += 1
        print(f"ok      {name}: {step.evidence} [{time.monotonic() - started:.1f} s]", flush=True)


# ---------------------------------------------------------------------------------------------------- processes


def run(command, timeout, log=None, env=None, cwd=None):
    """Runs a program to its end and returns (status, text of stdout and stderr together); Failed when it takes too long."""
    environment = dict(os.environ, LC_ALL="C", **(env or {}))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env=environment, cwd=cwd, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        try:
            output, _ = process.communicate(timeout=5)
        except subprocess.TimeoutExpired as over:  # who left the group keeps the pipe open
            output = over.output or b""
        if log:
            pathlib.Path(log).write_bytes(output)
        raise Failed(f"{os.path.basename(str(command[0]))} still ran after {timeout} s") from None
    finally:
        _end(process)
    text = output.decode("utf-8", "backslashreplace")
    if log:
        pathlib.Path(log).write_text(" ".join(map(str, command)) + "\n" + text)
    return process.returncode, text


def _end(process, grace_seconds=5):
    """Ends a process group that we started: TERM, then KILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # children that outlived their parent


@contextlib.contextmanager
def daemon(command, port, log, env=None, cwd=None, timeout=20):
    """A server for the length of the block, entered as soon as it accepts connections on 127.0.0.1:port."""
    require_free(port)
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                   env=dict(os.environ, RUST_BACKTRACE="0", **(env or {})), cwd=cwd, start_new_session=True)
    try:
        deadline = time.monotonic() + timeout
        while True:
            if process.poll() is not None:
                raise Failed(f"{command[0]} ended with {process.returncode} before it listened: {_tail(log)}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if time.monotonic() > deadline:
                raise Failed(f"{command[0]} does not listen on 127.0.0.1:{port} after {timeout} s: {_tail(log)}")
            time.sleep(0.02)
        yield process
        if process.poll() is not None:
            raise Failed(f"{command[0]} died during the test with {process.returncode}: {_tail(log)}")
    finally:
        _end(process)


def _tail(log):
    text = pathlib.Path(log).read_bytes()[-600:].decode("utf-8", "replace")
    return " | ".join(text.split("\n")) or "(it said nothing)"


def require_free(port):
    """Fails, naming who listens, when the port is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError as error:
            owner = subprocess.run(["ss", "-ltnpH", f"sport = :{port}"], capture_output=True, text=True, timeout=10)
            raise Failed(f"port {port}: {error.strerror}; held by: {owner.stdout.strip() or 'unknown'}") from None


def free_port():
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---------------------------------------------------------------------------------------------------- servers


@dataclass
class Endpoint:
    """How a client reaches the tape server under test and what it will find there."""

    name: str
    user: str
    password: str
    robot: str
    drives: list
    first_slot: int
    first_drive: int
    transport: int
    port: int = PORT
    host: str = "127.0.0.1"
    is_reference: bool = False
    pid: int = 0
    tool: tuple = ()                    # the server's own command line, for its other commands

    def agent(self, version=4, auth="m"):
        """The server as ndmjob's -T and -R take it."""
        return f"{self.host}:{self.port}/{version}{auth},{self.user},{self.password}"


def server_kind():
    """Which server these tests run against: SERVER."""
    kind = os.environ.get("SERVER", "tapesilo")
    check(kind in ("tapesilo", "ndmjob"), f"SERVER={kind}: neither tapesilo nor ndmjob")
    return kind


def tapesilo_binary():
    """The server's path: $TAPESILO, or a release build made now."""
    if named := os.environ.get("TAPESILO"):
        path = pathlib.Path(named).resolve()
        check(os.access(path, os.X_OK), f"TAPESILO={named} is not an executable")
        return path
    status, text = run(["cargo", "build", "--release", "--locked"], 1800, cwd=REPOSITORY)
    check(status == 0, f"cargo build --release failed:\n{text[-3000:]}")
    return REPOSITORY / "target" / "release" / "tapesilo"


@contextlib.contextmanager
def tape_server(folder, tape_mib=12, tapes=8, more=""):
    """The server under test with a fresh library: 10 slots, 2 drives, `tapes` blank tapes in the first slots. `more` goes behind
    its configuration."""
    folder.mkdir(parents=True)
    if server_kind() == "ndmjob":
        with _reference_server(folder, tape_mib * MIB) as endpoint:
            yield endpoint
        return
    password = secrets.token_urlsafe(12)
    (folder / "password").write_text(password + "\n")
    (folder / "password").chmod(0o600)
    (folder / "tapesilo.toml").write_text(f"""
[server]
listen = ["127.0.0.1:{PORT}"]
state_dir = "{folder}/state"
control_socket = "{folder}/control.sock"

[[user]]
name = "interop"
password_file = "{folder}/password"
auth = ["md5", "text"]

# How full this machine's disk is must not matter.
[space]
alert_percent = 0
stop_percent = 0

[[loader]]
name = "vault"
path = "{folder}/vault"
slots = 10
drives = 2
mail_slots = 2
tape_capacity = "{tape_mib} MiB"
tape_family = "VLT"
tapes = {tapes}
new_tape_at_end_of_medium = false
{more}
""")
    endpoint = Endpoint(name="tapesilo", user="interop", password=password, robot="vault_robot",
                        drives=["vault_drive0", "vault_drive1"], first_slot=0x1000, first_drive=0x100, transport=1)
    endpoint.tool = (tapesilo_binary(), "--config", folder / "tapesilo.toml")
    with daemon([*endpoint.tool, "serve"], PORT, folder / "server.log", cwd=folder) as process:
        endpoint.pid = process.pid
        yield endpoint


@contextlib.contextmanager
def _reference_server(folder, tape_bytes):
    """ndmjob's own tape and robot simulator. It listens on all addresses: it knows no other way."""
    library = folder / "lib"
    library.mkdir()
    command = [NDMJOB, "-o", "daemon", "-p", str(PORT), "-d", "0", "-o", f"tape-limit={tape_bytes}"]
    endpoint = Endpoint(name="ndmjob", user="ndmp", password="ndmp", robot=str(library),
                        drives=[str(library / "drive0"), str(library / "drive1")], first_slot=1024, first_drive=128,
                        transport=16, is_reference=True)
    with daemon(command, PORT, folder / "server.log", cwd=folder) as process:
        endpoint.pid = process.pid
        yield endpoint


@contextlib.contextmanager
def data_server(folder, formatter):
    """ndmjob as data server (listens on all addresses, one account ndmp/ndmp) with `formatter` for the backup type tar."""
    folder.mkdir(parents=True)
    programs = folder / "bin"
    programs.mkdir()
    (programs / "wrap_tar").symlink_to(formatter)
    configuration = folder / "ndmjob.conf"
    configuration.write_text("[butype tar]\n\tv2attr 0x0\n\tv3attr 0x7fe\n\tv4attr 0x7fe\n\tdefault_env HIST f\n")
    port = free_port()
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "NDMJOB_CONF": str(configuration),
                   "WRAP_TAR_LOG": str(folder / "wrap_tar.log")}
    with daemon([NDMJOB, "-o", "daemon", "-p", str(port), "-d", "0"], port, folder / "data.log", env=environment, cwd=folder):
        yield f"127.0.0.1:{port}/4m,ndmp,ndmp"


# ---------------------------------------------------------------------------------------------------- capture


@contextlib.contextmanager
def capture(path):
    """All of the control port's traffic on the loopback during the block; Failed when a packet was dropped."""
    log = path.with_suffix(".dumpcap.log")
    with open(log, "wb") as output:
        process = subprocess.Popen(["dumpcap", "-q", "-i", "lo", "-f", f"tcp port {PORT}", "-s", "0", "-B", "256", "-w", path],
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + 20
        while b"File: " not in log.read_bytes():
            check(process.poll() is None, f"dumpcap ended: {_tail(log)}")
            check(time.monotonic() < deadline, f"dumpcap does not start: {_tail(log)}")
            time.sleep(0.02)
        yield
        time.sleep(0.3)  # packets still on their way through the kernel's ring
        process.send_signal(signal.SIGINT)
        process.wait(20)
        counts = re.search(rb"received/dropped on interface '.*': (\d+)/(\d+)", log.read_bytes())
        check(counts, f"dumpcap said nothing of dropped packets: {_tail(log)}")
        check(int(counts[2]) == 0, f"dumpcap dropped {int(counts[2])} of {int(counts[1])} packets")
    finally:
        _end(process)


def decode(path, judge_client=True):
    """Decodes a capture with tshark in two passes and returns the number of NDMP messages.

    Failed when there is none, when a frame is malformed or carries an expert error, when bytes are missing from a stream, or
    when a frame with data is no NDMP. With judge_client False only what the server sent is judged (the client's is bad on
    purpose). Not judged are replies of exactly one header (28 bytes): a header error has no body by the standard, but
    Wireshark's dissector looks for one and calls its absence malformed; and it takes no code above 0xa09 for NDMP at all, so
    that the answer to an unknown message is none to it. Nor is TAPE_GET_STATE in version 2 judged: the dissector expects a
    mask in front of the reply, which only later versions have.
    """
    check(path.exists(), "no capture")
    ours = f"tcp.port == {PORT}" if judge_client else f"tcp.srcport == {PORT}"
    header_only = f"(tcp.srcport == {PORT} && tcp.len == 28)"
    header_only = f"({header_only} || (ndmp.version == 2 && ndmp.msg == 0x302))"
    messages = sum(len(line.split(",")) for line in tshark(path, f"ndmp && {ours}", ["ndmp.sequence"]) if line)
    check(messages > 0, f"tshark found no NDMP message in {path}")
    for what, condition in (
        ("malformed", f"_ws.malformed && !{header_only}"),
        ("expert error", f"ndmp && _ws.expert.severity >= 8388608 && !{header_only}"),
        ("bytes lost", "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment"),
        ("data that is no NDMP",
         f"tcp.len > 0 && !ndmp && !tcp.reassembled_in && !tcp.segment && !tcp.analysis.retransmission && !{header_only}"),
    ):
        bad = tshark(path, f"({condition}) && {ours}", ["frame.number", "_ws.col.Info"])
        check(not bad, f"{what} in {len(bad)} frames of {path}, first: {bad[0] if bad else ''}")
    return messages


def tshark(path, display_filter, fields):
    # Hostile clients speak HTTP and TLS on purpose: that must not make Wireshark take the server's side for it, too.
    command = ["tshark", "-2", "-n", "-r", str(path), "-d", f"tcp.port=={PORT},ndmp", "-Y", display_filter, "-T", "fields",
               "--disable-protocol", "tls", "--disable-protocol", "http",
               "-o", "ndmp.defragment:TRUE", "-o", "ndmp.desegment:TRUE", "-o", "tcp.desegment_tcp_streams:TRUE"]
    for name in fields:
        command += ["-e", name]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=180)
    check(result.returncode == 0, f"tshark: {result.stderr.strip()[-500:]}")
    return result.stdout.splitlines()


# ---------------------------------------------------------------------------------------------------- the run as a whole


@contextlib.contextmanager
def workspace(report, limit_seconds):
    """A temporary folder for one run: gone when all passed, kept and named when something failed; the run ends at the limit."""

    def out_of_time(*_):
        raise SystemExit(f"FAILED  the whole run took more than {limit_seconds} s")

    def told_to_stop(number, _):
        raise SystemExit(f"FAILED  ended by signal {number}")

    signal.signal(signal.SIGALRM, out_of_time)
    signal.signal(signal.SIGTERM, told_to_stop)
    signal.alarm(limit_seconds)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tapesilo-interop-"))
    finished = False
    try:
        yield folder
        finished = True
    finally:
        signal.alarm(0)
        if finished and report.failed == 0 and not os.environ.get("KEEP"):
            shutil.rmtree(folder)
        else:
            print(f"logs and captures kept in {folder}", flush=True)
