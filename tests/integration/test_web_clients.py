"""webd by the public clients of the Connect protocol: @connectrpc/connect-node, connectrpc.com/connect (Go), and
@connectrpc/connect-web in a browser. Unary calls by POST and GET, as JSON and as bytes, streams, and errors with their details."""

import hashlib
import http.server
import json
import os
import pathlib
import queue
import shutil
import tempfile
import threading
import unittest
import urllib.parse

from mailstead import admin
from mailstead.paths import REPOSITORY, tool
from mailstead.process import Process, run_tool, wait_until
from mailstead.registries import GO_ENVIRONMENT, go_download, npm_install
from mailstead.stack import SharedStackCase

from test_web import make_key

SOURCE = REPOSITORY / "tests/clients/connect"
# Of several pieces of a stream.
CONTENT = b"Subject: hello\r\n\r\n" + b"Hello!\r\n" * 40_000
DOMAIN = "mailstead.store"
KEPT = pathlib.Path(os.environ.get("MAILSTEAD_TEST_WEB_DIR")
                    or pathlib.Path(tempfile.gettempdir()) / "mailstead-test-web-clients")


def laid_out():
    """A copy of the clients beside one of proto/, as they lie in the repository: what is made stays out of that."""
    for path in (pathlib.Path("proto"), SOURCE.relative_to(REPOSITORY)):
        shutil.copytree(REPOSITORY / path, KEPT / path, dirs_exist_ok=True)
    folder = KEPT / SOURCE.relative_to(REPOSITORY)
    npm_install(SOURCE, folder)
    return folder


def error(code, *reasons, fields=()):
    return {"code": code, "reasons": [f"{DOMAIN}/{reason}" for reason in reasons], "fields": list(fields)}


