"""A round makes the database equal to authentik, in one transaction."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import insert, text, update
from sqlmodel import col

from models.database import open_database
from models.errors import DatabaseError
from models.sync.mirror import mirror
from models.sync.options import SyncOptions
from models.systems.content import Origin, SystemContent
from models.tables.access import SUPERUSERS, Group, UserGroup
from models.tables.stage import StageType
from support.blueprints import BlueprintDatabase
from support.command import create_token, run_in_process
from support.synced_objects import (
    FLOW,
    GROUP,
    POLICY_BINDING,
    SECRET_VALUE,
    STAGE_BINDING,
    USER,
    Item,
    bind,
    bind_stage,
    build_flow,
    build_stage,
    key,
)
from support.syncs import SyncedDatabase

FLOW_FILE = """\
entries:
- model: authentik_flows.flow
  id: flow
  identifiers: {slug: login}
  attrs: {name: Old, title: Old, designation: recovery}
- model: authentik_stages_dummy.dummystage
  id: stage
  identifiers: {name: identify}
- model: authentik_flows.flowstagebinding
  identifiers: {target: !KeyOf flow, stage: !KeyOf stage, order: 0}
- model: authentik_policies.policybinding
  identifiers: {target: !KeyOf flow, order: 1, group: !Find [authentik_core.group, [name, staff]]}
- model: authentik_policies.policybinding
  identifiers: {target: !KeyOf flow, order: 2, user: !Find [authentik_core.user, [username, ada]]}
"""


FUNCTION = (
    "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN RAISE EXCEPTION ''a row is written''; END'"
)
EXECUTE = "EXECUTE FUNCTION fail()"


def rename_key(synced: SyncedDatabase, item: Item, name: str) -> None:
    """Give an object of authentik another primary key, with the references to it."""
    old, new = item["pk"], key(name)
    item["pk"] = new
    for other in synced.authentik.objects:
        for column, value in other.items():
            if value == old:
                other[column] = new
            elif isinstance(value, list):
                other[column] = [new if entry == old else entry for entry in cast(list[Any], value)]


def import_flow(synced: SyncedDatabase, folder: object) -> None:
    """Import a flow `login` with a stage, a group and a user, which get keys of their own."""
    path = f"{folder}/flow.yaml"
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - a path as a string
        file.write(FLOW_FILE)
    assert run_in_process("import", path, "--database", synced.database.url).returncode == 0


def test_first_round_fills_the_database(synced: SyncedDatabase) -> None:
    """All objects are created with authentik's keys."""
    report = synced.sync()
    assert (report.created, report.updated, report.deleted, report.unchanged) == (22, 0, 0, 0)
    rows = synced.dump()
    flows = {row.slug: row for row in rows["authentik_flows_flow"]}
    assert flows["login"].flow_uuid == key("flow login")
    assert flows["login"].policybindingmodel_ptr_id == key("parent of flow login")
    content = synced.read()
    assert content.steps == [
        ("enrollment", 0, "ask"),
        ("enrollment", 10, "write"),
        ("login", 0, "identify"),
        ("login", 10, "captcha"),
    ]
    assert [bound for _, _, bound in content.gates] == ["user ada", "policy allow", "group staff"]


def test_secrets_are_not_stored(synced: SyncedDatabase) -> None:
    """Neither values of secrets nor the token are in any row."""
    synced.sync()
    stored = repr(synced.database.dump())
    assert SECRET_VALUE not in stored
    assert synced.authentik.token not in stored


def test_second_round_writes_only_its_time(synced: SyncedDatabase) -> None:
    """No row is written, not even with equal values."""
    synced.sync()
    before, first = synced.dump(), synced.read_source()
    forbid_writes(synced.database)
    report = synced.sync()
    assert (report.created, report.updated, report.deleted, report.unchanged) == (0, 0, 0, 22)
    assert synced.dump() == before
    assert synced.read_source().synced_at > first.synced_at


