"""Flags, flag files and environment. What is wrong ends the program with one line that names the flag."""

import json
import unittest

from mailstead.process import program_argv, run_tool
from mailstead.stack import StackCase

WRONG = {
    "stored": [
        ("no_such_flag", "1"), ("listen", "nonsense"), ("listen", "127.0.0.1:99999"), ("admin_listen", "nowhere:x"),
        ("log_format", "xml"), ("log_level", "loud"), ("drain_timeout", "soon"), ("threads", "-1"),
        ("ticket_key_period", "0s"), ("ticket_key_period", "169h"), ("scram_iterations", "4095"), ("scram_iterations", "many"),
        ("credential_cache_ttl", "-1s"), ("tls_listen", "nonsense"), ("tls_listen", "127.0.0.1:0"),
        ("max_message_bytes", "-5"), ("engine", "paper"), ("tls_cert", "/no/such/file"), ("data_dir", ""),
        ("secrets_key_file", "/no/such/folder/key"), ("secrets_key_file", "/dev/null"),
        ("srs_domain", "-x"), ("srs_domain", "[192.0.2.1]"), ("srs_domain", "srs.test"), ("srs_lifetime", "23h"),
        ("srs_lifetime", "24001h"), ("srs_hash_length", "3"), ("srs_hash_length", "28"),
        ("delivery_rate", "fast"), ("delivery_rate", "-1"), ("delivery_rate", "10/0s"), ("delivery_rate", "10/soon"),
        ("delivery_rate", "1000001"), ("delivery_sessions", "0"), ("delivery_initial_sessions", "1001"),
    ],
    "smtpd": [
        ("no_such_flag", "1"), ("mx_listen", "127.0.0.1"), ("submission_listen", "1.2.3:x"),
        ("submissions_listen", "127.0.0.1:70000"), ("log_format", "xml"), ("log_level", "loud"), ("hostname", "a b"),
        ("proxy_networks", "10.0.0.0/99"), ("bare_line_ends", "maybe"), ("max_connections", "-1"),
        ("max_connections_per_address", "-1"), ("max_recipients", "0"), ("max_message_bytes", "0"),
        ("command_timeout", "0s"), ("tls_cert", "/no/such/file"), ("tls_key", "/no/such/file"),
        ("store_connections", "0"), ("allow_plaintext_auth", "perhaps"),
        ("max_errors", "-3"), ("store", ""), ("store", "nowhere"), ("store", "127.0.0.1:0"),
        ("store_tls_ca", "/no/such/file"), ("tls_self_signed_dir", "/proc/no/such/folder"),
        ("tls_ticket_key_file", "/no/such/file"), ("tls_ticket_key_file", "/dev/null"),
        ("trusted_networks", "here"), ("peer_timeout", "2s"), ("peer_timeout", "3500ms"), ("peer_timeout", "2h"),
    ],
    "pop3d": [
        ("no_such_flag", "1"), ("pop3_listen", "127.0.0.1"), ("pop3s_listen", "127.0.0.1:70000"),
        ("log_format", "xml"), ("log_level", "loud"), ("hostname", "a b"), ("proxy_networks", "10.0.0.0/99"),
        ("max_connections", "-1"), ("idle_timeout", "0s"), ("login_delay", "-1s"), ("lease_ttl", "0s"),
        ("listing_memory", "1048576"), ("max_maildrop_messages", "0"), ("max_maildrop_messages", "3050403"),
        ("lease_ttl", "1h"), ("tls_cert", "/no/such/file"), ("store", "nowhere:x"), ("store_tls_ca", "/no/such/file"),
        ("tls_self_signed_dir", "/proc/no/such/folder"), ("tls_ticket_key_file", "/dev/null"),
        ("allow_plaintext_auth", "perhaps"), ("trusted_networks", "10.0.0.0/33"), ("peer_timeout", "-1s"),
    ],
    "webd": [
        ("no_such_flag", "1"), ("listen", "127.0.0.1"), ("listen", ""), ("tls_listen", "127.0.0.1:70000"),
        ("plaintext_networks", "here"), ("max_request_bytes", "1023"), ("max_request_bytes", "67108865"),
        ("body_memory", "1048575"), ("body_memory", "33554431"), ("idle_timeout", "0s"), ("head_timeout", "soon"),
        ("body_timeout", "0s"), ("write_timeout", "2h"), ("store_timeout", "11m"), ("stream_timeout", "169h"),
        ("proxy_networks", "10.0.0.0/99"), ("max_connections", "-1"), ("tls_cert", "/no/such/file"), ("store", "nowhere:x"),
        ("allow_plaintext_auth", "true"), ("sasl_mechanisms", "PLAIN"), ("cors_origins", "*"),
        ("autoconfig_pop3s", "pop.example.test:995"), ("autoconfig_submission", "smtp.example.test:587"),
        ("autoconfig_submissions", "smtp.example.test"),
        ("cors_origins", "https://desk.example.test/"), ("cors_origins", "https://a.example.test,desk"),
        ("mta_sts_mx", "MX.example.test"), ("mta_sts_mx", "mx.example.test,[192.0.2.1]"),
        ("mta_sts_mx", ",".join(f"mx{number}.test" for number in range(101))), ("mta_sts_max_age", "-1s"),
        ("mta_sts_max_age", "8767h"), ("dns_servers", "dns.example.test"), ("dns_servers", "127.0.0.1:0"),
        ("webhook_timeout", "6m"), ("webhook_allow_networks", "here"), ("public_url", "ftp://a.test"),
    ],
}
# It takes no passwords.
UNKNOWN = (("webd", "allow_plaintext_auth"), ("webd", "sasl_mechanisms"))


