"""The MIME parser beside Python's email and GMime, over the messages of this folder and those that Python tests its own
parser with: structure, types, file names, headers, and every decoded byte. Where they differ, the table says why."""

import base64
import email
import email.policy
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
BIN = pathlib.Path(os.environ["MAILSTEAD_BIN"])
# Of Debian's libpython3.11-testsuite.
PYTHON = pathlib.Path(os.environ.get("MAILSTEAD_PYTHON_MAILS", "/usr/lib/python3.11/test/test_email/data"))

# Why ours is what it is.
REASONS = {
    "base64-goes-on":
        "Behind a padding base64 goes on: files are encoded piece by piece, and what others show is not lost",
    "base64-whole-bytes": "Of a base64 without its end the whole bytes are given, neither less nor the encoded text",
    "quoted-printable-blanks":
        "Blanks in front of a line end are no text, and none of a soft line break (RFC 2045 section 6.7)",
    "quoted-printable-equals": "An equals sign that begins nothing is text, and what follows it is read by itself",
    "transport-padding": "A delimiter may have blanks behind it (RFC 2046 section 5.1.1)",
    "line-end-of-delimiter":
        "The line end in front of a delimiter is the delimiter's (RFC 2046 section 5.1.1), all of it and no other",
    "equal-boundaries":
        "A boundary of an inner multipart may be that of the outer one: the inner one counts until it has ended",
    "each-delimiter": "Each delimiter begins a part, be it empty (RFC 2046 section 5.1.1), at the end of a header too",
    "text-plain": "What is no media type is text/plain (RFC 2045 section 5.2)",
    "media-type-alone":
        "A media type is its two tokens, without comments or parameters that no semicolon is in front of",
    "first-field": "Of two fields the first one counts",
    "always-a-message": "Whatever comes is a message, be it empty or without a header",
    "unknown-encoding": "What is in an encoding that we do not know comes as it is",
    "obsolete-blank": "Blanks in front of a colon are read (RFC 5322 section 4.5)",
    "header-ends": "A line that is no field ends the header and belongs to the body: nothing is lost",
    "empty-address": "Angle brackets with nothing in them are no address",
    "8bit-header": "Bytes above 127 that are no UTF-8 are read as windows-1252",
    "leaf-when-encoded": "A message that is encoded is not looked into: what is in it has no offsets",
    "external-body": "Of the types message/* only messages are looked into",
    "envelope-line": "A line of mbox in front of a message is passed over",
    "one-line": "CR, LF and NUL do not come out of a field, whoever reads it",
    "nul": "NUL ends no text",
    "words-in-parameters": "Encoded words in parameters are decoded, as those who write them mean",
    "first-parameter": "Of two pieces of a parameter with one number the first one counts",
    "extended-parameter": "Of name and name* the latter counts (RFC 6266 section 4.3)",
    "unknown-charset":
        "A word of an unknown character set stays as it is (RFC 2047 section 6.2); a parameter is read as "
        "windows-1252",
    "no-empty-charset": "A word that names no character set is none",
    "comment-as-name":
        "Behind an address without a name a comment is its name (RFC 5322 section 3.4 speaks of it)",
    "no-address": "Words without an at sign are a name; the last one with it is an address; quotes are not added",
    "unicode": "Bytes above 127 come as characters, not as halves of surrogates",
}

# Where ours differs from Python's: {message: {what: reason}}.
FROM_PYTHON = {
    "addresses.eml": {"field 0 from": "comment-as-name", "field 1 to": "no-address", "field 2 cc": "no-address",
                      "field 3 bcc": "no-address", "field 4 reply-to": "unicode"},
    "base64_after_padding.eml": {"1 bytes": "base64-goes-on"},
    "base64_length_1.eml": {"1 bytes": "base64-whole-bytes"},
    "base64_padding.eml": {"1 bytes": "base64-goes-on"},
    "boundary_equal.eml": {"structure": "equal-boundaries"},
    "boundary_no_end.eml": {"1.2 bytes": "line-end-of-delimiter"},
    "content_type_no_semicolon.eml": {"1 type": "media-type-alone"},
    "field_names.eml": {"fields names": "obsolete-blank", "1 bytes": "obsolete-blank"},
    "header_8bit.eml": {"1 file name": "8bit-header", "field 0 subject": "8bit-header", "field 1 from": "8bit-header"},
    "message_encoded.eml": {"structure": "leaf-when-encoded"},
    "message_in_message.eml": {"structure": "envelope-line"},
    "mixed.eml": {"1.1 bytes": "quoted-printable-blanks"},
    "nul.eml": {"1 file name": "one-line", "field 0 subject": "one-line"},
    "parameter_words.eml": {"1 file name": "words-in-parameters"},
    "parameters.eml": {"1 type": "media-type-alone"},
    "parts_empty.eml": {"structure": "each-delimiter"},
    "quoted_printable.eml": {"1 bytes": "quoted-printable-blanks"},
    "quoted_printable_equals.eml": {"1 bytes": "quoted-printable-equals"},
    "rfc2231.eml": {"1 file name": "first-parameter"},
    "rfc2231_both.eml": {"1 file name": "extended-parameter"},
    "words.eml": {"field 4 x-unknown": "unknown-charset", "field 7 x-broken": "no-empty-charset",
                  "field 9 x-injected": "one-line"},
    "msg_01.txt": {"field 7 from": "comment-as-name"},
    "msg_03.txt": {"field 4 from": "comment-as-name"},
    "msg_04.txt": {"field 7 from": "comment-as-name"},
    "msg_06.txt": {"field 7 from": "comment-as-name"},
    "msg_14.txt": {"field 7 from": "comment-as-name"},
    "msg_15.txt": {"structure": "equal-boundaries"},
    "msg_20.txt": {"field 7 from": "comment-as-name"},
    "msg_27.txt": {"field 8 from": "comment-as-name", "field 9 to": "comment-as-name"},
    "msg_29.txt": {"field 7 from": "comment-as-name"},
    "msg_36.txt": {"structure": "external-body"},
    "msg_37.txt": {"structure": "each-delimiter"},
    "msg_39.txt": {"structure": "equal-boundaries"},
    "msg_43.txt": {"field 6 from": "empty-address"},
    "msg_44.txt": {"field 7 from": "comment-as-name"},
}

