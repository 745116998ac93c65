"""One program under test, its log, and the signals it gets."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time

from . import paths

# Long enough for a busy machine; every wait ends as soon as what it waits for is there.
PATIENCE = 30.0

_LOGFMT_FIELD = re.compile(r'([A-Za-z0-9_]+)=("(?:[^"\\]|\\.)*"|\S*)')


def wait_until(condition, timeout=PATIENCE, what="condition", interval=0.01):
    """Polls `condition` until it gives something true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for: {what}")
        time.sleep(interval)


def parse_logfmt(line: str) -> dict:
    fields = {}
    for key, value in _LOGFMT_FIELD.findall(line):
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        fields[key] = value
    return fields


def clean_environment(extra=None) -> dict:
    """The environment without settings meant for other runs of our programs."""
    ours = ("STORED_", "SMTPD_", "POP3D_", "WEBD_", "MAILCTL_", "MAILSTEAD_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    environment.update(extra or {})
    return environment


class Process:
    """A running program. Its output is kept in memory, line by line.

    The kernel kills it when the thread that started it ends (setpriv --pdeathsig), so that nothing is left behind
    when a test is killed: start processes from the main thread.
    """

    def __init__(self, name, argv, environment=None, cwd=None):
        self.name = name
        self.argv = [str(item) for item in argv]
        self.lines = []
        self.exit_is_expected = False
        self._changed = threading.Condition()
        self._ended = False
        self._may_read = threading.Event()
        self._may_read.set()
        self._popen = subprocess.Popen(
            [shutil.which("setpriv") or "/usr/bin/setpriv", "--pdeathsig", "KILL", *self.argv],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=clean_environment(environment), cwd=cwd)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self._popen.stdout:
            self._may_read.wait()
            line = raw.decode("utf-8", "backslashreplace").rstrip("\n")
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        self._popen.stdout.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def pid(self):
        return self._popen.pid

    def running(self):
        return self._popen.poll() is None

    # --- log ---

    def leave_log_unread(self):
        """Nobody reads its output until `read_log_again`."""
        self._may_read.clear()

    def read_log_again(self):
        self._may_read.set()

    def wait_for_line(self, matches, timeout=PATIENCE, what="log line", start=0):
        """The first line from index `start` for which `matches(line)` gives something true; gives that."""
        deadline = time.monotonic() + timeout
        index = start
        with self._changed:
            while True:
                while index < len(self.lines):
                    found = matches(self.lines[index])
                    index += 1
                    if found:
                        return found
                if self._ended:
                    raise AssertionError(f"{self.name} ended without: {what}\n{self.tail()}")
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise AssertionError(f"{self.name}: waited {timeout} s in vain for: {what}\n{self.tail()}")

    def wait_for_event(self, event, timeout=PATIENCE, start=0, **fields):
        """The fields of the first log line with this event and these fields."""
        def matches(line):
            got = parse_logfmt(line)
            if got.get("event") == event and all(got.get(key) == str(value) for key, value in fields.items()):
                return got
            return None
        return self.wait_for_line(matches, timeout, f"event={event} {fields}", start)

    def events(self, **fields):
        """All log lines, as fields, that have these."""
        with self._changed:
            parsed = [parse_logfmt(line) for line in self.lines]
        return [got for got in parsed if all(got.get(key) == str(value) for key, value in fields.items())]

    def line_count(self):
        with self._changed:
            return len(self.lines)

    def tail(self, count=60):
        with self._changed:
            last = self.lines[-count:]
        return "\n".join(f"  [{self.name}] {line}" for line in last)

    def text(self):
        with self._changed:
            return "\n".join(self.lines)

    # --- signals ---

    def signal(self, number):
        self._popen.send_signal(number)

    def kill(self):
        """kill -9, and waits until it is gone."""
        self.exit_is_expected = True
        if self.running():
            self._popen.kill()
        self._popen.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def terminate(self, timeout=PATIENCE):
        """SIGTERM; gives the exit status, and kills what does not end in time."""
        self.exit_is_expected = True
        if self.running():
            self._popen.terminate()
        return self.wait(timeout)

    def wait(self, timeout=PATIENCE):
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} had not ended after {timeout} s\n{self.tail()}") from None
        self._reader.join(PATIENCE)
        return status

    def stop(self):
        """SIGSTOP: it hangs, its sockets stay open."""
        self._popen.send_signal(signal.SIGSTOP)

    def resume(self):
        self._popen.send_signal(signal.SIGCONT)

    # --- what it uses ---

    def resident_bytes(self):
        return self._status_kib("VmRSS") * 1024

    def peak_resident_bytes(self):
        return self._status_kib("VmHWM") * 1024

    def reset_peak(self):
        """VmHWM starts anew (proc(5), clear_refs)."""
        with open(f"/proc/{self.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def _status_kib(self, key):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1])
        raise AssertionError(f"no {key} of {self.name}")

    def descriptor_count(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def __repr__(self):
        return f"<{self.name} pid={self.pid}>"


def run_tool(argv, input=None, timeout=120, environment=None, cwd=None):
    """Runs a program to its end. `input` is bytes or text. Gives a CompletedProcess with bytes in stdout, stderr."""
    if isinstance(input, str):
        input = input.encode()
    return subprocess.run([str(item) for item in argv], input=input if input is not None else b"",
                          capture_output=True, timeout=timeout, env=clean_environment(environment), cwd=cwd,
                          check=False)


def program_argv(name, flags):
    """`flags` is a dict: None leaves a flag out, True and False are written out."""
    argv = [paths.program(name)]
    for key, value in flags.items():
        if value is None:
            continue
        if isinstance(value, bool):
            value = "true" if value else "false"
        argv.append(f"--{key}={value}")
    return argv
