"""`flowql import` stores what authentik's blueprints declare: all of a run, or nothing."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gql.cli import main
from models.blueprint.importer import ImportReport, import_blueprints
from models.database import Database, open_database
from models.errors import BlueprintError
from models.tables.metadata import METADATA
from support.blueprints import HEAD, Store, blueprint, copy_of, dump_of, empty_store
from support.paths import SAMPLES
from support.postgres import PostgresServer

NewStore = Callable[[], Store]
Stages = list[tuple[int, str, str]]
Policies = list[tuple[str, int, str, str]]

FLOW_PK = "f1000000-0000-4000-8000-000000000001"
STAGE_PK = "51000000-0000-4000-8000-000000000001"
POLICY_PK = "b0000000-0000-4000-8000-000000000001"
BINDING_PK = "fb000000-0000-4000-8000-000000000001"
OTHER_PK = "00000000-0000-4000-8000-00000000000f"

IDENTIFICATION = "authentik_stages_identification.identificationstage"
PASSWORD = "authentik_stages_password.passwordstage"
VALIDATE = "authentik_stages_authenticator_validate.authenticatorvalidatestage"
STATIC = "authentik_stages_authenticator_static.authenticatorstaticstage"
TOTP = "authentik_stages_authenticator_totp.authenticatortotpstage"
WEBAUTHN = "authentik_stages_authenticator_webauthn.authenticatewebauthnstage"
LOGIN = "authentik_stages_user_login.userloginstage"
LOGOUT = "authentik_stages_user_logout.userlogoutstage"
WRITE = "authentik_stages_user_write.userwritestage"
DELETE = "authentik_stages_user_delete.userdeletestage"
PROMPT = "authentik_stages_prompt.promptstage"
CONSENT = "authentik_stages_consent.consentstage"
EMAIL = "authentik_stages_email.emailstage"
EXPRESSION = "authentik_policies_expression.expressionpolicy"
PASSWORD_POLICY = "authentik_policies_password.passwordpolicy"

# slug: (name, title, designation, authentication, stages, policies); a policy's target is the
# flow or the stage of that name.
SHIPPED: dict[str, tuple[str, str, str, str, Stages, Policies]] = {
    "default-authentication-flow": (
        "Welcome to authentik!",
        "Welcome to authentik!",
        "authentication",
        "none",
        [
            (10, "default-authentication-identification", IDENTIFICATION),
            (20, "default-authentication-password", PASSWORD),
            (30, "default-authentication-mfa-validation", VALIDATE),
            (100, "default-authentication-login", LOGIN),
        ],
        [
            (
                "default-authentication-password",
                10,
                "default-authentication-flow-password-stage",
                EXPRESSION,
            )
        ],
    ),
    "default-invalidation-flow": (
        "Logout",
        "Default Invalidation Flow",
        "invalidation",
        "none",
        [(0, "default-invalidation-logout", LOGOUT)],
        [],
    ),
    "default-provider-invalidation-flow": (
        "Logout",
        "You've logged out of %(app)s.",
        "invalidation",
        "none",
        [],
        [],
    ),
    "default-provider-authorization-explicit-consent": (
        "Authorize Application",
        "Redirecting to %(app)s",
        "authorization",
        "require_authenticated",
        [(0, "default-provider-authorization-consent", CONSENT)],
        [],
    ),
    "default-provider-authorization-implicit-consent": (
        "Authorize Application",
        "Redirecting to %(app)s",
        "authorization",
        "require_authenticated",
        [],
        [],
    ),
    "default-source-authentication": (
        "Welcome to authentik!",
        "Welcome to authentik!",
        "authentication",
        "require_unauthenticated",
        [(0, "default-source-authentication-login", LOGIN)],
        [
            (
                "default-source-authentication",
                0,
                "default-source-authentication-if-sso",
                EXPRESSION,
            )
        ],
    ),
    "default-source-enrollment": (
        "Welcome to authentik! Please select a username.",
        "Welcome to authentik! Please select a username.",
        "enrollment",
        "none",
        [
            (0, "default-source-enrollment-prompt", PROMPT),
            (1, "default-source-enrollment-write", WRITE),
            (2, "default-source-enrollment-login", LOGIN),
        ],
        [
            ("default-source-enrollment", 0, "default-source-enrollment-if-sso", EXPRESSION),
            (
                "default-source-enrollment-prompt",
                0,
                "default-source-enrollment-if-username",
                EXPRESSION,
            ),
        ],
    ),
    "default-source-pre-authentication": (
        "Pre-Authentication",
        "Pre-authentication",
        "stage_configuration",
        "none",
        [],
        [],
    ),
    "default-authenticator-static-setup": (
        "default-authenticator-static-setup",
        "Setup Static OTP Tokens",
        "stage_configuration",
        "require_authenticated",
        [(0, "default-authenticator-static-setup", STATIC)],
        [],
    ),
    "default-authenticator-totp-setup": (
        "default-authenticator-totp-setup",
        "Set up Two-Factor authentication",
        "stage_configuration",
        "require_authenticated",
        [(0, "default-authenticator-totp-setup", TOTP)],
        [],
    ),
    "default-authenticator-webauthn-setup": (
        "default-authenticator-webauthn-setup",
        "Setup WebAuthn",
        "stage_configuration",
        "require_authenticated",
        [(0, "default-authenticator-webauthn-setup", WEBAUTHN)],
        [],
    ),
    "default-user-settings-flow": (
        "User settings",
        "Update your info",
        "stage_configuration",
        "require_authenticated",
        [(20, "default-user-settings", PROMPT), (100, "default-user-settings-write", WRITE)],
        [],
    ),
    "default-password-change": (
        "Change Password",
        "Change password",
        "stage_configuration",
        "require_authenticated",
        [
            (0, "default-password-change-prompt", PROMPT),
            (1, "default-password-change-write", WRITE),
        ],
        [
            (
                "default-password-change-write",
                0,
                "default-password-change-password-policy",
                PASSWORD_POLICY,
            )
        ],
    ),
    "initial-setup": (
        "default-oobe-setup",
        "Welcome to authentik!",
        "stage_configuration",
        "none",
        [
            (10, "stage-default-oobe-password", PROMPT),
            (20, "default-password-change-write", WRITE),
            (100, "default-authentication-login", LOGIN),
        ],
        [
            ("initial-setup", 0, "default-oobe-password-usable", EXPRESSION),
            ("default-password-change-write", 0, "default-oobe-prefill-user", EXPRESSION),
        ],
    ),
    "default-enrollment-flow": (
        "Default enrollment Flow",
        "Welcome to authentik!",
        "enrollment",
        "require_unauthenticated",
        [
            (10, "default-enrollment-prompt-first", PROMPT),
            (11, "default-enrollment-prompt-second", PROMPT),
            (20, "default-enrollment-user-write", WRITE),
            (100, "default-enrollment-user-login", LOGIN),
        ],
        [],
    ),
    "default-recovery-flow": (
        "Default recovery flow",
        "Reset your password",
        "recovery",
        "require_unauthenticated",
        [
            (10, "default-recovery-identification", IDENTIFICATION),
            (20, "default-recovery-email", EMAIL),
            (30, "Change your password", PROMPT),
            (40, "default-recovery-user-write", WRITE),
            (100, "default-recovery-user-login", LOGIN),
        ],
        [
            (
                "default-recovery-identification",
                0,
                "default-recovery-skip-if-restored",
                EXPRESSION,
            ),
            ("default-recovery-email", 0, "default-recovery-skip-if-restored", EXPRESSION),
        ],
    ),
    "default-unenrollment-flow": (
        "Default unenrollment flow",
        "Delete your account",
        "unenrollment",
        "require_authenticated",
        [(10, "default-unenrollment-user-delete", DELETE)],
        [],
    ),
}

BASE = f"""
- model: authentik_flows.flow
  identifiers: {{pk: {FLOW_PK}, slug: base}}
  attrs: {{name: Base, title: The base, designation: recovery}}
