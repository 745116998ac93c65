"""examples/support-desk in each of its languages, against the real store: what its README promises, under kill -9 too."""

import contextlib
import email
import email.message
import email.policy
import json
import os
import pathlib
import random
import shutil
import tempfile
import unittest

from mailstead.paths import REPOSITORY, tool
from mailstead.process import Process, run_tool, wait_until
from mailstead.registries import GO_ENVIRONMENT, go_download, maven_package, npm_install
from mailstead.stack import StackCase, Webd
from mailstead.store_client import StoreClient

HERE = pathlib.Path(__file__).resolve().parent
DESK = REPOSITORY / "examples" / "support-desk"
KEPT = pathlib.Path(os.environ.get("MAILSTEAD_TEST_EXAMPLES_DIR")
                    or pathlib.Path(tempfile.gettempdir()) / "mailstead-test-examples")
SUPPORT, CUSTOMER = "support@example.test", "customer@example.test"
SCOPES = ("mail.watch", "mail.read", "mail.submit", "mail.delete")
FILE = bytes(range(256)) * 1000


def mail(number, sender=CUSTOMER, **fields):
    """One with a text, a file with a name that means ill, and characters that need encoding."""
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"] = f"Jörg <{sender}>", SUPPORT
    message["Subject"] = f"Frage № {number}: es geht nicht, und zwar schon seit längerer Zeit an mehreren Geräten"
    message["Message-ID"] = f"<{number}@customers.example>"
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content(f"Größe {number}\n")
    message.add_attachment(FILE, maintype="application", subtype="octet-stream", filename="../../etc/paßwd")
    return message.as_bytes()


def run_well(argv, **options):
    done = run_tool(argv, timeout=500, **options)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()[-4000:]


def laid_out(language):
    """A copy of the desk beside one of proto/, as they lie in the repository: what is made stays out of that."""
    root = KEPT / language
    for path in (pathlib.Path("proto"), DESK.relative_to(REPOSITORY) / language):
        shutil.copytree(REPOSITORY / path, root / path, dirs_exist_ok=True)
    return root / DESK.relative_to(REPOSITORY) / language


