"""The rows of the table: each measures one thing on one server and returns one number."""

import base64
import concurrent.futures
import dataclasses
import os
import poplib
import socket
import statistics
import tempfile
import time
from collections.abc import Callable

from .loads import RUN_LIMIT, IdleHold, MailSink, SmtpSink, mailload, mailread, smtp_source
from .peer import PASSWORD
from .slow_uploads import SlowUploads

MESSAGE = 4096
LARGE = 5_000_000
MANY = "many%@example.test"


# Each function is given a fresh server and the share of the full length to run (1 or less), and returns its figure.
# Its first line of documentation is the row's text.

def deliver(server, scale):
    """Deliver 4 KB, 32 sessions with reuse, until all are in mailboxes."""
    count = int(server.bulk * scale)
    begin = time.monotonic()
    with server.count_cost("message", count):
        smtp_source(server.mx_port, 32, count)
    server.wait_until_delivered()
    return count / (time.monotonic() - begin)


def deliver_watched(server, scale):
    """Deliver as above, and somebody is told of each message by Watch."""
    with server.watch():
        return deliver(server, scale)


def deliver_new_connections(server, scale):
    """Deliver 4 KB, a connection for each message, 100 at once."""
    count = int(server.bulk * scale / 2)
    begin = time.monotonic()
    smtp_source(server.mx_port, 100, count, reuse=False)
    server.wait_until_delivered()
    return count / (time.monotonic() - begin)


def deliver_tls(server, scale):
    """Deliver 4 KB, a connection for each message, STARTTLS with resumption, 32 at once."""
    count = int(server.bulk * scale / 4)
    begin = time.monotonic()
    # The generator has one thread, and handshakes cost it more than the server.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        halves = [pool.submit(mailload, "smtp", server.mx_port, sessions=16, count=count // 2,
                              messages_per_connection=1, starttls=True) for _ in range(2)]
        for half in halves:
            half.result()
    server.wait_until_delivered()
    return count // 2 * 2 / (time.monotonic() - begin)


def latency(server, scale):
    """Median time from MAIL to the durable 250, one session."""
    count = int(1000 * scale)
    with server.count_cost("message", count):
        figure = mailload("smtp", server.mx_port, sessions=1, count=count)["p50_us"]
    with server.count_system_calls("message", count):
        mailload("smtp", server.mx_port, sessions=1, count=count)
    return figure


def deliver_100_recipients(server, scale):
    """Deliver 4 KB to 100 local recipients each."""
    count = int(server.bulk * scale / 40)
    begin = time.monotonic()
    mailload("smtp", server.mx_port, sessions=8, count=count, recipients_per_message=100, mailboxes=100,
             recipient=MANY)
    server.wait_until_delivered()
    return count * 100 / (time.monotonic() - begin)


def deliver_large(server, scale):
    """Deliver 5 MB, 8 sessions."""
    count = int(100 * scale)
    begin = time.monotonic()
    smtp_source(server.mx_port, 8, count, size=LARGE)
    server.wait_until_delivered()
    return count * LARGE / 1e6 / (time.monotonic() - begin)


def fill(server, mailboxes, each, size=MESSAGE):
    """Puts `each` messages into each of the mailboxes box0, box1, ..."""
    mailload("smtp", server.mx_port, sessions=32, count=mailboxes * each, mailboxes=mailboxes, message_bytes=size,
             recipient=f"s{size}n{each}box%@example.test")
    server.wait_until_delivered()
    return f"s{size}n{each}box%@example.test"


def pop3(server, mode, mailboxes, each, count, size=MESSAGE, sessions=32):
    recipient = fill(server, mailboxes, each, size) if each else "empty%@example.test"
    with server.count_cost("session", count):
        return mailload(mode, server.pop3_port, sessions=sessions, count=count, mailboxes=mailboxes,
                        recipient=recipient, password=PASSWORD)


def pop3_40(server, scale):
    """POP3, sessions that fetch 40 messages of 4 KB, 32 at once."""
    return pop3(server, "pop3", 32, 40, int(960 * scale))["per_second"]


def pop3_1(server, scale):
    """POP3, sessions that log in and fetch one message, 32 at once."""
    return pop3(server, "pop3", 32, 1, int(6400 * scale))["per_second"]