def test_changes_are_mirrored(synced: SyncedDatabase) -> None:
    """A changed object is updated, a new one created, and what is gone is deleted."""
    synced.sync()
    synced.authentik.find(FLOW, slug="login")["title"] = "New title"
    synced.authentik.remove(synced.authentik.find(STAGE_BINDING, stage=key("stage captcha")))
    synced.authentik.remove(synced.authentik.find(FLOW, slug="invalidation"))
    synced.authentik.objects += [build_stage("new"), bind_stage("recovery", "new")]
    report = synced.sync()
    assert (report.created, report.updated, report.deleted, report.unchanged) == (2, 1, 2, 19)
    content = synced.read()
    assert content.flows["login"]["title"] == "New title"
    assert set(content.flows) == {"login", "recovery", "enrollment"}
    assert ("login", 10, "captcha") not in content.steps
    assert ("recovery", 0, "new") in content.steps


def test_slugs_and_orders_can_be_exchanged(synced: SyncedDatabase) -> None:
    """The database checks unique keys after each statement."""
    synced.sync()
    login, recovery = (synced.authentik.find(FLOW, slug=slug) for slug in ("login", "recovery"))
    login["slug"], recovery["slug"] = "recovery", "login"
    bindings = [item for item in synced.authentik.objects if item.get("target") == login["pk"]]
    bindings[0]["order"], bindings[1]["order"] = 10, 0
    synced.sync()
    assert [order for _, order, stage in synced.read().steps if stage == "captcha"] == [0]
    slugs = {row.flow_uuid: row.slug for row in synced.dump()["authentik_flows_flow"]}
    assert slugs[key("flow login")] == "recovery"


def test_rows_of_equal_identity_take_the_keys(synced: SyncedDatabase, tmp_path: object) -> None:
    """Rows of imports become those of authentik, with all that refers to them."""
    import_flow(synced, tmp_path)
    synced.sync()
    rows = synced.dump()
    assert key("flow login") in {row.flow_uuid for row in rows["authentik_flows_flow"]}
    assert key("stage identify") in {row.stage_uuid for row in rows["authentik_flows_stage"]}
    assert key("group staff") in {row.group_uuid for row in rows["authentik_core_group"]}
    assert [row.id for row in rows["authentik_core_user"]] == [7]
    types = {row.ptr_id: row.model for row in rows["flowql_stagetype"]}
    assert types[key("stage identify")] == "authentik_stages_identification.identificationstage"
    assert set(types) == {row.stage_uuid for row in rows["authentik_flows_stage"]}
    parents = {row.pbm_uuid for row in rows["authentik_policies_policybindingmodel"]}
    assert len(parents) == 8


def test_new_keys_are_followed(synced: SyncedDatabase) -> None:
    """All objects can get other keys, as when authentik is set up again."""
    synced.sync()
    before = synced.read()
    for number, item in enumerate(synced.authentik.objects):
        if item["$model"] != USER:
            rename_key(synced, item, f"renamed {number}")
        if "policybindingmodel_ptr_id" in item:
            old, new = item["policybindingmodel_ptr_id"], key(f"parent {number}")
            for other in synced.authentik.objects:
                other.update({column: new for column, value in other.items() if value == old})
    report = synced.sync()
    assert (report.created, report.updated, report.deleted, report.unchanged) == (0, 21, 0, 1)
    after = synced.read()
    assert (after.flows, after.steps, after.gates) == (before.flows, before.steps, before.gates)
    assert set(after.stages) == set(before.stages)


def test_scopes_of_tokens_survive_new_keys(synced: SyncedDatabase) -> None:
    """A token for a flow still views the flow of this slug."""
    synced.sync()
    create_token(synced.database.url, "scoped", "--flow", "login", "--flow", "recovery")
    rename_key(synced, synced.authentik.find(FLOW, slug="login"), "another login")
    synced.sync()
    scopes = {row.flow_id for row in synced.dump()["flowql_tokenflow"]}
    assert scopes == {key("another login"), key("flow recovery")}


