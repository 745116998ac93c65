"""The load generators: Postfix's smtp-source and smtp-sink, and our mailload."""

import json
import pathlib
import select
import socket
import subprocess
import time

from .server import start_program

REPO = pathlib.Path(__file__).resolve().parents[2]
MAILLOAD = REPO / "build" / "bin" / "mailload"
READ_BENCH = REPO / "build" / "bin" / "read_bench"
RUN_LIMIT = 600  # seconds; a run that takes longer is void


def smtp_source(port, sessions, messages, size=4096, reuse=True, recipient="demo@example.test"):
    """Seconds until the last message is acknowledged."""
    argv = ["smtp-source", "-s", str(sessions), "-m", str(messages), "-l", str(size),
            "-f", "bench@bench.example.test", "-t", recipient]
    argv += ["-d"] if reuse else []
    begin = time.monotonic()
    subprocess.run([*argv, f"127.0.0.1:{port}"], check=True, timeout=RUN_LIMIT, start_new_session=True)
    return time.monotonic() - begin


def mailload(mode, port, time_limit=RUN_LIMIT, **flags):
    """What mailload measured, as a dict: done, seconds, per_second, megabytes_per_second, p50_us, p99_us; of POP3
    also login_p50_us and others of the kind."""
    argv = [str(MAILLOAD), mode, f"--port={port}", f"--max_seconds={time_limit}"]
    argv += [f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in flags.items()]
    done = subprocess.run(argv, check=True, timeout=time_limit, stdout=subprocess.PIPE,
                          start_new_session=True)
    return json.loads(done.stdout)


def mailread(store, token_file, **flags):
    """What read_bench measured, as a dict: empty_per_second, summary_per_second, list_per_second, parsed_p50_us."""
    argv = [str(READ_BENCH), f"--store={store}", f"--token_file={token_file}"]
    argv += [f"--{name}={value}" for name, value in flags.items()]
    done = subprocess.run(argv, check=True, timeout=RUN_LIMIT, stdout=subprocess.PIPE, start_new_session=True)
    return json.loads(done.stdout)


class IdleHold:
    """Connections that are open and say nothing, from several local addresses so that ports do not run out."""

    def __init__(self, port, count, tls=False):
        argv = [str(MAILLOAD), "idle", f"--port={port}", f"--count={count}", f"--tls={str(tls).lower()}",
                "--sessions=64", "--from_address=127.0.0.9"]
        self.process = start_program(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "held":
            raise RuntimeError("mailload idle failed")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)


class SmtpSink:
    """Takes mail and throws it away: what the generator can do at most. It ends by itself with the last of `count`
    messages, unless that is 0."""

    def __init__(self, count=0):
        self.port = free_port()
        counted = ["-M", str(count)] if count else []
        self.process = start_program(["smtp-sink", "-u", "nobody", *counted, f"127.0.0.1:{self.port}", "1000"],
                                     stderr=subprocess.DEVNULL)
        wait_for_port(self.port)

    def wait(self):
        self.process.wait(RUN_LIMIT)

    def close(self):
        self.process.terminate()
        self.process.wait()


class MailSink:
    """Another mail host as they are: `flags` are those of mailsink."""

    def __init__(self, count, **flags):
        argv = [str(MAILLOAD.with_name("mailsink")), f"--count={count}"]
        argv += [f"--{name}={value}" for name, value in flags.items()]
        self.process = start_program(argv, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def wait(self):
        """Until it has had `count` transactions."""
        readable, _, _ = select.select([self.process.stdout], [], [], RUN_LIMIT)
        if not readable or self.process.stdout.readline() != "done\n":
            raise RuntimeError("not everything came to the sink")

    def close(self):
        self.process.terminate()
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
