"""1,000 flows with their bindings, stages, policies and cached plans, the same in every run."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from support.edge_case_data import AUTHENTICATIONS, DENIED_ACTIONS, DESIGNATIONS, LAYOUTS, PLANNER
from support.seed import create_authentik, fill_flowql

Row = dict[str, Any]
Rows = Mapping[str, Sequence[Row]]

FLOW_COUNT = 1000
STAGE_COUNT = 300
POLICY_COUNT = 100
PLAN_COUNT = 3000
PLANNED_FLOW_COUNT = 400
OTHER_KEY_COUNT = 5000
GROUP_BINDING_PERCENT = 8

KEY = "key-of-the-benchmark"
PAST = datetime(2021, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)
FUTURE = datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)
GROUP = str(UUID(int=1))

SUBJECTS = (
    "password",
    "passkey",
    "device",
    "invitation",
    "consent",
    "session",
    "email",
    "profile",
    "account",
    "source",
)
ADJECTIVES = ("default", "guest", "staff", "partner", "legacy", "mobile", "kiosk", "übliche")
RESPONSE_ACTIONS = ("retry", "restart", "retry", "restart_with_context")
BACKGROUNDS = (
    "",
    "flow-backgrounds/mountains.jpg",
    "/static/dist/assets/images/flow_background.jpg",
    "https://cdn.example.com/backgrounds/harbour.jpg",
)


def fill_postgresql(url: str) -> str:
    """Create, fill and analyze authentik's tables, and return the URL."""
    create_authentik(url)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table, rows in all_rows().items():
            _copy(cursor, table, rows)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    return url


def fill_sqlite(url: str) -> str:
    """Create FlowQL's own tables with the same rows, and return the URL."""
    return fill_flowql(url, all_rows())


@cache
def all_rows() -> Rows:
    """Return the rows of all tables, referenced tables first."""
    rng = random.Random("benchmark")
    flows = [_flow(number, rng) for number in range(FLOW_COUNT)]
    stages: list[Row] = [
        {"stage_uuid": _uuid(rng), "name": f"stage-{number}"} for number in range(STAGE_COUNT)
    ]
    policies = [_policy(number, rng) for number in range(POLICY_COUNT)]
    stage_bindings = list(_stage_bindings(flows, stages, rng))
    targets = [row["policybindingmodel_ptr_id"] for row in (*flows, *stage_bindings)]
    return {
        "authentik_policies_policybindingmodel": [_target(target, rng) for target in targets],
        "authentik_flows_flow": flows,
        "authentik_flows_stage": stages,
        "authentik_flows_flowstagebinding": stage_bindings,
        "authentik_policies_policy": policies,
        **_access(),
        "authentik_policies_policybinding": list(_policy_bindings(targets, policies, rng)),
        "django_postgres_cache_cacheentry": list(_cache_entries(flows, rng)),
    }


def _copy(cursor: psycopg.Cursor[Any], table: str, rows: Sequence[Row]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([Jsonb(v) if isinstance(v, dict) else v for v in row.values()])


def _uuid(rng: random.Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))


def _target(target: str, rng: random.Random) -> Row:
    return {"pbm_uuid": target, "policy_engine_mode": rng.choice(("any", "any", "all"))}


def _flow(number: int, rng: random.Random) -> Row:
    adjective, subject = rng.choice(ADJECTIVES), rng.choice(SUBJECTS)
    designation = DESIGNATIONS[number % len(DESIGNATIONS)]
    return {
        "policybindingmodel_ptr_id": _uuid(rng),
        "flow_uuid": _uuid(rng),
        "name": f"{adjective.capitalize()} {subject} {designation} {number % 50}",
        "slug": f"{adjective.replace('ü', 'u')}-{subject}-{designation}-{number}",
        "title": f"{rng.choice(('Welcome', 'Sign in', 'One more step'))}: {subject}",
        "layout": rng.choice(LAYOUTS),
        "designation": designation,
        "background": rng.choice(BACKGROUNDS),
        "compatibility_mode": rng.random() < 0.2,
        "denied_action": rng.choice(DENIED_ACTIONS),
        "authentication": rng.choice(AUTHENTICATIONS),
    }


