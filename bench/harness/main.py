"""Runs the rows on Mailstead and on Postfix with Dovecot in turn, and prints the medians."""

import argparse
import platform
import statistics
import subprocess
import sys

from .loads import SmtpSink, smtp_source
from .mailstead import Mailstead
from .peer import PostfixDovecot
from .rows import QUICK, ROWS, fdatasync_us, mailbox_names

# Messages of the longest row: as long as the server needs to be measured for some seconds.
Mailstead.bulk = 40_000
PostfixDovecot.bulk = 3_000


def measure(make, names, runs, scale):
    """{row: [figure of each run]}; a fresh server for each run."""
    figures = {name: [] for name in names}
    for run in range(runs):
        server = make()
        try:
            server.add_mailboxes(mailbox_names())
            for name in names:
                figure = ROWS[name][0](server, scale)
                figures[name].append(figure)
                print(f"run {run + 1}: {make.__name__} {name}: {figure:.0f} {ROWS[name][1]}", file=sys.stderr)
        finally:
            server.close()
    return figures


def sink_rate(reuse, scale):
    sink = SmtpSink()
    try:
        count = int(30_000 * scale)
        return count / smtp_source(sink.port, 32 if reuse else 100, count, reuse=reuse)
    finally:
        sink.close()


def cell(values):
    """median (least to most)"""
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def table(ours, theirs, sinks, fdatasync):
    lines = ["| what | Mailstead | Postfix + Dovecot | ratio |", "|---|---|---|---|"]
    for name, values in ours.items():
        function, unit, _, less_is_better = ROWS[name]
        a, b = statistics.median(values), statistics.median(theirs[name])
        ratio = b / a if less_is_better else a / b
        lines.append(f"| {function.__doc__.rstrip('.')} ({unit}) | {cell(values)} | {cell(theirs[name])} | {ratio:.1f} |")
    lines.append("")
    for reuse, values in sinks.items():
        lines.append(f"smtp-sink, {'32 sessions with reuse' if reuse else 'one connection per message'}: "
                     f"{cell(values)} msg/s. ")
    lines.append(f"One fdatasync of 4 KB: {fdatasync:,.0f} us at the median.")
    return "\n".join(lines)


def machine():
    cpu = next(line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    cores = subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout.strip()
    versions = subprocess.run(["dpkg-query", "-W", "-f=${Package} ${Version}, ", "postfix", "dovecot-core",
                               "librocksdb-dev", "libgrpc++-dev"], capture_output=True, text=True, check=False).stdout
    return f"{cores} cores of {cpu}, Linux {platform.release()}; {versions.rstrip(', ')}."


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rows, shorter, two runs")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", help="comma separated: " + ", ".join(ROWS))
    arguments = parser.parse_args()
    names = arguments.rows.split(",") if arguments.rows else list(QUICK if arguments.quick else ROWS)
    runs, scale = (2, 0.5) if arguments.quick else (arguments.runs, 1)

    ours = measure(Mailstead, names, runs, scale)
    theirs = measure(PostfixDovecot, names, runs, scale)
    sinks = {reuse: [sink_rate(reuse, scale) for _ in range(runs)] for reuse in (True, False)}
    print(machine())
    print(table(ours, theirs, sinks, fdatasync_us()))


if __name__ == "__main__":
    main()
