"""Routes as operators set them, their passwords, and the first start of a container."""

import json
import os
import socket
import unittest

from mailstead.ctl import Mailctl
from mailstead.paths import REPOSITORY, bin_dir
from mailstead.process import Process, run_tool
from mailstead.stack import StackCase

DONE, REFUSED, USAGE, NOT_FOUND = range(4)
ROUTE_PASSWORD = "the password of the route"
USER = "demo@example.test"


class RouteCase(StackCase):

    def setUp(self):
        self.stack = self.new_stack()
        self.stack.secrets.add(ROUTE_PASSWORD)
        self.key = self.stack.folder / "secrets.key"

    def start(self, **flags):
        self.stack.add_stored(**flags)
        self.ctl = self.stack.ctl

    def assert_exit(self, status, *arguments, input=None):
        done = self.ctl.raw(*arguments, input=input)
        self.assertEqual(status, done.returncode, f"mailctl {arguments}: {done.stdout} {done.stderr}")
        if status != DONE:
            self.assertEqual(1, len(done.stderr.decode().strip().splitlines()), done.stderr)
        return done.stderr.decode()


class RouteTest(RouteCase):

    def test_routes(self):
        self.start()
        [demo] = self.stack.add_accounts("demo")
        self.assertEqual([], self.ctl.json("route", "list")["routes"])
        self.assertIn(b"outgoing mail:   goes to the hosts that the DNS names\n", self.ctl.run("status"))
        self.assert_exit(DONE, "route", "set", "default", "--to", demo)
        self.assertIn(f"outgoing mail:   stays here, in the mailbox of {demo}\n".encode(), self.ctl.run("status"))
        route = self.ctl.json("route", "set", ".B\u00fccher.test", "--via", "smtp.test:587,[2001:db8::1]:2525,192.0.2.1",
                              "--via", "2001:db8::2", "--tls=require", "--sender=a.test", "--source=192.0.2.9",
                              "--ehlo=mail.a.test")
        self.assertEqual(".xn--bcher-kva.test", route["destination"])
        self.assertEqual([("smtp.test", 587), ("2001:db8::1", 2525), ("192.0.2.1", 25), ("2001:db8::2", 25)],
                         [(host["host"], host["port"]) for host in route["hosts"]])
        self.assertEqual(("ROUTE_TLS_REQUIRE", "a.test", "192.0.2.9", "mail.a.test", ""),
                         tuple(route[name] for name in ("tls", "sender_domain", "source_address", "ehlo_name", "mailbox")))
        self.assertEqual(route, self.ctl.json("route", "show", ".b\u00fccher.test", "--sender=A.test"))
        self.assert_exit(DONE, "route", "set", "direct.test", "--direct")
        self.assertEqual([".xn--bcher-kva.test", "default", "direct.test"],
                         [route["destination"] for route in self.ctl.json("route", "list")["routes"]])
        self.assertIn(b"; 2 other routes", self.ctl.run("status"))
        listed = self.ctl.run("route", "list")
        for words in (b"smtp.test:587, [2001:db8::1]:2525, 192.0.2.1:25", b"as the DNS says", demo.encode()):
            self.assertIn(words, listed)
        self.assert_exit(NOT_FOUND, "route", "show", "direct.test", "--sender=a.test")
        self.assert_exit(DONE, "route", "remove", ".b\u00fccher.test", "--sender=a.test")
        self.assert_exit(NOT_FOUND, "route", "remove", ".b\u00fccher.test", "--sender=a.test")
        # Kept over a restart, and by the account, whatever it is called.
        self.ctl.run("account", "set", demo, "--address=ann@example.test")
        self.assertEqual(0, self.stack.stored.terminate())
        self.stack.stored.restart()
        self.assertEqual("ann@example.test", self.ctl.json("route", "show", "default")["mailbox"])
        self.ctl.run("account", "remove", "ann@example.test", "--yes")
        self.assertIn(b"which is gone", self.ctl.run("route", "show", "default"))

    def test_what_is_refused(self):
        self.start()
        self.stack.add_accounts("demo")
        for words in ((), ("--direct", "--via=h"), ("--to", USER, "--direct"), ("--via=h:0",), ("--via=h:65536",),
                      ("--via=h:x",), ("--via=[::1",), ("--via=[::1]25",), ("--via=h", "--tls=maybe"), ("--to=",),
                      ("--to", USER, "--tls=none"), ("--direct", "--user=u"), ("--via=h", "--password_stdin"),
                      ("--via=h", "--user=u")):
            self.assert_exit(USAGE, "route", "set", "default", *words)
        for words, cause in ((("--via=",), "hosts"), (("--via=a b",), "a b"), (("--via=h,h",), "h: is there twice"),
                             (("--via=h", "--source=x"), "x: "), (("--via=h", "--ehlo=a b"), "a b: ")):
            self.assertIn(cause, self.assert_exit(REFUSED, "route", "set", "default", *words))
        self.assertIn("*.test", self.assert_exit(REFUSED, "route", "set", "*.test", "--direct"))
        self.assertIn("nobody@example.test",
                      self.assert_exit(NOT_FOUND, "route", "set", "default", "--to=nobody@example.test"))
        self.assertEqual([], self.ctl.json("route", "list")["routes"])


