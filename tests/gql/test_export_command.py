"""`flowql export` writes flows as a blueprint, and duplicates flows."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.blueprints import (
    BlueprintDatabase,
    create_blueprint_database,
    parse_entries,
    write_blueprint,
)
from support.command import run_failing_in_process, run_flowql, run_in_process
from support.imports import describe_content

STAGE = "authentik_stages_identification.identificationstage"
BLUEPRINT = f"""
- model: authentik_flows.flow
  id: flow
  identifiers: {{slug: login}}
  attrs: {{name: Login, title: Login, designation: authentication}}
- model: authentik_flows.flow
  id: other
  identifiers: {{slug: other}}
  attrs: {{name: Other, title: Other, designation: recovery}}
- model: authentik_stages_password.passwordstage
  id: password
  identifiers: {{name: password}}
  attrs: {{configure_flow: !KeyOf flow}}
- model: authentik_stages_captcha.captchastage
  id: captcha
  identifiers: {{name: captcha}}
  attrs: {{private_key: x, public_key: y}}
- model: {STAGE}
  id: identify
  identifiers: {{name: identify}}
  attrs: {{password_stage: !KeyOf password, captcha_stage: !KeyOf captcha, recovery_flow: !KeyOf other}}
- model: authentik_policies_expression.expressionpolicy
  id: policy
  identifiers: {{name: policy}}
  attrs: {{expression: return True}}
- model: authentik_flows.flowstagebinding
  id: step
  identifiers: {{target: !KeyOf flow, stage: !KeyOf identify, order: 0}}
- model: authentik_flows.flowstagebinding
  identifiers: {{target: !KeyOf flow, stage: !KeyOf password, order: 1}}
- model: authentik_flows.flowstagebinding
  identifiers: {{target: !KeyOf other, stage: !KeyOf password, order: 1}}
- model: authentik_policies.policybinding
  identifiers: {{target: !KeyOf step, policy: !KeyOf policy, order: 0}}
- model: authentik_policies.policybinding
  identifiers: {{target: !KeyOf flow, group: !Find [authentik_core.group, [name, g]], order: 0}}
"""


@pytest.fixture
def database(tmp_path: Path) -> BlueprintDatabase:
    """A database with two flows that share a stage."""
    database = create_blueprint_database(f"sqlite:///{tmp_path / 'flowql.db'}")
    database.load(write_blueprint(tmp_path / "flows.yaml", BLUEPRINT))
    return database


def export(database: BlueprintDatabase, *arguments: str) -> str:
    """Return the output of `flowql export`."""
    process = run_in_process("export", *arguments, "--database", database.url)
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout


def load(database: BlueprintDatabase, path: Path, text: str) -> None:
    """Import an export."""
    path.write_text(text, "utf-8")
    database.load(path)


def test_a_file_is_replaced_when_it_is_complete(
    database: BlueprintDatabase, tmp_path: Path
) -> None:
    """It has the bytes of the standard output; a file that cannot be written is an error."""
    file = tmp_path / "export.yaml"
    file.write_text("before")
    process = run_in_process("export", "login", "-o", str(file), "--database", database.url)
    assert (process.returncode, process.stdout) == (0, "")
    assert process.stderr == f"flowql: 9 entries are in {file}\n"
    assert file.read_text() == export(database, "login")
    assert sorted(path.name for path in tmp_path.glob("export*")) == ["export.yaml"]
    missing = tmp_path / "missing" / "export.yaml"
    arguments = ("export", "login", "-o", str(missing), "--database", database.url)
    assert run_failing_in_process(*arguments) == (
        f"cannot write {missing}: No such file or directory"
    )


def test_several_flows_are_one_file(database: BlueprintDatabase) -> None:
    """Shared objects are there once, in authentik's order; `--all` is every flow."""
    text = export(database, "other", "login")
    assert text == export(database, "--all")
    entries = parse_entries(text.encode())
    models = [entry.model.partition(".")[2] for entry in entries]
    assert models == [
        *("flow", "flow", "expressionpolicy", "captchastage", "passwordstage"),
        *("identificationstage", "flowstagebinding", "flowstagebinding", "flowstagebinding"),
        *("policybinding", "policybinding"),
    ]
    assert "metadata:\n  name: FlowQL export\n" in text
    assert "name: Other\n" in export(database, "other").partition("entries:")[0]


def test_a_stage_that_only_a_setting_refers_to_is_exported(database: BlueprintDatabase) -> None:
    """The captcha stage is bound to no flow. Flows outside the file are named."""
    text = export(database, "login")
    assert "captcha_stage: !KeyOf 'stage/captcha'" in text
    assert "recovery_flow: !Find [authentik_flows.flow, [slug, other]]" in text
    assert '# - authentik_flows.flow "other"\n' in text
    assert "#" not in export(database, "--all").partition("entries:")[2]


