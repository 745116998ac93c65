"""`mailctl doctor`: content with a system that is as it should be, and what it says of one thing after the other that is not. In a
network of its own, for the ports of mail and for addresses that are not loopback."""

import json
import pathlib
import ssl
import subprocess
import tempfile
import unittest

from mailstead import own_network, paths
from mailstead.certs import Authority
from mailstead.dns import Nsd, Unbound, Zones
from mailstead.policy_host import PolicyHost, policy, response
from mailstead.stack import StackCase

MX, WEB, CLOSED = "198.51.100.31", "198.51.100.32", "198.51.100.33"
HOST = "mx.good.test"
NO_ACTION = ("resolver", "clock", "DKIM")


def setUpModule():
    own_network.enter()
    for address in (MX, WEB, CLOSED):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)


def tlsa_of(cert):
    """The data of a TLSA record 3 1 1."""
    key = subprocess.run([paths.tool("openssl"), "x509", "-in", cert, "-noout", "-pubkey"], capture_output=True, check=True)
    der = subprocess.run([paths.tool("openssl"), "pkey", "-pubin", "-outform", "DER"], input=key.stdout,
                         capture_output=True, check=True)
    digest = subprocess.run([paths.tool("openssl"), "dgst", "-sha256", "-binary"], input=der.stdout,
                            capture_output=True, check=True)
    return digest.stdout.hex()


