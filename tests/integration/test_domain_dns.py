"""`mailctl domain dns` and `domain check`: what is printed is a zone that a name server takes, and with it live the check is
content; and what it says of domains with the mistakes that there are."""

import json
import pathlib
import ssl
import subprocess
import tempfile
import unittest

from mailstead import own_network, paths
from mailstead.certs import Authority
from mailstead.dns import Nsd, Unbound, Zones
from mailstead.policy_host import PolicyHost, response
from mailstead.stack import StackCase

MX, WEB = "198.51.100.21", "198.51.100.22"

# Records of domains with mistakes, and which lines of the check say so: (level, subject, part of the text).
MISTAKES = {
    "null.test": ("@ IN MX 0 .", ("error", "MX", "takes no mail")),
    "alias.test": ("@ IN MX 10 a\na IN CNAME mx.good.test.", ("error", "MX host", "by its own name")),
    "lost.test": ("@ IN MX 10 nowhere", ("error", "MX host", "no address")),
    "twospf.test": ('@ IN TXT "v=spf1 -all"\n@ IN TXT "v=spf1 mx -all"', ("error", "SPF", "several")),
    "openspf.test": ('@ IN TXT "v=spf1 +all"', ("error", "SPF", "Every host")),
    "manyspf.test": ('@ IN TXT "v=spf1 ' + " ".join(f"a:h{i}.good.test" for i in range(11)) + ' -all"',
                     ("error", "SPF", "too often")),
    "circle.test": ('@ IN TXT "v=spf1 include:circle.test -all"', ("error", "SPF", "itself")),
    "pct.test": ('_dmarc IN TXT "v=DMARC1; p=none; pct=20"', ("warning", "DMARC", "RFC 9989")),
    "nodmarc.test": ("@ IN MX 10 mx.good.test.", ("error", "DMARC", "publish")),
    "twosts.test": ('_mta-sts IN TXT "v=STSv1; id=1"\n_mta-sts IN TXT "v=STSv1; id=2"', ("error", "MTA-STS", "several")),
    "nosts.test": (f'_mta-sts IN TXT "v=STSv1; id=1"\nmta-sts IN A {WEB}', ("error", "MTA-STS policy", "404")),
    "tlsrpt.test": ('_smtp._tls IN TXT "v=TLSRPTv1; rua=http://a.test"', ("error", "TLS-RPT", "neither")),
    "tlsa.test": (f"@ IN MX 10 mx\nmx IN A {MX}\n_25._tcp.mx IN TLSA 3 1 1 {'00' * 32}", ("warning", "DANE", "not known")),
}


def setUpModule():
    own_network.enter()
    for address in (MX, WEB):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)


