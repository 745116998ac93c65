"""Mail read through the store's API: parsed as other implementations read it, found by its fields, fetched part by part."""

import base64
import hashlib
import os
import pathlib
import re
import sys
import tempfile
import threading
import unittest

import grpc

from mailstead.paths import REPOSITORY
from mailstead.stack import SharedStackCase, StackCase
from mailstead.store_client import StoreClient

sys.path.insert(0, str(REPOSITORY / "tests/golden/mime"))
import test_mime

PREFIX_FIELDS = 2  # Return-Path and Delivered-To, which the store puts in front.


class ReadingCase:

    def deliver(self, address, content, *flags):
        self.stack.ctl.run("deliver", "-", f"--to={address}", *flags, input=content)

    def get(self, account, message_id, view, **wanted):
        return self.api.call("MessageService/GetMessage", account=account, message_id=message_id,
                             view=f"MESSAGE_VIEW_{view}", **wanted)


class ParsedTest(ReadingCase, SharedStackCase):
    """The messages that the parser is compared by, as the API gives them."""

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_accounts("corpus")
        cls.api = StoreClient(stack.stored.address, stack.token("operator"))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.account = "corpus@example.test"
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        # Those that the store takes in: its content has no NUL, no CR alone; and one that does not begin with a field has
        # no header here.
        cls.paths = []
        for path in test_mime.messages():
            content = re.sub(rb"\r?\n", b"\r\n", path.read_bytes())
            if b"\0" in content or re.search(rb"\r(?!\n)", content) or not re.match(rb"[!-9;-~]+:", content):
                continue
            if not content.endswith(b"\r\n"):
                content += b"\r\n"
            kept = pathlib.Path(folder.name, path.name)
            kept.write_bytes(content)
            cls.paths.append(kept)
            cls.stack.ctl.run("deliver", kept, f"--to={cls.account}")
        cls.listed = list(cls.api.list(cls.account, view="MESSAGE_VIEW_PARSED"))

    def ours(self, message):
        """As test_mime has them: ours_of, of what the API says."""
        header, summary = message.header, message.summary
        told, seen = [], set()
        for field in header.fields[PREFIX_FIELDS:]:
            name = field.name.lower()
            entry = {"name": field.name, "value": field.value}
            first = name not in seen
            seen.add(name)
            if name in test_mime.ADDRESSES:
                addresses = getattr(header, name.replace("-", "_") + "_addresses")
                entry["addresses"] = self.groups(addresses) if first else None
            elif name == "date":
                entry["seconds"] = header.date.seconds if first and header.HasField("date") else None
            told.append(entry)
        duplicates = {key for key, entry in enumerate(told) if entry.get("addresses", ()) is None}
        told = [entry for key, entry in enumerate(told) if key not in duplicates]
        parents = {part.parent_part_id for part in message.parsed.parts}
        parts = []
        for part in message.parsed.parts:
            entry = {"id": part.part_id, "type": part.media_type, "file_name": part.file_name,
                     "decoded": part.decoded_size_bytes, "has_parts": part.part_id in parents}
            # One may have none.
            if part.media_type.startswith("multipart/") and "no-boundary" not in part.defects:
                entry["has_parts"] = True
            if not entry["has_parts"]:
                entry["bytes"] = base64.b64encode(self.api.fetch(self.account, summary.message_id, part_id=part.part_id))
            parts.append(entry)
        return test_mime.ours_of({"fields": told, "parts": parts}), bool(duplicates)

    @staticmethod
    def groups(addresses):
        groups = []
        for address in addresses:
            group = address.group or None
            if not groups or groups[-1][0] != group:
                groups.append((group, []))
            if address.display_name or address.address or group is None:
                groups[-1][1].append((address.display_name, address.address))
        return groups

    def test_python_and_gmime_read_the_same(self):
        self.assertGreater(len(self.paths), 70)
        self.assertEqual(len(self.paths), len(self.listed))
        gmimes = test_mime.told_by("gmime_json", self.paths)
        for path, message, gmime in zip(self.paths, self.listed, gmimes):
            ours, has_duplicates = self.ours(message)
            for theirs, table in ((test_mime.pythons_of(path), test_mime.FROM_PYTHON),
                                  (test_mime.gmimes_of(gmime), test_mime.FROM_GMIME)):
                for what, values in test_mime.differences(ours, theirs).items():
                    # With a field twice the numbers of the others are not theirs.
                    if has_duplicates and what.startswith("field"):
                        continue
                    with self.subTest(message=path.name, what=what):
                        self.assertIn(what, table.get(path.name, {}), values)

    def test_offsets_and_sizes_are_those_of_the_bytes(self):
        for message in self.listed:
            summary = message.summary
            whole = self.api.fetch(self.account, summary.message_id)
            self.assertEqual(summary.size_bytes, len(whole))
            header = self.api.fetch(self.account, summary.message_id, section="MESSAGE_SECTION_HEADER")
            self.assertEqual(whole[:message.parsed.parts[0].body_offset], header)
            content = self.api.fetch(self.account, summary.message_id, section="MESSAGE_SECTION_CONTENT")
            self.assertEqual(summary.sha256, hashlib.sha256(content).digest())
            for part in message.parsed.parts:
                body = whole[part.body_offset:part.body_offset + part.size_bytes]
                encoded = self.api.fetch(self.account, summary.message_id, part_id=part.part_id,
                                         part_form="PART_FORM_ENCODED")
                self.assertEqual(body, encoded)
                self.assertLessEqual(part.header_offset, part.body_offset)
                if part.text and not part.text_truncated:
                    text = self.api.fetch(self.account, summary.message_id, part_id=part.part_id,
                                          part_form="PART_FORM_TEXT")
                    self.assertEqual(part.text, text.decode())

    def test_a_listing_gives_what_the_others_give(self):
        ids = [message.summary.message_id for message in self.listed]
        for view in ("SUMMARY", "HEADERS", "PARSED", "RAW"):
            listed = list(self.api.list(self.account, view=f"MESSAGE_VIEW_{view}", page_size=17))
            self.assertEqual(ids, [message.summary.message_id for message in listed])
            batch = self.api.call("MessageService/BatchGetMessages", account=self.account, message_ids=ids[:100],
                                  view=f"MESSAGE_VIEW_{view}")
            self.assertEqual(listed[:100], list(batch.messages))
            for message in listed[:10]:
                self.assertEqual(message, self.get(self.account, message.summary.message_id, view))

    def test_what_is_kept_at_delivery_is_what_is_parsed(self):
        for message in self.listed:
            summary, header = message.summary, message.header
            self.assertEqual(header.header_message_id, summary.header_message_id)
            self.assertEqual(header.date, summary.date)
            self.assertTrue(header.subject.startswith(summary.subject))
            self.assertEqual([(a.display_name, a.address) for a in header.from_addresses][:len(summary.from_addresses)],
                             [(a.display_name, a.address) for a in summary.from_addresses])
            self.assertEqual(bool(message.parsed.attachment_part_ids), summary.has_attachment.value)


