"""The options of the baseline: errors at the start, and secrets in the list of processes."""

from pathlib import Path

import pytest

from support.command import run_failing_in_process
from support.server_process import run_server

SECRET = "secret-word"


def serve(url: str, *options: str) -> str:
    """Start a server that cannot start, and return its error message."""
    return run_failing_in_process("serve", "--port", "0", "--database", url, *options)


def test_missing_folder(sample_url: str, tmp_path: Path) -> None:
    """A missing baseline is an error at the start."""
    assert serve(sample_url, "--baseline", str(tmp_path / "none")).endswith(
        "No such file or directory"
    )


def test_invalid_blueprint(sample_url: str, tmp_path: Path) -> None:
    """So is an invalid one."""
    (tmp_path / "broken.yaml").write_text("entries: 5")
    assert "broken.yaml" in serve(sample_url, "--baseline", str(tmp_path))


def test_required_token(sample_url: str) -> None:
    """The API of authentik requires a token; the message has no user information."""
    message = serve(sample_url, "--baseline", f"https://user:{SECRET}@authentik.example")
    assert "--baseline-token-file" in message
    assert SECRET not in message


def test_invalid_period(sample_url: str) -> None:
    """The period must be a duration."""
    message = serve(sample_url, "--baseline", "x", "--baseline-every", "soon")
    assert message.startswith("--baseline-every: ")


@pytest.mark.parametrize("token", [["--baseline-token", SECRET], [f"--baseline_token={SECRET}"]])
def test_process_title(sample_url: str, tmp_path: Path, token: list[str]) -> None:
    """The list of processes shows no token, however its option is written."""
    (tmp_path / "empty.yaml").write_text("version: 1\nentries: []\n")
    options = ["--baseline", str(tmp_path), *token]
    with run_server(sample_url, *options) as (_, process):
        title = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        assert "--baseline" in title
        assert SECRET not in title