class DeskCase:
    """Of each language: what it is started by, and how it is made ready."""

    @classmethod
    def setUpClass(cls):
        cls.argv, cls.environment = cls.make()

    def setUp(self):
        self.desks = []

    def start(self, **flags):
        stack = self.new_stack()
        stack.add_stored(**flags)
        stack.add_smtpd()
        stack.add_accounts("support", "customer")
        self.key, self.tickets = stack.folder / "desk.key", stack.folder / "tickets"
        self.make_key(stack.ctl.run)
        return stack

    def make_key(self, mailctl, *options):
        """As the README says."""
        mailctl("key", "create", "support-desk", "--mailbox", SUPPORT, "--out", self.key,
                *(word for scope in SCOPES for word in ("--scope", scope)), *options)

    def store(self, stack, host="127.0.0.1"):
        """What the desk is told of where the store is."""
        return f"{host}:{stack.stored.ports['store']}"

    def desk(self, stack, **settings):
        # The modules of the tests have the same name as those of the API.
        environment = {"PYTHONPATH": "", **self.environment, "DESK_STORE": self.store(stack), "DESK_KEY_FILE": str(self.key),
                       "DESK_ACCOUNT": SUPPORT, "DESK_FOLDER": str(self.tickets), **settings}
        desk = Process(f"desk-{len(self.desks)}", self.argv, environment)
        self.desks.append(desk)
        self.addCleanup(lambda: desk.running() and desk.kill())
        return desk

    def made(self):
        """The tickets that are there whole."""
        return [path for path in self.tickets.glob("*") if path.suffix == ""] if self.tickets.exists() else []

    def wait_for_tickets(self, count):
        wait_until(lambda: len(self.made()) >= count or not any(desk.running() for desk in self.desks), timeout=90,
                   what=f"{count} tickets; there are {len(self.made())}")
        self.assertTrue(any(desk.running() for desk in self.desks), self.desks[-1].tail())

    def wait_until_empty(self, stack):
        wait_until(lambda: not stack.ctl.json("message", "list", SUPPORT)["messages"], timeout=60, what="an empty mailbox")

    def answers(self, stack):
        """Those that the customer has got, parsed."""
        listed = stack.ctl.json("message", "list", CUSTOMER)["messages"]
        texts = [stack.ctl.run("message", "fetch", CUSTOMER, message["message_id"]) for message in listed]
        return [email.message_from_bytes(text, policy=email.policy.default) for text in texts]

    def test_a_ticket_and_an_answer_for_each_message(self):
        stack = self.start()
        stack.send([SUPPORT], mail(1), sender=CUSTOMER)  # Before there is a desk.
        self.desk(stack)
        self.wait_for_tickets(1)
        stack.send([SUPPORT], mail(2), sender=CUSTOMER)
        self.wait_for_tickets(2)
        self.wait_until_empty(stack)
        texts = []
        for path in self.made():
            ticket = json.loads((path / "ticket.json").read_text(encoding="utf-8"))
            self.assertEqual([CUSTOMER], ticket["from"])
            self.assertRegex(ticket["subject"], "^Frage № [12]: es geht nicht")
            self.assertEqual([{"file": "attachment-1", "sent_as": "../../etc/paßwd", "type": "application/octet-stream"}],
                             ticket["attachments"])
            self.assertEqual(FILE, (path / "attachment-1").read_bytes())
            self.assertEqual({"ticket.json", "attachment-1"}, {item.name for item in path.iterdir()})
            texts.append(ticket["text"].strip())
        self.assertEqual({"Größe 1", "Größe 2"}, set(texts))
        answers = self.answers(stack)
        self.assertEqual({"<1@customers.example>", "<2@customers.example>"}, {answer["In-Reply-To"] for answer in answers})
        names = {path.name[:8] for path in self.made()}
        for answer in answers:
            self.assertEqual("auto-replied", answer["Auto-Submitted"])
            self.assertEqual(SUPPORT, answer["From"])
            self.assertRegex(answer["Subject"], r"^\[(%s)\] Frage № [12]: es geht nicht, und zwar .* Geräten$" % "|".join(names))
            self.assertTrue(answer["Message-ID"] and answer["Date"])

    def test_what_programs_send_is_not_answered(self):
        """Nor whom no answer reaches; and neither keeps the next one from theirs."""
        stack = self.start()
        stack.ctl.run("account", "add", "small@example.test", "--no_password", "--quota_bytes=1")
        stack.send([SUPPORT], mail(1), sender="")
        stack.send([SUPPORT], mail(2, Auto_Submitted="auto-generated"), sender=CUSTOMER)
        stack.send([SUPPORT], mail(3, List_Id="<list.example.test>"), sender=CUSTOMER)
        stack.send([SUPPORT], mail(4, Precedence="bulk"), sender=CUSTOMER)
        stack.send([SUPPORT], mail(5, sender="nobody@example.test"), sender="nobody@example.test")  # Cannot be answered.
        stack.send([SUPPORT], mail(6, sender="small@example.test"), sender="small@example.test")
        stack.send([SUPPORT], mail(7), sender=CUSTOMER)
        desk = self.desk(stack)
        self.wait_for_tickets(7)
        self.wait_until_empty(stack)
        self.assertIn("QUOTA_TOO_SMALL", desk.text())
        self.assertEqual(["<7@customers.example>"], [answer["In-Reply-To"] for answer in self.answers(stack)])

    def test_a_desk_whose_key_does_not_count_any_more_ends(self):
        stack = self.start()
        desk = self.desk(stack)
        stack.send([SUPPORT], mail(1), sender=CUSTOMER)
        self.wait_until_empty(stack)
        stack.ctl.run("key", "revoke", "support-desk")
        wait_until(lambda: not desk.running(), what=f"its end: {desk.tail()}")
        self.assertEqual(1, desk.wait())
        self.assertIn("KEY_REVOKED", desk.text())

    def test_a_key_with_few_calls(self):
        """The desk waits as long as it is told to."""
        stack = self.start()
        stack.ctl.run("key", "revoke", "support-desk")
        self.key.unlink()
        self.make_key(stack.ctl.run, "--rate", "4", "--burst", "2")
        for number in range(3):
            stack.send([SUPPORT], mail(number), sender=CUSTOMER)
        self.desk(stack)
        self.wait_for_tickets(3)
        self.wait_until_empty(stack)
        self.assertEqual(3, len(self.answers(stack)))
        self.assertEqual([FILE] * 3, [(path / "attachment-1").read_bytes() for path in self.made()])

    def test_over_tls(self):
        stack = self.new_stack()
        certificate, certificate_key = stack.authority.issue("localhost")
        stack.add_stored(tls_cert=certificate, tls_key=certificate_key)
        address = f"localhost:{stack.stored.ports['store']}"

        def mailctl(*words, input=None):
            stack.ctl.run(*words, "--store", address, "--tls_ca", stack.authority.cert, input=input)

        self.key, self.tickets = stack.folder / "desk.key", stack.folder / "tickets"
        mailctl("domain", "add", "example.test")
        mailctl("account", "add", SUPPORT, "--no_password")
        self.make_key(mailctl)
        mailctl("deliver", "-", "--from", "somebody@elsewhere.test", "--to", SUPPORT, input=mail(1))
        self.desk(stack, DESK_STORE=self.store(stack, "localhost"), DESK_CA_FILE=str(stack.authority.cert))
        self.wait_for_tickets(1)

    def test_killed_at_any_moment_nothing_is_lost_or_twice(self):
        stack = self.start()
        dice = random.Random(20261129)
        count = 0
        # Two desks, one of them at work, in one folder; either may die, and so may the store.
        desks = [self.desk(stack), self.desk(stack)]
        for i in range(8):
            for _ in range(4):
                count += 1
                stack.send([SUPPORT], mail(count), sender=CUSTOMER)
            wait_until(lambda: len(self.made()) >= count - dice.randrange(4), timeout=90, what="progress")
            victim = dice.randrange(2)
            desks[victim].kill()
            if i % 3 == 2:
                stack.stored.kill()
                stack.stored.restart()
                stack.smtpd.wait_ready()
            desks[victim] = self.desk(stack)
        self.wait_for_tickets(count)
        self.wait_until_empty(stack)
        self.assertEqual(count, len(self.made()))
        self.assertEqual(sorted(self.made()), sorted(self.tickets.iterdir()), "nothing is left of desks that were killed")
        about = [json.loads((path / "ticket.json").read_text(encoding="utf-8")) for path in self.made()]
        self.assertEqual({f"Größe {number}" for number in range(1, count + 1)}, {ticket["text"].strip() for ticket in about})
        for path in self.made():
            self.assertEqual(FILE, (path / "attachment-1").read_bytes())
        answered = sorted(answer["In-Reply-To"] for answer in self.answers(stack))
        self.assertEqual(sorted(f"<{number}@customers.example>" for number in range(1, count + 1)), answered)

    def test_a_desk_that_another_took_over_from_while_it_slept(self):
        """It goes on in the middle of what the other has done meanwhile."""
        stack = self.start()
        with contextlib.closing(StoreClient(stack.stored.address, stack.token("operator"))) as store:
            store.call("WatchService/CreateConsumer", name="support-desk", ack_timeout=dict(seconds=5),
                       filter=dict(accounts=[SUPPORT], kinds=["WATCH_KIND_DELIVERED"]))
        desks = [self.desk(stack), self.desk(stack)]
        count = 0

        def all_are_made():
            # One that has slept may end with an error of what is not there any more, at any time; then somebody starts it again.
            for number, desk in enumerate(desks):
                if not desk.running():
                    desks[number] = self.desk(stack)
            return len(self.made()) >= count

        for asleep in (0, 1):
            for _ in range(6):
                count += 1
                stack.send([SUPPORT], mail(count), sender=CUSTOMER)
            wait_until(lambda: len(self.made()) > count - 6, timeout=90, what="the first of them")
            desks[asleep].stop()
            # By the one or the other: the one that sleeps had its turn, or not.
            wait_until(all_are_made, timeout=90, what=f"{count} tickets")
            self.wait_until_empty(stack)
            desks[asleep].resume()
        count += 1
        stack.send([SUPPORT], mail(count), sender=CUSTOMER)
        wait_until(all_are_made, timeout=90, what=f"{count} tickets")
        self.wait_until_empty(stack)
        about = [json.loads((path / "ticket.json").read_text(encoding="utf-8")) for path in self.made()]
        self.assertEqual(sorted(f"Größe {number}" for number in range(1, count + 1)), sorted(ticket["text"].strip() for ticket in about))
        for path in self.made():
            self.assertEqual(FILE, (path / "attachment-1").read_bytes())
        answered = sorted(answer["In-Reply-To"] for answer in self.answers(stack))
        self.assertEqual(sorted(f"<{number}@customers.example>" for number in range(1, count + 1)), answered)


