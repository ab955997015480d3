"""1,000 flows with all that belongs to them, the same on every run."""

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
from support.seed import create_authentik, fill_ours

Row = dict[str, Any]
Rows = Mapping[str, Sequence[Row]]

FLOW_COUNT = 1000
STAGE_COUNT = 300
POLICY_COUNT = 100
PLAN_COUNT = 3000
PLANNED_FLOW_COUNT = 400
OTHER_KEY_COUNT = 5000
GROUP_BINDINGS_IN_A_HUNDRED = 8

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
MANNERS = ("default", "guest", "staff", "partner", "legacy", "mobile", "kiosk", "übliche")
RESPONSE_ACTIONS = ("retry", "restart", "retry", "restart_with_context")
BACKGROUNDS = (
    "",
    "flow-backgrounds/mountains.jpg",
    "/static/dist/assets/images/flow_background.jpg",
    "https://cdn.example.com/backgrounds/harbour.jpg",
)


def fill_postgresql(url: str) -> str:
    """Create authentik's tables, and fill and analyse them; gives the URL."""
    create_authentik(url)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table, rows in all_rows().items():
            _copy(cursor, table, rows)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    return url


def fill_sqlite(url: str) -> str:
    """Create FlowQL's own tables with the same rows; gives the URL."""
    return fill_ours(url, all_rows())


@cache
def all_rows() -> Rows:
    """All rows of all tables, parents first."""
    chance = random.Random("benchmark")
    flows = [_flow(number, chance) for number in range(FLOW_COUNT)]
    stages: list[Row] = [
        {"stage_uuid": _uuid(chance), "name": f"stage-{number}"} for number in range(STAGE_COUNT)
    ]
    policies = [_policy(number, chance) for number in range(POLICY_COUNT)]
    stage_bindings = list(_stage_bindings(flows, stages, chance))
    targets = [row["policybindingmodel_ptr_id"] for row in (*flows, *stage_bindings)]
    return {
        "authentik_policies_policybindingmodel": [_target(target, chance) for target in targets],
        "authentik_flows_flow": flows,
        "authentik_flows_stage": stages,
        "authentik_flows_flowstagebinding": stage_bindings,
        "authentik_policies_policy": policies,
        **_access(),
        "authentik_policies_policybinding": list(_policy_bindings(targets, policies, chance)),
        "django_postgres_cache_cacheentry": list(_cache_entries(flows, chance)),
    }


def _copy(cursor: psycopg.Cursor[Any], table: str, rows: Sequence[Row]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([Jsonb(v) if isinstance(v, dict) else v for v in row.values()])


def _uuid(chance: random.Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))


def _target(target: str, chance: random.Random) -> Row:
    return {"pbm_uuid": target, "policy_engine_mode": chance.choice(("any", "any", "all"))}


def _flow(number: int, chance: random.Random) -> Row:
    manner, subject = chance.choice(MANNERS), chance.choice(SUBJECTS)
    designation = DESIGNATIONS[number % len(DESIGNATIONS)]
    return {
        "policybindingmodel_ptr_id": _uuid(chance),
        "flow_uuid": _uuid(chance),
        "name": f"{manner.capitalize()} {subject} {designation} {number % 50}",
        "slug": f"{manner.replace('ü', 'u')}-{subject}-{designation}-{number}",
        "title": f"{chance.choice(('Welcome', 'Sign in', 'One more step'))}: {subject}",
        "layout": chance.choice(LAYOUTS),
        "designation": designation,
        "background": chance.choice(BACKGROUNDS),
        "compatibility_mode": chance.random() < 0.2,
        "denied_action": chance.choice(DENIED_ACTIONS),
        "authentication": chance.choice(AUTHENTICATIONS),
    }


def _policy(number: int, chance: random.Random) -> Row:
    return {
        "created": PAST,
        "last_updated": PAST,
        "policy_uuid": _uuid(chance),
        "name": f"policy-{number}",
        "execution_logging": number % 2 == 0,
    }


def _stage_bindings(
    flows: Sequence[Row], stages: Sequence[Row], chance: random.Random
) -> Iterator[Row]:
    for flow in flows:
        bound = chance.sample(stages, chance.randint(0, 8))
        for place, stage in enumerate(bound):
            yield {
                "policybindingmodel_ptr_id": _uuid(chance),
                "fsb_uuid": _uuid(chance),
                "evaluate_on_plan": place % 3 == 0,
                "re_evaluate_policies": place % 4 != 3,
                "invalid_response_action": RESPONSE_ACTIONS[place % len(RESPONSE_ACTIONS)],
                "order": place * 10,
                "stage_id": stage["stage_uuid"],
                "target_id": flow["flow_uuid"],
            }


def _policy_bindings(
    targets: Sequence[str], policies: Sequence[Row], chance: random.Random
) -> Iterator[Row]:
    for target in targets:
        for place, policy in enumerate(chance.sample(policies, chance.randint(0, 3))):
            of_group = chance.randrange(100) < GROUP_BINDINGS_IN_A_HUNDRED
            yield {
                "policy_binding_uuid": _uuid(chance),
                "enabled": chance.random() < 0.9,
                "negate": place == 2,
                "timeout": (30, 5, 120)[place],
                "failure_result": place == 1,
                "order": place,
                "expires": None,
                "expiring": False,
                "policy_id": None if of_group else policy["policy_uuid"],
                "group_id": GROUP if of_group else None,
                "user_id": None,
                "target_id": target,
            }


def _cache_entries(flows: Sequence[Row], chance: random.Random) -> Iterator[Row]:
    planned = chance.sample(flows, PLANNED_FLOW_COUNT)
    keys = [f"{PLANNER}{chance.choice(planned)['flow_uuid']}#{n}" for n in range(PLAN_COUNT)]
    keys += _other_keys(chance)
    # As authentik writes them: in no order that an index would like.
    chance.shuffle(keys)
    for key in keys:
        yield {"cache_key": key, "value": "gASVAAAA" * 16, "expires": FUTURE}


def _other_keys(chance: random.Random) -> Iterable[str]:
    kinds = ("policies", "sessions", "providers/oauth2", "outposts/state", "flows/planned")
    for number in range(OTHER_KEY_COUNT):
        yield f"public::1:goauthentik.io/{kinds[number % len(kinds)]}/{_uuid(chance)}"


def _access() -> Rows:
    """One user, whose key may see every flow because of a group."""
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
