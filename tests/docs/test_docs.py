"""The documents against the programs: flags, metrics, commands, and the files they point to.

UPDATE_DOCS=1 writes docs/flags.md anew from --help; the others are written by hand.
"""

import os
import re
import tempfile
import unittest

from mailstead import admin
from mailstead.paths import REPOSITORY, program
from mailstead.process import Process, run_tool

DOCS = REPOSITORY / "docs"
SERVERS = ("smtpd", "pop3d", "webd", "stored")
BY_HAND = ("architecture", "http", "mailctl", "metrics", "operations", "protocol-support", "sending", "store-api", "store-api-errors")

FLAGS_HEAD = """# Flags

Every flag of the four servers, with its default. Each can be given

- on the command line: `--max_connections=500`,
- in a file named by `--flagfile=PATH`, one `--name=value` a line,
- as an environment variable: the program's name and the flag's, in capitals, `SMTPD_MAX_CONNECTIONS=500`.

The command line wins over the file, the file over the environment. An unknown flag, or a value that is not possible,
ends the program with status 2 and one line that names the flag and what is allowed. Times are written `30s`, `5m`,
`1h30m`; sizes are in bytes. What to choose is in [operations.md](operations.md); mailctl is in
[mailctl.md](mailctl.md).

This file is made from `--help`: `UPDATE_DOCS=1 ctest --test-dir build -R docs` writes it anew.
"""


def flags_of(name):
    """[(flag, default, meaning)] from --help."""
    text = run_tool([program(name), "--help"]).stdout.decode()
    found = re.findall(r"^  --(\w+)=(.*)\n      (.+)\n      [A-Z0-9_]+\n", text, re.MULTILINE)
    assert len(found) > 10, text
    return found


def flags_document():
    text = FLAGS_HEAD
    for name in SERVERS:
        text += f"\n## {name}\n\n| flag | default | meaning |\n|---|---|---|\n"
        for flag, default, meaning in flags_of(name):
            shown = f"`{default}`" if default else ""
            text += f"| `--{flag}` | {shown} | {meaning.replace('|', chr(92) + '|')} |\n"
    return text


class FlagsTest(unittest.TestCase):

    def test_every_flag_as_the_program_explains_it(self):
        path = DOCS / "flags.md"
        expected = flags_document()
        if os.environ.get("UPDATE_DOCS"):
            path.write_text(expected, encoding="utf-8")
        self.maxDiff = None
        self.assertEqual(expected, path.read_text(encoding="utf-8"))

    def test_flags_that_other_documents_mention_exist(self):
        known = {flag for name in SERVERS for flag, _, _ in flags_of(name)}
        known |= set(re.findall(r"--(\w+)", "".join(mailctl_help())))
        known |= {"flagfile", "help", "version"}
        # Of other programs.
        known |= {"scale", "cacert", "call", "http2", "insecure", "protocol", "reflect"}
        for path in [REPOSITORY / "README.md", *(DOCS / f"{name}.md" for name in BY_HAND)]:
            for flag in re.findall(r"`--(\w[\w-]*)", path.read_text(encoding="utf-8")):
                self.assertIn(flag.replace("-", "_"), known, f"{path.name} mentions --{flag}")


