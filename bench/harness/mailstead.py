"""Mailstead with its default settings, but for the limits that would stop a load from one address.

The front-ends reach the store by a Unix socket, as Postfix reaches Dovecot.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

from .loads import REPO, free_port, wait_for_port
from .peer import PASSWORD
from .server import Server, pss_bytes

sys.path.insert(0, str(REPO / "tests/support"))
from mailstead.ctl import Mailctl  # noqa: E402

BIN = REPO / "build" / "bin"
# A ready-made hash of PASSWORD, so that many accounts are made fast.
PASSWORD_HASH = "$6$bench$y/IHGvgzdQp.8kT6YX2I6sPlhs74T0HhO7VF3q8tnN1hUHK6h5mU.ej9wW36eivXu.RKz1UwYrO1w4.fIM6Mv0"


class Mailstead(Server):
    name = "Mailstead"
    # Messages of the longest row: so many that it takes some seconds.
    bulk = 40_000
    # Sessions that a front-end holds in the idle rows.
    idle_smtp = idle_pop3 = 15_000

    def __init__(self):
        self.processes = []
        self.pids = {}
        self.mx_ports = []
        super().__init__()

    def start(self):
        self.store = f"unix:{self.folder}/store.sock"
        self._start("stored", data_dir=self.folder / "store", listen=self.store,
                    frontend_token_file=self.folder / "frontend.token",
                    operator_token_file=self.folder / "operator.token")
        self.mx_port, self.smtps_port = self.add_smtpd()
        self.pop3_port, self.pop3s_port = free_port(), free_port()
        self._start("pop3d", pop3_listen=f"127.0.0.1:{self.pop3_port}", pop3s_listen=f"127.0.0.1:{self.pop3s_port}",
                    allow_plaintext_auth="true", **self._frontend())
        self.ctl = Mailctl(self.store, self.folder / "operator.token")
        self.ctl.add_domain("example.test")
        self.add_mailboxes(["demo"])

    def add_smtpd(self):
        """One more on the same store; its ports, plain and TLS."""
        number, port, tls_port = len(self.mx_ports), free_port(), free_port()
        self._start("smtpd", name=f"smtpd-{number}" if number else "smtpd", mx_listen=f"127.0.0.1:{port}",
                    submission_listen="", submissions_listen=f"127.0.0.1:{tls_port}", **self._frontend())
        self.mx_ports.append(port)
        return port, tls_port

    def _frontend(self):
        return dict(store=self.store, store_token_file=self.folder / "frontend.token",
                    tls_self_signed_dir=self.folder, hostname="bench.example.test",
                    max_connections=0, max_connections_per_address=0)

    def _start(self, program, name=None, **flags):
        """Logs go to a file, as an operator's would; returns when the program says that it is ready."""
        admin = free_port()
        argv = [str(BIN / program), f"--admin_listen=127.0.0.1:{admin}"]
        argv += [f"--{flag}={value}" for flag, value in flags.items()]
        name = name or program
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(argv, stderr=log)
        self.processes.append(process)
        self.pids[name] = process.pid
        wait_for_port(admin)
        deadline = time.monotonic() + 20
        while not ready(admin):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} is not ready; see {self.folder}/{name}.log")
            time.sleep(0.02)

    def wait_until_delivered(self):
        """Mail is in the mailboxes when it is acknowledged."""

    def add_mailboxes(self, names):
        self.ctl.import_accounts((f"{name}@example.test", PASSWORD) for name in names)

    def add_mailboxes_with_hash(self, names):
        """Many and fast."""
        lines = "".join(f"{name}@example.test {PASSWORD_HASH}\n" for name in names)
        self.ctl.run("account", "import", "-", input=lines, timeout=1200)

    def wait_until_calm(self, seconds=120):
        """Until the store has nothing left to do: less than a tenth of a core for a second."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before = cpu_seconds(self.pids["stored"])
            time.sleep(1)
            if cpu_seconds(self.pids["stored"]) - before < 0.1:
                return
        raise RuntimeError(f"stored was still busy after {seconds} s")

    def memory_bytes(self, *names):
        """Of the named programs, or of all."""
        return sum(pss_bytes(self.pids[name]) for name in names or self.pids)

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def cpu_seconds(pid):
    """User and system time so far (proc(5), stat, fields 14 and 15)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ready(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
