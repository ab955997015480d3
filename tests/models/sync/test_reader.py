"""A sync reads flows with all that they consist of from any version of authentik."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest

from models.authentik.attributes import ATTRIBUTES
from models.authentik.secrets import SECRET
from models.sync.reader import read_system
from models.sync.source import ApiSource
from models.systems.content import Origin
from support.authentik_server import NEWEST, OLDEST, PATHS, PlayedAuthentik, serve_authentik
from support.synced_objects import (
    CAPTCHA,
    DUMMY,
    SECRET_VALUE,
    SOURCE,
    Item,
    bind,
    bind_stage,
    build_all_types,
    build_flow,
    build_objects,
    build_policy,
    build_prompt,
    build_stage,
    key,
)
from support.syncs import LIMITS, build_source, find_record, find_settings, read, read_failing

BASE_PERMISSIONS = {
    "authentik_flows.view_flow",
    "authentik_flows.view_flowstagebinding",
    "authentik_flows.view_stage",
    "authentik_policies.view_policy",
    "authentik_policies.view_policybinding",
    "authentik_stages_prompt.view_prompt",
}
TYPE_PERMISSIONS = {
    "authentik_policies_expression.view_expressionpolicy",
    "authentik_stages_captcha.view_captchastage",
    "authentik_stages_dummy.view_dummystage",
    "authentik_stages_identification.view_identificationstage",
    "authentik_stages_prompt.view_promptstage",
    "authentik_stages_user_write.view_userwritestage",
}
GROUP_PERMISSION = "authentik_core.view_group"


def test_content_is_what_any_version_serves(any_authentik: PlayedAuthentik) -> None:
    """All objects have their keys and values, and only the bound groups and users are read."""
    content = read(any_authentik)
    assert content.origin is Origin.AUTHENTIK
    assert content.version == f"{any_authentik.version}.1"
    assert {name: len(records) for name, records in content.records.items()} == {
        "flow": 4,
        "stage": 5,
        "policy": 2,
        "prompt": 1,
        "group": 2,
        "user": 1,
        "stage binding": 4,
        "policy binding": 3,
    }
    flow = find_record(content, "flow", "Flow login")
    assert (flow.pk, flow.parent) == (key("flow login"), key("parent of flow login"))
    assert flow.values == (
        *("Flow login", "login", "Title login", "authentication", "login.jpg", "stacked"),
        *("message_continue", "none", True, "any"),
    )


def test_content_survives_a_round_trip(any_authentik: PlayedAuthentik) -> None:
    """What a played authentik makes of the content is read as the same content."""
    content = read(any_authentik)
    with serve_authentik(content, any_authentik.version) as again:
        copy = read(again)
    assert {name: sorted(map(repr, records)) for name, records in copy.records.items()} == {
        name: sorted(map(repr, records)) for name, records in content.records.items()
    }


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_settings_of_all_types_are_read(version: str) -> None:
    """There is a list for each type, and no attribute but secrets gets lost."""
    objects = list(build_all_types())
    with serve_authentik([*objects, *build_targets()], version) as played:
        content = read(played)
    assert not any("*" in pair for pair in content.unknown)
    assert {item["pk"] for item in objects} <= {
        record.pk for kind in ("stage", "policy") for record in content.records[kind]
    }
    for item in objects:
        kind = "stage" if item["$model"].endswith("stage") else "policy"
        record = find_record(content, kind, item["name"])
        expected = item.keys() - {"$model", "pk", "name", "execution_logging"}
        assert (record.model, set(record.settings or {})) == (item["$model"], expected)


def build_targets() -> Iterator[Item]:
    """Yield the stages, the policy and the prompt that settings of all types refer to."""
    yield {**build_policy("target"), "pk": key("unknown authentik_policies.policy")}
    yield {**build_prompt("target"), "pk": key("unknown authentik_stages_prompt.prompt")}
    for model in (
        "authentik_flows.stage",
        "authentik_stages_authenticator_validate.authenticatorvalidatestage",
        "authentik_stages_captcha.captchastage",
        "authentik_stages_password.passwordstage",
    ):
        yield {**build_stage(model), "pk": key(f"unknown {model}")}


def test_secrets_are_masked(any_authentik: PlayedAuthentik) -> None:
    """A secret is masked if the API returns it, and also if it never does."""
    sms = "authentik_stages_authenticator_sms.authenticatorsmsstage"
    any_authentik.objects.append(build_stage("sms", sms, auth=SECRET_VALUE, provider="twilio"))
    content = read(any_authentik)
    assert SECRET_VALUE not in repr(content)
    assert find_settings(content, "stage", "captcha") == {
        "public_key": "public",
        "private_key": SECRET,
    }
    assert find_settings(content, "stage", "sms")["auth"] == SECRET
    assert (CAPTCHA, "private_key") in content.unknown


def test_private_keys_and_unknown_secrets_are_masked(authentik: PlayedAuthentik) -> None:
    """The rules for names and values apply to attributes of newer versions."""
    pem = f"-----BEGIN PRIVATE KEY-----\nM{SECRET_VALUE}"
    authentik.objects.append(
        build_stage("new", throw_error=False, api_token=SECRET_VALUE, note=pem)
    )
    content = read(authentik)
    settings = {"throw_error": False, "api_token": SECRET, "note": SECRET}
    assert find_settings(content, "stage", "new") == settings


def test_references_to_stored_objects_are_keys(any_authentik: PlayedAuthentik) -> None:
    """As imports store them; groups that settings name are read as well."""
    content = read(any_authentik)
    identify = find_settings(content, "stage", "identify")
    assert identify["recovery_flow"] == key("flow recovery")
    assert find_settings(content, "stage", "write")["create_users_group"] == key("group new")
    assert {record.values[0] for record in content.records["group"]} == {"staff", "new users"}


def test_references_to_other_objects_are_names(any_authentik: PlayedAuthentik) -> None:
    """Keys differ between systems."""
    settings = find_settings(read(any_authentik), "stage", "identify")
    assert settings["sources"] == [{"$find": [SOURCE, ["slug", "github"]]}]


def test_unreadable_other_objects_stay_keys(authentik: PlayedAuthentik) -> None:
    """The sync goes on with a warning that names the permission."""
    authentik.permissions = {*BASE_PERMISSIONS, *TYPE_PERMISSIONS, GROUP_PERMISSION}
    content = read(authentik)
    assert find_settings(content, "stage", "identify")["sources"] == [key("source")]
    [warning] = content.warnings
    assert "authentik_core.view_source" in warning


def test_read_permissions_are_enough(any_authentik: PlayedAuthentik) -> None:
    """Groups and users of bindings need none, nor does the version, which is then unknown."""
    any_authentik.remove(any_authentik.find("authentik_stages_user_write.userwritestage"))
    any_authentik.remove(
        any_authentik.find("authentik_flows.flowstagebinding", order=10, stage=key("stage write"))
    )
    any_authentik.permissions = {*BASE_PERMISSIONS, *TYPE_PERMISSIONS}
    content = read(any_authentik)
    assert {record.values for record in content.records["user"]} == {("ada", "Ada Lovelace")}
    assert {record.values for record in content.records["group"]} == {("staff",)}
    assert content.version is None


def test_error_names_all_missing_permissions(any_authentik: PlayedAuthentik) -> None:
    """Also those of the types that bindings show."""
    any_authentik.permissions = {"authentik_flows.view_flowstagebinding"}
    message = read_failing(any_authentik)
    bound = {permission for permission in TYPE_PERMISSIONS if "stages" in permission}
    bound -= {"authentik_stages_dummy.view_dummystage"}
    missing = BASE_PERMISSIONS - any_authentik.permissions | bound
    assert set(re.findall(r"authentik_\w+\.view_\w+", message)) == missing


@pytest.mark.parametrize(
    "permission", sorted({*BASE_PERMISSIONS, *TYPE_PERMISSIONS, GROUP_PERMISSION})
)
def test_error_names_a_missing_permission(authentik: PlayedAuthentik, permission: str) -> None:
    """Only what is missing is named."""
    authentik.permissions = {*BASE_PERMISSIONS, *TYPE_PERMISSIONS, GROUP_PERMISSION} - {permission}
    assert read_failing(authentik).startswith(f"the token lacks the permission {permission}:")


def test_unknown_type_is_read_where_authentik_would_serve_it(
    authentik: PlayedAuthentik, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A type of a newer version has settings."""
    model = "authentik_stages_authenticator_palm.authenticatorpalmstage"
    monkeypatch.setitem(PATHS, "stages/authenticator/palm/", model)
    authentik.objects.append(build_stage("palm", model, fingers=5, api_secret=SECRET_VALUE))
    content = read(authentik)
    assert find_record(content, "stage", "palm").model == model
    assert find_settings(content, "stage", "palm") == {"fingers": 5, "api_secret": SECRET}


