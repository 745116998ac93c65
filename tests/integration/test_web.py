"""webd in front of the real store: the Connect protocol by curl and Python's http.client, what clients get wrong, what hostile ones
try, and what becomes of calls when the store or webd ends."""

import base64
import gzip
import http.client
import json
import pathlib
import re
import socket
import struct
import time
import urllib.parse

from mailstead.paths import REPOSITORY
from mailstead.process import run_tool, wait_until
from mailstead.stack import SharedStackCase, StackCase

LIST = "/mailstead.store.v1.MessageService/ListMessages"
FETCH = "/mailstead.store.v1.MessageService/FetchMessage"
WATCH = "/mailstead.store.v1.WatchService/Watch"
DELIVER = "/mailstead.store.v1.MessageService/DeliverMessageStream"
JSON = "application/json"
STREAM = "application/connect+json"
SCOPES = ("mail.read,mail.delete,mail.deliver,mail.submit,mail.watch,directory.read,directory.write,queue.read,queue.write,"
          "admin.read,admin.write")
MAIL = "Subject: hello\n\nHello!\n"


def make_key(stack, name, *options):
    """The secret of a new key."""
    path = stack.folder / f"{name}.key"
    stack.ctl.run("key", "create", name, *options, "--out", str(path))
    secret = path.read_text(encoding="ascii").strip()
    stack.secrets.add(secret)
    return secret


def envelope(message, flags=0):
    return struct.pack(">BI", flags, len(message)) + message


def envelopes(body):
    """[(flags, message)] of a response."""
    found = []
    while body:
        flags, size = struct.unpack(">BI", body[:5])
        found.append((flags, body[5:5 + size]))
        body = body[5 + size:]
    return found


def upload(recipient, content, delivery_id, piece_bytes=60_000):
    """The requests of a DeliverMessageStream in their envelopes."""
    requests = [{"envelope": {"deliveryId": delivery_id, "recipients": [{"address": recipient}]}}]
    for at in range(0, len(content), piece_bytes):
        requests.append({"content": base64.b64encode(content[at:at + piece_bytes]).decode()})
    requests[-1]["last"] = True
    return [envelope(json.dumps(request).encode()) for request in requests]


def end_of(body):
    """(answers, error) of the body of a stream."""
    *answers, (flags, end) = envelopes(body)
    assert flags == 2, body
    return [json.loads(answer) for _, answer in answers], json.loads(end).get("error", {})


