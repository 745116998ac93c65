"""Where the programs under test are."""

import os
import pathlib
import shutil

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


def bin_dir() -> pathlib.Path:
    return pathlib.Path(os.environ.get("MAILSTEAD_BIN", REPOSITORY / "build" / "bin")).resolve()


def program(name: str) -> str:
    """One of ours: smtpd, pop3d, webd, stored, mailctl."""
    path = bin_dir() / name
    if not path.exists():
        raise AssertionError(f"{path} is not there: build first, or set MAILSTEAD_BIN")
    return str(path)


def tool(name: str) -> str:
    """A program of the machine. A missing one fails the test: scripts/test installs them all."""
    path = shutil.which(name)
    if path is None:
        raise AssertionError(f"{name} is not installed: run scripts/test, which installs what the tests need")
    return path