def test_scopes_of_tokens_survive_the_first_round(synced: SyncedDatabase, tmp_path: object) -> None:
    """Tokens can be older than the sync."""
    import_flow(synced, tmp_path)
    create_token(synced.database.url, "scoped", "--flow", "login")
    synced.sync()
    assert [row.flow_id for row in synced.dump()["flowql_tokenflow"]] == [key("flow login")]


def test_tokens_and_superusers_are_kept(synced: SyncedDatabase) -> None:
    """The users of tokens are no users of authentik."""
    for name, option in (("all", ()), ("super", ("--superuser",)), ("flat", ("--flows-only",))):
        create_token(synced.database.url, name, *option)
    before = synced.dump()
    synced.sync()
    after = synced.dump()
    for table in ("core_token", "core_user_groups", "core_user_roles", "rbac_role"):
        assert after[f"authentik_{table}"] == before[f"authentik_{table}"]
    users = after["authentik_core_user"]
    assert all(user in users for user in before["authentik_core_user"])
    assert SUPERUSERS in {row.name for row in after["authentik_core_group"]}


def test_group_like_that_of_superusers_gives_no_rights(synced: SyncedDatabase) -> None:
    """Bindings of authentik's group use FlowQL's own, which does not change."""
    create_token(synced.database.url, "super", "--superuser")
    [own] = synced.dump()["authentik_core_group"]
    synced.authentik.add(GROUP, pk=key("false"), name=SUPERUSERS)
    binding = bind("flow login", 5, group=key("false"))
    synced.authentik.objects.append(binding)
    synced.sync()
    report = synced.sync()
    assert report.updated == report.created == 0
    rows = synced.dump()
    assert own in rows["authentik_core_group"]
    bindings = {row.policy_binding_uuid: row for row in rows["authentik_policies_policybinding"]}
    assert bindings[binding["pk"]].group_id == own.group_uuid


def test_reserved_username_is_an_error(synced: SyncedDatabase) -> None:
    """It would look like the user of a token."""
    synced.authentik.find(USER, pk=7)["username"] = "flowql token of authentik"
    assert "which FlowQL reserves for its tokens" in synced.fail()


def test_user_keeps_an_id_of_its_own_if_need_be(synced: SyncedDatabase) -> None:
    """authentik's ID can belong to the user of a token."""  # noqa: D403 - a name
    create_token(synced.database.url, "first")
    [token_user] = synced.dump()["authentik_core_user"]
    synced.authentik.remove(synced.authentik.find(USER, pk=7))
    synced.authentik.add(USER, pk=token_user.id, username="ada", name="Ada")
    synced.authentik.find(POLICY_BINDING, user=7)["user"] = token_user.id
    synced.sync()
    assert synced.sync().unchanged == 22
    users = {row.username: row.id for row in synced.dump()["authentik_core_user"]}
    assert users[token_user.username] == token_user.id != users["ada"]
    assert synced.read().gates[0][2] == "user ada"


def test_ids_can_be_exchanged(synced: SyncedDatabase) -> None:
    """Users are matched by their names."""
    synced.authentik.objects.append(bind("flow login", 9, user=8))
    synced.sync()
    ada, nobody = (synced.authentik.find(USER, pk=pk) for pk in (7, 8))
    ada["pk"], nobody["pk"] = 8, 7
    synced.sync()
    users = {row.username: row.id for row in synced.dump()["authentik_core_user"]}
    assert users == {"ada": 8, "nobody": 7}


