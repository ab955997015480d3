"""Installation of GraphiQL's files from npm packages.

The files are not part of the source. The source pins the checksum of each package's tarball, which
guarantees the reviewed content, whichever registry serves it.
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
    """An npm package.

    `integrity` is the checksum of its tarball in npm's format. `files` maps the names of installed
    files to the names of members of the tarball.
    """

    name: str
    version: str
    integrity: str
    files: Mapping[str, str]

    def __str__(self) -> str:
        """Return the specifier that npm accepts, `name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def tarball(self) -> str:
        """The file name that npm gives to the tarball."""
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
    # GraphiQL 5 (tried with 5.4.0) has no file that browsers can load: its modules import others by
    # bare names, and CSS, so it needs a bundler. Bundled, it has 5.3 MB of JavaScript instead of 1.1,
    # and its editor, Monaco, adds inline styles, which the policy of the pages forbids.
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
    # The package contains no license text. Its package.json states MIT and names the repository.
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
    # The plugin bundles this package without its license.
    Package(
        "graphiql-explorer",
        "0.9.0",
        "sha512-fZC/wsuatqiQDO2otchxriFO0LaWIo/ovF/CQJ1yOudmY0P7pzDiP+l9CEHUiWbizk3e99x6DQG4XG1VxA+d6A==",
        {"licenses/graphiql-explorer.txt": "package/LICENSE"},
    ),
)


def install(folder: Path = VENDOR, packages: tuple[Package, ...] = PACKAGES) -> bool:
    """Install the files unless they are there; return True if they were installed.

    Processes may call this concurrently. The folder is replaced as a whole, or remains unchanged.
    Raises OperatorError if npm or the folder fails.
    """
    if is_installed(folder, packages):
        return False
    try:
        with exclusive_lock(folder.parent):
            return not is_installed(folder, packages) and replace(folder, packages)
    except OSError as error:
        raise OperatorError(f"cannot write {folder}: {error.strerror or error}") from error


def is_installed(folder: Path = VENDOR, packages: tuple[Package, ...] = PACKAGES) -> bool:
    """Return True if the folder contains all files of exactly these packages."""
    try:
        stamp = (folder / STAMP).read_text()
    except OSError:
        return False
    names = [name for package in packages for name in package.files]
    return stamp == render_stamp(packages) and all((folder / name).is_file() for name in names)


def render_stamp(packages: tuple[Package, ...]) -> str:
    """Return the content of the stamp file, which identifies versions, checksums and file names."""
    return "".join(
        f"{package} {package.integrity} {member} {name}\n"
        for package in packages
        for name, member in package.files.items()
    )


def replace(folder: Path, packages: tuple[Package, ...]) -> bool:
    """Fetch the files into a temporary folder, then replace the folder with it; return True."""
    with temporary_sibling(folder) as temporary:
        for name, content in fetch(packages).items():
            (temporary / name).parent.mkdir(exist_ok=True)
            (temporary / name).write_bytes(content)
        (temporary / STAMP).write_text(render_stamp(packages))
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    return True


def fetch(packages: tuple[Package, ...]) -> dict[str, bytes]:
    """Return the files' contents by name; verify all tarballs before opening any of them."""
    with TemporaryDirectory(prefix="flowql-npm-") as scratch:
        npm.fetch([str(package) for package in packages], Path(scratch))
        tarballs = [verify(package, Path(scratch)) for package in packages]
    return {
        name: content
        for package, tarball in zip(packages, tarballs, strict=True)
        for name, content in unpack(package, tarball)
    }


def verify(package: Package, folder: Path) -> bytes:
    """Return the tarball of a package; raises OperatorError if its checksum does not match."""
    tarball = (folder / package.tarball).read_bytes()
    checksum = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if package.integrity != f"sha512-{checksum}":
        raise OperatorError(f"checksum mismatch: {package} from npm is not the pinned one")
    return tarball


def unpack(package: Package, tarball: bytes) -> Generator[tuple[str, bytes]]:
    """Yield the name and the content of each file of a package."""
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        for name, member in package.files.items():
            content = archive.extractfile(member)
            if content:
                yield name, remove_source_map(content.read())


def remove_source_map(script: bytes) -> bytes:
    """Remove the reference to the source map, because the source map is not installed."""
    return re.sub(rb"(?m)^//# sourceMappingURL=.*\n?", b"", script)


@contextmanager
def temporary_sibling(folder: Path) -> Generator[Path]:
    """Create an empty folder on the same disk and remove it afterwards, unless it was renamed."""
    sibling = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(sibling, ignore_errors=True)
    sibling.mkdir()
    try:
        yield sibling
    finally:
        shutil.rmtree(sibling, ignore_errors=True)


@contextmanager
def exclusive_lock(folder: Path) -> Generator[None]:
    """Lock a folder for one process; the operating system releases the lock if the process ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
