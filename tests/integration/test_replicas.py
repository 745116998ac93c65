"""Two smtpd and two pop3d on one stored: none of them is special."""

import threading
import time
import unittest

from mailstead import pop3
from mailstead.process import wait_until
from mailstead.smtp import dot_stuff
from mailstead.stack import PASSWORD, SharedStackCase, StackCase
from mailstead.trace import strip_trace

MAIL = b"Subject: replicas\r\n\r\nHello\r\n"


def build(stack):
    stack.add_stored()
    for _ in range(2):
        stack.add_smtpd()
        stack.add_pop3d(allow_plaintext_auth=True)
    stack.smtpds = [server for server in stack.servers if server.program == "smtpd"]
    stack.pop3ds = [server for server in stack.servers if server.program == "pop3d"]


class ReplicasTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        build(stack)
        cls.users = stack.add_accounts("in-and-out", "locked", "frozen", "dropped")

    def test_mail_by_any_smtpd_is_fetched_by_any_pop3d(self):
        user = self.users[0]
        for smtpd in self.stack.smtpds:
            for pop3d in self.stack.pop3ds:
                with self.stack.mx(smtpd) as session:
                    session.deliver("a@elsewhere.test", user, MAIL)
                [got] = self.stack.fetch_all(user, server=pop3d)
                self.assertEqual(MAIL, strip_trace(got).content)

    def assert_in_use(self, user, server):
        for log_in in ("login", "auth_plain"):
            with self.stack.pop3(server=server) as other:
                with self.assertRaises(pop3.Refused) as caught:
                    getattr(other, log_in)(user, "correct horse battery")
                self.assertEqual("IN-USE", caught.exception.response_code, caught.exception.line)

    def test_a_maildrop_is_locked_across_replicas(self):
        user = self.users[1]
        first, second = self.stack.pop3ds
        session = self.stack.pop3(user, server=first)
        self.assert_in_use(user, second)
        self.assert_in_use(user, first)
        session.quit()
        self.stack.pop3(user, server=second).quit()

    def test_a_refused_login_may_try_again_in_the_same_session(self):
        user = self.users[1]
        first, second = self.stack.pop3ds
        session = self.stack.pop3(user, server=first)
        with self.stack.pop3(server=second) as other:
            with self.assertRaises(pop3.Refused):
                other.login(user, "correct horse battery")
            session.quit()
            other.login(user, "correct horse battery")
            other.quit()

    def test_mail_that_arrives_during_a_session_is_not_seen_by_it(self):
        user = self.users[2]
        self.stack.send(user, MAIL)
        session = self.stack.pop3(user, server=self.stack.pop3ds[0])
        self.stack.send(user, MAIL)
        self.assertEqual(1, session.stat()[0])
        self.assertEqual([1], list(session.uidl()))
        session.dele(1)
        session.quit()
        self.assertEqual(1, len(self.stack.fetch_all(user, server=self.stack.pop3ds[1])))

    def test_a_dropped_connection_unlocks_and_deletes_nothing(self):
        user = self.users[3]
        self.stack.send(user, MAIL)
        session = self.stack.pop3(user, server=self.stack.pop3ds[0])
        session.dele(1)
        session.reset()
        self.assertEqual(1, len(self.login_soon(user, self.stack.pop3ds[1]).fetch_all()))

    def login_soon(self, user, server, timeout=5):
        def attempt():
            try:
                return self.stack.pop3(user, server=server)
            except pop3.Refused as refused:
                self.assertEqual("IN-USE", refused.response_code, refused.line)
                return None
        return wait_until(attempt, timeout, f"{user} opens on {server.name}", interval=0.05)


class FrontEndEndsTest(StackCase):

    def setUp(self):
        self.stack = self.new_stack()
        build(self.stack)
        self.users = self.stack.add_accounts("one", "two", "three", "four")

    login_soon = ReplicasTest.login_soon

    def test_maildrops_of_a_killed_pop3d_open_again_within_ten_seconds(self):
        first, second = self.stack.pop3ds
        sessions = []
        for user in self.users:
            self.stack.send(user, MAIL)
            session = self.stack.pop3(user, server=first)
            session.dele(1)
            sessions.append(session)
        first.kill()
        killed = time.monotonic()
        for user in self.users:
            session = self.login_soon(user, second, timeout=10)
            self.assertEqual(1, session.stat()[0], "nothing was committed, nothing may be gone")
            session.quit()
        print(f"maildrops of the killed pop3d were open again after {time.monotonic() - killed:.1f} s")
        for session in sessions:
            session.close()
        first.restart()
        self.assertEqual(1, len(self.stack.fetch_all(self.users[0], server=first)))

    def test_a_pop3d_that_drains_unlocks_at_once(self):
        first, second = self.stack.pop3ds
        user = self.users[0]
        self.stack.send(user, MAIL)
        session = self.stack.pop3(user, server=first)
        session.dele(1)
        self.assertEqual(0, first.terminate())
        events = [got.get("event") for got in first.process.events()]
        self.assertLess(events.index("draining"), events.index("stopped"))
        self.assertTrue(session.at_end())
        fresh = self.stack.pop3(user, server=second)
        self.assertEqual(1, fresh.stat()[0])
        fresh.quit()

    def test_a_pop3d_that_drains_lets_a_transfer_end(self):
        first = self.stack.pop3ds[0]
        user = self.users[1]
        content = b"Subject: big\r\n\r\n" + b"".join(b"%070d\r\n" % line for line in range(100_000))
        self.stack.send(user, content)
        session = self.stack.pop3(user, server=first)
        session.ok("RETR 1")
        first.process.signal(15)
        first.process.wait_for_event("draining")
        self.assertEqual(content, strip_trace(session.rest()).content)
        session.close()
        self.assertEqual(0, first.process.terminate())

    def test_an_smtpd_that_drains_ends_what_it_began(self):
        first, second = self.stack.smtpds
        user = self.users[2]
        busy = self.stack.mx(first)
        busy.envelope("a@elsewhere.test", user)
        busy.expect(354, "DATA")
        stuffed = dot_stuff(MAIL)
        busy.send(stuffed[:-10])
        idle = self.stack.mx(first)
        first.process.signal(15)
        first.process.wait_for_event("draining")
        self.assertEqual(421, idle.reply().code)
        busy.send(stuffed[-10:])
        self.assertEqual(250, busy.reply().code)
        self.assertEqual(0, first.process.terminate())
        with self.assertRaises(OSError):
            self.stack.mx(first)
        with self.stack.mx(second) as session:
            session.deliver("a@elsewhere.test", user, MAIL)
        self.assertEqual(2, len(self.stack.fetch_all(user)))