class MetricsTest(unittest.TestCase):

    def documented(self):
        """{name: type} of the tables in docs/metrics.md."""
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", (DOCS / "metrics.md").read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual(len(rows), len(dict(rows)), "a metric is there twice")
        return dict(rows)

    def in_sources(self):
        names = set()
        for path in ("smtpd/inbound/metrics.cc", "smtpd/outbound/relay_journal.cc", "pop3d/metrics.cc", "webd/metrics.cc", "stored/api/metrics.cc",
                     "common/obs/process_metrics.cc", "common/obs/certificate_metric.cc"):
            names |= set(re.findall(r'"((?:mailstead|smtpd|pop3d|stored|process)_[a-z0-9_]+)"',
                                    (REPOSITORY / path).read_text(encoding="utf-8")))
        return names

    def test_documented_are_those_of_the_sources(self):
        self.assertEqual(self.in_sources(), set(self.documented()))

    def test_documented_are_those_of_the_programs(self):
        documented = self.documented()
        seen = {}
        with tempfile.TemporaryDirectory(prefix="mailstead-docs-") as folder:
            flags = {
                "smtpd": ["--mx_listen=127.0.0.1:0", "--submission_listen=", "--submissions_listen="],
                "pop3d": ["--pop3_listen=127.0.0.1:0", "--pop3s_listen="],
                "webd": ["--listen=127.0.0.1:0"],
                "stored": ["--listen=127.0.0.1:0", f"--data_dir={folder}/store",
                           f"--operator_token_file={folder}/operator.token"],
            }
            for name in SERVERS:
                process = Process(name, [program(name), "--admin_listen=127.0.0.1:0", *flags[name]])
                try:
                    process.wait_for_event("started")
                    port = int(process.wait_for_event("listening", listener="admin")["port"])
                    status, text = admin.get(port, "/metrics")
                finally:
                    process.terminate()
                self.assertEqual(200, status, text)
                seen.update(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
        for metric, kind in seen.items():
            self.assertEqual(documented.get(metric), kind, metric)


class EventsTest(unittest.TestCase):
    """The table of log events in operations.md."""

    # The first argument of a function that logs, or what a function named EventOf gives.
    LOGGED = re.compile(r'\b(?:FormatLogLine|Log\w*)\(\s*(?:[^"{};]*?,\s*)?"([a-z][a-z0-9_]*)"')
    CHOSEN = re.compile(r"\bEventOf\([^;{]*\) \{\n(.*?)\n\}", re.DOTALL)

    def in_sources(self):
        """{event: programs}; a library's events are of all."""
        events = {}
        for folder in ("common", *SERVERS):
            programs = {folder} if folder in SERVERS else set(SERVERS)
            for path in sorted((REPOSITORY / folder).rglob("*.cc")):
                text = path.read_text(encoding="utf-8")
                names = self.LOGGED.findall(text)
                for body in self.CHOSEN.findall(text):
                    names += re.findall(r'"([a-z][a-z0-9_]*)"', body)
                for name in names:
                    events.setdefault(name, set()).update(programs)
        return events

    def documented(self):
        """{event: what stands under "program"}."""
        text = (DOCS / "operations.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| (`[a-z].*?) \| (.*?) \| .* \|$", text.split("\n## Logs\n", 1)[1].split("\n## ", 1)[0],
                          re.MULTILINE)
        events = {}
        for names, programs in rows:
            for name in re.findall(r"`([a-z0-9_]+)`", names):
                events.setdefault(name, set()).update(SERVERS if programs == "all" else programs.split(", "))
        return events

    def test_every_event_has_its_row(self):
        sources, documented = self.in_sources(), self.documented()
        self.assertGreater(len(sources), 40)
        self.assertEqual([], sorted(set(sources) - set(documented)), "logged, and not in the table")
        self.assertEqual([], sorted(set(documented) - set(sources)), "in the table, and never logged")

    def test_every_row_names_the_programs(self):
        sources = self.in_sources()
        for event, programs in self.documented().items():
            with self.subTest(event):
                self.assertLessEqual(programs, sources.get(event, set()))


def mailctl_help():
    """The help text of every command."""
    general = run_tool([program("mailctl"), "help"]).stdout.decode()
    nouns = re.findall(r"^  (\w+)  +\S", general.split("Commands:\n", 1)[1].split("\n\n", 1)[0], re.MULTILINE)
    assert len(nouns) > 10, general
    texts = [general]
    for noun in nouns:
        text = run_tool([program("mailctl"), "help", noun]).stdout.decode()
        if "Usage: " in text:
            texts.append(text)
            continue
        for verb in re.findall(rf"^  mailctl {noun} (\w+)", text, re.MULTILINE):
            texts.append(run_tool([program("mailctl"), "help", noun, verb]).stdout.decode())
    return texts


class ReasonsTest(unittest.TestCase):
    """That each row happens is tried by tests/integration/test_api_errors.py."""

    def test_every_reason_has_its_row(self):
        source = (REPOSITORY / "common/base/reason.h").read_text(encoding="utf-8")
        reasons = re.findall(r'^inline constexpr absl::string_view kReason\w+ =\s+"(\w+)";', source, re.MULTILINE)
        self.assertGreater(len(reasons), 50)
        text = (DOCS / "store-api-errors.md").read_text(encoding="utf-8")
        section = text.partition("\n## Reasons\n")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| ([A-Z_]+) \|", section, re.MULTILINE)
        self.assertEqual(sorted(reasons), sorted(rows))


class MailctlTest(unittest.TestCase):

    def test_every_command_and_option(self):
        document = (DOCS / "mailctl.md").read_text(encoding="utf-8")
        for text in mailctl_help():
            # The synopsis without "[options]", which the document spells out.
            for synopsis in re.findall(r"^Usage: (mailctl (?!COMMAND).+?)(?: \[options\])?$", text, re.MULTILINE):
                self.assertIn(synopsis, document)
            for option in re.findall(r"^  (?:-\w, )?--(\w+)", text, re.MULTILINE):
                self.assertIn(f"--{option}", document)


class PathsTest(unittest.TestCase):

    def test_files_and_links_exist(self):
        for path in [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *DOCS.glob("*.md")]:
            text = path.read_text(encoding="utf-8")
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
                self.assertTrue((path.parent / link).exists(), f"{path.name} links to {link}")
            if path.stem not in ("README", "CONTRIBUTING", *BY_HAND):
                continue
            for named in re.findall(r"`((?:common|smtpd|pop3d|webd|stored|mailctl|proto|tests|scripts|deploy|docs|cmake|bench)/"
                                    r"[\w./-]+)`", text):
                self.assertTrue((REPOSITORY / named).exists(), f"{path.name} names {named}")


if __name__ == "__main__":
    unittest.main()
