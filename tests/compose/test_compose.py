"""docker compose up --scale smtpd=3 --scale pop3d=2, used, scaled, broken and restarted."""

import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

from mailstead import admin, certs
from mailstead.pop3 import Pop3, Refused
from mailstead.ports import free_port
from mailstead.process import wait_until
from mailstead.smtp import Smtp
from mailstead.trace import strip_trace

from composition import REPOSITORY, Composition, docker

CLIENT_TESTS = pathlib.Path(__file__).resolve().parents[1] / "clients"
PASSWORD = "correct horse battery"
HOST = "localhost"
SENDER = "sender@elsewhere.test"

composition = None


def setUpModule():
    global composition
    # The messages of tests/clients/corpus.py are from others than who sends them.
    composition = Composition(MAILSTEAD_HOSTNAME=HOST, MAILSTEAD_ALLOW_PLAINTEXT_AUTH="true",
                              MAILSTEAD_CHECK_FROM="false", MAILSTEAD_LOG_LEVEL="debug")
    unittest.addModuleCleanup(composition.down)
    try:
        composition.build()
        composition.up("--wait", "--wait-timeout", "120", smtpd=3, pop3d=2)
        composition.mailctl("domain", "add", "example.test")
    except BaseException:
        composition.show_logs()
        raise


def restore():
    """As it was in the beginning, whatever a test did."""
    composition.up(smtpd=3, pop3d=2)
    wait_until(lambda: not composition.unhealthy(), timeout=120, interval=0.5, what="healthy containers")


def smtp(**options):
    return Smtp(composition.ports["SMTP"], **options)


def pop3(address, **options):
    session = Pop3(composition.ports["POP3"], **options)
    try:
        session.login(address, PASSWORD)
    except BaseException:
        session.close()
        raise
    return session


def pop3_or_none(address):
    """For polling: None while the maildrop cannot be opened."""
    with contextlib.suppress(Refused, OSError, EOFError):
        return pop3(address)
    return None


def message(name):
    return f"Subject: {name}\r\n\r\n{name}\r\n.\r\n".encode()


class ComposeCase(unittest.TestCase):
    def run(self, result=None):
        problems = len(result.errors) + len(result.failures)
        super().run(result)
        if len(result.errors) + len(result.failures) > problems:
            composition.show_logs()

    def new_account(self):
        """An account of this test's own."""
        address = f"{self.id().rsplit('.', 1)[-1].replace('test_', '')}@example.test"
        composition.add_account(address, PASSWORD)
        return address

    def services(self):
        return {service: composition.replicas(service) for service in ("stored", "smtpd", "pop3d", "webd", "edge")}


class ContainerTest(ComposeCase):
    def test_containers_have_no_privileges(self):
        for service, containers in self.services().items():
            for container in containers:
                with self.subTest(service=service):
                    about = composition.inspect(container)
                    self.assertTrue(about["HostConfig"]["ReadonlyRootfs"])
                    self.assertEqual(["ALL"], about["HostConfig"]["CapDrop"])
                    self.assertIn("no-new-privileges:true", about["HostConfig"]["SecurityOpt"])
                    status = docker("exec", container, "cat", "/proc/1/status").decode()
                    self.assertRegex(status, r"Uid:\s+10001\s+10001\s+10001\s+10001")
                    for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
                        self.assertRegex(status, rf"Cap{kind}:\s+0+\n")
                    with self.assertRaisesRegex(AssertionError, "Read-only file system"):
                        docker("exec", container, "touch", "/usr/local/bin/new")

    def test_images_are_small(self):
        base = composition.inspect("debian:bookworm-slim")["Size"]
        for service, (container, *_) in self.services().items():
            with self.subTest(service=service):
                added = composition.inspect(composition.inspect(container)["Image"])["Size"] - base
                self.assertLess(added, 100 << 20)

    def test_front_ends_see_their_own_token_only(self):
        for service, role in (("smtpd", "smtp"), ("pop3d", "pop"), ("webd", "web")):
            container = composition.replicas(service)[0]
            listing = docker("exec", container, "ls", "-A", "/var/lib/mailstead/secrets").decode().split()
            self.assertEqual([f"{role}.token"], listing)
            self.assertEqual([], docker("exec", container, "ls", "-A", "/var/lib/mailstead/store").decode().split())
            with self.assertRaisesRegex(AssertionError, "Read-only file system"):
                docker("exec", container, "touch", "/var/lib/mailstead/secrets/new")

    def test_the_edge_does_not_reach_the_store(self):
        store = composition.address(composition.replicas("stored")[0], "back")
        with self.assertRaises(AssertionError):
            docker("exec", composition.replicas("edge")[0], "timeout", "5", "bash", "-c", f"</dev/tcp/{store}/7070")


