"""The paths of webd beside the methods: raw mail and parts as files, the change feed as Server-Sent Events, and who may call from
a browser (CORS)."""

import base64
import email.message
import hashlib
import http.client
import json
import re
import signal
import ssl
import subprocess
import time
from xml.etree import ElementTree

from mailstead.process import run_tool, wait_until
from mailstead.stack import SharedStackCase
from test_web import FETCH, GET_MESSAGE, LIST, SCOPES, WebCase, make_key

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 400
HTML = "<script>alert(document.domain)</script>\n"
ORIGIN = "https://desk.example.test"


def mail():
    """Parts 1.1 text, 1.2 a picture, 1.3 a page of HTML under a name with a path, 1.4 an empty file."""
    made = email.message.EmailMessage()
    made["Subject"] = "parts"
    made["From"] = "ann@example.test"
    made.set_content("Hello!\n")
    made.add_attachment(PNG, maintype="image", subtype="png", filename="ä b.png")
    made.add_attachment(HTML, subtype="html", filename="../../evil\"\u202elmth.html")
    made.add_attachment(b"", maintype="image", subtype="svg+xml", filename="CON.svg")
    return made.as_bytes(policy=made.policy.clone(linesep="\r\n"))


MAIL = mail()


class RoutesCase(WebCase):

    def get(self, path, connection=None, verb="GET", key=None, web=None, **headers):
        """(status, headers, body)."""
        connection = connection or self.connection(web)
        connection.request(verb, path, headers=self.headers(key, **headers))
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def message_id(self, subject):
        for message in json.loads(self.call(LIST, {"account": self.user})[2])["messages"]:
            if message["summary"]["subject"] == subject:
                return message["summary"]["messageId"]
        raise AssertionError(subject)

    def raw_path(self, subject="parts"):
        return f"/v1/accounts/{self.user}/messages/{self.message_id(subject)}/raw"

    def part_path(self, part):
        return f"/v1/accounts/{self.user}/messages/{self.message_id('parts')}/parts/{part}"

    def assert_is_no_page(self, headers):
        self.assertTrue(headers["Content-Disposition"].startswith("attachment; "), headers)
        self.assertEqual("nosniff", headers["X-Content-Type-Options"])
        self.assertEqual(["sandbox; default-src 'none'; frame-ancestors 'none'"], headers.get_all("Content-Security-Policy"))
        self.assertEqual("no-store", headers["Cache-Control"])
        self.assertEqual("same-origin", headers["Cross-Origin-Resource-Policy"])


