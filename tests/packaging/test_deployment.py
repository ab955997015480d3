"""The image, and the files in .github/deploy/, fit the command, its settings and its paths."""

import json
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from gql.health import LIVE_PATH, READY_PATH
from gql.settings import FILE_SUFFIX, describe_settings
from support.command import FLOWQL, clean_environment, run_flowql
from support.http_proxy import run_proxy
from support.paths import ROOT
from support.server_process import (
    RunningServer,
    find_free_port,
    run_server,
    send_request,
    start_flowql,
    stop_server,
    wait_until_live,
)

DEPLOY = ROOT / ".github" / "deploy"
UNIT = DEPLOY / "flowql.service"
# The user, the port and the folder of the image.
USER, PORT, FOLDER = 10001, 8000, "/var/lib/flowql"
QUERY = {"query": "{ flows { results { slug } } }"}


def read_instructions() -> list[tuple[str, str]]:
    """Return the instructions of the image's last stage, with continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    start = max(index for index, line in enumerate(lines) if line.startswith("FROM "))
    pairs = (line.split(maxsplit=1) for line in lines[start:])
    return [(name, " ".join(value.split())) for name, value in pairs]


INSTRUCTIONS = read_instructions()


def read_values(name: str) -> list[str]:
    """Return the values of the instructions with this name."""
    return [value for instruction, value in INSTRUCTIONS if instruction == name]


def read_yaml(name: str) -> list[Any]:
    """Return the YAML documents in a file."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def read_unit() -> ConfigParser:
    """Return the systemd unit; of a setting that occurs twice, the last value."""
    unit = ConfigParser(delimiters="=", comment_prefixes="#", strict=False, interpolation=None)
    unit.read_string(UNIT.read_text())
    return unit


def test_the_image_runs_as_a_numeric_user() -> None:
    """The user is not root, and owns the folder that the volume starts with."""
    [user] = read_values("USER")
    names = [name for name, _ in INSTRUCTIONS]
    assert user == f"{USER}:{USER}"
    assert f"useradd --uid {USER} --user-group" in read_values("RUN")[0]
    assert read_values("WORKDIR") == read_values("VOLUME") == [FOLDER]
    migration = INSTRUCTIONS.index(("RUN", "flowql migrate"))
    assert names.index("USER") < migration < names.index("VOLUME")


def test_the_labels_of_the_image_describe_the_distribution() -> None:
    """They have the names of the OCI image specification."""
    [label] = read_values("LABEL")
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\S+)="([^"]*)"', label))
    distribution = metadata("flowql")
    assert labels == {
        "title": "FlowQL",
        "description": distribution["Summary"],
        "version": distribution["Version"],
        "licenses": distribution["License-Expression"],
        "base.name": f"docker.io/library/{read_values('FROM')[0]}",
    }


def test_a_new_container_serves_and_is_healthy(tmp_path: Path) -> None:
    """The volume is a copy of the folder after the migration; the port is that of the variable."""
    [variables] = read_values("ENV")
    environment = dict(pair.split("=", 1) for pair in variables.split() if "FLOWQL_" in pair)
    environment["FLOWQL_PORT"] = str(find_free_port())
    (tmp_path / "image").mkdir()
    assert run_flowql("migrate", cwd=tmp_path / "image", env=environment).returncode == 0
    volume = shutil.copytree(tmp_path / "image", tmp_path / "volume")
    [entrypoint], command = (json.loads(read_values(name)[0]) for name in ("ENTRYPOINT", "CMD"))
    assert entrypoint == FLOWQL.name
    for path in ("", "/flows"):
        settings = {**environment, "FLOWQL_ROOT_PATH": path}
        assert not is_healthy(settings)
        with start_flowql(command, cwd=volume, env=settings) as process:
            url = f"http://127.0.0.1:{environment['FLOWQL_PORT']}"
            wait_until_live(url, process)
            assert send_request(url, READY_PATH).status == 200
            assert is_healthy(settings)


def is_healthy(environment: dict[str, str]) -> bool:
    """Run the health check of the image in this environment."""
    [check] = read_values("HEALTHCHECK")
    program, *arguments = json.loads(check.partition(" CMD ")[2])
    assert program == "python"
    process = subprocess.run(
        [sys.executable, *arguments],
        env=clean_environment(environment),
        capture_output=True,
        check=False,
    )
    return process.returncode == 0


@pytest.mark.parametrize("path", sorted(DEPLOY.iterdir()), ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path) -> None:
    """The files and the documentation name variables that FlowQL reads."""
    variables = {
        f"{setting.variable}{suffix}"
        for setting in describe_settings()
        for suffix in ("", *([FILE_SUFFIX] if setting.option.is_secret else []))
    }
    assert set(re.findall(r"FLOWQL_[A-Z_]+", path.read_text())) <= variables


def test_every_option_in_the_documentation_is_one_of_serve() -> None:
    """Options in the text, outside of the commands of other programs, are FlowQL's."""
    text = re.sub(r"```.*?```", "", (DEPLOY / "README.md").read_text(), flags=re.DOTALL)
    options = set(re.findall(r"`(--[a-z-]+)", text)) - {"--file"}
    assert options >= {"--root-path", "--forwarded-allow-ips", "--idle-timeout"}
    assert options <= {setting.option.name for setting in describe_settings()}


