"""Mailstead with its default settings, but for the limits that would stop a load from one address.

The front-ends reach the store by a Unix socket, as Postfix reaches Dovecot.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from .loads import REPO, free_port, wait_for_port
from .peer import PASSWORD
from .server import Server, pss_bytes, start_program

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

    def __init__(self, programs=BIN):
        """`programs`: the folder that they are started from."""
        self.programs = pathlib.Path(programs)
        self.processes = []
        self.pids = {}
        # How each was started, and its admin port.
        self.started = {}
        self.mx_ports = []
        super().__init__()

    def start(self):
        self.store = f"unix:{self.folder}/store.sock"
        self.tokens = {name: self.folder / f"{name}.token" for name in self._token_names()}
        # As many connections to one host as the peer may have.
        sending = {"delivery_sessions": 500} if "--delivery_sessions" in self._help() else {}
        if "--secrets_key_file" in self._help():
            sending["secrets_key_file"] = self.folder / "secrets.key"
        # One account sends all of it.
        if "--account_hourly_recipients" in self._help():
            sending.update(account_hourly_recipients=0, account_daily_recipients=0, pause_new_recipients=0, pause_refusals=0)
        self._start("stored", data_dir=self.folder / "store", listen=self.store, **sending,
                    **{f"{name}_token_file": file for name, file in self.tokens.items()})
        self.mx_port, self.smtps_port = self.add_smtpd()
        self.pop3_port, self.pop3s_port = free_port(), free_port()
        self._start("pop3d", pop3_listen=f"127.0.0.1:{self.pop3_port}", pop3s_listen=f"127.0.0.1:{self.pop3s_port}",
                    allow_plaintext_auth="true", **self._frontend("pop"))
        self.ctl = Mailctl(self.store, self.tokens["operator"], program=self.programs / "mailctl")
        self.ctl.add_domain("example.test")
        self.add_mailboxes(["demo"])

    def add_smtpd(self):
        """One more on the same store; its ports, plain and TLS."""
        number, port, tls_port = len(self.mx_ports), free_port(), free_port()
        self.submission_port = free_port()
        self._start("smtpd", name=f"smtpd-{number}" if number else "smtpd", mx_listen=f"127.0.0.1:{port}",
                    submission_listen=f"127.0.0.1:{self.submission_port}",
                    submissions_listen=f"127.0.0.1:{tls_port}", allow_plaintext_auth="true", **self._frontend("smtp"))
        self.mx_ports.append(port)
        return port, tls_port

    # Where mail comes in that goes on to other hosts, and who sends it there.
    @property
    def sending_port(self):
        return self.submission_port

    @property
    def sender(self):
        return dict(user="bench@example.test", password=PASSWORD)

    def send_by(self, port, sessions=100):
        """Mail for other hosts goes to this port from now on, `sessions` at a time; that for out@example.test does, too."""
        self.ctl.run("route", "set", "default", "--via", f"127.0.0.1:{port}")
        self.ctl.add_alias("out@example.test", "out@far.example.org")
        self.add_mailboxes(["bench"])
        self._start("smtpd", name="relay", mx_listen="", submission_listen="", submissions_listen="",
                    delivery_workers=sessions, **self._frontend("relay"))

    def _token_names(self):
        """Those of the programs' version: until a2f7867 all front-ends had one token."""
        return re.findall(r"^ +--([a-z]+)_token_file", self._help(), re.MULTILINE)

    def _help(self):
        return subprocess.run([self.programs / "stored", "--help"], capture_output=True, text=True, check=True).stdout

    def _frontend(self, role):
        return dict(store=self.store, store_token_file=self.tokens.get(role) or self.tokens["frontend"],
                    tls_self_signed_dir=self.folder, hostname="bench.example.test",
                    max_connections=0, max_connections_per_address=0)

    def _start(self, program, name=None, **flags):
        """Logs go to a file, as an operator's would; returns when the program says that it is ready."""
        admin = free_port()
        argv = [str(self.programs / program), f"--admin_listen=127.0.0.1:{admin}"]
        argv += [f"--{flag}={value}" for flag, value in flags.items()]
        name = name or program
        self.started[name] = argv, admin
        self._run(name)

    def _run(self, name):
        argv, admin = self.started[name]
        with open(self.folder / f"{name}.log", "ab") as log:
            process = start_program(argv, stderr=log)
        self.processes.append(process)
        self.pids[name] = process.pid
        wait_for_port(admin)
        self._wait_until_ready(name)

    def _wait_until_ready(self, name):
        admin = self.started[name][1]
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

    def fill_mailbox(self, name, messages, **flags):
        """Adds very many small messages to an account's mailbox by the engine itself; stored is stopped meanwhile, and
        calm again afterwards. `flags`: further ones of the program fill_mailbox."""
        self._fill(messages, account=f"{name}@example.test", **flags)

    def fill_queue(self, recipient, domains, messages):
        """The same for the queue for other hosts; "%" in `recipient` is the number of the domain."""
        self._fill(messages, queue_recipient=recipient, queue_domains=domains)

    def _fill(self, messages, **flags):
        self._stop("stored")
        maker = self.programs / "fill_mailbox"
        argv = [str(maker if maker.exists() else BIN / "fill_mailbox"), f"--data_dir={self.folder}/store",
                f"--messages={messages}"]
        subprocess.run(argv + [f"--{flag}={value}" for flag, value in flags.items()], check=True, timeout=1200)
        self._run("stored")
        # It ends after the front-ends.
        self.processes.insert(0, self.processes.pop())
        for front_end in self.pids:
            self._wait_until_ready(front_end)
        self.wait_until_calm()

    def seconds_after_kill(self):
        """Until stored is ready again after kill -9."""
        process = self._process("stored")
        process.kill()
        process.wait(60)
        self.processes.remove(process)
        begin = time.monotonic()
        self._run("stored")
        took = time.monotonic() - begin
        self.processes.insert(0, self.processes.pop())
        return took

    @contextlib.contextmanager
    def watch(self):
        """Somebody is told of all that happens; nobody, where the programs' version has no Watch."""
        if b" watch " not in self.ctl.run("help"):
            yield
            return
        argv = [self.programs / "mailctl", "watch", "--all", "--json", f"--store={self.store}",
                f"--token_file={self.tokens['operator']}"]
        with open(self.folder / "watched", "wb") as told:
            watcher = start_program(argv, stdout=told)
            try:
                yield
            finally:
                watcher.terminate()
                watcher.wait(30)

    def _process(self, name):
        return next(process for process in self.processes if process.pid == self.pids[name])

    def _stop(self, name):
        process = self._process(name)
        process.terminate()
        process.wait(60)
        self.processes.remove(process)

    def forget_listings(self):
        """A pop3d that knows no maildrop yet."""
        self._stop("pop3d")
        self._run("pop3d")

    def wait_until_calm(self, seconds=120):
        """Until the store has nothing left to do: less than a tenth of a core for a second."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before = cpu_seconds(self.pids["stored"])
            time.sleep(1)
            if cpu_seconds(self.pids["stored"]) - before < 0.1:
                return
        raise RuntimeError(f"stored was still busy after {seconds} s")

    def most_memory_bytes(self, name):
        """That one of the programs has held since it was started."""
        return status_bytes(self.pids[name], "VmHWM")

    @contextlib.contextmanager
    def count_memory(self, what):
        """What is held at most beyond what was held before, by stored and pop3d each, goes to the details."""
        names = ("stored", "pop3d")
        for name in names:
            # proc(5), clear_refs: the peak is as high as what is held now.
            pathlib.Path(f"/proc/{self.pids[name]}/clear_refs").write_text("5")
        before = {name: status_bytes(self.pids[name], "VmRSS") for name in names}
        yield
        for name in names:
            added = status_bytes(self.pids[name], "VmHWM") - before[name]
            self.details[f"{name}: MB at most, {what}"] = added / 1e6

    def memory_bytes(self, *names):
        """Of the named programs, or of all."""
        return sum(pss_bytes(self.pids[name]) for name in names or self.pids)

    @contextlib.contextmanager
    def count_cost(self, what, count):
        """CPU time and changes of threads of each program."""
        before = {name: thread_costs(pid) for name, pid in self.pids.items()}
        yield
        spent = {name: thread_costs(self.pids[name]) - costs for name, costs in before.items()}
        self._keep("us of CPU time", what, {name: costs.cpu_us / count for name, costs in spent.items()})
        self._keep("changes of threads", what, {name: costs.changes / count for name, costs in spent.items()})

    @contextlib.contextmanager
    def count_system_calls(self, what, count):
        """Calls of futex(2) and of all, where perf can count them."""
        counters = {name: SystemCalls(pid) for name, pid in self.pids.items()} if shutil.which("perf") else {}
        yield
        seen = {name: counter.stop() for name, counter in counters.items()}
        for text in SystemCalls.EVENTS.values():
            self._keep(text, what, {name: counts[text] / count for name, counts in seen.items() if text in counts})

    def _keep(self, text, what, numbers):
        """Into the details; without the programs that take no part in the row."""
        for name, number in numbers.items():
            if number >= 0.05 * sum(numbers.values()) and number > 0:
                self.details[f"{name}: {text} for a {what}"] = number

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


def status_bytes(pid, field):
    """A size out of /proc/PID/status."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024


