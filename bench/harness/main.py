"""Runs the rows on Mailstead, on another build of it where one is given, and on Postfix with Dovecot in turn, and prints
the medians."""

import argparse
import pathlib
import resource
import sys

from . import chart, report
from .loads import SmtpSink, smtp_source
from .mailstead import Mailstead
from .peer import PostfixDovecot
from .rows import FDATASYNC, QUICK, ROWS, SINK, SINK_NEW, fdatasync_us, mailbox_names


def measure(make, name, scale):
    """The row's figure on a fresh server, and the details."""
    server = make()
    try:
        server.add_mailboxes(mailbox_names())
        return ROWS[name].function(server, scale), server.details
    finally:
        server.close()


def sink_rate(reuse, scale):
    sink = SmtpSink()
    try:
        count = int(30_000 * scale)
        return count / smtp_source(sink.port, 32 if reuse else 100, count, reuse=reuse)
    finally:
        sink.close()


REFERENCES = {
    SINK: lambda scale: sink_rate(True, scale),
    SINK_NEW: lambda scale: sink_rate(False, scale),
    FDATASYNC: lambda scale: fdatasync_us(),
}


class Bench:
    """Measures each row on all servers by turns, so that what disturbs the machine disturbs all alike."""

    def __init__(self, arguments):
        self.scale = arguments.scale
        self.peer = not arguments.without_peer
        # Folder of the programs of the build to compare with; may be None.
        self.before = arguments.before
        self.results = report.Results()
        self.errors = []

    def run(self, number, names):
        for name in names:
            ours = [(name, self.results.ours, Mailstead)]
            if self.before:
                ours.append((f"{name} before", self.results.before, lambda: Mailstead(self.before)))
            # Who goes first has the warmer or the colder machine: by turns.
            for what, figures, make in ours if number % 2 else reversed(ours):
                self._keep_row(number, what, figures, name, make)
            for of in {target.of: None for target in ROWS[name].targets if target.of in REFERENCES}:
                self._keep(number, of, self.results.references, of, lambda: REFERENCES[of](self.scale))
            if ROWS[name].has_peer and self.peer:
                self._keep_row(number, f"{name} of the peer", self.results.theirs, name, PostfixDovecot)

    def _keep_row(self, number, what, figures, name, make):
        def figure():
            number, details = measure(make, name, self.scale)
            self.results.add_details(figures, name, details)
            return number

        self._keep(number, what, figures, name, figure)

    def _keep(self, number, what, figures, key, function):
        """A row that fails is reported and does not end the others."""
        figures.setdefault(key, [])
        try:
            figures[key].append(function())
            print(f"run {number}: {what}: {report.number(figures[key][-1])}", file=sys.stderr, flush=True)
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(f"run {number}: {what}: failed: {type(error).__name__}: {error}")
            print(self.errors[-1], file=sys.stderr, flush=True)


def text_of(results, arguments):
    circumstances = report.circumstances(sys.argv[1:], arguments)
    parts = [circumstances, report.table(results, arguments.names), report.references(results),
             report.details(results, arguments.names)]
    return "\n\n".join(part for part in parts if part)


def write_output(path, text, results, names):
    """The text between the markers of the file, and the chart beside it."""
    path = pathlib.Path(path)
    picture = path.with_suffix(".svg")
    picture.write_text(chart.svg(results, names))
    report.write_between_markers(path, f"{text}\n\n![Ratio to the peer, row by row]({picture.name})")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rows, shorter, two runs: two minutes")
    parser.add_argument("--runs", type=int, help="5, with --quick 2")
    parser.add_argument("--scale", type=float, help="share of the full length of each row: 1, with --quick 0.5")
    parser.add_argument("--rows", help="comma separated: " + ", ".join(ROWS))
    parser.add_argument("--before", metavar="DIR", type=pathlib.Path,
                        help="measure this build too: a folder with build/bin, such as a worktree of another commit")
    parser.add_argument("--without_peer", action="store_true", help="leave out Postfix and Dovecot")
    parser.add_argument("--output", metavar="FILE", help="write table and chart into this Markdown file, too")
    arguments = parser.parse_args()
    if arguments.before:
        arguments.before = (arguments.before / "build/bin").resolve()
        if not (arguments.before / "stored").exists():
            parser.error(f"{arguments.before} has no programs: build them there first")
    arguments.runs = arguments.runs or (2 if arguments.quick else 5)
    arguments.scale = arguments.scale or (0.5 if arguments.quick else 1)
    arguments.names = arguments.rows.split(",") if arguments.rows else list(QUICK if arguments.quick else ROWS)
    unknown = [name for name in arguments.names if name not in ROWS]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    return arguments


def main():
    arguments = parse_arguments()
    # Idle sessions need a descriptor each, in the servers and in the load.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    bench = Bench(arguments)
    for number in range(1, arguments.runs + 1):
        bench.run(number, arguments.names)
    text = text_of(bench.results, arguments)
    print(text)
    if arguments.output:
        write_output(arguments.output, text, bench.results, arguments.names)
    for error in bench.errors:
        print(error, file=sys.stderr)
    return 1 if bench.errors else 0


if __name__ == "__main__":
    sys.exit(main())
