"""The files that GraphiQL is made of: which of npm's packages have them, and how they get here.

They are not part of the source. The sum of each package's tarball is, so that whoever serves them runs what was
looked at when the sum was written down, whichever registry they come from.
"""

import base64
import fcntl
import hashlib
import io
import os
import re
import shutil
import tarfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from gql.explorer import npm
from models.errors import OperatorError

VENDOR = Path(__file__).with_name("vendor")
STAMP = "sums.txt"


@dataclass(frozen=True, slots=True)
class Package:
    """A package of npm's: the sum of its tarball, as npm writes it, and by our names the files that we take."""

    name: str
    version: str
    integrity: str
    files: Mapping[str, str]

    def __str__(self) -> str:
        """As npm is asked for it."""
        return f"{self.name}@{self.version}"

    @property
    def tarball(self) -> str:
        """What npm calls its file."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


PACKAGES = (
    Package(
        "react",
        "18.3.1",
        "sha512-wS+hAgJShR0KhEvPJArfuPVN1+Hz1t0Y6n5jLrGQbkb4urgPE/0Rve+1kMB1v/oWgHgm4WIcV+i7F2pTVj+2iQ==",
        {
            "react.js": "package/umd/react.production.min.js",
            "licenses/react.txt": "package/LICENSE",
        },
    ),
    Package(
        "react-dom",
        "18.3.1",
        "sha512-5m4nQKp+rZRb09LNH59GM4BxTh9251/ylbKIbpe7TpGxfJ+9kv6BLkLBXIjjspbgbnIBNqlI23tRnTWT0snUIw==",
        {
            "react-dom.js": "package/umd/react-dom.production.min.js",
            "licenses/react-dom.txt": "package/LICENSE",
        },
    ),
    Package(
        "graphiql",
        "4.1.2",
        "sha512-rNlzQIAzm6i2KBXmVQWBgLvt0TloxFVB2d18bukvdsvjEuFDHsKx5IVOomL1W1o5WW+tE54+ioHb2AEKzO2cUg==",
        {
            "graphiql.js": "package/graphiql.min.js",
            "graphiql.css": "package/graphiql.min.css",
            "licenses/graphiql.txt": "package/LICENSE",
        },
    ),
    # It has no text of a licence: its package.json says MIT, and the repository, which is GraphiQL's.
    Package(
        "@graphiql/plugin-explorer",
        "4.0.6",
        "sha512-TppIi92YPER3v70nlF01KTQrq9AiYqkZicSd1hpU7aqGmbqw/pLwBNLUEcfENBoJtw574Qxjswb01+GaYK0Tzw==",
        {
            "plugin-explorer.js": "package/dist/index.umd.js",
            "plugin-explorer.css": "package/dist/style.css",
            "licenses/plugin-explorer.txt": "package/package.json",
        },
    ),
    # The plugin's file has this one inside, without its licence.
    Package(
        "graphiql-explorer",
        "0.9.0",
        "sha512-fZC/wsuatqiQDO2otchxriFO0LaWIo/ovF/CQJ1yOudmY0P7pzDiP+l9CEHUiWbizk3e99x6DQG4XG1VxA+d6A==",
        {"licenses/graphiql-explorer.txt": "package/LICENSE"},
    ),
)


def install(folder: Path = VENDOR, packages: tuple[Package, ...] = PACKAGES) -> bool:
    """Fetch the files unless they are there; return whether they had to be.

    Several may do so at once. The folder is there with all that it should have, or it stays as it was.
    """
    if is_installed(folder, packages):
        return False
    try:
        with exclusive_lock(folder.parent):
            return not is_installed(folder, packages) and replace(folder, packages)
    except OSError as error:
        raise OperatorError(f"cannot write {folder}: {error.strerror or error}") from error


def is_installed(folder: Path = VENDOR, packages: tuple[Package, ...] = PACKAGES) -> bool:
    """Whether the files of these very packages are there."""
    try:
        stamp = (folder / STAMP).read_text()
    except OSError:
        return False
    names = [name for package in packages for name in package.files]
    return stamp == stamp_of(packages) and all((folder / name).is_file() for name in names)


def stamp_of(packages: tuple[Package, ...]) -> str:
    """What tells a folder's files from those of other versions, or of other names."""
    return "".join(
        f"{package} {package.integrity} {member} {name}\n"
        for package in packages
        for name, member in package.files.items()
    )


def replace(folder: Path, packages: tuple[Package, ...]) -> bool:
    """Fetch everything beside the folder, then let that be the folder."""
    with temporary_sibling(folder) as fresh:
        for name, content in fetch(packages).items():
            (fresh / name).parent.mkdir(exist_ok=True)
            (fresh / name).write_bytes(content)
        (fresh / STAMP).write_text(stamp_of(packages))
        if folder.exists():
            shutil.rmtree(folder)
        fresh.rename(folder)
    return True


def fetch(packages: tuple[Package, ...]) -> dict[str, bytes]:
    """What npm's registry has for each of our files; nothing is opened before all sums are right."""
    with TemporaryDirectory(prefix="flowql-npm-") as scratch:
        npm.fetch([str(package) for package in packages], Path(scratch))
        tarballs = [verify(package, Path(scratch)) for package in packages]
    return {
        name: content
        for package, tarball in zip(packages, tarballs, strict=True)
        for name, content in unpack(package, tarball)
    }


def verify(package: Package, folder: Path) -> bytes:
    """The tarball of a package, if its sum is what it should be."""
    tarball = (folder / package.tarball).read_bytes()
    sum_ = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if package.integrity != f"sha512-{sum_}":
        raise OperatorError(f"what npm has as {package} is not the package that FlowQL knows")
    return tarball


def unpack(package: Package, tarball: bytes) -> Generator[tuple[str, bytes]]:
    """Each of our files of a package."""
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        for name, member in package.files.items():
            content = archive.extractfile(member)
            if content:
                yield name, without_map(content.read())


def without_map(script: bytes) -> bytes:
    """Drop the line that would have a browser's tools ask us for a map that we do not have."""
    return re.sub(rb"(?m)^//# sourceMappingURL=.*\n?", b"", script)


@contextmanager
def temporary_sibling(folder: Path) -> Generator[Path]:
    """An empty folder on the same disk, gone in the end unless it was renamed."""
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def exclusive_lock(folder: Path) -> Generator[None]:
    """Let one process at a time in; the system lets go of a folder's lock when a process ends."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
