"""What tests use of the registries of npm, PyPI, Go, Maven and Debian, kept in a folder, so that only the first run needs the
network. Debian's versions are those of the release; all others are locked."""

import os
import pathlib
import shutil
import unittest

from .paths import tool
from .process import run_tool


# With the Go that is installed, and no other.
GO_ENVIRONMENT = {"GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0"}


def npm_install(source, folder):
    """Installs what the package-lock.json in `source` names into `folder`, unless it is there."""
    def fetch():
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder / name)
        return run_tool([tool("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, timeout=300)
    _once(folder, (source / "package-lock.json").read_bytes(), fetch, "npm ci")


def pip_download(requirements, folder):
    """Puts the wheels that `requirements` names, with their hashes, into `folder`, unless they are there; gives their
    paths."""
    def fetch():
        return run_tool(["/usr/bin/python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                         "--only-binary=:all:", "--require-hashes", "-r", requirements, "-d", folder], timeout=300)
    _once(folder, requirements.read_bytes(), fetch, "pip download")
    return sorted(folder.glob("*.whl"))


def pip_install(requirements, folder):
    """Installs the wheels that `requirements` names, with their hashes, into `folder`, to be put into PYTHONPATH, unless they are
    there."""
    def fetch():
        return run_tool(["/usr/bin/python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                         "--only-binary=:all:", "--require-hashes", "--root-user-action=ignore", "--target", folder, "-r",
                         requirements], timeout=300)
    _once(folder, requirements.read_bytes(), fetch, "pip install")


def go_install(modules, folder):
    """Builds programs of Go, "path@version" each, into `folder`, unless they are there. With the Go that is installed: the
    versions are ones that Debian's builds."""
    def fetch():
        environment = {**GO_ENVIRONMENT, "GOBIN": str(folder)}
        for module in modules:
            done = run_tool([tool("go"), "install", module], cwd=folder, timeout=900, environment=environment)
            if done.returncode != 0:
                break
        return done
    _once(folder, "\n".join(modules).encode(), fetch, "go install")


def go_download(folder):
    """Loads the modules that the go.sum in `folder` names into Go's own cache, unless that was done."""
    def fetch():
        return run_tool([tool("go"), "mod", "download"], cwd=folder, timeout=300, environment=GO_ENVIRONMENT)
    _once(folder, (folder / "go.sum").read_bytes(), fetch, "go mod download")


def maven_package(project, repository):
    """Makes what the pom.xml in `project` says, with what Maven Central has: that goes into `repository`, from where it is taken
    the next time."""
    argv = [tool("mvn"), "--batch-mode", "--quiet", f"-Dmaven.repo.local={repository}", "package"]

    def fetch():
        return run_tool(argv, cwd=project, timeout=500)
    _once(repository, (project / "pom.xml").read_bytes(), fetch, "mvn package")
    return run_tool([*argv, "--offline"], cwd=project, timeout=300)


def debian_unpack(packages, folder):
    """Unpacks Debian packages side by side, each into a folder of its name in `folder`, unless they are there: those that
    cannot be installed together. What they depend on is for scripts/lib/install.sh to name."""
    def fetch():
        download = [tool("apt-get"), "download", "-q", *packages]
        done = run_tool(download, cwd=folder, timeout=300)
        if done.returncode != 0:
            # The package lists of a fresh machine are missing or old.
            run_tool([tool("apt-get"), "update", "-qq"], timeout=300)
            done = run_tool(download, cwd=folder, timeout=300)
        for package in packages:
            for archive in folder.glob(f"{package}_*.deb"):
                done = run_tool([tool("dpkg"), "-x", archive, folder / package])
                archive.unlink()
        return done
    _once(folder, "\n".join(packages).encode(), fetch, "apt-get download")


def _once(folder, lock, fetch, what):
    """Without the network a test is skipped, but in CI it fails."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "installed-lock"
    if stamp.exists() and stamp.read_bytes() == lock:
        return
    done = fetch()
    if done.returncode != 0:
        text = f"{what} failed; it needs the registry once: {done.stderr.decode()[-2000:]}"
        if os.environ.get("CI") == "true":
            raise AssertionError(text)
        raise unittest.SkipTest(text)
    stamp.write_bytes(lock)
