"""Checks what a webhook was signed with, as Standard Webhooks has it (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
import re

# How old, or how far ahead, a signature may be, in seconds.
TOLERANCE = 300


class Refused(Exception):
    """It is not from who has the secret, or not of now."""


def secret_bytes(text):
    """The key of a secret as it is told: whsec_ and base64."""
    if not text.startswith("whsec_"):
        raise ValueError("a secret begins with whsec_")
    return base64.b64decode(text[len("whsec_"):], validate=True)


def check(secrets, webhook_id, timestamp, signatures, body, now):
    """Refused unless one of the secrets has signed this. Two of them count while one takes the other's place. The arguments but
    for `body` and `now` are the headers webhook-id, webhook-timestamp and webhook-signature; None: there is none."""
    if not webhook_id or not timestamp or not signatures:
        raise Refused("webhook-id, webhook-timestamp or webhook-signature is missing")
    if not re.fullmatch("[0-9]{1,12}", timestamp):
        raise Refused("webhook-timestamp is no time")
    # What was signed long ago may have been kept by somebody, and be sent again.
    if abs(now - int(timestamp)) > TOLERANCE:
        raise Refused("webhook-timestamp is not of now")
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    wanted = [b"v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)) for secret in secrets]
    # In a time that does not tell how much of it was right.
    if not any(hmac.compare_digest(given, one) for given in signatures.encode().split(b" ") for one in wanted):
        raise Refused("no signature is right")
