"""kill -9 in the middle of deliveries, to senders that repeat a mail until it is taken, as other hosts do: what was
acknowledged is there; nothing is there twice, but where a sender had no answer at all; nothing is half."""

import collections
import random
import threading
import time
import unittest

from mailstead.process import wait_until
from mailstead.smtp import Refused, Smtp
from mailstead.stack import StackCase
from mailstead.trace import sha256, strip_trace

SENDERS = 8
ACKNOWLEDGED_BETWEEN_KILLS = 60
KILLS = 5


class Ledger:
    """What was tried, how often without an answer, and what was acknowledged."""

    def __init__(self):
        self._lock = threading.Condition()
        self.tried = {}
        self.deferred = collections.Counter()
        self.unanswered = collections.Counter()
        self.acknowledged = set()

    def attempt(self, name, digest):
        with self._lock:
            self.tried[name] = digest

    def defer(self, name):
        with self._lock:
            self.deferred[name] += 1

    def leave_open(self, name):
        """The connection broke between the end of the message and the reply to it: the sender cannot know."""
        with self._lock:
            self.unanswered[name] += 1

    def acknowledge(self, name):
        with self._lock:
            self.acknowledged.add(name)
            self._lock.notify_all()

    def wait_for(self, count, timeout=60):
        with self._lock:
            if not self._lock.wait_for(lambda: len(self.acknowledged) >= count, timeout):
                raise AssertionError(f"only {len(self.acknowledged)} of {count} acknowledged after {timeout} s")

    def count(self):
        with self._lock:
            return len(self.acknowledged)


class Sender(threading.Thread):
    """Sends messages to two mailboxes each, as fast as answers come, through any smtpd that is up; each again, with the same
    content, until it is taken."""

    def __init__(self, number, ports, mailboxes, ledger, stop):
        super().__init__(daemon=True)
        self.number, self.ports, self.mailboxes, self.ledger, self.stop = number, ports, mailboxes, ledger, stop
        self.random = random.Random(number)
        self.session = None
        self.error = None

    def run(self):
        serial = 0
        try:
            while not self.stop.is_set():
                name = f"{self.number}-{serial}"
                serial += 1
                content = self.make(name)
                self.ledger.attempt(name, sha256(content))
                while not self.deliver(name, content, serial % 2 == 1) and not self.stop.wait(0.02):
                    pass
        except ValueError as error:
            self.error = error
        self.hang_up()

    def hang_up(self):
        if self.session is not None:
            self.session.close()
        self.session = None

    def deliver(self, name, content, by_bdat):
        """Whether it was taken."""
        ended = False
        try:
            if self.session is None:
                self.session = Smtp(self.random.choice(self.ports), timeout=60)
            self.session.envelope("a@elsewhere.test", self.mailboxes)
            # From here on the message may have come to its end, for all that the sender knows.
            ended = True
            reply = self.session.bdat(content, 16384) if by_bdat else self.session.data(content)
        except Refused as refused:
            # Before the message: the smtpd says that the store is away. The session may not be in order any more.
            if refused.reply.code // 100 != 4:
                raise ValueError(f"neither taken nor deferred: {refused}") from refused
            self.hang_up()
            return False
        except (OSError, EOFError):
            # The smtpd is gone: try the next one.
            if ended:
                self.ledger.leave_open(name)
            self.hang_up()
            return False
        if reply.code == 250:
            self.ledger.acknowledge(name)
            return True
        if reply.code // 100 != 4:
            raise ValueError(f"neither taken nor deferred: {reply}")
        self.ledger.defer(name)
        if reply.code == 421:
            self.hang_up()
        return False

    def make(self, name):
        # The greater ones go to the store in pieces.
        lines = self.random.choice((1, 20, 300, 3000, 12000))
        body = b"".join(b"%s .line %d\r\n" % (name.encode(), line) for line in range(lines))
        return b"Subject: " + name.encode() + b"\r\n\r\n.\r\n" + body


def kill_and_restart(server):
    server.kill()
    server.restart()


class CrashLedgerTest(StackCase):

    def run_ledger(self, disturb, **flags):
        """`disturb(stack, turn)` is called between deliveries."""
        stack = self.new_stack()
        stack.add_stored()
        smtpds = [stack.add_smtpd(**{"store_retry_for": "2s", **flags}) for _ in range(2)]
        stack.add_pop3d()
        mailboxes = stack.add_accounts("one", "two")
        ledger, stop = Ledger(), threading.Event()
        ports = [server.ports["mx"] for server in smtpds]
        senders = [Sender(number, ports, mailboxes, ledger, stop) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            for kill in range(KILLS):
                ledger.wait_for(ledger.count() + ACKNOWLEDGED_BETWEEN_KILLS)
                disturb(stack, kill)
            ledger.wait_for(ledger.count() + ACKNOWLEDGED_BETWEEN_KILLS)
        finally:
            stop.set()
            for sender in senders:
                sender.join(90)
        for sender in senders:
            self.assertFalse(sender.is_alive(), "a sender got no answer")
            if sender.error:
                raise sender.error
        self.check(stack, mailboxes, ledger)

    def check(self, stack, mailboxes, ledger):
        wait_until(lambda: stack.pop3d.ready(), what="pop3d ready")
        per_mailbox = []
        for mailbox in mailboxes:
            names = []
            for raw in stack.fetch_all(mailbox, delete=False):
                content = strip_trace(raw).content
                name = content.split(b"\r\n", 1)[0].removeprefix(b"Subject: ").decode()
                self.assertEqual(ledger.tried.get(name), sha256(content), f"{name} is not what was sent")
                names.append(name)
            doubles = collections.Counter(names)
            for name, count in doubles.items():
                # RFC 1047: who had no answer sends again, and nobody can help that.
                self.assertLessEqual(count, 1 + ledger.unanswered[name],
                                     f"{name} is there {count} times, deferred {ledger.deferred[name]} times")
            missing = ledger.acknowledged - set(names)
            self.assertEqual(set(), missing, "acknowledged and lost")
            per_mailbox.append(doubles)
        self.assertEqual(*per_mailbox, "a message reached one of its two mailboxes only")
        self.assertEqual(0, int(stack.ctl.json("verify")["damaged_count"]))
        print(f"{len(ledger.acknowledged)} acknowledged, {len(ledger.tried)} tried, "
              f"{per_mailbox[0].total()} stored, {ledger.deferred.total()} deferred, "
              f"{ledger.unanswered.total()} without an answer")

    def test_stored_is_killed(self):
        self.run_ledger(lambda stack, kill: kill_and_restart(stack.stored))

    def test_stored_is_killed_and_smtpd_has_no_patience(self):
        self.run_ledger(lambda stack, kill: kill_and_restart(stack.stored), store_retry_for="0s")

    def test_stored_hangs_for_longer_than_smtpd_waits(self):
        def hang(stack, _):
            stack.stored.process.stop()
            time.sleep(2.5)
            stack.stored.process.resume()
        self.run_ledger(hang, store_timeout="500ms", store_retry_for="500ms")

    def test_smtpds_are_killed(self):
        self.run_ledger(lambda stack, kill: kill_and_restart(
            [server for server in stack.servers if server.program == "smtpd"][kill % 2]))

    def test_pop3d_and_everything_else_are_killed_in_turn(self):
        self.run_ledger(lambda stack, kill: kill_and_restart(stack.servers[kill % len(stack.servers)]))


if __name__ == "__main__":
    unittest.main()