class DomainDnsTest(StackCase):

    def setUp(self):
        super().setUp()
        self.stack = self.new_stack()
        self.stack.add_stored()
        folder = tempfile.TemporaryDirectory(prefix="mailstead-domain-dns-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.authority = Authority(self.folder / "ca")

    def serve(self, **zones):
        """Gives the port of a resolver of these zones, {name: records}."""
        made = Zones(type(self))
        for name, records in zones.items():
            made.add(name, records)
        resolver = Unbound(type(self), made, Nsd(type(self), made))
        return f"127.0.0.1:{resolver.port}"

    def ctl(self, *arguments):
        """Gives exit code, standard output and standard error. It believes the test's authority."""
        done = self.stack.ctl.raw(*arguments, environment={"SSL_CERT_FILE": str(self.authority.cert)})
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def check(self, domain, servers, *options):
        code, out, _ = self.ctl("domain", "check", domain, "--dns_servers", servers, "--json", *options)
        return code, json.loads(out)

    def test_what_is_printed_is_what_is_wanted(self):
        self.stack.ctl.add_domain("good.test")
        options = ["--mx_host", "mx.good.test", "--address", MX, "--policy_host", "web.good.test", "--sts", "enforce",
                   "--dmarc", "reject"]
        zone = self.stack.ctl.run("domain", "dns", "good.test", *options).decode()
        # As a zone file, by the name server's own check.
        file = self.folder / "good.test.zone"
        file.write_text("good.test. 300 IN SOA ns.good.test. hostmaster.good.test. 1 3600 600 86400 60\n"
                        "good.test. 300 IN NS ns.good.test.\nns.good.test. 300 IN A 127.0.0.1\n"
                        f"web.good.test. 300 IN A {WEB}\n$TTL 300\n" + zone)
        checked = subprocess.run([paths.tool("nsd-checkzone"), "good.test", file], capture_output=True, text=True)
        self.assertEqual(0, checked.returncode, checked.stdout + checked.stderr + zone)
        # As JSON.
        told = self.stack.ctl.json("domain", "dns", "good.test", *options)
        records = {(record["name"], record["type"]): record["value"] for record in told["records"]}
        self.assertEqual("10 mx.good.test.", records["good.test", "MX"])
        self.assertEqual(f"v=spf1 mx ip4:{MX} -all", records["good.test", "TXT"])
        self.assertEqual("0 1 465 mx.good.test.", records["_submissions._tcp.good.test", "SRV"])
        policy = told["mta_sts_policy"]
        self.assertEqual("https://mta-sts.good.test/.well-known/mta-sts.txt", policy["url"])
        # Live, with the policy where it belongs.
        servers = self.serve(**{"good.test": f"web IN A {WEB}\n" + zone})
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue("mta-sts.good.test", (), ()))
        web = PolicyHost(self, context, WEB, 443)
        web.responses["mta-sts.good.test"] = response(policy["text"])
        code, result = self.check("good.test", servers, "--mx_host", "mx.good.test")
        bad = [line for line in result["checks"] if line["level"] != "ok" and line["subject"] != "DKIM"]
        self.assertEqual([], bad)
        self.assertEqual(0, code)
        # The policy names another host: mail would not come.
        web.responses["mta-sts.good.test"] = response(policy["text"].replace("mx.good.test", "old.good.test"))
        code, result = self.check("good.test", servers, "--mx_host", "mx.good.test")
        self.assertEqual((1, "error"), (code, result["worst"]))
        self.assertIn("does not name mx.good.test", " ".join(line["text"] for line in result["checks"]))
        # For people.
        code, out, err = self.ctl("domain", "check", "good.test", "--dns_servers", servers)
        self.assertEqual(1, code)
        self.assertIn("error\tMTA-STS policy", out)
        self.assertIn("1 error in the DNS of good.test", err)

    def test_mistakes_are_told(self):
        zones = {name: records for name, (records, _) in MISTAKES.items()}
        zones["good.test"] = f"@ IN MX 10 mx\nmx IN A {MX}\n" + "\n".join(f"h{i} IN A {MX}" for i in range(11))
        # The walk up the tree for DMARC ends there.
        zones["test"] = ""
        servers = self.serve(**zones)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue("mta-sts.nosts.test", (), ()))
        PolicyHost(self, context, WEB, 443)
        for domain, (_, (level, subject, part)) in MISTAKES.items():
            with self.subTest(domain):
                self.stack.ctl.add_domain(domain)
                code, result = self.check(domain, servers)
                found = [line["text"] for line in result["checks"] if (line["level"], line["subject"]) == (level, subject)]
                self.assertIn(part, " ".join(found), result)
                self.assertEqual(1 if result["worst"] == "error" else 0, code)
        # A DNS that is not there is an error of each line, and no domain without records.
        _, result = self.check("null.test", "127.0.0.1:1")
        self.assertEqual({"error"}, {line["level"] for line in result["checks"] if line["subject"] != "DKIM"})

    def test_what_is_not_known_is_asked_for(self):
        self.stack.ctl.add_domain("good.test")
        code, _, err = self.ctl("domain", "dns", "good.test")
        self.assertEqual(2, code)
        self.assertIn("--mx_host", err)
        for options in (["--mx_host", "a b"], ["--mx_host", "[192.0.2.1]"], ["--mx_host", "mx.good.test", "--address", "x"],
                        ["--mx_host", "mx.good.test", "--reports", "x"]):
            self.assertEqual(2, self.ctl("domain", "dns", "good.test", *options)[0], options)
        self.assertEqual(3, self.ctl("domain", "dns", "other.test", "--mx_host", "mx.good.test")[0])
        # The relay's own name.
        self.stack.add_relay(hostname="mx.relay.test")
        self.assertIn("good.test.\tIN\tMX\t10 mx.relay.test.\n", self.stack.ctl.run("domain", "dns", "good.test").decode())


if __name__ == "__main__":
    unittest.main()