class ClientTest(ComposeCase):
    """The tests of tests/clients, through the edge."""

    def test_clients(self):
        address, utf8_address = self.new_account(), "grüße@example.test"
        composition.add_account(utf8_address, PASSWORD)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as authority:
            # Self-signed, so it is its own authority; it is the same at every replica.
            authority.write(ssl.get_server_certificate(("127.0.0.1", composition.ports["POP3S"])))
            authority.flush()
            environment = {
                "MAILSTEAD_TEST_HOST": HOST, "MAILSTEAD_TEST_ADDRESS": address,
                "MAILSTEAD_TEST_UTF8_ADDRESS": utf8_address, "MAILSTEAD_TEST_PASSWORD": PASSWORD,
                "MAILSTEAD_TEST_CA_FILE": authority.name, "MAILSTEAD_TEST_PLAINTEXT_AUTH": "1",
                "MAILSTEAD_TEST_MX_PORT": str(composition.ports["SMTP"]),
                **{f"MAILSTEAD_TEST_{name}_PORT": str(port) for name, port in composition.ports.items() if name != "SMTP"}}
            for file in sorted(CLIENT_TESTS.glob("test_*.py")):
                with self.subTest(client=file.stem):
                    started = time.monotonic()
                    done = subprocess.run([sys.executable, "-m", "unittest", file.stem], cwd=CLIENT_TESTS,
                                          env={**os.environ, **environment}, capture_output=True, timeout=900,
                                          check=False)
                    print(f"{file.stem} through the edge: {time.monotonic() - started:.0f} s", flush=True)
                    self.assertEqual(0, done.returncode, (done.stdout + done.stderr).decode(errors="replace"))


