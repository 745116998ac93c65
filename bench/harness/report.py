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
    """`ours`, `before` (another build of ours) and `theirs`: {row: figures}; `references`: {SINK, SINK_NEW or FDATASYNC:
    figures}."""

    def __init__(self):
        self.ours, self.before, self.theirs, self.references = {}, {}, {}, {}
        self._details = {}

    def add_details(self, figures, name, details):
        """Of one run of a row; `figures` is one of the above."""
        for text, value in details.items():
            self._details.setdefault((id(figures), name, text), []).append(value)

    def details(self, figures, name):
        """{text: figures}"""
        return {text: values for (of, row, text), values in self._details.items() if (of, row) == (id(figures), name)}

    def ratio(self, name, theirs=None):
        """How many times better than the peer, or than `theirs`; None without both figures."""
        theirs = self.theirs if theirs is None else theirs
        if not self.ours.get(name) or not theirs.get(name):
            return None
        ours, theirs = statistics.median(self.ours[name]), statistics.median(theirs[name])
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
    """Without the columns of what was not measured."""
    columns = {"what": lambda name: ROWS[name].text}
    if results.before:
        columns["before"] = lambda name: cell(results.before.get(name), ROWS[name].unit)
    columns["Mailstead"] = lambda name: cell(results.ours.get(name), ROWS[name].unit)
    if results.before:
        columns["times better than before"] = lambda name: ratio_cell(results.ratio(name, results.before))
    if results.theirs:
        columns["Postfix + Dovecot"] = lambda name: (cell(results.theirs.get(name), ROWS[name].unit)
                                                     if ROWS[name].has_peer else "")
        columns["times better"] = lambda name: ratio_cell(results.ratio(name))
    columns["reach at least"] = lambda name: target_text(ROWS[name])
    columns["reached"] = results.reached
    return "\n".join([line(columns), line(["---"] * len(columns)),
                      *(line(column(name) for column in columns.values()) for name in names)])


def line(cells):
    return "| " + " | ".join(cells) + " |"


def ratio_cell(ratio):
    return "" if ratio is None else number(ratio)


def details(results, names):
    """What the rows counted beside their figures; empty when they counted nothing."""
    columns = {"before": results.before, "Mailstead": results.ours, "Postfix + Dovecot": results.theirs}
    columns = {title: figures for title, figures in columns.items() if figures}
    lines = []
    for name in names:
        found = {title: results.details(figures, name) for title, figures in columns.items()}
        for text in {text: None for of in found.values() for text in of}:
            lines.append(line([f"`{name}`", text,
                               *(cell(of[text]) if text in of else "" for of in found.values())]))
    head = ["row", "beside its figure", *columns]
    return "\n".join([line(head), line(["---"] * len(head)), *lines]) if lines else ""


REFERENCES = {
    SINK: ("smtp-sink, which stores nothing, 32 sessions with reuse", "msg/s"),
    SINK_NEW: ("smtp-sink, a connection for each message, 100 at once", "msg/s"),
    FDATASYNC: ("One fdatasync after 4 KB", "us"),
}


def references(results):
    return "\n".join(f"- {REFERENCES[of][0]}: {cell(values, REFERENCES[of][1])}"
                     for of, values in results.references.items())


def output_of(*argv, folder=REPO):
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=folder).stdout.strip()


def commit_of(folder):
    return output_of("git", "describe", "--always", "--dirty", folder=folder)


def circumstances(command_line, arguments):
    """Machine, versions, date, command."""
    runs, scale = arguments.runs, arguments.scale
    autogroup = pathlib.Path("/proc/sys/kernel/sched_autogroup_enabled")
    sessions = autogroup.exists() and autogroup.read_text().strip() == "1"
    cpu = next(line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    memory = int(open("/proc/meminfo").readline().split()[1]) / 2**20
    packages = ("postfix", "dovecot-core", "librocksdb-dev", "libgrpc++-dev", "libssl-dev", "g++")
    versions = output_of("dpkg-query", "-W", "-f=${Package} ${Version}, ", *packages).rstrip(", ")
    return "\n".join([
        f"- Machine: {output_of('nproc')} cores of {cpu}, {memory:.0f} GiB, Linux {platform.release()}",
        f"- Each program and each load in a session of its own; the kernel shares the CPU between "
        f"{'sessions, then threads' if sessions else 'threads'}",
        f"- Mailstead {commit_of(REPO)}" + (f", before: {commit_of(arguments.before)}" if arguments.before else "")
        + f"; {versions}",
        f"- {datetime.date.today()}, `{shlex.join(['bench/run', *command_line])}`: median of {runs} "
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