def test_a_renamed_flow_shares_its_stages(database: BlueprintDatabase, tmp_path: Path) -> None:
    """The copy has bindings of its own, and the original does not change."""
    before = describe_content(database.dump())
    load(database, tmp_path / "copy.yaml", export(database, "login", "--rename", "login=staff"))
    after = describe_content(database.dump())
    assert after.flows["staff"] == before.flows["login"]
    assert (after.stages, after.policies) == (before.stages, before.policies)
    copied = [row for row in after.stage_bindings if row["flow"] == "staff"]
    assert copied == [
        {**row, "flow": "staff"} for row in before.stage_bindings if row["flow"] == "login"
    ]
    gates = [gate for gate in after.gates if gate[0].startswith("staff")]
    assert len(gates) == 2


def test_a_renamed_flow_can_have_copies_of_its_stages(
    database: BlueprintDatabase, tmp_path: Path
) -> None:
    """Copies refer to copies and to the new flow; other flows keep their stages."""
    before = describe_content(database.dump())
    text = export(database, "--all", "--rename", "login=staff", "--copy-stages")
    load(database, tmp_path / "copy.yaml", text)
    after = describe_content(database.dump())
    assert after.stages["password (staff)"]["settings"] == {"configure_flow": "<flow staff>"}
    assert after.stages["identify (staff)"]["settings"] == {
        "captcha_stage": "<stage captcha>",
        "password_stage": "<stage password (staff)>",
        "recovery_flow": "<flow other>",
    }
    assert {name: after.stages[name] for name in before.stages} == before.stages
    assert ("other", 1, "password") in after.steps
    assert ("staff", 1, "password (staff)") in after.steps