class EdgeTest(ComposeCase):
    def test_every_replica_gets_sessions(self):
        before = {container: self.session_count(container) for container in composition.replicas("smtpd")}
        self.assertEqual(3, len(before))
        with contextlib.ExitStack() as stack:
            for _ in range(12):
                stack.enter_context(smtp())
            for container, count in before.items():
                wait_until(lambda: self.session_count(container) >= count + 2, what=f"sessions at {container[:12]}")

    def test_client_addresses_survive(self):
        address = self.new_account()
        edge = composition.address(composition.replicas("edge")[0], "front")
        talk = (f"exec 3<>/dev/tcp/{edge}/25; read -r -u 3; printf 'EHLO stranger.test\\r\\nMAIL FROM:<>\\r\\n"
                f"RCPT TO:<{address}>\\r\\nDATA\\r\\n' >&3; while read -r -u 3 line; [[ $line != 354* ]]; do :; done; "
                "printf 'Subject: a\\r\\n\\r\\na\\r\\n.\\r\\nQUIT\\r\\n' >&3; cat <&3 >/dev/null; hostname -I; "
                f"exec 4<>/dev/tcp/{edge}/110; read -r -u 4; printf 'USER {address}\\r\\nPASS {PASSWORD}\\r\\nQUIT\\r\\n' >&4; "
                "cat <&4 >/dev/null")
        client = docker("run", "--rm", "--network", f"{composition.project}_front", "debian:bookworm-slim", "bash", "-c",
                        talk).decode().strip()
        self.assertRegex(client, r"^[0-9.]+$")
        self.assertNotEqual(edge, client)
        for service in ("smtpd", "pop3d"):
            self.assertRegex(composition.logs(service), rf"client={re.escape(client)}\b")
            self.assertNotRegex(composition.logs(service), rf"client={re.escape(edge)}\b")
        with contextlib.closing(pop3(address)) as session:
            self.assertIn(f"[{client}]", strip_trace(session.retr(1)).received.decode())

    def test_a_backup_is_made_while_it_serves(self):
        address = self.new_account()
        with smtp() as session:
            session.deliver(SENDER, address, message("kept"))
        composition.mailctl("backup", "create", "first")
        [backup] = json.loads(composition.mailctl("backup", "list", "--json"))["backups"]
        self.assertEqual("first", backup["name"])
        self.assertGreater(int(backup["message_count"]), 0)
        composition.mailctl("backup", "remove", "first", "--yes")

    def test_logs_are_bounded(self):
        for service in ("stored", "smtpd", "pop3d", "edge"):
            for container in composition.replicas(service):
                log = composition.inspect(container)["HostConfig"]["LogConfig"]
                self.assertEqual({"Type": "json-file", "Config": {"max-size": "50m", "max-file": "10"}}, log, service)

    def test_replicas_share_certificate_and_tickets(self):
        context = certs.insecure_context()
        # In TLS 1.2 the ticket is part of the handshake; in 1.3 it comes with the first bytes of the server.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        certificates, resumed, tls_session = set(), 0, None
        with contextlib.ExitStack() as stack:
            # Sessions that stay open: each of them goes to the replica that has the fewest.
            for _ in range(9):
                wire = stack.enter_context(Smtp(composition.ports["SUBMISSIONS"], greet=False))
                wire.socket = context.wrap_socket(wire.socket, server_hostname=HOST, session=tls_session)
                certificates.add(wire.socket.getpeercert(True))
                resumed += wire.socket.session_reused
                tls_session = wire.socket.session
                self.assertEqual(220, wire.reply().code)
        self.assertEqual(1, len(certificates))
        self.assertEqual(8, resumed)

    def test_replicas_that_come_later_get_sessions(self):
        before = set(composition.replicas("smtpd"))
        composition.up(smtpd=4, pop3d=2)
        self.addCleanup(restore)
        [new] = set(composition.replicas("smtpd")) - before
        with contextlib.ExitStack() as stack:
            def reached():
                stack.enter_context(smtp())
                return self.session_count(new) > 0
            wait_until(reached, timeout=15, interval=0.2, what="a session at the new replica")

    def session_count(self, container):
        """Sessions that came through the edge; its health checks go to another port."""
        status, text = admin.get(9090, "/metrics", host=composition.address(container, "front"))
        self.assertEqual(200, status)
        return admin.total(admin.parse_metrics(text), "mailstead_smtp_connections_total")