def pop3_large(server, scale):
    """POP3, messages of 5 MB, 8 sessions."""
    return pop3(server, "pop3", 8, 4, int(160 * scale), size=LARGE, sessions=8)["megabytes_per_second"]


def poll(server, scale):
    """POP3, sessions that find an empty mailbox, 32 at once."""
    return pop3(server, "poll", 32, 0, int(9600 * scale))["per_second"]


def poll_one(server, scale):
    """POP3, time of a session that finds an empty mailbox, from connect to the reply to QUIT, one session."""
    count = int(2000 * scale)
    poll(server, scale / 10)  # The first sessions find a cold server.
    options = dict(sessions=1, mailboxes=1, recipient="empty%@example.test", password=PASSWORD)
    with server.count_cost("session", count):
        seen = mailload("poll", server.pop3_port, count=count, **options)
    server.details |= {"us of the login": seen["login_p50_us"], "us of QUIT": seen["quit_p50_us"]}
    with server.count_system_calls("session", count):
        mailload("poll", server.pop3_port, count=count, **options)
    return seen["p50_us"]


def poll_large(server, scale):
    """POP3, login to a mailbox of 5,000 messages that stay there; STAT, LIST, UIDL, QUIT; 10 sessions for a new message."""
    recipient = dict(mailboxes=1, recipient="left%@example.test")
    mailload("smtp", server.mx_port, sessions=32, count=int(5000 * scale), message_bytes=MESSAGE, **recipient)
    server.wait_until_delivered()

    def sessions(count):
        return mailload("poll", server.pop3_port, sessions=1, count=count, listings=True, password=PASSWORD,
                        **recipient)

    sessions(10)
    rounds, first, others = max(3, int(30 * scale)), [], []
    for _ in range(rounds):
        mailload("smtp", server.mx_port, sessions=1, count=1, message_bytes=MESSAGE, **recipient)
        server.wait_until_delivered()
        first.append(sessions(1))
        others.append(sessions(9))

    def median(seen, step):
        return statistics.median(one[f"{step}_us"] for one in seen)

    server.details["us of the login after a new message"] = median(first, "login_p50")
    for text, step in (("LIST", "list_p50"), ("UIDL", "uidl_p50"), ("QUIT", "quit_p50"), ("a whole session", "p50")):
        server.details[f"us of {text}"] = median(others, step)
    with server.count_cost("session", 9 * rounds):
        sessions(9 * rounds)
    return median(others, "login_p50")


def log_in(port, account):
    """A session that is logged in, and the seconds from PASS to its reply."""
    session = poplib.POP3("127.0.0.1", port, timeout=RUN_LIMIT)
    session.user(f"{account}@example.test")
    begin = time.monotonic()
    session.pass_(PASSWORD)
    return session, time.monotonic() - begin


def maildrop_million(server, scale):
    """POP3, login to a mailbox of 1,000,000 messages that this pop3d does not know."""
    server.fill_mailbox("huge0", int(1_000_000 * scale))
    server.fill_mailbox("much%", int(100_000 * scale), mailboxes=32)
    server.ctl.run("account", "add", "warm@example.test", "--password_stdin", input=PASSWORD + "\n")
    for name in ["huge0", *(f"much{i}" for i in range(32))]:
        server.ctl.set_password(f"{name}@example.test", PASSWORD)
    # The store's block cache, whose size is a flag, fills with the first login after its start.
    log_in(server.pop3_port, "huge0")[0].quit()
    server.forget_listings()
    log_in(server.pop3_port, "warm")[0].quit()
    with server.count_memory("for the login"):
        session, seconds = log_in(server.pop3_port, "huge0")
    session.quit()
    begin = time.monotonic()
    with server.count_memory("for 32 logins at once, to 100,000 messages each"):
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            sessions = list(pool.map(lambda i: log_in(server.pop3_port, f"much{i}")[0], range(32)))
    server.details["s until 32 logins at once have their maildrops"] = time.monotonic() - begin
    for session in sessions:
        session.quit()
    return seconds


def idle(server, port, count, tls=False):
    """KiB of memory of all programs for each session that was greeted and says nothing."""
    before = server.memory_bytes()
    with IdleHold(port, count, tls):
        return (server.memory_bytes() - before) / count / 1024


