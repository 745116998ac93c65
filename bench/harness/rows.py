"""The rows of the table: each measures one thing on one server and returns one number."""

import os
import tempfile
import time

from .loads import IdleHold, mailload, smtp_source
from .peer import PASSWORD

MESSAGE = 4096


# Each function is given the server and the share of the full length to run (1 or less), and returns its figure.

def deliver(server, scale):
    """4 KB messages a second, 32 sessions with reuse, until all are in mailboxes."""
    count = int(server.bulk * scale)
    begin = time.monotonic()
    smtp_source(server.mx_port, 32, count)
    server.wait_until_delivered()
    return count / (time.monotonic() - begin)


def deliver_new_connections(server, scale):
    """The same, a connection for each message, 100 at once."""
    count = int(server.bulk * scale / 2)
    begin = time.monotonic()
    smtp_source(server.mx_port, 100, count, reuse=False)
    server.wait_until_delivered()
    return count / (time.monotonic() - begin)


def deliver_tls(server, scale):
    """A connection for each message over STARTTLS with resumption, 32 at once."""
    count = int(server.bulk * scale / 4)
    begin = time.monotonic()
    mailload("smtp", server.mx_port, sessions=32, count=count, messages_per_connection=1, starttls=True)
    server.wait_until_delivered()
    return count / (time.monotonic() - begin)


def latency(server, scale):
    """Median microseconds from MAIL to the durable 250, one session."""
    return mailload("smtp", server.mx_port, sessions=1, count=int(1000 * scale))["p50_us"]


def deliver_100_recipients(server, scale):
    """Recipients a second, messages to 100 local recipients each."""
    count = int(server.bulk * scale / 40)
    begin = time.monotonic()
    mailload("smtp", server.mx_port, sessions=8, count=count, recipients_per_message=100, mailboxes=100,
             recipient="many%@example.test")
    server.wait_until_delivered()
    return count * 100 / (time.monotonic() - begin)


def deliver_large(server, scale):
    """MB a second, messages of 5 MB, 8 sessions."""
    count = int(100 * scale)
    begin = time.monotonic()
    smtp_source(server.mx_port, 8, count, size=5_000_000)
    server.wait_until_delivered()
    return count * 5 / (time.monotonic() - begin)


def fill(server, mailboxes, each, size=MESSAGE):
    """Puts `each` messages into each of the mailboxes box0, box1, ..."""
    mailload("smtp", server.mx_port, sessions=32, count=mailboxes * each, mailboxes=mailboxes, message_bytes=size,
             recipient=f"s{size}n{each}box%@example.test")
    server.wait_until_delivered()
    return f"s{size}n{each}box%@example.test"


def pop3(server, mode, mailboxes, each, count, size=MESSAGE, sessions=32):
    recipient = fill(server, mailboxes, each, size) if each else "empty%@example.test"
    return mailload(mode, server.pop3_port, sessions=sessions, count=count, mailboxes=mailboxes,
                    recipient=recipient, password=PASSWORD)


def pop3_40(server, scale):
    """Messages a second, sessions that fetch 40 messages of 4 KB, 32 at once."""
    return pop3(server, "pop3", 32, 40, int(960 * scale))["per_second"]


def pop3_1(server, scale):
    """Sessions a second that log in and fetch one message."""
    return pop3(server, "pop3", 32, 1, int(6400 * scale))["per_second"]


def pop3_large(server, scale):
    """MB a second, messages of 5 MB."""
    return pop3(server, "pop3", 8, 4, int(160 * scale), size=5_000_000, sessions=8)["megabytes_per_second"]


def poll(server, scale):
    """Sessions a second that find nothing new."""
    return pop3(server, "poll", 32, 0, int(9600 * scale))["per_second"]


def idle(port, scale, server, tls=False):
    """Bytes of memory for each idle session."""
    count = int(15_000 * scale)
    before = server.memory_bytes()
    with IdleHold(port, count, tls):
        return (server.memory_bytes() - before) / count


def idle_smtp(server, scale):
    """Bytes of memory for each idle SMTP session."""
    return idle(server.mx_port, scale, server)


def idle_pop3(server, scale):
    """Bytes of memory for each idle POP3 session."""
    return idle(server.pop3_port, scale, server)


def idle_pop3_tls(server, scale):
    """Bytes of memory for each idle POP3 session under TLS."""
    return idle(server.pop3s_port, scale, server, tls=True)


def fdatasync_us():
    """Median microseconds of one fdatasync after 4 KB."""
    times = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(500):
            os.write(file.fileno(), b"x" * MESSAGE)
            begin = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - begin)
    return sorted(times)[len(times) // 2] * 1e6


def mailbox_names():
    """Every mailbox that a row uses."""
    names = [f"many{i}" for i in range(100)] + [f"empty{i}" for i in range(32)]
    for each, size, count in ((40, MESSAGE, 32), (1, MESSAGE, 32), (4, 5_000_000, 8)):
        names += [f"s{size}n{each}box{i}" for i in range(count)]
    return names


# name: (function, unit, how many times the peer's figure is to be reached, whether less is better)
ROWS = {
    "deliver": (deliver, "msg/s", 20, False),
    "deliver_new_connections": (deliver_new_connections, "msg/s", 10, False),
    "deliver_tls": (deliver_tls, "msg/s", 10, False),
    "latency": (latency, "us", None, True),
    "deliver_100_recipients": (deliver_100_recipients, "rcpt/s", 50, False),
    "deliver_large": (deliver_large, "MB/s", 2, False),
    "pop3_40": (pop3_40, "msg/s", 2, False),
    "pop3_1": (pop3_1, "sessions/s", 4, False),
    "pop3_large": (pop3_large, "MB/s", 1.5, False),
    "poll": (poll, "sessions/s", 5, False),
    "idle_smtp": (idle_smtp, "bytes", None, True),
    "idle_pop3": (idle_pop3, "bytes", None, True),
    "idle_pop3_tls": (idle_pop3_tls, "bytes", None, True),
}
QUICK = ("deliver", "pop3_40", "idle_smtp")
