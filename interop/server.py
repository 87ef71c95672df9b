"""The server under test, started on one folder again and again: killed, stopped, and asked what it complained of.

Users: tgt/copies.py, and all of endurance/ (through writer.py). Where one start is enough, `harness.tape_server` does it.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time

import harness

FIRST_SLOT, FIRST_DRIVE = 0x1000, 0x100
PASSWORD = "endurance"

# How full this machine's disk is does not matter, where a test is not about that.
ANY_DISK = "\n[space]\nalert_percent = 0\nstop_percent = 0\n"


class Server:
    """`tapesilo serve` on a folder that it is started on again and again; one loader."""

    def __init__(self, folder, tapes=4, capacity="64 MiB", environment=None, path=None, server="", more="", drives=2, host="127.0.0.1"):
        self.folder = folder
        self.vault = path or folder / "vault"
        self.environment = environment or {}
        self.port = harness.free_port()
        self.process = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "password").write_text(PASSWORD + "\n")
        (folder / "password").chmod(0o600)
        (folder / "tapesilo.toml").write_text(f"""
[server]
listen = ["{host}:{self.port}"]
state_dir = "{folder}/state"
control_socket = "{folder}/control.sock"
{server}

[[user]]
name = "endurance"
password_file = "{folder}/password"
auth = ["md5"]

[[loader]]
name = "vault"
path = "{self.vault}"
slots = 10
drives = {drives}
mail_slots = 2
tape_capacity = "{capacity}"
tape_family = "VLT"
tapes = {tapes}
new_tape_at_end_of_medium = false
{more if "[space]" in more else more + ANY_DISK}""")
        self.endpoint = harness.Endpoint(
            name="tapesilo", user="endurance", password=PASSWORD, robot="vault_robot", drives=[f"vault_drive{number}" for number in range(drives)],
            first_slot=FIRST_SLOT, first_drive=FIRST_DRIVE, transport=1, port=self.port, host=host)

    def tool(self):
        """The program's own command line, for its other commands."""
        return [binary(), "--config", self.folder / "tapesilo.toml"]

    def start(self):
        """Starts the process; `wait` waits until it answers."""
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.tool(), "serve"], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, env={**os.environ, "RUST_BACKTRACE": "1", **self.environment}, cwd=self.folder,
                start_new_session=True)

    def wait(self, seconds=20):
        """Until it accepts connections."""
        deadline = time.monotonic() + seconds
        while True:
            harness.check(self.process.poll() is None, f"tapesilo ended with {self.process.returncode}; see {self.folder}/server.log")
            with contextlib.suppress(OSError), socket.create_connection((self.endpoint.host, self.port), 1):
                return
            harness.check(time.monotonic() < deadline, f"tapesilo does not listen after {seconds} s; see {self.folder}/server.log")
            time.sleep(0.002)

    def kill(self):
        """SIGKILL, and waits until it is gone."""
        self.process.kill()
        self.process.wait(20)

    def stop(self):
        """An orderly end, if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def complaints(self):
        """Lines of its log that no crash may cause."""
        text = (self.folder / "server.log").read_text(errors="replace")
        return [line for line in text.splitlines() if "panicked" in line or " ERROR " in line]


def binary():
    """The server's path, built once."""
    global _binary
    if _binary is None:
        _binary = harness.tapesilo_binary()
    return _binary


_binary = None
