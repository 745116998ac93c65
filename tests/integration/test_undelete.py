"""What users delete and need after all: kept for their domain's undelete window, and brought back."""

import time

import grpc

from mailstead import pop3
from mailstead.process import wait_until
from mailstead.stack import StackCase
from mailstead.store_client import StoreClient

MAIL = b"From: sender@elsewhere.test\r\nSubject: %b\r\n\r\ncontent of %b\r\n"
ANN = "ann@example.test"
NOT_FOUND, TEMPORARY = 3, 5


class UndeleteTest(StackCase):

    def setUp(self):
        super().setUp()
        self.stack = self.new_stack()
        self.stack.add_stored()
        self.stack.add_pop3d()
        self.stack.add_accounts("ann", "bob")
        self.ctl = self.stack.ctl
        self.api = StoreClient(self.stack.stored.address, self.stack.token("operator"))

    def fill(self, *names):
        for name in names:
            self.ctl.run("deliver", "-", f"--to={ANN}", input=MAIL % (name, name))

    def deleted(self):
        return {int(one["summary"]["message_id"]): one["deletion"]
                for one in self.ctl.json("message", "list", ANN, "--deleted")["messages"]}

    def usage(self):
        return int(self.ctl.json("account", "show", ANN)["usage"]["messages"])

    def session_after_restart(self):
        """The front-end finds the store again in its own time."""
        def log_in():
            try:
                return self.stack.pop3(ANN)
            except pop3.Refused as refused:
                self.assertEqual("SYS/TEMP", refused.response_code)
                return None
        return wait_until(log_in, what="pop3d has reached the store")

    def quit_with(self, *numbers):
        session = self.stack.pop3(ANN)
        for number in numbers:
            session.dele(number)
        session.quit()

    def test_a_message_comes_back_in_its_old_place(self):
        self.ctl.run("domain", "set", "example.test", "--undelete_window=7d")
        self.assertIn(b"7d", self.ctl.run("domain", "show", "example.test"))
        self.fill(b"one", b"two", b"three")
        with self.stack.pop3(ANN) as session:
            unique_ids = session.uidl()
            contents = [session.retr(number) for number in (1, 2, 3)]
        self.quit_with(2)
        self.ctl.run("message", "remove", ANN, "3")
        deleted = self.deleted()
        self.assertEqual([2, 3], sorted(deleted))
        self.assertEqual("DELETION_CAUSE_POP3", deleted[2]["cause"])
        self.assertEqual("DELETION_CAUSE_API", deleted[3]["cause"])
        self.assertIn("restorable_until_time", deleted[2])
        self.assertEqual(1, self.usage())
        shown = self.ctl.run("message", "list", ANN, "--deleted", "--subject=two").decode()
        self.assertIn("POP3", shown)
        self.assertNotIn("three", shown)
        # While a session holds the maildrop its numbers stay right.
        with self.stack.pop3(ANN) as session:
            self.assertEqual(TEMPORARY, self.ctl.raw("message", "restore", ANN, "2").returncode)
            self.assertEqual(1, session.stat()[0])
        self.stack.stored.terminate()
        self.stack.stored.restart()

        def restore():
            """The maildrop may be given back only now, to the store that has come back."""
            done = self.ctl.raw("message", "restore", ANN, "2", "3")
            if done.returncode == TEMPORARY:
                return None
            self.assertEqual(0, done.returncode, done.stderr)
            return done.stdout
        self.assertIn(b"2 messages restored", wait_until(restore, what="the maildrop is free"))
        # A repeat changes nothing; what is nowhere is named.
        done = self.ctl.raw("message", "restore", ANN, "2", "99")
        self.assertEqual(NOT_FOUND, done.returncode)
        self.assertIn(b"99", done.stderr)
        with self.session_after_restart() as session:
            self.assertEqual(unique_ids, session.uidl())
            self.assertEqual(contents, [session.retr(number) for number in (1, 2, 3)])
        self.assertEqual({}, self.deleted())
        self.assertEqual(3, self.usage())
        self.assertEqual(0, self.ctl.raw("verify").returncode)

    def test_a_poll_sees_what_came_back_meanwhile(self):
        """The front-end remembers the listing of the session before."""
        self.ctl.run("domain", "set", "example.test", "--undelete_window=1h")
        self.fill(b"one", b"two", b"three", b"four")
        with self.stack.pop3(ANN) as session:
            unique_ids = session.uidl()
        self.quit_with(2, 3)
        with self.stack.pop3(ANN) as session:
            self.assertEqual(2, len(session.uidl()))
        self.ctl.run("message", "restore", ANN, "3")
        with self.stack.pop3(ANN) as session:
            self.assertEqual([unique_ids[1], unique_ids[3], unique_ids[4]], list(session.uidl().values()))

    def test_very_many_in_one_session(self):
        self.ctl.run("domain", "set", "example.test", "--undelete_window=1h")
        for _ in range(300):
            self.fill(b"x")
        self.quit_with(*range(1, 301))
        self.assertEqual(0, self.usage())
        self.stack.stored.kill()
        self.stack.stored.restart()
        deleted = sorted(self.deleted())
        self.assertEqual(300, len(deleted))
        self.ctl.run("message", "restore", ANN, *map(str, deleted))
        self.assertEqual(300, self.usage())

    def test_a_window_that_is_turned_off_keeps_nothing(self):
        self.fill(b"one", b"two", b"three")
        self.quit_with(1)
        self.assertEqual({}, self.deleted())
        self.ctl.run("domain", "set", "example.test", "--undelete_window=1h")
        self.quit_with(1)
        self.assertEqual([2], sorted(self.deleted()))
        self.ctl.run("domain", "set", "example.test", "--undelete_window=off")
        self.assertEqual({}, self.deleted())
        self.assertEqual(NOT_FOUND, self.ctl.raw("message", "restore", ANN, "2").returncode)
        self.ctl.run("domain", "set", "example.test", "--undelete_window=2s")
        self.quit_with(1)
        deadline = time.monotonic() + 10
        while self.deleted() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual({}, self.deleted())

    def test_bad_wishes(self):
        for bad in "soon", "366d":
            self.assertNotEqual(0, self.ctl.raw("domain", "set", "example.test", f"--undelete_window={bad}").returncode)
        with self.assertRaises(grpc.RpcError) as caught:
            list(self.api.list(ANN, in_trash=True, view="MESSAGE_VIEW_RAW"))
        self.assertEqual(grpc.StatusCode.INVALID_ARGUMENT, caught.exception.code())
        with self.assertRaises(grpc.RpcError) as caught:
            self.api.call("MessageService/RestoreMessages", account=ANN)
        self.assertEqual(grpc.StatusCode.INVALID_ARGUMENT, caught.exception.code())

    def test_there_must_be_room(self):
        self.ctl.run("domain", "set", "example.test", "--undelete_window=1h")
        self.ctl.run("account", "set", ANN, "--quota_messages=2")
        self.fill(b"one", b"two")
        self.quit_with(1)
        self.fill(b"three")
        done = self.ctl.raw("message", "restore", ANN, "1")
        self.assertEqual(TEMPORARY, done.returncode)
        self.assertIn(b"quota", done.stderr)
        self.ctl.run("message", "remove", ANN, "3")
        self.ctl.run("message", "restore", ANN, "1")
        self.assertEqual(2, self.usage())
