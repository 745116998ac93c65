"""The MIME parser beside Python's email and GMime, over the messages of this folder and those that Python tests its own
parser with: structure, types, file names, headers, and every decoded byte. Where they differ, the table says why."""

import base64
import email
import email.policy
import email.header
import json
import os
import pathlib
import subprocess
import unittest

HERE = pathlib.Path(__file__).parent
BIN = pathlib.Path(os.environ["MAILSTEAD_BIN"])
# Of Debian's libpython3.11-testsuite.
PYTHON = pathlib.Path(os.environ.get("MAILSTEAD_PYTHON_MAILS", "/usr/lib/python3.11/test/test_email/data"))

# Why ours is what it is.
REASONS = {
}

# Where ours differs from Python's: {(message, what): reason}.
FROM_PYTHON = {
}

# And from GMime's.
FROM_GMIME = {
}


def messages():
    own = sorted(HERE.glob("*.eml"))
    pythons = sorted(path for path in PYTHON.iterdir() if path.suffix in (".txt", ".eml"))
    assert len(own) > 50 and len(pythons) > 40, (len(own), len(pythons))
    return own + pythons


def told_by(program, paths):
    lines = subprocess.run([BIN / program, *paths], check=True, capture_output=True).stdout.decode().splitlines()
    assert len(lines) == len(paths)
    return [json.loads(line) for line in lines]


def ours_of(message):
    told = {}
    for part in message["parts"]:
        told[part["id"], "type"] = part["type"]
        told[part["id"], "file name"] = part.get("file_name", "")
        if not part.get("has_parts"):
            told[part["id"], "bytes"] = base64.b64decode(part.get("bytes", ""))
            assert len(told[part["id"], "bytes"]) == part["decoded"], part
    return told


def pythons_of(path):
    told = {}

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
    ids = {part_id for part_id, _ in ours}
    their_ids = {part_id for part_id, _ in theirs}
    if ids != their_ids:
        found["structure"] = (sorted(ids), sorted(their_ids))
    for what, value in ours.items():
        if what in theirs and theirs[what] != value:
            found[" ".join(what)] = (value, theirs[what])
    return found


if __name__ == "__main__":
    import sys
    paths = messages()
    for path, our, gm in zip(paths, told_by("mime_json", paths), told_by("gmime_json", paths)):
        ours = ours_of(our)
        for who, theirs in (("py", pythons_of(path)), ("gm", gmimes_of(gm))):
            for what, (a, b) in differences(ours, theirs).items():
                print(who, path.name, what, str(a)[:230], "|", str(b)[:230])
