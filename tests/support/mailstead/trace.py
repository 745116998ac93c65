"""What the server puts in front of a message, and nothing else."""

import dataclasses
import hashlib
import re

_RETURN_PATH = re.compile(rb"Return-Path: <([^\r\n]*)>\r\n")
_DELIVERED_TO = re.compile(rb"Delivered-To: ([^\r\n]*)\r\n")
_ORIGINAL_TO = re.compile(rb"X-Original-To: ([^\r\n]*)\r\n")
_RECEIVED = re.compile(rb"Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")
_SUBMISSION_FIELD = re.compile(rb"(?:Date|Message-ID): [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")


@dataclasses.dataclass(frozen=True)
class Traced:
    return_path: bytes
    # The address of the mailbox.
    delivered_to: bytes
    # The addresses of the transaction that led there by way of an alias or catch-all.
    original_to: tuple[bytes, ...]
    received: bytes
    content: bytes


@dataclasses.dataclass(frozen=True)
class Prefix:
    """What the store puts in front; `rest` is all behind it."""
    return_path: bytes
    delivered_to: bytes
    original_to: tuple[bytes, ...]
    rest: bytes


def strip_prefix(message: bytes) -> Prefix:
    """Takes off exactly one Return-Path and one Delivered-To, which must be there, and X-Original-To fields."""
    return_path = _RETURN_PATH.match(message)
    if not return_path:
        raise AssertionError(f"no Return-Path at the start of {message[:200]!r}")
    delivered_to = _DELIVERED_TO.match(message, return_path.end())
    if not delivered_to:
        raise AssertionError(f"no Delivered-To after Return-Path: {message[:400]!r}")
    original_to, at = [], delivered_to.end()
    while field := _ORIGINAL_TO.match(message, at):
        original_to.append(field.group(1))
        at = field.end()
    return Prefix(return_path.group(1), delivered_to.group(1), tuple(original_to), message[at:])


def strip_trace(message: bytes) -> Traced:
    """Takes off what strip_prefix does and one Received field, which must be there."""
    prefix = strip_prefix(message)
    received = _RECEIVED.match(prefix.rest)
    if not received:
        raise AssertionError(f"no Received after the fields of the mailbox: {message[:400]!r}")
    return Traced(prefix.return_path, prefix.delivered_to, prefix.original_to, received.group(0),
                  prefix.rest[received.end():])


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
    return strip_blank_line(content[at:], sent)


def strip_blank_line(content: bytes, sent: bytes) -> bytes:
    """Takes off the blank line that our fields end with where what was sent has no header: our fields made one, and the
    blank line keeps the text out of it."""
    if has_header(sent) or sent.startswith(b"\r\n"):
        return content
    if not content.startswith(b"\r\n"):
        raise AssertionError(f"no blank line between our fields and a text without header: {content[:400]!r}")
    return content[2:]


def has_header(content: bytes) -> bool:
    return re.match(rb"[!-9;-~]+[ \t]*:", content) is not None


def _missing_fields(sent):
    header = (b"\r\n" + sent).split(b"\r\n\r\n", 1)[0] if has_header(sent) else b""
    return {name for name in (b"date", b"message-id")
            if not re.search(rb"(?i)(?:\A|\r\n)" + name + rb"[ \t]*:", header)}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