@pytest.mark.parametrize(
    "model", ["authentik_stages_palm.palmstage", "authentik_policies_x.xpolicy"]
)
def test_unknown_type_without_a_list_is_kept(authentik: PlayedAuthentik, model: str) -> None:
    """The object has its name and model, and a warning says that its settings are unknown."""
    kind = "stage" if model.endswith("stage") else "policy"
    build = build_stage if kind == "stage" else build_policy
    authentik.objects.append(build("new", model, size=1))
    content = read(authentik)
    record = find_record(content, kind, "new")
    assert (record.model, record.settings) == (model, {})
    assert (model, "*") in content.unknown
    [warning] = content.warnings
    assert model in warning


def test_model_is_found_by_the_form(authentik: PlayedAuthentik) -> None:
    """A version that names no model names a form."""
    for item in authentik.objects:
        item["meta_model_name"] = ""
    content = read(authentik)
    assert find_record(content, "stage", "captcha").model == CAPTCHA
    assert find_settings(content, "stage", "captcha")["public_key"] == "public"


@pytest.mark.parametrize(
    "background",
    ["", "sub/folder/a b.png", "https://cdn.example/media/public/x.jpg", "/static/other.png"],
)
def test_background_is_the_stored_value(any_authentik: PlayedAuthentik, background: str) -> None:
    """Older versions only return its URL."""
    any_authentik.find("authentik_flows.flow", slug="login")["background"] = background
    assert find_record(read(any_authentik), "flow", "Flow login").values[4] == background