class WebCase(StackCase):

    def connection(self, web=None, **options):
        made = http.client.HTTPConnection("127.0.0.1", (web or self.stack.webd).ports["http"], timeout=20, **options)
        self.addCleanup(made.close)
        return made

    def headers(self, key=None, **more):
        return {"Authorization": f"Bearer {key or self.key}", **{name.replace("_", "-"): value for name, value in more.items()}}

    def call(self, path, message, connection=None, key=None, **headers):
        """(status, headers, body) of a unary call."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        connection = connection or self.connection()
        connection.request("POST", path, body, self.headers(key, **{"Content_Type": JSON, **headers}))
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def assert_error(self, answer, status, code, reason=None):
        self.assertEqual(status, answer[0], answer[2])
        error = json.loads(answer[2])
        self.assertEqual(code, error["code"], error)
        if reason:
            [info] = [detail for detail in error["details"] if detail["type"] == "google.rpc.ErrorInfo"]
            self.assertEqual(reason, info["debug"]["reason"], error)
            self.assertIn(reason.encode(), base64.b64decode(info["value"] + "=" * (-len(info["value"]) % 4)))
        return error

    def raw(self, text, port=None):
        """All that comes back for these bytes, to the end of the connection."""
        with socket.create_connection(("127.0.0.1", port or self.stack.webd.ports["http"]), timeout=20) as sock:
            sock.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))
            answer = b""
            while True:
                try:
                    got = sock.recv(65536)
                except ConnectionResetError:
                    return answer
                if not got:
                    return answer
                answer += got

    def post(self, fields, body="{}", path=LIST):
        return (f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: Bearer {self.key}\r\n"
                f"{fields}\r\n{body}")


class WebTest(SharedStackCase, WebCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.webd = stack.add_webd(max_request_bytes=100_000, body_memory=1_048_576, head_timeout="1s", body_timeout="2s")
        [cls.user, cls.uploads] = stack.add_accounts("demo", "uploads")
        cls.key = make_key(stack, "all", "--scope", SCOPES)
        stack.ctl.run("deliver", "-", "--to", cls.user, input=MAIL)

    # --- calls

    def test_the_curl_of_the_readme(self):
        done = run_tool(["curl", "--silent", "--show-error", "--noproxy", "*", "-H", f"Authorization: Bearer {self.key}", "-H",
                         "Content-Type: application/json", "-d", json.dumps({"account": self.user}),
                         f"http://127.0.0.1:{self.stack.webd.ports['http']}{LIST}"])
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual("hello", json.loads(done.stdout)["messages"][0]["summary"]["subject"])

    def test_over_tls(self):
        connection = http.client.HTTPSConnection("mx.example.test", self.stack.webd.ports["https"], timeout=20,
                                                 context=self.stack.context)
        connection.sock = self.stack.context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.stack.webd.ports["https"]), timeout=20),
            server_hostname="mx.example.test")
        self.addCleanup(connection.close)
        self.assertEqual(200, self.call(LIST, {"account": self.user}, connection)[0])

    def test_json_and_bytes_say_the_same(self):
        status, headers, body = self.call(LIST, {"account": self.user, "pageSize": 1})
        self.assertEqual((200, JSON), (status, headers["Content-Type"]))
        self.assertEqual("no-store", headers["Cache-Control"])
        self.assertEqual("nosniff", headers["X-Content-Type-Options"])
        account = self.user.encode()
        request = b"\n" + bytes([len(account)]) + account
        status, headers, as_bytes = self.call(LIST, request, Content_Type="application/proto")
        self.assertEqual((200, "application/proto"), (status, headers["Content-Type"]))
        subject = json.loads(body)["messages"][0]["summary"]["subject"]
        self.assertIn(subject.encode(), as_bytes)

    def test_by_get(self):
        query = urllib.parse.urlencode({"encoding": "json", "message": json.dumps({"account": self.user}), "connect": "v1"})
        connection = self.connection()
        connection.request("GET", f"{LIST}?{query}", headers=self.headers())
        response = connection.getresponse()
        self.assertEqual(200, response.status)
        self.assertEqual("hello", json.loads(response.read())["messages"][0]["summary"]["subject"])
        message = base64.urlsafe_b64encode(json.dumps({"account": self.user}).encode()).decode().rstrip("=")
        connection.request("GET", f"{LIST}?encoding=json&base64=1&message={message}", headers=self.headers())
        response = connection.getresponse()
        self.assertEqual(200, response.status, response.read())
        response.read()
        # What changes something cannot be made a link of.
        path = LIST.replace("ListMessages", "DeleteMessages")
        connection.request("GET", f"{path}?encoding=json&message={{}}", headers=self.headers())
        response = connection.getresponse()
        self.assertEqual((405, "POST"), (response.status, response.headers["Allow"]))

    def test_every_method_is_there(self):
        """None of them is a route that was written by hand, and none is missing: with a key for everything each one answers, and
        says of an empty request what the store says of it."""
        methods = []
        for path in sorted((REPOSITORY / "proto/mailstead/store/v1").glob("*.proto")):
            text = path.read_text(encoding="utf-8")
            for service, body in re.findall(r"^service (\w+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
                for name, takes, gives in re.findall(r"^  rpc (\w+)\(((?:stream )?)\w+\) returns \(((?:stream )?)\w+\)", body,
                                                     re.MULTILINE):
                    methods.append((f"/mailstead.store.v1.{service}/{name}", bool(takes), bool(gives)))
        self.assertGreater(len(methods), 70)
        connection = self.connection()
        # These change what the other tests use, or do not end by themselves.
        skipped = {WATCH, "/mailstead.store.v1.SrsService/RotateSrsSecret", "/mailstead.store.v1.BackupService/CreateBackup",
                   "/mailstead.store.v1.DkimService/RotateDkimKeys", "/mailstead.store.v1.AdminService/ClearLockouts"}
        for path, takes, gives in methods:
            if path in skipped:
                continue
            with self.subTest(path):
                if takes or gives:
                    status, headers, body = self.call(path, envelope(b"{}"), connection, Content_Type=STREAM)
                    self.assertEqual((200, STREAM), (status, headers["Content-Type"]), body)
                    flags, end = envelopes(body)[-1]
                    self.assertEqual(2, flags)
                    error = json.loads(end).get("error", {"code": "ok"})
                else:
                    status, headers, body = self.call(path, {}, connection)
                    self.assertEqual(JSON, headers["Content-Type"])
                    error = json.loads(body) if status != 200 else {"code": "ok"}
                self.assertIn(error["code"], ("ok", "invalid_argument", "not_found", "failed_precondition"), error)

    def test_a_stream(self):
        [message] = self.stack.ctl.json("message", "list", self.user)["messages"]
        request = {"account": self.user, "messageId": message["message_id"]}
        status, headers, body = self.call(FETCH, envelope(json.dumps(request).encode()), Content_Type=STREAM)
        self.assertEqual((200, STREAM, "chunked"), (status, headers["Content-Type"], headers["Transfer-Encoding"]))
        *pieces, (flags, end) = envelopes(body)
        self.assertEqual((2, {}), (flags, json.loads(end)))
        self.assertTrue(pieces)
        self.assertIn("Hello!", json.dumps([json.loads(piece) for _, piece in pieces]) + base64.b64decode(
            "".join(json.loads(piece).get("content", "") for _, piece in pieces)).decode("latin-1"))
        # An error comes at its end.
        request["messageId"] = "999999"
        status, _, body = self.call(FETCH, envelope(json.dumps(request).encode()), Content_Type=STREAM)
        [(flags, end)] = envelopes(body)
        self.assertEqual((200, 2, "not_found"), (status, flags, json.loads(end)["error"]["code"]))

    def test_watching(self):
        connection = self.connection()
        connection.request("POST", WATCH, envelope(json.dumps({"filter": {"accounts": [self.user]}}).encode()),
                           self.headers(Content_Type=STREAM))
        response = connection.getresponse()
        self.assertEqual(200, response.status)
        wait_until(lambda: self.watch_streams() == 1, what="the watch is there")
        self.stack.ctl.run("deliver", "-", "--to", self.user, input="Subject: watched\n\n!\n")
        deadline = time.monotonic() + 20
        seen = ""
        while "delivered" not in seen:
            self.assertLess(time.monotonic(), deadline, seen)
            flags, size = struct.unpack(">BI", response.read(5))
            seen += response.read(size).decode()
            self.assertEqual(0, flags, seen)
        # Its client goes, and with it the call in the store.
        connection.sock.close()
        response.close()
        wait_until(lambda: self.watch_streams() == 0, what="the watch has ended")

    def watch_streams(self):
        return sum(float(value) for value in re.findall(r"^mailstead_store_watch_streams (\S+)$",
                                                        self.stack.stored.admin("/metrics")[1], re.MULTILINE))

    def send_upload(self, requests, connection=None, **headers):
        """The response to a body of these pieces, in chunks."""
        connection = connection or self.connection()
        connection.request("POST", DELIVER, iter(requests), self.headers(Content_Type=STREAM, **headers), encode_chunked=True)
        response = connection.getresponse()
        self.assertEqual((200, STREAM), (response.status, response.headers["Content-Type"]))
        return end_of(response.read())

    def test_uploads(self):
        connection = self.connection()
        content = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 100_000
        for number, pieces in enumerate((upload(self.uploads, content, f"upload-{'1' * 16}"),
                                         [b"".join(upload(self.uploads, content, f"upload-{'2' * 16}"))])):
            [answer], error = self.send_upload(pieces, connection)
            self.assertEqual(({}, "DELIVER_OUTCOME_STORED"), (error, answer["outcome"]), number)
        # Byte by byte, and by a length that is known.
        small = b"".join(upload(self.uploads, b"Subject: small\r\n\r\n!\r\n", f"upload-{'3' * 16}"))
        [answer], error = self.send_upload([small[i:i + 1] for i in range(len(small))], connection)
        self.assertEqual(({}, "DELIVER_OUTCOME_STORED"), (error, answer["outcome"]))
        status, _, body = self.call(DELIVER, small, connection, Content_Type=STREAM)
        self.assertEqual((200, "DELIVER_OUTCOME_ALREADY_STORED"), (status, end_of(body)[0][0]["outcome"]))
        packed = [envelope(gzip.compress(piece[5:]), 1) for piece in upload(self.uploads, content[:100_000], f"upload-{'4' * 16}", 30_000)]
        [answer], error = self.send_upload(packed, connection, Connect_Content_Encoding="gzip")
        self.assertEqual(({}, "DELIVER_OUTCOME_STORED"), (error, answer["outcome"]))

    def test_a_large_upload_is_never_whole_in_memory(self):
        """40 MiB, of which webd may hold one, and the store's end waits for no more."""
        content = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * (40 << 20 >> 4)
        status = pathlib.Path(f"/proc/{self.stack.webd.process.pid}/status")
        before = int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))[1])
        [answer], error = self.send_upload(upload(self.uploads, content, f"upload-{'8' * 16}"))
        self.assertEqual(({}, "DELIVER_OUTCOME_STORED"), (error, answer["outcome"]))
        after = int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))[1])
        self.assertLess(after - before, 20 << 10)

    def test_uploads_that_go_wrong(self):
        good = upload(self.uploads, b"Subject: x\r\n\r\n!\r\n", f"upload-{'5' * 16}")
        for requests, code in ((good[:1], "invalid_argument"), ([], "invalid_argument"), ([good[0], good[1][:-3]], "invalid_argument"),
                               ([envelope(b"{}", 4)], "invalid_argument"), ([envelope(b"{", 0)], "invalid_argument"),
                               ([envelope(b"{}", 1)], "internal"), ([good[0][:3]], "invalid_argument"),
                               ([struct.pack(">BI", 0, 100_001)], "resource_exhausted"),
                               ([struct.pack(">BI", 0, 2**32 - 1)], "resource_exhausted")):
            with self.subTest(requests):
                answers, error = self.send_upload(requests)
                self.assertEqual(([], code), (answers, error.get("code")), error)

    def test_an_error_comes_before_the_end_of_the_upload(self):
        with socket.create_connection(("127.0.0.1", self.stack.webd.ports["http"]), timeout=20) as sock:
            sock.sendall(self.post("Transfer-Encoding: chunked\r\n", "", DELIVER).replace(JSON, STREAM).encode())
            bad = upload("nobody", b"x\r\n", "short")[0]
            sock.sendall(b"%x\r\n%s\r\n" % (len(bad), bad))
            answer = b""
            while got := sock.recv(65536):
                answer += got
            self.assertIn(b'"code":"invalid_argument"', answer)
            self.assertIn(b"Connection: close\r\n", answer)

    def test_a_slow_upload(self):
        with socket.create_connection(("127.0.0.1", self.stack.webd.ports["http"]), timeout=20) as sock:
            started = time.monotonic()
            sock.sendall(self.post("Transfer-Encoding: chunked\r\n", "", DELIVER).replace(JSON, STREAM).encode())
            answer = b""
            while got := sock.recv(65536):
                answer += got
            self.assertIn(b'"code":"deadline_exceeded"', answer)
            self.assertLess(time.monotonic() - started, 10)

    def test_connections_go_on(self):
        connection = self.connection()
        self.call(LIST, {"account": self.user}, connection)
        sock = connection.sock
        for answer in (self.call("/no/such", {}, connection), self.call(LIST, b"x", connection, Content_Type="text/plain"),
                       self.call(LIST, {"account": 1}, connection), self.call(LIST, {"account": self.user}, connection)):
            self.assertIs(sock, connection.sock, answer)
        self.assertEqual(200, answer[0])

    def test_requests_in_one_piece(self):
        one = self.post("Content-Length: 2\r\n")
        last = self.post("Content-Length: 2\r\nConnection: close\r\n")
        answer = self.raw(one + one + last)
        self.assertEqual(3, answer.count(b"HTTP/1.1 400 Bad Request\r\n"), answer)
        self.assertEqual(3, answer.count(b'"code":"invalid_argument"'), answer)

    def test_compressed_both_ways(self):
        packed = gzip.compress(json.dumps({"account": self.user}).encode())
        for _ in range(10):
            self.stack.ctl.run("deliver", "-", "--to", self.user, input=MAIL)
        status, headers, body = self.call(LIST, packed, Content_Encoding="gzip", Accept_Encoding="gzip")
        self.assertEqual((200, "gzip", "Accept-Encoding"), (status, headers["Content-Encoding"], headers["Vary"]))
        self.assertIn("messages", json.loads(gzip.decompress(body)))
        self.assert_error(self.call(LIST, packed, Content_Encoding="br"), 501, "unimplemented")
        self.assert_error(self.call(LIST, packed[:-3], Content_Encoding="gzip"), 400, "invalid_argument")

    def test_times_that_clients_name(self):
        self.assertEqual(200, self.call(LIST, {"account": self.user}, Connect_Timeout_Ms="5000")[0])
        self.assert_error(self.call(LIST, {"account": self.user}, Connect_Timeout_Ms="0"), 504, "deadline_exceeded")
        self.assert_error(self.call(LIST, {"account": self.user}, Connect_Timeout_Ms="1e3"), 400, "invalid_argument")

    # --- who calls

    def test_who_shows_no_key_that_counts(self):
        connection = self.connection()
        connection.request("POST", LIST, "{}", {"Content-Type": JSON})
        response = connection.getresponse()
        self.assertEqual("Bearer", response.headers["WWW-Authenticate"])
        self.assert_error((response.status, None, response.read()), 401, "unauthenticated", "NO_CREDENTIAL")
        self.assert_error(self.call(LIST, {}, key="guess"), 401, "unauthenticated", "NO_CREDENTIAL")
        self.assert_error(self.call(LIST, {}, key="msk_" + "0" * 51), 401, "unauthenticated")
        # The tokens of roles are for those who call the store themselves.
        for role in ("operator", "web", "smtp"):
            token = self.stack.token(role).read_text(encoding="ascii").strip()
            self.stack.secrets.add(token)
            status, _, body = self.call(LIST, {"account": self.user}, key=token)
            self.assertIn(status, (401, 403), body)

    def test_scopes_and_addresses_hold_here_too(self):
        reader = make_key(self.stack, "reader", "--scope", "directory.read")
        self.assert_error(self.call(LIST, {"account": self.user}, key=reader), 403, "permission_denied", "SCOPE_MISSING")
        elsewhere = make_key(self.stack, "elsewhere", "--scope", "mail.read", "--ip", "192.0.2.0/24")
        self.assert_error(self.call(LIST, {"account": self.user}, key=elsewhere), 403, "permission_denied",
                          "ADDRESS_NOT_ALLOWED")

    def test_the_store_hears_the_address_of_the_client(self):
        """Of a balancer's client, by PROXY and webd's own token."""
        web = self.stack.add_webd(proxy_networks="127.0.0.0/8", plaintext_networks="192.0.2.0/24")
        key = make_key(self.stack, "from_there", "--scope", "mail.read", "--ip", "192.0.2.7")
        request = self.post("Content-Length: 31\r\nConnection: close\r\n", '{"account":"demo@example.test"}').replace(self.key, key)
        for address, status in (("192.0.2.7", 200), ("192.0.2.8", 403), ("198.51.100.1", 403)):
            answer = self.raw(f"PROXY TCP4 {address} 127.0.0.1 1000 8080\r\n{request}", web.ports["http"])
            self.assertIn(f"HTTP/1.1 {status} ".encode(), answer, address)
        self.assertEqual(b"", self.raw(request, web.ports["http"]), "without the header there is no session")
        self.assertEqual(0, web.terminate())

    def test_keys_go_in_clear_from_near_only(self):
        web = self.stack.add_webd(plaintext_networks="192.0.2.0/24")
        self.assert_error(self.call(LIST, {"account": self.user}, self.connection(web)), 403, "permission_denied")
        sock = self.stack.context.wrap_socket(socket.create_connection(("127.0.0.1", web.ports["https"]), timeout=20),
                                              server_hostname="mx.example.test")
        connection = self.connection(web)
        connection.sock = sock
        self.assertEqual(200, self.call(LIST, {"account": self.user}, connection)[0])
        self.assertEqual(0, web.terminate())

    # --- what clients get wrong

    def test_what_is_no_call(self):
        self.assert_error(self.call("/", {}), 404, "unimplemented")
        self.assert_error(self.call("/mailstead.frontend.v1.AuthService/Authenticate", {}), 404, "unimplemented")
        self.assert_error(self.call(LIST, {}, Content_Type="text/html"), 415, "unknown")
        self.assert_error(self.call(LIST, {}, Connect_Protocol_Version="2"), 400, "invalid_argument")
        self.assert_error(self.call(LIST, {"acount": "x"}), 400, "invalid_argument")
        self.assert_error(self.call(LIST, b"{"), 400, "invalid_argument")
        self.assert_error(self.call(LIST, b""), 400, "invalid_argument")
        self.assert_error(self.call(LIST, b"\xff\xff", Content_Type="application/proto"), 400, "invalid_argument")
        self.assert_error(self.call(LIST, {"account": "nobody@example.test"}), 404, "not_found", "ACCOUNT_NOT_FOUND")
        connection = self.connection()
        for verb in ("HEAD", "OPTIONS", "PUT", "DELETE"):
            connection.request(verb, LIST, headers=self.headers())
            response = connection.getresponse()
            self.assertEqual((405, "POST, GET"), (response.status, response.headers["Allow"]), verb)
            self.assertEqual(verb == "HEAD", response.read() == b"")

    def test_sizes(self):
        fits = json.dumps({"account": "x" * 90_000}).encode()
        self.assert_error(self.call(LIST, fits), 400, "invalid_argument")
        self.assertEqual(413, self.call(LIST, b"x" * 100_001)[0])
        chunked = self.raw(self.post("Transfer-Encoding: chunked\r\n", "ffffff\r\nxxx"))
        self.assertIn(b"HTTP/1.1 413 ", chunked)
        bomb = gzip.compress(b" " * 10_000_000)
        self.assertLess(len(bomb), 20_000)
        self.assert_error(self.call(LIST, bomb, Content_Encoding="gzip"), 429, "resource_exhausted", "TOO_LARGE")
        message = envelope(bomb, 1)
        _, _, body = self.call(FETCH, message, Content_Type=STREAM, Connect_Content_Encoding="gzip")
        self.assertEqual("resource_exhausted", json.loads(envelopes(body)[0][1])["error"]["code"])
        self.assertIn(b"HTTP/1.1 431 ", self.raw(self.post(f"X: {'x' * 20_000}\r\n")))
        self.assertIn(b"HTTP/1.1 431 ", self.raw(self.post("X: x\r\n" * 200)))

    def test_expect(self):
        with socket.create_connection(("127.0.0.1", self.stack.webd.ports["http"]), timeout=20) as sock:
            sock.sendall(self.post("Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n", "").encode())
            self.assertEqual(b"HTTP/1.1 100 Continue\r\n\r\n", sock.recv(100))
            sock.sendall(b"{}")
            self.assertIn(b"HTTP/1.1 400 ", sock.recv(65536))
        self.assertIn(b"HTTP/1.1 417 ", self.raw(self.post("Content-Length: 2\r\nExpect: x\r\nConnection: close\r\n")))

    def test_http_1_0(self):
        request = self.post("Content-Length: 31\r\n", '{"account":"demo@example.test"}').replace("HTTP/1.1", "HTTP/1.0")
        answer = self.raw(request)
        self.assertIn(b"HTTP/1.1 200 OK\r\n", answer)
        self.assertIn(b"Connection: close\r\n", answer)

    # --- what hostile clients try

    def test_smuggling(self):
        """What a proxy in front could see as another number of requests ends the connection after one answer."""
        smuggled = self.post("Content-Length: 2\r\n")
        for fields, body in (("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
                             ("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "0\r\n\r\n"),
                             ("Content-Length: 2\r\nContent-Length: 0\r\n", ""), ("Content-Length: 0\r\nContent-Length: 0\r\n", ""),
                             ("Content-Length: 0, 0\r\n", ""), ("Content-Length: +0\r\n", ""), ("Content-Length: 0x2\r\n", ""),
                             ("Content-Length : 0\r\n", ""), (" Content-Length: 0\r\n", ""), ("X: y\r\n Content-Length: 0\r\n", ""),
                             ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
                             ("Transfer-Encoding:\x0bchunked\r\n", "0\r\n\r\n"), ("X: y\nContent-Length: 0\r\n", ""),
                             ("X: y\rContent-Length: 0\r\n", ""), ("Transfer-Encoding: chunked\r\n", "0\n\n"),
                             ("Host: b\r\nContent-Length: 0\r\n", ""), ("X\0: y\r\nContent-Length: 0\r\n", "")):
            with self.subTest(fields):
                answer = self.raw(self.post(fields, body) + smuggled)
                self.assertEqual(1, answer.count(b"HTTP/1.1 "), answer)
                self.assertRegex(answer, rb"^HTTP/1\.1 (400|501) ")
                self.assertIn(b"Connection: close\r\n", answer)

    def test_slow_heads_and_bodies(self):
        for begin, status in ((b"POST / HTTP/1.1\r\nHost", 408), (self.post("Content-Length: 100\r\n", "{").encode(), 408)):
            started = time.monotonic()
            with socket.create_connection(("127.0.0.1", self.stack.webd.ports["http"]), timeout=20) as sock:
                sock.sendall(begin)
                sock.settimeout(0.2)
                answer = b""
                # A byte now and then does not stretch it.
                while time.monotonic() - started < 15:
                    try:
                        got = sock.recv(4096)
                        if not got:
                            break
                        answer += got
                    except TimeoutError:
                        try:
                            sock.sendall(b"x")
                        except OSError:
                            break
                    except ConnectionResetError:
                        break
            self.assertIn(f"HTTP/1.1 {status} ".encode(), answer)
            self.assertLess(time.monotonic() - started, 10)

    def test_bodies_have_one_memory(self):
        """Strangers who send large bodies slowly: what is beyond the memory is refused, and given back when they have gone."""
        socks = []
        try:
            refused = b""
            for _ in range(12):
                sock = socket.create_connection(("127.0.0.1", self.stack.webd.ports["http"]), timeout=20)
                socks.append(sock)
                sock.sendall(self.post("Content-Length: 99000\r\n", "x" * 98_000).encode())
            for sock in socks:
                sock.settimeout(5)
                refused += sock.recv(65536)
            self.assertIn(b"HTTP/1.1 503 ", refused)
        finally:
            for sock in socks:
                sock.close()
        wait_until(lambda: self.call(LIST, {"account": self.user})[0] == 200, what="calls go on")

    def test_what_speaks_something_else(self):
        for bytes_ in (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\r\n\r\n", b"EHLO x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
                       b"\r\n\r\n\r\n", b"\0\0\0\0"):
            self.assertRegex(self.raw(bytes_), rb"^HTTP/1\.1 (400|505) ")


class WebEndsTest(WebCase):
    """What becomes of calls when something ends."""

    def setUp(self):
        self.stack = self.new_stack()
        self.stack.add_stored()
        self.stack.webd = self.stack.add_webd(store_timeout="2s")
        [self.user] = self.stack.add_accounts("demo")
        self.key = make_key(self.stack, "all", "--scope", SCOPES)

    def test_the_store_goes_and_comes(self):
        connection = self.connection()
        self.assertEqual(200, self.call(LIST, {"account": self.user}, connection)[0])
        self.stack.stored.kill()
        self.stack.stored.process.exit_is_expected = True
        answer = self.call(LIST, {"account": self.user}, connection)
        self.assertIn(answer[0], (503, 504), answer)
        self.stack.webd.wait_not_ready()
        self.stack.stored.restart()
        self.stack.webd.wait_ready()
        wait_until(lambda: self.call(LIST, {"account": self.user}, connection)[0] == 200, what="calls go on")

    def test_draining(self):
        idle = self.connection()
        self.call(LIST, {"account": self.user}, idle)
        watch = self.connection()
        watch.request("POST", WATCH, envelope(json.dumps({"filter": {"accounts": [self.user]}}).encode()), self.headers(Content_Type=STREAM))
        response = watch.getresponse()
        self.assertEqual(200, response.status)
        started = time.monotonic()
        self.assertEqual(0, self.stack.webd.terminate())
        self.assertLess(time.monotonic() - started, 10)
        self.assertEqual("unavailable", json.loads(envelopes(response.read())[-1][1])["error"]["code"])
        self.assertEqual(b"", idle.sock.recv(100))

    def test_the_log_tells_no_keys(self):
        self.call(LIST, {"account": self.user})
        self.stack.webd.terminate()
        self.stack.webd.process.exit_is_expected = True
        self.assertIn("session_closed", self.stack.webd.all_text())
        self.assertNotIn(self.key, self.stack.webd.all_text())