def test_the_compose_file_joins_the_project_of_authentik() -> None:
    """The service waits for authentik's database, and reads its URL from a secret."""
    [project] = read_yaml("compose.flowql.yaml")
    assert project.keys() == {"services", "secrets"}
    [(name, service)] = project["services"].items()
    [secret] = project["secrets"]
    assert name == "flowql"
    assert service["depends_on"] == {"postgresql": {"condition": "service_healthy"}}
    assert service["secrets"] == [secret]
    assert service["environment"] == {"FLOWQL_DATABASE_URL_FILE": f"/run/secrets/{secret}"}
    assert service["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_the_compose_file_of_a_mirror_needs_no_other_service() -> None:
    """The service has a volume for its database, and reads authentik's token from a secret."""
    [project] = read_yaml("compose.sync.yaml")
    assert project.keys() == {"services", "volumes", "secrets"}
    [service] = project["services"].values()
    [secret], [volume] = project["secrets"], project["volumes"]
    assert service["secrets"] == [secret]
    assert service["volumes"] == [f"{volume}:{FOLDER}"]
    assert service["environment"]["FLOWQL_SYNC_TOKEN_FILE"] == f"/run/secrets/{secret}"
    assert service["environment"].keys() >= {"FLOWQL_SYNC_URL", "FLOWQL_SYNC_EVERY"}
    assert service["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_kubernetes_probes_and_ports_are_those_of_the_server() -> None:
    """The service and the probes use the port of the container by its name."""
    secret, deployment, service = read_yaml("kubernetes.yaml")
    kinds = [resource["kind"] for resource in (secret, deployment, service)]
    template = deployment["spec"]["template"]
    [container] = template["spec"]["containers"]
    probes = {
        name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")
    }
    live, ready = ({"path": path, "port": "http"} for path in (LIVE_PATH, READY_PATH))
    assert kinds == ["Secret", "Deployment", "Service"]
    assert probes == {"startup": live, "liveness": live, "readiness": ready}
    assert container["ports"] == [{"name": "http", "containerPort": PORT}]
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]
    labels = template["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]


def test_kubernetes_reads_the_database_url_from_a_file() -> None:
    """The file is a key of the secret, mounted in the container."""
    secret, deployment, _ = read_yaml("kubernetes.yaml")
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    [mount], [volume], [variable] = container["volumeMounts"], pod["volumes"], container["env"]
    [key] = secret["stringData"]
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    assert mount == {"name": volume["name"], "mountPath": mount["mountPath"], "readOnly": True}
    assert variable == {"name": "FLOWQL_DATABASE_URL_FILE", "value": f"{mount['mountPath']}/{key}"}
    # The group of the volume can read the file.
    assert volume["secret"]["defaultMode"] == 0o440


def test_kubernetes_gives_the_pod_no_privileges() -> None:
    """The user is that of the image, and the root file system is read-only."""
    pod = read_yaml("kubernetes.yaml")[1]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert (pod["enableServiceLinks"], pod["automountServiceAccountToken"]) == (False, False)
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_systemd_unit_runs_the_command() -> None:
    """The URL of the database is a credential; exit code 2 is a failure, and restarts it."""
    service = read_unit()["Service"]
    assert service["ExecStart"].split()[1:] == ["serve"]
    name, _, path = service["LoadCredential"].partition(":")
    assert service["Environment"] == f"FLOWQL_DATABASE_URL_FILE=%d/{name}"
    assert path in (DEPLOY / "README.md").read_text()
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
    assert service["Restart"] == "on-failure"
    assert service["DynamicUser"] == service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """systemd, where it is installed, reports neither an unknown setting nor an invalid value."""
    command = shutil.which("systemd-analyze") or shutil.which("true")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/flowql/bin/flowql", str(FLOWQL)))
    process = subprocess.run(
        [str(command), "verify", unit], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.parametrize("strips", [False, True])
def test_a_proxy_may_keep_or_strip_the_prefix(
    sample_url: str, sample_server: RunningServer, *, strips: bool
) -> None:
    """Pages, their files, GraphQL and REST work through it; the log has the client's address."""
    options = ["--root-path", "/flows", "--access-log"]
    with run_server(sample_url, *options) as (url, process):
        with run_proxy(url, "/flows", "192.0.2.7", strips=strips) as proxy:
            page = send_request(proxy, "/flows/graphql", accept="text/html")
            files = re.findall(r'(?:href|src)="(/flows/explorer/[^"]+)"', page.body.decode())
            assert len(files) > 1
            assert {send_request(proxy, file).status for file in files} == {200}
            token = sample_server.token
            graphql = send_request(proxy, "/flows/graphql", token, QUERY).json["data"]["flows"]
            rest = send_request(proxy, "/flows/flows/instances/", token).json
            assert len(graphql["results"]) == len(rest["results"]) > 0
        errors = stop_server(process)[1]
    assert ' 192.0.2.7:0 - "POST ' in errors
    assert ' 127.0.0.1:0 - "POST ' not in errors
