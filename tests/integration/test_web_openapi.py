"""The API as OpenAPI: a public validator reads it, schemathesis calls webd by it, and the page that shows it loads nothing."""

import base64
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from mailstead.paths import REPOSITORY
from mailstead.process import run_tool
from mailstead.registries import pip_install
from mailstead.stack import SharedStackCase
from test_web import SCOPES, WebCase, make_key

REQUIREMENTS = REPOSITORY / "tests/web/requirements.txt"
# These change what the others need, or do not end by themselves.
NOT_CALLED = ["watch", "BackupService_CreateBackup", "SrsService_RotateSrsSecret", "KeyService_DeleteKey", "KeyService_UpdateKey"]
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
          "response_headers_conformance", "ignored_auth", "unsupported_method", "allow_header_conformance"]


def tools():
    """The folder of the packages."""
    root = os.environ.get("MAILSTEAD_TEST_TOOLS_DIR")
    folder = pathlib.Path(root) / "web" if root else pathlib.Path(tempfile.gettempdir()) / "mailstead-test-tools-web"
    pip_install(REQUIREMENTS, folder)
    return folder


class OpenApiTest(SharedStackCase, WebCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.webd = stack.add_webd()
        cls.user, _ = stack.add_accounts("demo", "other")
        cls.key = make_key(stack, "all", "--scope", SCOPES)
        stack.ctl.run("deliver", "-", "--to", cls.user, input="Subject: hello\n\nHello!\n")

    def get(self, path, **headers):
        connection = self.connection()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        self.assertEqual(200, response.status)
        return response.headers, response.read()

    def test_the_document(self):
        headers, body = self.get("/openapi.json")
        self.assertEqual("application/json", headers["Content-Type"])
        packed_headers, packed = self.get("/openapi.json", **{"Accept-Encoding": "gzip"})
        self.assertEqual("gzip", packed_headers["Content-Encoding"])
        self.assertEqual(body, gzip.decompress(packed))
        document = json.loads(body)
        for path in ("/v1/watch", "/v1/accounts/{account}/messages/{message_id}/raw",
                     "/v1/accounts/{account}/messages/{message_id}/parts/{part_id}",
                     "/mailstead.store.v1.MessageService/ListMessages"):
            self.assertIn(path, document["paths"])
        ids = [operation["operationId"] for verbs in document["paths"].values() for operation in verbs.values()]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertGreater(len(ids), 100)

    def test_a_public_validator_takes_it(self):
        folder = tools()
        path = self.stack.folder / "openapi.json"
        path.write_bytes(self.get("/openapi.json")[1])
        validate = ("import json, sys; from openapi_spec_validator import OpenAPIV31SpecValidator;"
                    "OpenAPIV31SpecValidator(json.load(open(sys.argv[1]))).validate()")
        run = lambda file: run_tool(["/usr/bin/python3", "-c", validate, file], timeout=120,
                                    environment={**os.environ, "PYTHONPATH": str(folder)})
        done = run(path)
        self.assertEqual(0, done.returncode, done.stderr.decode())
        # It is one that finds something.
        path.write_bytes(path.read_bytes().replace(b'"operationId":"watch"', b'"operationId":1'))
        self.assertNotEqual(0, run(path).returncode)

    def test_schemathesis(self):
        """What it makes of the document, good and bad, webd and the store answer as the document says. With one worker: Python 3.11
        cannot parse in two threads what hypothesis lets it parse."""
        folder = tools()
        command = ["/usr/bin/python3", "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{self.stack.webd.ports['http']}/openapi.json",
                   "--header", f"Authorization: Bearer {self.key}", "--phases", "coverage,fuzzing", "--max-examples", "4", "--seed", "1",
                   "--workers", "1", "--no-shrink", "--no-color", "--suppress-health-check", "all", "--request-timeout", "20",
                   "--warnings", "off", "--checks", ",".join(CHECKS)]
        paths = json.loads(self.get("/openapi.json")[1])["paths"]
        in_envelopes = [verbs["post"]["operationId"] for verbs in paths.values()
                        if "application/connect+json" in verbs.get("post", {}).get("requestBody", {}).get("content", {})]
        for name in {*NOT_CALLED, *in_envelopes}:
            command += ["--exclude-operation-id", name]
        done = run_tool(command, timeout=400, cwd=self.stack.folder, environment={**os.environ, "PYTHONPATH": str(folder)})
        said = done.stdout.decode()
        self.assertEqual(0, done.returncode, said[-20000:] + done.stderr.decode()[-2000:])
        [tested] = re.findall(r"Tested: (\d+)", said)
        self.assertGreater(int(tested), 90, said)

    def test_the_page(self):
        headers, body = self.get("/")
        self.assertEqual("text/html; charset=utf-8", headers["Content-Type"])
        [policy] = headers.get_all("Content-Security-Policy")
        page = body.decode()
        for tag in ("script", "style"):
            [inside] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
            self.assertIn(f"{tag}-src 'sha256-{digest}';", policy)
        self.assertTrue(policy.startswith("default-src 'none'; "))
        self.assertNotIn("unsafe", policy)
        for loads in re.findall(r"""(?:src|href|action)\s*=\s*["']?([^"'\s>]+)""", page):
            self.assertEqual("/openapi.json", loads)

    @unittest.skipUnless(shutil.which("node"), "node is not there")
    def test_the_page_is_a_script(self):
        done = subprocess.run(["node", "--check", REPOSITORY / "webd/openapi/page/page.js"], capture_output=True, timeout=60, check=False)
        self.assertEqual(0, done.returncode, done.stderr.decode())
