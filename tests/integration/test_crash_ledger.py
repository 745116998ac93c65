"""kill -9 in the middle of deliveries: what was acknowledged is there once, the rest at most once, nothing is half."""

import random
import threading
import unittest

from mailstead.process import wait_until
from mailstead.smtp import Smtp
from mailstead.stack import StackCase
from mailstead.trace import sha256, strip_trace

SENDERS = 8
ACKNOWLEDGED_BETWEEN_KILLS = 60
KILLS = 5


class Ledger:
    """What was tried and what was acknowledged."""

    def __init__(self):
        self._lock = threading.Condition()
        self.tried = {}
        self.acknowledged = set()

    def attempt(self, name, digest):
        with self._lock:
            self.tried[name] = digest

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
    """Sends unique messages to two mailboxes each, as fast as answers come, through any smtpd that is up."""

    def __init__(self, number, ports, mailboxes, ledger, stop):
        super().__init__(daemon=True)
        self.number, self.ports, self.mailboxes, self.ledger, self.stop = number, ports, mailboxes, ledger, stop
        self.random = random.Random(number)
        self.error = None

    def run(self):
        session = None
        serial = 0
        while not self.stop.is_set():
            try:
                if session is None:
                    session = Smtp(self.random.choice(self.ports), timeout=60)
                name = f"{self.number}-{serial}"
                serial += 1
                content = self.make(name)
                session.envelope("a@elsewhere.test", self.mailboxes)
                self.ledger.attempt(name, sha256(content))
                reply = session.bdat(content, 16384) if serial % 2 else session.data(content)
                if reply.code == 250:
                    self.ledger.acknowledge(name)
                elif reply.code // 100 != 4:
                    raise ValueError(f"neither taken nor deferred: {reply}")
                elif reply.code == 421:
                    session.close()
                    session = None
            except ValueError as error:
                self.error = error
                return
            except (OSError, EOFError, AssertionError):
                # The smtpd is gone, or says that the store is: try the next one shortly.
                if session is not None:
                    session.close()
                session = None
                self.stop.wait(0.02)
        if session is not None:
            session.close()

    def make(self, name):
        lines = self.random.choice((1, 20, 300, 3000))
        body = b"".join(b"%s .line %d\r\n" % (name.encode(), line) for line in range(lines))
        return b"Subject: " + name.encode() + b"\r\n\r\n.\r\n" + body


class CrashLedgerTest(StackCase):

    def run_ledger(self, victim_of, restart_after=None):
        stack = self.new_stack()
        stack.add_stored()
        smtpds = [stack.add_smtpd(store_retry_for="2s") for _ in range(2)]
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
                victim = victim_of(stack, kill)
                victim.kill()
                victim.restart()
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
            self.assertEqual(len(names), len(set(names)), "a message is there twice")
            missing = ledger.acknowledged - set(names)
            self.assertEqual(set(), missing, "acknowledged and lost")
            per_mailbox.append(set(names))
        self.assertEqual(*per_mailbox, "a message reached one of its two mailboxes only")
        self.assertEqual(0, int(stack.ctl.json("verify")["damaged_count"]))
        print(f"{len(ledger.acknowledged)} acknowledged, {len(ledger.tried)} tried, "
              f"{len(per_mailbox[0])} stored")

    def test_stored_is_killed(self):
        self.run_ledger(lambda stack, kill: stack.stored)

    def test_smtpds_are_killed(self):
        self.run_ledger(lambda stack, kill: [s for s in stack.servers if s.program == "smtpd"][kill % 2])

    def test_pop3d_and_everything_else_are_killed_in_turn(self):
        self.run_ledger(lambda stack, kill: stack.servers[kill % len(stack.servers)])


if __name__ == "__main__":
    unittest.main()
