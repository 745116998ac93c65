"""scripts/run: the first command a stranger gives."""

import json
import os
import re
import time
import unittest
from pathlib import Path

from mailstead.certs import insecure_context
from mailstead.paths import REPOSITORY, bin_dir
from mailstead.pop3 import Pop3
from mailstead.ports import free_ports
from mailstead.process import Process, run_tool, wait_until
from mailstead.smtp import Smtp
from mailstead.stack import StackCase
from mailstead.trace import strip_trace

MAIL = b"Subject: run\r\n\r\nHello\r\n"
USER = "demo@example.test"
MAIL_PORTS = ("SMTP", "SUBMISSION", "SUBMISSIONS", "POP3", "POP3S", "HTTP", "STORE")
PORTS = (*MAIL_PORTS, "SMTPD_ADMIN", "POP3D_ADMIN", "STORED_ADMIN")


class RunScriptTest(StackCase):

    def setUp(self):
        self.holder = self.new_stack()
        self.processes = []

    def start(self, name, password="demo pass word", data=None, names=PORTS, **settings):
        self.holder.secrets.add(password)
        ports = dict(zip(names, free_ports(len(names))))
        environment = {f"MAILSTEAD_{key}_PORT": str(port) for key, port in ports.items()}
        environment["MAILSTEAD_DATA"] = str(data or self.holder.folder / name)
        environment["MAILSTEAD_DEMO_PASSWORD"] = password
        environment.update(settings)
        process = Process(name, [REPOSITORY / "scripts" / "run"], environment, cwd="/")
        process.ports, process.data = ports, environment["MAILSTEAD_DATA"]
        self.processes.append(process)
        self.addCleanup(self.end, process)
        process.wait_for_line(lambda line: re.search(r"\bready\b", line), timeout=120, what="ready")
        return process

    def end(self, process):
        if process.running():
            process.terminate()

    def tearDown(self):
        for process in self.processes:
            print(process.tail(5))

    def send(self, process):
        with Smtp(process.ports["SMTP"]) as session:
            session.deliver("a@elsewhere.test", USER, MAIL)
            session.quit()

    def fetch(self, process, password="demo pass word"):
        session = Pop3(process.ports["POP3S"], tls="implicit", context=insecure_context())
        session.login(USER, password)
        return [strip_trace(raw).content for raw in session.fetch_all()]

    def children(self, process):
        """{name: pid} of the programs it runs, through any depth."""
        found, queue = {}, [process.pid]
        while queue:
            parent = queue.pop()
            listing = run_tool(["ps", "--no-headers", "-o", "pid=,comm=", "--ppid", parent]).stdout.decode()
            for line in listing.splitlines():
                pid, name = line.split(None, 1)
                queue.append(int(pid))
                if name in ("stored", "smtpd", "pop3d", "webd"):
                    found["relay" if self.is_relay(pid) else name] = int(pid)
        return found

    def is_relay(self, pid):
        try:
            return b"\0SMTPD_DELIVERY_WORKERS=" in b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            # It has ended.
            return False

    def test_start_use_restart(self):
        first = self.start("one")
        self.assertIn("demo pass word", first.text(), "how to send and fetch is shown with the password")
        self.assertIn("curl", first.text())
        self.send(first)
        self.assertEqual([MAIL], self.fetch(first))
        self.send(first)
        # mailctl finds the store by MAILSTEAD_DATA.
        done = run_tool([bin_dir() / "mailctl", "account", "list", "--json"],
                        environment={"MAILSTEAD_DATA": first.data})
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn(USER.encode(), done.stdout)
        # Nothing leaves a first try-out, and it says so.
        self.assertRegex(first.text(), rf"mail for other hosts stays here, in the mailbox of {USER}, until .* route remove default")
        self.assertEqual([("default", USER)], self.routes(first))

        children = self.children(first)
        self.assertEqual({"stored", "smtpd", "pop3d", "webd", "relay"}, set(children))
        self.assertEqual(0, first.terminate(60))
        for pid in children.values():
            self.assertFalse(os.path.exists(f"/proc/{pid}"), "a program outlived scripts/run")

        started = time.monotonic()
        second = self.start("one again", data=first.data)
        print(f"second start: {time.monotonic() - started:.1f} s")
        self.assertRegex(second.text().lower(), "kept|keeps|existing|already")
        self.assertIn("mail for other hosts stays here", second.text())
        self.assertEqual([MAIL], self.fetch(second))

    def routes(self, process):
        done = run_tool([bin_dir() / "mailctl", "route", "list", "--json"], environment={"MAILSTEAD_DATA": process.data})
        self.assertEqual(0, done.returncode, done.stderr)
        return [(route["destination"], route["mailbox"]) for route in json.loads(done.stdout)["routes"]]

    def test_a_first_start_that_lets_mail_out(self):
        process = self.start("direct", MAILSTEAD_DELIVERY="direct")
        self.assertEqual([], self.routes(process))
        self.assertIn("mail for other hosts goes to the hosts that the DNS names", process.text())

    def test_a_folder_of_the_time_when_both_front_ends_had_one_token(self):
        data = self.holder.folder / "old"
        (data / "secrets").mkdir(parents=True)
        old = data / "secrets/frontend.token"
        old.write_text("0123456789abcdef0123456789abcdef\n", encoding="ascii")
        process = self.start("old", data=data)
        self.send(process)
        self.assertEqual([MAIL], self.fetch(process))
        self.assertFalse(old.exists(), "a secret that opens nothing is not kept")

    def test_a_program_that_dies_is_started_again(self):
        process = self.start("two")
        for name in ("smtpd", "relay", "pop3d", "webd", "stored"):
            pid = self.children(process)[name]
            lines = process.line_count()
            os.kill(pid, 9)
            process.wait_for_line(lambda line: name in line and re.search("again|restart", line.lower()),
                                  what=f"a line that says that {name} is started again", start=lines)
            wait_until(lambda: self.children(process).get(name) not in (None, pid), what=f"{name} runs again")
        wait_until(lambda: self.try_send(process), 30, "mail is taken again", interval=0.1)
        wait_until(lambda: self.try_fetch(process), 30, "mail is fetched again", interval=0.1)

    def try_send(self, process):
        try:
            self.send(process)
            return True
        except (OSError, EOFError, AssertionError):
            return False

    def try_fetch(self, process):
        try:
            return self.fetch(process)
        except (OSError, EOFError, AssertionError):
            return None

    def test_two_side_by_side(self):
        # Ports for metrics and health are found by themselves.
        one = self.start("left", "left pass word", names=MAIL_PORTS)
        other = self.start("right", "right pass word", names=MAIL_PORTS)
        self.send(one)
        self.assertEqual([], self.fetch(other, "right pass word"))
        self.assertEqual([MAIL], self.fetch(one, "left pass word"))

    def test_sigint_ends_it_too(self):
        process = self.start("three")
        process.exit_is_expected = True
        process.signal(2)
        self.assertEqual(0, process.wait(60))


if __name__ == "__main__":
    unittest.main()
