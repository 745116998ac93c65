"""buf: every part of our API has a name and a comment as the rules of proto/buf.yaml want it, and mailstead.store.v1 keeps
what tests/proto/store_v1.json, the image of what was last promised, says.

A change that keeps the promise needs nothing. One that adds something becomes a promise with tests/proto/promise.
"""

import shutil
import unittest

from mailstead.process import run_tool
from mailstead.registries import npm_install

from case import HERE, PROTO, ProtoCase, kept_folder

PROMISE = HERE / "store_v1.json"


class BufTest(ProtoCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        node = kept_folder("buf")
        npm_install(HERE / "buf", node)
        cls.buf = node / "node_modules/.bin/buf"

    def copy_with(self, file, old, new):
        """A copy of our files in which `old` is `new`."""
        copy = self.folder() / "proto"
        shutil.copytree(PROTO, copy)
        text = (copy / file).read_text(encoding="utf-8")
        self.assertIn(old, text)
        (copy / file).write_text(text.replace(old, new), encoding="utf-8")
        return copy

    def lint(self, folder=PROTO):
        return run_tool([self.buf, "lint", folder])

    def breaking(self, folder=PROTO):
        return run_tool([self.buf, "breaking", folder, "--against", PROMISE])

    def test_lint(self):
        self.run_well([self.buf, "lint", PROTO])

    def test_lint_sees_what_has_no_comment(self):
        done = self.lint(self.copy_with("mailstead/store/v1/message.proto", "  // Which message.\n", ""))
        self.assertIn(b'Field "message_id" should have a non-empty comment', done.stdout)

    def test_the_promise_is_kept(self):
        self.run_well([self.buf, "breaking", PROTO, "--against", PROMISE])

    def test_a_broken_promise_is_seen(self):
        file = "mailstead/store/v1/message.proto"
        for old, new in (("int64 message_id = 1;", "int64 message_id = 17;"), ("string unique_id", "bytes unique_id"),
                         ("rpc DeleteMessages(", "rpc RemoveMessages("), ("DSN_NOTIFY_DELAY = 4;", "")):
            with self.subTest(old=old):
                self.assertNotEqual(0, self.breaking(self.copy_with(file, old, new)).returncode)

    def test_the_promise_holds_all_that_is_there(self):
        """What was added must be promised too, or it could be taken away unseen."""
        now = self.run_well([self.buf, "build", PROTO, "--path", PROTO / "mailstead/store/v1", "--exclude-source-info",
                             "-o", "-#format=json"])
        self.assertEqual(PROMISE.read_bytes(), self.run_well(["/usr/bin/python3", "-m", "json.tool", "--indent=1"], input=now),
                         "mailstead.store.v1 has grown: renew the promise with tests/proto/promise")


if __name__ == "__main__":
    unittest.main()
