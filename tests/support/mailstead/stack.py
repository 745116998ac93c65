"""A whole Mailstead on free ports: one stored, any number of smtpd, pop3d and webd."""

import os
import pathlib
import shutil
import sys
import tempfile
import unittest

from . import admin
from .certs import Authority
from .ctl import Mailctl
from .pop3 import Pop3
from .process import PATIENCE, Process, program_argv, wait_until
from .smtp import Smtp

DOMAIN = "example.test"
# Who may call the store, and as what each front-end does.
ROLES = ("smtp", "pop", "relay", "web", "operator")
ROLE_OF = {"smtpd": "smtp", "pop3d": "pop", "webd": "web"}
PASSWORD = "correct horse battery"  # With spaces: PASS takes the rest of the line.


class Server:
    """A program with listeners. `flags` may be changed between stop and start."""

    program = ""

    def __init__(self, name, flags, environment=None):
        self.name = name
        self.flags = dict(flags)
        self.environment = environment
        self.process = None
        self.ended = []
        self.ports = {}

    def start(self, ready=True):
        """Starts it and reads its ports from the log; with `ready`, waits until /readyz says 200."""
        if self.process is not None:
            self.ended.append(self.process)
        self.process = Process(self.name, program_argv(self.program, self.flags), self.environment)
        self.process.wait_for_event("started")
        self.ports = {got["listener"]: int(got["port"]) for got in self.process.events(event="listening")}
        if ready:
            self.wait_ready()
        return self

    def restart(self, ready=True):
        """On the same ports as before, as a supervisor would."""
        self.keep_ports()
        return self.start(ready)

    def keep_ports(self):
        for flag, listener in self.listen_flags.items():
            if listener in self.ports and self.flags.get(flag):
                host = self.flags[flag].rsplit(":", 1)[0]
                self.flags[flag] = f"{host}:{self.ports[listener]}"

    def kill(self):
        self.process.kill()

    def terminate(self):
        return self.process.terminate()

    # --- admin port ---

    def admin(self, path):
        return admin.get(self.ports["admin"], path)

    def ready(self):
        return self.admin("/readyz")[0] == 200

    def wait_ready(self, timeout=PATIENCE):
        def answer():
            if not self.process.running():
                raise AssertionError(f"{self.name} ended\n{self.process.tail()}")
            return self.ready()
        wait_until(answer, timeout, f"{self.name} ready: {self.admin('/readyz')}")

    def wait_not_ready(self, timeout=PATIENCE):
        wait_until(lambda: self.admin("/readyz")[0] == 503, timeout, f"{self.name} not ready")

    def metrics(self):
        status, text = self.admin("/metrics")
        if status != 200:
            raise AssertionError(f"{self.name} /metrics: {status} {text}")
        return admin.parse_metrics(text)

    def all_text(self):
        return "\n".join(process.text() for process in [*self.ended, self.process] if process)


class Stored(Server):
    program = "stored"
    listen_flags = {"listen": "store", "tls_listen": "store_tls", "admin_listen": "admin"}

    @property
    def address(self):
        return f"127.0.0.1:{self.ports['store']}"


class Smtpd(Server):
    program = "smtpd"
    listen_flags = {"mx_listen": "mx", "submission_listen": "submission", "submissions_listen": "submissions",
                    "admin_listen": "admin"}


class Relay(Server):
    """smtpd without listeners, which brings mail to other hosts."""
    program = "smtpd"
    listen_flags = {"admin_listen": "admin"}


class Pop3d(Server):
    program = "pop3d"
    listen_flags = {"pop3_listen": "pop3", "pop3s_listen": "pop3s", "admin_listen": "admin"}


class Webd(Server):
    program = "webd"
    listen_flags = {"listen": "http", "tls_listen": "https", "admin_listen": "admin"}