def test_missing_fields_have_defaults(authentik: PlayedAuthentik) -> None:
    """Older versions lack some."""

    def remove(path: str, body: Any) -> None:
        if path == "flows/instances/":
            for item in body["results"]:
                del item["denied_action"], item["authentication"], item["compatibility_mode"]

    authentik.mutate = remove
    flow = find_record(read(authentik), "flow", "Flow login")
    assert flow.values[6:9] == ("message_continue", "none", False)


def test_values_of_newer_versions_are_kept(authentik: PlayedAuthentik) -> None:
    """An unknown value of an enum is stored as it is."""
    authentik.find("authentik_flows.flow", slug="login")["layout"] = "sidebar_top"
    assert find_record(read(authentik), "flow", "Flow login").values[5] == "sidebar_top"


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        ("authentik_flows.flow", "slug", None),
        ("authentik_flows.flow", "compatibility_mode", "yes"),
        ("authentik_flows.flow", "title", "a\0b"),
        ("authentik_flows.flow", "policybindingmodel_ptr_id", "no uuid"),
        ("authentik_flows.flowstagebinding", "order", 2**40),
        ("authentik_flows.flowstagebinding", "order", True),
        ("authentik_policies.policybinding", "timeout", -1),
        ("authentik_stages_prompt.prompt", "field_key", ["x"]),
        (CAPTCHA, "public_key", "a\0b"),
    ],
)
def test_invalid_field_is_an_error(
    authentik: PlayedAuthentik, model: str, field: str, value: object
) -> None:
    """The error names the list and the field, and not the value."""
    next(item for item in authentik.objects if item["$model"] == model)[field] = value
    path = next(path for path, other in PATHS.items() if other == model)
    expected = rf"{path} returned an object whose field {field} is not .*: nothing was changed"
    assert re.fullmatch(expected, read_failing(authentik))


