"""The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding."""

import base64
import hashlib
import hmac
import secrets


def _hmac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


class ScramClient:
    """`step(challenge)` gives the next response, as bytes before base64. The first call takes None."""

    def __init__(self, user, password):
        self.user = user.replace("=", "=3D").replace(",", "=2C")
        self.password = password
        self.nonce = secrets.token_urlsafe(18)
        self.server_is_genuine = False
        self._first_bare = f"n={self.user},r={self.nonce}"
        self._server_signature = None

    def step(self, challenge):
        if not challenge:
            return b"n,," + self._first_bare.encode()
        if challenge.startswith(b"r="):
            return self._final(challenge.decode())
        fields = dict(item.split("=", 1) for item in challenge.decode().split(","))
        self.server_is_genuine = base64.b64decode(fields["v"]) == self._server_signature
        return b""

    def step_text(self, challenge=None):
        """As smtplib wants it."""
        return self.step(challenge).decode()

    def _final(self, server_first):
        fields = dict(item.split("=", 1) for item in server_first.split(","))
        if not fields["r"].startswith(self.nonce):
            raise AssertionError("the server changed the nonce")
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        client_key = _hmac(salted, b"Client Key")
        without_proof = f"c=biws,r={fields['r']}"
        message = f"{self._first_bare},{server_first},{without_proof}".encode()
        signature = _hmac(hashlib.sha256(client_key).digest(), message)
        proof = bytes(one ^ other for one, other in zip(client_key, signature))
        self._server_signature = _hmac(_hmac(salted, b"Server Key"), message)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()