def test_tokens_can_be_created_afterwards(synced: SyncedDatabase) -> None:
    """The database does not generate the IDs that users have taken."""
    synced.authentik.find(POLICY_BINDING, user=7)["user"] = 1
    synced.authentik.find(USER, pk=7)["pk"] = 1
    synced.authentik.objects.append(bind("flow login", 9, user=2))
    synced.authentik.find(USER, pk=8)["pk"] = 2
    synced.sync()
    for name in ("one", "two", "three"):
        create_token(synced.database.url, name)
    assert {row.id for row in synced.dump()["authentik_core_user"]} >= {1, 2, 3, 4, 5}


def test_memberships_are_not_touched(synced: SyncedDatabase) -> None:
    """A group that bindings use keeps its members, also if it takes another key."""
    synced.database.execute(
        insert(Group).values(group_uuid=key("own"), name="staff", is_superuser=True, attributes={})
    )
    create_token(synced.database.url, "member")
    [user] = synced.dump()["authentik_core_user"]
    synced.database.execute(insert(UserGroup).values(user_id=user.id, group_id=key("own")))
    synced.sync()
    rows = synced.dump()
    assert [(row.user_id, row.group_id) for row in rows["authentik_core_user_groups"]] == [
        (user.id, key("group staff"))
    ]
    groups = {row.name: row.is_superuser for row in rows["authentik_core_group"]}
    assert groups == {"staff": True, "new users": False}


def test_large_deletion_is_refused(synced: SyncedDatabase) -> None:
    """More than a third of the flows would be deleted."""
    synced.sync()
    for slug in ("invalidation", "recovery"):
        synced.authentik.remove(synced.authentik.find(FLOW, slug=slug))
    assert synced.fail().startswith("2 of 4 flows would be deleted")
    assert synced.sync(force=True).deleted == 2


def test_a_third_can_be_deleted(synced: SyncedDatabase) -> None:
    """The limit itself is allowed."""
    synced.authentik.remove(synced.authentik.find(FLOW, slug="invalidation"))
    synced.sync()
    synced.authentik.remove(synced.authentik.find(FLOW, slug="recovery"))
    assert synced.sync().deleted == 1


def test_empty_authentik_is_refused(synced: SyncedDatabase) -> None:
    """It is more likely a mistake."""
    synced.sync()
    synced.authentik.objects.clear()
    assert "4 of 4 flows would be deleted" in synced.fail()


def test_no_delete_keeps_everything(synced: SyncedDatabase) -> None:
    """What authentik no longer has stays, with its bindings."""
    synced.sync()
    before = synced.read()
    synced.authentik.objects.clear()
    report = synced.sync(no_delete=True)
    assert (report.created, report.updated, report.deleted, report.unchanged) == (0, 0, 0, 22)
    assert synced.read() == before


def test_kept_rows_follow_new_keys(synced: SyncedDatabase) -> None:
    """Kept bindings and settings refer to the rows that have taken other keys."""
    synced.sync()
    kept = [
        item
        for item in synced.authentik.objects
        if item.get("name") == "identify" or item["$model"] in (STAGE_BINDING, POLICY_BINDING)
    ]
    for item in kept:
        synced.authentik.remove(item)
    rename_key(synced, synced.authentik.find(FLOW, slug="recovery"), "another recovery")
    rename_key(synced, synced.authentik.find(FLOW, slug="login"), "another login")
    synced.sync(no_delete=True)
    content = synced.read()
    assert ("login", 0, "identify") in content.steps
    rows = synced.dump()["flowql_stagetype"]
    [settings] = [row.settings for row in rows if row.ptr_id == key("stage identify")]
    assert settings["recovery_flow"] == key("another recovery")


def test_kept_row_gives_way_to_an_object_with_its_slug(synced: SyncedDatabase) -> None:
    """Two flows cannot have the same slug; the one of authentik wins."""
    synced.sync()
    synced.authentik.remove(synced.authentik.find(FLOW, slug="invalidation"))
    synced.authentik.find(FLOW, slug="recovery")["slug"] = "invalidation"
    report = synced.sync(no_delete=True)
    assert report.deleted == 1
    slugs = {row.slug: row.flow_uuid for row in synced.dump()["authentik_flows_flow"]}
    assert slugs["invalidation"] == key("flow recovery")
    assert "recovery" not in slugs


