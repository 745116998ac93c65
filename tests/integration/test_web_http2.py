"""webd by HTTP/2 (RFC 9113): by curl, nghttp and h2load, by ALPN and by prior knowledge, many requests at once, and what hostile clients
send."""

import json
import re
import socket
import ssl
import struct
import time

import h2.config
import h2.connection
import h2.events
import h2.settings
import hyperframe.frame as frames
from test_web import DELIVER, FETCH, JSON, LIST, MAIL, SCOPES, STREAM, WATCH, WebCase, envelope, end_of, envelopes, make_key, upload

from mailstead.process import run_tool, wait_until
from mailstead.stack import SharedStackCase

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL_ERROR, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 8, 11
DATA, GOAWAY = 0, 7


class Answer:
    """Of one stream, as far as it has come."""

    def __init__(self):
        self.headers = {}
        self.body = b""
        self.ended = False
        self.reset = None

    @property
    def status(self):
        return int(self.headers[":status"])


class Http2Client:
    """A connection. What it sends is not checked: it may be wrong."""

    def __init__(self, sock, window=None, takes=True):
        self.sock = sock
        self.sock.settimeout(20)
        self.takes = takes
        self.answers = {}
        self.goaway = None
        self.closed = False
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=True, header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False))
        if window is not None:
            self.h2.local_settings = h2.settings.Settings(
                client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def close(self):
        self.sock.close()

    def begin(self, headers, end=False):
        stream = self.h2.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.h2.send_headers(stream, headers, end_stream=end)
        self.flush()
        return stream

    def send(self, stream, data, end=False):
        """With regard to the windows of the other side."""
        while data:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(data))
            if room == 0:
                if self.answers[stream].reset is not None or not self.receive():
                    return False
                continue
            self.h2.send_data(stream, data[:room])
            data = data[room:]
            self.flush()
        if end:
            self.h2.end_stream(stream)
            self.flush()
        return True

    def frame(self, frame):
        self.sock.sendall(frame.serialize())

    def receive(self):
        """Waits for something of the other side. False: the connection has ended."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return False
        for event in self.h2.receive_data(data):
            self.dispatch(event)
        try:
            self.flush()
        except OSError:
            self.closed = True
        return True

    def dispatch(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ResponseReceived):
            answer.headers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.takes:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = event.error_code
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event.error_code

    def until(self, done):
        while not done() and self.receive():
            pass
        return done()

    def answer(self, stream):
        """The whole of it."""
        answer = self.answers[stream]
        self.until(lambda: answer.ended or answer.reset is not None)
        return answer

    def frames_to_the_end(self):
        """[(type, stream, payload)] of all that comes to the end of the connection; none is judged."""
        rest = b""
        while True:
            try:
                got = self.sock.recv(65536)
            except ConnectionResetError:
                got = b""
            if not got:
                break
            rest += got
        found = []
        while len(rest) >= 9:
            size = int.from_bytes(rest[:3], "big")
            found.append((rest[3], int.from_bytes(rest[5:9], "big"), rest[9:9 + size]))
            rest = rest[9 + size:]
        return found

    def until_goaway(self):
        """The code of the last GOAWAY; None: there was none."""
        codes = [int.from_bytes(payload[4:8], "big") for kind, _, payload in self.frames_to_the_end() if kind == GOAWAY]
        return codes[-1] if codes else None


class Http2Case(WebCase):

    def client(self, web=None, **options):
        sock = socket.create_connection(("127.0.0.1", (web or self.stack.webd).ports["http"]), timeout=20)
        self.addCleanup(sock.close)
        return Http2Client(sock, **options)

    def head(self, path=LIST, method="POST", content_type=JSON, more=()):
        return [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path), ("content-type", content_type),
                ("authorization", f"Bearer {self.key}"), *more]

    def post(self, client, path=LIST, message=None, **head):
        body = message if isinstance(message, bytes) else json.dumps({"account": self.user} if message is None else message).encode()
        stream = client.begin(self.head(path, **head))
        client.send(stream, body, end=True)
        return stream


class Http2Test(SharedStackCase, Http2Case):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.webd = stack.add_webd(max_request_bytes=100_000, body_memory=1_048_576, head_timeout="1s", body_timeout="2s",
                                    write_timeout="2s", idle_timeout="20s", max_streams=20)
        [cls.user, cls.uploads] = stack.add_accounts("demo", "uploads")
        cls.key = make_key(stack, "all", "--scope", SCOPES)
        stack.ctl.run("deliver", "-", "--to", cls.user, input=MAIL)

    # --- public clients

    def curl(self, *options, port="http"):
        scheme = port
        done = run_tool(["curl", "--silent", "--show-error", "--noproxy", "*", "-H", f"Authorization: Bearer {self.key}", "-H",
                         "Content-Type: application/json", "-d", json.dumps({"account": self.user}), "-w", "\n%{http_version}",
                         "--cacert", str(self.stack.folder / "ca/ca.crt"), "--resolve",
                         f"mx.example.test:{self.stack.webd.ports[port]}:127.0.0.1", *options,
                         f"{scheme}://mx.example.test:{self.stack.webd.ports[port]}{LIST}"])
        self.assertEqual(0, done.returncode, done.stderr)
        body, version = done.stdout.decode().rsplit("\n", 1)
        self.assertEqual("hello", json.loads(body)["messages"][0]["summary"]["subject"])
        return version

    def test_curl_by_prior_knowledge(self):
        self.assertEqual("2", self.curl("--http2-prior-knowledge"))
        self.assertEqual("1.1", self.curl("--http1.1"))

    def test_curl_by_alpn(self):
        self.assertEqual("2", self.curl(port="https"))
        self.assertEqual("1.1", self.curl("--http1.1", port="https"))
        self.assertEqual("1.1", self.curl("--no-alpn", port="https"))

    def test_who_names_another_protocol_gets_no_connection(self):
        context = self.stack.authority.client_context()
        context.set_alpn_protocols(["smtp"])
        with socket.create_connection(("127.0.0.1", self.stack.webd.ports["https"]), timeout=20) as sock:
            with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
                context.wrap_socket(sock, server_hostname="mx.example.test")

    def test_nghttp(self):
        url = f"http://127.0.0.1:{self.stack.webd.ports['http']}{LIST}"
        data = self.stack.folder / "request.json"
        data.write_text(json.dumps({"account": self.user}), encoding="utf-8")
        done = run_tool(["nghttp", "-v", "-d", str(data), "-H", f"authorization: Bearer {self.key}", "-H", f"content-type: {JSON}", url])
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn(":status: 200", re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.decode()))

    def test_h2load(self):
        """Many connections with many requests at once; none fails."""
        web = self.stack.add_webd()
        data = self.stack.folder / "load.json"
        data.write_text(json.dumps({"account": self.user, "pageSize": 1}), encoding="utf-8")
        for protocol in ("h2c", "http/1.1"):
            done = run_tool(["h2load", "-n", "2000", "-c", "10", "-m", "20", "-d", str(data), "-p", protocol, "-H", f"content-type: {JSON}",
                             "-H", f"authorization: Bearer {self.key}", f"http://127.0.0.1:{web.ports['http']}{LIST}"])
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertIn("2000 succeeded, 0 failed, 0 errored", done.stdout.decode(), protocol)
            self.assertIn("2000 2xx", done.stdout.decode())
        self.assertEqual(0, web.terminate())

    # --- calls

    def test_requests_at_the_same_time(self):
        client = self.client()
        streams = [self.post(client) for _ in range(20)]
        for stream in streams:
            answer = client.answer(stream)
            self.assertEqual((200, JSON), (answer.status, answer.headers["content-type"]))
            self.assertEqual("no-store", answer.headers["cache-control"])
            self.assertEqual(str(len(answer.body)), answer.headers["content-length"])
            self.assertEqual("hello", json.loads(answer.body)["messages"][0]["summary"]["subject"])

    def test_errors_and_refusals(self):
        client = self.client()
        for stream, status, code in ((self.post(client, "/no/such"), 404, "unimplemented"),
                                     (self.post(client, content_type="text/html"), 415, "unknown"),
                                     (self.post(client, message={"account": "nobody@example.test"}), 404, "not_found"),
                                     (self.post(client, message=b"{"), 400, "invalid_argument"),
                                     (self.post(client, more=[("expect", "more")]), 417, "invalid_argument"),
                                     (self.post(client, message=b"x" * 100_001), 413, "resource_exhausted"),
                                     (self.post(client, more=[("connect-timeout-ms", "0")]), 504, "deadline_exceeded")):
            answer = client.answer(stream)
            self.assertEqual((status, code), (answer.status, json.loads(answer.body)["code"]))
        stream = client.begin(self.head(method="HEAD"), end=True)
        answer = client.answer(stream)
        self.assertEqual((405, b""), (answer.status, answer.body))
        self.assertNotEqual("0", answer.headers["content-length"])
        self.assertEqual(200, client.answer(self.post(client)).status, "the connection goes on")

    def test_a_stream(self):
        [message, *_] = self.stack.ctl.json("message", "list", self.user)["messages"]
        request = {"account": self.user, "messageId": message["message_id"]}
        client = self.client()
        answer = client.answer(self.post(client, FETCH, envelope(json.dumps(request).encode()), content_type=STREAM))
        self.assertEqual((200, STREAM), (answer.status, answer.headers["content-type"]))
        *pieces, (flags, end) = envelopes(answer.body)
        self.assertEqual((2, {}), (flags, json.loads(end)))
        self.assertTrue(pieces)

    def watch_streams(self):
        return sum(float(value) for value in re.findall(r"^mailstead_store_watch_streams (\S+)$",
                                                        self.stack.stored.admin("/metrics")[1], re.MULTILINE))

    def test_watching_beside_calls(self):
        """And its end, by a reset: the call in the store ends with it."""
        client = self.client()
        watch = self.post(client, WATCH, envelope(json.dumps({"filter": {"accounts": [self.user]}}).encode()), content_type=STREAM)
        wait_until(lambda: self.watch_streams() == 1, what="the watch is there")
        self.assertEqual(200, client.answer(self.post(client)).status)
        self.stack.ctl.run("deliver", "-", "--to", self.user, input="Subject: watched\n\n!\n")
        self.assertTrue(client.until(lambda: b"delivered" in client.answers[watch].body))
        client.h2.reset_stream(watch, CANCEL)
        client.flush()
        wait_until(lambda: self.watch_streams() == 0, what="the watch has ended")
        self.assertEqual(200, client.answer(self.post(client)).status)

    def test_a_watch_ends_with_its_connection(self):
        client = self.client()
        self.post(client, WATCH, envelope(json.dumps({"filter": {"accounts": [self.user]}}).encode()), content_type=STREAM)
        wait_until(lambda: self.watch_streams() == 1, what="the watch is there")
        client.close()
        wait_until(lambda: self.watch_streams() == 0, what="the watch has ended")

    def test_uploads(self):
        """Several at the same time on one connection; each waits for the store, and none for another."""
        web = self.stack.add_webd()
        client = self.client(web)
        content = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 50_000
        bodies = {}
        for number in range(4):
            stream = client.begin(self.head(DELIVER, content_type=STREAM))
            bodies[stream] = upload(self.uploads, content, f"upload-{number}-{'6' * 16}", 30_000)
        for number, pieces in enumerate(zip(*bodies.values()), 1):
            for stream, piece in zip(bodies, pieces):
                self.assertTrue(client.send(stream, piece, end=number == len(bodies[stream])))
        for stream in bodies:
            [answer], error = end_of(client.answer(stream).body)
            self.assertEqual(({}, "DELIVER_OUTCOME_STORED"), (error, answer["outcome"]))
        client.close()
        self.assertEqual(0, web.terminate())

    def test_an_error_comes_before_the_end_of_the_upload(self):
        client = self.client()
        stream = client.begin(self.head(DELIVER, content_type=STREAM))
        client.send(stream, upload("nobody", b"x\r\n", "short")[0])
        answer = client.answer(stream)
        self.assertEqual("invalid_argument", end_of(answer.body)[1]["code"])
        self.assertTrue(client.until(lambda: answer.reset is not None))
        self.assertEqual(NO_ERROR, answer.reset)

    def test_an_upload_that_is_reset_stores_nothing(self):
        client = self.client()
        stream = client.begin(self.head(DELIVER, content_type=STREAM))
        first, *_ = upload(self.user, b"Subject: never\r\n\r\n!\r\n", f"upload-{'7' * 16}")
        client.send(stream, first)
        client.h2.reset_stream(stream, CANCEL)
        client.flush()
        listed = json.loads(client.answer(self.post(client)).body)
        self.assertNotIn("never", [message["summary"]["subject"] for message in listed["messages"]])

    def test_expect(self):
        client = self.client()
        stream = client.begin(self.head(more=[("expect", "100-continue"), ("content-length", "2")]))
        informed = []
        client.dispatch, dispatch = (lambda event: (informed.append(event), dispatch(event))), client.dispatch
        client.until(lambda: any(isinstance(event, h2.events.InformationalResponseReceived) for event in informed))
        client.send(stream, b"{}", end=True)
        self.assertEqual(400, client.answer(stream).status)

    # --- limits

    def test_more_requests_than_are_allowed(self):
        """Who knows how many there may be, and begins more, is no client of HTTP/2."""
        client = self.client()
        client.until(lambda: client.h2.remote_settings.max_concurrent_streams == 20)
        for _ in range(20):
            client.begin(self.head())
        client.h2.remote_settings.max_concurrent_streams = 1000
        client.h2.remote_settings.acknowledge()
        client.begin(self.head())
        self.assertEqual(PROTOCOL_ERROR, client.until_goaway())

    def test_large_heads(self):
        for more in ([("x", "x" * 16_000)], [("x", "y")] * 110):
            client = self.client()
            answer = client.answer(self.post(client, more=more))
            self.assertEqual(431, answer.status)
            self.assertEqual(200, client.answer(self.post(client)).status, "the connection goes on")

    def test_a_small_window_is_respected(self):
        client = self.client(window=100, takes=False)
        stream = self.post(client)
        client.until(lambda: len(client.answers[stream].body) >= 100)
        self.assertEqual(100, len(client.answers[stream].body))
        client.h2.increment_flow_control_window(1_000_000, stream)
        client.flush()
        self.assertEqual("hello", json.loads(client.answer(stream).body)["messages"][0]["summary"]["subject"])

    def test_who_takes_nothing_of_an_answer(self):
        client = self.client(window=10, takes=False)
        stream = self.post(client)
        started = time.monotonic()
        self.assertEqual(CANCEL, client.answer(stream).reset)
        self.assertLess(time.monotonic() - started, 10)

    def test_bodies_have_one_memory(self):
        clients = [self.client() for _ in range(4)]
        streams = []
        for client in clients:
            for _ in range(3):
                streams.append((client, client.begin(self.head())))
                client.send(streams[-1][1], b"x" * 98_000)
        statuses = [client.answer(stream).status for client, stream in streams]
        self.assertIn(503, statuses)
        self.assertLessEqual(set(statuses), {503, 408})
        wait_until(lambda: self.call(LIST, {"account": self.user})[0] == 200, what="calls go on")

    # --- smuggling

    def test_what_could_be_read_in_two_ways(self):
        """It would be another request for a server of HTTP/1 behind a proxy, or is none: the request is refused."""
        fine = self.head()
        for name, head in (("connection", [*fine, ("connection", "keep-alive")]), ("encoding", [*fine, ("transfer-encoding", "chunked")]),
                           ("upgrade", [*fine, ("upgrade", "h2c")]), ("te", [*fine, ("te", "gzip")]),
                           ("upper case", [*fine, ("X-Y", "z")]), ("no name", [*fine, ("", "x")]),
                           ("line end", [*fine, ("x", "y\r\nz: 1")]), ("NUL", [*fine, ("x", "\0")]), ("blank", [*fine, ("x y", "z")]),
                           ("no path", [field for field in fine if field[0] != ":path"]), ("two paths", [(":path", "/x"), *fine]),
                           ("no scheme", [field for field in fine if field[0] != ":scheme"]),
                           ("pseudo field behind", [*fine, (":method", "GET")]), ("unknown pseudo field", [(":x", "y"), *fine]),
                           ("response", [(":status", "200"), *fine]), ("target", [*fine[:3], (":path", "x"), *fine[4:]]),
                           ("two lengths", [*fine, ("content-length", "2"), ("content-length", "3")]),
                           ("no number", [*fine, ("content-length", "+2")]), ("longer", [*fine, ("content-length", "1")]),
                           ("shorter", [*fine, ("content-length", "3")])):
            with self.subTest(name):
                client = self.client()
                stream = client.begin(head)
                client.send(stream, b"{}", end=True)
                answer = client.answer(stream)
                self.assertTrue(answer.reset == PROTOCOL_ERROR or client.goaway == PROTOCOL_ERROR or answer.status == 400,
                                (answer.reset, client.goaway, answer.headers))
                self.assertNotIn("200", answer.headers.get(":status", ""))

    def test_trailers_mean_nothing(self):
        client = self.client()
        stream = client.begin(self.head())
        client.send(stream, json.dumps({"account": self.user}).encode())
        client.h2.send_headers(stream, [("authorization", "Bearer x")], end_stream=True)
        client.flush()
        self.assertEqual(200, client.answer(stream).status)

    # --- floods

    def assert_calmed(self, client, code=ENHANCE_YOUR_CALM):
        self.assertEqual(code, client.until_goaway())
        self.assertEqual(200, self.call(LIST, {"account": self.user})[0], "others are served")

    def flood(self, client, count, make):
        try:
            for i in range(count):
                client.sock.sendall(make(i))
        except OSError:
            pass

    def test_rapid_reset(self):
        client = self.client()
        encoder = client.h2.encoder

        def reset(i):
            stream = 2 * i + 1
            head = frames.HeadersFrame(stream, flags=["END_HEADERS"])
            head.data = encoder.encode(self.head())
            return head.serialize() + frames.RstStreamFrame(stream, error_code=CANCEL).serialize()
        self.flood(client, 5000, reset)
        self.assert_calmed(client)

    def test_resets_that_we_are_made_to_send(self):
        """Of requests that are wrong in themselves (CVE-2025-8671)."""
        client = self.client()
        encoder = client.h2.encoder

        def wrong(i):
            head = frames.HeadersFrame(2 * i + 1, flags=["END_HEADERS"])
            head.data = encoder.encode([*self.head(), ("connection", "close")])
            return head.serialize()
        self.flood(client, 5000, wrong)
        self.assert_calmed(client)

    def test_floods_of_frames(self):
        setting = frames.SettingsFrame(0, settings={1: 4096})
        for name, make in (("ping", lambda i: frames.PingFrame(0, opaque_data=b"12345678").serialize()),
                           ("settings", lambda i: setting.serialize())):
            with self.subTest(name):
                client = self.client()
                self.flood(client, 20_000, make)
                self.assert_calmed(client)

    def test_empty_data(self):
        client = self.client()
        stream = client.begin(self.head())
        self.flood(client, 20_000, lambda i: frames.DataFrame(stream).serialize())
        self.assert_calmed(client)

    def test_continuations_without_end(self):
        client = self.client()
        head = frames.HeadersFrame(1)
        head.data = client.h2.encoder.encode(self.head())
        client.frame(head)
        more = client.h2.encoder.encode([("x", "y")])
        self.flood(client, 20_000, lambda i: struct.pack(">HBBBI", 0, len(more), 9, 0, 1) + more)
        self.assertIsNotNone(client.until_goaway())
        self.assertEqual(200, self.call(LIST, {"account": self.user})[0])

    def test_slow_heads_and_bodies(self):
        client = self.client()
        head = frames.HeadersFrame(1)
        head.data = client.h2.encoder.encode(self.head())
        started = time.monotonic()
        client.frame(head)
        self.assertEqual(ENHANCE_YOUR_CALM, client.until_goaway())
        self.assertLess(time.monotonic() - started, 5)
        client = self.client()
        stream = client.begin(self.head())
        client.send(stream, b"{")
        answer = client.answer(stream)
        self.assertEqual(408, answer.status)
        self.assertEqual(NO_ERROR, client.until(lambda: answer.reset is not None) and answer.reset)
        self.assertLess(time.monotonic() - started, 10)

    def test_a_preface_that_goes_wrong(self):
        for begin in (PREFACE[:10], PREFACE[:-1] + b"x", PREFACE + b"\0" * 20, PREFACE + b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.stack.webd.ports["http"]), timeout=20) as sock:
                started = time.monotonic()
                sock.sendall(begin)
                while sock.recv(65536):
                    pass
                self.assertLess(time.monotonic() - started, 10)
        self.assertEqual(200, self.call(LIST, {"account": self.user})[0])


class Http2EndsTest(Http2Case):

    def setUp(self):
        self.stack = self.new_stack()
        self.stack.add_stored()
        self.stack.webd = self.stack.add_webd(idle_timeout="1s")
        [self.user] = self.stack.add_accounts("demo")
        self.key = make_key(self.stack, "all", "--scope", SCOPES)

    def test_idle(self):
        client = self.client()
        started = time.monotonic()
        for _ in range(5):
            client.h2.ping(b"12345678")
            client.flush()
            time.sleep(0.1)
        self.assertEqual(NO_ERROR, client.until_goaway())
        self.assertLess(time.monotonic() - started, 10)

    def test_draining(self):
        idle = self.client()
        idle.answer(self.post(idle))
        client = self.client()
        watch = self.post(client, WATCH, envelope(json.dumps({"filter": {"accounts": [self.user]}}).encode()), content_type=STREAM)
        client.until(lambda: client.answers[watch].headers)
        started = time.monotonic()
        self.assertEqual(0, self.stack.webd.terminate())
        self.assertLess(time.monotonic() - started, 10)
        frames_ = client.frames_to_the_end()
        body = client.answers[watch].body + b"".join(payload for kind, stream, payload in frames_ if (kind, stream) == (DATA, watch))
        self.assertEqual("unavailable", json.loads(envelopes(body)[-1][1])["error"]["code"])
        self.assertIn(GOAWAY, [kind for kind, _, _ in frames_])
        self.assertEqual(NO_ERROR, idle.until_goaway())
