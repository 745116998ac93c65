"""What was measured, as a table: a line for each row with its targets and whether they are reached."""

import datetime
import pathlib
import platform
import shlex
import statistics
import subprocess

from .loads import REPO
from .rows import FDATASYNC, PEER, ROWS, SINK, SINK_NEW

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def number(value):
    """Four digits or so: 12,345 or 0.93."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def cell(values, unit=""):
    """median unit (least to most)"""
    if not values:
        return "failed"
    median = f"{number(statistics.median(values))} {unit}".rstrip()
    return f"{median} ({number(min(values))} to {number(max(values))})"


class Results:
    """`ours` and `theirs`: {row: figures}; `references`: {SINK, SINK_NEW or FDATASYNC: figures}."""

    def __init__(self):
        self.ours, self.theirs, self.references = {}, {}, {}

    def ratio(self, name):
        """How many times better than the peer; None without both figures."""
        if not self.ours.get(name) or not self.theirs.get(name):
            return None
        ours, theirs = statistics.median(self.ours[name]), statistics.median(self.theirs[name])
        return theirs / ours if ROWS[name].less_is_better else ours / theirs

    def _share(self, name, target):
        """The figure as a multiple of what the target refers to; None when one of both is missing."""
        figures = self.theirs.get(name) if target.of == PEER else self.references.get(target.of)
        if not self.ours.get(name) or (target.of and not figures):
            return None
        return statistics.median(self.ours[name]) / (statistics.median(figures) if target.of else 1)

    def reached(self, name):
        """"yes", "no" with what was reached instead, or "not measured"."""
        missed = []
        for target in ROWS[name].targets:
            share = self._share(name, target)
            if share is None:
                return "not measured"
            if (share > target.factor) if ROWS[name].less_is_better else (share < target.factor):
                missed.append(f"{number(share)} {f'× {target.of}' if target.of else ROWS[name].unit}")
        return "no: " + ", ".join(missed) if missed else "yes"


def target_text(row):
    bound = "at most " if row.less_is_better else ""
    return ", ".join(bound + (f"{target.factor:g} × {target.of}" if target.of else f"{target.factor:g} {row.unit}")
                     for target in row.targets)


def table(results, names):
    lines = ["| what | Mailstead | Postfix + Dovecot | ratio | reach at least | reached |", "|---|---|---|---|---|---|"]
    for name in names:
        row = ROWS[name]
        theirs = cell(results.theirs.get(name), row.unit) if row.has_peer else ""
        ratio = results.ratio(name)
        lines.append(f"| {row.text} | {cell(results.ours.get(name), row.unit)} | {theirs} "
                     f"| {'' if ratio is None else number(ratio)} | {target_text(row)} | {results.reached(name)} |")
    return "\n".join(lines)


REFERENCES = {
    SINK: ("smtp-sink, which stores nothing, 32 sessions with reuse", "msg/s"),
    SINK_NEW: ("smtp-sink, a connection for each message, 100 at once", "msg/s"),
    FDATASYNC: ("One fdatasync after 4 KB", "us"),
}


def references(results):
    return "\n".join(f"- {REFERENCES[of][0]}: {cell(values, REFERENCES[of][1])}"
                     for of, values in results.references.items())


def output_of(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=REPO).stdout.strip()


def circumstances(arguments, runs, scale):
    """Machine, versions, date, command."""
    cpu = next(line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    memory = int(open("/proc/meminfo").readline().split()[1]) / 2**20
    packages = ("postfix", "dovecot-core", "librocksdb-dev", "libgrpc++-dev", "libssl-dev", "g++")
    versions = output_of("dpkg-query", "-W", "-f=${Package} ${Version}, ", *packages).rstrip(", ")
    return "\n".join([
        f"- Machine: {output_of('nproc')} cores of {cpu}, {memory:.0f} GiB, Linux {platform.release()}",
        f"- Mailstead {output_of('git', 'describe', '--always', '--dirty')}; {versions}",
        f"- {datetime.date.today()}, `{shlex.join(['bench/run', *arguments])}`: median of {runs} "
        f"{'run' if runs == 1 else 'runs'} (least to most), a fresh server for each row and run, the servers in turn"
        + ("" if scale == 1 else f"; with {scale:g} times the messages, mailboxes and sessions that the rows name"),
    ])


def write_between_markers(path, text):
    """Puts the text where it stood the last time; the rest of the file stays."""
    path = pathlib.Path(path)
    old = path.read_text() if path.exists() else f"# Performance\n\n{BEGIN}\n{END}\n"
    if BEGIN not in old or END not in old:
        old += f"\n{BEGIN}\n{END}\n"
    before, _, rest = old.partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