class ConfigTest(StackCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack = None

    def good_flags(self, program):
        if program == "stored":
            return dict(data_dir=self.folder / "data", listen="127.0.0.1:0", admin_listen="127.0.0.1:0",
                        smtp_token_file=self.folder / "s.token", pop_token_file=self.folder / "p.token",
                        operator_token_file=self.folder / "o.token")
        listeners = {"smtpd": dict(mx_listen="127.0.0.1:0", submission_listen="", submissions_listen=""),
                     "pop3d": dict(pop3_listen="127.0.0.1:0", pop3s_listen=""),
                     "webd": dict(listen="127.0.0.1:0")}[program]
        token = self.folder / "token"
        token.write_text("token\n", encoding="ascii")
        return dict(hostname="mx.example.test", store="127.0.0.1:1", store_token_file=token,
                    admin_listen="127.0.0.1:0", **listeners)

    def setUp(self):
        self.holder = self.new_stack()
        self.folder = self.holder.folder

    def assert_one_line_that_names(self, done, flag, program):
        text = done.stderr.decode()
        self.assertEqual(2, done.returncode, f"{program} --{flag}: exit {done.returncode}: {text}")
        self.assertEqual(1, len(text.strip().splitlines()), text)
        self.assertIn(flag, text)

    def run_with(self, program, environment=None, **flags):
        return run_tool(program_argv(program, {**self.good_flags(program), **flags}), timeout=20,
                        environment=environment)

    def test_what_is_wrong_is_named(self):
        for program, wrong in WRONG.items():
            for flag, value in wrong:
                with self.subTest(program=program, flag=flag, value=value):
                    self.assert_one_line_that_names(self.run_with(program, **{flag: value}), flag, program)

    def test_in_the_environment_too(self):
        for program, wrong in WRONG.items():
            for flag, value in wrong:
                # A variable that no flag has the name of is somebody else's.
                if (program, flag) in UNKNOWN or flag == "no_such_flag" or flag in self.good_flags(program):
                    continue
                with self.subTest(program=program, flag=flag, value=value):
                    done = self.run_with(program, environment={f"{program.upper()}_{flag.upper()}": value})
                    text = done.stderr.decode()
                    self.assertEqual(2, done.returncode, text)
                    self.assertEqual(1, len(text.strip().splitlines()), text)
                    self.assertTrue(flag in text or flag.upper() in text, text)

    def test_environment_flag_file_and_command_line_in_rising_order(self):
        stack = self.holder
        stack.add_stored()
        flag_file = self.folder / "smtpd.flags"
        flag_file.write_text("--max_message_bytes=80000\n--max_recipients=300\n", encoding="ascii")
        environment = {"SMTPD_MAX_MESSAGE_BYTES": "70000", "SMTPD_MAX_RECIPIENTS": "200", "SMTPD_MAX_COMMANDS": "9"}

        def offered(**more):
            smtpd = stack.add_smtpd(environment=environment, **more)
            with stack.mx(smtpd) as session:
                return session.capabilities["SIZE"], session.capabilities["LIMITS"]

        size, limits = offered()
        self.assertEqual("70000", size)
        self.assertIn("RCPTMAX=200", limits)
        size, limits = offered(flagfile=flag_file)
        self.assertEqual("80000", size)
        self.assertIn("RCPTMAX=300", limits)
        size, limits = offered(flagfile=flag_file, max_message_bytes=90000)
        self.assertEqual("90000", size)
        self.assertIn("RCPTMAX=300", limits)

    def test_the_reason_why_a_file_cannot_be_used(self):
        for program, flag, path in (("stored", "data_dir", "/no/such/folder/data"),
                                    ("smtpd", "store_tls_ca", "/no/such/file"),
                                    ("pop3d", "tls_ticket_key_file", "/no/such/file")):
            with self.subTest(program):
                done = self.run_with(program, **{flag: path})
                self.assert_one_line_that_names(done, flag, program)
                self.assertIn(f"{path}: No such file or directory", done.stderr.decode())

    def test_an_argument_that_is_no_flag(self):
        for program in WRONG:
            with self.subTest(program):
                done = run_tool([*program_argv(program, self.good_flags(program)), "log_level=debug"], timeout=20)
                self.assert_one_line_that_names(done, "log_level=debug", program)

    def test_a_flag_file_that_is_not_there(self):
        for program in WRONG:
            with self.subTest(program):
                done = self.run_with(program, flagfile=self.folder / "missing.flags")
                self.assertNotEqual(0, done.returncode)
                self.assertIn("missing.flags", done.stderr.decode())

    def test_help_and_version(self):
        for program in (*WRONG, "mailctl"):
            with self.subTest(program):
                done = run_tool([*program_argv(program, {}), "--help"], timeout=20)
                self.assertIn(done.returncode, (0, 1))
                self.assertIn(program, done.stdout.decode().lower())
                done = run_tool([*program_argv(program, {}), "--version"], timeout=20)
                self.assertEqual(0, done.returncode)
                self.assertRegex(done.stdout.decode(), r"[0-9]+\.[0-9]+\.[0-9]+")

    def test_an_address_in_use(self):
        stack = self.holder
        stack.add_stored()
        smtpd = stack.add_smtpd()
        taken = f"127.0.0.1:{smtpd.ports['mx']}"
        done = run_tool(program_argv("smtpd", {**stack.frontend_flags("smtpd"), "mx_listen": taken, "submission_listen": "",
                                               "submissions_listen": ""}), timeout=20)
        self.assertNotEqual(0, done.returncode)
        self.assertIn(str(smtpd.ports["mx"]), (done.stdout + done.stderr).decode())

    def test_an_address_in_use_by_another_store(self):
        stored = self.holder.add_stored()
        for taken in (stored.address, stored.address.replace("127.0.0.1", "localhost")):
            done = self.run_with("stored", listen=taken, log_format="json")
            *log, last = done.stderr.decode().splitlines()
            self.assertEqual(2, done.returncode, done.stderr)
            self.assertEqual(f"stored: --listen: cannot listen on {taken}: Address already in use", last)
            # All that was said before is in the log's format.
            self.assertIn("listening", [json.loads(line)["event"] for line in log])
        self.assertTrue(stored.ready())

    def test_second_stored_on_the_same_folder_is_refused(self):
        stack = self.holder
        stored = stack.add_stored()
        done = run_tool(program_argv("stored", {**stored.flags, "listen": "127.0.0.1:0"}), timeout=20)
        self.assertNotEqual(0, done.returncode)
        self.assertIn(str(stored.flags["data_dir"]), (done.stdout + done.stderr).decode())
        self.assertTrue(stored.ready())


if __name__ == "__main__":
    unittest.main()