class Stack:
    """Made in `folder`; `close` ends everything and complains about a program that died by itself."""

    def __init__(self, folder=None, hostname="mx.example.test"):
        # Short, because the path of a Unix socket has a limit.
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="mailstead-"))
        self.hostname = hostname
        self.servers = []
        self.stored = None
        self.ctl = None
        self.secrets = {PASSWORD}
        self.authority = Authority(self.folder / "ca")
        self.tls_cert, self.tls_key = self.authority.issue("mx.example.test")
        self.context = self.authority.client_context()

    # --- making it ---

    def add_stored(self, name="stored", ready=True, **flags):
        data = self.folder / name
        defaults = dict(data_dir=data, listen="127.0.0.1:0", admin_listen="127.0.0.1:0",
                        address_file=self.folder / f"{name}.address",
                        **{f"{role}_token_file": self.token(role) for role in ROLES},
                        # Some tests send thousands of messages.
                        account_hourly_recipients=0, account_daily_recipients=0, pause_new_recipients=0, pause_refusals=0,
                        # As few as allowed: the tests log in thousands of times.
                        scram_iterations=4096, auth_failure_delay="50ms", drain_timeout="2s", log_level="info")
        self.stored = self._add(Stored(name, {**defaults, **flags}), ready)
        self.ctl = Mailctl(self.stored.address, self.token("operator"))
        return self.stored

    def token(self, role):
        """The file with the token of a role."""
        return self.folder / f"{role}.token"

    def frontend_flags(self, program):
        """Of a front-end, all but its listeners."""
        return dict(hostname=self.hostname, store=self.stored.address,
                    store_token_file=self.token(ROLE_OF[program]), admin_listen="127.0.0.1:0",
                    tls_cert=self.tls_cert, tls_key=self.tls_key, drain_timeout="2s", log_level="info")

    def add_smtpd(self, name=None, ready=True, environment=None, **flags):
        name = name or f"smtpd-{sum(isinstance(server, Smtpd) for server in self.servers) + 1}"
        defaults = dict(mx_listen="127.0.0.1:0", submission_listen="127.0.0.1:0",
                        submissions_listen="127.0.0.1:0", **self.frontend_flags("smtpd"))
        return self._add(Smtpd(name, {**defaults, **flags}, environment), ready)

    def add_relay(self, name=None, ready=True, environment=None, **flags):
        name = name or f"relay-{sum(isinstance(server, Relay) for server in self.servers) + 1}"
        defaults = dict(mx_listen="", submission_listen="", submissions_listen="", delivery_workers=10,
                        delivery_timeout="30s", **self.frontend_flags("smtpd"))
        defaults["store_token_file"] = self.token("relay")
        return self._add(Relay(name, {**defaults, **flags}, environment), ready)

    def add_pop3d(self, name=None, ready=True, environment=None, **flags):
        name = name or f"pop3d-{sum(isinstance(server, Pop3d) for server in self.servers) + 1}"
        defaults = dict(pop3_listen="127.0.0.1:0", pop3s_listen="127.0.0.1:0", **self.frontend_flags("pop3d"))
        return self._add(Pop3d(name, {**defaults, **flags}, environment), ready)

    def add_webd(self, name=None, ready=True, environment=None, **flags):
        name = name or f"webd-{sum(isinstance(server, Webd) for server in self.servers) + 1}"
        defaults = dict(listen="127.0.0.1:0", tls_listen="127.0.0.1:0", **self.frontend_flags("webd"))
        return self._add(Webd(name, {**defaults, **flags}, environment), ready)

    def _add(self, server, ready):
        self.servers.append(server)
        return server.start(ready)

    def add_accounts(self, *names, domain=DOMAIN, password=PASSWORD):
        """Accounts name@domain; the domain is made if need be."""
        if domain not in {item["name"] for item in self.ctl.json("domain", "list")["domains"]}:
            self.ctl.add_domain(domain)
        addresses = [f"{name}@{domain}" for name in names]
        if len(addresses) > 3:
            self.ctl.import_accounts((address, password) for address in addresses)
        else:
            for address in addresses:
                self.ctl.add_account(address, password)
        return addresses

    # --- using it ---

    @property
    def smtpd(self):
        return next(server for server in self.servers if isinstance(server, Smtpd))

    @property
    def pop3d(self):
        return next(server for server in self.servers if isinstance(server, Pop3d))

    def mx(self, server=None, **options):
        server = server or self.smtpd
        return Smtp(server.ports["mx"], context=self.context, **options)

    def submission(self, user=None, password=PASSWORD, server=None, tls="starttls", **options):
        server = server or self.smtpd
        port = server.ports["submissions" if tls == "implicit" else "submission"]
        session = Smtp(port, tls=tls, context=self.context, **options)
        if user:
            reply = session.login(user, password)
            if reply.code != 235:
                session.close()
                raise AssertionError(f"AUTH: {reply}")
        return session

    def pop3(self, user=None, password=PASSWORD, server=None, tls="implicit", **options):
        server = server or self.pop3d
        port = server.ports["pop3s" if tls == "implicit" else "pop3"]
        session = Pop3(port, tls=tls, context=self.context, **options)
        if user:
            try:
                session.login(user, password)
            except BaseException:
                session.close()
                raise
        return session

    def send(self, recipients, content, sender="sender@elsewhere.test", **options):
        with self.mx() as session:
            reply = session.deliver(sender, recipients, content, **options)
            session.quit()
            return reply

    def fetch_all(self, user, password=PASSWORD, delete=True, server=None):
        return self.pop3(user, password, server=server).fetch_all(delete)

    # --- ending it ---

    def close(self):
        problems = []
        for server in self.servers:
            process = server.process
            if process is None:
                continue
            if not process.running() and not process.exit_is_expected:
                problems.append(f"{server.name} died with {process.wait()}\n{process.tail()}")
        # Front-ends first, then the store they lean on.
        for server in reversed(self.servers):
            process = server.process
            if process is None or process.exit_is_expected:
                continue
            try:
                status = process.terminate()
                if status != 0:
                    problems.append(f"{server.name} ended with {status} at SIGTERM\n{process.tail()}")
            except AssertionError as error:
                problems.append(str(error))
        problems += self._leaks()
        if not os.environ.get("MAILSTEAD_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
        if problems:
            raise AssertionError("\n".join(problems))

    def _leaks(self):
        """No secret of the tests may be in any log, whatever the test did."""
        for server in self.servers:
            text = server.all_text()
            for secret in self.secrets:
                if secret in text:
                    yield f"{server.name}: a password is in its log"

    def show_logs(self):
        for server in self.servers:
            if server.process is not None:
                print(f"--- {server.name}: {' '.join(server.process.argv)}\n{server.process.tail(80)}",
                      file=sys.stderr)


class StackCase(unittest.TestCase):
    """Shows the logs of its stacks when a test fails. `self.new_stack()` makes one for this test only."""

    def run(self, result=None):
        self._stacks = []
        result = result or self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            shared = getattr(type(self), "stack", None)
            for stack in [*self._stacks, *([shared] if shared else [])]:
                print(f"=== logs for {self.id()}", file=sys.stderr)
                stack.show_logs()
        return result

    def new_stack(self, **options):
        stack = Stack(**options)
        self._stacks.append(stack)
        self.addCleanup(stack.close)
        return stack


class SharedStackCase(StackCase):
    """One stack for all tests of the class, made by `build(stack)`."""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        try:
            cls.build(cls.stack)
        except BaseException:
            cls.stack.show_logs()
            cls.stack.close()
            raise
        cls.addClassCleanup(cls.stack.close)

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_smtpd()
        stack.add_pop3d()
