"""What an application compiles goes through the protoc of Debian's python3-grpc-tools, which is old, and a client made of it
talks to the real store."""

import hashlib
import unittest

from mailstead.process import run_tool
from mailstead.stack import Stack

from case import HERE, ProtoCase, ours, python_stubs

PYTHON = "/usr/bin/python3"
MAIL = b"Subject: from the desk\r\n\r\nHello\r\n"


class ApplicationTest(ProtoCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        cls.stack.add_stored()
        cls.stubs = cls.stack.folder / "stubs"
        cls.stubs.mkdir()
        python_stubs([PYTHON, "-m", "grpc_tools.protoc"], cls.stubs,
                     [*ours("mailstead/store/v1"), "google/rpc/status.proto"], [f"--grpc_python_out={cls.stubs}"])

    def setUp(self):
        # Mailboxes of this test's own.
        name = self.id().rsplit(".", 1)[-1]
        self.ann, self.bob = self.stack.add_accounts(f"ann-{name}", f"bob-{name}")

    def desk(self, *words, input=b"", token="operator.token"):
        return run_tool([PYTHON, HERE / "desk.py", self.stack.stored.address, self.stack.folder / token, *words],
                        input=input, environment={"PYTHONPATH": str(self.stubs), "PYTHONDONTWRITEBYTECODE": "1"})

    def lines(self, *words, input=b""):
        done = self.desk(*words, input=input)
        self.assertEqual(0, done.returncode, done.stderr.decode())
        return done.stdout.decode().splitlines()

    def test_every_service_compiles(self):
        for name in ("directory", "message", "admin"):
            self.assertTrue((self.stubs / f"mailstead/store/v1/{name}_pb2_grpc.py").exists())

    def test_deliver_list_fetch_and_delete(self):
        digest = hashlib.sha256(MAIL).hexdigest()
        deliver = ("deliver", "desk-0123456789abcdef", "desk@example.test", self.ann)
        self.assertEqual([f"DELIVER_OUTCOME_STORED 1 {digest}"], self.lines(*deliver, input=MAIL))
        self.assertEqual([f"DELIVER_OUTCOME_ALREADY_STORED 1 {digest}"], self.lines(*deliver, input=MAIL))
        [line] = self.lines("list", self.ann)
        message_id, size, listed_digest, recipient = line.split()
        self.assertEqual((digest, self.ann), (listed_digest, recipient))
        fetched = self.desk("fetch", self.ann, message_id).stdout
        self.assertEqual(int(size), len(fetched))
        self.assertTrue(fetched.endswith(MAIL))
        self.assertTrue(fetched.startswith(b"Return-Path: <desk@example.test>\r\nDelivered-To: " + self.ann.encode()))
        self.assertEqual([], self.lines("list", self.bob))
        self.assertEqual(["1"], self.lines("delete", self.ann, message_id, "4444"))
        self.assertEqual([], self.lines("list", self.ann))

    def test_a_used_delivery_id_is_refused_for_another_message(self):
        words = ("deliver", "desk-used-0123456789", "desk@example.test")
        self.lines(*words, self.ann, input=MAIL)
        for recipient, content in ((self.ann, MAIL + b"more\r\n"), (self.bob, MAIL)):
            done = self.desk(*words, recipient, input=content)
            self.assertNotEqual(0, done.returncode)
            self.assertIn("ALREADY_EXISTS", done.stderr.decode())
        self.assertEqual([], self.lines("list", self.bob))

    def test_a_message_of_several_pieces(self):
        content = b"Subject: large\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 40_000
        self.lines("deliver", "desk-large-0123456789", "desk@example.test", self.ann, input=content)
        last = self.lines("list", self.ann)[-1].split()
        self.assertEqual(hashlib.sha256(content).hexdigest(), last[2])
        self.assertTrue(self.desk("fetch", self.ann, last[0]).stdout.endswith(content))

    def test_who_may_not(self):
        for token in ("smtp.token", "pop.token"):
            done = self.desk("list", self.ann, token=token)
            self.assertIn("PERMISSION_DENIED", done.stderr.decode())


if __name__ == "__main__":
    unittest.main()
