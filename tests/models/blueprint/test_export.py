"""An export is a blueprint with all data of one flow."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from models.blueprint.exporting.content import ExportContent
from models.blueprint.exporting.document import build_document
from models.blueprint.exporting.dump import dump
from models.blueprint.exporting.selection import Selection
from models.blueprint.format.entry import Entry, Tag
from models.errors import BlueprintError
from models.queries.bindings import PolicyBindingRow
from models.queries.flows import FlowRow
from models.tables.child_table import CHILD_KEYS
from models.tables.metadata import METADATA
from support.app_client import AppClient
from support.blueprints import (
    BlueprintDatabase,
    copy_blueprint_database,
    create_blueprint_database,
    parse_entries,
    write_blueprint,
)
from support.edge_case_data import (
    ACTIONS,
    AUTHENTICATIONS,
    DENIED_ACTIONS,
    DESIGNATIONS,
    KEYS,
    LAYOUTS,
    ROWS,
    VISIBLE_FLOWS_BY_ROLE,
    identifier,
)
from support.paths import SAMPLES
from support.postgres import PostgresServer
from support.seed import fill_authentik

SUPERUSER = KEYS["superuser"]
INCOMPLETE = "# This blueprint is incomplete. It lacks these parts of the flow:"
FLOW, BINDING = "authentik_flows.flow", "authentik_flows.flowstagebinding"
POLICY_BINDING = "authentik_policies.policybinding"
DUMMY_STAGE, DENY_STAGE = "authentik_stages_dummy.dummystage", "authentik_stages_deny.denystage"
DUMMY_POLICY = "authentik_policies_dummy.dummypolicy"
KNOWN_VALUES = {
    "designation": DESIGNATIONS,
    "layout": LAYOUTS,
    "denied_action": DENIED_ACTIONS,
    "authentication": AUTHENTICATIONS,
    "policy_engine_mode": ("any", "all"),
    "invalid_response_action": ACTIONS,
}
FLOWS = {str(row["slug"]): row for row in ROWS["authentik_flows_flow"]}
# A stage and a policy whose types have no table.
UNTYPED_STAGE, UNTYPED_POLICY = "line\nbreak", "it's"
STAGES = {str(row["stage_uuid"]): str(row["name"]) for row in ROWS["authentik_flows_stage"]}
POLICIES = {str(row["policy_uuid"]): str(row["name"]) for row in ROWS["authentik_policies_policy"]}

# Strings that end a comment, a string or a line, or change their type, unless they are escaped.
SPECIAL_NAMES = (
    "two\nlines",
    "two\r\nlines\n",
    "line\u2028separator\u2029paragraph\x85next",
    "# a comment",
    "a # comment",
    "'single' and \"double\"",
    "!KeyOf flow",
    "!Find [a.b, [c, d]]",
    "\n- model: authentik_flows.flow\n  identifiers: {slug: injected}",
    "*alias",
    "&anchor",
    "<<",
    "{a: b}",
    "[a]",
    "key: value",
    "---",
    "...",
    "%YAML 1.2",
    "null",
    "no",
    "2024-01-01",
    "1_000",
    "0x1F",
    "1e3",
    "=",
    "~",
    " padded ",
    "\ttab",
    "\ufeffmark",
    "\x1b[2J\x07",
    "🪪👩‍💻",
    "\u202eright to left",
    "\uffff\U0010ffff",
    "x" * 300,
    "word " * 60,
)


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported flow: its YAML and its parsed entries."""

    text: str
    entries: Sequence[Entry]

    @property
    def comments(self) -> list[str]:
        """The comments in place of omitted entries."""
        _, _, entries = self.text.partition("\nentries:\n")
        return [line for line in entries.splitlines() if line.startswith("#")]

    @property
    def head(self) -> list[str]:
        """The comments at the start."""
        return self.text[: self.text.index("version: ")].splitlines()

    def select(self, *models: str) -> list[Entry]:
        """Return the entries of these models."""
        return [entry for entry in self.entries if entry.model in models]