def _policy(number: int, rng: random.Random) -> Row:
    return {
        "created": PAST,
        "last_updated": PAST,
        "policy_uuid": _uuid(rng),
        "name": f"policy-{number}",
        "execution_logging": number % 2 == 0,
    }


def _stage_bindings(
    flows: Sequence[Row], stages: Sequence[Row], rng: random.Random
) -> Iterator[Row]:
    for flow in flows:
        bound = rng.sample(stages, rng.randint(0, 8))
        for position, stage in enumerate(bound):
            yield {
                "policybindingmodel_ptr_id": _uuid(rng),
                "fsb_uuid": _uuid(rng),
                "evaluate_on_plan": position % 3 == 0,
                "re_evaluate_policies": position % 4 != 3,
                "invalid_response_action": RESPONSE_ACTIONS[position % len(RESPONSE_ACTIONS)],
                "order": position * 10,
                "stage_id": stage["stage_uuid"],
                "target_id": flow["flow_uuid"],
            }


def _policy_bindings(
    targets: Sequence[str], policies: Sequence[Row], rng: random.Random
) -> Iterator[Row]:
    for target in targets:
        for position, policy in enumerate(rng.sample(policies, rng.randint(0, 3))):
            is_group = rng.randrange(100) < GROUP_BINDING_PERCENT
            yield {
                "policy_binding_uuid": _uuid(rng),
                "enabled": rng.random() < 0.9,
                "negate": position == 2,
                "timeout": (30, 5, 120)[position],
                "failure_result": position == 1,
                "order": position,
                "expires": None,
                "expiring": False,
                "policy_id": None if is_group else policy["policy_uuid"],
                "group_id": GROUP if is_group else None,
                "user_id": None,
                "target_id": target,
            }


def _cache_entries(flows: Sequence[Row], rng: random.Random) -> Iterator[Row]:
    planned_flows = rng.sample(flows, PLANNED_FLOW_COUNT)
    keys = [f"{PLANNER}{rng.choice(planned_flows)['flow_uuid']}#{n}" for n in range(PLAN_COUNT)]
    keys += _other_keys(rng)
    # authentik writes them in random order, too.
    rng.shuffle(keys)
    for key in keys:
        yield {"cache_key": key, "value": "gASVAAAA" * 16, "expires": FUTURE}


def _other_keys(rng: random.Random) -> Iterable[str]:
    kinds = ("policies", "sessions", "providers/oauth2", "outposts/state", "flows/planned")
    for number in range(OTHER_KEY_COUNT):
        yield f"public::1:goauthentik.io/{kinds[number % len(kinds)]}/{_uuid(rng)}"


def _access() -> Rows:
    """Return one user, whose token sees every flow through a group of superusers."""
    return {
        "authentik_core_user": [_user()],
        "authentik_core_group": [
            {
                "group_uuid": GROUP,
                "name": "authentik Admins",
                "is_superuser": True,
                "attributes": {},
            }
        ],
        "authentik_core_token": [_token()],
        "authentik_core_user_groups": [{"id": 1, "user_id": 1, "group_id": GROUP}],
    }


def _user() -> Row:
    return {
        "id": 1,
        "password": "!",
        "last_login": None,
        "username": "benchmark",
        "first_name": "",
        "last_name": "",
        "email": "benchmark@example.com",
        "is_active": True,
        "date_joined": PAST,
        "uuid": str(UUID(int=2)),
        "name": "Benchmark",
        "path": "users",
        "type": "service_account",
        "attributes": {},
        "password_change_date": PAST,
        "last_updated": PAST,
    }


def _token() -> Row:
    return {
        "token_uuid": str(UUID(int=3)),
        "identifier": "benchmark",
        "key": KEY,
        "intent": "api",
        "description": "",
        "expires": None,
        "expiring": False,
        "managed": None,
        "user_id": 1,
    }