class PythonTest(DeskCase, StackCase):

    @classmethod
    def make(cls):
        stubs = KEPT / "python-stubs"
        shutil.rmtree(stubs, ignore_errors=True)
        run_well([DESK / "python" / "stubs", stubs])
        return ["/usr/bin/python3", str(DESK / "python" / "desk.py")], {"DESK_STUBS": str(stubs)}


class NodeTest(DeskCase, StackCase):

    @classmethod
    def make(cls):
        # Beside its modules, as npm has them; the program is the one of examples/.
        folder = KEPT / "node"
        npm_install(DESK / "node", folder)
        shutil.copy(DESK / "node" / "desk.js", folder / "desk.js")
        return [tool("node"), str(folder / "desk.js")], {"DESK_PROTO": str(REPOSITORY / "proto")}


class GoTest(DeskCase, StackCase):

    @classmethod
    def make(cls):
        folder = laid_out("go")
        go_download(folder)
        buf = KEPT / "buf"
        npm_install(REPOSITORY / "tests/proto/buf", buf)
        environment = {**GO_ENVIRONMENT, "PATH": f"{buf / 'node_modules/.bin'}:{os.environ['PATH']}"}
        for argv in (["generate"], ["vet"], ["build", "-o", folder / "desk", "."]):
            run_well([tool("go"), *argv], cwd=folder, environment=environment)
        return [str(folder / "desk")], {}