class LargeTest(ReadingCase, SharedStackCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored(max_message_bytes=64 << 20)
        stack.add_accounts("large")
        cls.api = StoreClient(stack.stored.address, stack.token("operator"))

    def test_attachments_of_any_size_stream(self):
        account = "large@example.test"
        file = os.urandom(1 << 20) * 44
        content = (b"Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
                   b"Content-Type: application/octet-stream; name=large.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
                   base64.encodebytes(file).replace(b"\n", b"\r\n") + b"--b--\r\n")
        self.deliver(account, content)
        [message] = self.api.list(account)
        message_id = message.summary.message_id
        process = self.stack.stored.process
        # What it reads once it keeps for a while, as a reader of files does.
        self.assertEqual(file, self.api.fetch(account, message_id, part_id="1.2"))
        process.reset_peak()
        before = process.resident_bytes()
        parsed = self.get(account, message_id, "PARSED")
        self.assertEqual(["1", "1.1", "1.2"], [part.part_id for part in parsed.parsed.parts])
        self.assertEqual(len(file), parsed.parsed.parts[2].decoded_size_bytes)
        digests = []

        def read():
            digest = hashlib.sha256()
            for piece in self.api.fetch_pieces(account, message_id, part_id="1.2"):
                digest.update(piece)
            digests.append(digest.digest())
        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        self.assertEqual([hashlib.sha256(file).digest()] * 4, digests)
        for offset, limit in ((0, 10), (len(file) - 7, 0), (20_000_001, 100_000)):
            expected = file[offset:offset + limit] if limit else file[offset:]
            self.assertEqual(expected, self.api.fetch(account, message_id, part_id="1.2", read_offset=offset,
                                                      read_limit=limit))
        self.assertLess(process.peak_resident_bytes() - before, 40 << 20)
        with self.assertRaises(grpc.RpcError) as refused:
            self.get(account, message_id, "RAW")
        self.assertEqual(grpc.StatusCode.INVALID_ARGUMENT, refused.exception.code())
        self.assertIn("FetchMessage", refused.exception.details())


class DamageTest(ReadingCase, StackCase):

    def test_damaged_bytes_are_told(self):
        self.stack = self.new_stack()
        backups = self.stack.folder / "backups"
        backups.mkdir()
        stored = self.stack.add_stored(backup_dir=backups)
        self.stack.add_accounts("ann")
        account = "ann@example.test"
        for number in range(3):
            self.deliver(account, b"Subject: %d\r\n\r\n" % number + base64.encodebytes(os.urandom(150_000)))
        # It writes out what is in memory and in the log, in which damage would be found at the start.
        self.stack.ctl.run("backup", "create", "a")
        stored.terminate()
        [blob] = (self.stack.folder / "stored" / "rocksdb" / "db").rglob("*.blob")
        with open(blob, "r+b") as file:
            file.seek(blob.stat().st_size // 2)
            file.write(b"damaged")
        stored.restart()
        self.api = StoreClient(self.stack.stored.address, self.stack.token("operator"))
        listed = list(self.api.list(account, view="MESSAGE_VIEW_PARSED"))
        damaged = [message for message in listed if message.omitted_content]
        self.assertEqual(3, len(listed))
        [message] = damaged
        causes = message.DESCRIPTOR.fields_by_name["omitted_content"].enum_type.values_by_number
        self.assertEqual("OMITTED_CONTENT_DAMAGED", causes[message.omitted_content].name)
        # What was kept apart from them is there.
        self.assertEqual("1", message.summary.subject)
        for view in ("PARSED", "RAW"):
            with self.assertRaises(grpc.RpcError) as lost:
                self.get(account, message.summary.message_id, view)
            self.assertEqual(grpc.StatusCode.DATA_LOSS, lost.exception.code())
        with self.assertRaises(grpc.RpcError) as lost:
            self.api.fetch(account, message.summary.message_id, part_id="1")
        self.assertEqual(grpc.StatusCode.DATA_LOSS, lost.exception.code())
        self.assertEqual("0", self.get(account, listed[0].summary.message_id, "PARSED").header.subject)
        stored.process.wait_for_event("message_damaged")


class MailctlTest(ReadingCase, SharedStackCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()

    def test_list_show_and_fetch(self):
        [account] = self.stack.add_accounts("ctl")
        self.deliver(account, b"From: Ann <ann@example.org>\r\nSubject: first\r\n\r\ntext\r\n", "--from=ann@example.org")
        self.deliver(account, b"From: Bob <bob@example.org>\r\nSubject: \x1b[31msecond\r\n"
                     b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nthe text\r\n--b\r\n"
                     b"Content-Disposition: attachment; filename=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                     b"AAEC\r\n--b--\r\n")

        def listed(*flags):
            return [int(item["message_id"]) for item in self.stack.ctl.json("message", "list", account, *flags)["messages"]]
        self.assertEqual([1, 2], listed())
        self.assertEqual([2, 1], listed("--newest_first"))
        for flags, expected in ((["--after=1"], [2]), (["--from=BOB"], [2]), (["--subject=FIRST"], [1]),
                                (["--attachment=yes"], [2]), (["--attachment=no"], [1]), (["--sender=<>"], [2]),
                                (["--sender=Ann@example.org"], [1]), (["--since=1h"], [1, 2]), (["--until=1h"], []),
                                (["--min_size=200"], [2]), (["--max_size=200"], [1]), (["--recipient=x@y.test"], []),
                                (["--since=2000-01-01", "--until=2000-01-02T00:00:00Z"], [])):
            self.assertEqual(expected, listed(*flags), flags)
        self.assertEqual(2, self.stack.ctl.raw("message", "list", account, "--since=yesterday").returncode)
        text = self.stack.ctl.run("message", "list", account).decode()
        self.assertRegex(text, r"(?m)^ *1 .*Ann <ann@example.org>.* no +first$")
        self.assertRegex(text, r"(?m)^ *2 .*Bob <bob@example.org>.* yes +.*second$")
        self.assertNotIn("\x1b", text)
        shown = self.stack.ctl.json("message", "show", account, "2", "--parsed")
        self.assertEqual(["1", "1.1", "1.2"], [part["part_id"] for part in shown["parsed"]["parts"]])
        text = self.stack.ctl.run("message", "show", account, "2", "--parsed").decode()
        self.assertIn("the text", text)
        self.assertIn("a.bin", text)
        self.assertNotIn("\x1b", text)
        self.assertIn("first", self.stack.ctl.run("message", "show", account, "1").decode())
        self.assertEqual(b"\0\1\2", self.stack.ctl.run("message", "fetch", account, "2", "--part=1.2"))
        self.assertEqual(b"AAEC", self.stack.ctl.run("fetch", account, "2", "--part=1.2", "--form=encoded"))
        header = self.stack.ctl.run("message", "fetch", account, "1", "--section=header")
        self.assertTrue(header.endswith(b"Subject: first\r\n\r\n"))
        self.assertEqual(3, self.stack.ctl.raw("message", "fetch", account, "2", "--part=1.9").returncode)
        self.assertEqual(3, self.stack.ctl.raw("message", "show", account, "9").returncode)
        self.assertEqual(2, self.stack.ctl.raw("message", "fetch", account, "2", "--form=text").returncode)


if __name__ == "__main__":
    unittest.main()