def export_flow(client: AppClient, slug: str, key: str, folder: Path) -> Exported:
    """Export a flow into a file in the folder, and parse the file."""
    response = client.get(f"/flows/instances/{slug}/export/", key)
    assert (response.status, response.headers["content-type"]) == (200, "application/yaml")
    assert response.headers["content-disposition"] == f'attachment; filename="{slug}.yaml"'
    (folder / f"{slug}.yaml").write_bytes(response.body)
    return Exported(response.body.decode(), parse_entries(response.body))


def strip_positions(entries: Sequence[Entry]) -> list[object]:
    """Return the content of the entries, without positions."""
    return [
        (entry.model, entry.id, read_fields(entry.identifiers), read_fields(entry.attrs))
        for entry in entries
    ]


def read_fields(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return fields as an import stores them: strings are trimmed. Tags lose their positions."""
    return {name: read_value(value) for name, value in fields.items()}


def read_value(value: Any) -> Any:
    """Return the name and the value of a tag, a trimmed string or another value."""
    if isinstance(value, Tag):
        return value.name, value.value
    return value.strip() if isinstance(value, str) else value


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> BlueprintDatabase:
    """An empty database to copy."""
    return create_blueprint_database(
        f"sqlite:///{tmp_path_factory.mktemp('template') / 'flowql.db'}"
    )


@pytest.fixture
def blueprint_database(
    template: BlueprintDatabase, tmp_path_factory: pytest.TempPathFactory
) -> BlueprintDatabase:
    """An empty database."""
    return copy_blueprint_database(template, tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def typed_client(postgres: PostgresServer) -> Iterator[AppClient]:
    """FlowQL on authentik's database, with tables for some types of stages and policies."""
    url = fill_authentik(postgres.create_database("export"))
    with psycopg.connect(url) as connection:
        typed_stages = [pk for pk, name in STAGES.items() if name != UNTYPED_STAGE]
        create_child(
            connection, "authentik_stages_dummy_dummystage", "stage_ptr_id", typed_stages[::2]
        )
        create_child(
            connection, "authentik_stages_deny_denystage", "stage_ptr_id", typed_stages[1::2]
        )
        policies = [pk for pk, name in POLICIES.items() if name != UNTYPED_POLICY]
        create_child(connection, "authentik_policies_dummy_dummypolicy", "policy_ptr_id", policies)
        create_child(connection, "authentik_policies_empty_emptypolicy", "policy_ptr_id", [])
    with AppClient(url) as client:
        yield client


def create_child(connection: psycopg.Connection, table: str, key: str, pks: Sequence[str]) -> None:
    """Create the table of a type with these rows."""
    names = sql.Identifier(table), sql.Identifier(key)
    connection.execute(sql.SQL("CREATE TABLE {} ({} uuid PRIMARY KEY)").format(*names))
    insert = sql.SQL("INSERT INTO {} ({}) SELECT unnest(%s::uuid[])").format(*names)
    connection.execute(insert, [list(pks)])


@pytest.fixture(scope="module")
def exported_flows(
    typed_client: AppClient, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Exported]]:
    """All edge-case flows, exported from authentik's database into one folder."""
    folder = tmp_path_factory.mktemp("exports")
    return folder, {slug: export_flow(typed_client, slug, SUPERUSER, folder) for slug in FLOWS}


def test_samples_are_the_same_after_export_and_import(
    blueprint_database: BlueprintDatabase, template: BlueprintDatabase, tmp_path: Path
) -> None:
    """All copies in an empty database have the same exports, and the same data but for keys."""
    blueprint_database.load(SAMPLES)
    copy = copy_blueprint_database(template, tmp_path)
    folder, other_folder = tmp_path / "exports", tmp_path / "other exports"
    first = export_all(blueprint_database, folder)
    copy.load(folder)
    assert export_all(copy, other_folder) == first
    assert len(first) == 17


