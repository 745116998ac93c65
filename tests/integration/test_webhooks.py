"""Webhooks from outside: what a receiver is posted, in which order, and what becomes of events that it does not take."""

import base64
import datetime
import http.server
import json
import socket
import struct
import threading
import time

from mailstead.ctl import Mailctl
from mailstead.paths import REPOSITORY
from mailstead.process import wait_until
from mailstead.stack import StackCase
from mailstead.store_client import StoreClient

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NETWORKS = "127.0.0.0/8"


def receiver_of_the_document():
    """The function that docs/webhooks.md gives to receivers."""
    text = (REPOSITORY / "docs/webhooks.md").read_text(encoding="utf-8")
    names = {}
    exec(text.partition("```python\n")[2].partition("```")[0], names)  # pylint: disable=exec-used
    return names["is_ours"]


is_ours = receiver_of_the_document()


class Receiver:
    """A program that webhooks are posted to. `answer(receiver, post)` gives a status, or (status, headers, body)."""

    def __init__(self, answer=lambda receiver, post: 204):
        self.answer = answer
        self.posts = []
        self.lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                post = {"headers": dict(self.headers.items()), "body": body, "path": self.path, "json": json.loads(body),
                        "id": self.headers["webhook-id"], "time": time.monotonic()}
                with receiver.lock:
                    receiver.posts.append(post)
                answer = receiver.answer(receiver, post)
                status, headers, content = answer if isinstance(answer, tuple) else (answer, {}, b"")
                post["status"] = status
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    if status != 204:
                        self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    pass

            do_GET = do_POST  # pylint: disable=invalid-name

            def log_message(self, format, *args):  # pylint: disable=redefined-builtin
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?x=1"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def subjects(self, user=None):
        """Of the posts, in the order in which they came."""
        with self.lock:
            return [subject(post) for post in self.posts
                    if user is None or post["json"]["data"]["event"].get("address") == user]


def subject(post):
    return post["json"]["data"]["event"]["delivered"]["message"]["header"]["subject"]