@pytest.mark.parametrize("suffix", ["", "/", "/api/v3", "/api/v3/", "/?next=/#x"])
@pytest.mark.parametrize("prefix", ["", "/auth"])
def test_url_can_be_that_of_the_api(prefix: str, suffix: str) -> None:
    """It can have a path before `/api/v3/`."""
    with serve_authentik(build_objects(), prefix=prefix) as played:
        played.url += suffix
        assert len(read(played).records["flow"]) == 4


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://user:secret@authentik.example:9443/auth/api/v3/?token=x#y",
            "https://authentik.example:9443/auth",
        ),
        ("http://[::1]:9000/", "http://[::1]:9000"),
        ("HTTPS://Authentik.Example", "https://authentik.example"),
    ],
)
def test_shown_url_has_no_secrets(url: str, expected: str) -> None:
    """Neither has the representation of the source."""
    source = ApiSource(url, "token-of-a-user")
    assert source.display_url == expected
    assert "secret" not in repr(source)
    assert "token-of-a-user" not in repr(source)


@pytest.mark.parametrize(
    "url", ["authentik.example", "ftp://x", "https://", "https://a:b:c", "http://a b"]
)
def test_invalid_url_is_an_error(authentik: PlayedAuthentik, url: str) -> None:
    """The error shows what is expected."""
    authentik.url = url
    expected = "invalid URL of authentik: expected one like https://authentik.example"
    assert read_failing(authentik) == expected


def test_groups_and_users_are_read_from_lists_if_need_be(authentik: PlayedAuthentik) -> None:
    """A policy binding without the objects needs their lists."""
    authentik.omits_bound = True
    content = read(authentik)
    assert {record.values for record in content.records["user"]} == {("ada", "Ada Lovelace")}
    assert {record.values[0] for record in content.records["group"]} == {"staff", "new users"}


def test_other_keys_are_normalized(authentik: PlayedAuthentik) -> None:
    """UUIDs have lower case and dashes."""
    flow = build_flow("upper")
    flow["pk"] = flow["pk"].upper()
    authentik.objects += [flow, build_stage("upper"), bind_stage("upper", "upper")]
    authentik.objects += [bind("flow upper", policy=key("policy allow").upper())]
    content = read(authentik)
    assert find_record(content, "flow", "Flow upper").pk == key("flow upper")


def test_all_known_types_have_a_path() -> None:
    """The played server has the paths of authentik."""
    types = {model for model in ATTRIBUTES if model.endswith(("stage", "policy"))}
    renamed = {"authentik_stages_authenticator_webauthn.authenticatewebauthnstage"}
    assert types - renamed <= set(PATHS.values())


def test_only_types_that_occur_are_requested(authentik: PlayedAuthentik) -> None:
    """A small system needs few requests, each with the largest page."""
    read(authentik)
    lists = {request.partition("?")[0].removeprefix("/api/v3/") for request in authentik.requests}
    assert "stages/email/" not in lists
    assert "core/users/" not in lists
    assert len(authentik.requests) == len(lists)
    assert all(
        "page_size=100" in request for request in authentik.requests if "version" not in request
    )


def test_progress_counts_objects(authentik: PlayedAuthentik) -> None:
    """It ends with all objects read."""
    steps: list[tuple[str, int, int]] = []

    def add(step: str, done: int, size: int) -> None:
        steps.append((step, done, size))

    asyncio.run(read_system(build_source(authentik), add, LIMITS))
    step, done, size = steps[-1]
    assert (step, done) == ("fetch", size)
    assert done > 20


def test_dummy_stage_without_settings(authentik: PlayedAuthentik) -> None:
    """A missing setting of an older version is not stored."""
    authentik.objects.append(build_stage("bare", DUMMY))
    assert find_settings(read(authentik), "stage", "bare") == {}
