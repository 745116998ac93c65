"""Every change by an operator and every refused credential is one line of stored's log: event=audit, who, what, to what, and
how it ended. What mail and sessions change has lines of its own."""

import unittest

from mailstead.ctl import Mailctl
from mailstead.process import parse_logfmt
from mailstead.stack import StackCase

MAIL = b"Subject: audit\r\n\r\nHello\r\n"


def method_of(got):
    """The name of the method that was called."""
    return got["action"].rsplit("/", 1)[-1]


def code_of(got):
    """Without the reason behind it."""
    return got["result"].split("/", 1)[0]


class AuditTest(StackCase):

    def setUp(self):
        self.stack = stack = self.new_stack()
        stack.add_stored()
        stack.add_smtpd()
        stack.add_pop3d()
        self.ctl = stack.ctl
        [self.user] = stack.add_accounts("user")
        self.marks = 0

    def lines_of(self, run):
        """The audit lines that `run` leaves: those in front of the line of another change."""
        self.marks += 1
        mark = f"mark{self.marks}.test"
        process = self.stack.stored.process
        before = process.line_count()
        run()
        self.ctl.add_domain(mark)
        process.wait_for_line(lambda line: "event=audit" in line and mark in line, start=before, what="the next audit line")
        lines = [got for got in map(parse_logfmt, process.lines[before:]) if got.get("event") == "audit"]
        return lines[:next(index for index, got in enumerate(lines) if mark in got.get("target", ""))]

    def assert_one(self, action, target, run, result="OK", caller="operator"):
        """`run` leaves one audit line, and it is this."""
        lines = self.lines_of(run)
        self.assertEqual(1, len(lines), (action, lines))
        [got] = lines
        self.assertEqual(action, method_of(got))
        self.assertIn(target, got["target"])
        self.assertEqual((caller, result), (got["caller"], code_of(got)), got)
        self.assertTrue(got["peer"], got)
        return got

    def test_changes(self):
        ctl = self.ctl
        steps = (
            ("CreateDomain", "audit.test", lambda: ctl.add_domain("audit.test"), "OK"),
            ("CreateDomain", "audit.test", lambda: ctl.raw("domain", "add", "audit.test"), "ALREADY_EXISTS"),
            ("CreateAlias", "list@audit.test", lambda: ctl.add_alias("list@audit.test", self.user), "OK"),
            ("DeleteAlias", "list@audit.test", lambda: ctl.run("alias", "remove", "list@audit.test"), "OK"),
            ("SetPassword", self.user, lambda: ctl.set_password(self.user, "another pass word"), "OK"),
            ("DeleteDomain", "audit.test", lambda: ctl.run("domain", "remove", "audit.test"), "OK"),
        )
        for action, target, run, result in steps:
            with self.subTest(action=action, result=result):
                self.assert_one(action, target, run, result)
        self.stack.secrets.add("another pass word")

    def test_an_account_from_its_making_to_its_end(self):
        def life():
            self.ctl.add_account("ann@example.test", "correct horse battery")
            self.ctl.run("account", "set", "ann@example.test", "--disabled=yes")
            self.ctl.run("account", "remove", "ann@example.test", "--yes")
        lines = self.lines_of(life)
        self.assertEqual(["CreateAccount", "UpdateAccount", "DeleteAccount"], [method_of(got) for got in lines])
        for got in lines:
            self.assertIn("ann@example.test", got["target"])
            self.assertEqual(("operator", "OK"), (got["caller"], got["result"]))

    def test_deleted_messages(self):
        """Where is Ann's mail? Whoever took it away is found: an operator in the audit, a POP3 client in its own line."""
        self.stack.send(self.user, MAIL)
        [listed] = self.ctl.json("message", "list", self.user)["messages"]
        got = self.assert_one("DeleteMessages", self.user,
                              lambda: self.ctl.run("message", "remove", self.user, listed["message_id"]))
        self.assertIn(listed["message_id"], got["target"])
        self.stack.send(self.user, MAIL)
        self.assertEqual([], self.lines_of(lambda: self.stack.fetch_all(self.user)))
        self.stack.stored.process.wait_for_event("maildrop_committed")

    def test_an_ended_session(self):
        with self.stack.pop3(self.user) as session:
            [held] = self.ctl.json("session", "list")["sessions"]
            got = self.assert_one("EndSession", self.user, lambda: self.ctl.run("session", "end", self.user))
            self.assertIn(held["session_id"], got["target"])
            session.close()
        self.assert_one("EndSession", self.user, lambda: self.ctl.raw("session", "end", self.user),
                        "NOT_FOUND")

    def test_what_only_reads_leaves_no_line(self):
        self.stack.send(self.user, MAIL)

        def read():
            self.ctl.json("account", "list")
            self.ctl.json("message", "list", self.user)
            self.ctl.json("status")
            self.ctl.json("session", "list")
            self.ctl.json("lockout", "list")
            self.ctl.run("resolve", self.user)
            self.stack.fetch_all(self.user, delete=False)
        self.assertEqual([], self.lines_of(read))

    def test_refused_credentials(self):
        wrong = self.stack.folder / "wrong.token"
        wrong.write_text("this-is-not-the-token\n", encoding="ascii")
        [got] = self.lines_of(lambda: Mailctl(self.stack.stored.address, wrong).raw("account", "list"))
        self.assertEqual(("UNAUTHENTICATED", "ListAccounts", "nobody"), (code_of(got), method_of(got), got["caller"]))
        self.assertTrue(got["peer"])
        self.assertNotIn("this-is-not-the-token", self.stack.stored.all_text())
        # A known one that may not.
        pop = Mailctl(self.stack.stored.address, self.stack.token("pop"))
        [got] = self.lines_of(lambda: pop.raw("account", "list"))
        self.assertEqual(("PERMISSION_DENIED", "pop", "ListAccounts"), (code_of(got), got["caller"], method_of(got)))


if __name__ == "__main__":
    unittest.main()
