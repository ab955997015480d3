"""An exported flow is a blueprint that says all that is stored of it, and nothing else."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from models.blueprint import document, export
from models.blueprint.document import Entry, Find, KeyOf
from models.errors import BlueprintError
from models.queries.bindings import PolicyBindingRow
from models.queries.flows import FlowRow
from models.tables.metadata import METADATA
from support.app_client import AppClient
from support.blueprints import Store, blueprint, copy_of, empty_store
from support.edge_case_data import (
    ACTIONS,
    AUTHENTICATIONS,
    DENIED_ACTIONS,
    DESIGNATIONS,
    KEYS,
    LAYOUTS,
    ROWS,
    SEEN_BY_ROLE,
    flow_uuid,
    identifier,
)
from support.paths import SAMPLES
from support.postgres import PostgresServer
from support.seed import fill_authentik

SUPERUSER = KEYS["superuser"]
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
# A stage of a type whose table is missing, and likewise a policy.
UNTYPED_STAGE, UNTYPED_POLICY = "line\nbreak", "it's"
STAGES = {str(row["stage_uuid"]): str(row["name"]) for row in ROWS["authentik_flows_stage"]}
POLICIES = {str(row["policy_uuid"]): str(row["name"]) for row in ROWS["authentik_policies_policy"]}

# What would end a comment, a string or a line, or be something else, if it were not escaped.
HOSTILE = (
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
    """An exported flow: its text, and what was read out of it."""

    text: str
    entries: Sequence[Entry]

    @property
    def comments(self) -> list[str]:
        """The lines that say what was left out."""
        return [line for line in self.text.splitlines() if line.startswith("#")]

    def of(self, *models: str) -> list[Entry]:
        """The entries of these models."""
        return [entry for entry in self.entries if entry.model in models]


def exported(client: AppClient, slug: str, key: str, folder: Path) -> Exported:
    """Export a flow into a file of a folder, and read that."""
    answer = client.get(f"/flows/instances/{slug}/export/", key)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/yaml")
    assert answer.headers["content-disposition"] == f'attachment; filename="{slug}.yaml"'
    file = folder / f"{slug}.yaml"
    file.write_bytes(answer.body)
    return Exported(answer.body.decode(), document.read_entries(file))


def stripped(entries: Sequence[Entry]) -> list[object]:
    """What entries say, wherever they stand."""
    return [(entry.model, entry.id, entry.identifiers, entry.attrs) for entry in entries]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """An empty database, to be copied."""
    return empty_store(f"sqlite:///{tmp_path_factory.mktemp('template') / 'flowql.db'}")


@pytest.fixture
def store(template: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """An empty database."""
    return copy_of(template, tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def typed(postgres: PostgresServer) -> Iterator[AppClient]:
    """FlowQL on authentik's database with the tables of some types of stages and policies."""
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
    """Create the table of a type, with these rows."""
    names = sql.Identifier(table), sql.Identifier(key)
    connection.execute(sql.SQL("CREATE TABLE {} ({} uuid PRIMARY KEY)").format(*names))
    insert = sql.SQL("INSERT INTO {} ({}) SELECT unnest(%s::uuid[])").format(*names)
    connection.execute(insert, [list(pks)])


@pytest.fixture(scope="module")
def all_typed(
    typed: AppClient, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Exported]]:
    """All odd flows, exported from authentik's database into one folder, and read."""
    folder = tmp_path_factory.mktemp("exports")
    return folder, {slug: exported(typed, slug, SUPERUSER, folder) for slug in FLOWS}


