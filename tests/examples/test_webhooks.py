"""examples/webhooks in both languages: what is signed is kept once, and nothing else is. Signed by the library of those who wrote
Standard Webhooks, and by what it is known to give."""

import concurrent.futures
import datetime
import http.client
import importlib.util
import json
import pathlib
import re
import sys
import tempfile
import unittest

from mailstead.paths import REPOSITORY, tool
from mailstead.process import Process, run_tool
from mailstead.registries import pip_download

from test_support_desk import HERE, KEPT

RECEIVERS = REPOSITORY / "examples" / "webhooks"
SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
# Of the specification's libraries: (secret, id, timestamp, body, signature).
KNOWN = [
    (SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}',
     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    (OTHER, "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1649367553, '{"email":"test@example.com","username":"test_user"}',
     "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="),
]
BODY = json.dumps({"type": "mail.delivered", "data": {"subject": "Grüße"}}, ensure_ascii=False)


class ReceiverCase:
    """Of each language: `argv`, and `refused(secrets, headers, body, now)`, which asks its `check` and gives why, or None."""

    @classmethod
    def setUpClass(cls):
        [wheel] = pip_download(HERE / "requirements.txt", KEPT / f"wheels-{cls.__name__}")
        sys.path.insert(0, str(wheel))
        cls.addClassCleanup(sys.path.remove, str(wheel))
        cls.signer = importlib.import_module("standardwebhooks.webhooks").Webhook

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="mailstead-webhooks-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.events = self.folder / "events"
        (self.folder / "secret").write_text(f"{SECRET}\n{OTHER}\n", encoding="ascii")
        self.start()

    def start(self):
        self.receiver = Process("receiver", self.argv, {
            "RECEIVER_LISTEN": "127.0.0.1:0", "RECEIVER_SECRET_FILE": str(self.folder / "secret"),
            "RECEIVER_FOLDER": str(self.events), "PYTHONDONTWRITEBYTECODE": "1"})
        self.addCleanup(self.receiver.kill)
        self.port = int(self.receiver.wait_for_line(lambda line: re.fullmatch(r"listening on port (\d+)", line)).group(1))

    def headers(self, name="msg_1", secret=SECRET, body=BODY, ahead=0, **more):
        moment = datetime.datetime.now(tz=datetime.timezone.utc) + datetime.timedelta(seconds=ahead)
        return {"webhook-id": name, "webhook-timestamp": str(int(moment.timestamp())),
                "webhook-signature": self.signer(secret).sign(name, moment, body),
                **{field.replace("_", "-"): value for field, value in more.items()}}

    def post(self, headers, body=BODY, verb="POST"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(verb, "/hook", body.encode(), {key: value for key, value in headers.items() if value is not None})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def kept(self):
        return sorted(self.events.iterdir()) if self.events.exists() else []

    def test_what_the_specification_knows(self):
        for secret, name, timestamp, body, signature in KNOWN:
            headers = {"webhook-id": name, "webhook-timestamp": str(timestamp), "webhook-signature": signature}
            for now, of_now in ((timestamp - 301, False), (timestamp - 300, True), (timestamp + 300, True), (timestamp + 301, False)):
                self.assertEqual(of_now, self.refused([secret], headers, body, now) is None, now)
            self.assertIsNotNone(self.refused([secret], headers, body + " ", timestamp))
            self.assertIsNotNone(self.refused([OTHER if secret == SECRET else SECRET], headers, body, timestamp))
            self.assertIsNone(self.refused([OTHER, SECRET], headers, body, timestamp))

    def test_what_is_signed_is_kept(self):
        self.assertEqual((204, b""), self.post(self.headers()))
        [path] = self.kept()
        self.assertEqual(BODY.encode(), path.read_bytes())
        # Beside signatures of other secrets and versions, with the older secret, near the ends of the time.
        unknown = "v1,AAAA v1a,AAAA v2 " + self.headers("msg_2", "whsec_AAAA")["webhook-signature"]
        both = self.headers("msg_2")
        both["webhook-signature"] = f"{unknown} {both['webhook-signature']}"
        for headers in (both, self.headers("msg_3", OTHER), self.headers("msg_4", ahead=-280), self.headers("msg_5", ahead=280),
                        self.headers("../../etc/passwd")):
            self.assertEqual((204, b""), self.post(headers), headers)
        self.assertEqual(6, len(self.kept()))

    def test_what_comes_again_is_kept_once(self):
        first = self.headers()
        self.assertEqual((204, b""), self.post(first))
        [path] = self.kept()
        before = path.stat().st_mtime_ns
        # Another try of the sender is signed anew; somebody who saw it sends the same bytes; and the receiver was killed meanwhile.
        for headers in (self.headers(ahead=1), first):
            self.receiver.kill()
            self.start()
            self.assertEqual((204, b""), self.post(headers))
        self.assertEqual([path], self.kept())
        self.assertEqual(before, path.stat().st_mtime_ns)

    def test_many_at_once(self):
        names = [f"msg_{number % 20}" for number in range(200)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            self.assertEqual({204}, {status for status, _ in pool.map(lambda name: self.post(self.headers(name)), names)})
        self.assertEqual(20, len(self.kept()))

    def test_what_is_not_signed_is_refused(self):
        good = self.headers()
        for change in ({"webhook-signature": None}, {"webhook-id": None}, {"webhook-timestamp": None}, {"webhook-id": "msg_2"},
                       {"webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)}, {"webhook-timestamp": "soon"},
                       {"webhook-timestamp": good["webhook-timestamp"] + ".5"}, {"webhook-signature": ""},
                       {"webhook-signature": good["webhook-signature"].replace("v1,", "v1a,")},
                       {"webhook-signature": good["webhook-signature"][:-1]}, {"webhook-signature": "v1,\xe4"}):
            with self.subTest(change):
                self.assertEqual(401, self.post({**good, **change})[0])
        for headers in (self.headers(secret="whsec_AAAA"), self.headers(body=BODY + " "), self.headers(ahead=-310),
                        self.headers(ahead=310)):
            self.assertEqual(401, self.post(headers)[0])
        self.assertEqual([], self.kept())
        self.assertGreaterEqual(self.post(good, verb="PUT")[0], 400)
        large = "x" * ((4 << 20) + 1)
        try:
            self.assertEqual(413, self.post(self.headers(body=large), large)[0])
        except (BrokenPipeError, ConnectionResetError):
            pass  # It was refused before it was sent.
        self.assertEqual([], self.kept())
        self.assertEqual((204, b""), self.post(good))

    def test_what_cannot_be_written_is_to_be_sent_again(self):
        self.events.rmdir()
        self.assertEqual(500, self.post(self.headers())[0])
        self.events.mkdir()
        self.assertEqual(204, self.post(self.headers())[0])
        self.assertEqual(1, len(self.kept()))

    def test_secrets_that_are_none(self):
        for secret in ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_a", "whsec_%%%%"):
            (self.folder / "secret").write_text(secret, encoding="ascii")
            done = run_tool(self.argv, environment={"RECEIVER_LISTEN": "127.0.0.1:0", "RECEIVER_FOLDER": str(self.events),
                                                    "RECEIVER_SECRET_FILE": str(self.folder / "secret")}, timeout=20)
            self.assertNotEqual(0, done.returncode, secret)


class PythonTest(ReceiverCase, unittest.TestCase):
    argv = ["/usr/bin/python3", str(RECEIVERS / "python/receiver.py")]

    def refused(self, secrets, headers, body, now):
        spec = importlib.util.spec_from_file_location("webhook_signature", RECEIVERS / "python/signature.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        try:
            module.check([module.secret_bytes(secret) for secret in secrets], headers["webhook-id"], headers["webhook-timestamp"],
                         headers["webhook-signature"], body.encode(), now)
        except module.Refused as refused:
            return str(refused)
        return None


class NodeTest(ReceiverCase, unittest.TestCase):
    argv = [tool("node"), str(RECEIVERS / "node/receiver.js")]

    def refused(self, secrets, headers, body, now):
        program = f"""
            import {{ Refused, check, secretBytes }} from {json.dumps((RECEIVERS / 'node/signature.js').as_uri())};
            const [secrets, headers, body, now] = {json.dumps([secrets, headers, body, now])};
            try {{
              check(secrets.map(secretBytes), headers, Buffer.from(body), now);
              console.log('null');
            }} catch (error) {{
              if (!(error instanceof Refused)) throw error;
              console.log(JSON.stringify(error.message));
            }}"""
        done = run_tool([tool("node"), "--input-type=module", "-"], input=program)
        self.assertEqual(0, done.returncode, done.stderr.decode())
        return json.loads(done.stdout)


if __name__ == "__main__":
    unittest.main()
