"""What webd costs: calls as JSON beside gRPC's, many Server-Sent Events, large messages, webhooks.

    PYTHONPATH=tests/support MAILSTEAD_BIN=build/bin /usr/bin/python3 bench/web/main.py [--scale 0.1] [--only calls,events,...]

Prints a line for each figure, and behind those that there is a limit for whether they keep it. At scale 1, which takes some three
minutes: calls for 3 turns of 2 seconds each by h2load and read_bench; 5,000 streams; a message of 100 MB; 1,000 deliveries a second
for 3 turns of 10 seconds, with and without a webhook. The clients run on the same machine and take their part of the processor. Needs
the part `bench` (cmake -DMAILSTEAD_PARTS="...;bench") for read_bench and mailload, h2load (nghttp2-client) and curl.
"""

import argparse
import asyncio
import json
import os
import re
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mailstead.process import run_tool
from mailstead.stack import PASSWORD, Stack
from mailstead.store_client import message

BIN = Path(os.environ["MAILSTEAD_BIN"])
SERVICE = "mailstead.store.v1.MessageService"
SCOPES = "mail.read,mail.deliver,mail.watch"
TURNS = 3
LISTED = 50
IN_FLIGHT = 32
STREAMS = 5000
LARGE_BYTES = 100_000_000
PIECE_BYTES = 64 << 10
DELIVERIES_PER_SECOND = 1000
DELIVERING_SECONDS = 10
MAILBOXES = 64
SENDERS = 16


MISSED = []


def show(name, value, least=None, most=None):
    """A figure, and whether it keeps its limit."""
    kept = (least is None or value >= least) and (most is None or value <= most)
    limit = "" if least is None and most is None else f"  ({f'>= {least}' if most is None else f'<= {most}'}: {'yes' if kept else 'NO'})"
    print(f"{name} {value}{limit}", flush=True)
    if not kept:
        MISSED.append(name)


class World:
    """A store with a webd, and a key."""

    def __init__(self, **stored):
        self.stack = Stack()
        secrets = self.stack.folder / "secrets.key"
        self.stack.add_stored(secrets_key_file=str(secrets), **stored)
        self.webd = self.stack.add_webd(max_connections_per_address=0, webhook_allow_networks="127.0.0.0/8")
        self.http = f"http://127.0.0.1:{self.webd.ports['http']}"
        self.users = self.stack.add_accounts("demo", password=PASSWORD)
        path = self.stack.folder / "bench.key"
        self.stack.ctl.run("key", "create", "bench", "--scope", SCOPES, "--out", str(path))
        self.key_file = path
        self.key = path.read_text(encoding="ascii").strip()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stack.close()

    def deliver(self, content, to):
        self.stack.ctl.run("deliver", "-", f"--to={to}", input=content)


# --- calls

METHODS = {"list": ("ListMessages", {"account": "demo@example.test", "pageSize": LISTED}),
           "summary": ("GetMessage", {"account": "demo@example.test", "messageId": "1", "view": "MESSAGE_VIEW_SUMMARY"})}
VERSIONS = {"http1": ["--h1", "-c", str(IN_FLIGHT)], "http2": ["-c", "1", "-m", str(IN_FLIGHT)]}


def calls(scale):
    """By turns with gRPC, so that what else the machine does tells of both."""
    with World() as world:
        for number in range(LISTED):
            world.deliver(b"From: Ann <ann@example.org>\r\nSubject: number %d\r\n\r\nHello\r\n" % number, "demo@example.test")
        seconds = max(1, round(2 * scale))
        by_grpc, by_web = {name: [] for name in METHODS}, {}
        for _ in range(TURNS):
            seen = json.loads(checked([
                BIN / "read_bench", f"--store={world.stack.stored.address}", f"--token_file={world.key_file}",
                "--account=demo@example.test", f"--in_flight={IN_FLIGHT}", f"--seconds={seconds / TURNS}"]))
            for name, (method, request) in METHODS.items():
                by_grpc[name].append(seen[f"{name}_per_second"])
                for version, options in VERSIONS.items():
                    by_web.setdefault((name, version), []).append(h2load(world, method, request, options, seconds))
        for name in METHODS:
            grpc = statistics.median(by_grpc[name])
            show(f"grpc_{name}_rate", round(grpc))
            for version in VERSIONS:
                rate = statistics.median(by_web[name, version])
                show(f"web_{name}_{version}_rate", round(rate))
                show(f"web_{name}_{version}_share_of_grpc", round(rate / grpc, 2), least=0.3)


def checked(argv):
    """Standard output."""
    done = run_tool(argv, timeout=120)
    assert done.returncode == 0, done
    return done.stdout


