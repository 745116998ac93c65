"""What the server puts in front of a message, and nothing else."""

import dataclasses
import hashlib
import re

_RETURN_PATH = re.compile(rb"Return-Path: <([^\r\n]*)>\r\n")
_RECEIVED = re.compile(rb"Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")
_SUBMISSION_FIELD = re.compile(rb"(?:Date|Message-ID): [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")


@dataclasses.dataclass(frozen=True)
class Traced:
    return_path: bytes
    received: bytes
    content: bytes


def strip_trace(message: bytes) -> Traced:
    """Takes off exactly one Return-Path line and one Received field, which must be there."""
    return_path = _RETURN_PATH.match(message)
    if not return_path:
        raise AssertionError(f"no Return-Path at the start of {message[:200]!r}")
    received = _RECEIVED.match(message, return_path.end())
    if not received:
        raise AssertionError(f"no Received after Return-Path: {message[:400]!r}")
    return Traced(return_path.group(1), received.group(0), message[received.end():])


def strip_submission_fields(content: bytes, sent: bytes) -> bytes:
    """Takes off the Date and Message-ID that submission adds when they are missing in what was sent."""
    missing = _missing_fields(sent)
    at = 0
    while missing:
        field = _SUBMISSION_FIELD.match(content, at)
        if not field:
            raise AssertionError(f"submission did not add {missing}: {content[:400]!r}")
        name = field.group(0).split(b":", 1)[0].lower()
        if name not in missing:
            raise AssertionError(f"unexpected {name!r}: {content[:400]!r}")
        missing.discard(name)
        at = field.end()
    if not has_header(sent) and content[at:at + 2] == b"\r\n" and not sent.startswith(b"\r\n"):
        # The fields made a header where there was none; a blank line keeps the text out of it.
        at += 2
    return content[at:]


def has_header(content: bytes) -> bool:
    return re.match(rb"[!-9;-~]+[ \t]*:", content) is not None


def _missing_fields(sent):
    header = (b"\r\n" + sent).split(b"\r\n\r\n", 1)[0] if has_header(sent) else b""
    return {name for name in (b"date", b"message-id")
            if not re.search(rb"(?i)(?:\A|\r\n)" + name + rb"[ \t]*:", header)}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