- model: authentik_stages_dummy.dummystage
  identifiers: {{pk: {STAGE_PK}, name: base-stage}}
- model: authentik_policies_dummy.dummypolicy
  identifiers: {{pk: {POLICY_PK}, name: base-policy}}
- model: authentik_flows.flowstagebinding
  identifiers: {{pk: {BINDING_PK}, target: {FLOW_PK}, stage: {STAGE_PK}, order: -1}}
"""
FLOW = "- model: authentik_flows.flow\n  identifiers: {slug: new}\n  attrs: "
STAGE = "- model: authentik_stages_dummy.dummystage\n  "
BINDING = f"- model: authentik_flows.flowstagebinding\n  identifiers: {{stage: {STAGE_PK}, "
POLICY_BINDING = (
    f"- model: authentik_policies.policybinding\n  identifiers: {{policy: {POLICY_PK}, "
)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """An empty SQLite of FlowQL's, to be copied."""
    return empty_store(f"sqlite:///{tmp_path_factory.mktemp('template') / 'flowql.db'}")


@pytest.fixture(scope="session")
def postgresql_template(postgres: PostgresServer) -> Store:
    """An empty PostgreSQL of FlowQL's, to be copied."""
    return empty_store(postgres.create_database("import_template"))


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Numbers that no database is called yet."""
    return count()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    numbers: Iterator[int],
) -> NewStore:
    """What gives an empty database of each kind in turn."""
    template: Store = request.getfixturevalue(f"{request.param}_template")
    if request.param == "sqlite":
        return lambda: copy_of(template, tmp_path_factory.mktemp("store"))
    server: PostgresServer = request.getfixturevalue("postgres")
    return lambda: Store(server.create_database(f"import_{next(numbers)}", "import_template"))


@pytest.fixture
def store(new_store: NewStore) -> Store:
    """An empty database."""
    return new_store()


@pytest.fixture
def based(store: Store, tmp_path: Path) -> Store:
    """A database with a flow, a stage bound to it, and a policy."""
    store.load(blueprint(tmp_path / "base.yml", BASE))
    return store


class Content:
    """The rows of a database, by table."""

    def __init__(self, dump: Mapping[str, Sequence[Any]]) -> None:
        self.flows = dump["authentik_flows_flow"]
        self.stages = {row.stage_uuid: row.name for row in dump["authentik_flows_stage"]}
        self.policies = {row.policy_uuid: row.name for row in dump["authentik_policies_policy"]}
        self.parents = {
            row.pbm_uuid: row.policy_engine_mode
            for row in dump["authentik_policies_policybindingmodel"]
        }
        self.types = {
            row.ptr_id: row.model for row in (*dump["flowql_stagetype"], *dump["flowql_policytype"])
        }
        bindings = dump["authentik_flows_flowstagebinding"]
        self.bindings = sorted(bindings, key=lambda row: row.order)
        bindings = dump["authentik_policies_policybinding"]
        self.policy_bindings = sorted(bindings, key=lambda row: row.order)

    def described(self) -> dict[str, Any]:
        """The flows as SHIPPED has them."""
        return {
            flow.slug: (
                flow.name,
                flow.title,
                flow.designation,
                flow.authentication,
                self.stages_of(flow),
                self.policies_of(flow),
            )
            for flow in self.flows
        }

    def stages_of(self, flow: Any) -> Stages:
        """Order, name and model of a flow's stages."""
        return [
            (row.order, self.stages[row.stage_id], self.types[row.stage_id])
            for row in self.bindings
            if row.target_id == flow.flow_uuid
        ]

    def policies_of(self, flow: Any) -> Policies:
        """Target, order, name and model of what is bound to a flow, and then to its stages."""
        targets = {flow.policybindingmodel_ptr_id: flow.slug} | {
            row.policybindingmodel_ptr_id: self.stages[row.stage_id]
            for row in self.bindings
            if row.target_id == flow.flow_uuid
        }
        return [
            (name, row.order, self.policies[row.policy_id], self.types[row.policy_id])
            for target, name in targets.items()
            for row in self.policy_bindings
            if row.target_id == target
        ]