def test_unknown_settings_of_a_known_row_are_kept(synced: SyncedDatabase) -> None:
    """A list that authentik no longer has does not empty them."""
    model = "authentik_stages_palm.palmstage"
    synced.authentik.objects.append(build_stage("palm", model))
    synced.sync()
    types = update(StageType).where(col(StageType.model) == model)
    synced.database.execute(types.values(settings={"size": 1}))
    assert synced.sync().unchanged == 23
    [settings] = [row.settings for row in synced.dump()["flowql_stagetype"] if row.model == model]
    assert settings == {"size": 1}


def test_database_of_authentik_is_not_written(authentik_url: str) -> None:
    """Whoever opens it."""

    async def run() -> None:
        database = await open_database(authentik_url)
        try:
            await mirror(database, SystemContent(Origin.AUTHENTIK, {}), SyncOptions(), "")
        finally:
            await database.close()

    with pytest.raises(DatabaseError, match="belongs to authentik and is read-only"):
        asyncio.run(run())


def test_success_is_recorded(synced: SyncedDatabase) -> None:
    """With the time, authentik's version, and the URL without user information."""
    url = synced.authentik.url
    synced.authentik.url = url.replace("//", "//user:secret@") + "/?token=secret"
    synced.sync()
    row = synced.read_source()
    assert (row.id, row.url, row.version) == (1, url, "2026.8.1")
    assert (row.failed_at, row.error) == (None, None)
    assert datetime.now(UTC) - row.synced_at < timedelta(minutes=1)


def test_failure_is_recorded(synced: SyncedDatabase) -> None:
    """The last good state and its time stay, and the next success clears the failure."""
    synced.sync()
    good = synced.read_source()
    synced.authentik.permissions = ()
    message = synced.fail()
    row = synced.read_source()
    assert (row.synced_at, row.version, row.error) == (good.synced_at, good.version, message)
    assert row.failed_at > good.synced_at
    synced.authentik.permissions = None
    synced.sync()
    assert (synced.read_source().failed_at, synced.read_source().error) == (None, None)


def test_failure_of_the_first_round_is_recorded(synced: SyncedDatabase) -> None:
    """There is no data yet, and no time."""
    synced.authentik.permissions = ()
    synced.fail()
    row = synced.read_source()
    assert (row.url, row.synced_at) == (synced.authentik.url, None)
    assert row.failed_at is not None


def test_names_of_authentik_can_be_long(synced: SyncedDatabase) -> None:
    """A name that no index of PostgreSQL can contain is an error, and changes nothing."""
    synced.sync()
    before = synced.dump()
    name = "".join(chr(0x4E00 + number * 7 % 20_000) for number in range(3000))
    synced.authentik.objects.append(build_flow("long", name=name))
    if synced.database.url.startswith("sqlite"):
        assert synced.sync().created == 1
        return
    with pytest.raises(DatabaseError):
        synced.sync()
    assert synced.dump() == before
    assert synced.read_source().error == "the database could not be written"


def forbid_writes(database: BlueprintDatabase) -> None:
    """Let each write of a row fail, but for the result of the last round."""
    tables = [table for table in database.dump() if table != "flowql_source"]
    is_sqlite = database.url.startswith("sqlite")
    body = "BEGIN SELECT RAISE(ABORT, 'a row is written'); END" if is_sqlite else EXECUTE
    statements = [
        f'CREATE TRIGGER no_{event}_{number} BEFORE {event} ON "{table}" FOR EACH ROW {body}'
        for number, table in enumerate(tables)
        for event in ("INSERT", "UPDATE", "DELETE")
    ]
    database.execute(*map(text, statements if is_sqlite else [FUNCTION, *statements]))
