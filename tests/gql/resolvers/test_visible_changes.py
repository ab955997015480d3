"""The part of a difference that a viewer may see."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gql.resolvers.visible_changes import Sight, VisibleChange, filter_changes
from models.diff.changes import Change, ChangeKind, NamedObject, Place

SEEN, UNSEEN = "seen-flow", "unseen-flow"
KINDS = ("flow", "stage binding", "stage", "policy binding", "policy", "prompt")
# A viewer of one of two flows, with everything below it.
LIMITED = Sight(
    {"f1": SEEN},
    {kind: frozenset({"1"}) for kind in KINDS[1:]},
    has_all_settings=True,
    has_stage_bindings=True,
)
# A viewer of all flows with everything below them, who is no superuser.
WIDE = replace(
    LIMITED,
    flows={"f1": SEEN, "f2": UNSEEN},
    complete_kinds=frozenset(KINDS),
    has_all_settings=False,
)
COMPLETE = Sight(is_complete=True)
HIDDEN = NamedObject("policy", "hidden policy", "9")
GROUP = NamedObject("group", "hidden group", "8")
BASELINE_ONLY = NamedObject("stage", "old stage", None)


def make_change(kind: str = "stage", pk: str | None = "1", /, **values: Any) -> Change:
    """Return a change of an object of the visible flow; without `pk`, only the baseline has it."""
    flows = frozenset({"f1"})
    defaults: dict[str, Any] = {
        "path": f"{kind}/name.title",
        "kind": ChangeKind.CHANGED,
        "object_kind": kind,
        "object": f"{kind}/name",
        "before": "old",
        "after": "new",
        "attribute": "title",
        "flows": frozenset({SEEN}),
        "left": Place("l1", flows),
        "right": None if pk is None else Place(pk, flows),
    }
    return Change(**{**defaults, **values})


def make_object(kind: str, values: Mapping[str, Any], **others: Any) -> Change:
    """Return an object that the baseline lacks."""
    added = {"kind": ChangeKind.ADDED, "attribute": None, "before": None, "after": values}
    return make_change(kind, **{**added, "path": f"{kind}/name", "left": None, **others})


def see(change: Change, sight: Sight = LIMITED) -> VisibleChange | None:
    """Return the change as a viewer sees it, None if it is hidden."""
    visible = filter_changes([change], sight)
    return visible[0] if visible else None


@pytest.mark.parametrize("kind", KINDS)
def test_visible_object(kind: str) -> None:
    """Changes of visible objects are visible."""
    change = make_change(kind, "f1" if kind == "flow" else "1")
    assert see(change) == VisibleChange(change)


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_object(kind: str) -> None:
    """Changes of other objects are not."""
    assert see(make_change(kind, "f2" if kind == "flow" else "2")) is None


@pytest.mark.parametrize("kind", KINDS)
def test_object_of_baseline(kind: str) -> None:
    """Only viewers of all flows see what only the baseline has."""
    values = {"kind": ChangeKind.REMOVED, "attribute": None, "before": {"name": "x"}, "after": None}
    change = make_change(kind, None, **values)
    assert see(change) is None
    assert see(change, WIDE) is not None
    assert see(change, COMPLETE) is not None
    assert see(change, replace(WIDE, complete_kinds=frozenset({"flow"}) - {kind})) is None


def test_conditions_on_flows() -> None:
    """With conditions on flows, only changes that concern one of them are included."""
    change = make_change()
    for sight in (LIMITED, WIDE, COMPLETE):
        assert see(change, replace(sight, matching=frozenset({SEEN, "x"})))
        assert see(change, replace(sight, matching=frozenset({UNSEEN}))) is None
        assert see(change, replace(sight, matching=frozenset())) is None


def test_slugs_of_hidden_flows() -> None:
    """The slugs of hidden flows that use an object are removed."""
    change = make_change(flows=frozenset({SEEN, UNSEEN}))
    visible = see(change)
    assert visible
    assert visible.change.flows == {SEEN}


def test_settings_require_right() -> None:
    """A change of a setting requires the right to view the settings of the object."""
    change = make_change(is_setting=True)
    assert see(change)
    sight = replace(LIMITED, has_all_settings=False)
    assert see(change, sight) is None
    assert see(change, replace(sight, settings=frozenset({"1"})))


@pytest.mark.parametrize("named", [HIDDEN, GROUP, BASELINE_ONLY])
def test_setting_names_hidden_object(named: NamedObject) -> None:
    """The values of a setting that names a hidden object are removed."""
    visible = see(make_change(is_setting=True, before=None, after=named.name, names=(named,)))
    assert visible
    assert visible.is_redacted
    assert named.name not in repr(visible)


def test_setting_names_visible_object() -> None:
    """The values of a setting that names visible objects stay."""
    named = (NamedObject("stage", "stage", "1"), NamedObject("flow", SEEN, "f1"))
    change = make_change(is_setting=True, names=named)
    assert see(change) == VisibleChange(replace(change, names=()))


def test_superuser_sees_names() -> None:
    """Nothing is removed for viewers of everything."""
    change = make_change(is_setting=True, names=(HIDDEN, GROUP, BASELINE_ONLY))
    assert see(change, COMPLETE) == VisibleChange(change)


@pytest.mark.parametrize("is_named", [True, False])
def test_settings_of_added_object(is_named: bool) -> None:  # noqa: FBT001 - a parameter
    """Of an added stage, settings are removed if they are hidden or name hidden objects."""
    values = {"name": "stage", "model": "m", "policy": "hidden policy"}
    change = make_object("stage", values, names=(HIDDEN,) if is_named else ())
    visible = see(change, replace(LIMITED, has_all_settings=is_named))
    assert visible
    assert visible.is_redacted
    assert visible.change.after == {"name": "stage", "model": "m"}


def test_binding_names_what_it_bound() -> None:
    """What a binding bound before is removed if it is hidden; what it binds now stays."""
    change = make_change(
        "policy binding",
        attribute="policy",
        path="flow/seen-flow/policy/0/hidden policy.policy",
        object="flow/seen-flow/policy/0/hidden policy",
        before="hidden policy",
        names=(HIDDEN,),
    )
    visible = see(change)
    assert visible
    assert visible.change.after == "new"
    assert visible.is_redacted
    assert "hidden policy" not in repr(visible)
    assert visible.change.path == "policy binding/1.policy"


def test_paths_of_bindings() -> None:
    """The names of the baseline are in the paths of all changes of a binding."""
    path = "flow/seen-flow/stage/0/old stage"
    changes = [
        make_change(
            "stage binding",
            attribute="stage",
            before="old stage",
            names=(BASELINE_ONLY,),
            path=path,
        ),
        make_change("stage binding", attribute="order", object=path, path=f"{path}.order"),
    ]
    assert "old stage" not in repr(filter_changes(changes, LIMITED))
    assert "old stage" in repr(filter_changes(changes, WIDE))


def test_path_names_stage() -> None:
    """The path of a policy binding has no stage for viewers who may not see all stage bindings."""
    path = "flow/seen-flow/stage/0/some stage/policy/0/p"
    change = make_change("policy binding", object=path, path=f"{path}.title")
    assert see(change) == VisibleChange(change)
    visible = see(change, replace(LIMITED, has_stage_bindings=False))
    assert "some stage" not in repr(visible)


def test_added_binding_keeps_names() -> None:
    """A visible binding may name its group, as everywhere; but not a stage that is hidden."""
    target = NamedObject("stage binding", "seen-flow/stage/0/some stage", "7")
    values = {"target": target.name, "group": "hidden group", "order": 0}
    visible = see(make_object("policy binding", values, names=(GROUP, target)))
    assert visible
    assert visible.change.after == {"group": "hidden group", "order": 0}


def test_usernames() -> None:
    """The graph does not show them, except in changes for viewers of everything."""
    path = "flow/seen-flow/user/0/secret"
    user = NamedObject("user", "secret", "5")
    changes = [
        make_change("policy binding", attribute="timeout", path=f"{path}.timeout", object=path),
        make_change(
            "policy binding",
            attribute="user",
            path=f"{path}.user",
            object=path,
            before="other secret",
            after="secret",
            names=(user,),
        ),
        make_object("policy binding", {"user": "secret", "order": 0}, names=(user,)),
    ]
    for change in changes:
        visible = see(change)
        assert visible
        assert "secret" not in repr(visible)
        assert see(change, COMPLETE) == VisibleChange(change)