def content(store: Store) -> Content:
    """What is in a database."""
    return Content(store.dump())


def counts(report: ImportReport) -> tuple[int, int, int]:
    """How many entries were created, updated and unchanged."""
    return report.created, report.updated, report.unchanged


def test_sample_set_is_what_authentik_ships(store: Store) -> None:
    """Each flow has authentik's slug, names, stages, order and policies; nothing else is there."""
    store.load(SAMPLES)
    found = content(store)
    assert found.described() == SHIPPED
    stages = {stage[1:] for flow in SHIPPED.values() for stage in flow[4]}
    policies = {policy[2:] for flow in SHIPPED.values() for policy in flow[5]}
    assert {(name, found.types[pk]) for pk, name in found.stages.items()} == stages
    assert {(name, found.types[pk]) for pk, name in found.policies.items()} == policies
    assert len(found.bindings) == sum(len(flow[4]) for flow in SHIPPED.values())
    assert len(found.policy_bindings) == sum(len(flow[5]) for flow in SHIPPED.values())
    assert len(found.parents) == len(found.flows) + len(found.bindings)


def test_sample_set_has_authentik_s_defaults(store: Store) -> None:
    """All that the table of shipped flows is silent about is as authentik's models have it."""
    store.load(SAMPLES)
    found = content(store)
    assert set(found.parents.values()) == {"any"}
    assert {
        (row.background, row.layout, row.denied_action, row.compatibility_mode)
        for row in found.flows
    } == {("", "stacked", "message_continue", False)}
    assert {
        (found.stages[row.stage_id], row.evaluate_on_plan, row.re_evaluate_policies)
        for row in found.bindings
        if row.evaluate_on_plan or not row.re_evaluate_policies
    } == {
        ("stage-default-oobe-password", True, False),
        ("default-authentication-login", True, False),
    }
    assert {row.invalid_response_action for row in found.bindings} == {"retry"}
    assert [
        found.policies[row.policy_id] for row in found.policy_bindings if row.failure_result
    ] == ["default-authentication-flow-password-stage"]
    assert {
        (row.enabled, row.negate, row.timeout, row.group_id, row.user_id)
        for row in found.policy_bindings
    } == {(True, False, 30, None, None)}


def test_second_run_changes_nothing(store: Store) -> None:
    """All rows are the same to the last column, and the report says so."""
    first = store.load(SAMPLES)
    before = store.dump()
    second = store.load(SAMPLES)
    assert counts(second) == (0, 0, first.created + first.unchanged)
    assert store.dump() == before