class FilesTest(SharedStackCase, RoutesCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.webd = stack.add_webd(body_memory=1_048_576, max_request_bytes=100_000)
        cls.user, cls.other = stack.add_accounts("demo", "other")
        cls.key = make_key(stack, "all", "--scope", SCOPES)
        stack.ctl.run("deliver", "-", "--to", cls.user, input=MAIL)

    def whole(self):
        answer = self.call(GET_MESSAGE, {"account": self.user, "messageId": self.message_id("parts"), "view": "MESSAGE_VIEW_RAW"})
        return base64.b64decode(json.loads(answer[2])["raw"])

    # --- what is given

    def test_raw_mail(self):
        status, headers, body = self.get(self.raw_path())
        self.assertEqual((200, "message/rfc822"), (status, headers["Content-Type"]))
        self.assertEqual(self.whole(), body)
        self.assertTrue(body.endswith(MAIL), body)
        self.assertEqual(f'attachment; filename="message-{self.message_id("parts")}.eml"', headers["Content-Disposition"])
        self.assertEqual(("bytes", str(len(body))), (headers["Accept-Ranges"], headers["Content-Length"]))
        self.assert_is_no_page(headers)

    def test_parts(self):
        for part, content, kind, disposition in (
                ("1.1", b"Hello!\r\n", "application/octet-stream", 'attachment; filename="part-1.1.bin"'),
                ("1.2", PNG, "image/png", "attachment; filename=\"_ b.png\"; filename*=UTF-8''%C3%A4%20b.png"),
                ("1.3", HTML.replace("\n", "\r\n").encode(), "application/octet-stream", 'attachment; filename="evil__lmth.html"'),
                ("1.4", b"", "application/octet-stream", 'attachment; filename="_CON.svg"')):
            with self.subTest(part):
                status, headers, body = self.get(self.part_path(part))
                self.assertEqual((200, content), (status, body))
                self.assertEqual((kind, disposition), (headers["Content-Type"], headers["Content-Disposition"]))
                self.assert_is_no_page(headers)
                # HEAD says the same.
                told = self.get(self.part_path(part), verb="HEAD")
                self.assertEqual((200, b""), (told[0], told[2]))
                for name in ("Content-Type", "Content-Disposition", "Content-Length", "ETag", "Content-Security-Policy"):
                    self.assertEqual(headers[name], told[1][name], name)

    def test_the_account_id_names_it_too(self):
        [account] = [item for item in self.stack.ctl.json("account", "list")["accounts"] if item["address"] == self.user]
        path = self.raw_path().replace(self.user, account["account_id"])
        self.assertEqual(self.whole(), self.get(path)[2])
        self.assertEqual(self.whole(), self.get(self.raw_path().replace("@", "%40"))[2])

    # --- ranges

    def test_ranges(self):
        for path, whole in ((self.raw_path(), self.whole()), (self.part_path("1.2"), PNG)):
            size = len(whole)
            connection = self.connection()
            for asked, begin, end in (("bytes=0-0", 0, 1), ("bytes=0-99", 0, 100), ("bytes=70000-", 70000, size), ("bytes=-5", size - 5, size),
                                      ("bytes=65530-65550", 65530, 65551), (f"bytes=5-{size + 9}", 5, size),
                                      (f"bytes=-{size + 1}", 0, size), (f"bytes={size - 1}-", size - 1, size)):
                with self.subTest(path=path, asked=asked):
                    status, headers, body = self.get(path, connection, Range=asked)
                    self.assertEqual((206, f"bytes {begin}-{end - 1}/{size}"), (status, headers["Content-Range"]))
                    self.assertEqual(whole[begin:end], body)
                    self.assert_is_no_page(headers)
            for asked in (f"bytes={size}-", f"bytes={size}-{size}", "bytes=-0"):
                status, headers, body = self.get(path, connection, Range=asked)
                self.assertEqual((416, f"bytes */{size}"), (status, headers["Content-Range"]), asked)
                self.assertEqual("out_of_range", json.loads(body)["code"])
            for asked in ("bytes=0-1,5-6", "lines=1-2", "bytes=5-1"):
                status, headers, body = self.get(path, connection, Range=asked)
                self.assertEqual((200, whole), (status, body), asked)
                self.assertIsNone(headers["Content-Range"])
            # Of a HEAD there is no range (RFC 9110 section 14.2).
            self.assertEqual(200, self.get(path, connection, "HEAD", Range="bytes=0-0")[0])
        self.assertEqual(416, self.get(self.part_path("1.4"), Range="bytes=0-")[0])

    def test_conditions(self):
        path = self.raw_path()
        connection = self.connection()
        tag = self.get(path, connection)[1]["ETag"]
        self.assertRegex(tag, r'^"[!#-~]+"$')
        for answer in (self.get(path, connection, If_None_Match=tag), self.get(path, connection, If_None_Match=f'"x", W/{tag}'),
                       self.get(path, connection, "HEAD", If_None_Match="*")):
            self.assertEqual((304, tag, b""), (answer[0], answer[1]["ETag"], answer[2]))
            self.assertIsNone(answer[1]["Content-Length"])
            self.assertIsNone(answer[1]["Transfer-Encoding"])
        self.assertEqual(200, self.get(path, connection, If_None_Match='"x"')[0])
        self.assertEqual(412, self.get(path, connection, If_Match='"x"')[0])
        self.assertEqual(200, self.get(path, connection, If_Match=tag)[0])
        self.assertEqual(206, self.get(path, connection, Range="bytes=0-1", If_Range=tag)[0])
        self.assertEqual(200, self.get(path, connection, Range="bytes=0-1", If_Range='"x"')[0])
        # Another message, another part: another tag.
        tags = {tag, *(self.get(self.part_path(part), verb="HEAD")[1]["ETag"] for part in ("1.1", "1.2"))}
        self.stack.ctl.run("deliver", "-", "--to", self.user, input="Subject: second\n\nx\n")
        tags.add(self.get(self.raw_path("second"), verb="HEAD")[1]["ETag"])
        self.assertEqual(4, len(tags))
        self.assertEqual(tag, self.get(path)[1]["ETag"])

    def test_by_http_2(self):
        whole, path = self.whole(), self.raw_path()

        def curl(*options):
            done = run_tool(["curl", "--silent", "--show-error", "--http2-prior-knowledge", "--noproxy", "*", "-H",
                             f"Authorization: Bearer {self.key}", *options,
                             f"http://127.0.0.1:{self.stack.webd.ports['http']}{path}"])
            self.assertEqual(0, done.returncode, done.stderr)
            return done.stdout
        self.assertEqual(whole, curl())
        self.assertEqual(whole[5:10], curl("--range", "5-9"))
        head = curl("--head").decode()
        self.assertIn("HTTP/2 200", head)
        self.assertIn(f"content-length: {len(whole)}\r\n", head)
        [tag] = re.findall(r"(?m)^etag: (.*)\r$", head)
        told = curl("--include", "-H", f"If-None-Match: {tag}").decode()
        self.assertTrue(told.startswith("HTTP/2 304"), told)
        self.assertNotIn("content-length", told)

    # --- who may, and what is not there

    def test_keys(self):
        path = self.raw_path()
        connection = self.connection()
        connection.request("GET", path)
        response = connection.getresponse()
        self.assertEqual((401, "Bearer"), (response.status, response.headers["WWW-Authenticate"]))
        response.read()
        self.assert_error(self.get(path, key="no-key-at-all"), 401, "unauthenticated")
        directory = make_key(self.stack, "directory", "--scope", "directory.read")
        elsewhere = make_key(self.stack, "elsewhere", "--scope", "mail.read", "--mailbox", self.other)
        for path in (path, self.part_path("1.2")):
            self.assert_error(self.get(path, key=directory), 403, "permission_denied", "SCOPE_MISSING")
            self.assert_error(self.get(path, key=elsewhere), 404, "not_found", "ACCOUNT_NOT_FOUND")
        # A key in the URL is none.
        connection.request("GET", f"{path}?key={self.key}&access_token={self.key}")
        response = connection.getresponse()
        self.assertEqual(401, response.status)
        response.read()

    def test_what_is_not_there(self):
        user = self.user
        self.assert_error(self.get(f"/v1/accounts/{user}/messages/999999/raw"), 404, "not_found", "MESSAGE_NOT_FOUND")
        self.assert_error(self.get("/v1/accounts/nobody@example.test/messages/1/raw"), 404, "not_found", "ACCOUNT_NOT_FOUND")
        for part in ("1.9", "x", "1.2%2F..", "%00"):
            self.assert_error(self.get(self.part_path(part)), 404, "not_found", "PART_NOT_FOUND")
        for path in ("/v1/accounts/%ff/messages/1/raw", f"/v1/accounts/{user}/messages/x/raw", f"/v1/accounts/{user}/messages/1", "/v1", f"/v1/accounts/{user}/../raw"):
            self.assert_error(self.get(path), 404, "unimplemented")
        for verb in ("POST", "PUT", "DELETE", "OPTIONS"):
            answer = self.get(self.raw_path(), verb=verb)
            self.assert_error(answer, 405, "unimplemented")
            self.assertEqual("GET, HEAD", answer[1]["Allow"])
        connection = self.connection()
        connection.request("GET", self.raw_path(), body=b"x", headers=self.headers())
        self.assertEqual(400, connection.getresponse().status)

    # --- large ones

    def test_nothing_is_held_whole(self):
        """24 MiB, slowly, at a webd that may have 1 MiB of bodies."""
        content = b"Subject: large\r\n\r\n" + (b"x" * 98 + b"\r\n") * (24 * 10486)
        self.stack.ctl.run("deliver", "-", "--to", self.user, input=content)
        path = self.raw_path("large")
        before = self.stack.webd.process.resident_bytes()
        for _ in range(2):
            connection = self.connection()
            connection.request("GET", path, headers=self.headers())
            response = connection.getresponse()
            digest, left = hashlib.sha256(), int(response.headers["Content-Length"])
            skipped = left - len(content)
            response.read(skipped)
            time.sleep(0.5)
            while piece := response.read(1 << 20):
                digest.update(piece)
            self.assertEqual(hashlib.sha256(content).hexdigest(), digest.hexdigest())
        self.assertLess(self.stack.webd.process.resident_bytes() - before, 12 << 20)
        status, headers, body = self.get(path, Range=f"bytes={left - 3}-")
        self.assertEqual((206, b"x\r\n"), (status, body))


class FilesEndTest(RoutesCase):

    def begin(self, size):
        """The response with a message of that size, of which nearly all is still to be read."""
        self.stack = self.new_stack()
        self.stack.add_stored()
        self.stack.webd = self.stack.add_webd()
        [self.user] = self.stack.add_accounts("demo")
        self.key = make_key(self.stack, "all", "--scope", SCOPES)
        self.content = b"Subject: large\r\n\r\n" + (b"x" * 98 + b"\r\n") * (size // 100)
        self.stack.ctl.run("deliver", "-", "--to", self.user, input=self.content)
        connection = self.connection()
        connection.request("GET", self.raw_path("large"), headers=self.headers())
        response = connection.getresponse()
        response.read(1000)
        return response

    def test_an_answer_that_the_store_breaks_off(self):
        response = self.begin(40 << 20)
        self.stack.stored.kill()
        self.stack.stored.process.exit_is_expected = True
        # It is not taken for whole, and the connection has ended.
        with self.assertRaises(http.client.IncompleteRead):
            response.read()
        wait_until(lambda: 'closed_total{reason="broken_answer"} 1' in self.stack.webd.admin("/metrics")[1], what="it is counted")

    def test_an_answer_that_is_broken_off_by_http_2(self):
        self.begin(40 << 20)
        path = self.raw_path("large")
        into = self.stack.folder / "part"
        curl = subprocess.Popen(["curl", "--silent", "--http2-prior-knowledge", "--limit-rate", "4M", "--noproxy", "*", "--output",
                                 into, "-H", f"Authorization: Bearer {self.key}",
                                 f"http://127.0.0.1:{self.stack.webd.ports['http']}{path}"])
        self.addCleanup(curl.kill)
        wait_until(lambda: into.exists() and into.stat().st_size > 0, what="it has begun")
        self.stack.stored.kill()
        self.stack.stored.process.exit_is_expected = True
        # CURLE_HTTP2_STREAM: the stream was reset.
        self.assertEqual(92, curl.wait(60))

    def test_a_webd_that_ends_gives_what_it_has_begun(self):
        response = self.begin(10 << 20)
        self.stack.webd.process.exit_is_expected = True
        self.stack.webd.process.signal(signal.SIGTERM)
        self.stack.webd.process.wait_for_event("draining")
        body = response.read()
        self.assertTrue(body.endswith(self.content[-5000:]))
        self.assertEqual(0, self.stack.webd.process.wait())


class EventReader:
    """The events of a response: dicts of event, id and data, and comments."""

    def __init__(self, connection, response):
        self.connection, self.response = connection, response

    def close(self):
        self.connection.sock.close()
        self.response.close()

    def __next__(self):
        event = {}
        while True:
            line = self.response.readline().decode()
            if not line:
                raise StopIteration
            line = line.rstrip("\n")
            if not line:
                return event
            name, _, value = line.partition(":")
            event[name or "comment"] = value.removeprefix(" ")

    def __iter__(self):
        return self

    def named(self, name):
        return next(event for event in self if event.get("event") == name)


class EventsCase(RoutesCase):

    def watch(self, query, key=None, web=None, **headers):
        connection = self.connection(web)
        connection.request("GET", f"/v1/watch?{query}", headers=self.headers(key, **headers))
        response = connection.getresponse()
        self.assertEqual((200, "text/event-stream"), (response.status, response.headers["Content-Type"]), response)
        return EventReader(connection, response)

    def refused(self, query, status, code, reason=None, key=None, **headers):
        self.assert_error(self.get(f"/v1/watch?{query}", key=key, **headers), status, code, reason)

    def deliver(self, subject):
        self.stack.ctl.run("deliver", "-", "--to", self.user, input=f"Subject: {subject}\n\nx\n")


class EventsTest(SharedStackCase, EventsCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.webd = stack.add_webd()
        cls.user, cls.other = stack.add_accounts("demo", "other")
        cls.key = make_key(stack, "all", "--scope", SCOPES)

    def test_events_and_going_on(self):
        events = self.watch(f"account={self.user}&kind=delivered")
        begun = next(events)
        self.assertEqual("started", begun["event"])
        self.deliver("first")
        told = events.named("delivered")
        data = json.loads(told["data"])
        self.assertEqual("first", data["delivered"]["message"]["summary"]["subject"])
        # The id is the event's cursor.
        self.assertEqual(base64.b64decode(data["cursor"]), base64.urlsafe_b64decode(told["id"] + "=" * (-len(told["id"]) % 4)))
        self.deliver("second")
        events.close()
        # As a browser comes again; start does not count any more.
        again = self.watch(f"account={self.user}&start=oldest", Last_Event_ID=told["id"])
        self.assertEqual("started", next(again)["event"])
        self.assertEqual("second", json.loads(again.named("delivered")["data"])["delivered"]["message"]["summary"]["subject"])
        by_parameter = self.watch(f"account={self.user}&cursor={begun['id']}&view=parsed&text_limit_bytes=1")
        data = json.loads(by_parameter.named("delivered")["data"])
        self.assertEqual("first", data["delivered"]["message"]["header"]["subject"])

    def test_silence(self):
        """Is a comment, whose id is told to nobody and goes on."""
        events = self.watch(f"account={self.user}&heartbeat_seconds=1")
        next(events)
        beat = next(events)
        self.assertEqual({"comment": "heartbeat", "id": beat["id"]}, beat)
        self.watch(f"account={self.user}", Last_Event_ID=beat["id"])

    def test_as_a_consumer(self):
        self.stack.ctl.run("consumer", "create", "desk", "--account", self.user)
        self.deliver("for the desk")
        events = self.watch("consumer=desk")
        told = events.named("delivered")
        events.close()
        # Not acknowledged, it comes again; the id that a browser sends is nothing to a consumer.
        again = self.watch("consumer=desk&max_unacknowledged=5", Last_Event_ID=told["id"]).named("delivered")
        self.assertEqual(*(json.loads(event["data"])["delivered"]["messageId"] for event in (told, again)))

    def test_its_client_goes(self):
        events = self.watch("all=true")
        next(events)
        wait_until(lambda: self.streams() >= 1, what="the watch is there")
        before = self.streams()
        events.close()
        wait_until(lambda: self.streams() < before, what="the watch has ended")

    def streams(self):
        return sum(float(value) for value in re.findall(r"^mailstead_store_watch_streams (\S+)$",
                                                        self.stack.stored.admin("/metrics")[1], re.MULTILINE))

    def test_what_is_refused(self):
        for query in ("", "account=a&domain=b", "all=false", "all=1", "kind=Delivered&all=true", "kind=nothing&all=true",
                      "start=never&all=true", "all=true&all=true", "all=true&cursor=%21", "all=true&cursor=", "all=true&cursor=AAAA",
                      "all=true&heartbeat_seconds=x", "all=true&heartbeat_seconds=3600", "all=true&view=whole",
                      "all=true&text_limit_bytes=99999999999999999999", "account=%zz", "account=%ff", "other=1&all=true"):
            with self.subTest(query):
                self.refused(query, 400, "invalid_argument")
        self.refused("all=true", 400, "invalid_argument", Last_Event_ID="!")
        # A cursor of other accounts.
        cursor = next(self.watch(f"account={self.other}"))["id"]
        self.refused(f"account={self.user}", 400, "invalid_argument", Last_Event_ID=cursor)
        self.refused("account=nobody@example.test", 404, "not_found", "ACCOUNT_NOT_FOUND")
        self.refused("consumer=nobody", 404, "not_found", "CONSUMER_NOT_FOUND")
        reader = make_key(self.stack, "mail_reader", "--scope", "mail.read")
        self.refused("all=true", 403, "permission_denied", "SCOPE_MISSING", key=reader)

    def test_no_keys_in_urls(self):
        connection = self.connection()
        for name in ("key", "access_token", "authorization"):
            connection.request("GET", f"/v1/watch?all=true&{name}={self.key}")
            response = connection.getresponse()
            self.assertEqual(401, response.status)
            response.read()
            status, _, body = self.get(f"/v1/watch?all=true&{name}={self.key}")
            self.assertEqual(400, status)
            self.assertNotIn(self.key.encode(), body)

    def test_a_webd_that_ends(self):
        web = self.stack.add_webd()
        events = self.watch("all=true", web=web)
        next(events)
        started = time.monotonic()
        self.assertEqual(0, web.terminate())
        self.assertLess(time.monotonic() - started, 10)
        *_, last = events
        self.assertEqual(("end", "unavailable"), (last["event"], json.loads(last["data"])["code"]))
        self.assertNotIn("id", last, "it comes again with the cursor that it has")


class ExpiredTest(EventsCase):

    def test_a_cursor_that_has_expired(self):
        """It is an event, since a browser's EventSource tells its page of nothing else; and then it begins anew."""
        self.stack = self.new_stack()
        self.stack.add_stored(change_age="10s")
        self.stack.webd = self.stack.add_webd()
        [self.user] = self.stack.add_accounts("demo")
        self.key = make_key(self.stack, "all", "--scope", SCOPES)
        cursor = next(self.watch(f"account={self.user}"))["id"]
        self.deliver("x")

        def ended():
            first = next(self.watch(f"account={self.user}", Last_Event_ID=cursor))
            return first if first["event"] == "end" else None
        last = wait_until(ended, 60, "the cursor has expired", interval=0.5)
        error = json.loads(last["data"])
        self.assertEqual("out_of_range", error["code"])
        self.assertIn("CURSOR_EXPIRED", json.dumps(error))
        self.assertEqual("", last["id"])
        self.assertEqual("started", next(self.watch(f"account={self.user}", Last_Event_ID=""))["event"])


class CorsTest(SharedStackCase, RoutesCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.webd = stack.add_webd(cors_origins=f"{ORIGIN},http://localhost:3000")
        stack.plain_webd = stack.add_webd()
        [cls.user] = stack.add_accounts("demo")
        cls.key = make_key(stack, "all", "--scope", SCOPES)
        stack.ctl.run("deliver", "-", "--to", cls.user, input=MAIL)

    def preflight(self, path, origin, web=None):
        connection = self.connection(web)
        connection.request("OPTIONS", path, headers={"Origin": origin, "Access-Control-Request-Method": "POST",
                                                     "Access-Control-Request-Headers": "authorization, content-type"})
        response = connection.getresponse()
        response.read()
        return response

    def test_preflights(self):
        for path in (LIST, FETCH, "/v1/watch", self.raw_path(), "/openapi.json"):
            response = self.preflight(path, ORIGIN)
            self.assertEqual((204, ORIGIN), (response.status, response.headers["Access-Control-Allow-Origin"]), path)
            allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
            self.assertLessEqual({"authorization", "content-type", "connect-protocol-version", "last-event-id", "range"}, set(allowed))
            self.assertIn("POST", response.headers["Access-Control-Allow-Methods"])
            self.assertIsNone(response.headers["Access-Control-Allow-Credentials"])
            self.assertIsNone(response.headers["Content-Length"])
            for origin in ("https://evil.example.test", "null", f"{ORIGIN}:444", ORIGIN.upper()):
                response = self.preflight(path, origin)
                self.assertEqual((405, None), (response.status, response.headers["Access-Control-Allow-Origin"]), origin)
        self.assertEqual(404, self.preflight("/no/such", ORIGIN).status)

    def test_answers(self):
        message = {"account": self.user}
        for answer in (self.call(LIST, message, Origin=ORIGIN), self.call(LIST, {"account": 1}, Origin=ORIGIN),
                       self.call(LIST, message, key="none", Origin=ORIGIN), self.call("/no/such", {}, Origin=ORIGIN),
                       self.call(FETCH, b"", Content_Type="application/connect+json", Origin=ORIGIN),
                       self.get(self.raw_path(), Origin=ORIGIN), self.get(self.raw_path(), Origin=ORIGIN, If_None_Match="*"),
                       self.get("/v1/watch", Origin=ORIGIN), self.get("/openapi.json", Origin=ORIGIN)):
            self.assertEqual([ORIGIN], answer[1].get_all("Access-Control-Allow-Origin"), answer)
            self.assertIn("Origin", answer[1].get_all("Vary"))
            self.assertIn("ETag", answer[1]["Access-Control-Expose-Headers"])
            self.assertIsNone(answer[1]["Access-Control-Allow-Credentials"])
        other = self.call(LIST, message, Origin="https://evil.example.test")
        self.assertEqual((200, None), (other[0], other[1]["Access-Control-Allow-Origin"]))
        self.assertIn("Origin", other[1].get_all("Vary"), "caches keep what was said to others apart")

    def test_off_by_itself(self):
        web = self.stack.plain_webd
        response = self.preflight(LIST, ORIGIN, web)
        self.assertEqual((405, None), (response.status, response.headers["Access-Control-Allow-Origin"]))
        answer = self.call(LIST, {"account": self.user}, self.connection(web), Origin=ORIGIN)
        self.assertEqual((200, None), (answer[0], answer[1]["Access-Control-Allow-Origin"]))


class AutoconfigTest(SharedStackCase, RoutesCase):
    """What mail programs are told: nothing that was not said by flags, and only of domains here."""

    PATHS = ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml")
    SCHEMA = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.webd = stack.add_webd(autoconfig_pop3s="pop.example.test:995", autoconfig_submission="smtp.example.test:587")
        stack.plain_webd = stack.add_webd()
        [cls.user] = stack.add_accounts("demo")
        stack.ctl.add_domain("xn--bcher-kva.example.test")

    def ask(self, path, web=None, host="webd"):
        connection = self.connection(web)
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def autodiscover(self, body, path="/autodiscover/autodiscover.xml", web=None):
        connection = self.connection(web)
        connection.request("POST", path, body, headers={"Content-Type": "text/xml"})
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def test_as_thunderbird_asks(self):
        for path in self.PATHS:
            for target, host in ((f"{path}?emailaddress=demo%40example.test", "webd"), (path, "autoconfig.example.test"),
                                 (f"{path}?emailaddress=anybody%40EXAMPLE.test", "webd")):
                status, headers, body = self.ask(target, host=host)
                self.assertEqual((200, "application/xml; charset=utf-8"), (status, headers["Content-Type"]), body)
                provider = ElementTree.fromstring(body).find("emailProvider")
                self.assertEqual("example.test", provider.get("id"))
                told = [[server.get("type"), *(server.findtext(name) for name in ("hostname", "port", "socketType", "username"))]
                        for server in provider if server.get("type")]
                self.assertEqual([["pop3", "pop.example.test", "995", "SSL", "%EMAILADDRESS%"],
                                  ["smtp", "smtp.example.test", "587", "STARTTLS", "%EMAILADDRESS%"]], told)
        status, _, body = self.ask(f"{self.PATHS[0]}?emailaddress=a%40b%C3%BCcher.example.test")
        self.assertEqual(200, status)
        self.assertIn(b"<domain>xn--bcher-kva.example.test</domain>", body)

    def test_as_outlook_asks(self):
        for path in ("/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml"):
            status, _, body = self.autodiscover("<Autodiscover><Request><EMailAddress>demo@example.test</EMailAddress></Request></Autodiscover>",
                                                path)
            self.assertEqual(200, status, body)
            told = [[protocol.findtext(self.SCHEMA + name) for name in ("Type", "Server", "Port", "LoginName", "Encryption")]
                    for protocol in ElementTree.fromstring(body).iter(self.SCHEMA + "Protocol")]
            self.assertEqual([["POP3", "pop.example.test", "995", "demo@example.test", "SSL"],
                              ["SMTP", "smtp.example.test", "587", "demo@example.test", "TLS"]], told)

    def test_domains_of_others(self):
        for target, host in (("?emailaddress=ann@elsewhere.test", "webd"), ("", "autoconfig.elsewhere.test")):
            self.assert_error(self.ask(self.PATHS[0] + target, host=host), 404, "not_found", "DOMAIN_NOT_FOUND")
        self.assert_error(self.autodiscover("<EMailAddress>ann@elsewhere.test</EMailAddress>"), 404, "not_found", "DOMAIN_NOT_FOUND")

    def test_what_is_none(self):
        for query in ("emailaddress=ann", "emailaddress=", "emailaddress=%zz", "emailaddress=a@[127.0.0.1]", "emailaddress=a%40%ff"):
            self.assert_error(self.ask(f"{self.PATHS[0]}?{query}"), 400, "invalid_argument")
        for body in ("", "<EMailAddress>ann", "<EMailAddress>&xxe;</EMailAddress>",
                     '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><EMailAddress>&a;</EMailAddress>'):
            self.assert_error(self.autodiscover(body), 400, "invalid_argument")
        self.assertEqual(413, self.autodiscover("x" * 17_000)[0])
        self.assertEqual("POST", self.ask("/autodiscover/autodiscover.xml")[1]["Allow"])

    def test_nothing_is_guessed(self):
        web = self.stack.plain_webd
        for path in self.PATHS:
            self.assert_error(self.ask(f"{path}?emailaddress=demo@example.test", web), 404, "unimplemented")
        self.assert_error(self.autodiscover("<EMailAddress>demo@example.test</EMailAddress>", web=web), 404, "unimplemented")


class StsTest(SharedStackCase, RoutesCase):
    """The policies of MTA-STS of domains here (RFC 8461)."""

    PATH = "/.well-known/mta-sts.txt"

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.webd = stack.add_webd(mta_sts_mx="mx1.example.test,*.mx.example.test", mta_sts_max_age="48h")
        stack.plain_webd = stack.add_webd()
        stack.ctl.add_domain("example.test")
        stack.ctl.add_domain("xn--bcher-kva.test")
        stack.ctl.add_domain("silent.test")

    def ask(self, host, web=None, verb="GET", secured=False):
        connection = self.secured(web) if secured else self.connection(web)
        connection.request(verb, self.PATH, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def secured(self, web):
        connection = http.client.HTTPSConnection("127.0.0.1", (web or self.stack.webd).ports["https"], timeout=10,
                                                 context=ssl._create_unverified_context())  # pylint: disable=protected-access
        self.addCleanup(connection.close)
        return connection

    def set(self, mode, domain="example.test"):
        self.stack.ctl.run("domain", "set", domain, f"--mta_sts={mode}")

    def record_id(self, domain="example.test"):
        records = self.stack.ctl.json("domain", "dns", domain, "--mx_host=mx1.example.test", "--sts_max_age=48h")["records"]
        [value] = [record["value"] for record in records if record["name"] == f"_mta-sts.{domain}"]
        return value.partition("id=")[2]

    def test_a_policy(self):
        self.set("enforce")
        wanted = b"version: STSv1\r\nmode: enforce\r\nmx: mx1.example.test\r\nmx: *.mx.example.test\r\nmax_age: 172800\r\n"
        for secured in (False, True):
            for host in ("mta-sts.example.test", "MTA-STS.example.test:443", "mta-sts.example.test."):
                status, headers, body = self.ask(host, secured=secured)
                self.assertEqual((200, "text/plain; charset=utf-8", wanted), (status, headers["Content-Type"], body))
        status, headers, body = self.ask("mta-sts.example.test", verb="HEAD")
        self.assertEqual((200, str(len(wanted)), b""), (status, headers["Content-Length"], body))
        self.set("testing", "xn--bcher-kva.test")
        self.assertIn(b"mode: testing\r\n", self.ask("mta-sts.xn--bcher-kva.test")[2])
        self.set("none")
        self.assertIn(b"mode: none\r\n", self.ask("mta-sts.example.test")[2])

    def test_the_record_changes_with_the_policy(self):
        single = self.stack.add_webd(mta_sts_mx="mx1.example.test", mta_sts_max_age="48h")
        seen = set()
        for mode in ("testing", "enforce", "none"):
            self.set(mode)
            tag = self.ask("mta-sts.example.test", single)[1]["ETag"].strip('"')
            self.assertEqual(tag, self.record_id())
            seen.add(tag)
        self.assertEqual(3, len(seen))
        # It would say what is not so.
        failed = self.stack.ctl.raw("domain", "dns", "example.test", "--mx_host=mx1.example.test", "--sts=enforce")
        self.assertEqual(2, failed.returncode)
        self.assertIn(b"mailctl domain set --mta_sts", failed.stderr)

    def test_nothing_else(self):
        self.set("enforce")
        self.assert_error(self.ask("mta-sts.elsewhere.test"), 404, "not_found", "DOMAIN_NOT_FOUND")
        self.assert_error(self.ask("mta-sts.silent.test"), 404, "not_found")
        for host in ("example.test", "webd", "127.0.0.1", "mta-sts.", "xmta-sts.example.test", "mta-sts.example", "mta-sts.[::1]"):
            self.assertEqual(404, self.ask(host)[0], host)
        self.assert_error(self.ask("mta-sts.example.test", self.stack.plain_webd), 404, "unimplemented")
        self.set("off")
        self.assert_error(self.ask("mta-sts.example.test"), 404, "not_found")
        self.assertEqual(405, self.ask("mta-sts.example.test", verb="POST")[0])

    def test_without_tls_from_trusted_networks_only(self):
        self.set("enforce")
        strict = self.stack.add_webd(mta_sts_mx="mx1.example.test", plaintext_networks="192.0.2.0/24")
        self.assertEqual(403, self.ask("mta-sts.example.test", strict)[0])
        self.assertEqual(200, self.ask("mta-sts.example.test", strict, secured=True)[0])