# And from GMime's.
FROM_GMIME = {
    "base64_after_padding.eml": {"1 bytes": "base64-goes-on"},
    "base64_length_2.eml": {"1 bytes": "base64-whole-bytes"},
    "base64_length_3.eml": {"1 bytes": "base64-whole-bytes"},
    "base64_padding.eml": {"1 bytes": "base64-goes-on"},
    "boundary_at_end_of_file.eml": {"1.1 bytes": "line-end-of-delimiter"},
    "boundary_blanks.eml": {"1.2 bytes": "transport-padding"},
    "boundary_in_header.eml": {"structure": "each-delimiter"},
    "content_type_bad.eml": {"1 type": "text-plain"},
    "content_type_twice.eml": {"1 type": "first-field"},
    "empty.eml": {"structure": "always-a-message"},
    "encoding_unknown.eml": {"1 bytes": "unknown-encoding"},
    "field_names.eml": {"1 bytes": "header-ends"},
    "header_without_end.eml": {"1 bytes": "header-ends"},
    "line_ends.eml": {"1.1 bytes": "line-end-of-delimiter", "1.2 bytes": "line-end-of-delimiter"},
    "mixed.eml": {"1.1 bytes": "quoted-printable-blanks"},
    "nul.eml": {"1 file name": "nul"},
    "parts_empty.eml": {"structure": "each-delimiter"},
    "quoted_printable.eml": {"1 bytes": "quoted-printable-blanks"},
    "quoted_printable_equals.eml": {"1 bytes": "quoted-printable-equals"},
    "rfc2231.eml": {"1 file name": "first-parameter"},
    "rfc2231_both.eml": {"1 file name": "extended-parameter"},
    "rfc2231_unknown_charset.eml": {"1 file name": "unknown-charset"},
    "text_first.eml": {"structure": "always-a-message"},
    "msg_14.txt": {"1 type": "text-plain"},
    "msg_15.txt": {"1.1.1 bytes": "quoted-printable-blanks"},
    "msg_19.txt": {"structure": "always-a-message"},
    "msg_35.txt": {"1 bytes": "header-ends"},
    "msg_37.txt": {"structure": "each-delimiter"},
    "msg_38.txt": {"structure": "transport-padding"},
    "msg_39.txt": {f"1.1.{i}.{j} bytes": "base64-whole-bytes" for i in (1, 2, 3) for j in (1, 2)},
}


def messages():
    own = sorted(HERE.glob("*.eml"))
    pythons = sorted(path for path in PYTHON.iterdir() if path.suffix in (".txt", ".eml"))
    assert len(own) > 50 and len(pythons) > 40, (len(own), len(pythons))
    return own + pythons


def told_by(program, paths):
    assert (BIN / program).exists(), f"{program} is not built; for gmime_json libgmime-3.0-dev must be there"
    lines = subprocess.run([BIN / program, *paths], check=True, capture_output=True).stdout.decode().splitlines()
    assert len(lines) == len(paths)
    return [json.loads(line) for line in lines]


ADDRESSES = ("from", "sender", "reply-to", "to", "cc", "bcc")


def words(text):
    """What is compared of a text: folding leaves more or fewer blanks."""
    return " ".join(text.split())


def our_fields(message):
    told = {("fields", "names"): [field["name"].lower() for field in message["fields"]]}
    for number, field in enumerate(message["fields"]):
        name = field["name"].lower()
        if name in ADDRESSES:
            told[f"field {number}", name] = [
                (group and words(group), [(words(shown), address) for shown, address in mailboxes])
                for group, mailboxes in field["addresses"] if group is not None or mailboxes]
        elif name == "date":
            told[f"field {number}", name] = field["seconds"]
        elif not name.startswith(("content-", "mime-", "message-id", "in-reply-to", "references", "received")):
            told[f"field {number}", name] = words(field["value"])
    return told