def test_command_reports_and_refuses(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was done is one line; what is wrong is one line too, and exit code 2."""
    foreign = "- {model: authentik_brands.brand, identifiers: {domain: x}}\n" * 2
    good = blueprint(tmp_path / "good.yaml", BASE + foreign)
    assert command("import", str(good), "--database", store.url) == 0
    told = "flowql: 4 created, 0 updated, 0 unchanged, 2 skipped (2 authentik_brands.brand)\n"
    assert capsys.readouterr() == ("", told)
    bad = blueprint(tmp_path / "bad.yaml", f"{FLOW}{{name: x}}\n")
    assert command("import", str(bad), "--database", store.url) == 2
    assert capsys.readouterr() == ("", f"flowql: {bad}:3: has no title\n")


def command(*arguments: str) -> object:
    """The exit code of the command with these arguments."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def test_flow_and_stage_are_found_by_every_reference(based: Store, tmp_path: Path) -> None:
    """A stage binding takes a key, or what is found by key, by values and by nested finds."""
    flows = [
        FLOW_PK,
        FLOW_PK.upper(),
        "!Find [authentik_flows.flow, [slug, base]]",
        "!Find [Authentik_Flows.Flow, [name, Base], [designation, recovery]]",
        f"!Find [authentik_flows.flow, [pk, {FLOW_PK}]]",
    ]
    stages = [
        STAGE_PK,
        f"!!str {STAGE_PK.replace('-', '')}",
        "!Find [authentik_stages_dummy.dummystage, [name, base-stage]]",
        "!Find [authentik_flows.stage, [name, base-stage]]",
        f"!Find [authentik_flows.stage, [pk, {STAGE_PK}]]",
    ]
    entries = [
        f"- model: authentik_flows.flowstagebinding\n"
        f"  identifiers: {{order: {order}, target: {flow}, stage: {stage}}}\n"
        for order, (flow, stage) in enumerate(zip(flows, stages, strict=True))
    ]
    assert based.load(blueprint(tmp_path / "more.yaml", "".join(entries))).created == len(entries)
    assert {(row.target_id, row.stage_id) for row in content(based).bindings} == {
        (FLOW_PK, STAGE_PK)
    }


def test_policy_binding_s_target_is_the_parent_row(based: Store, tmp_path: Path) -> None:
    """Keys and finds of a flow or a stage binding mean their policybindingmodel row."""
    before = content(based)
    flow, binding = before.flows[0], before.bindings[0]
    of_flow = [
        flow.policybindingmodel_ptr_id,
        FLOW_PK,
        "!Find [authentik_flows.flow, [slug, base]]",
    ]
    found = "!Find [authentik_flows.flowstagebinding, "
    of_binding = [
        binding.policybindingmodel_ptr_id,
        BINDING_PK,
        f"{found}[pk, {BINDING_PK}]]",
        f"{found}[target__slug, base], [order, -1]]",
        f"{found}[stage__name, base-stage], [target, !Find [authentik_flows.flow, [slug, base]]]]",
        f"{found}[target, {FLOW_PK}], [stage, {STAGE_PK}], [evaluate_on_plan, false]]",
    ]
    policies = [
        POLICY_PK,
        "!Find [authentik_policies_dummy.dummypolicy, [name, base-policy]]",
        "!Find [authentik_policies.policy, [name, base-policy]]",
    ]
    entries = [
        f"- model: authentik_policies.policybinding\n"
        f"  identifiers: {{order: {order}, target: {target}, policy: {policies[order % 3]}}}\n"
        for order, target in enumerate(of_flow + of_binding)
    ]
    based.load(blueprint(tmp_path / "more.yaml", "".join(entries)))
    bound = content(based).policy_bindings
    assert {row.policy_id for row in bound} == {POLICY_PK}
    assert [row.target_id for row in bound] == [
        *[flow.policybindingmodel_ptr_id] * len(of_flow),
        *[binding.policybindingmodel_ptr_id] * len(of_binding),
    ]


def test_ids_are_found_backwards_and_forwards(store: Store, tmp_path: Path) -> None:
    """!KeyOf means an entry of the same file, wherever in it that stands."""
    entries = [
        (
            "- {model: authentik_flows.flow, id: f, identifiers: {slug: new},"
            " attrs: {name: New, title: New, designation: recovery}}\n"
        ),
        "- {model: authentik_stages_dummy.dummystage, id: 7, identifiers: {name: stage}}\n",
        "- {model: authentik_policies_dummy.dummypolicy, id: p, identifiers: {name: policy}}\n",
        (
            "- {model: authentik_flows.flowstagebinding, id: b,"
            " identifiers: {target: !KeyOf f, stage: !KeyOf 7, order: 0}}\n"
        ),
        (
            "- {model: authentik_policies.policybinding,"
            " identifiers: {target: !KeyOf b, policy: !KeyOf p, order: 1}}\n"
        ),
        (
            "- {model: authentik_policies.policybinding,"
            " identifiers: {target: !KeyOf f, policy: !KeyOf p, order: 2}}\n"
        ),
    ]
    backwards = blueprint(tmp_path / "backwards.yaml", "".join(reversed(entries)))
    assert counts(store.load(backwards)) == (6, 0, 0)
    forwards = blueprint(tmp_path / "forwards.yaml", "".join(entries))
    assert counts(store.load(forwards)) == (0, 0, 6)
    assert content(store).described()["new"][4:] == (
        [(0, "stage", "authentik_stages_dummy.dummystage")],
        [
            ("new", 2, "policy", "authentik_policies_dummy.dummypolicy"),
            ("stage", 1, "policy", "authentik_policies_dummy.dummypolicy"),
        ],
    )


def test_given_keys_are_kept(based: Store) -> None:
    """A row has the key that its identifiers give."""
    found = content(based)
    keys = [row.flow_uuid for row in found.flows] + [row.fsb_uuid for row in found.bindings]
    assert keys == [FLOW_PK, BINDING_PK]
    assert (list(found.stages), list(found.policies)) == ([STAGE_PK], [POLICY_PK])


def test_row_is_found_by_its_key_or_by_the_other_identifiers(based: Store, tmp_path: Path) -> None:
    """Where the key is known the slug changes; where the slug is known the key stays as it is."""
    flow = "- {model: authentik_flows.flow, identifiers: {pk: %s, slug: %s}}\n"
    by_key = blueprint(tmp_path / "key.yaml", flow % (FLOW_PK, "renamed"))
    assert counts(based.load(by_key)) == (0, 1, 0)
    by_slug = blueprint(tmp_path / "slug.yaml", flow % (OTHER_PK, "renamed"))
    assert counts(based.load(by_slug)) == (0, 0, 1)
    assert [(row.flow_uuid, row.slug) for row in content(based).flows] == [(FLOW_PK, "renamed")]


def test_export_of_another_installation_meets_the_same_flow(based: Store, tmp_path: Path) -> None:
    """Its keys mean the rows that its entries were found to be, so nothing is made twice."""
    other = BASE
    for number, key in enumerate((FLOW_PK, STAGE_PK, POLICY_PK, BINDING_PK)):
        other = other.replace(key, OTHER_PK[:-1] + str(number))
    bound = f"{POLICY_BINDING}target: {OTHER_PK[:-1]}0, order: 0}}\n".replace(
        POLICY_PK, OTHER_PK[:-1] + "2"
    )
    report = based.load(blueprint(tmp_path / "other.yaml", other + bound))
    assert counts(report) == (1, 0, 4)
    assert [row.policy_id for row in content(based).policy_bindings] == [POLICY_PK]


def test_update_changes_what_differs_and_only_that(based: Store, tmp_path: Path) -> None:
    """A given value replaces the stored one; what is not given stays."""
    before = content(based)
    changes = blueprint(
        tmp_path / "changes.yaml",
        "- {model: authentik_flows.flow, identifiers: {slug: base},"
        " attrs: {title: Changed, policy_engine_mode: all}}\n"
        "- {model: authentik_stages_dummy.dummystage, identifiers: {name: base-stage}}\n"
        "- {model: authentik_policies_dummy.dummypolicy, identifiers: {name: base-policy},"
        " attrs: {execution_logging: true}}\n",
    )
    assert counts(based.load(changes)) == (0, 2, 1)
    after = content(based)
    [old], [new] = before.flows, after.flows
    assert new._asdict() == {**old._asdict(), "title": "Changed"}
    assert after.parents == {**before.parents, old.policybindingmodel_ptr_id: "all"}
    assert after.bindings == before.bindings


def test_type_is_kept_for_a_row_that_has_none(based: Store, tmp_path: Path) -> None:
    """A stage of unknown type is updated with the type that a blueprint tells."""
    based.execute(METADATA.tables["flowql_stagetype"].delete())
    assert counts(based.load(blueprint(tmp_path / "base.yml", BASE))) == (0, 1, 3)
    assert content(based).types[STAGE_PK] == "authentik_stages_dummy.dummystage"


def test_files_refer_to_each_other_in_either_order(new_store: NewStore, tmp_path: Path) -> None:
    """All flows, stages and policies of a run are there before what binds them."""
    base = blueprint(tmp_path / "base.yaml", BASE)
    more = blueprint(tmp_path / "more.yaml", f"{BINDING}target: {FLOW_PK}, order: 1}}\n")
    for paths in ((base, more), (more, base)):
        store = new_store()
        assert counts(store.load(*paths)) == (5, 0, 0)


def test_ids_of_other_files_mean_nothing(store: Store, tmp_path: Path) -> None:
    """!KeyOf does not look into another file of the same run."""
    stage = "- {model: authentik_stages_dummy.dummystage, id: s, identifiers: {name: s}}\n"
    other = blueprint(tmp_path / "a.yaml", BASE + stage)
    entry = "- model: authentik_flows.flowstagebinding\n  identifiers: "
    file = blueprint(
        tmp_path / "b.yaml", f"{entry}{{target: {FLOW_PK}, stage: !KeyOf s, order: 0}}\n"
    )
    with pytest.raises(BlueprintError, match=r"b\.yaml:3: stage refers to !KeyOf s, which is no"):
        store.load(other, file)


def test_folders_are_read_whole(store: Store, tmp_path: Path) -> None:
    """Files of both endings are found at any depth, and others are not read."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "not-a-file.yaml").mkdir()
    (tmp_path / "notes.txt").write_text("no blueprint")
    blueprint(tmp_path / "stages.yml", f"{STAGE}identifiers: {{name: shallow}}\n")
    blueprint(deep / "stages.yaml", f"{STAGE}identifiers: {{name: deep}}\n")
    assert counts(store.load(tmp_path)) == (2, 0, 0)
    assert sorted(content(store).stages.values()) == ["deep", "shallow"]


def test_file_that_is_named_twice_is_stored_once(store: Store, tmp_path: Path) -> None:
    """Its second reading finds everything unchanged."""
    file = blueprint(tmp_path / "base.yaml", BASE)
    assert counts(store.load(file, tmp_path)) == (4, 0, 4)


def test_other_models_are_skipped_and_counted(store: Store, tmp_path: Path) -> None:
    """Nothing that they say is judged, unknown tags and states included."""
    entries = (
        "- {model: authentik_brands.brand, state: absent, conditions: [!Context x]}\n"
        "- {model: Authentik_Stages_Prompt.Prompt, identifiers: {name: !Format [a, b]}}\n"
        "- {model: authentik_stages_prompt.prompt, attrs: {fields: [!KeyOf nothing]}}\n"
        "- {model: authentik_stages_dummy.dummystage, conditions: [true, false]}\n"
    )
    report = store.load(blueprint(tmp_path / "other.yaml", entries))
    assert counts(report) == (0, 0, 0)
    assert report.skipped == {
        "authentik_brands.brand": 1,
        "authentik_stages_prompt.prompt": 2,
        "authentik_stages_dummy.dummystage": 1,
    }


def test_what_cannot_be_bound_here_is_left_out_by_name(based: Store, tmp_path: Path) -> None:
    """Bindings of absent groups and users, and of what FlowQL does not store, are named."""
    entry = "- model: authentik_policies.policybinding\n  identifiers: "
    bound = [
        f"{{group: !Find [authentik_core.group, [name, x]], target: {FLOW_PK}, order: 0}}",
        f"{{group: {OTHER_PK}, target: {FLOW_PK}, order: 0}}",
        f"{{user: !Find [authentik_core.user, [username, x]], target: {FLOW_PK}, order: 0}}",
        f"{{user: 4, target: {FLOW_PK}, order: 0}}",
        f"{{user: !Find [authentik_core.user, [pk, 4]], target: {FLOW_PK}, order: 0}}",
        f"{{policy: {POLICY_PK}, target: !KeyOf app, order: 0}}",
        f"{{policy: {POLICY_PK}, target: !Find [authentik_core.application, [slug, x]], order: 0}}",
        f"{{policy: {POLICY_PK}, target: {OTHER_PK}, order: 0}}",
    ]
    app = f"- {{model: authentik_core.application, id: app, identifiers: {{pk: {OTHER_PK}}}}}\n"
    file = blueprint(tmp_path / "bound.yaml", "".join(f"{entry}{line}\n" for line in bound) + app)
    report = based.load(file)
    group, user = "its group is not in this database", "its user is not in this database"
    foreign = "it is bound to authentik_core.application, which FlowQL does not store"
    assert report.left_out == [
        f"{file}:{line}: left out, since {reason}"
        for line, reason in zip(
            range(3, 19, 2), [group] * 2 + [user] * 3 + [foreign] * 3, strict=True
        )
    ]
    assert counts(report) == (0, 0, 0)


def test_groups_and_users_that_are_here_are_bound(based: Store, tmp_path: Path) -> None:
    """They are found by name and by key."""
    based.superuser()
    dump = based.dump()
    [group], [user] = dump["authentik_core_group"], dump["authentik_core_user"]
    entry = "- model: authentik_policies.policybinding\n  identifiers: "
    whom = (
        f"group: {group.group_uuid}",
        f"group: !Find [authentik_core.group, [name, {group.name}]]",
        f"user: {user.id}",
        "user: !Find [authentik_core.user, [username, superuser]]",
        f"user: !Find [authentik_core.user, [pk, {user.id}]]",
    )
    bound = "".join(
        f"{entry}{{{who}, target: {FLOW_PK}, order: {order}}}\n" for order, who in enumerate(whom)
    )
    based.load(blueprint(tmp_path / "bound.yaml", bound))
    assert [(row.group_id, row.user_id) for row in content(based).policy_bindings] == [
        *[(group.group_uuid, None)] * 2,
        *[(None, user.id)] * 3,
    ]


def test_values_are_what_pyyaml_reads(store: Store, tmp_path: Path) -> None:
    """Numbers are names too, `on` and `no` are booleans, and merge keys merge."""
    file = tmp_path / "values.yaml"
    file.write_text(
        "\ufeffentries:\r\n"
        "- model: authentik_flows.flow\n"
        "  identifiers: {slug: 2024}\n"
        "  attrs: &attrs {name: 1.50, title: 007, designation: recovery, compatibility_mode: on}\n"
        "- model: authentik_flows.flow\n"
        "  identifiers: {slug: 'no'}\n"
        '  attrs: {<<: *attrs, name: "\\u2028 \\U0001F600", compatibility_mode: no}\n'
        "- model: authentik_flows.flow\n"
        "  identifiers: {slug: folded}\n"
        "  attrs:\n    <<: [*attrs]\n    name: >-\n      one\n      line\n"
        "version: 1\n",
        encoding="utf-8",
        newline="",
    )
    store.load(file)
    assert {
        row.slug: (row.name, row.title, row.compatibility_mode) for row in content(store).flows
    } == {
        "2024": ("1.5", "7", True),
        "no": ("\u2028 \U0001f600", "7", False),
        "folded": ("one line", "7", True),
    }


LAUGHS = "".join(
    f"- &l{n + 1} [{', '.join([f'*l{n}'] * 10)}]\n" if n else "- &l1 [lol]\n" for n in range(20)
)
MERGES = "".join(
    f"  m{n + 1}: &m{n + 1} {{<<: [{', '.join([f'*m{n}'] * 10)}]}}\n" for n in range(1, 20)
)
WHOLE_FILES: dict[str, tuple[str | bytes, int, str]] = {
    "no YAML": ("version: 1\nentries: [", 2, "but found '<stream end>'"),
    "not UTF-8": (b"version: 1\n# \xff\n", 2, "not UTF-8"),
    "UTF-16": (HEAD.encode("utf-16"), 1, "not UTF-8"),
    "a tab": (
        "version: 1\nentries:\n\t- x",
        3,
        "found character '\\t' that cannot start any token",
    ),
    "a NUL": ("version: 1\n# \0", 2, "has a character that YAML forbids"),
    "anchors": ("version: 1\nx: &a 1\ny: &a 2", 3, "found duplicate anchor 'a'"),
    "an alias": ("version: 1\nx: *a", 2, "found undefined alias 'a'"),
    "two documents": (f"{HEAD}- 1\n---\n{HEAD}- 1", 4, "expected a single document"),
    "depth": (f"version: 1\nentries: {'[' * 5000}", 1, "nested too deeply"),
    "nothing": ("", 1, "not a blueprint"),
    "a comment": ("# nothing\n", 1, "not a blueprint"),
    "a list": ("\n- version: 1", 2, "not a blueprint"),
    "a text": ("version 1", 1, "not a blueprint"),
    "no version": ("entries: []", 1, "not a blueprint of version 1"),
    "version 2": ("entries: []\nversion: 2", 2, "not a blueprint of version 1"),
    "version '1'": ("version: '1'", 1, "not a blueprint of version 1"),
    "no entries": ("version: 1", 1, "entries are not a list"),
    "empty entries": ("version: 1\nentries:", 2, "entries are not a list"),
    "a mapping": ("version: 1\nentries: {a: []}", 2, "entries are not a list"),
    "many laughs": (f"{HEAD}{LAUGHS}", 3, "an entry is not a mapping"),
    "many merges": (
        f"{HEAD}- model: a.b\n  m1: &m1 {{lol: 1}}\n{MERGES}",
        8,
        "merges more than 1000 keys",
    ),
}
ENTRIES: dict[str, tuple[str, str]] = {
    "a text": ("- flow", "an entry is not a mapping"),
    "no model": ("- {identifiers: {slug: x}}", "an entry has no model"),
    "a list as model": ("- {model: [authentik_flows.flow]}", "an entry has no model"),
    "half a model": ("- {model: flow}", "an entry has no model"),
    "a list as attrs": ("- {model: a.b, attrs: [x]}", "attrs is not a mapping"),
    "a text as identifiers": ("- {model: a.b, identifiers: x}", "identifiers is not a mapping"),
    "a list as id": ("- {model: a.b, id: [x]}", "id is not a text"),
    "a tag as state": ("- {model: a.b, state: !Context x}", "state is not a text"),
    "a number as conditions": ("- {model: a.b, conditions: 5}", "conditions is not a list"),
    "no identifiers": (STAGE + "attrs: {name: x}", "has no identifiers that tell which one"),
    "unknown identifiers": (STAGE + "identifiers: {uid: x}", "has no identifiers that tell"),
    "a state": (
        STAGE + "identifiers: {name: x}\n  state: absent",
        "has the state 'absent'; only 'present' is supported",
    ),
    "a condition": (
        STAGE + "identifiers: {name: x}\n  conditions: [!Context x]",
        "has conditions with tags, which are not supported",
    ),
    "a found condition": (
        STAGE + "identifiers: {name: x}\n  conditions: [!Find [a.b, [c, d]]]",
        "has conditions with tags, which are not supported",
    ),
    "no designation": (FLOW + "{name: x, title: x}", "has no designation"),
    "no title": (FLOW + "{name: x, designation: recovery}", "has no title"),
    "no attrs": (FLOW + "{}", "has no name"),
    "an empty name": (FLOW + "{name: ' '}", "name is empty"),
    "a null name": (FLOW + "{name: }", "name is not a text"),
    "a list as name": (FLOW + "{name: [x]}", "name is not a text"),
    "a date as name": (FLOW + "{name: 2024-01-01}", "name is not a text"),
    "bytes as name": (FLOW + "{name: !!binary aGk=}", "name is not a text"),
    "a tag as name": (FLOW + "{name: !Context x}", "name has the tag !Context, which is not"),
    "a strange tag": (FLOW + "{name: !a%0Ab x}", r"name has the tag !a\nb, which is not"),
    "a reference as name": (FLOW + "{name: !KeyOf x}", "name is not a text"),
    "a NUL": (FLOW + '{name: "\\0"}', "name has a character that no database stores"),
    "half a character": (FLOW + '{name: "\\ud800"}', "name has a character that no database"),
    "a slug": (
        STAGE.replace("stages_dummy.dummystage", "flows.flow") + "identifiers: {slug: ü}",
        "slug is 'ü', not a slug of letters",
    ),
    "an enum": (FLOW + "{designation: login}", "designation is 'login', none of authentication, "),
    "an empty enum": (FLOW + "{layout: ''}", "layout is '', none of stacked, "),
    "an engine mode": (FLOW + "{policy_engine_mode: most}", "policy_engine_mode is 'most', none"),
    "a boolean": (FLOW + "{compatibility_mode: 1}", "compatibility_mode is neither true nor false"),
    "a boolean as text": (FLOW + "{compatibility_mode: 'no'}", "compatibility_mode is neither"),
    "a huge number": (BINDING + f"target: {FLOW_PK}, order: {2**31}}}", "order is not a whole"),
    "a fraction": (BINDING + f"target: {FLOW_PK}, order: 1.0}}", "order is not a whole number"),
    "a negative timeout": (
        POLICY_BINDING + f"target: {FLOW_PK}, order: 1}}\n  attrs: {{timeout: -1}}",
        "timeout is negative",
    ),
    "a key": (STAGE + "identifiers: {pk: 12}", "pk is 12, not a uuid"),
    "a list as key": (STAGE + "identifiers: {pk: [x]}", "pk is not a text"),
    "a key that is none": (BINDING + "target: x, order: 1}", "target is 'x', not a uuid"),
    "an unknown key": (
        BINDING + f"target: {OTHER_PK}, order: 1}}",
        "which is not in this database",
    ),
    "another kind's key": (
        BINDING + f"target: {STAGE_PK}, order: 1}}",
        "target refers to '51000000",
    ),
    "an unknown id": (BINDING + "target: !KeyOf x, order: 1}", "target refers to !KeyOf x, which"),
    "a null target": (BINDING + "target: , order: 1}", "target refers to nothing"),
    "nothing found": (
        BINDING + "target: !Find [authentik_flows.flow, [slug, x], [name, y]], order: 1}",
        "target finds no authentik_flows.flow with slug = 'x', name = 'y'",
    ),
    "nothing found of a type": (
        (
            f"- model: authentik_flows.flowstagebinding\n  identifiers: {{target: {FLOW_PK}, order: 1, "
            "stage: !Find [authentik_stages_email.emailstage, [name, base-stage]]}"
        ),
        "stage finds no authentik_stages_email.emailstage with name = 'base-stage'",
    ),
    "another kind found": (
        BINDING + "target: !Find [authentik_flows.stage, [name, base-stage]], order: 1}",
        "target refers to a Stage, not a Flow",
    ),
    "a foreign kind found": (
        BINDING + "target: !Find [authentik_core.application, [slug, x]], order: 1}",
        "target refers to authentik_core.application, which FlowQL does not store",
    ),
    "a find by a lookup": (
        BINDING + "target: !Find [authentik_flows.flow, [slug__iexact, base]], order: 1}",
        "target finds by 'slug__iexact', which FlowQL does not support",
    ),
    "a find by a foreign field": (
        BINDING + "target: !Find [authentik_flows.flow, [cache, 1]], order: 1}",
        "target finds by 'cache', which FlowQL does not support",
    ),
    "a find through a parent": (
        BINDING + "target: !Find [authentik_policies.policybinding, [target__slug, x]], order: 1}",
        "target finds by 'target__slug', which FlowQL does not support",
    ),
    "a find by no key": (
        BINDING + "target: !Find [authentik_flows.flow, [pk, x]], order: 1}",
        "target is 'x', not a uuid",
    ),
    "a find of a user by text": (
        POLICY_BINDING + "user: !Find [authentik_core.user, [pk, x]], order: 1}",
        "user is not a whole number",
    ),
    "a find with a tag": (
        BINDING + "target: !Find [authentik_flows.flow, [slug, !Context x]], order: 1}",
        "target has the tag !Context, which is not supported",
    ),
    "a binding of nothing": (
        f"- model: authentik_policies.policybinding\n  identifiers: {{target: {FLOW_PK}, order: 1}}",
        "binds not exactly one of policy, group and user",
    ),
    "a slug that is taken": (
        (
            f"- model: authentik_flows.flow\n  identifiers: {{pk: {OTHER_PK}}}\n"
            "  attrs: {slug: base, name: x, title: x, designation: recovery}"
        ),
        "another row has the same key, slug or name, or the same place",
    ),
    "a name that is taken": (
        STAGE.replace("dummy", "email") + "identifiers: {name: base-stage}",
        "is a authentik_stages_dummy.dummystage already",
    ),
    "two rows": (
        STAGE + f"identifiers: {{pk: {STAGE_PK}, name: first}}",
        "has identifiers that name several rows",
    ),
}
# What cannot even be read, although nobody needs it.
VALUES = {
    "2024-13-01": "not a value of timestamp",
    "!!int x": "not a value of int",
    "!!bool x": "not a value of bool",
    "9" * 5000: "not a value of int",
    "!!python/name:os.system": "could not determine a constructor",
    "!KeyOf [x]": "!KeyOf takes an id",
    "!Find x": "!Find takes [model, [field, value], …]",
    "!Find []": "!Find takes",
    "!Find [authentik_flows.flow]": "!Find takes",
    "!Find [authentik_flows.flow, []]": "!Find takes",
    "!Find [authentik_flows.flow, [[a], b]]": "!Find takes",
    "!Find [flow, [slug, x]]": "!Find takes",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An open database with a base, and a folder of files to go with a bad one."""

    database: Database
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    folder: Path
    before: Mapping[str, Sequence[Any]]

    def of(self, bad: bytes) -> str:
        """What a bad file among good ones is refused with; nothing may be written."""
        file = self.folder / "second.yaml"
        file.write_bytes(bad)
        with pytest.raises(BlueprintError) as refusal:
            self.run(import_blueprints(self.database, [self.folder]))
        assert self.run(dump_of(self.database)) == self.before
        return str(refusal.value).removeprefix(f"{file}:")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def refusal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Refusal]:
    """A database of each kind in turn, which stays as it is."""
    template: Store = request.getfixturevalue(f"{request.param}_template")
    if request.param == "sqlite":
        store = copy_of(template, tmp_path_factory.mktemp("db"))
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        store = Store(server.create_database("refused", "import_template"))
    folder = tmp_path_factory.mktemp("refused")
    store.load(blueprint(folder / "base.yaml", BASE))
    blueprint(folder / "first.yaml", f"{STAGE}identifiers: {{name: first}}\n")
    blueprint(folder / "third.yaml", f"{STAGE}identifiers: {{name: third}}\n")
    with asyncio.Runner() as runner:
        database = runner.run(open_database(store.url, writable=True))
        yield Refusal(database, runner.run, folder, store.dump())
        runner.run(database.close())


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_bad_file_is_refused_with_line_and_reason(refusal: Refusal, name: str) -> None:
    """The message is one line, and nothing of the run is written."""
    text, line, words = WHOLE_FILES[name]
    message = refusal.of(text if isinstance(text, bytes) else text.encode())
    assert re.fullmatch(f"{line}: .*{re.escape(words)}.*", message)


@pytest.mark.parametrize("name", ENTRIES)
def test_bad_entry_is_refused_with_line_and_reason(refusal: Refusal, name: str) -> None:
    """The message is one line, and nothing of the run is written."""
    entry, words = ENTRIES[name]
    message = refusal.of(f"{HEAD}{entry}\n".encode())
    assert re.fullmatch(f"3: .*{re.escape(words)}.*", message)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:20])
def test_bad_value_is_refused_with_its_own_line(refusal: Refusal, value: str) -> None:
    """What is no value at all is told with the line that it stands on."""
    message = refusal.of(f"{HEAD}{STAGE}attrs:\n    x: {value}\n".encode())
    assert re.fullmatch(f"5: .*{re.escape(VALUES[value])}.*", message)


def test_paths_that_cannot_be_read_are_named(store: Store, tmp_path: Path) -> None:
    """A file that is not there, and a folder without blueprints, are errors."""
    missing, empty = tmp_path / "missing.yaml", tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BlueprintError, match=f"^{missing}: No such file or directory$"):
        store.load(missing)
    with pytest.raises(BlueprintError, match=f"^{empty}: there is no .yaml file in this folder$"):
        store.load(empty)