def test_samples_survive_export_and_import(
    store: Store, template: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Into an empty database, each makes the same flow with the same keys and the same export."""
    store.load(SAMPLES)
    key = store.superuser()
    with AppClient(store.url) as client:
        flows = client.get("/flows/instances/?page_size=100", key).json["results"]
        for flow in flows:
            folder = tmp_path_factory.mktemp("sample")
            first = exported(client, flow["slug"], key, folder)
            copy = copy_of(template, folder)
            assert copy.load(folder / f"{flow['slug']}.yaml").created == len(first.entries)
            other_key = copy.superuser()
            with AppClient(copy.url) as other:
                [same] = other.get("/flows/instances/", other_key).json["results"]
                assert exported(other, flow["slug"], other_key, folder).text == first.text
            assert same == {**flow, "policybindingmodel_ptr_id": same["policybindingmodel_ptr_id"]}
    assert len(flows) == 17


def test_exports_change_nothing_where_they_come_from(
    store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every row is the same to the last column."""
    store.load(SAMPLES)
    key = store.superuser()
    folder = tmp_path_factory.mktemp("exports")
    with AppClient(store.url) as client:
        for file in SAMPLES.iterdir():
            exported(client, file.stem, key, folder)
    before = store.dump()
    report = store.load(folder)
    assert (report.created, report.updated) == (0, 0)
    assert store.dump() == before


def test_flow_without_known_types_is_exported_alone(client: AppClient, tmp_path: Path) -> None:
    """A comment names each stage, policy and binding; groups and users stay bound."""
    for slug, flow in FLOWS.items():
        found = exported(client, slug, SUPERUSER, tmp_path)
        assert {entry.model for entry in found.entries} <= {FLOW, POLICY_BINDING}
        assert [entry.identifiers for entry in found.of(FLOW)] == [
            {"pk": flow["flow_uuid"], "slug": slug}
        ]
        bound = [set(entry.identifiers) for entry in found.of(POLICY_BINDING)]
        assert all(keys & {"group", "user"} for keys in bound)
        assert len(found.comments) == left_out(flow, typed=False), slug


def left_out(flow: dict[str, object], *, typed: bool) -> int:
    """How many stages, policies and bindings of a flow cannot be exported."""
    stages = [
        row
        for row in ROWS["authentik_flows_flowstagebinding"]
        if row["target_id"] == flow["flow_uuid"]
    ]
    lost = [row for row in stages if not typed or STAGES[str(row["stage_id"])] == UNTYPED_STAGE]
    gone = {row["policybindingmodel_ptr_id"] for row in lost}
    targets = {
        flow["policybindingmodel_ptr_id"],
        *(row["policybindingmodel_ptr_id"] for row in stages),
    }
    bound = [row for row in ROWS["authentik_policies_policybinding"] if row["target_id"] in targets]
    kept = [row for row in bound if row["target_id"] not in gone]
    unbound = [
        row["policy_id"]
        for row in kept
        if row["policy_id"] and (not typed or POLICIES[str(row["policy_id"])] == UNTYPED_POLICY)
    ]
    stage_comments = len({row["stage_id"] for row in lost}) + len(lost)
    return stage_comments + len(set(unbound)) + len(unbound) + len(bound) - len(kept)


def test_what_has_no_known_type_is_named_in_comments(
    all_typed: tuple[Path, dict[str, Exported]],
) -> None:
    """Only that is left out, and each comment is one line of ASCII with name and key."""
    flows = all_typed[1]
    for slug, found in flows.items():
        assert len(found.comments) == left_out(FLOWS[slug], typed=True), slug
        assert found.text.count("left out") == len(found.comments)
    comments = {comment for found in flows.values() for comment in found.comments}
    [stage] = [pk for pk, name in STAGES.items() if name == UNTYPED_STAGE]
    [policy] = [pk for pk, name in POLICIES.items() if name == UNTYPED_POLICY]
    assert {comment for comment in comments if "whose model is unknown" in comment} == {
        f'# left out: the stage "line\\nbreak" ({stage}), whose model is unknown',
        f'# left out: the policy "it\'s" ({policy}), whose model is unknown',
    }


def test_stage_that_is_bound_twice_is_one_entry(
    all_typed: tuple[Path, dict[str, Exported]],
) -> None:
    """Each stage and policy stands once, before the bindings that refer to it."""
    for found in all_typed[1].values():
        stages = [entry.id for entry in found.of(DUMMY_STAGE, DENY_STAGE)]
        bound = [entry.identifiers["stage"].id for entry in found.of(BINDING)]
        assert stages == list(dict.fromkeys(bound))
        policies = [entry.id for entry in found.of(DUMMY_POLICY)]
        assert len(policies) == len(set(policies))
    twice = all_typed[1]["a-flow"]
    assert [entry.identifiers["order"] for entry in twice.of(BINDING)] == [10, 10, 10, 20]
    assert len(twice.of(DUMMY_STAGE, DENY_STAGE)) == 3


def test_groups_and_users_are_bound_by_name(all_typed: tuple[Path, dict[str, Exported]]) -> None:
    """They are found in the installation that imports the blueprint, which has its own keys."""
    found = all_typed[1][str(ROWS["authentik_flows_flow"][0]["slug"])]
    bound = [
        (name, entry.identifiers["target"], entry.identifiers[name])
        for entry in found.of(POLICY_BINDING)
        for name in ("group", "user")
        if name in entry.identifiers
    ]
    assert sorted(bound, key=lambda binding: binding[0]) == [
        (
            "group",
            KeyOf(flow_uuid(0)),
            Find("authentik_core.group", [("name", "authentik Admins")]),
        ),
        ("user", KeyOf(flow_uuid(0)), Find("authentik_core.user", [("username", "superuser")])),
    ]


def test_odd_flows_survive_export_and_import(
    all_typed: tuple[Path, dict[str, Exported]], store: Store, tmp_path: Path
) -> None:
    """All but those whose values FlowQL refuses; groups and users that are not here are named."""
    flows = all_typed[1]
    good = {slug: found for slug, found in flows.items() if not is_refused(found)}
    for slug, found in good.items():
        (tmp_path / f"{slug}.yaml").write_text(found.text, "utf-8")
    report = store.load(tmp_path)
    readers = [
        entry
        for found in good.values()
        for entry in found.of(POLICY_BINDING)
        if "policy" not in entry.identifiers
    ]
    assert len(report.left_out) == len(readers) > 0
    key = store.superuser()
    with AppClient(store.url) as client:
        for slug, found in good.items():
            again = exported(client, slug, key, tmp_path)
            kept = [entry for entry in found.entries if entry not in readers]
            assert stripped(again.entries) == stripped(kept)
    assert len(good) > 90


def test_odd_values_are_refused_by_name(
    all_typed: tuple[Path, dict[str, Exported]], store: Store
) -> None:
    """What only a newer authentik knows, and names that are empty, are clear errors."""
    folder, flows = all_typed
    refused = [slug for slug, found in flows.items() if is_refused(found)]
    for slug in refused:
        with pytest.raises(
            BlueprintError, match=rf"/{slug}\.yaml:\d+: \w+ is (empty|'.*', none of)"
        ):
            store.load(folder / f"{slug}.yaml")


def is_refused(found: Exported) -> bool:
    """Whether a flow has a value that authentik's tables take, and a blueprint may not have."""
    return any(
        value not in KNOWN_VALUES.get(name, [value]) or (name in ("name", "title") and not value)
        for entry in found.entries
        for name, value in {**entry.attrs, **entry.identifiers}.items()
    )


def test_hostile_names_stay_names(store: Store, tmp_path: Path) -> None:
    """Whatever a flow, a stage and a policy are called, a blueprint keeps it to the character."""
    for number, name in enumerate(HOSTILE):
        blueprint(tmp_path / f"{number}.yaml", yaml.safe_dump(named(number, name)))
    store.load(tmp_path)
    key = store.superuser()
    before = store.dump()
    exports = tmp_path / "exports"
    exports.mkdir()
    with AppClient(store.url) as client:
        for number, name in enumerate(HOSTILE):
            found = exported(client, f"hostile-{number}", key, exports)
            names = [
                entry.identifiers.get("name", entry.attrs.get("name")) for entry in found.entries
            ]
            assert names == [name, name, name, None, None]
    assert store.load(exports).unchanged == 5 * len(HOSTILE)
    assert store.dump() == before


def test_hostile_names_stay_in_their_comment(store: Store, tmp_path: Path) -> None:
    """A name that is told in a comment cannot end it."""
    for number, name in enumerate(HOSTILE):
        blueprint(tmp_path / f"{number}.yaml", yaml.safe_dump(named(number, name)))
    store.load(tmp_path)
    key = store.superuser()
    store.execute(*(METADATA.tables[f"flowql_{kind}type"].delete() for kind in ("stage", "policy")))
    with AppClient(store.url) as client:
        for number, name in enumerate(HOSTILE):
            found = exported(client, f"hostile-{number}", key, tmp_path)
            assert [entry.attrs["name"] for entry in found.entries] == [name]
            assert [json.dumps(name) in line and line.isascii() for line in found.comments] == [
                True
            ] * 4


def named(number: int, name: str) -> list[dict[str, object]]:
    """The entries of a flow with a stage and a policy, all of this name."""
    slug = f"hostile-{number}"
    keys = [
        identifier(kind, number) for kind in ("hostile flow", "hostile stage", "hostile policy")
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


def unbound(key: str) -> PolicyBindingRow:
    """A binding that binds nothing."""
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
        group_name=None,
        username=None,
    )


@given(
    name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    group=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("#:!&*'\"\n\r\u2028")),
)
def test_any_text_is_written_as_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, name: str, group: str
) -> None:
    """YAML's own characters, line ends of all kinds and all of Unicode survive."""
    key = identifier("any", "flow")
    flow = FlowRow(key, key, name, "any", name, "recovery", name, "any", False, "", "", "")  # noqa: FBT003 - positions are FlowRow's own
    binding = replace(unbound(key), group_name=group)
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(export.dump(export.build_document(flow, [], [binding])), "utf-8", newline="")
    found, bound = document.read_entries(file)
    assert {found.attrs[field] for field in ("name", "title", "background")} == {name}
    assert bound.identifiers["group"] == Find("authentik_core.group", [("name", group)])