def pythons_fields(path):
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    told = {("fields", "names"): [name.lower() for name in message.keys()]}
    for number, (name, raw) in enumerate(message.raw_items()):
        name = name.lower()
        key = (f"field {number}", name)
        try:
            value = email.policy.default.header_fetch_parse(name, raw)
            if name in ADDRESSES:
                groups = []
                for group in value.groups:
                    mailboxes = [(words(a.display_name), a.addr_spec) for a in group.addresses]
                    if group.display_name is None and groups and groups[-1][0] is None:
                        groups[-1][1].extend(mailboxes)
                    else:
                        groups.append((group.display_name and words(group.display_name), mailboxes))
                told[key] = groups
            elif name == "date":
                told[key] = value.datetime and int(value.datetime.timestamp())
            else:
                told[key] = words(str(value))
        except Exception as e:
            told[key] = f"raises {type(e).__name__}"
    return told


def ours_of(message):
    told = our_fields(message)
    for part in message["parts"]:
        told[part["id"], "type"] = part["type"]
        told[part["id"], "file name"] = part.get("file_name", "")
        if not part.get("has_parts"):
            told[part["id"], "bytes"] = base64.b64decode(part.get("bytes", ""))
            assert len(told[part["id"], "bytes"]) == part["decoded"], part
    return told


def pythons_of(path):
    told = pythons_fields(path)

    def walk(part, part_id):
        told[part_id, "type"] = part.get_content_type()
        told[part_id, "file name"] = part.get_filename() or ""
        if part.is_multipart() and part.get_content_type() != "message/delivery-status":
            for number, child in enumerate(part.get_payload(), 1):
                walk(child, f"{part_id}.{number}")
        elif not part.is_multipart():
            if part.get_content_type() == "message/rfc822" or not isinstance(part.get_payload(), list):
                told[part_id, "bytes"] = part.get_payload(decode=True) or b""

    walk(email.message_from_bytes(path.read_bytes()), "1")
    return told


def gmimes_of(message):
    told = {}
    for part in message["parts"]:
        told[part["id"], "type"] = base64.b64decode(part["type"]).decode("utf-8", "replace").lower()
        if "bytes" in part:
            told[part["id"], "file name"] = base64.b64decode(part["file_name"] or "").decode("utf-8", "replace")
            told[part["id"], "bytes"] = base64.b64decode(part["bytes"])
    return told


def differences(ours, theirs):
    found = {}
    ids = {part_id for part_id, what in ours if what == "type"}
    their_ids = {part_id for part_id, what in theirs if what == "type"}
    if ids != their_ids:
        found["structure"] = (sorted(ids), sorted(their_ids))
    for (where, what), value in ours.items():
        # What is in another part cannot be compared.
        if (ids == their_ids or where.startswith("field")) and (where, what) in theirs and theirs[where, what] != value:
            found[f"{where} {what}"] = (value, theirs[where, what])
    return found


class MimeTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.paths = messages()
        cls.ours = [ours_of(message) for message in told_by("mime_json", cls.paths)]

    def compare(self, theirs, table):
        expected = {(name, what) for name, whats in table.items() for what in whats}
        found = {}
        for path, our, their in zip(self.paths, self.ours, theirs):
            for what, values in differences(our, their).items():
                found[path.name, what] = values
        for (name, what), (our, their) in sorted(found.items()):
            with self.subTest(message=name, what=what):
                self.assertIn((name, what), expected, f"ours: {our!r}, theirs: {their!r}")
        self.assertEqual(set(), expected - found.keys(), "differences that are none any more")

    def test_python_reads_the_same(self):
        self.compare([pythons_of(path) for path in self.paths], FROM_PYTHON)

    def test_gmime_reads_the_same(self):
        self.compare([gmimes_of(message) for message in told_by("gmime_json", self.paths)], FROM_GMIME)

    def test_character_sets_are_those_that_python_has(self):
        """All bytes from 0x80 on, but for the controls among them, which are no text."""
        pythons = {"windows-874": "cp874", "macintosh": "mac-roman", "iso-8859-1": "cp1252", "iso-8859-9": "cp1254"}
        names = [f"iso-8859-{part}" for part in (*range(1, 12), 13, 14, 15, 16)]
        names += [f"windows-{page}" for page in range(1250, 1259)]
        names += ["windows-874", "koi8-r", "koi8-u", "cp437", "cp850", "cp866", "macintosh"]
        high = bytes(range(0x80, 0x100))
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder) / name for name in names]
            for path in paths:
                path.write_bytes(b"Content-Type: text/plain; charset=" + path.name.encode() + b"\r\n\r\n" + high)
            texts = [message["parts"][0]["text"] for message in told_by("mime_json", paths)]
        for name, text in zip(names, texts):
            with self.subTest(name):
                expected = high.decode(pythons.get(name, name), "replace")
                self.assertEqual("".join("\ufffd" if 0x80 <= ord(c) < 0xa0 else c for c in expected), text)

    def test_each_reason_is_used(self):
        used = {reason for table in (FROM_PYTHON, FROM_GMIME) for whats in table.values() for reason in whats.values()}
        self.assertEqual(set(REASONS), used)


if __name__ == "__main__":
    unittest.main()
