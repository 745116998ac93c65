"""mailctl: every command, its exit codes, its JSON, and an import of ten thousand accounts."""

import json
import os
import subprocess
import time
import unittest

from mailstead import pop3
from mailstead.ctl import CtlError
from mailstead.process import clean_environment, program_argv, wait_until
from mailstead.stack import PASSWORD, StackCase
from mailstead.trace import strip_trace

MAIL = b"Subject: ctl\r\n\r\nHello\r\n"
IMPORTED_ACCOUNTS = 10_000
# Salted hashing of every password at 4,096 iterations is most of it.
LONGEST_IMPORT_SECONDS = 60

DONE, REFUSED, USAGE, NOT_FOUND, EXISTS, TEMPORARY = range(6)
READER_GONE = 141


class MailctlTest(StackCase):

    def setUp(self):
        self.stack = stack = self.new_stack()
        stack.add_stored()
        self.ctl = stack.ctl

    def with_front_ends(self):
        self.stack.add_smtpd()
        self.stack.add_pop3d()

    def assert_exit(self, status, *arguments, input=None):
        done = self.ctl.raw(*arguments, input=input)
        self.assertEqual(status, done.returncode, f"mailctl {arguments}: {done.stdout} {done.stderr}")
        if status != DONE:
            self.assertEqual(1, len(done.stderr.decode().strip().splitlines()), done.stderr)
        return done

    def test_domains(self):
        self.assert_exit(DONE, "domain", "add", "example.test")
        self.assert_exit(DONE, "domain", "add", "Second.Test", "--plus_addressing=no")
        self.assert_exit(EXISTS, "domain", "add", "EXAMPLE.test")
        self.assert_exit(REFUSED, "domain", "add", "not a domain")
        self.assertEqual(["example.test", "second.test"],
                         [domain["name"] for domain in self.ctl.json("domain", "list")["domains"]])
        self.assertEqual("PLUS_ADDRESSING_DISABLED", self.ctl.json("domain", "show", "second.test")["plus_addressing"])
        self.assert_exit(DONE, "domain", "set", "second.test", "--plus_addressing=yes")
        self.assertEqual("PLUS_ADDRESSING_ENABLED", self.ctl.json("domain", "show", "second.test")["plus_addressing"])
        self.ctl.add_account("a@second.test", "one two")
        self.assert_exit(REFUSED, "domain", "remove", "second.test")
        self.assert_exit(DONE, "account", "remove", "a@second.test", "--yes")
        self.assert_exit(DONE, "domain", "remove", "second.test")
        self.assert_exit(NOT_FOUND, "domain", "show", "second.test")
        self.assert_exit(NOT_FOUND, "domain", "remove", "second.test")
        self.assertIn(b"example.test", self.ctl.run("domain", "list"))

    def test_accounts(self):
        self.ctl.add_domain("example.test")
        self.assert_exit(DONE, "account", "add", "Ann@example.test", "--password_stdin", "--quota_bytes=1M",
                         "--quota_messages=5", input="one two\n")
        self.assert_exit(EXISTS, "account", "add", "ann@example.test", "--password_stdin", input="x y\n")
        self.assert_exit(NOT_FOUND, "account", "add", "ann@nowhere.test", "--password_stdin", input="x y\n")
        self.assert_exit(USAGE, "account", "add", "bob@example.test", input="x y\n")
        self.assert_exit(USAGE, "account", "add")
        self.assert_exit(USAGE, "account", "add", "bob@example.test", "secret")
        self.assert_exit(REFUSED, "account", "add", "bob", "--password_stdin", input="x y\n")
        shown = self.ctl.json("account", "show", "ANN@example.test")
        self.assertEqual("Ann@example.test", shown["address"])
        self.assertEqual({"bytes": str(1 << 20), "messages": "5"}, shown["quota"])
        self.assertEqual("ACCOUNT_STATE_ACTIVE", shown["state"])
        self.assertEqual("PASSWORD_KIND_SCRAM_SHA_256", shown["password_kind"])
        self.assert_exit(DONE, "account", "set", "ann@example.test", "--quota_bytes=0", "--disabled=yes")
        shown = self.ctl.json("account", "show", "ann@example.test")
        self.assertEqual(("0", "ACCOUNT_STATE_DISABLED"), (shown["quota"]["bytes"], shown["state"]))
        self.assert_exit(USAGE, "account", "set", "ann@example.test")
        self.assert_exit(NOT_FOUND, "account", "set", "bob@example.test", "--disabled=yes")
        self.assert_exit(NOT_FOUND, "account", "password", "bob@example.test", "--password_stdin", input="x y\n")
        # By its number, which the list shows.
        self.assertIn(shown["account_id"].encode(), self.ctl.run("account", "list", "example.test"))
        self.assertEqual(shown, self.ctl.json("account", "show", shown["account_id"]))
        self.assert_exit(NOT_FOUND, "account", "show", "999")
        self.assert_exit(DONE, "account", "remove", "ann@example.test", "--yes")
        self.assert_exit(NOT_FOUND, "account", "remove", "ann@example.test", "--yes")
        self.assertEqual([], self.ctl.json("account", "list")["accounts"])

    def test_lists_of_what_is_not_there(self):
        self.stack.add_accounts("ann")
        for noun in "account", "alias":
            done = self.assert_exit(NOT_FOUND, noun, "list", "nodomain.test")
            self.assertEqual(b"", done.stdout)
            self.assertIn(b"nodomain.test", done.stderr)
        for arguments in ("message", "list"), ("session", "list"), ("verify",):
            self.assert_exit(NOT_FOUND, *arguments, "nobody@example.test")
        self.assert_exit(DONE, "alias", "list", "example.test")
        self.assert_exit(DONE, "session", "list", "ann@example.test")

    def test_aliases(self):
        self.stack.add_accounts("ann", "bob")
        self.assert_exit(DONE, "alias", "add", "team@example.test", "ann@example.test", "bob@example.test")
        self.assert_exit(EXISTS, "alias", "add", "team@example.test", "ann@example.test")
        self.assert_exit(EXISTS, "alias", "add", "ann@example.test", "bob@example.test")
        self.assert_exit(USAGE, "alias", "add", "empty@example.test")
        self.assert_exit(DONE, "alias", "set", "team@example.test", "bob@example.test")
        self.assertEqual(["bob@example.test"], self.ctl.json("alias", "show", "team@example.test")["targets"])
        self.assert_exit(DONE, "alias", "add", "@example.test", "ann@example.test")
        self.assertEqual(2, len(self.ctl.json("alias", "list", "example.test")["aliases"]))
        resolved = self.ctl.json("resolve", "anything@example.test")
        self.assertEqual("OUTCOME_ALIAS", resolved["outcome"])
        self.assert_exit(DONE, "alias", "remove", "@example.test")
        self.assert_exit(NOT_FOUND, "alias", "remove", "@example.test")
        self.assert_exit(NOT_FOUND, "resolve", "anything@example.test")
        self.assertEqual("OUTCOME_ACCOUNT", self.ctl.json("resolve", "ann+x@example.test")["outcome"])
        done = self.ctl.raw("resolve", "ann@other.test", "--json")
        self.assertEqual(REFUSED, done.returncode)
        remote = json.loads(done.stdout)
        self.assertEqual(("OUTCOME_REMOTE", REFUSED), (remote["outcome"], remote["error"]["exit_code"]))
        self.assertEqual(b"", done.stderr, "one document")

    def test_postmaster(self):
        self.assert_exit(DONE, "domain", "add", "example.test", "--postmaster=ann@example.test")
        self.assertIn(b"nobody", self.ctl.run("domain", "show", "example.test"))
        self.assert_exit(DONE, "account", "add", "ann@example.test", "--no_password", "--quota_messages=1")
        self.assert_exit(DONE, "account", "add", "aaa@example.test", "--no_password")
        self.assertIn(b"ann@example.test\n", self.ctl.run("domain", "show", "example.test"))
        self.assertIn(b"postmaster:      ann@example.test\n", self.ctl.run("status"))
        self.ctl.run("deliver", "-", "--to=postmaster@example.test", input=MAIL)
        # Full: it stays ann's, and does not go to the first account meanwhile.
        self.assert_exit(TEMPORARY, "resolve", "postmaster@example.test")
        self.assert_exit(TEMPORARY, "resolve", "postmaster")

    def test_messages(self):
        self.with_front_ends()
        user, other = self.stack.add_accounts("ann", "bob")
        self.stack.send([user, other], MAIL)
        [listed] = self.ctl.json("message", "list", user)["messages"]
        self.assertEqual("sender@elsewhere.test", listed["reverse_path"])
        self.assertEqual([user], listed["recipients"])
        with self.stack.pop3(user) as session:
            raw = session.retr(1)
            self.assertEqual({1: listed["unique_id"]}, session.uidl())
            session.quit()
        self.assertEqual(len(raw), int(listed["size_bytes"]))
        self.assertEqual(raw, self.ctl.run("fetch", user, listed["message_id"]))
        out = self.stack.folder / "message.eml"
        self.ctl.json("fetch", user, listed["message_id"], f"--output={out}")
        self.assertEqual(raw, out.read_bytes())
        self.assertIn(b"Subject: ctl", self.ctl.run("message", "show", user, listed["message_id"]))
        self.assertEqual(listed, self.ctl.json("message", "show", user, listed["message_id"]))
        self.assert_exit(NOT_FOUND, "message", "show", user, "999")
        self.assert_exit(NOT_FOUND, "fetch", user, "999")
        self.assert_exit(USAGE, "fetch", user, "abc")
        done = self.assert_exit(NOT_FOUND, "message", "remove", user, listed["message_id"], "999", "998")
        self.assertEqual(b"1 message removed\n", done.stdout)
        self.assertIn(f"no message 998, 999 in {user}".encode(), done.stderr)
        done = self.ctl.raw("message", "remove", user, listed["message_id"], "--json")
        self.assertEqual((NOT_FOUND, b""), (done.returncode, done.stderr))
        removed = json.loads(done.stdout)
        self.assertEqual(("0", [listed["message_id"]], NOT_FOUND),
                         (removed["deleted_count"], removed["missing_message_ids"], removed["error"]["exit_code"]))
        self.assertEqual([], self.ctl.json("message", "list", user)["messages"])
        self.assert_exit(DONE, "message", "remove", other, "--all", "--yes")
        self.assertEqual([], self.ctl.json("message", "list", other)["messages"])

    def test_sessions(self):
        self.with_front_ends()
        user, other = self.stack.add_accounts("ann", "bob")
        self.stack.send(user, MAIL)
        self.assertEqual(b"no sessions\n", self.ctl.run("session", "list"))
        self.assert_exit(NOT_FOUND, "session", "end", user)
        session, bystander = self.stack.pop3(user), self.stack.pop3(other)
        first, second = self.ctl.json("session", "list")["sessions"]
        self.assertEqual((user, other), (first["address"], second["address"]))
        self.assertEqual(("127.0.0.1", "127.0.0.1"), (first["client_address"], second["client_address"]))
        self.assertEqual([second], self.ctl.json("session", "list", other)["sessions"])
        [lease] = [lease for lease in self.ctl.json("status")["leases"] if lease["lease_id"] == first["lease_id"]]
        self.assertEqual(lease["holder"], first["holder"])
        self.assertIn(first["session_id"].encode(), self.ctl.run("session", "list", user))
        session.ok("DELE 1")
        self.assert_exit(NOT_FOUND, "session", "end", user, second["session_id"])
        done = self.assert_exit(DONE, "session", "end", user, first["session_id"])
        self.assertEqual(f"session {first['session_id']} of {user} ended\n".encode(), done.stdout)
        # The maildrop is free at once, and the session is told by its next command.
        with self.stack.pop3(user) as successor:
            self.assertEqual({1}, set(successor.uidl()))
            time.sleep(1)
            with self.assertRaises(pop3.Refused) as caught:
                session.ok("NOOP")
            self.assertEqual("SYS/TEMP", caught.exception.response_code, caught.exception.line)
            self.assertTrue(session.at_end())
            successor.ok("NOOP")
            successor.quit()
        session.close()
        bystander.quit()
        self.assertEqual([], self.ctl.json("session", "list")["sessions"])

    def test_a_session_that_commits_as_it_is_ended_deletes_nothing(self):
        self.with_front_ends()
        [user] = self.stack.add_accounts("ann")
        self.stack.send(user, MAIL)
        for command in "QUIT", "RETR 1":
            session = self.stack.pop3(user)
            if command == "QUIT":
                session.ok("DELE 1")
            self.assert_exit(DONE, "session", "end", user)
            with self.assertRaises(pop3.Refused) as caught:
                session.ok(command)
            self.assertEqual("SYS/TEMP", caught.exception.response_code, caught.exception.line)
            session.close()
            self.assertEqual(1, len(self.ctl.json("message", "list", user)["messages"]))

    def test_deliver(self):
        self.with_front_ends()
        user, other = self.stack.add_accounts("ann", "bob")
        file = self.stack.folder / "hello.eml"
        file.write_bytes(b"Subject: file\n\n.\nHello\n")
        delivery_id = "test-delivery-0123456789"
        arguments = ("deliver", str(file), f"--to={user},{other}", "--from=a@elsewhere.test",
                     f"--delivery_id={delivery_id}")
        first = self.ctl.json(*arguments)
        self.assertEqual((delivery_id, "DELIVER_OUTCOME_STORED"), (first["delivery_id"], first["outcome"]))
        # The same delivery again is found and not stored again; Message-ID plays no part in it.
        self.assertEqual("DELIVER_OUTCOME_ALREADY_STORED", self.ctl.json(*arguments)["outcome"])
        for address in (user, other):
            [raw] = self.stack.fetch_all(address)
            self.assertEqual(b"Return-Path: <a@elsewhere.test>\r\nDelivered-To: " + address.encode() +
                             b"\r\nSubject: file\r\n\r\n.\r\nHello\r\n", raw)
        self.assertEqual("DELIVER_OUTCOME_ALREADY_STORED", self.ctl.json(*arguments)["outcome"],
                         "also after it was fetched and deleted")
        # For another message the id is refused: it was not delivered.
        done = self.assert_exit(EXISTS, *arguments[:2], f"--to={user}", *arguments[3:])
        self.assertIn("used for another message", done.stderr.decode())
        self.assertEqual([], self.stack.fetch_all(user))
        self.ctl.run("deliver", "-", f"--to={user}", input=MAIL)
        [raw] = self.stack.fetch_all(user)
        self.assertEqual(b"Return-Path: <>\r\nDelivered-To: " + user.encode() + b"\r\n" + MAIL, raw)
        done = self.ctl.raw("deliver", "-", "--to=nobody@example.test", input=MAIL)
        self.assertIn(done.returncode, (REFUSED, NOT_FOUND), done.stderr)
        self.assert_exit(USAGE, "deliver", "-", input=MAIL)
        self.assert_exit(NOT_FOUND, "deliver", "/no/such/file", f"--to={user}")

    def test_status_and_verify(self):
        self.with_front_ends()
        users = self.stack.add_accounts("ann", "bob")
        for _ in range(3):
            self.stack.send(users, MAIL)
        status = self.ctl.json("status")
        self.assertEqual(("rocksdb", "HEALTH_SERVING"), (status["engine"], status["health"]))
        self.assertEqual([1, 2, 6],
                         [int(status[f"{noun}_count"]) for noun in ("domain", "account", "message")])
        self.assertEqual(1, len(status["leases"]), "one pop3d")
        with self.stack.pop3(users[0]):
            self.assertEqual(1, int(self.ctl.json("status")["open_maildrop_count"]))
        verified = self.ctl.json("verify")
        self.assertEqual((6, 0), (int(verified["checked_count"]), int(verified["damaged_count"])))
        self.assertEqual(3, int(self.ctl.json("verify", users[1])["checked_count"]))
        self.assertIn(b"good", self.ctl.run("status"))

    def test_the_store_is_away(self):
        self.stack.stored.kill()
        done = self.ctl.raw("--timeout=2s", "status")
        self.assertEqual(TEMPORARY, done.returncode, done.stderr)
        self.assertIn(self.stack.stored.address, done.stderr.decode())
        done = self.ctl.raw("--timeout=2s", "domain", "list", "--json")
        self.assertEqual(TEMPORARY, done.returncode)
        self.assertIn("error", json.loads(done.stderr))
        self.assertEqual(b"", done.stdout)

    def test_import_of_ten_thousand_accounts(self):
        self.with_front_ends()
        self.ctl.add_domain("example.test")
        file = self.stack.folder / "accounts.txt"
        file.write_text("# address and password\n\n" + "".join(
            f"user{number}@example.test pass word {number}\n" for number in range(IMPORTED_ACCOUNTS)), encoding="ascii")
        started = time.monotonic()
        tally = self.ctl.json("account", "import", file)
        seconds = time.monotonic() - started
        print(f"{IMPORTED_ACCOUNTS} accounts imported in {seconds:.1f} s")
        self.assertEqual((str(IMPORTED_ACCOUNTS), "0"), (tally["added"], tally["failed"]))
        self.assertLess(seconds, LONGEST_IMPORT_SECONDS)
        listed = [account["address"] for account in self.ctl.json("account", "list", "example.test")["accounts"]]
        self.assertEqual(IMPORTED_ACCOUNTS, len(set(listed)))
        for number in (0, 4711, IMPORTED_ACCOUNTS - 1):
            address = f"user{number}@example.test"
            self.stack.send(address, MAIL)
            [raw] = self.stack.fetch_all(address, password=f"pass word {number}")
            self.assertEqual(MAIL, strip_trace(raw).content)

    def test_import_with_bad_lines(self):
        self.ctl.add_domain("example.test")
        text = "good@example.test one two\nnonsense\nbad@nowhere.test pw\nGOOD@example.test again\n"
        done = self.ctl.raw("account", "import", "-", "--json", input=text)
        self.assertEqual(REFUSED, done.returncode)
        tally = json.loads(done.stdout)
        self.assertEqual(("1", "3"), (tally["added"], tally["failed"]))
        self.assertEqual(["2", "3", "4"], [failure["line"] for failure in tally["failures"]])
        self.assertNotIn(b"one two", done.stdout + done.stderr)
        tally = self.ctl.json("account", "import", "-", "--existing=skip", input="good@example.test x y\n")
        self.assertEqual(("0", "1"), (tally["added"], tally["skipped"]))
        tally = self.ctl.json("account", "import", "-", "--existing=update", input="good@example.test x y\n")
        self.assertEqual(("0", "1"), (tally["added"], tally["updated"]))

    def test_finds_the_store_in_the_data_folder(self):
        data = self.stack.folder / "data"
        (data / "secrets").mkdir(parents=True)
        (data / "store.address").write_text((self.stack.folder / "stored.address").read_text())
        (data / "secrets" / "operator.token").write_text((self.stack.folder / "operator.token").read_text())
        done = self.ctl.raw("domain", "list", "--json",
                            environment={"MAILCTL_STORE": "", "MAILCTL_TOKEN_FILE": "", "MAILSTEAD_DATA": str(data)})
        self.assertEqual(0, done.returncode, done.stderr)

    def test_help_with_an_example_for_everything(self):
        general = self.ctl.run("help").decode()
        for noun in ("domain", "account", "alias", "route", "message", "status", "deliver", "fetch", "verify", "completion"):
            self.assertIn(noun, general)
        for command in ("domain add", "domain list", "domain show", "domain set", "domain remove", "account add",
                        "account list", "account show", "account set", "account password", "account remove",
                        "account import", "alias add", "alias list", "alias show", "alias set", "alias remove",
                        "route set", "route list", "route show", "route remove",
                        "message list", "message show", "message fetch", "message remove", "session list", "session end", "lockout list",
                        "lockout clear", "deliver", "fetch", "status", "verify",
                        "resolve", "completion"):
            text = self.ctl.run("help", *command.split()).decode()
            self.assertIn(f"mailctl {command}", text.split("Example", 1)[1], command)
        for shell in ("bash", "zsh", "fish"):
            self.assertIn(b"mailctl", self.ctl.run("completion", shell))
        self.assert_exit(USAGE, "nonsense")
        self.assert_exit(USAGE, "account", "nonsense")
        self.assert_exit(USAGE, "account", "list", "--nonsense")

    def closed_output(self, *arguments):
        """The exit code and standard error of a mailctl whose standard output nobody reads."""
        reader, writer = os.pipe()
        os.close(reader)
        environment = {"MAILCTL_STORE": self.ctl.store, "MAILCTL_TOKEN_FILE": str(self.ctl.token_file)}
        try:
            done = subprocess.run([*program_argv("mailctl", {}), *arguments], stdin=subprocess.DEVNULL, stdout=writer,
                                  stderr=subprocess.PIPE, timeout=60, env=clean_environment(environment), check=False)
        finally:
            os.close(writer)
        return done.returncode, done.stderr

    def test_a_reader_that_went_away(self):
        """As in `mailctl account list | head`: the work is done, and nobody is told to try again."""
        self.assertEqual((READER_GONE, b""), self.closed_output("domain", "add", "example.test"))
        self.ctl.run("domain", "show", "example.test")
        for arguments in (("domain", "list"), ("domain", "list", "--json"), ("help",), ("status",)):
            self.assertEqual((READER_GONE, b""), self.closed_output(*arguments), arguments)
        # An error of the command is still one.
        status, error = self.closed_output("domain", "show", "other.test")
        self.assertEqual(NOT_FOUND, status, error)
        self.assertIn(b"other.test", error)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([*program_argv("mailctl", {}), "help"], stdout=full, stderr=subprocess.PIPE,
                                  timeout=60, env=clean_environment({}), check=False)
        self.assertEqual(TEMPORARY, done.returncode, done.stderr)
        self.assertIn(b"standard output", done.stderr)

    def test_errors_name_the_cause(self):
        with self.assertRaises(CtlError) as caught:
            self.ctl.run("account", "show", "nobody@example.test")
        self.assertIn("nobody@example.test", str(caught.exception))

    def test_passwords_are_never_shown(self):
        [user] = self.stack.add_accounts("ann")
        for arguments in (("account", "show", user), ("account", "list"), ("account", "show", user, "--json")):
            self.assertNotIn(PASSWORD.encode(), self.ctl.run(*arguments))