def export_all(database: BlueprintDatabase, folder: Path) -> Mapping[str, Any]:
    """Export all flows into a new folder, and return them with their exports, without keys."""
    folder.mkdir()
    key = database.create_superuser_token()
    with AppClient(database.url) as client:
        flows = client.get("/flows/instances/?page_size=100", key).json["results"]
        keys = ("pk", "policybindingmodel_ptr_id", "stages", "policies")
        return {
            flow["slug"]: (
                {name: value for name, value in flow.items() if name not in keys},
                [len(flow["stages"]), len(flow["policies"])],
                export_flow(client, flow["slug"], key, folder).text,
            )
            for flow in flows
        }


def test_importing_exports_into_their_database_changes_nothing(
    blueprint_database: BlueprintDatabase, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """All columns of all rows stay the same."""
    blueprint_database.load(SAMPLES)
    key = blueprint_database.create_superuser_token()
    folder = tmp_path_factory.mktemp("exports")
    with AppClient(blueprint_database.url) as client:
        for file in SAMPLES.iterdir():
            export_flow(client, file.stem, key, folder)
    before = blueprint_database.dump()
    report = blueprint_database.load(folder)
    assert (report.created, report.updated) == (0, 0)
    assert blueprint_database.dump() == before


def test_stages_and_policies_of_unknown_type_are_omitted(client: AppClient, tmp_path: Path) -> None:
    """A comment replaces each stage, policy and binding; bindings of groups and users stay."""
    for slug, flow in FLOWS.items():
        exported = export_flow(client, slug, SUPERUSER, tmp_path)
        assert {entry.model for entry in exported.entries} <= {FLOW, POLICY_BINDING}
        assert [entry.identifiers for entry in exported.select(FLOW)] == [{"slug": slug}]
        identifiers = [set(entry.identifiers) for entry in exported.select(POLICY_BINDING)]
        assert all(keys & {"group", "user"} for keys in identifiers)
        assert len(exported.comments) == count_omissions(flow, typed=False), slug


def count_omissions(flow: dict[str, object], *, typed: bool) -> int:
    """Count the stages, policies and bindings of a flow that an export omits."""
    stages = [
        row
        for row in ROWS["authentik_flows_flowstagebinding"]
        if row["target_id"] == flow["flow_uuid"]
    ]
    omitted_stage_bindings = [
        row for row in stages if not typed or STAGES[str(row["stage_id"])] == UNTYPED_STAGE
    ]
    omitted_targets = {row["policybindingmodel_ptr_id"] for row in omitted_stage_bindings}
    targets = {
        flow["policybindingmodel_ptr_id"],
        *(row["policybindingmodel_ptr_id"] for row in stages),
    }
    policy_bindings = [
        row for row in ROWS["authentik_policies_policybinding"] if row["target_id"] in targets
    ]
    exported_bindings = [row for row in policy_bindings if row["target_id"] not in omitted_targets]
    omitted_policies = [
        row["policy_id"]
        for row in exported_bindings
        if row["policy_id"] and (not typed or POLICIES[str(row["policy_id"])] == UNTYPED_POLICY)
    ]
    omitted_stages = {row["stage_id"] for row in omitted_stage_bindings}
    stage_comments = len(omitted_stages) + len(omitted_stage_bindings)
    policy_comments = len(set(omitted_policies)) + len(omitted_policies)
    return stage_comments + policy_comments + len(policy_bindings) - len(exported_bindings)


def test_comments_name_omitted_entries(
    exported_flows: tuple[Path, dict[str, Exported]],
) -> None:
    """Each comment is one line of ASCII with the name; all other entries are exported."""
    flows = exported_flows[1]
    for slug, exported in flows.items():
        assert len(exported.comments) == count_omissions(FLOWS[slug], typed=True), slug
        assert exported.text.count("omitted") == 2 * len(exported.comments)
    comments = {comment for exported in flows.values() for comment in exported.comments}
    assert {comment for comment in comments if "whose model is unknown" in comment} == {
        '# omitted: the stage "line\\nbreak", whose model is unknown',
        '# omitted: the policy "it\'s", whose model is unknown',
    }


def test_an_incomplete_export_starts_with_what_it_lacks(
    exported_flows: tuple[Path, dict[str, Exported]],
) -> None:
    """The first comments list all omitted entries, and why the types of some are unknown."""
    causes: set[str] = set()
    for exported in exported_flows[1].values():
        count = len(exported.comments)
        assert exported.head[: count + 1] == ([INCOMPLETE, *exported.comments] if count else [])
        causes.update(exported.head[count + 1 :])
    assert causes == {f"# some {name} have no type in the database" for name in CHILD_KEYS}


def test_stage_that_is_bound_twice_is_one_entry(
    exported_flows: tuple[Path, dict[str, Exported]],
) -> None:
    """Each stage and policy occurs once, before the bindings that refer to it."""
    for exported in exported_flows[1].values():
        stages = [entry.id for entry in exported.select(DUMMY_STAGE, DENY_STAGE)]
        bound_stages = [entry.identifiers["stage"].value for entry in exported.select(BINDING)]
        assert sorted(stages) == sorted(set(bound_stages))
        policies = [entry.id for entry in exported.select(DUMMY_POLICY)]
        assert len(policies) == len(set(policies))
    flow_with_duplicates = exported_flows[1]["a-flow"]
    assert [entry.identifiers["order"] for entry in flow_with_duplicates.select(BINDING)] == [
        10,
        10,
        10,
        20,
    ]
    assert len(flow_with_duplicates.select(DUMMY_STAGE, DENY_STAGE)) == 3


def test_groups_and_users_are_bound_by_name(
    exported_flows: tuple[Path, dict[str, Exported]],
) -> None:
    """Keys of groups and users differ between installations."""
    flow = exported_flows[1][str(ROWS["authentik_flows_flow"][0]["slug"])]
    bindings = [
        (name, fields["target"], fields[name])
        for entry in flow.select(POLICY_BINDING)
        for fields in (read_fields(entry.identifiers),)
        for name in ("group", "user")
        if name in fields
    ]
    target = ("!KeyOf", f"flow/{ROWS['authentik_flows_flow'][0]['slug']}")
    assert sorted(bindings) == [
        ("group", target, ("!Find", ["authentik_core.group", ["name", "authentik Admins"]])),
        ("user", target, ("!Find", ["authentik_core.user", ["username", "superuser"]])),
    ]


def test_edge_cases_are_the_same_after_export_and_import(
    exported_flows: tuple[Path, dict[str, Exported]],
    blueprint_database: BlueprintDatabase,
    tmp_path: Path,
) -> None:
    """Missing groups and users get placeholders. Flows with invalid values are excluded."""
    flows = exported_flows[1]
    valid_flows = {slug: exported for slug, exported in flows.items() if not is_invalid(exported)}
    for slug, exported in valid_flows.items():
        (tmp_path / f"{slug}.yaml").write_text(exported.text, "utf-8")
    report = blueprint_database.load(tmp_path)
    assert report.omissions == []
    assert {"group 'authentik Admins'", "user 'superuser'"} < set(report.placeholders)
    key = blueprint_database.create_superuser_token()
    with AppClient(blueprint_database.url) as client:
        for slug, exported in valid_flows.items():
            copy = export_flow(client, slug, key, tmp_path)
            assert strip_positions(copy.entries) == strip_positions(exported.entries)
    assert len(valid_flows) > 90


def test_invalid_values_are_errors_that_name_the_field(
    exported_flows: tuple[Path, dict[str, Exported]], blueprint_database: BlueprintDatabase
) -> None:
    """Values of a newer authentik and empty names are errors."""
    folder, flows = exported_flows
    invalid_slugs = [slug for slug, exported in flows.items() if is_invalid(exported)]
    reason = r"'\w+' must (not be empty|be one of .*, not '.*') \(entry .*\)"
    with pytest.raises(BlueprintError) as errors:
        blueprint_database.load(*(folder / f"{slug}.yaml" for slug in invalid_slugs))
    matches = [
        re.fullmatch(rf"{folder}/(.*)\.yaml:\d+:\d+: {reason}", message)
        for message in errors.value.messages
    ]
    assert {match and match[1] for match in matches} == set(invalid_slugs)


def is_invalid(flow: Exported) -> bool:
    """Return whether a flow has a value that an import rejects, unlike authentik's tables."""
    return any(
        value not in KNOWN_VALUES.get(name, [value])
        or (name in ("name", "title") and not value.strip())
        for entry in flow.entries
        for name, value in {**entry.attrs, **entry.identifiers}.items()
    )


def test_special_characters_in_names_are_escaped(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """The trimmed names of flows, stages and policies are the same after export and import."""
    for number, name in enumerate(SPECIAL_NAMES):
        write_blueprint(tmp_path / f"{number}.yaml", yaml.safe_dump(build_entries(number, name)))
    blueprint_database.load(tmp_path)
    key = blueprint_database.create_superuser_token()
    before = blueprint_database.dump()
    exports = tmp_path / "exports"
    exports.mkdir()
    with AppClient(blueprint_database.url) as client:
        for number, name in enumerate(SPECIAL_NAMES):
            exported = export_flow(client, f"special-{number}", key, exports)
            names = [
                entry.identifiers.get("name", entry.attrs.get("name")) for entry in exported.entries
            ]
            assert names == [*[name.strip()] * 3, None, None], exported.text
    assert blueprint_database.load(exports).unchanged == 5 * len(SPECIAL_NAMES)
    assert blueprint_database.dump() == before


def test_special_characters_in_comments_are_escaped(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """A name in a comment cannot end the comment."""
    for number, name in enumerate(SPECIAL_NAMES):
        write_blueprint(tmp_path / f"{number}.yaml", yaml.safe_dump(build_entries(number, name)))
    blueprint_database.load(tmp_path)
    key = blueprint_database.create_superuser_token()
    blueprint_database.execute(
        *(METADATA.tables[f"flowql_{kind}type"].delete() for kind in ("stage", "policy"))
    )
    with AppClient(blueprint_database.url) as client:
        for number, name in enumerate(SPECIAL_NAMES):
            exported = export_flow(client, f"special-{number}", key, tmp_path)
            assert [entry.attrs["name"] for entry in exported.entries] == [name.strip()]
            assert [
                json.dumps(name.strip()) in line and line.isascii() for line in exported.comments
            ] == [True] * 4


def build_entries(number: int, name: str) -> list[dict[str, object]]:
    """Return the entries of a flow with a stage and a policy, all with this name."""
    slug = f"special-{number}"
    keys = [
        identifier(kind, number) for kind in ("special flow", "special stage", "special policy")
    ]
    flow, stage, policy = keys
    return [
        {
            "model": FLOW,
            "identifiers": {"pk": flow, "slug": slug},
            "attrs": {"name": name, "title": name, "designation": "recovery", "background": name},
        },
        {"model": DUMMY_STAGE, "identifiers": {"pk": stage, "name": name}},
        {"model": DUMMY_POLICY, "identifiers": {"pk": policy, "name": name}},
        {"model": BINDING, "identifiers": {"target": flow, "stage": stage, "order": 0}},
        {"model": POLICY_BINDING, "identifiers": {"target": flow, "policy": policy, "order": 0}},
    ]


def build_empty_binding(key: str) -> PolicyBindingRow:
    """Return a binding without policy, group and user."""
    return PolicyBindingRow(
        pk=key,
        target=key,
        order=0,
        enabled=True,
        negate=False,
        timeout=30,
        failure_result=False,
        policy=None,
        policy_name=None,
        execution_logging=None,
        policy_model=None,
        group=None,
        group_name=None,
        user=None,
        username=None,
    )


def build_content(flow: FlowRow, binding: PolicyBindingRow) -> tuple[ExportContent, Selection]:
    """Return the content of an export of a flow with one policy binding, and all of it."""
    content = ExportContent({}, {binding.target: [binding]})
    return content, Selection(content, [flow])


@given(
    name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    group=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("#:!&*'\"\n\r\u2028")),
)
def test_any_string_is_the_same_after_export_and_import(name: str, group: str) -> None:
    """The strings include YAML's special characters, all line breaks and all of Unicode."""
    key = identifier("any", "flow")
    flow = FlowRow(key, key, name, "any", name, "recovery", name, "any", False, "", "", "")  # noqa: FBT003 - FlowRow is positional
    binding = replace(build_empty_binding(key), group_name=group)
    text = dump(build_document(*build_content(flow, binding)))
    flow_entry, binding_entry = parse_entries(text.encode())
    assert {flow_entry.attrs[field] for field in ("name", "title", "background")} == {name}
    find = read_fields(binding_entry.identifiers)["group"]
    assert find == ("!Find", ["authentik_core.group", ["name", group]])


def test_empty_binding_is_omitted() -> None:
    """Authentik can store a binding without policy, group and user, which an import rejects."""
    key = identifier("any", "flow")
    flow = FlowRow(key, key, "x", "x", "x", "recovery", "", "any", False, "", "", "")  # noqa: FBT003 - FlowRow is positional
    binding = build_empty_binding(key)
    _, line = build_document(*build_content(flow, binding)).items
    assert line == "omitted: the binding of null"


MISSING = (404, {"detail": "No Flow matches the given query."})
FORBIDDEN = (403, {"detail": "You do not have permission to perform this action."})


@pytest.mark.parametrize(
    "viewer", ["object_role", "object_role_by_group", "object_role_by_ancestor"]
)
def test_hidden_flows_are_not_exported(client: AppClient, viewer: str) -> None:
    """The response is that for a missing flow; for a visible flow, an export needs global rights."""
    roles = {"object_role": ("some flows", "more flows")}.get(viewer, ("few flows",))
    visible_numbers = {number for role in roles for number in VISIBLE_FLOWS_BY_ROLE[role]}
    for number, flow in enumerate(ROWS["authentik_flows_flow"]):
        response = client.get(f"/flows/instances/{flow['slug']}/export/", KEYS[viewer])
        expected = FORBIDDEN if number in visible_numbers else MISSING
        assert (response.status, response.json) == expected


def test_flow_without_bindings_is_one_entry(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """The entry of the flow is the whole file, in the format of authentik's blueprints."""
    entry = {**build_entries(0, "Simple")[0]}
    blueprint_database.load(write_blueprint(tmp_path / "simple.yaml", yaml.safe_dump([entry])))
    with AppClient(blueprint_database.url) as client:
        text = export_flow(
            client, "special-0", blueprint_database.create_superuser_token(), tmp_path
        ).text
    assert text == (
        "version: 1\n"
        "metadata:\n"
        "  name: Simple\n"
        "entries:\n"
        "- model: authentik_flows.flow\n"
        "  id: flow/special-0\n"
        "  identifiers:\n"
        "    slug: special-0\n"
        "  attrs:\n"
        "    name: Simple\n"
        "    title: Simple\n"
        "    designation: recovery\n"
        "    background: Simple\n"
        "    policy_engine_mode: any\n"
        "    compatibility_mode: false\n"
        "    layout: stacked\n"
        "    denied_action: message_continue\n"
        "    authentication: none\n"
    )
