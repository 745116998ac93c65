"""What is measured: a server in a folder of its own, and how its programs are started."""

import contextlib
import pathlib
import subprocess
import tempfile

# A program under test has a session of its own (setsid), as daemons have that start themselves: Linux shares the CPU
# between sessions first (sched_autogroup_enabled), so one that shared the load generator's would get a part of its share.
# The kernel ends it when the harness is killed.
def start_program(argv, **options):
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], start_new_session=True, **options)


class Server:
    """Runs when it has been made. Subclasses have start() and close(), which copes with half a start."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mailstead-bench-"))
        # What a row learns beside its figure: {text: number}.
        self.details = {}
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def count_cost(self, what, count):
        """A context for a part of a row in which `count` times `what` happens: what one costs goes to the details."""
        return contextlib.nullcontext()

    def count_system_calls(self, what, count):
        """The same; what is counted here disturbs, so it is for a part that is not measured."""
        return contextlib.nullcontext()


def pss_bytes(pid):
    """Memory of a process, shared pages divided among those that share them; 0 when it has gone."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
