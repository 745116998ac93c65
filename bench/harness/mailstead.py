"""Mailstead with its default settings, but for the limits that would stop a load from one address."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from .loads import REPO, free_port, wait_for_port
from .peer import PASSWORD, pss_bytes

sys.path.insert(0, str(REPO / "tests/support"))
from mailstead.ctl import Mailctl  # noqa: E402

BIN = REPO / "build" / "bin"


class Mailstead:
    def __init__(self, smtpd_count=1):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mailstead-bench-"))
        self.processes = []
        self.pids = {}
        self.store = f"127.0.0.1:{free_port()}"
        self._start("stored", data_dir=self.folder / "store", listen=self.store,
                    frontend_token_file=self.folder / "frontend.token",
                    operator_token_file=self.folder / "operator.token")
        self.mx_ports = [self._start_smtpd(number) for number in range(smtpd_count)]
        self.mx_port = self.mx_ports[0]
        self.pop3_port, self.pop3s_port = free_port(), free_port()
        self._start("pop3d", pop3_listen=f"127.0.0.1:{self.pop3_port}", pop3s_listen=f"127.0.0.1:{self.pop3s_port}",
                    allow_plaintext_auth="true", **self._frontend())
        self.ctl = Mailctl(self.store, self.folder / "operator.token")
        self.ctl.add_domain("example.test")
        self.add_mailboxes(["demo"])

    def _start_smtpd(self, number):
        port = free_port()
        self.smtps_port = free_port()
        self._start("smtpd", name=f"smtpd-{number}", mx_listen=f"127.0.0.1:{port}", submission_listen="",
                    submissions_listen=f"127.0.0.1:{self.smtps_port}", **self._frontend())
        return port

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

    def memory_bytes(self, *names):
        """Of the named programs, or of all."""
        return sum(pss_bytes(self.pids[name]) for name in names or self.pids)

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def ready(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
