"""TLS-RPT (RFC 8460) from the sessions to the report: by mail through the queue, and by HTTPS. Reports are about seconds here, not
about days (stored --tls_report_period)."""

import email
import email.policy
import gzip
import http.server
import json
import re
import ssl
import threading
import unittest

from mailstead.certs import Authority, server_context, tlsa
from mailstead.dns import Nsd, Unbound, Zones
from mailstead.mail_host import Host
from mailstead.ports import free_port
from mailstead.process import wait_until
from mailstead.sending import SendingCase

MAIL = b"From: user@example.test\r\nTo: friend@far.test\r\nSubject: hello\r\n\r\nwords\r\n"
CONTACT = "tls-reports@example.test"
GOOD, BAD, PLAIN, REPORTS, MAILBOX = (f"127.7.3.{number}" for number in range(1, 6))
STRANGERS = "3 1 1 " + "ab" * 32
RESULTS = {"starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted",
           "validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error",
           "sts-policy-invalid", "sts-webpki-invalid"}
WAIT = 60


def check_schema(case, report):
    """RFC 8460 section 4.4: what must be there, of which type, and nothing that nobody knows."""
    def object_of(value, required, optional=()):
        case.assertIsInstance(value, dict)
        case.assertLessEqual(set(required), set(value))
        case.assertLessEqual(set(value), {*required, *optional})
        return value

    def count(value):
        case.assertIsInstance(value, int)
        case.assertGreaterEqual(value, 0)
        return value
    object_of(report, ("organization-name", "date-range", "contact-info", "report-id", "policies"))
    for name in ("organization-name", "contact-info", "report-id"):
        case.assertIsInstance(report[name], str)
    dates = object_of(report["date-range"], ("start-datetime", "end-datetime"))
    for value in dates.values():
        case.assertRegex(value, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
    case.assertTrue(report["policies"])
    for item in report["policies"]:
        object_of(item, ("policy", "summary"), ("failure-details",))
        policy = object_of(item["policy"], ("policy-type", "policy-domain"), ("policy-string", "mx-host"))
        case.assertIn(policy["policy-type"], ("tlsa", "sts", "no-policy-found"))
        for name in ("policy-string", "mx-host"):
            for text in policy.get(name, []):
                case.assertIsInstance(text, str)
        summary = object_of(item["summary"], ("total-successful-session-count", "total-failure-session-count"))
        count(summary["total-successful-session-count"])
        failed = 0
        for detail in item.get("failure-details", []):
            object_of(detail, ("result-type", "failed-session-count"),
                      ("sending-mta-ip", "receiving-mx-hostname", "receiving-mx-helo", "receiving-ip",
                       "additional-information", "failure-reason-code"))
            case.assertIn(detail["result-type"], RESULTS)
            failed += count(detail["failed-session-count"])
        case.assertEqual(count(summary["total-failure-session-count"]), failed)


class Receiver:
    """A web server that takes reports; `answer` is the status that it says."""

    def __init__(self, case, cert, key, answer=201):
        self.posts = []
        self.answer = answer
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append((self.path, self.headers["Content-Type"], body))
                self.send_response(receiver.answer)
                if receiver.answer == 302:
                    self.send_header("Location", self.path + "/elsewhere")
                self.end_headers()

            def log_message(self, *arguments):
                pass
        self._server = http.server.ThreadingHTTPServer((REPORTS, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        case.addClassCleanup(self._server.shutdown)


class TlsReportTest(SendingCase):

    @classmethod
    def build(cls, stack):
        cls.port = free_port()
        authority = Authority(stack.folder / "public")
        stranger = Authority(stack.folder / "stranger")
        good, good_key = stranger.issue("good.signed.test")
        cls.contexts = {GOOD: server_context(good, good_key), BAD: server_context(*stranger.issue("bad.signed.test"))}
        cls.receiver = Receiver(cls, *authority.issue("reports.signed.test"))
        cls.refusing = Receiver(cls, *authority.issue("reports2.signed.test"), answer=302)
        tcp = f"_{cls.port}._tcp"
        url = f"https://reports.signed.test:{cls.receiver.port}/v1/tlsrpt"
        refusing = f"https://reports2.signed.test:{cls.refusing.port}/"
        zones = Zones(cls)
        zones.add("signed.test", f"""
good IN A {GOOD}
{tcp}.good IN TLSA {tlsa(good, 3, 1, 1)}
bad IN A {BAD}
{tcp}.bad IN TLSA {STRANGERS}
bogus IN A {BAD}
{tcp}.bogus IN TLSA {STRANGERS}
plain IN A {PLAIN}
mailbox IN A {MAILBOX}
{tcp}.mailbox IN TLSA {STRANGERS}
reports IN A {REPORTS}
reports2 IN A {REPORTS}
private IN A 10.1.2.3
mixed IN MX 10 bad
mixed IN MX 20 bogus
mixed IN MX 30 good
_smtp._tls.mixed IN TXT "v=TLSRPTv1; rua=mailto:tls@mailbox.signed.test,{url}"
clear IN MX 10 plain
_smtp._tls.clear IN TXT "v=TLSRPTv1;" "rua={refusing},https://private.signed.test/,mailto:clear@mailbox.signed.test"
silent IN MX 10 plain
mailbox IN MX 10 mailbox
_smtp._tls.mailbox IN TXT "v=TLSRPTv1; rua=mailto:tls@mailbox.signed.test"
""", signed=True)
        zones.break_signature("signed.test", f"{tcp}.bogus.signed.test", "TLSA")
        unbound = Unbound(cls, zones, Nsd(cls, zones))
        stack.add_stored(retry_schedule="1h", hostname="mx.example.test", tls_report_contact=CONTACT,
                         tls_report_organization="Example", tls_report_period="12s")
        stack.add_smtpd()
        stack.add_pop3d()
        [cls.user] = stack.add_accounts("user")
        # Two, and each report is sent once.
        cls.relays = [stack.add_relay(environment={"SSL_CERT_FILE": str(authority.cert)}, delivery_port=cls.port,
                                      delivery_allow_networks="127.0.0.0/8", dns_servers=f"127.0.0.1:{unbound.port}")
                      for _ in range(2)]

    def test_reports_are_sent(self):
        hosts = {address: Host(self, address=address, port=self.port, tls=self.contexts.get(address))
                 for address in (GOOD, BAD, PLAIN)}
        mailbox = Host(self, address=MAILBOX, port=self.port)
        for domain in ("mixed", "clear", "silent"):
            with self.stack.submission(self.user) as session:
                session.deliver(self.user, [f"a@{domain}.signed.test"], MAIL)
        wait_until(lambda: len(hosts[GOOD].messages) == 1 and len(hosts[PLAIN].messages) == 2, WAIT, "the mail")

        def taken():
            with mailbox.lock:
                return {message["to"][0]: message for message in mailbox.messages}
        wait_until(lambda: self.receiver.posts and len(taken()) == 2, WAIT, "reports")
        [(path, media_type, body)] = self.receiver.posts
        self.assertEqual(("/v1/tlsrpt", "application/tlsrpt+gzip"), (path, media_type))
        self.check_mixed(json.loads(gzip.decompress(body)))
        self.check_mail(taken()["tls@mailbox.signed.test"], "mixed.signed.test", self.check_mixed)
        self.check_mail(taken()["clear@mailbox.signed.test"], "clear.signed.test", self.check_clear)
        # A redirect is no answer, and is not followed.
        self.assertEqual(["/"], [path for path, _, _ in self.refusing.posts])
        errors = {event["to"].split("/")[2].split(":")[0]: event["error"]
                  for relay in self.relays for event in relay.process.events(event="tls_report", way="https") if "error" in event}
        self.assertIn("302", errors["reports2.signed.test"])
        self.assertIn("no address that may be connected to", errors["private.signed.test"])
        # It came although DANE would have passed its host over (section 3).
        self.assertFalse(any(message["tls"] for message in mailbox.messages))
        # Nothing is told of the reports' own delivery, and nobody gets one twice: a further report would be due by now.
        wait_until(lambda: self.looks_since_reports() >= 2, 2 * WAIT, "further looks")
        self.assertEqual(2, len(mailbox.messages))
        self.assertEqual(1, len(self.receiver.posts))

    def looks_since_reports(self):
        """How often reports that are due were asked for since there was one."""
        calls = ("mailstead_store_calls_total", )
        metrics = self.stack.stored.metrics()
        total = sum(value for (name, labels), value in metrics.items()
                    if name in calls and ("method", "TlsReportService/LeaseTlsReports") in labels)
        self.first_look = getattr(self, "first_look", total)
        return total - self.first_look

    def check_mixed(self, report):
        check_schema(self, report)
        self.assertEqual(("Example", CONTACT), (report["organization-name"], report["contact-info"]))
        policies = {item["policy"]["policy-domain"]: item for item in report["policies"]}
        self.assertEqual({"good.signed.test", "bad.signed.test", "bogus.signed.test"}, set(policies))
        self.assertEqual({"tlsa"}, {item["policy"]["policy-type"] for item in policies.values()})
        good = policies["good.signed.test"]
        self.assertEqual({"total-successful-session-count": 1, "total-failure-session-count": 0}, good["summary"])
        self.assertRegex(good["policy"]["policy-string"][0], r"^3 1 1 [0-9a-f]{64}$")
        [bad] = policies["bad.signed.test"]["failure-details"]
        self.assertEqual(("validation-failure", "bad.signed.test", BAD, 1),
                         (bad["result-type"], bad["receiving-mx-hostname"], bad["receiving-ip"], bad["failed-session-count"]))
        [bogus] = policies["bogus.signed.test"]["failure-details"]
        self.assertEqual(("dnssec-invalid", "tlsa-lookup-failed"), (bogus["result-type"], bogus["failure-reason-code"]))

    def check_clear(self, report):
        check_schema(self, report)
        [item] = report["policies"]
        self.assertEqual({"policy-type": "no-policy-found", "policy-domain": "clear.signed.test"}, item["policy"])
        [detail] = item["failure-details"]
        self.assertEqual("starttls-not-supported", detail["result-type"])

    def check_mail(self, taken, domain, check):
        """RFC 8460 section 5.3."""
        self.assertEqual(CONTACT, taken["from"])
        # Of its whole connection, which may have brought the other report, too.
        self.assertNotIn("REQUIRETLS", "".join(line for line in taken["lines"] if line.startswith("MAIL")))
        message = email.message_from_bytes(taken["content"], policy=email.policy.default)
        self.assertEqual([], message.defects)
        self.assertEqual("multipart/report", message.get_content_type())
        self.assertEqual("tlsrpt", message["Content-Type"].params["report-type"])
        self.assertEqual((domain, "mx.example.test", "No"),
                         (message["TLS-Report-Domain"], message["TLS-Report-Submitter"], message["TLS-Required"]))
        self.assertEqual(CONTACT, message["From"].addresses[0].addr_spec)
        self.assertIsNotNone(message["Date"].datetime)
        self.assertRegex(message["Subject"], rf"^Report Domain: {re.escape(domain)} Submitter: mx.example.test Report-ID: <.+>$")
        text, attachment = message.iter_parts()
        self.assertEqual(("text/plain", "application/tlsrpt+gzip"), (text.get_content_type(), attachment.get_content_type()))
        self.assertRegex(attachment.get_filename(), rf"^mx\.example\.test!{re.escape(domain)}!\d+!\d+\.json\.gz$")
        check(json.loads(gzip.decompress(attachment.get_content())))


if __name__ == "__main__":
    unittest.main()