class Names:
    """A DNS server. `addresses`: by host, those of IPv4; of others it says nothing at all."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.server = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
            except OSError:
                return
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            host, kind = ".".join(labels), query[at + 2]
            self.asked.append(host)
            if host not in self.addresses:
                continue
            found = self.addresses[host] if kind == 1 else []
            records = b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(address) for address in found)
            self.socket.sendto(query[:2] + b"\x81\x80\0\1" + struct.pack(">H", len(found)) + b"\0\0\0\0" + query[12:at + 5] + records,
                               client)

    def close(self):
        self.socket.close()


class WebhookCase(StackCase):

    def start(self, *users, **web):
        self.stack = stack = self.new_stack()
        stack.add_stored(secrets_key_file=stack.folder / "secrets.key")
        stack.add_smtpd()
        self.users = stack.add_accounts(*users)
        self.webd = stack.add_webd(**{"webhook_allow_networks": NETWORKS, **web})
        self.secret_file = stack.folder / "webhook.secret"
        self.secret_file.write_text(SECRET + "\n", encoding="ascii")
        stack.secrets.add(SECRET)

    def receiver(self, *answer):
        made = Receiver(*answer)
        self.addCleanup(made.close)
        return made

    def add(self, url, *options):
        made = self.stack.ctl.json("webhook", "add", url, "--secret_file", str(self.secret_file), *(options or ["--all"]))
        return made["webhook"]["webhook_id"]

    def show(self, webhook):
        return self.stack.ctl.json("webhook", "show", webhook)

    def deliver(self, *mails):
        """[(user, subject)], one after the other."""
        with self.stack.mx() as session:
            for user, text in mails:
                session.deliver("a@elsewhere.test", [user], f"Subject: {text}\r\n\r\nHello\r\n".encode())

    def wait_for(self, condition, what="posts", timeout=30):
        wait_until(condition, timeout=timeout, what=what)


class TestSending(WebhookCase):

    def test_events_are_signed_and_say_what_the_mail_says(self):
        self.start("ann", "bob", public_url="https://mail.example.test/")
        ann, bob = self.users
        receiver = self.receiver()
        webhook = self.add(receiver.url, "--mailbox", ann)
        self.deliver((bob, "not this"), (ann, "hello"))
        self.wait_for(lambda: receiver.posts)
        post = receiver.posts[0]
        self.assertTrue(is_ours(SECRET, post["headers"], post["body"]))
        self.assertFalse(is_ours(SECRET[:-4] + "AAA=", post["headers"], post["body"]))
        self.assertFalse(is_ours(SECRET, post["headers"], post["body"] + b" "))
        self.assertFalse(is_ours(SECRET, {**post["headers"], "webhook-id": "evt_other"}, post["body"]))
        old = str(int(post["headers"]["webhook-timestamp"]) - 1000)
        self.assertFalse(is_ours(SECRET, {**post["headers"], "webhook-timestamp": old}, post["body"]))
        self.assertEqual(("/hook?x=1", "application/json"), (post["path"], post["headers"]["Content-Type"]))
        self.assertEqual("message.delivered", post["json"]["type"])
        event = post["json"]["data"]["event"]
        self.assertEqual(ann, event["address"])
        self.assertEqual("hello", subject(post))
        parts = event["delivered"]["message"]["parsed"]["parts"]
        self.assertEqual("Hello\n", parts[0]["text"].replace("\r", ""))
        place = f"https://mail.example.test/v1/accounts/{event['accountId']}/messages/{event['delivered']['messageId']}"
        self.assertEqual(f"{place}/raw", post["json"]["data"]["rawUrl"])
        self.assertEqual([{"partId": "1", "url": f"{place}/parts/1"}], post["json"]["data"]["parts"])
        self.wait_for(lambda: self.show(webhook).get("success_time"), what="a success")
        shown = self.show(webhook)
        self.assertEqual("STATE_ACTIVE", shown["state"])
        self.assertIn("webd", shown["sender"])
        # Nobody is shown the secret, and nothing waits.
        self.assertNotIn(SECRET, json.dumps(shown))
        self.assertEqual("0", shown["waiting_count"])
        self.stack.ctl.run("webhook", "remove", webhook)
        self.assertEqual([], self.stack.ctl.json("webhook", "list")["webhooks"])
        self.deliver((ann, "too late"))
        time.sleep(2)
        self.assertEqual(["hello"], receiver.subjects())

    def test_the_order_holds_within_a_mailbox_and_others_go_on(self):
        self.start("ann", "bob")
        ann, bob = self.users
        refused = threading.Event()

        def answer(receiver, post):
            if subject(post) == "ann 0" and not refused.is_set():
                refused.set()
                return 500
            return 200
        receiver = self.receiver(answer)
        webhook = self.add(receiver.url)
        self.deliver(*((user, f"{user[:3]} {i}") for i in range(10) for user in (ann, bob)))
        self.wait_for(lambda: len(receiver.subjects(bob)) == 10)
        # What comes behind it waits with it.
        self.assertEqual(["ann 0"], receiver.subjects(ann))
        self.wait_for(lambda: int(self.show(webhook)["waiting_count"]) == 10, what="ten that wait")
        self.assertEqual("STATE_FAILING", self.show(webhook)["state"])
        self.assertIn("500", self.show(webhook)["failure"])
        self.deliver((ann, "ann 10"))
        self.wait_for(lambda: len(receiver.subjects(ann)) == 12)
        self.assertEqual(["ann 0"] + [f"ann {i}" for i in range(11)], receiver.subjects(ann))
        self.assertEqual([f"bob {i}" for i in range(10)], receiver.subjects(bob))
        first, second = [post for post in receiver.posts if subject(post) == "ann 0"]
        self.assertEqual(first["id"], second["id"])
        self.assertGreaterEqual(second["time"] - first["time"], 4.5)
        self.assertEqual(21, len({post["id"] for post in receiver.posts}))
        self.wait_for(lambda: self.show(webhook)["waiting_count"] == "0", what="nothing that waits")
        # The mailbox is as any other again.
        self.deliver((ann, "ann 11"))
        self.wait_for(lambda: receiver.subjects(ann)[-1] == "ann 11")

    def test_what_waits_outlives_the_store_and_webd(self):
        self.start("ann")
        [ann] = self.users
        receiver = self.receiver(lambda receiver, post: 503 if len(receiver.posts) == 1 else 200)
        webhook = self.add(receiver.url)
        self.deliver((ann, "0"), (ann, "1"))
        self.wait_for(lambda: int(self.show(webhook)["waiting_count"]) == 2, what="two that wait")
        self.webd.kill()
        self.stack.stored.kill()
        self.stack.stored.restart()
        self.webd.restart()
        self.deliver((ann, "2"))
        self.wait_for(lambda: len(receiver.posts) == 4, timeout=40)
        self.assertEqual(["0", "0", "1", "2"], receiver.subjects())

    def test_another_takes_over_and_none_is_left_out(self):
        self.start("ann", "bob")
        other = self.stack.add_webd(webhook_allow_networks=NETWORKS)
        receiver = self.receiver()
        webhook = self.add(receiver.url)
        self.wait_for(lambda: self.show(webhook)["sender"], what="a sender")
        webds = {str(web.process.pid): web for web in (self.webd, other)}
        sender = webds[self.show(webhook)["sender"].split()[-1]]
        count = 60
        mails = [(user, f"{user[:3]} {i}") for i in range(count) for user in self.users]
        done = threading.Thread(target=self.deliver, args=mails)
        done.start()
        self.wait_for(lambda: len(receiver.posts) >= 20)
        sender.kill()
        killed = time.monotonic()
        done.join()
        wanted = {text for _, text in mails}
        self.wait_for(lambda: set(receiver.subjects()) == wanted)
        self.assertLess(next(post["time"] for post in receiver.posts if post["time"] > killed + 0.5) - killed, 15)
        for user in self.users:
            # Those that the killed one had posted and not reported come twice, in order again.
            firsts = list(dict.fromkeys(receiver.subjects(user)))
            self.assertEqual([f"{user[:3]} {i}" for i in range(count)], firsts)
        self.assertLess(len(receiver.posts) - len(mails), 64 + 1)


class TestReceivers(WebhookCase):

    def failing(self, receiver, **web):
        """A webhook to a receiver that has failed once."""
        self.start("ann", **web)
        webhook = self.add(receiver if isinstance(receiver, str) else receiver.url)
        self.deliver((self.users[0], "0"))
        self.wait_for(lambda: self.show(webhook)["failure"], what="a failure")
        return webhook, self.show(webhook)

    def test_one_that_is_gone_is_not_asked_again(self):
        receiver = self.receiver(lambda receiver, post: 410 if len(receiver.posts) == 1 else 200)
        webhook, shown = self.failing(receiver)
        self.assertEqual("STATE_GONE", shown["state"])
        self.deliver((self.users[0], "1"))
        time.sleep(7)
        self.assertEqual(["0"], receiver.subjects())
        self.stack.ctl.run("webhook", "resume", webhook)
        self.wait_for(lambda: receiver.subjects() == ["0", "0", "1"])

    def test_redirects_are_not_followed(self):
        elsewhere = self.receiver()
        receiver = self.receiver(lambda receiver, post: (307, {"Location": elsewhere.url}, b""))
        _, shown = self.failing(receiver)
        self.assertIn("redirects are not followed", shown["failure"])
        self.assertEqual([], elsewhere.posts)

    def test_addresses_around_us_are_refused_unless_they_are_allowed(self):
        receiver = self.receiver()
        _, shown = self.failing(receiver, webhook_allow_networks="10.0.0.0/8")
        self.assertIn("127.0.0.1 is loopback", shown["failure"])
        # However it is written, and by whatever name.
        port = receiver.server.server_port
        for host in ("localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "[::1]"):
            webhook = self.add(f"http://{host}:{port}/")
            self.stack.ctl.run("webhook", "test", webhook)
            self.wait_for(lambda: self.show(webhook)["failure"], what=f"a failure of {host}")
        self.assertEqual([], receiver.posts)

    def test_without_tls_only_where_that_is_allowed(self):
        receiver = self.receiver()
        _, shown = self.failing(receiver, webhook_plaintext_networks="10.0.0.0/8")
        self.assertIn("has to be https", shown["failure"])
        self.assertEqual([], receiver.posts)

    def test_a_certificate_that_nobody_vouches_for(self):
        self.start("ann")
        webhook = self.add(f"https://127.0.0.1:{self.webd.ports['https']}/")
        self.deliver((self.users[0], "0"))
        self.wait_for(lambda: self.show(webhook)["failure"], what="a failure")
        self.assertIn("certificate", self.show(webhook)["failure"].lower())

    def test_slow_ones_are_left_and_hold_up_nobody(self):
        slow = self.receiver(lambda receiver, post: time.sleep(5) or 200)
        quick = self.receiver()
        self.start("ann", webhook_timeout="1s")
        webhook = self.add(slow.url)
        self.add(quick.url)
        began = time.monotonic()
        self.deliver((self.users[0], "0"))
        self.wait_for(lambda: quick.posts)
        self.assertLess(quick.posts[0]["time"] - began, 3)
        self.wait_for(lambda: self.show(webhook)["failure"], what="a failure")
        self.assertIn("within 1s", self.show(webhook)["failure"])

    def names(self, **addresses):
        made = Names({f"{name}.test": found for name, found in addresses.items()})
        self.addCleanup(made.close)
        return made

    def test_names_that_are_slow_to_find_hold_up_nobody(self):
        names = self.names(quick=["127.0.0.1"])
        quick = self.receiver()
        self.start("ann", webhook_timeout="2s", dns_servers=names.server)
        port = quick.server.server_port
        slow = [self.add(f"http://slow{number}.test:{port}/") for number in range(10)]
        self.add(f"http://quick.test:{port}/")

        def listed():
            return self.stack.ctl.json("webhook", "list")["webhooks"]
        self.wait_for(lambda: all(webhook["sender"] for webhook in listed()), what="a sender of each")
        began, began_at = time.monotonic(), datetime.datetime.now(datetime.timezone.utc)
        self.deliver(*((self.users[0], str(number)) for number in range(3)))
        self.wait_for(lambda: len(quick.posts) == 3)
        self.assertLess(quick.posts[-1]["time"] - began, 4)
        self.wait_for(lambda: sum(bool(webhook["failure"]) for webhook in listed()) == len(slow), what="a failure of each")
        failed = [webhook for webhook in listed() if webhook["failure"]]
        self.assertEqual(set(slow), {webhook["webhook_id"] for webhook in failed})
        for webhook in failed:
            self.assertIn("cannot be looked up: no answer in time", webhook["failure"])
            # By the timeout, and not by that of the DNS, which is longer; all at the same time, and not one behind another.
            took = datetime.datetime.fromisoformat(webhook["failure_time"]) - began_at
            self.assertLess(took.total_seconds(), 10)
        # Nothing was posted but to the one.
        self.assertEqual(3, len(quick.posts))
        # Its addresses of both families, once for all three posts.
        self.assertEqual(2, names.asked.count("quick.test"))

    def test_an_address_counts_and_not_the_name(self):
        receiver = self.receiver()
        names = self.names(both=["10.0.0.1", "127.0.0.1"], inside=["10.0.0.1"], none=[])
        self.start("ann", webhook_allow_networks="127.0.0.0/8", dns_servers=names.server)
        port = receiver.server.server_port
        failures = {}
        for name in ("inside", "none"):
            webhook = self.add(f"http://{name}.test:{port}/")
            self.stack.ctl.run("webhook", "test", webhook)
            self.wait_for(lambda: self.show(webhook)["failure"], what="a failure")  # pylint: disable=cell-var-from-loop
            failures[name] = self.show(webhook)["failure"]
        self.assertIn("10.0.0.1 is private", failures["inside"])
        self.assertIn("none.test has no address", failures["none"])
        # Of several those that are allowed; what the name leads to afterwards is not asked for once more.
        webhook = self.add(f"http://both.test:{port}/")
        self.stack.ctl.run("webhook", "test", webhook)
        self.wait_for(lambda: receiver.posts)
        self.assertEqual(f"both.test:{port}", receiver.posts[0]["headers"]["Host"])

    def test_large_answers_are_not_read(self):
        self.start("ann")
        receiver = self.receiver(lambda receiver, post: (200, {}, b"x" * (64 << 20)))
        webhook = self.add(receiver.url)
        self.deliver((self.users[0], "0"))
        self.wait_for(lambda: self.show(webhook).get("success_time"), what="a success")
        self.assertLess(self.webd.process.peak_resident_bytes(), 128 << 20)


class TestOperating(WebhookCase):

    def test_pause_resume_test_dead_and_retry(self):
        self.start("ann")
        [ann] = self.users
        ctl = self.stack.ctl
        broken = threading.Event()
        broken.set()
        receiver = self.receiver(lambda receiver, post: 500 if broken.is_set() else 200)
        webhook = self.add(receiver.url, "--domain", "example.test", "--events", "delivered,deleted,account")
        # A test is tried once, and given up.
        ctl.run("webhook", "test", webhook)
        self.wait_for(lambda: self.show(webhook)["dead_count"] == "1", what="a dead event")
        [dead] = ctl.json("webhook", "dead", webhook)["events"]
        self.assertEqual(("webhook.test", "the receiver answered 500"), (dead["type"], dead["failure"]))
        self.assertEqual(1, len(receiver.posts))
        broken.clear()
        self.assertIn(b"1 event sent again", ctl.run("webhook", "retry", webhook, dead["event_id"]))
        self.wait_for(lambda: len(receiver.posts) == 2)
        self.assertEqual(dead["event_id"], receiver.posts[1]["id"])
        self.wait_for(lambda: self.show(webhook)["waiting_count"] == "0", what="nothing that waits")
        self.assertEqual([], ctl.json("webhook", "dead", webhook)["events"])
        self.assertIn(b"0 events", ctl.run("webhook", "retry", webhook, dead["event_id"]))
        self.assertIn(b"0 events", ctl.run("webhook", "retry", webhook, "--all"))

        ctl.run("webhook", "pause", webhook)
        self.assertEqual("STATE_PAUSED", self.show(webhook)["state"])
        self.deliver((ann, "0"), (ann, "1"))
        time.sleep(2.5)
        self.assertEqual(2, len(receiver.posts))
        ctl.run("webhook", "resume", webhook)
        self.wait_for(lambda: len(receiver.posts) == 4)
        self.assertEqual(["0", "1"], [subject(post) for post in receiver.posts[2:]])
        # Other kinds of events.
        self.stack.add_accounts("new")
        self.wait_for(lambda: receiver.posts[-1]["json"]["type"] == "account.changed")
        ids = [message["message_id"] for message in ctl.json("message", "list", ann)["messages"]]
        ctl.run("message", "remove", ann, *ids)
        self.wait_for(lambda: receiver.posts[-1]["json"]["type"] == "message.deleted")

    def test_what_is_refused(self):
        self.start("ann")
        ctl = self.stack.ctl
        for url in ("ftp://a.test/", "https://", "https://u:p@a.test/", "https://a.test/#x", "https://a b.test/", "//a.test",
                    "https://a.test/" + "x" * 2048):
            self.assertNotEqual(0, ctl.raw("webhook", "add", url, "--all").returncode, url)
        for secret in ("", "whsec_", "x", "whsec_" + base64.b64encode(bytes(23)).decode(),
                       "whsec_" + base64.b64encode(bytes(65)).decode()):
            self.secret_file.write_text(secret + "\n", encoding="ascii")
            done = ctl.raw("webhook", "add", "https://a.test/", "--all", "--secret_file", str(self.secret_file))
            self.assertNotEqual(0, done.returncode, secret)
        for options in ([], ["--all", "--domain", "example.test"], ["--domain", "other.test"], ["--mailbox", "x@example.test"],
                        ["--all", "--events", "opened"]):
            self.assertNotEqual(0, ctl.raw("webhook", "add", "https://a.test/", *options).returncode, options)
        for verb in ("show", "pause", "resume", "test", "remove", "dead"):
            self.assertNotEqual(0, ctl.raw("webhook", verb, "nosuchwebhook").returncode, verb)
        self.assertEqual([], ctl.json("webhook", "list")["webhooks"])
        # The store makes a secret where none is given, and tells it once.
        made = ctl.json("webhook", "add", "https://a.test/", "--all")
        self.assertTrue(made["secret"].startswith("whsec_"))
        self.stack.secrets.add(made["secret"])
        self.assertNotIn(made["secret"], json.dumps(self.show(made["webhook"]["webhook_id"])))

    def test_a_change_in_place(self):
        self.start("ann", "bob")
        ann, bob = self.users
        ctl = self.stack.ctl
        first, second = self.receiver(lambda receiver, post: 500), self.receiver()
        webhook = self.add(first.url, "--mailbox", ann)
        self.deliver((ann, "0"))
        self.wait_for(lambda: self.show(webhook)["waiting_count"] == "1", what="one that waits")
        before = self.show(webhook)
        # What waits goes to the new place, and what comes of the other mailbox, too.
        ctl.run("webhook", "set", webhook, "--url", second.url, "--domain", "example.test", "--events", "delivered,deleted")
        after = self.show(webhook)
        self.assertEqual((second.url, "example.test", ["WATCH_KIND_DELIVERED", "WATCH_KIND_DELETED"]),
                         (after["url"], after["filter"]["domain"], after["filter"]["kinds"]))
        self.assertNotEqual(before["etag"], after["etag"])
        self.assertEqual(before["create_time"], after["create_time"])
        self.assertLess(before["update_time"], after["update_time"])
        self.deliver((bob, "1"))
        self.wait_for(lambda: sorted(second.subjects()) == ["0", "1"])
        self.assertEqual(["0"] * len(first.posts), first.subjects())
        ids = [message["message_id"] for message in ctl.json("message", "list", bob)["messages"]]
        ctl.run("message", "remove", bob, *ids)
        self.wait_for(lambda: second.posts[-1]["json"]["type"] == "message.deleted")
        # Sent is no change of it.
        self.assertEqual(after["etag"], self.show(webhook)["etag"])
        for options in ([], ["--url", "ftp://a.test/"], ["--domain", "other.test"], ["--events", "opened"]):
            self.assertNotEqual(0, ctl.raw("webhook", "set", webhook, *options).returncode, options)
        self.assertNotEqual(0, ctl.raw("webhook", "set", "nosuchwebhook", "--url", second.url).returncode)
        self.assertEqual(after["etag"], self.show(webhook)["etag"])

    def test_a_change_that_somebody_else_was_faster_with(self):
        # Nobody sends it, which would be seen in it.
        self.start("ann", webhook_workers=0)
        webhook = self.add("https://a.test/")
        store = StoreClient(self.stack.stored.address, self.stack.token("operator"))
        self.addCleanup(store.close)

        def update(etag, paths=("url",), **fields):
            return dict(webhook={"webhook_id": webhook, "etag": etag, "url": "https://b.test/", **fields}, update_mask={"paths": list(paths)})
        old = store.call("WebhookService/GetWebhook", webhook_id=webhook)
        new = store.call("WebhookService/UpdateWebhook", **update(old.etag))
        self.assertEqual("https://b.test/", new.url)
        self.assertEqual(old.filter, new.filter)
        changes = [("UpdateWebhook", update)] + [
            (verb, lambda etag: dict(webhook_id=webhook, etag=etag))
            for verb in ("RotateWebhookSecret", "PauseWebhook", "ResumeWebhook", "DeleteWebhook")]
        for verb, request in changes:
            for etag in (old.etag, "no etag"):
                failure = store.failure(f"WebhookService/{verb}", **request(etag))
                self.assertEqual(("ABORTED", "ETAG_MISMATCH"), (failure.code, failure.reason), verb)
        self.assertEqual(new, store.call("WebhookService/GetWebhook", webhook_id=webhook))
        for paths, fields, wrong in (((), {}, "update_mask"), (("secret",), {}, "update_mask"),
                                     (("url",), {"url": "x"}, "webhook.url"),
                                     (("filter",), {"filter": {}}, "webhook.filter"),
                                     (("filter",), {"filter": {"domain": "a..b"}}, "webhook.filter.domain"),
                                     (("filter",), {"filter": {"all": True, "kinds": [99]}}, "webhook.filter.kinds")):
            failure = store.failure("WebhookService/UpdateWebhook", **update("", paths, **fields))
            self.assertEqual(("INVALID_ARGUMENT", [wrong]), (failure.code, failure.fields), (paths, fields))
        failure = store.failure("WebhookService/UpdateWebhook", **update("", ("filter",), filter={"accounts": ["x@example.test"]}))
        self.assertEqual(("NOT_FOUND", "ACCOUNT_NOT_FOUND", ["webhook.filter.accounts[0]"]), (failure.code, failure.reason, failure.fields))
        for verb, request in changes:
            changed = store.call(f"WebhookService/{verb}", **request(store.call("WebhookService/GetWebhook", webhook_id=webhook).etag))
            if verb == "RotateWebhookSecret":
                self.stack.secrets.add(changed.secret)
        self.assertEqual("NOT_FOUND", store.failure("WebhookService/GetWebhook", webhook_id=webhook).code)

    def test_another_secret_with_an_overlap(self):
        self.start("ann")
        [ann] = self.users
        ctl = self.stack.ctl
        receiver = self.receiver()
        webhook = self.add(receiver.url)

        def posted(text):
            """The post of a new mail, once who sends knows what has changed."""
            time.sleep(2.5)
            self.deliver((ann, text))
            self.wait_for(lambda: receiver.subjects()[-1:] == [text])
            return receiver.posts[-1]
        made = ctl.json("webhook", "rotate", webhook, "--overlap", "1h")
        self.stack.secrets.add(made["secret"])
        self.assertIn("old_secret_expire_time", self.show(webhook))
        post = posted("both")
        self.assertEqual(2, len(post["headers"]["webhook-signature"].split(" ")))
        for secret in (SECRET, made["secret"]):
            self.assertTrue(is_ours(secret, post["headers"], post["body"]))
        # Without an overlap both of before end at once.
        third = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
        self.stack.secrets.add(third)
        self.secret_file.write_text(third + "\n", encoding="ascii")
        self.assertEqual("", ctl.json("webhook", "rotate", webhook, "--secret_file", str(self.secret_file)).get("secret", ""))
        post = posted("third")
        self.assertEqual(1, len(post["headers"]["webhook-signature"].split(" ")))
        self.assertTrue(is_ours(third, post["headers"], post["body"]))
        for secret in (SECRET, made["secret"]):
            self.assertFalse(is_ours(secret, post["headers"], post["body"]))
        self.assertNotIn("old_secret_expire_time", self.show(webhook))
        # An overlap that has passed.
        ctl.run("webhook", "rotate", webhook, "--overlap", "1s", "--json")
        post = posted("fourth")
        self.assertEqual(1, len(post["headers"]["webhook-signature"].split(" ")))
        self.assertFalse(is_ours(third, post["headers"], post["body"]))
        for options in (["--overlap", "31d"], ["--secret_file", str(self.stack.folder / "nothing")]):
            self.assertNotEqual(0, ctl.raw("webhook", "rotate", webhook, *options).returncode, options)

    def test_keys_of_some_mailboxes_have_webhooks_of_their_own(self):
        self.start("ann", "bob")
        ann, bob = self.users
        self.stack.ctl.add_domain("other.test")
        theirs = self.add("https://a.test/")
        bobs = self.add("https://a.test/", "--mailbox", bob)

        def key(name, *options):
            path = self.stack.folder / f"{name}.key"
            self.stack.ctl.run("key", "create", name, "--scope", "admin.read,admin.write", *options, "--out", str(path))
            self.stack.secrets.add(path.read_text(encoding="ascii").strip())
            return Mailctl(self.stack.stored.address, path)
        mine = key("ann", "--mailbox", ann)
        receiver = self.receiver()
        made = mine.json("webhook", "add", receiver.url, "--mailbox", ann)
        self.stack.secrets.add(made["secret"])
        webhook = made["webhook"]["webhook_id"]
        self.deliver((bob, "not this"), (ann, "this"))
        self.wait_for(lambda: receiver.subjects() == ["this"])
        self.assertEqual([webhook], [one["webhook_id"] for one in mine.json("webhook", "list")["webhooks"]])
        for verb in ("pause", "resume", "test", "show"):
            mine.run("webhook", verb, webhook)
        mine.run("webhook", "set", webhook, "--events", "deleted")
        self.stack.secrets.add(mine.json("webhook", "rotate", webhook)["secret"])
        # What is not of these mailboxes alone is not there, and cannot be made.
        for other in (theirs, bobs):
            for verb in ("show", "pause", "resume", "test", "remove", "dead", "rotate"):
                done = mine.raw("webhook", verb, other)
                self.assertIn(b"there is no webhook", done.stderr, (verb, other))
            self.assertIn(b"there is no webhook", mine.raw("webhook", "retry", other, "evt_1").stderr)
            self.assertIn(b"there is no webhook", mine.raw("webhook", "set", other, "--url", receiver.url).stderr)
        for options in (["--all"], ["--domain", "example.test"], ["--mailbox", bob], ["--mailbox", ann, "--mailbox", bob]):
            self.assertNotEqual(0, mine.raw("webhook", "add", receiver.url, *options).returncode, options)
            self.assertNotEqual(0, mine.raw("webhook", "set", webhook, *options).returncode, options)
        # A domain's key sees those of its mailboxes, too.
        domains = key("domain", "--domain", "example.test")
        self.assertEqual({webhook, bobs}, {one["webhook_id"] for one in domains.json("webhook", "list")["webhooks"]})
        self.assertEqual([], key("other", "--domain", "other.test").json("webhook", "list")["webhooks"])
        # It takes no room from others.
        for _ in range(19):
            self.stack.secrets.add(mine.json("webhook", "add", receiver.url, "--mailbox", ann)["secret"])
        self.assertIn(b"there are 20 webhooks", mine.raw("webhook", "add", receiver.url, "--mailbox", ann).stderr)
        self.add("https://a.test/", "--mailbox", ann)
        mine.run("webhook", "remove", webhook)