def idle_smtp(server, scale):
    """Memory of an idle SMTP session."""
    return idle(server, server.mx_port, int(server.idle_smtp * scale))


def idle_smtp_tls(server, scale):
    """Memory of an idle SMTP session under TLS."""
    return idle(server, server.smtps_port, int(server.idle_smtp * scale), tls=True)


def idle_pop3(server, scale):
    """Memory of an idle POP3 session."""
    return idle(server, server.pop3_port, int(server.idle_pop3 * scale))


def idle_pop3_tls(server, scale):
    """Memory of an idle POP3 session under TLS."""
    return idle(server, server.pop3s_port, int(server.idle_pop3 * scale), tls=True)


def slow_uploads(server, scale, program):
    """Most memory, in MB, of one program while all uploads are under way."""
    uploads = SlowUploads(server.mx_port, count=int(1000 * scale), recipient=MANY)
    try:
        return max(server.memory_bytes(program) for _ in uploads.run(seconds=20)) / 1e6
    finally:
        uploads.close()


def slow_uploads_smtpd(server, scale):
    """Memory of smtpd with 1,000 slow uploads of 25 MB under way."""
    return slow_uploads(server, scale, "smtpd")


def slow_uploads_stored(server, scale):
    """Memory of stored with 1,000 slow uploads of 25 MB under way."""
    return slow_uploads(server, scale, "stored")


def growth(server, scale):
    """Deliver 4 KB with 1,000,000 messages and 100,000 mailboxes already stored, as a share of the empty store."""
    deliver(server, scale / 4)  # The first messages find a cold server, which is not what is compared.
    empty = deliver(server, scale)
    mailboxes = int(100_000 * scale)
    server.add_mailboxes_with_hash(f"grown{i}" for i in range(mailboxes))
    mailload("smtp", server.mx_port, time_limit=3 * RUN_LIMIT, sessions=64, count=10 * mailboxes, mailboxes=mailboxes,
             message_bytes=MESSAGE, recipient="grown%@example.test")
    # What the fill left to do is not part of what is measured.
    server.wait_until_calm()
    return deliver(server, scale) / empty


