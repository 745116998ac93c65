"""Postfix with Dovecot (LMTP and POP3) in a folder of their own, from the templates in bench/peers."""

import pathlib
import shutil
import subprocess
import time

from .loads import REPO, free_port, wait_for_port
from .server import Server, pss_bytes

PASSWORD = "bench"


class PostfixDovecot(Server):
    name = "Postfix + Dovecot"
    bulk = 3_000
    # As many as its process limit and Dovecot's login processes hold.
    idle_smtp, idle_pop3 = 140, 1_500

    def __init__(self):
        self.mx_port, self.smtps_port, self.pop3_port, self.pop3s_port = (free_port() for _ in range(4))
        super().__init__()

    def start(self):
        self.folder.chmod(0o755)
        self._make_folders()
        self._make_certificate()
        self._fill("postfix/main.cf", self.folder / "postfix/etc/main.cf")
        self._fill("postfix/master.cf", self.folder / "postfix/etc/master.cf")
        self._fill("dovecot/dovecot.conf", self.folder / "dovecot/dovecot.conf")
        subprocess.run(["dovecot", "-c", self.folder / "dovecot/dovecot.conf"], check=True)
        subprocess.run(["postfix", "-c", self.folder / "postfix/etc", "start"], check=True, stderr=subprocess.DEVNULL)
        wait_for_port(self.mx_port)
        wait_for_port(self.pop3_port)

    def _make_folders(self):
        for name in ("postfix/queue", "postfix/data", "postfix/etc", "dovecot/run", "dovecot/state", "dovecot/mail"):
            (self.folder / name).mkdir(parents=True)
        shutil.chown(self.folder / "postfix/data", "postfix")
        shutil.chown(self.folder / "dovecot/mail", "dovecot", "dovecot")

    def _make_certificate(self):
        key, cert = self.folder / "tls.key", self.folder / "tls.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=bench.example.test"],
                       check=True, stderr=subprocess.DEVNULL)
        (self.folder / "tls.pem").write_text(key.read_text() + cert.read_text())

    def _fill(self, template, to):
        text = (REPO / "bench/peers" / template).read_text()
        for name, value in {"DIR": self.folder, "SMTP_PORT": self.mx_port, "SMTPS_PORT": self.smtps_port,
                            "POP3_PORT": self.pop3_port, "POP3S_PORT": self.pop3s_port}.items():
            text = text.replace(f"@{name}@", str(value))
        to.write_text(text)

    @property
    def sending_port(self):
        return self.mx_port

    # It trusts the address.
    sender = {}

    def send_by(self, port, sessions=100):
        """Mail for other hosts goes to this port from now on, `sessions` at a time; that for out@example.test does, too."""
        conf = self.folder / "postfix/etc"
        # What is put off does not come back within a row.
        subprocess.run(["postconf", "-c", conf, "-e", f"relayhost=[127.0.0.1]:{port}", "minimal_backoff_time=300s",
                        "maximal_backoff_time=4000s", "virtual_alias_maps=inline:{out@example.test=out@far.example.org}",
                        f"smtp_destination_concurrency_limit={sessions}", f"initial_destination_concurrency={sessions}"],
                       check=True)
        with open(conf / "master.cf", "a", encoding="utf-8") as master:
            master.write(f"smtp      unix  -       -       n       -       {sessions}       smtp\n")
        subprocess.run(["postfix", "-c", conf, "reload"], check=True, stderr=subprocess.DEVNULL)

    def wait_until_delivered(self, seconds=120):
        """Until Postfix's queue is empty: all mail is in Dovecot's mailboxes."""
        queue = [self.folder / "postfix/queue" / name for name in ("incoming", "active", "deferred", "maildrop")]
        deadline = time.monotonic() + seconds
        while any(entry.is_file() for folder in queue for entry in folder.rglob("*")):
            if time.monotonic() > deadline:
                raise RuntimeError("Postfix did not deliver everything in time")
            time.sleep(0.02)

    def add_mailboxes(self, names):
        """Dovecot makes mailboxes by itself."""

    def memory_bytes(self):
        """Proportional set size of all processes of both programs."""
        return sum(pss_bytes(pid) for pid in descendants(self._master_pids()))

    def _master_pids(self):
        return [int((self.folder / "dovecot/run/master.pid").read_text()),
                int((self.folder / "postfix/queue/pid/master.pid").read_text())]

    def close(self):
        subprocess.run(["postfix", "-c", self.folder / "postfix/etc", "stop"], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["doveadm", "-c", self.folder / "dovecot/dovecot.conf", "stop"], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def descendants(pids):
    """The processes themselves and all below them."""
    found, waiting = [], list(pids)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
            waiting += map(int, task.read_text().split())
    return found