class LockoutTest(StackCase):

    def setUp(self):
        self.stack = stack = self.new_stack()
        stack.add_stored(auth_failure_delay="100ms", auth_max_delay="200ms", auth_lockout_failures=4)
        stack.add_pop3d()
        self.ctl = stack.ctl

    def refused(self, user, password):
        with self.assertRaises(pop3.Refused):
            self.stack.pop3(user, password=password)

    def test_lockouts(self):
        [user] = self.stack.add_accounts("ann")
        self.assertEqual(b"no lockouts\n", self.ctl.run("lockout", "list"))
        self.assertEqual(NOT_FOUND, self.ctl.raw("lockout", "clear", user).returncode)
        self.assertEqual(USAGE, self.ctl.raw("lockout", "clear").returncode)
        self.assertEqual(REFUSED, self.ctl.raw("lockout", "clear", "--network=example.test").returncode)
        for i in range(4):
            self.refused(user, f"wrong {i}")
        self.refused(user, PASSWORD)
        [locked] = [one for one in self.ctl.json("lockout", "list")["lockouts"] if one["state"] == "STATE_LOCKED_OUT"]
        self.assertEqual(("SCOPE_ACCOUNT_IN_NETWORK", user, "127.0.0.1", 4),
                         (locked["scope"], locked["account"], locked["network"], locked["failure_count"]))
        self.assertIn(b"locked out", self.ctl.run("lockout", "list"))

        def lockouts():
            metrics = self.stack.stored.metrics()
            return [metrics.get((name, (("scope", "account_in_network"),)))
                    for name in ("mailstead_store_lockouts", "mailstead_store_lockouts_total")]
        wait_until(lambda: lockouts() == [1, 1], 30, "the metrics of lock-outs")
        cleared = self.ctl.run("lockout", "clear", user.upper(), "--network=127.0.0.1")
        self.assertEqual(b"failures forgotten, 1 lockout ended\n", cleared)
        self.stack.pop3(user).quit()
        wait_until(lambda: lockouts() == [0, 1], 30, "the gauge of lock-outs")
        self.assertTrue(any("ClearLockouts" in line and user in line for line in self.stack.stored.all_text().splitlines()
                            if "event=audit" in line))


if __name__ == "__main__":
    unittest.main()