def restart(server, scale):
    """From kill -9 of stored until it is ready again, with 1,000,000 messages in 100,000 mailboxes and new ones in its log: the worst of five."""
    mailboxes = int(100_000 * scale)
    server.fill_mailbox("user%", mailboxes // 10, mailboxes=mailboxes, copies=100)
    took = []
    for _ in range(5):
        deliver(server, 0.2)
        took.append(server.seconds_after_kill())
    return max(took)


def delete_by_pop3(port, name, count):
    """A session that has marked the first `count` messages of a mailbox as deleted, up to QUIT: its socket."""
    session = socket.create_connection(("127.0.0.1", port), timeout=120)
    replies = session.makefile("rb")
    for line in (None, f"USER {name}@example.test", f"PASS {PASSWORD}"):
        if line:
            session.sendall(line.encode() + b"\r\n")
        if not replies.readline().startswith(b"+OK"):
            raise RuntimeError("no login")
    for first in range(1, count + 1, 1000):
        last = min(first + 999, count)
        session.sendall(b"".join(b"DELE %d\r\n" % number for number in range(first, last + 1)))
        for _ in range(first, last + 1):
            if not replies.readline().startswith(b"+OK"):
                raise RuntimeError("DELE was refused")
    return session, replies


def bystander(server, scale):
    """p99 of small deliveries, 100 a second, while 200,000 messages are deleted by one QUIT, a mailbox of 1,000,000 is removed, or 1,000,000 old receipts are swept: the worst, times that at rest."""
    seconds, count = 15, int(1_000_000 * scale)

    def deliveries():
        return mailload("smtp", server.mx_port, sessions=64, rate=100, count=100 * seconds, message_bytes=1024,
                        recipient="many0@example.test")

    def during(text, begin):
        """Deliveries of which the first second is before `begin` is called."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            seen = pool.submit(deliveries)
            time.sleep(1)
            began = time.monotonic()
            begin()
            took = time.monotonic() - began
            seen = seen.result()
        server.details |= {f"p99, in us, {text}": seen["p99_us"], f"longest, in us, {text}": seen["most_us"]}
        return seen["p99_us"], took

    # stored sweeps when it starts.
    server.add_mailboxes(["bulk"])
    server.fill_mailbox("bulk", count, age="100h")
    swept, _ = during("while receipts are swept", lambda: None)
    server.wait_until_calm(600)
    rest, _ = during("at rest", lambda: None)
    session, replies = delete_by_pop3(server.pop3_port, "bulk", int(200_000 * scale))

    def quit():
        session.sendall(b"QUIT\r\n")
        if not replies.readline().startswith(b"+OK"):
            raise RuntimeError("QUIT was refused")

    deleted, took = during("after a QUIT", quit)
    server.details["ms of that QUIT"] = took * 1000
    server.wait_until_calm(600)
    server.fill_mailbox("bulk", int(200_000 * scale))
    server.wait_until_calm(600)
    removed, _ = during("after the removal of a mailbox",
                        lambda: server.ctl.run("account", "remove", "bulk@example.test", "--yes"))
    return max(swept, deleted, removed) / rest


def deliver_spread(ports, scale, bulk):
    """As `deliver`, the sessions spread over several front-ends; messages a second."""
    count = int(bulk * scale / len(ports))
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(ports)) as threads:
        for done in [threads.submit(smtp_source, port, 32 // len(ports), count) for port in ports]:
            done.result()
    return count * len(ports) / (time.monotonic() - begin)


def front_ends(server, scale, count):
    while len(server.mx_ports) < count:
        server.add_smtpd()
    deliver_spread(server.mx_ports, scale / 4, server.bulk)  # The first messages find a cold server.
    one = deliver_spread(server.mx_ports[:1], scale, server.bulk)
    return deliver_spread(server.mx_ports, scale, server.bulk) / one


def front_ends_2(server, scale):
    """Deliver 4 KB through 2 smtpd on one stored, as a share of 1 smtpd."""
    return front_ends(server, scale, 2)


def front_ends_4(server, scale):
    """Deliver 4 KB through 4 smtpd on one stored, as a share of 1 smtpd."""
    return front_ends(server, scale, 4)


def send(server, scale):
    """Take 4 KB and pass it on to smtp-sink, 32 sessions with reuse, until all are there."""
    count = int(server.bulk * scale)
    sink = SmtpSink(count)
    try:
        server.send_by(sink.port)
        begin = time.monotonic()
        with server.count_cost("message", count):
            smtp_source(server.mx_port, 32, count, recipient="out@example.test")
            taken = time.monotonic() - begin
            sink.wait()
        server.details["messages a second while they came"] = count / taken
        return count / (time.monotonic() - begin)
    finally:
        sink.close()


def send_dkim(server, scale):
    """Submit 4 KB by 32 sessions and pass it on signed by RSA with 2,048 bits, as a share of the same unsigned."""
    count = int(server.bulk * scale)

    def pass_on(first=False):
        sink = MailSink(count)
        try:
            if first:
                server.send_by(sink.port)
            else:
                server.ctl.run("route", "set", "default", "--via", f"127.0.0.1:{sink.port}")
            begin = time.monotonic()
            with server.count_cost("message", count):
                mailload("smtp", server.sending_port, sessions=32, count=count, mailboxes=100, message_bytes=MESSAGE,
                         recipient="user@d%.example.org", **server.sender)
                sink.wait()
            return count / (time.monotonic() - begin)
        finally:
            sink.close()

    pass_on(first=True)  # The first messages find a cold server.
    unsigned = pass_on()
    server.ctl.run("dkim", "create", "example.test", "--activate")
    signed = pass_on()
    server.details["messages a second unsigned"], server.details["messages a second signed"] = unsigned, signed
    return signed / unsigned


def send_far(server, scale):
    """The same to 1,000 domains, 50 ms away, which put off 5 % and refuse 1 %, until all were tried."""
    count = int(server.bulk * scale)
    sink = MailSink(count, latency="50ms", defer=0.05, refuse=0.01)
    try:
        server.send_by(sink.port, sessions=500)
        begin = time.monotonic()
        with server.count_cost("message", count):
            mailload("smtp", server.sending_port, sessions=32, count=count, mailboxes=1000, message_bytes=MESSAGE,
                     recipient="user@d%.example.org", **server.sender)
            taken = time.monotonic() - begin
            sink.wait()
        server.details["messages a second while they came"] = count / taken
        return count / (time.monotonic() - begin)
    finally:
        sink.close()


def fill_half_dead(server, count):
    """`count` messages wait for 1,000 domains; those of half of them cannot be reached."""
    for kind in ("live", "dead"):
        server.fill_queue(f"user@d%.{kind}.example", 500, count // 2)
    server.ctl.run("route", "set", ".dead.example", "--via", "127.0.0.1:1")


def send_queued(server, scale):
    """Most memory of a relay, in MB, that works off 100,000 queued messages, half of them to dead domains."""
    count = int(100_000 * scale)
    fill_half_dead(server, count)
    sink = MailSink(count // 2)
    try:
        server.send_by(sink.port)
        sink.wait()
        server.details["MB at most of stored"] = server.most_memory_bytes("stored") / 1e6
        return server.most_memory_bytes("relay") / 1e6
    finally:
        sink.close()


def send_new(server, scale):
    """Longest time of a new message to a live domain, of 10, while 1,000,000 wait for 1,000 domains, half of them dead."""
    fill_half_dead(server, int(1_000_000 * scale))
    sink, times = MailSink(0), []
    try:
        for i in range(10):
            server.ctl.add_alias(f"new{i}@example.test", f"new@new{i}.live.example")
        server.send_by(sink.port)
        for i in range(10):
            # Relays and the live domains are at it meanwhile.
            time.sleep(2)
            one = MailSink(1)
            try:
                server.ctl.run("route", "set", f"new{i}.live.example", "--via", f"127.0.0.1:{one.port}")
                begin = time.monotonic()
                smtp_source(server.mx_port, 1, 1, recipient=f"new{i}@example.test")
                one.wait()
                times.append(time.monotonic() - begin)
            finally:
                one.close()
        server.details["median of them, in s"] = statistics.median(times)
        for name in ("stored", "relay"):
            server.details[f"MB at most of {name}"] = server.most_memory_bytes(name) / 1e6
        return max(times)
    finally:
        sink.close()


def deliver_waiting(server, scale):
    """Deliver 4 KB to mailboxes while 100,000 wait for dead domains, as a share of before."""
    deliver(server, scale / 4)  # The first messages find a cold server.
    before = deliver(server, scale)
    server.fill_queue("user@d%.dead.example", 1000, int(100_000 * scale))
    server.send_by(1)
    server.wait_until_calm()
    deliver(server, scale / 4)
    return deliver(server, scale) / before


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


def read_bench(server, scale):
    """What read_bench says of a message of 1 MB with an attachment in it."""
    text = b"A line of text that is as long as most are.\r\n" * 2000
    content = (b"From: Ann <ann@example.org>\r\nSubject: read\r\nDate: Sun, 29 Nov 2026 10:00:00 +0000\r\n"
               b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + text +
               b"--b\r\nContent-Disposition: attachment; filename=a\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
               base64.encodebytes(os.urandom(660_000)).replace(b"\n", b"\r\n") + b"--b--\r\n")
    server.ctl.run("deliver", "-", "--to=demo@example.test", input=content)
    [message] = server.ctl.json("message", "list", "demo@example.test", "--subject=read")["messages"]
    return mailread(server.store, server.tokens["operator"], account="demo@example.test",
                    message_id=message["message_id"], seconds=2 * scale)


def read_summary(server, scale):
    """GetMessage with the view SUMMARY by one connection, 32 at a time, as a share of the rate of an empty unary call."""
    seen = read_bench(server, scale)
    server.details |= {"empty unary calls a second": seen["empty_per_second"],
                       "summaries a second": seen["summary_per_second"]}
    return seen["summary_per_second"] / seen["empty_per_second"]


def read_parsed(server, scale):
    """Median time of GetMessage with the view PARSED, of a message of 1 MB."""
    return read_bench(server, scale)["parsed_p50_us"] / 1000


def mailbox_names():
    """Every mailbox that a row uses."""
    names = [f"many{i}" for i in range(100)] + [f"empty{i}" for i in range(32)] + ["left0"]
    for each, size, count in ((40, MESSAGE, 32), (1, MESSAGE, 32), (4, 5_000_000, 8)):
        names += [f"s{size}n{each}box{i}" for i in range(count)]
    return names


# What a target can be a multiple of, beside the peer's figure: measured in the same run.
PEER, SINK, SINK_NEW, FDATASYNC = "peer", "smtp-sink", "smtp-sink without reuse", "fdatasync"


@dataclasses.dataclass(frozen=True)
class Target:
    """`factor` times what `of` names; a figure in the row's unit when `of` is empty."""
    factor: float
    of: str = ""


@dataclasses.dataclass(frozen=True)
class Row:
    function: Callable
    unit: str
    targets: tuple[Target, ...] = ()
    less_is_better: bool = False
    has_peer: bool = True

    @property
    def text(self):
        return self.function.__doc__.splitlines()[0].rstrip(".")


def memory_row(function, most, unit="KiB", has_peer=True):
    return Row(function, unit, (Target(most),), less_is_better=True, has_peer=has_peer)


ROWS = {
    "deliver": Row(deliver, "msg/s", (Target(20, PEER), Target(0.5, SINK))),
    "deliver_watched": Row(deliver_watched, "msg/s", has_peer=False),
    "deliver_new_connections": Row(deliver_new_connections, "msg/s", (Target(10, PEER), Target(0.6, SINK_NEW))),
    "deliver_tls": Row(deliver_tls, "msg/s", (Target(10, PEER),)),
    "latency": Row(latency, "us", (Target(3, FDATASYNC),), less_is_better=True),
    "deliver_100_recipients": Row(deliver_100_recipients, "rcpt/s", (Target(50, PEER),)),
    "deliver_large": Row(deliver_large, "MB/s", (Target(2, PEER),)),
    "pop3_40": Row(pop3_40, "msg/s", (Target(2, PEER),)),
    "pop3_1": Row(pop3_1, "sessions/s", (Target(4, PEER),)),
    "pop3_large": Row(pop3_large, "MB/s", (Target(1.5, PEER),)),
    "poll": Row(poll, "sessions/s", (Target(5, PEER),)),
    "poll_one": Row(poll_one, "us", (Target(450),), less_is_better=True),
    "poll_large": Row(poll_large, "us", (Target(1000),), less_is_better=True),
    "maildrop_million": Row(maildrop_million, "s", (Target(2),), less_is_better=True, has_peer=False),
    "idle_smtp": memory_row(idle_smtp, 16),
    "idle_smtp_tls": memory_row(idle_smtp_tls, 40),
    "idle_pop3": memory_row(idle_pop3, 16),
    "idle_pop3_tls": memory_row(idle_pop3_tls, 40),
    "slow_uploads_smtpd": memory_row(slow_uploads_smtpd, 200, "MB", has_peer=False),
    # Its bound is --rpc_memory_bytes and --block_cache_bytes together.
    "slow_uploads_stored": memory_row(slow_uploads_stored, 604, "MB", has_peer=False),
    "growth": Row(growth, "×", (Target(0.9),), has_peer=False),
    "restart": Row(restart, "s", (Target(3),), less_is_better=True, has_peer=False),
    "bystander": Row(bystander, "×", (Target(5),), less_is_better=True, has_peer=False),
    "send": Row(send, "msg/s", (Target(6, PEER),)),
    "send_dkim": Row(send_dkim, "×", (Target(0.8),), has_peer=False),
    "send_far": Row(send_far, "msg/s", (Target(6, PEER),)),
    "send_queued": memory_row(send_queued, 200, "MB", has_peer=False),
    "send_new": Row(send_new, "s", (Target(1),), less_is_better=True, has_peer=False),
    "deliver_waiting": Row(deliver_waiting, "×", (Target(0.95),), has_peer=False),
    "read_summary": Row(read_summary, "×", (Target(0.6),), has_peer=False),
    "read_parsed": Row(read_parsed, "ms", (Target(5),), less_is_better=True, has_peer=False),
    # No loss, but for what two runs of the same differ by.
    "front_ends_2": Row(front_ends_2, "×", (Target(0.95),), has_peer=False),
    "front_ends_4": Row(front_ends_4, "×", (Target(0.95),), has_peer=False),
}
QUICK = ("deliver", "pop3_40", "idle_smtp")
