"""The rules of docs/architecture.md that a compiler does not see: what is pure stays pure, programs know only what is
below them, and what starts a program is short."""

import re
import unittest

from mailstead.paths import REPOSITORY

PROGRAMS = ("smtpd", "pop3d", "webd", "stored", "mailctl")
# Whose files each part may include, beside its own.
MAY_INCLUDE = {program: {"common", program} for program in PROGRAMS} | {"common": {"common"}}
MAX_MAIN_LINES = 119

# What a pure file may include that is not ours: Abseil, the C++ library, libidn2, which is tables, and inet_pton's header.
STANDARD = re.compile(r"[a-z_0-9]+|idn2\.h|arpa/inet\.h")
# Of these, what reaches the machine: threads, clocks, files, randomness.
IMPURE = {
    "chrono", "condition_variable", "csignal", "filesystem", "fstream", "future", "iostream", "mutex", "random",
    "semaphore", "shared_mutex", "stop_token", "syncstream", "thread",
    "absl/time/clock.h",
}
IMPURE_FOLDERS = ("absl/synchronization/", "absl/flags/", "absl/random/")
# The same, by what is said: Abseil's headers include one another, and a precompiled header is there for every source, so
# that no #include need show it.
IMPURE_CALLS = re.compile(r"absl::(?:Now|SleepFor|Mutex|MutexLock|Notification)\b|_clock::now\b|"
                          r"std::(?:thread|jthread|mutex|async|ifstream|ofstream|fstream|getenv|rand)\b")

INCLUDE = re.compile(r'^#include ["<]([^">]+)[">]', re.MULTILINE)


def sources(*parts):
    for part in parts:
        yield from sorted(path for path in (REPOSITORY / part).rglob("*") if path.suffix in (".cc", ".h"))


def name_of(path):
    return str(path.relative_to(REPOSITORY))


def pure_libraries():
    """{name of the target: [its sources]}."""
    found = {}
    for cmake in sorted(REPOSITORY.rglob("CMakeLists.txt")):
        if any(part.startswith("build") for part in cmake.relative_to(REPOSITORY).parts):
            continue
        text = re.sub(r"#.*", "", cmake.read_text(encoding="utf-8"))
        for name, arguments in re.findall(r"mailstead_pure_library\((\w+)\s+([^)]*)\)", text):
            files = re.findall(r"\S+\.cc\b", arguments)
            assert files, f"{cmake}: {name} has no sources"
            found[name] = [cmake.parent / file for file in files]
    return found


def impurity(start, read=lambda path: path.read_text(encoding="utf-8")):
    """How a file reaches what is not pure, as a list of names from the file on; None when it does not."""
    seen = {start}
    waiting = [(start, [name_of(start)])]
    while waiting:
        path, chain = waiting.pop(0)
        text = read(path)
        called = IMPURE_CALLS.search(text)
        if called:
            return [*chain, called.group()]
        for included in INCLUDE.findall(text):
            ours = REPOSITORY / included
            if ours.exists():
                if ours not in seen:
                    seen.add(ours)
                    waiting.append((ours, [*chain, included]))
            elif included in IMPURE or included.startswith(IMPURE_FOLDERS) or not (
                    included.startswith("absl/") or STANDARD.fullmatch(included)):
                return [*chain, f"<{included}>"]
    return None


class PureTest(unittest.TestCase):

    def test_no_pure_library_reaches_io(self):
        libraries = pure_libraries()
        self.assertGreater(len(libraries), 3, libraries.keys())
        for library, files in libraries.items():
            headers = [header for file in files for header in [file.with_suffix(".h")] if header.exists()]
            for file in sorted({*files, *headers}):
                with self.subTest(library=library, file=name_of(file)):
                    chain = impurity(file)
                    self.assertIsNone(chain, f"{library} is pure, but " + " includes ".join(chain or []))

    def test_the_test_sees_what_it_looks_for(self):
        files = {
            "a.cc": '#include "common/base/status.h"\n#include <thread>\n',
            "b.cc": "#include <sys/socket.h>\n",
            "c.cc": '#include "asio/awaitable.hpp"\n',
            "d.cc": '#include "mailstead/store/v1/store.pb.h"\n',
            "e.cc": '#include "absl/time/clock.h"\n',
            "f.cc": "const absl::Time now = absl::Now();\n",
            "g.cc": '#include "common/net/stream.h"\n',
            "pure.cc": '#include <string>\n#include "absl/strings/str_cat.h"\n#include <idn2.h>\n',
        }

        def read(path):
            return files[path.name] if path.name in files else path.read_text(encoding="utf-8")

        for name in files:
            chain = impurity(REPOSITORY / name, read)
            if name == "pure.cc":
                self.assertIsNone(chain)
            else:
                self.assertEqual(name, chain[0])
        self.assertEqual(["g.cc", "common/net/stream.h", "<asio/awaitable.hpp>"], impurity(REPOSITORY / "g.cc", read))


class LayersTest(unittest.TestCase):

    def test_programs_include_what_is_below_them_only(self):
        for part, allowed in MAY_INCLUDE.items():
            for path in sources(part):
                for included in INCLUDE.findall(path.read_text(encoding="utf-8")):
                    owner = included.split("/", 1)[0]
                    if owner in MAY_INCLUDE:
                        self.assertIn(owner, allowed, f"{name_of(path)} includes {included}")


class MainTest(unittest.TestCase):

    def test_mains_are_short(self):
        for program in PROGRAMS:
            lines = (REPOSITORY / program / "main.cc").read_text(encoding="utf-8").count("\n")
            self.assertLessEqual(lines, MAX_MAIN_LINES, f"{program}/main.cc")


class TwinsTest(unittest.TestCase):

    def test_what_every_front_end_has(self):
        for part in ("main.cc", "flags.cc", "server.cc", "limits.h", "metrics.cc", "journal.cc", "connection.cc",
                     "connection_context.h"):
            for program in ("pop3d", "webd"):
                self.assertTrue((REPOSITORY / program / part).exists(), f"{program} has no {part}")

    def test_the_same_part_has_the_same_name(self):
        for part in ("main.cc", "flags.cc", "server.cc", "limits.h", "protocol/limits.h", "session/action.h",
                     "session/journal.h", "session/replies.cc", "session/session.cc", "session/verbs.cc",
                     "session/store_replies.cc", "session/commands/commands.h", "session/commands/auth.cc"):
            for program in ("smtpd", "pop3d"):
                self.assertTrue((REPOSITORY / program / part).exists(), f"{program} has no {part}")


if __name__ == "__main__":
    unittest.main()