def h2load(world, method, request, options, seconds):
    """Calls a second."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(json.dumps(request).encode())
        body.flush()
        text = checked(["h2load", "-D", str(seconds), "-d", body.name, "-H", f"authorization: Bearer {world.key}",
                        "-H", "content-type: application/json", *options, f"{world.http}/{SERVICE}/{method}"]).decode()
    # What was cut off when the time was over counts as neither.
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (2xx|3xx|4xx|5xx)", text)}
    assert counts["2xx"] and not counts["3xx"] + counts["4xx"] + counts["5xx"], text
    return float(re.search(r"([0-9.]+) req/s", text)[1])


# --- events

def events(scale):
    count = max(100, int(STREAMS * scale))
    with World() as world:
        before = world.webd.process.resident_bytes()
        asyncio.run(hold(world, count))
        show("web_streams", count)
        show("web_streams_resident_mib", world.webd.process.resident_bytes() >> 20, most=300)
        show("web_stream_kib", round((world.webd.process.resident_bytes() - before) / 1024 / count, 1))


async def hold(world, count):
    """Streams that have begun, each on a connection of its own; each is told of one message."""
    request = (f"GET /v1/watch?account=demo@example.test HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {world.key}\r\n\r\n").encode()
    told = []

    async def one(number):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", world.webd.ports["http"], local_addr=(f"127.0.0.{2 + number // 10_000}", 0))
        writer.write(request)
        await writer.drain()
        await reader.readuntil(b"event: started")
        begun.release()
        await reader.readuntil(b"event: delivered")
        told.append(time.monotonic())
        return writer

    begun = asyncio.Semaphore(0)
    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(one(number)))
        if number >= 100:
            await begun.acquire()
    for _ in range(min(count, 100)):
        await begun.acquire()
    show("web_streams_peak_mib", world.webd.process.peak_resident_bytes() >> 20, most=300)
    begin = time.monotonic()
    await asyncio.to_thread(world.deliver, b"Subject: told\r\n\r\nHello\r\n", "demo@example.test")
    writers = await asyncio.gather(*tasks)
    show("web_streams_all_told_ms", round(1000 * (max(told) - begin)))
    for writer in writers:
        writer.close()


# --- large messages

def large(scale):
    size = max(5_000_000, int(LARGE_BYTES * scale))
    with World(max_message_bytes=size + 1_000_000) as world:
        upload = world.stack.folder / "upload"
        write_upload(upload, size)
        world.webd.process.reset_peak()
        begin = time.monotonic()
        done = run_tool(["curl", "--silent", "--show-error", "--fail", "-X", "POST", "-H", f"Authorization: Bearer {world.key}",
                         "-H", "Content-Type: application/connect+proto", "-T", str(upload),
                         f"{world.http}/{SERVICE}/DeliverMessageStream"], timeout=300)
        # The last envelope says how it ended: {} is well.
        assert done.returncode == 0 and done.stdout.endswith(b"{}"), done
        show("web_upload_mb_per_second", round(size / 1e6 / (time.monotonic() - begin)))
        show("web_upload_peak_mib", world.webd.process.peak_resident_bytes() >> 20, most=63)
        world.webd.process.reset_peak()
        begin = time.monotonic()
        target = world.stack.folder / "download"
        done = run_tool(["curl", "--silent", "--show-error", "--fail", "-H", f"Authorization: Bearer {world.key}", "-o", str(target),
                         f"{world.http}/v1/accounts/demo@example.test/messages/1/raw"], timeout=300)
        assert done.returncode == 0 and target.stat().st_size >= size, done
        show("web_download_mb_per_second", round(size / 1e6 / (time.monotonic() - begin)))
        show("web_download_peak_mib", world.webd.process.peak_resident_bytes() >> 20, most=63)


def write_upload(path, size):
    """A DeliverMessageStream of Connect."""
    piece = message("mailstead.store.v1.DeliverMessageStreamRequest")
    line = b"A line of text that is as long as most of them are in mail that people write.\r\n"
    block = line * (PIECE_BYTES // len(line))
    with open(path, "wb") as file:
        def write(**fields):
            encoded = piece(**fields).SerializeToString()
            file.write(struct.pack(">BI", 0, len(encoded)) + encoded)
        write(envelope={"delivery_id": "bench-of-webd-large", "recipients": [{"address": "demo@example.test"}]})
        write(content=b"Subject: large\r\n\r\n")
        for _ in range(-(-size // len(block))):
            write(content=block)
        write(last=True)


# --- webhooks

def webhooks(scale):
    """Deliveries at a steady rate, by turns without and with a webhook that is told of all: how long they take, and whether the
    posts keep up."""
    seconds = max(2, round(DELIVERING_SECONDS * scale))
    count = seconds * DELIVERIES_PER_SECOND
    with Receiver() as receiver, World() as world:
        world.stack.add_smtpd(max_connections_per_address=0)
        world.stack.add_accounts(*(f"box{number}" for number in range(MAILBOXES)), password=PASSWORD)
        url = f"http://127.0.0.1:{receiver.port}/hook"
        webhook = world.stack.ctl.json("webhook", "add", url, "--all")["webhook"]["webhook_id"]
        without, with_it, posts = [], [], []
        spent = {"without": [], "with": []}
        for _ in range(TURNS):
            world.stack.ctl.run("webhook", "remove", webhook)
            time.sleep(2)
            before = Spent(world)
            without.append(deliver_many(world, count))
            spent["without"].append(before.since(count))
            webhook = world.stack.ctl.json("webhook", "add", url, "--all")["webhook"]["webhook_id"]
            # Until somebody sends it.
            time.sleep(3)
            before, seen, begin = Spent(world), receiver.seen, time.monotonic()
            with_it.append(deliver_many(world, count))
            posts.append(count / (receiver.wait_for(seen + count) - begin))
            spent["with"].append(before.since(count))
        for name, runs in (("without", without), ("with", with_it)):
            for figure in ("per_second", "p50_us", "p99_us"):
                show(f"deliveries_{name}_webhook_{figure}", round(statistics.median(run[figure] for run in runs)))
        share = statistics.median(run["per_second"] for run in with_it) / statistics.median(run["per_second"] for run in without)
        show("deliveries_share_with_webhook", round(share, 2), least=0.9)
        # The last ones are posted behind the last delivery.
        show("webhook_posts_per_second", round(statistics.median(posts)), least=round(0.95 * DELIVERIES_PER_SECOND))
        for name, runs in spent.items():
            for program in runs[0]:
                show(f"deliveries_{name}_webhook_{program}_cpu_us", round(statistics.median(run[program] for run in runs)))
        show("webhook_webd_peak_mib", world.webd.process.peak_resident_bytes() >> 20)
        # As many as they are, whatever else there is to do.
        show("deliveries_at_most_with_webhook_per_second", round(deliver_many(world, count, rate=0)["per_second"]))
        world.stack.ctl.run("webhook", "remove", webhook)
        time.sleep(2)
        show("deliveries_at_most_without_webhook_per_second", round(deliver_many(world, count, rate=0)["per_second"]))


class Spent:
    """The processor's time that the programs had."""

    def __init__(self, world):
        self.pids = {program: server.process.pid for program, server in
                     (("stored", world.stack.stored), ("smtpd", world.stack.smtpd), ("webd", world.webd))}
        self.before = {program: self._seconds(pid) for program, pid in self.pids.items()}

    @staticmethod
    def _seconds(pid):
        user, system = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def since(self, count):
        """Of each program, in microseconds for each of `count`."""
        return {program: 1e6 * (self._seconds(pid) - self.before[program]) / count for program, pid in self.pids.items()}