class DoctorTest(StackCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="mailstead-doctor-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.authority = Authority(self.folder / "ca")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue("mta-sts.good.test", (), ()))
        web = PolicyHost(self, context, WEB, 443)
        web.responses["mta-sts.good.test"] = response(policy("enforce", HOST))
        self.stack = self.new_stack(hostname=HOST)
        self.stack.add_stored(secrets_key_file=self.stack.folder / "secrets.key")

    def start(self, cert=None, **smtpd):
        """Front-ends at the ports of mail, with this certificate."""
        cert, key = cert or self.authority.issue(HOST, (), ())
        tls = dict(tls_cert=cert, tls_key=key)
        self.stack.add_smtpd(**{**tls, "mx_listen": f"{MX}:25", "submission_listen": f"{MX}:587",
                                "submissions_listen": f"{MX}:465", **smtpd})
        self.stack.add_pop3d(**tls, pop3_listen=f"{MX}:110", pop3s_listen=f"{MX}:995")
        self.stack.add_relay(**tls)
        return cert

    def serve(self, cert=None, address=MX, pointer=HOST, back=MX):
        """A resolver of good.test, signed, as `mailctl domain dns` has it, and of where addresses lead."""
        records = self.stack.ctl.run("domain", "dns", "good.test", "--mx_host", HOST, "--address", address,
                                     "--policy_host", "web.good.test", "--sts", "enforce").decode()
        if cert is not None:
            records += f"_25._tcp.mx.good.test. IN TLSA 3 1 1 {tlsa_of(cert)}\n"
        zones = Zones(type(self))
        zones.add("good.test", f"web IN A {WEB}\nother IN A {CLOSED}\n{records}", signed=True)
        number = back.rsplit(".", 1)[1]
        zones.add("100.51.198.in-addr.arpa", f"{number} IN PTR {pointer}." if pointer else "")
        nsd = Nsd(type(self), zones)
        return f"127.0.0.1:{Unbound(type(self), zones, nsd).port}"

    def doctor(self, servers, *options):
        done = self.stack.ctl.raw("doctor", "--dns_servers", servers, "--json", *options,
                                  environment={"SSL_CERT_FILE": str(self.authority.cert)})
        result = json.loads(done.stdout)
        errors = [line for line in result["checks"] if line["level"] == "error"]
        self.assertEqual(1 if errors else 0, done.returncode, done.stderr)
        return result

    def assert_says(self, result, level, subject, part):
        found = [line["text"] for line in result["checks"] if (line["level"], line["subject"]) == (level, subject)]
        self.assertIn(part, " ".join(found), result)

    def assert_content(self, result):
        """But for what is the test's own: a resolver without the root's key, a clock that nobody keeps, no DKIM key."""
        bad = [line for line in result["checks"] if line["level"] != "ok" and line["subject"] not in (*NO_ACTION, "DANE")]
        self.assertEqual([], bad)

    def test_a_system_as_it_should_be(self):
        self.stack.ctl.add_domain("good.test")
        self.stack.ctl.add_account("ann@good.test", "secret words")
        self.stack.ctl.add_alias("postmaster@good.test", "ann@good.test")
        cert = self.start()
        result = self.doctor(self.serve(cert))
        self.assert_content(result)
        subjects = {line["subject"] for line in result["checks"]}
        self.assertLessEqual({"store", "disk", "front-ends", "queue", "clock", "resolver", "postmaster", "MX", "SPF", "DMARC",
                              "MTA-STS", "TLS-RPT", "host", "PTR", "ports", "certificate"}, subjects)
        seen = [line["name"] for line in result["checks"] if line["subject"] == "ports"]
        self.assertEqual([f"smtp {MX}:25", f"submission {MX}:587", f"submissions {MX}:465", f"pop3 {MX}:110",
                          f"pop3s {MX}:995"], seen)
        self.assert_says(result, "ok", "certificate", "as a TLSA record says")

    def test_what_is_wrong_with_addresses_and_names(self):
        self.stack.ctl.add_domain("good.test")
        self.start()
        result = self.doctor(self.serve(pointer=None))
        self.assert_says(result, "error", "PTR", f"set its PTR record to {HOST}")
        self.assert_says(result, "error", "postmaster", "mailctl alias add postmaster@good.test")
        # It leads to a name that has another address.
        result = self.doctor(self.serve(pointer="other.good.test"))
        self.assert_says(result, "error", "PTR", "take it for forged")
        result = self.doctor(self.serve(address=CLOSED, back=CLOSED))
        self.assert_says(result, "error", "ports", "Other hosts cannot bring mail")
        self.assert_says(result, "warning", "ports", "Users cannot send")
        self.assert_says(result, "warning", "ports", "Users cannot fetch")
        # Its ports are elsewhere than the DNS has them.
        result = self.doctor(self.serve(address=CLOSED, back=CLOSED), "--address", MX)
        self.assertNotIn("Other hosts cannot bring mail", json.dumps(result))

    def test_what_is_wrong_with_certificates(self):
        self.stack.ctl.add_domain("good.test")
        self.stack.ctl.add_account("postmaster@good.test", "secret words")
        into = self.authority.issue(HOST, (), ())
        servers = self.serve(self.start(into))
        self.assert_content(self.doctor(servers))
        smtpd, pop3d = self.stack.smtpd, self.stack.pop3d

        def use(cert, **flags):
            for server in (smtpd, pop3d):
                server.terminate()
                server.flags.update(tls_cert=cert[0], tls_key=cert[1], **(flags if server is smtpd else {}))
                server.start()
            return self.doctor(servers)

        soon = use(self.authority.issue("soon.good.test", (HOST,), (), days=3))
        self.assert_says(soon, "warning", "certificate", "It ends soon")
        # Another key than that of the TLSA record.
        self.assert_says(soon, "error", "certificate", "publish a TLSA record for this certificate")
        ended = use(self.authority.issue("ended.good.test", (HOST,), (), days=-1))
        self.assert_says(ended, "error", "certificate", "It has ended")
        self.assert_says(use(self.authority.issue("b.good.test", (), ())), "error", "certificate", "not for the host's name")
        stranger = Authority(self.folder / "stranger").issue(HOST, (), ())
        self.assert_says(use(stranger), "error", "certificate", "Who checks it does not trust it")
        self.assert_says(use(into, hostname="else.good.test"), "warning", "ports", "--hostname")

    def test_a_try_out_and_a_store_that_is_away(self):
        result = self.doctor("127.0.0.1:1")
        self.assert_says(result, "error", "resolver", "Without the DNS no mail goes out")
        self.assert_says(result, "error", "domains", "mailctl domain add")
        self.assert_says(result, "warning", "front-ends", "No pop3d")
        self.assert_says(result, "warning", "queue", "start a relay")
        self.assert_says(result, "warning", "host", "--host=NAME")
        for options in (["--host", "a b"], ["--address", "x"], ["--ports", "smtp"], ["--ports", "imap:143"],
                        ["--ports", "smtp:0"], ["--dns_servers", "x"]):
            self.assertEqual(2, self.stack.ctl.raw("doctor", *options).returncode, options)
        # What is not looked at is said.
        self.stack.ctl.add_domain("demo.test")
        done = self.stack.ctl.raw("doctor", "--json")
        self.assert_says(json.loads(done.stdout), "warning", "domain", "the DNS is not asked for it")
        # Ports that are others than usual, as a first try-out has them, at an address without a name in the DNS.
        smtpd = self.stack.add_smtpd()
        ports = f"smtp:{smtpd.ports['mx']},submission:{smtpd.ports['submission']},submissions:{smtpd.ports['submissions']}"
        done = self.stack.ctl.raw("doctor", "--host", HOST, "--address", "127.0.0.1", "--ports", ports)
        self.assertIn(f"smtp 127.0.0.1:{smtpd.ports['mx']}", done.stdout.decode())
        self.assertIn("reserved for try-outs", done.stdout.decode())
        self.stack.stored.terminate()
        self.assertEqual(5, self.stack.ctl.raw("doctor").returncode)


if __name__ == "__main__":
    unittest.main()