class JavaTest(DeskCase, StackCase):

    @classmethod
    def make(cls):
        folder = laid_out("java")
        done = maven_package(folder, KEPT / "maven")
        assert done.returncode == 0, (done.stdout + done.stderr).decode()[-4000:]
        return [tool("java"), "-jar", str(folder / "target/support-desk-1.jar")], {}


class CurlTest(DeskCase, StackCase):
    """By way of webd."""

    @classmethod
    def make(cls):
        return [str(DESK / "curl" / "desk")], {"NO_PROXY": "*"}

    def store(self, stack, host=""):
        if not any(isinstance(server, Webd) for server in stack.servers):
            flags = stack.stored.flags
            under_tls = {"tls_cert": flags["tls_cert"], "tls_key": flags["tls_key"], "store": f"localhost:{stack.stored.ports['store']}",
                         "store_tls_ca": stack.authority.cert} if host else {}
            stack.stored.web = stack.add_webd(**under_tls)
        ports = stack.stored.web.ports
        return f"https://{host}:{ports['https']}" if host else f"http://127.0.0.1:{ports['http']}"


class CppTest(DeskCase, StackCase):

    @classmethod
    def make(cls):
        folder = KEPT / "cpp"
        run_well([tool("cmake"), "-S", DESK / "cpp", "-B", folder, "-G", "Ninja", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"])
        run_well([tool("cmake"), "--build", folder])
        return [str(folder / "desk")], {}


if __name__ == "__main__":
    unittest.main()
