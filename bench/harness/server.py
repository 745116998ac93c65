"""What is measured: a server in a folder of its own."""

import pathlib
import tempfile


class Server:
    """Runs when it has been made. Subclasses have start() and close(), which copes with half a start."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mailstead-bench-"))
        try:
            self.start()
        except BaseException:
            self.close()
            raise


def pss_bytes(pid):
    """Memory of a process, shared pages divided among those that share them; 0 when it has gone."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