def test_the_output_is_utf_8_in_any_locale(database: BlueprintDatabase, tmp_path: Path) -> None:
    """Names have any characters."""
    file = write_blueprint(
        tmp_path / "umlaut.yaml",
        "- model: authentik_flows.flow\n  identifiers: {slug: umlaut}\n"
        "  attrs: {name: Anmeldung für alle, title: ü, designation: recovery}\n",
    )
    database.load(file)
    process = run_flowql(
        "export", "umlaut", "--database", database.url, env={"PYTHONIOENCODING": "ascii"}
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert "Anmeldung für alle" in process.stdout


def test_bindings_of_equal_order_keep_their_order(tmp_path: Path) -> None:
    """They are executed in the order in which they were created, also after an import."""
    entries = (
        "- {model: authentik_flows.flow, id: f, identifiers: {slug: f},"
        " attrs: {name: f, title: f, designation: recovery}}\n"
    )
    for name in "bca":
        entries += (
            f"- {{model: authentik_stages_dummy.dummystage, id: {name}, identifiers: {{name: {name}}}}}\n"
            "- {model: authentik_flows.flowstagebinding, identifiers:"
            f" {{target: !KeyOf f, stage: !KeyOf {name}, order: 0}}}}\n"
        )
    original = create_blueprint_database(f"sqlite:///{tmp_path / 'original.db'}")
    original.load(write_blueprint(tmp_path / "ties.yaml", entries))
    copy = create_blueprint_database(f"sqlite:///{tmp_path / 'copy.db'}")
    load(copy, tmp_path / "export.yaml", export(original, "f"))
    for database in (original, copy):
        assert re.findall("stage: !KeyOf 'stage/(.)'", export(database, "f")) == ["b", "c", "a"]


def test_a_file_that_is_not_regular_is_written_to(
    database: BlueprintDatabase, tmp_path: Path
) -> None:
    """A link stays one, and the mode of a file stays. A folder is an error."""
    file, link = tmp_path / "file.yaml", tmp_path / "link.yaml"
    file.write_text("before")
    file.chmod(0o600)
    link.symlink_to(file)
    for path in (link, file):
        run_in_process("export", "login", "-o", str(path), "--database", database.url)
        assert file.read_text() == export(database, "login")
        assert (link.is_symlink(), file.stat().st_mode & 0o777) == (True, 0o600)
    for path in ("/", "", str(tmp_path)):
        arguments = ("export", "login", "-o", path, "--database", database.url)
        assert run_failing_in_process(*arguments).endswith("Is a directory")


def test_copies_of_stages_have_names_of_their_own(
    database: BlueprintDatabase, tmp_path: Path
) -> None:
    """A copy does not replace a stage, whether it is exported or not."""
    arguments = ("--rename", "login=new", "--copy-stages", "--database", database.url)
    entry = "- {model: authentik_stages_dummy.dummystage, identifiers: {name: password (new)}}\n"
    database.load(write_blueprint(tmp_path / "taken.yaml", entry))
    assert run_failing_in_process("export", "login", *arguments) == (
        "a stage has the name 'password (new)' already: choose another slug"
    )
    database.load(
        write_blueprint(
            tmp_path / "bound.yaml",
            "- model: authentik_flows.flowstagebinding\n  identifiers: {target: !Find"
            " [authentik_flows.flow, [slug, other]], stage: !Find [authentik_flows.stage,"
            " [name, password (new)]], order: 9}\n",
        )
    )
    assert run_failing_in_process("export", "--all", *arguments) == (
        "two stages would have the name 'password (new)': choose another slug"
    )


def test_comments_are_lines(tmp_path: Path) -> None:
    """Names of keys and models in comments cannot add entries."""
    database = create_blueprint_database(f"sqlite:///{tmp_path / 'odd.db'}")
    database.load(
        write_blueprint(
            tmp_path / "odd.yaml",
            "- {model: authentik_flows.flow, id: f, identifiers: {slug: odd},"
            " attrs: {name: odd, title: odd, designation: recovery}}\n"
            '- {model: authentik_stages_example.oddstage, id: s, identifiers: {name: "a\\nb"},'
            ' attrs: {data: {"password\\nversion: 9\\u2028x": 1}, list: [{password: 1}, {password: 2}],'
            ' ref: !Find ["x.y\\nversion: 3", [name, z]]}}\n'
            "- {model: authentik_flows.flowstagebinding, identifiers:"
            " {target: !KeyOf f, stage: !KeyOf s, order: 0}}\n",
        )
    )
    text = export(database, "odd")
    assert {entry.model for entry in parse_entries(text.encode())} == {
        *("authentik_flows.flow", "authentik_stages_example.oddstage"),
        "authentik_flows.flowstagebinding",
    }
    head = text.partition("\nversion: 1\n")[0]
    assert all(line.startswith("# ") for line in head.splitlines())
    assert len(set(re.findall(r"!Env '(\w+)'", text))) == 3


def test_other_references_and_secrets(tmp_path: Path) -> None:
    """A user is found by username, and a secret that is a mapping is a key of the context."""
    database = create_blueprint_database(f"sqlite:///{tmp_path / 'others.db'}")
    model = "authentik_stages_authenticator_endpoint_gdtc.authenticatorendpointgdtcstage"
    database.load(
        write_blueprint(
            tmp_path / "others.yaml",
            "- {model: authentik_flows.flow, id: f, identifiers: {slug: f},"
            " attrs: {name: f, title: f, designation: recovery}}\n"
            "- {model: authentik_core.user, identifiers: {username: jo}, attrs: {name: Jo}}\n"
            f"- {{model: {model}, id: s, identifiers: {{name: s}}, attrs: {{credentials: {{a: b}},"
            " owner: !Find [authentik_core.user, [username, jo]],"
            " key: !Find [authentik_crypto.certificatekeypair, [name, a], [managed, b]]}}\n"
            "- {model: authentik_flows.flowstagebinding, identifiers:"
            " {target: !KeyOf f, stage: !KeyOf s, order: 0}}\n",
        )
    )
    text = export(database, "f")
    for line in (
        "credentials: !Context 'stage_s_credentials'",
        "owner: !Find [authentik_core.user, [username, jo]]",
        "key: !Find [authentik_crypto.certificatekeypair, [name, a], [managed, b]]",
        '# - stage_s_credentials: credentials of the stage "s"',
        '# - authentik_core.user "jo"',
    ):
        assert f"{line}\n" in text, text


def test_an_export_of_nothing_is_a_blueprint(tmp_path: Path) -> None:
    """It has an empty list of entries."""
    database = create_blueprint_database(f"sqlite:///{tmp_path / 'empty.db'}")
    text = export(database, "--all")
    assert text.endswith("entries: []\n")
    assert parse_entries(text.encode()) == []


ERRORS: Mapping[tuple[str, ...], str] = {
    (): "name the flows to export, or use --all",
    ("login", "--all"): "name the flows to export, or use --all",
    ("nowhere",): "unknown flow 'nowhere'",
    ("login", "--rename", "login"): "invalid --rename 'login': expected OLD=NEW",
    ("login", "--rename", "other=x"): "cannot rename 'other', which is not exported",
    ("login", "--rename", "login=a b"): (
        "invalid slug 'a b': expected letters, digits, '-' and '_' only"
    ),
    ("--all", "--rename", "login=other"): (
        "two flows would have the slug 'other': choose another one"
    ),
    ("--all", "--rename", "login=other", "--rename", "other=new"): (
        "two flows would have the slug 'other': choose another one"
    ),
    ("login", "--rename", "login=a", "--rename", "login=b"): (
        "invalid --rename 'login=b': 'login' is already renamed"
    ),
    ("login", "--copy-stages"): "--copy-stages requires --rename",
}


@pytest.mark.parametrize("arguments", ERRORS, ids=" ".join)
def test_invalid_options_are_errors(
    database: BlueprintDatabase, arguments: tuple[str, ...]
) -> None:
    """Each says what is wrong."""
    message = run_failing_in_process("export", *arguments, "--database", database.url)
    assert message == ERRORS[arguments]
