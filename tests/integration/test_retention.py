"""How long messages stay: of a domain, an account, a key; and what POP3 says of it. The old ones are of a store that was made long
ago (tests/fixtures/store_v2)."""

import json
import subprocess

from mailstead import paths
from mailstead.ctl import Mailctl
from mailstead.process import wait_until
from mailstead.stack import StackCase

ANN, BOB = "ann@example.test", "bob@example.test"
PASSWORD = "secret-of-ann"
MAIL = b"From: sender@elsewhere.test\r\nSubject: new\r\n\r\ncontent\r\n"
USAGE, REFUSED = 2, 1
OLD_OF_ANN = 5


class RetentionTest(StackCase):

    def setUp(self):
        super().setUp()
        self.stack = self.new_stack()
        data = self.stack.folder / "stored"
        data.mkdir()
        fixture = paths.REPOSITORY / "tests" / "fixtures" / "store_v2" / "store.tar.gz"
        subprocess.run(["tar", "-xzf", fixture, "-C", data], check=True)
        self.stack.secrets.add(PASSWORD)
        self.stack.add_stored(secrets_key_file=self.stack.folder / "secrets.key")
        self.stack.add_pop3d()
        self.ctl = self.stack.ctl
        self.ctl.run("account", "password", BOB, "--password_stdin", input=PASSWORD + "\n")

    def look_again(self):
        """stored begins with a look for what is too old."""
        self.stack.stored.terminate()
        self.stack.stored.restart()

    def messages(self, account):
        return len(self.ctl.json("message", "list", account)["messages"])

    def session(self, account):
        return self.stack.pop3(account, PASSWORD)

    def expire_line(self, session):
        [line] = [line for line in session.capa() if line.startswith("EXPIRE ")]
        return line

    def expire_before_login(self):
        with self.stack.pop3() as session:
            return self.expire_line(session)

    def expire_of(self, account):
        with self.session(account) as session:
            return self.expire_line(session)

    def await_expire_before_login(self, line):
        """pop3d hears it with its next heartbeat."""
        wait_until(lambda: self.expire_before_login() == line, what=line)

    def test_what_is_too_old_goes(self):
        old_of_bob = self.messages(BOB)
        self.ctl.run("deliver", "-", f"--to={ANN}", input=MAIL)
        self.assertEqual(OLD_OF_ANN + 1, self.messages(ANN))
        self.ctl.run("domain", "set", "example.test", "--retention=1d", "--undelete_window=7d")
        self.assertIn(b"1 day", self.ctl.run("domain", "show", "example.test"))
        self.ctl.run("account", "set", BOB, "--retention=never")
        self.assertIn(b"for ever", self.ctl.run("account", "show", BOB))
        self.assertIn(b"as its domain says", self.ctl.run("account", "show", ANN))
        self.look_again()
        self.stack.stored.process.wait_for_event("expired", messages=OLD_OF_ANN)
        self.assertEqual(1, self.messages(ANN))
        self.assertEqual(old_of_bob, self.messages(BOB))
        deleted = self.ctl.json("message", "list", ANN, "--deleted")["messages"]
        self.assertEqual({"DELETION_CAUSE_RETENTION"}, {one["deletion"]["cause"] for one in deleted})
        self.assertIn("retention", self.ctl.run("message", "list", ANN, "--deleted").decode().lower())
        metrics = self.stack.stored.metrics()
        self.assertEqual(OLD_OF_ANN, metrics[("mailstead_store_expired_messages_total", ())])
        wait_until(lambda: self.stack.stored.metrics()[("mailstead_store_trash_messages", ())] == OLD_OF_ANN,
                   what="the trash is counted")
        # What comes back stays where it may be so old, and the domain says nothing to it.
        self.ctl.run("account", "set", ANN, "--retention=never")
        self.ctl.run("message", "restore", ANN, *[one["summary"]["message_id"] for one in deleted])
        self.assertEqual(OLD_OF_ANN, self.stack.stored.metrics()[("mailstead_store_trash_restored_messages_total", ())])
        self.look_again()
        self.assertEqual(OLD_OF_ANN + 1, self.messages(ANN))
        self.ctl.run("account", "set", ANN, "--retention=domain")
        self.assertNotIn("retention", self.ctl.json("account", "show", ANN))
        self.look_again()
        self.stack.stored.process.wait_for_event("expired", messages=OLD_OF_ANN)
        self.assertEqual(1, self.messages(ANN))
        self.assertEqual(0, self.ctl.raw("verify").returncode)

    def test_pop3_says_how_long(self):
        self.assertEqual("EXPIRE NEVER", self.expire_before_login())
        self.assertEqual("EXPIRE NEVER", self.expire_of(ANN))
        self.ctl.run("domain", "set", "example.test", "--retention=3650d")
        self.await_expire_before_login("EXPIRE 3650 USER")
        self.ctl.run("account", "set", BOB, "--retention=1000d")
        self.await_expire_before_login("EXPIRE 1000 USER")
        self.assertEqual("EXPIRE 3650", self.expire_of(ANN))
        self.assertEqual("EXPIRE 1000", self.expire_of(BOB))
        self.ctl.run("account", "set", BOB, "--retention=never")
        self.assertEqual("EXPIRE NEVER", self.expire_of(BOB))
        # What a key brings in goes sooner; one for other mailboxes is of no matter.
        self.ctl.run("key", "create", "tickets", "--scope=mail.deliver", "--mailbox", ANN, "--retention=7d")
        self.await_expire_before_login("EXPIRE 7 USER")
        self.assertEqual("EXPIRE 7", self.expire_of(ANN))
        self.assertEqual("EXPIRE NEVER", self.expire_of(BOB))
        self.ctl.run("key", "set", "tickets", "--retention=never")
        self.await_expire_before_login("EXPIRE 3650 USER")
        # After a restart of the store, too.
        self.look_again()
        self.await_expire_before_login("EXPIRE 3650 USER")
        self.ctl.run("domain", "set", "example.test", "--retention=never")
        self.await_expire_before_login("EXPIRE NEVER")

    def test_a_session_keeps_its_numbers(self):
        with self.session(ANN) as session:
            self.assertEqual(OLD_OF_ANN, session.stat()[0])
            self.ctl.run("domain", "set", "example.test", "--retention=1d")
            self.look_again()
            self.stack.stored.process.wait_for_event("expired")
            self.assertEqual(OLD_OF_ANN, session.stat()[0])
            session.dele(1)
            session.quit()
        self.assertEqual(0, self.messages(ANN))

    def test_a_key_has_its_own(self):
        path = self.stack.folder / "tickets.key"
        self.ctl.run("key", "create", "tickets", "--scope=mail.deliver,directory.read", "--mailbox", ANN,
                     "--retention=7d", "--out", str(path))
        self.stack.secrets.add(path.read_text(encoding="ascii").strip())
        self.assertIn(b"at most 7 days", self.ctl.run("key", "show", "tickets"))
        self.assertEqual("604800s", self.ctl.json("key", "show", "tickets")["retention"])
        Mailctl(self.stack.stored.address, path).run("deliver", "-", f"--to={ANN}", input=MAIL)
        # Young enough, and so are the others, of which nothing is said.
        self.look_again()
        self.assertEqual(OLD_OF_ANN + 1, self.messages(ANN))

    def test_bad_wishes(self):
        for word in "12h", "3651d", "36h", "soon", "0", "-1d":
            for command in (("domain", "set", "example.test"), ("account", "set", ANN),
                            ("key", "create", "x", "--scope=mail.read")):
                with self.subTest(word=word, command=command):
                    done = self.ctl.raw(*command, f"--retention={word}")
                    self.assertIn(done.returncode, (USAGE, REFUSED), done.stderr)
                    self.assertIn(b"retention", done.stderr)
        self.assertNotIn("retention", self.ctl.json("domain", "show", "example.test"))

    def test_a_limit_that_somebody_else_has_set_is_not_lost(self):
        from mailstead.store_client import StoreClient
        api = StoreClient(self.stack.stored.address, self.stack.token("operator"))
        before = api.call("SendingService/GetSending", account=ANN)
        self.ctl.run("account", "set", ANN, "--hourly_recipients=7")
        lost = api.failure("SendingService/SetSendingLimits", account=ANN, etag=before.etag, limits={"trusted": True})
        self.assertEqual(("ABORTED", "ETAG_MISMATCH"), (lost.code, lost.reason))
        self.assertEqual("7", self.ctl.json("account", "set", ANN, "--trusted=yes")["own_limits"]["hourly_recipients"])
        [key] = [json.loads(self.ctl.run("dkim", "create", "example.test", "--selector=s1", "--json"))]
        self.ctl.run("dkim", "activate", "example.test", "s1")
        lost = api.failure("DkimService/DeleteDkimKey", domain="example.test", selector="s1", etag=key["etag"],
                           even_active=True)
        self.assertEqual(("ABORTED", "ETAG_MISMATCH"), (lost.code, lost.reason))
        self.ctl.run("dkim", "remove", "example.test", "s1", "--force")
