"""An import creates and updates one row per entry, and reports what it did."""

from pathlib import Path

import pytest

from gql.cli import main
from models.tables.metadata import METADATA
from support.blueprints import (
    BASE,
    BINDING_PK,
    FLOW,
    FLOW_PK,
    OTHER_PK,
    POLICY_BINDING,
    POLICY_PK,
    STAGE,
    STAGE_PK,
    BlueprintDatabase,
    count_entries,
    read_content,
    write_blueprint,
)


def test_command_prints_a_report_or_an_error(
    blueprint_database: BlueprintDatabase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report or an error is one line on standard error; an error has exit code 2."""
    unsupported = "- {model: authentik_brands.brand, identifiers: {domain: x}}\n" * 2
    valid = write_blueprint(tmp_path / "valid.yaml", BASE + unsupported)
    assert run_command("import", str(valid), "--database", blueprint_database.url) == 0
    report = "flowql: 4 created, 0 updated, 0 unchanged, 0 deleted, 2 skipped (2 authentik_brands.brand)\n"
    assert capsys.readouterr() == ("", report)
    invalid = write_blueprint(
        tmp_path / "invalid.yaml", f"{FLOW}{{name: x, designation: recovery}}\n"
    )
    assert run_command("import", str(invalid), "--database", blueprint_database.url) == 2
    assert capsys.readouterr() == ("", f"flowql: {invalid}:3:3: 'title' is required\n")


def run_command(*arguments: str) -> object:
    """Run `flowql` with these arguments, and return its exit code."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def test_rows_have_the_keys_of_their_entries(base_database: BlueprintDatabase) -> None:
    """The primary key of a row is the pk of the identifiers."""
    content = read_content(base_database)
    keys = [row.flow_uuid for row in content.flows] + [row.fsb_uuid for row in content.bindings]
    assert keys == [FLOW_PK, BINDING_PK]
    assert (list(content.stages), list(content.policies)) == ([STAGE_PK], [POLICY_PK])


def test_row_is_identified_by_its_key_or_by_the_other_identifiers(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """A known key with a new slug changes the slug; a known slug with a new key keeps the key."""
    flow = "- {model: authentik_flows.flow, identifiers: {pk: %s, slug: %s}}\n"
    by_key = write_blueprint(tmp_path / "key.yaml", flow % (FLOW_PK, "renamed"))
    assert count_entries(base_database.load(by_key)) == (0, 1, 0)
    by_slug = write_blueprint(tmp_path / "slug.yaml", flow % (OTHER_PK, "renamed"))
    assert count_entries(base_database.load(by_slug)) == (0, 0, 1)
    assert [(row.flow_uuid, row.slug) for row in read_content(base_database).flows] == [
        (FLOW_PK, "renamed")
    ]


def test_export_of_another_installation_updates_the_same_flow(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """The export's keys refer to the rows that its entries match by name or slug."""
    other = BASE
    for number, key in enumerate((FLOW_PK, STAGE_PK, POLICY_PK, BINDING_PK)):
        other = other.replace(key, OTHER_PK[:-1] + str(number))
    binding = f"{POLICY_BINDING}target: {OTHER_PK[:-1]}0, order: 0}}\n".replace(
        POLICY_PK, OTHER_PK[:-1] + "2"
    )
    report = base_database.load(write_blueprint(tmp_path / "other.yaml", other + binding))
    assert count_entries(report) == (1, 0, 4)
    assert [row.policy_id for row in read_content(base_database).policy_bindings] == [POLICY_PK]


def test_update_changes_only_fields_of_the_entry(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """Fields that the entry does not contain keep their stored values."""
    before = read_content(base_database)
    changes = write_blueprint(
        tmp_path / "changes.yaml",
        "- {model: authentik_flows.flow, identifiers: {slug: base},"
        " attrs: {title: Changed, policy_engine_mode: all}}\n"
        "- {model: authentik_stages_dummy.dummystage, identifiers: {name: base-stage}}\n"
        "- {model: authentik_policies_dummy.dummypolicy, identifiers: {name: base-policy},"
        " attrs: {execution_logging: true}}\n",
    )
    assert count_entries(base_database.load(changes)) == (0, 2, 1)
    after = read_content(base_database)
    [old], [new] = before.flows, after.flows
    assert new._asdict() == {**old._asdict(), "title": "Changed"}
    assert after.parents == {**before.parents, old.policybindingmodel_ptr_id: "all"}
    assert after.bindings == before.bindings


def test_type_is_stored_for_a_row_without_one(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """A stage of unknown type gets the model of the entry."""
    base_database.execute(METADATA.tables["flowql_stagetype"].delete())
    assert count_entries(base_database.load(write_blueprint(tmp_path / "base.yml", BASE))) == (
        0,
        1,
        3,
    )
    assert read_content(base_database).types[STAGE_PK] == "authentik_stages_dummy.dummystage"


def test_folders_are_read_recursively(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """Files ending in .yaml and .yml are read at any depth; other files are ignored."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "not-a-file.yaml").mkdir()
    (tmp_path / "notes.txt").write_text("no blueprint")
    write_blueprint(tmp_path / "stages.yml", f"{STAGE}identifiers: {{name: shallow}}\n")
    write_blueprint(deep / "stages.yaml", f"{STAGE}identifiers: {{name: deep}}\n")
    assert count_entries(blueprint_database.load(tmp_path)) == (2, 0, 0)
    assert sorted(read_content(blueprint_database).stages.values()) == ["deep", "shallow"]


def test_file_that_is_given_twice_is_stored_once(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """It does not matter whether it is given by itself or in a folder."""
    file = write_blueprint(tmp_path / "base.yaml", BASE)
    assert count_entries(blueprint_database.load(file, tmp_path, file)) == (4, 0, 0)


def test_entries_of_other_models_are_skipped_and_counted(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """Values of skipped entries are not checked; tags and states are ignored."""
    entries = (
        "- {model: authentik_brands.brand, state: absent, conditions: [!KeyOf nothing]}\n"
        "- {model: Authentik_Core.Application, identifiers: {name: !Format [a, b]}}\n"
        "- {model: authentik_core.application, state: gone, attrs: {fields: [!KeyOf nothing]}}\n"
        "- {model: authentik_stages_dummy.dummystage, conditions: [true, false]}\n"
    )
    report = blueprint_database.load(write_blueprint(tmp_path / "other.yaml", entries))
    assert count_entries(report) == (0, 0, 0)
    assert report.skipped == {
        "authentik_brands.brand": 1,
        "authentik_core.application": 2,
        "authentik_stages_dummy.dummystage": 1,
    }


def test_values_are_parsed_as_yaml_1_1(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """Numbers become strings, `on` and `no` are booleans, and `<<` merges mappings."""
    file = tmp_path / "values.yaml"
    file.write_text(
        "\ufeffentries:\r\n"
        "- model: authentik_flows.flow\n"
        "  identifiers: {slug: 2024}\n"
        "  attrs: &attrs {name: 1.50, title: 007, designation: recovery, compatibility_mode: on}\n"
        "- model: authentik_flows.flow\n"
        "  identifiers: {slug: 'no'}\n"
        '  attrs: {<<: *attrs, name: "x\\u2028 \\U0001F600", compatibility_mode: no}\n'
        "- model: authentik_flows.flow\n"
        "  identifiers: {slug: folded}\n"
        "  attrs:\n    <<: [*attrs]\n    name: >-\n      one\n      line\n"
        "version: 1\n",
        encoding="utf-8",
        newline="",
    )
    blueprint_database.load(file)
    assert {
        row.slug: (row.name, row.title, row.compatibility_mode)
        for row in read_content(blueprint_database).flows
    } == {
        "2024": ("1.5", "7", True),
        "no": ("x\u2028 \U0001f600", "7", False),
        "folded": ("one line", "7", True),
    }
