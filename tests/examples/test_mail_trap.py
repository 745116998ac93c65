"""examples/mail-trap/trap.sh against the real programs; tests/compose runs the whole of the example."""

import json
import re
import shlex
import subprocess
import time
import unittest

from mailstead.paths import REPOSITORY
from mailstead.process import clean_environment, run_tool, wait_until
from mailstead.stack import SharedStackCase

TRAP = REPOSITORY / "examples" / "mail-trap"
MAILBOX = "demo@example.test"


def mail(to, text):
    return (f"From: shop@shop.example\r\nTo: {to}\r\nSubject: Please confirm\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n").encode()


class TrapTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_smtpd()
        stack.webd = stack.add_webd()
        stack.add_accounts("demo")
        # The commands of the example.
        text = (TRAP / "test").read_text(encoding="utf-8").replace("\\\n", " ")
        alias, key = (shlex.split(re.search(rf"stored mailctl ({words} .*?)(?: >|\)\n)", text).group(1))
                      for words in ("alias add", "key create"))
        stack.ctl.run(*alias)
        key = [MAILBOX if word == "$TRAP_MAILBOX" else "tests" if word.startswith("tests-") else word for word in key]
        cls.key = stack.ctl.run(*key).decode().strip()
        stack.secrets.add(cls.key)
        cls.environment = clean_environment({"TRAP_URL": f"http://127.0.0.1:{stack.webd.ports['http']}", "NO_PROXY": "*",
                                             "TRAP_KEY": cls.key, "TRAP_MAILBOX": MAILBOX})

    def argv(self, command, *arguments):
        return ["bash", "-euo", "pipefail", "-c", f'source "$0"; {command}', str(TRAP / "trap.sh"), *arguments]

    def trap(self, command, *arguments, **environment):
        return run_tool(self.argv(command, *arguments), environment={**self.environment, **environment}, timeout=60)

    def well(self, *words):
        done = self.trap(*words)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout.decode().strip()

    def test_a_mail_that_is_there(self):
        self.stack.send(["bert@example.test"], mail("bert@example.test", "not this: https://shop.example/wrong"))
        self.stack.send(["anna@example.test"], mail("anna@example.test", "Here: <https://shop.example/confirm?token=1&x=ü>."))
        started = time.monotonic()
        found = self.well('wait_for_mail "$1"', "anna@example.test")
        self.assertLess(time.monotonic() - started, 10)
        self.assertEqual(["anna@example.test"], json.loads(found)["summary"]["recipients"])
        self.assertEqual("https://shop.example/confirm?token=1&x=ü", self.well('first_link "$1"', found))
        self.well('delete_mail "$1"', found)
        ids = [message["message_id"] for message in self.stack.ctl.json("message", "list", MAILBOX)["messages"]]
        self.assertNotIn(json.loads(found)["summary"]["messageId"], [str(number) for number in ids])
        # What was deleted is not found again.
        self.assertNotEqual(0, self.trap('wait_for_mail "$1" 2', "anna@example.test").returncode)

    def test_a_mail_that_comes(self):
        waiting = subprocess.Popen(self.argv('wait_for_mail "$1"', "carla@example.test"), env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(waiting.kill)
        wait_until(lambda: "mailstead_store_watch_streams 1" in self.stack.stored.admin("/metrics")[1], what="the watch is there")
        self.stack.send(["dora@example.test"], mail("dora@example.test", "not yet"))
        self.assertIsNone(waiting.poll())
        self.stack.send(["carla@example.test"], mail("carla@example.test", "https://shop.example/c"))
        output, errors = waiting.communicate(timeout=20)
        self.assertEqual((0, b""), (waiting.returncode, errors))
        self.assertEqual("https://shop.example/c", self.well('first_link "$1"', output.decode()))
        wait_until(lambda: "mailstead_store_watch_streams 0" in self.stack.stored.admin("/metrics")[1], what="its curl has ended")

    def test_what_goes_wrong(self):
        started = time.monotonic()
        done = self.trap('wait_for_mail "$1" 2', "nobody@example.test")
        self.assertNotEqual(0, done.returncode)
        self.assertEqual(b"", done.stdout)
        self.assertLess(time.monotonic() - started, 10)
        done = self.trap('wait_for_mail "$1"', "nobody@example.test", TRAP_KEY="msk_" + "0" * 51)
        self.assertIn(b"unauthenticated", done.stderr)
        self.assertNotEqual(0, done.returncode)
        self.assertNotEqual(0, self.trap('first_link "$1"', '{"parsed": {"parts": [{"text": "none"}]}}').returncode)
        self.assertNotEqual(0, self.trap('delete_mail "$1"', '{"summary": {"messageId": "x"}}').returncode)


if __name__ == "__main__":
    unittest.main()