def deliver_many(world, count, rate=DELIVERIES_PER_SECOND):
    """What mailload says of so many messages by SMTP to all mailboxes."""
    return json.loads(checked([
        BIN / "mailload", "smtp", f"--port={world.stack.smtpd.ports['mx']}", f"--sessions={SENDERS}", f"--count={count}",
        f"--rate={rate}", "--recipient=box%@example.test", f"--mailboxes={MAILBOXES}", "--message_bytes=4096", "--max_seconds=60"]))


RECEIVER = """
import asyncio, sys
seen = 0
async def serve(reader, writer):
    global seen
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            size = next(int(line[15:]) for line in head.split(b"\\r\\n") if line[:15].lower() == b"content-length:")
            await reader.readexactly(size)
            writer.write(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
            seen += 1
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    last = 0
    while True:
        await asyncio.sleep(0.02)
        if seen != last:
            last = seen
            print(seen, flush=True)
asyncio.run(main())
"""


class Receiver:
    """A program of its own that takes every post, and says how many there were."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, bufsize=0)
        self.port = int(self.process.stdout.readline())
        self.seen = 0
        self.text = b""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.terminate()
        self.process.wait()

    def wait_for(self, count):
        """When it had so many."""
        end = time.monotonic() + 60
        while self.seen < count:
            left = end - time.monotonic()
            assert left > 0 and select.select([self.process.stdout], [], [], left)[0], f"{self.seen} of {count} posts"
            *lines, self.text = (self.text + os.read(self.process.stdout.fileno(), 65536)).split(b"\n")
            self.seen = max([self.seen, *map(int, lines)])
        return time.monotonic()


PARTS = {"calls": calls, "events": events, "large": large, "webhooks": webhooks}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--only", default=",".join(PARTS))
    given = parser.parse_args()
    for part in given.only.split(","):
        PARTS[part](given.scale)
    print(f"missed: {', '.join(MISSED)}" if MISSED else "all limits are kept", flush=True)


if __name__ == "__main__":
    main()