class FailureTest(ComposeCase):
    def test_killed_smtpd_loses_nothing_and_doubles_nothing(self):
        address = self.new_account()
        victim = composition.replicas("smtpd")[0]
        self.addCleanup(restore)

        def send(number):
            """How often a connection broke before the 250; in the time between end of data and 250 it may count."""
            name = f"number-{number:03}"
            for attempt in range(20):
                try:
                    with smtp(timeout=20) as session:
                        session.deliver(SENDER, address, message(name))
                        return name, attempt
                except (OSError, EOFError):
                    time.sleep(0.2)
            raise AssertionError(f"{name} could not be sent")

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            sent = [pool.submit(send, number) for number in range(200)]
            wait_until(lambda: sum(future.done() for future in sent) > 40, what="the first messages", timeout=60)
            docker("kill", victim)
            sent = dict(future.result() for future in sent)
        with contextlib.closing(pop3(address)) as session:
            got = [strip_trace(session.retr(number)).content for number in range(1, session.stat()[0] + 1)]
        counts = collections.Counter(got)
        for name, broken in sent.items():
            # A message that was sent again because its first 250 never came may be there twice (RFC 1047), else once.
            self.assertIn(counts.pop(message(name), 0), range(1, broken + 2), name)
        self.assertEqual({}, counts)

    def test_maildrop_of_a_killed_pop3d_opens_again(self):
        address = self.new_account()
        with smtp() as session:
            session.deliver(SENDER, address, message("kept"))
        holder = pop3(address)
        holder.dele(1)
        with self.assertRaises(Refused) as refused:
            pop3(address)
        self.assertEqual("IN-USE", refused.exception.response_code)
        [victim] = [container for container in composition.replicas("pop3d")
                    if re.search(rf"event=login .*account={address}\b", composition.log(container))]
        docker("kill", victim)
        self.addCleanup(restore)
        killed = time.monotonic()

        with contextlib.closing(wait_until(lambda: pop3_or_none(address), timeout=10, interval=0.2, what="the maildrop")) as session:
            self.assertLess(time.monotonic() - killed, 10)
            self.assertEqual(message("kept"), strip_trace(session.retr(1)).content)
        holder.close()

    def test_front_ends_wait_for_the_store_and_find_the_mail(self):
        address = self.new_account()
        with smtp() as session:
            session.deliver(SENDER, address, message("before"))
        self.addCleanup(restore)
        composition.compose("stop", "stored")
        # Red for the edge, and yet it is they who answer.
        for service in ("smtpd", "pop3d"):
            for container in composition.replicas(service):
                wait_until(lambda: admin.get(9090, "/readyz", host=composition.address(container, "front"))[0] == 503,
                           what=f"{service} not ready")
        time.sleep(5)  # The edge has noticed.
        with smtp(timeout=60) as session:
            session.expect(250, f"MAIL FROM:<{SENDER}>")
            self.assertEqual(451, session.command(f"RCPT TO:<{address}>").code)
        with self.assertRaises(Refused) as refused:
            pop3(address, timeout=60)
        self.assertEqual("SYS/TEMP", refused.exception.response_code)
        # Someone else takes the store's address, so that it comes back under another one.
        squatter = docker("run", "--detach", "--rm", "--network", f"{composition.project}_back", "debian:bookworm-slim",
                          "sleep", "600").decode().strip()
        self.addCleanup(docker, "rm", "--force", squatter)
        composition.up(smtpd=3, pop3d=2)

        def delivered():
            with contextlib.suppress(Exception), smtp() as session:
                session.deliver(SENDER, address, message("after"))
                return True
        wait_until(delivered, timeout=30, interval=0.5, what="delivery after the restart")
        with contextlib.closing(wait_until(lambda: pop3_or_none(address), timeout=15, interval=0.2, what="the maildrop")) \
                as session:
            got = [strip_trace(session.retr(number)).content for number in (1, session.stat()[0])]
        self.assertEqual([message("before"), message("after")], got)