class PasswordTest(RouteCase):

    def set(self, *words, password=ROUTE_PASSWORD, status=DONE):
        words = ("route", "set", "default", "--via=smtp.test:587", "--user=u", *words)
        if password is None:
            return self.assert_exit(status, *words)
        return self.assert_exit(status, *words, "--password_stdin", input=password + "\n")

    def test_a_password_is_sealed_and_never_shown(self):
        self.start(secrets_key_file=self.key)
        self.set()
        self.assertEqual(0o600, os.stat(self.key).st_mode & 0o777)
        route = self.ctl.json("route", "show", "default")
        self.assertEqual(("u", True, "ROUTE_TLS_VERIFY"), (route["user"], route["has_password"], route["tls"]))
        for words in (("show", "default"), ("show", "default", "--json"), ("list",), ("list", "--json")):
            self.assertNotIn(ROUTE_PASSWORD.encode(), self.ctl.run("route", *words))
        # That of the same user stays.
        self.set("--ehlo=mail.a.test", password=None)
        self.assertTrue(self.ctl.json("route", "show", "default")["has_password"])
        too_long = self.set(password=ROUTE_PASSWORD * 60, status=REFUSED)
        self.assertIn("password: ", too_long)
        self.assertNotIn(ROUTE_PASSWORD, too_long)
        self.stack.stored.terminate()
        key = self.key.read_bytes().strip()
        for path in self.stack.folder.rglob("*"):
            if path.is_file() and path != self.key:
                content = path.read_bytes()
                self.assertNotIn(ROUTE_PASSWORD.encode(), content, path)
                self.assertNotIn(key, content, path)
        # The audit has what was done, and to which route.
        audit = [line for line in self.stack.stored.all_text().splitlines() if "RouteService/SetRoute" in line]
        self.assertEqual(3, len(audit))
        self.assertIn("route default", audit[0])

    def test_a_password_goes_to_no_host_that_has_not_shown_who_it_is(self):
        self.start(secrets_key_file=self.key)
        for tls in ("none", "may", "require"):
            self.assertIn("u: needs TLS", self.set(f"--tls={tls}", status=REFUSED))
            self.assert_exit(DONE, "route", "set", "default", "--via=127.0.0.1", "--user=u", f"--tls={tls}",
                             "--password_stdin", input="secret of the loopback\n")

    def test_without_a_key_there_are_no_passwords(self):
        self.start()
        self.assertIn("--secrets_key_file", self.set(status=REFUSED))
        done = self.ctl.raw("route", "set", "default", "--via=smtp.test", "--user=u", "--password_stdin", "--json",
                            input="secret of the test\n")
        self.assertEqual("NO_SECRETS_KEY", json.loads(done.stderr)["error"]["reason"])


class FirstStartTest(RouteCase):
    """deploy/docker/first-start, with the programs of this build in the place of the container's."""

    def setUp(self):
        super().setUp()
        self.data = self.stack.folder / "volume" / "data"
        self.data.parent.mkdir()
        self.pending = self.data.with_name("data.pending")
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            admin = f"127.0.0.1:{sock.getsockname()[1]}"
        store = f"unix:{self.stack.folder}/store"
        token = str(self.stack.folder / "operator.token")
        self.environment = {
            "PATH": f"{bin_dir()}:{REPOSITORY / 'deploy/docker'}:{os.environ['PATH']}", "STORED_DATA_DIR": str(self.data),
            "STORED_LISTEN": store, "STORED_ADMIN_LISTEN": admin, "STORED_OPERATOR_TOKEN_FILE": token,
            "STORED_SECRETS_KEY_FILE": str(self.key), "MAILCTL_STORE": store, "MAILCTL_TOKEN_FILE": token}
        self.ctl = Mailctl(store, token)

    def start_container(self, **settings):
        process = Process("first-start", [REPOSITORY / "deploy/docker/first-start"], {**self.environment, **settings})
        self.addCleanup(lambda: process.running() and process.terminate())
        return process

    def await_told(self, process):
        process.wait_for_line(lambda line: f"mail for other hosts stays here, in the mailbox of {USER}" in line)

    def routes(self):
        return [(route["destination"], route["mailbox"]) for route in self.ctl.json("route", "list")["routes"]]

    def test_a_fresh_store_keeps_its_mail(self):
        process = self.start_container()
        self.await_told(process)
        self.assertEqual([("default", USER)], self.routes())
        self.assertFalse(self.pending.exists())
        # What an operator changes stays so.
        self.ctl.run("route", "remove", "default")
        self.assertEqual(0, process.terminate())
        again = self.start_container()
        again.wait_for_event("listening", listener="store")
        self.assertEqual([], self.routes())
        self.assertEqual(0, again.terminate())

    def test_a_first_start_that_was_interrupted_is_ended_by_the_next(self):
        # It had come as far as the domain.
        self.pending.touch()
        process = self.start_container(MAILSTEAD_DELIVERY="direct")
        self.await_told(process)
        self.assertEqual(0, process.terminate())
        self.pending.touch()
        self.await_told(self.start_container())
        self.assertEqual([("default", USER)], self.routes())

    def test_direct(self):
        process = self.start_container(MAILSTEAD_DELIVERY="direct")
        process.wait_for_event("listening", listener="store")
        self.assertFalse(self.pending.exists())
        self.assertEqual([], self.routes())
        self.assertEqual([], self.ctl.json("domain", "list")["domains"])

    def test_another_word_is_refused(self):
        done = run_tool([REPOSITORY / "deploy/docker/first-start"],
                        environment={**self.environment, "MAILSTEAD_DELIVERY": "yes"})
        self.assertEqual(2, done.returncode)
        self.assertIn(b"MAILSTEAD_DELIVERY", done.stderr)


if __name__ == "__main__":
    unittest.main()