def test_binding_of_nothing_is_left_out() -> None:
    """A row of authentik's may bind neither policy, group nor user; an import refuses that."""
    key = identifier("any", "flow")
    flow = FlowRow(key, key, "x", "x", "x", "recovery", "", "any", False, "", "", "")  # noqa: FBT003 - positions are FlowRow's own
    binding = unbound(key)
    _, line = export.build_document(flow, [], [binding])
    assert line == f"left out: the binding of null ({key})"


@pytest.mark.parametrize(
    "reader", ["object_role", "object_role_by_group", "object_role_by_ancestor"]
)
def test_hidden_flows_are_not_exported(client: AppClient, reader: str) -> None:
    """They answer as flows that do not exist; those that a reader sees are exported."""
    roles = {"object_role": ("some flows", "more flows")}.get(reader, ("few flows",))
    seen = {number for role in roles for number in SEEN_BY_ROLE[role]}
    for number, flow in enumerate(ROWS["authentik_flows_flow"]):
        answer = client.get(f"/flows/instances/{flow['slug']}/export/", KEYS[reader])
        assert answer.status == (200 if number in seen else 404)
        if number not in seen:
            assert answer.json == {"detail": "No Flow matches the given query."}


def test_flow_that_nothing_is_bound_to_is_one_entry(store: Store, tmp_path: Path) -> None:
    """The whole text, as authentik writes blueprints."""
    entry = {**named(0, "Simple")[0]}
    store.load(blueprint(tmp_path / "simple.yaml", yaml.safe_dump([entry])))
    with AppClient(store.url) as client:
        text = exported(client, "hostile-0", store.superuser(), tmp_path).text
    key = identifier("hostile flow", 0)
    assert text == (
        "version: 1\n"
        "metadata:\n"
        "  name: Simple\n"
        "entries:\n"
        "- model: authentik_flows.flow\n"
        f"  id: {key}\n"
        "  identifiers:\n"
        f"    pk: {key}\n"
        "    slug: hostile-0\n"
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