class ApiTest(ComposeCase):
    def test_a_service_of_another_project_takes_mail_in(self):
        address, asker = self.new_account(), "asker@example.test"
        composition.add_account(asker, PASSWORD)
        with tempfile.TemporaryDirectory() as folder:
            # As examples/support-desk/compose.yml says.
            key = pathlib.Path(folder) / "desk.key"
            key.write_bytes(composition.mailctl(
                "key", "create", "support-desk", "--mailbox", address, "--scope", "mail.watch", "--scope", "mail.read",
                "--scope", "mail.submit", "--scope", "mail.delete", "--out", "-"))
            self.addCleanup(composition.mailctl, "key", "revoke", "support-desk")
            project = f"{composition.project}-desk"

            def compose(*words, timeout=600):
                environment = {**os.environ, "DESK_KEY_FILE": str(key), "DESK_ACCOUNT": address,
                               "MAILSTEAD_API_NETWORK": f"{composition.project}_api"}
                done = subprocess.run(["docker", "compose", "--project-name", project, "--progress", "quiet", "-f",
                                       REPOSITORY / "examples" / "support-desk" / "compose.yml", *words],
                                      env=environment, capture_output=True, timeout=timeout, check=False)
                self.assertEqual(0, done.returncode, done.stderr.decode()[-3000:])
                return done.stdout.decode()
            compose("build")
            self.addCleanup(compose, "down", "--volumes", "--timeout", "1")
            compose("up", "--detach", "--no-build")
            with smtp() as session:
                session.deliver(asker, address, message("a question"))
            tickets = wait_until(lambda: compose("exec", "-T", "desk", "ls", "/tickets").split(), timeout=60, interval=0.5,
                                 what="a ticket")
            self.assertIn("a question", compose("exec", "-T", "desk", "cat", f"/tickets/{tickets[0]}/ticket.json"))
            wait_until(lambda: json.loads(composition.mailctl("message", "list", asker, "--json"))["messages"], timeout=60,
                       interval=0.5, what="an answer")

    def test_a_mail_trap_for_the_tests_of_another_project(self):
        """As examples/mail-trap says, with the images that are tested here; again, while it is there."""
        port = free_port()
        environment = {**os.environ, "COMPOSE_PROJECT_NAME": f"{composition.project}-trap", "TRAP_PORT": str(port), "NO_PROXY": "*"}
        trap = REPOSITORY / "examples" / "mail-trap"
        self.addCleanup(subprocess.run, ["docker", "compose", "--file", trap / "compose.yml", "down", "--volumes", "--timeout", "1",
                                         "--rmi", "local"], env=environment, capture_output=True, timeout=120, check=True)
        for _ in range(2):
            done = subprocess.run([trap / "test"], env=environment, capture_output=True, timeout=300, check=False)
            self.assertEqual(0, done.returncode, done.stderr.decode()[-3000:])
            self.assertRegex(done.stdout.decode(), r"(?m)^ok: anna-\d+@example\.test got https://shop\.example/confirm\?token=[0-9a-f]{16}$")

    def test_over_http_through_the_edge(self):
        address = self.new_account()
        key = composition.mailctl("key", "create", "web", "--mailbox", address, "--scope", "mail.read", "--out", "-").decode().strip()
        self.addCleanup(composition.mailctl, "key", "revoke", "web")
        request = urllib.request.Request(
            f"http://127.0.0.1:{composition.ports['HTTP']}/mailstead.store.v1.MessageService/ListMessages",
            json.dumps({"account": address}).encode(), {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        with smtp() as session:
            session.deliver("a@elsewhere.test", address, message("by http"))

        def subjects():
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as response:
                return [item["summary"]["subject"] for item in json.load(response).get("messages", [])]
        wait_until(lambda: subjects() == ["by http"], timeout=30, interval=0.5, what="the mail over HTTP")

    def test_only_the_store_and_the_edge_are_on_the_network_of_the_api(self):
        network = f"{composition.project}_api"
        for service in ("stored", "smtpd", "pop3d", "webd", "relay", "resolver", "edge"):
            for container in composition.replicas(service):
                networks = composition.inspect(container)["NetworkSettings"]["Networks"]
                self.assertEqual(service in ("stored", "edge"), network in networks, service)


class OwnCertificateTest(ComposeCase):
    def test_certificate_from_a_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            authority = certs.Authority(pathlib.Path(folder) / "authority")
            cert, key = authority.issue("mail.example.test", names=(HOST,))
            own = pathlib.Path(folder) / "own"
            own.mkdir()
            cert.rename(own / "tls.crt")
            key.rename(own / "tls.key")
            for path in (pathlib.Path(folder), own, *own.iterdir()):
                os.chown(path, 10001, 10001)
            composition.settings["MAILSTEAD_TLS_DIR"] = str(own)
            self.addCleanup(restore)
            self.addCleanup(composition.settings.pop, "MAILSTEAD_TLS_DIR")
            restore()
            for port, tls, client in (("SUBMISSIONS", "implicit", Smtp), ("SUBMISSION", "starttls", Smtp),
                                      ("POP3S", "implicit", Pop3), ("POP3", "stls", Pop3)):
                with client(composition.ports[port], tls=tls, context=authority.client_context(), server_name=HOST):
                    pass


if __name__ == "__main__":
    unittest.main()