class ClientsCase(SharedStackCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = laid_out()
        cls.environment = {**GO_ENVIRONMENT, "PATH": f"{cls.folder / 'node_modules/.bin'}:{os.environ['PATH']}"}
        cls.make()
        super().setUpClass()

    @classmethod
    def run_well(cls, *argv, **options):
        done = run_tool(argv, timeout=300, environment=cls.environment, **{"cwd": cls.folder, **options})
        assert done.returncode == 0, (done.stdout + done.stderr).decode()[-4000:]
        return done.stdout

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.webd = stack.add_webd(**cls.flags())
        [cls.user] = stack.add_accounts("demo")
        cls.key = make_key(stack, "clients", "--scope", "mail.read,mail.deliver,mail.watch")
        stack.ctl.run("deliver", "-", "--to", cls.user, input=CONTENT)

    @classmethod
    def flags(cls):
        return {}

    def settings(self, version="1.1", under_tls=False, compress=False):
        ports = self.stack.webd.ports
        settings = {"http": version, "key": self.key, "account": self.user, "id": f"{self.id().rpartition('_')[2]}{version[0]}",
                    "compress": compress, "url": f"http://127.0.0.1:{ports['http']}"}
        if under_tls:
            settings |= {"url": f"https://localhost:{ports['https']}", "ca": str(self.stack.authority.cert)}
        return settings

    def check(self, results):
        stored = self.stack.ctl.run("message", "fetch", self.user, "1")
        for name in ("json", "bytes", "get"):
            with self.subTest(name):
                result = results[name]
                self.assertEqual("hello", result["subject"])
                self.assertEqual(hashlib.sha256(stored).hexdigest(), result["fetched"]["sha256"])
                self.assertGreater(result["fetched"]["pieces"], 1)
                self.assertEqual({"seen": ["started", "delivered"], "subject": "watched", "text": "Grüße"}, result["watched"])
                self.assertEqual(error(self.code("not_found"), "MESSAGE_NOT_FOUND"), result["notFound"])
                self.assertEqual(error(self.code("not_found"), "ACCOUNT_NOT_FOUND"), result["noAccount"])
                self.assertEqual(error(self.code("not_found"), "PART_NOT_FOUND"), result["streamFails"])
                self.assertEqual(error(self.code("permission_denied"), "SCOPE_MISSING"), result["outOfScope"])
                self.assertEqual(self.code("invalid_argument"), result["wrongFields"]["code"])
                self.assertIn("envelope.delivery_id", result["wrongFields"]["fields"])
                self.assertEqual(self.code("deadline_exceeded"), result["tooLate"]["code"])
        self.assertEqual(error(self.code("unauthenticated"), "NO_CREDENTIAL"), results["noKey"])
        self.assertEqual(error(self.code("unauthenticated"), "NO_CREDENTIAL"), results["noKeyForStream"])
        # Who has gone in the middle of a watch is not told any more.
        wait_until(lambda: admin.total(self.stack.stored.metrics(), "mailstead_store_watch_streams") == 0,
                   what="the watches have ended")

    def code(self, name):
        """As the client calls it."""
        return "".join(word.capitalize() for word in name.split("_"))


class VersionsCase:
    """By both versions of HTTP."""

    def test_plain(self):
        self.call()

    def test_under_tls(self):
        self.call(under_tls=True)

    def test_compressed(self):
        self.call(compress=True)

    def test_by_http_2(self):
        """By prior knowledge."""
        self.call(version="2")

    def test_by_http_2_under_tls(self):
        """By ALPN."""
        self.call(version="2", under_tls=True)

    def test_by_http_2_compressed(self):
        self.call(version="2", compress=True)


class NodeTest(VersionsCase, ClientsCase):

    @classmethod
    def make(cls):
        cls.run_well("buf", "generate")

    def call(self, **settings):
        self.check(json.loads(self.run_well(tool("node"), "node.js", json.dumps(self.settings(**settings)))))


class GoTest(VersionsCase, ClientsCase):

    @classmethod
    def make(cls):
        cls.folder /= "go"
        go_download(cls.folder)
        for argv in (["generate"], ["vet", "."], ["build", "-o", "client", "."]):
            cls.run_well(tool("go"), *argv)

    def code(self, name):
        return name

    def call(self, **settings):
        self.check(json.loads(self.run_well(self.folder / "client", json.dumps(self.settings(**settings)))))


class Page(http.server.BaseHTTPRequestHandler):
    """The page with its program, and who hears what came of it."""

    def do_GET(self):
        file = self.server.folder / {"/": "index.html", "/page.js": "page.js"}.get(self.path, "none")
        if not file.exists():
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if file.suffix == ".html" else "text/javascript")
        self.end_headers()
        self.wfile.write(file.read_bytes())

    def do_POST(self):
        self.server.results.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class BrowserTest(ClientsCase):
    """In Debian's Chromium, from a page of another origin."""

    @classmethod
    def make(cls):
        cls.run_well("buf", "generate")
        cls.run_well("esbuild", "web.js", "--bundle", "--format=esm", "--outfile=page.js", "--log-level=warning")

    @classmethod
    def flags(cls):
        cls.pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        cls.pages.folder, cls.pages.results = cls.folder, queue.Queue()
        threading.Thread(target=cls.pages.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.pages.shutdown)
        cls.origin = f"http://127.0.0.1:{cls.pages.server_port}"
        return {"cors_origins": cls.origin}

    def open(self, origin):
        """What the page tells."""
        with tempfile.TemporaryDirectory(prefix="mailstead-chromium-") as folder:
            url = f"{origin}/#{urllib.parse.quote(json.dumps(self.settings()))}"
            browser = Process("chromium", [tool("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu",
                                           "--no-first-run", "--disable-dev-shm-usage", "--no-proxy-server",
                                           f"--user-data-dir={folder}", url])
            try:
                return json.loads(self.pages.results.get(timeout=60))
            except queue.Empty:
                raise AssertionError(f"the page told nothing\n{browser.tail()}") from None
            finally:
                browser.terminate()

    def test_from_the_page_that_may(self):
        self.check(self.open(self.origin))

    def test_from_a_page_that_may_not(self):
        result = self.open(f"http://localhost:{self.pages.server_port}")
        self.assertIn("Failed to fetch", result["failed"])


if __name__ == "__main__":
    unittest.main()
