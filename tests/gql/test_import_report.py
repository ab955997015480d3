"""The output of an import: a plan of one line per change, a summary, and a limited number of messages."""

from collections import Counter

from gql.import_report import render_errors, render_plan, render_report
from models.blueprint.report import ImportOptions, ImportReport, PlannedChange

SECRET = {"$secret": True}
FLOW = PlannedChange(
    "create",
    "flow",
    "door",
    {"title": (None, "Door"), "background": (None, ""), "layout": (None, "stacked")},
)
STAGE = PlannedChange("delete", "stage", "bell")
POLICY = PlannedChange(
    "change",
    "policy",
    "from outside",
    {"settings.key": (None, SECRET), "execution_logging": (False, True)},
)


def render_change(old: object, new: object) -> str:
    """Return the line of a change of one field."""
    change = PlannedChange("change", "stage", "s", {"settings.x": (old, new)})
    [line] = render_plan(ImportReport(plan=[change]))
    return line.removeprefix('change stage "s": settings.x ')


def test_plan_has_one_line_per_change_in_a_fixed_order() -> None:
    """The order is that of actions, kinds, names and fields; new objects have no empty values."""
    skipped = Counter({"authentik_core.token": 1, "authentik_brands.brand": 2})
    lines = [
        'create flow "door": layout "stacked", title "Door"',
        'change policy "from outside": execution_logging false -> true',
        'change policy "from outside": settings.key null -> secret',
        'delete stage "bell"',
        "skip 2 authentik_brands.brand",
        "skip 1 authentik_core.token",
    ]
    for plan in ([STAGE, POLICY, FLOW], [FLOW, POLICY, STAGE]):
        assert list(render_plan(ImportReport(skipped=skipped, plan=plan))) == lines


def test_only_secrets_are_shown_as_secret() -> None:
    """A secret can be inside another value; a string that looks like one is a string."""
    assert render_change({"a": [SECRET]}, '{"$secret": true}') == (
        '{"a": [secret]} -> "{\\"$secret\\": true}"'
    )


def test_long_values_are_cut_to_their_difference() -> None:
    """The line contains what differs, and some characters before it."""
    line = render_change("a" * 5_000 + "True", "a" * 5_000 + "False" + "b" * 5_000)
    assert line.startswith(f'…{"a" * 40}True" -> …{"a" * 40}Falsebbb')
    assert line.endswith("b…")
    assert len(line) < 500
    assert render_change("a" * 300, "a" * 301).endswith('aa"')


def test_control_characters_are_escaped() -> None:
    """Values and messages do not break lines or move the cursor of a terminal."""
    assert render_change("a\nb", "\u202e\x1b[2J\x9b") == r'"a\nb" -> "\u202e\u001b[2J\x9b"'
    assert list(render_errors(["a\n\x1b[2J.yaml: No such file"])) == [
        r"a\n\x1b[2J.yaml: No such file"
    ]


def test_summary_counts_entries() -> None:
    """What is skipped, ignored or replaced by a placeholder has a line if there is any."""
    report = ImportReport(
        created=1,
        unchanged=2,
        deleted=3,
        skipped=Counter({"authentik_core.token": 1}),
        ignored=Counter({"authentik_core.user groups": 4}),
        placeholders=["user ann", "group operators"],
    )
    assert list(render_report(report, ImportOptions())) == [
        "1 created, 0 updated, 2 unchanged, 3 deleted, 1 skipped (1 authentik_core.token)",
        "ignored: 4 authentik_core.user groups",
        "placeholders for group operators, user ann",
    ]
    assert list(render_report(ImportReport(), ImportOptions(is_dry_run=True))) == [
        "dry run, nothing was written: 0 created, 0 updated, 0 unchanged, 0 deleted, 0 skipped"
    ]


def test_messages_precede_the_summary() -> None:
    """Warnings, omitted bindings and the errors of invalid files are lines of their own."""
    report = ImportReport(warnings=["w"], omissions=["o"], errors=["e", "f"])
    assert list(render_report(report, ImportOptions(keep_going=True)))[:-1] == [
        "warning: w",
        "o",
        "e",
        "f",
        "2 errors: their files were not imported",
    ]


def test_the_number_of_messages_is_limited() -> None:
    """At most 1,000 messages of each kind and 20 placeholders are printed."""
    lines = list(render_errors([f"error {number}" for number in range(2_500)]))
    assert lines[999:] == [
        "error 999",
        "… and 1,500 more errors",
        "2,500 errors: nothing was imported",
    ]
    report = ImportReport(placeholders=[f"user {number:02}" for number in range(30)])
    *_, names = render_report(report, ImportOptions())
    assert names.endswith("user 18, user 19, and 10 more")