class QuitAndComeBackTest(SharedStackCase):
    """A session that deleted nothing ends without waiting for the store, and the next login never meets its lock."""

    @classmethod
    def build(cls, stack):
        build(stack)
        cls.users = stack.add_accounts(*(f"poll{number}" for number in range(4)))
        for user in cls.users[:2]:
            stack.send(user, MAIL)

    def hammer(self, user, sessions, errors):
        """Session after session, each at another replica, each as soon as the last has its +OK."""
        try:
            for number in range(sessions):
                server = self.stack.pop3ds[number % 2]
                with self.stack.pop3(user, server=server, tls=None) as session:
                    session.stat()
                    session.ok("QUIT")
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    def test_no_login_finds_the_maildrop_in_use(self):
        errors = []
        threads = [threading.Thread(target=self.hammer, args=(user, 150, errors)) for user in self.users]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)

    def test_nor_when_a_quit_deleted_something(self):
        user = self.users[3]
        for _ in range(20):
            self.stack.send(user, MAIL)
        for number in range(20):
            with self.stack.pop3(user, server=self.stack.pop3ds[number % 2], tls=None) as session:
                self.assertEqual(20 - number, session.stat()[0])
                session.dele(1)
                session.ok("QUIT")

    def test_a_session_that_is_open_is_still_in_the_way(self):
        with self.stack.pop3(self.users[0], server=self.stack.pop3ds[0]) as session:
            with self.assertRaises(pop3.Refused) as caught:
                self.stack.pop3(self.users[0], server=self.stack.pop3ds[1])
            self.assertEqual("IN-USE", caught.exception.response_code)
            session.ok("QUIT")
        self.stack.pop3(self.users[0], server=self.stack.pop3ds[1]).quit()


class RememberedListingTest(SharedStackCase):
    """A pop3d that has seen a maildrop before is sent only what came and went since: it must show what is there."""

    @classmethod
    def build(cls, stack):
        build(stack)
        [cls.user] = stack.add_accounts("remembered")

    def uidls(self, server):
        with self.stack.pop3(self.user, server=server) as session:
            listed = session.uidl()
            self.assertEqual(len(listed), session.stat()[0])
            self.assertEqual(sorted(listed), [number for number, _ in session.list()])
            session.quit()
        return list(listed.values())

    def test_both_replicas_show_what_came_and_went(self):
        first, second = self.stack.pop3ds
        expected = []
        for round_number in range(12):
            for _ in range(3):
                self.stack.send(self.user, MAIL)
            # One by one through the other, so that each has something to hear of.
            shown = self.uidls(first)
            self.assertEqual(expected, shown[:len(expected)])
            self.assertEqual(len(expected) + 3, len(shown))
            with self.stack.pop3(self.user, server=(second, first)[round_number % 2]) as session:
                self.assertEqual(shown, list(session.uidl().values()))
                for number in (1, len(shown)):
                    session.dele(number)
                session.quit()
            expected = shown[1:-1]
            if round_number % 3 == 2:
                # An operator takes one away.
                self.stack.ctl.run("message", "remove", self.user,
                                   self.stack.ctl.json("message", "list", self.user)["messages"][0]["message_id"])
                expected = expected[1:]
            self.assertEqual(expected, self.uidls(second))
            self.assertEqual(expected, self.uidls(first))

    def test_an_account_made_anew_has_nothing_of_the_old_one(self):
        user = "again@example.test"
        self.stack.ctl.add_account(user, PASSWORD)
        self.stack.send(user, MAIL)
        with self.stack.pop3(user) as session:
            old = session.uidl()
            session.quit()
        self.stack.ctl.run("account", "remove", user, "--yes")
        self.stack.ctl.add_account(user, PASSWORD)
        with self.stack.pop3(user) as session:
            self.assertEqual({}, session.uidl())
            session.quit()
        self.stack.send(user, MAIL)
        with self.stack.pop3(user) as session:
            self.assertNotEqual(old, session.uidl())
            session.quit()


if __name__ == "__main__":
    unittest.main()