@dataclasses.dataclass(frozen=True)
class ThreadCosts:
    cpu_us: float
    # How often a thread was taken from the CPU, or let go of it.
    changes: int

    def __sub__(self, other):
        return ThreadCosts(self.cpu_us - other.cpu_us, self.changes - other.changes)


def thread_costs(pid):
    """So far, of the threads that the process has now (proc(5): schedstat in nanoseconds, status)."""
    tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    changes = re.compile(r"voluntary_ctxt_switches:\s+(\d+)")
    return ThreadCosts(sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1000,
                       sum(int(number) for task in tasks for number in changes.findall((task / "status").read_text())))


class SystemCalls:
    """Counts with perf, from when it is made until stop()."""

    EVENTS = {"syscalls:sys_enter_futex": "futex calls", "raw_syscalls:sys_enter": "system calls"}

    def __init__(self, pid):
        self.process = subprocess.Popen(["perf", "stat", "-x", ",", "-e", ",".join(self.EVENTS), "-p", str(pid)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(0.3)  # Until it counts; it does not say when.

    def stop(self):
        """{event: number}; without those that this machine does not count."""
        self.process.send_signal(signal.SIGINT)
        text = self.process.communicate(timeout=20)[1]
        lines = [line.split(",") for line in text.splitlines()]
        return {self.EVENTS[fields[2]]: int(fields[0]) for fields in lines
                if len(fields) > 2 and fields[0].isdigit() and fields[2] in self.EVENTS}


def ready(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
