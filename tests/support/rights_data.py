"""Random sets of rights: users with tokens, groups, roles and grants.

The rows of a set depend on its label alone.
"""

import random
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import NamedTuple

from support.edge_case_data import identifier
from support.rights_content import build_content, build_group, build_user
from support.rights_tables import (
    CONTENT_TYPES,
    FLOWS,
    GROUP_PARENTS,
    GROUP_ROLES,
    GROUPS,
    MODEL_GRANTS,
    OBJECT_GRANTS,
    PERMISSIONS,
    POLICIES,
    POLICY_BINDINGS,
    ROLES,
    SCOPES,
    STAGE_BINDINGS,
    STAGES,
    TOKENS,
    USER_GROUPS,
    USER_ROLES,
    USERS,
    Row,
    Rows,
)

CONTENT = build_content()
FLOW_KEYS = [str(row["flow_uuid"]) for row in CONTENT[FLOWS]]


class Grantable(NamedTuple):
    """A permission: its content type, as application and model, and the keys of all objects."""

    content_type: tuple[str, str]
    keys: Sequence[str]


def _keys(table: str, column: str) -> list[str]:
    return [str(row[column]) for row in CONTENT[table]]


GRANTABLES: Mapping[str, Grantable] = {
    "view_flow": Grantable(("authentik_flows", "flow"), FLOW_KEYS),
    "export_flow": Grantable(("authentik_flows", "flow"), FLOW_KEYS),
    "view_flowstagebinding": Grantable(
        ("authentik_flows", "flowstagebinding"), _keys(STAGE_BINDINGS, "fsb_uuid")
    ),
    "view_stage": Grantable(("authentik_flows", "stage"), _keys(STAGES, "stage_uuid")),
    "view_policybinding": Grantable(
        ("authentik_policies", "policybinding"), _keys(POLICY_BINDINGS, "policy_binding_uuid")
    ),
    "view_policy": Grantable(("authentik_policies", "policy"), _keys(POLICIES, "policy_uuid")),
    # FlowQL reads no prompts.
    "view_prompt": Grantable(
        ("authentik_stages_prompt", "prompt"), [identifier("rights prompt", 0)]
    ),
}
CODENAMES = tuple(GRANTABLES)
RIGHT_CONTENT_TYPES = list(dict.fromkeys(item.content_type for item in GRANTABLES.values()))
CONTENT_TYPE_IDS = {
    content_type: number
    for number, content_type in enumerate(
        [*RIGHT_CONTENT_TYPES, *(("another", model) for _, model in RIGHT_CONTENT_TYPES)], 1
    )
}


class Permission(NamedTuple):
    """A permission by its content type and its codename."""

    content_type: tuple[str, str]
    codename: str


def _lookalikes(codename: str) -> Iterator[Permission]:
    """Yield permissions that resemble one, but do not include it."""
    application, model = content_type = GRANTABLES[codename].content_type
    yield Permission(content_type, f"change_{model}")
    yield Permission(("another", model), codename)
    index = RIGHT_CONTENT_TYPES.index((application, model))
    yield Permission(RIGHT_CONTENT_TYPES[index - 1], codename)


REAL = {codename: Permission(GRANTABLES[codename].content_type, codename) for codename in CODENAMES}
LOOKALIKES = {codename: tuple(_lookalikes(codename)) for codename in CODENAMES}
PERMISSION_IDS = {
    permission: number
    for number, permission in enumerate(
        dict.fromkeys((*REAL.values(), *(item for row in LOOKALIKES.values() for item in row))), 1
    )
}

# The rows that every set of rights refers to.
COMMON_ROWS: Rows = {
    CONTENT_TYPES: [
        {"id": number, "app_label": application, "model": model}
        for (application, model), number in CONTENT_TYPE_IDS.items()
    ],
    PERMISSIONS: [
        {
            "id": number,
            "name": "",
            "content_type_id": CONTENT_TYPE_IDS[content_type],
            "codename": codename,
        }
        for (content_type, codename), number in PERMISSION_IDS.items()
    ],
}
RIGHTS_TABLES = (
    *(USERS, GROUPS, TOKENS, SCOPES, USER_GROUPS, GROUP_PARENTS, ROLES, USER_ROLES, GROUP_ROLES),
    *(MODEL_GRANTS, OBJECT_GRANTS),
)

# The probabilities, in percent, that a permission is granted for no, some or all objects.
STYLES: Sequence[tuple[int, int, int]] = (
    (20, 55, 25),
    (20, 55, 25),
    (5, 25, 70),
    (40, 45, 15),
    (1, 4, 95),
    (1, 4, 95),
)
# An export requires almost all other permissions for all objects.
EXPORT_STYLE = (20, 55, 25)
# The sets of a group are granted the same permissions for no, some or all objects. FlowQL compiles
# its statements for each combination, which takes longer than their execution.
GROUP_SIZE = 10
LEVELS = ("none", "some", "all")
USER_TYPES = ("internal", "internal", "external", "internal_service_account")
# More than the rows of one set in any table with integer keys.
ID_RANGE = 1000


@dataclass(frozen=True, slots=True)
class RightsRows:
    """A set of rights: its label and that of its group, the token's primary key and plain key.

    `paths` maps each role to the way in which the user has it, or to "none".
    """

    label: str
    group: str
    token: str
    key: str
    rows: Rows
    paths: Mapping[str, str]

    def __str__(self) -> str:
        lines = [f"Rights {self.label!r}:"]
        for table in RIGHTS_TABLES:
            lines += [f"  {table} {row}" for row in self.rows[table]]
        return "\n".join(lines)


def build_rights(prefix: str, number: int, *, has_scopes: bool) -> RightsRows:
    """Build a random set of rights. Sets with different numbers can share a database."""
    return _Builder(prefix, number, has_scopes=has_scopes).build()


def build_token(pk: str, key: str, user: int) -> Row:
    """Build a valid token."""
    return {
        "token_uuid": pk,
        "identifier": key,
        "key": key,
        "intent": "api",
        "description": "",
        "expires": None,
        "expiring": False,
        "managed": None,
        "user_id": user,
    }


def build_grant(
    permission: Permission, role: str, content_type: tuple[str, str] | None = None
) -> Row:
    """Build a grant of a permission to a role, without its key and without an object."""
    return {
        "content_type_id": CONTENT_TYPE_IDS[content_type or permission.content_type],
        "permission_id": PERMISSION_IDS[permission],
        "role_id": role,
    }


class _Builder:
    """Builds one set of rights."""

    def __init__(self, prefix: str, number: int, *, has_scopes: bool) -> None:
        self._label = f"{prefix} {number}"
        self._group = f"{prefix} group {number // GROUP_SIZE}"
        self._has_scopes = has_scopes
        self._rng = random.Random(self._label)
        self._levels = random.Random(self._group)
        # Users 1 and 2 belong to the content.
        self._user = number + 100
        self._ids = count((number + 1) * ID_RANGE)
        self._rows: dict[str, list[Row]] = {table: [] for table in RIGHTS_TABLES}
        self._paths: dict[str, str] = {}

    def build(self) -> RightsRows:
        """Build the rows of all tables."""
        user_type = self._rng.choice(USER_TYPES)
        self._rows[USERS].append(build_user(self._user, self._label, user_type))
        token, other_token = self._add_token("token"), self._add_token("other token")
        self._add_groups()
        self._add_user_roles()
        self._add_grants()
        self._add_ineffective_grants()
        if self._has_scopes:
            self._add_scopes(token, other_token)
        key = f"{self._label} token"
        return RightsRows(self._label, self._group, token, key, self._rows, self._paths)

    def _is_chosen(self, percent: int) -> bool:
        return self._rng.randrange(100) < percent

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _add(self, table: str, **row: object) -> None:
        self._rows[table].append(row)

    def _add_token(self, name: str) -> str:
        pk = self._uuid()
        self._rows[TOKENS].append(build_token(pk, f"{self._label} {name}", self._user))
        return pk

    # Groups and roles

    def _add_groups(self) -> None:
        """Add groups of the user, a line of ancestors, and groups that the user is not in."""
        own = [self._add_group("own group") for _ in range(self._rng.randint(0, 2))]
        line = own[:1]
        line += [self._add_group("ancestor") for _ in range(self._rng.randint(0, 3) if own else 0)]
        child, stranger = (self._add_group("none") for _ in range(2))
        pairs = list(pairwise([child, *line]))
        if line and self._is_chosen(30):
            # A cycle; it may consist of one group.
            pairs.append((line[-1], self._rng.choice(line)))
        if self._is_chosen(30):
            pairs += [(child, stranger), (stranger, child)]
        for child_, parent in pairs:
            self._add(GROUP_PARENTS, uuid=self._uuid(), child_id=child_, parent_id=parent)
        for group in own:
            self._add(USER_GROUPS, id=next(self._ids), user_id=self._user, group_id=group)

    def _add_group(self, path: str) -> str:
        pk = self._uuid()
        is_superuser = self._is_chosen(15 if path == "none" else 2)
        self._rows[GROUPS].append(
            build_group(pk, f"{self._label} {path} {pk}", is_superuser=is_superuser)
        )
        for _ in range(self._rng.choice((0, 1, 1, 2))):
            role = self._add_role(path)
            self._add(GROUP_ROLES, id=next(self._ids), group_id=pk, role_id=role)
        return pk

    def _add_role(self, path: str) -> str:
        pk = self._uuid()
        self._add(ROLES, uuid=pk, name=f"{self._label} {path} {pk}", managed=None)
        self._paths[pk] = path
        return pk

    def _add_user_roles(self) -> None:
        has_others = any(path != "none" for path in self._paths.values())
        for _ in range(self._rng.randint(0 if has_others else 1, 2)):
            role = self._add_role("user")
            self._add(USER_ROLES, id=next(self._ids), user_id=self._user, role_id=role)
        # A role that nobody has.
        self._add_role("none")

    # Grants

    def _roles(self, *, effective: bool) -> list[str]:
        return [role for role, path in self._paths.items() if (path != "none") is effective]

    def _add_grants(self) -> None:
        style = self._levels.choice(STYLES)
        roles = self._roles(effective=True)
        for codename in CODENAMES:
            weights = EXPORT_STYLE if codename == "export_flow" else style
            level = self._levels.choices(LEVELS, weights)[0]
            if level == "all":
                self._grant_all(REAL[codename], self._rng.choice(roles))
            if level == "some" or (level == "all" and self._is_chosen(30)):
                for key in self._choose_keys(codename):
                    self._grant_one(REAL[codename], self._rng.choice(roles), key)

    def _choose_keys(self, codename: str) -> list[str]:
        """Return a random subset of the keys of a permission, sometimes with a dangling one."""
        keys, density = GRANTABLES[codename].keys, self._rng.choice((0, 20, 50, 80))
        chosen = [key for key in keys if self._is_chosen(density)]
        if not chosen or self._is_chosen(10):
            chosen.append(self._dangling_key(keys))
        return chosen

    def _dangling_key(self, keys: Sequence[str]) -> str:
        key = self._rng.choice(keys)
        return self._rng.choice((self._uuid(), key.upper(), key.replace("-", ""), "", "1"))

    def _add_ineffective_grants(self) -> None:
        """Add grants that do not count: other permissions, content types, or people's roles."""
        roles, strangers = self._roles(effective=True), self._roles(effective=False)
        for codename in self._some(CODENAMES, 40):
            key = self._rng.choice(GRANTABLES[codename].keys)
            lookalike = self._rng.choice(LOOKALIKES[codename])
            self._grant_all(lookalike, self._rng.choice(roles))
            self._grant_one(lookalike, self._rng.choice(roles), key)
        for codename in self._some(CODENAMES, 40):
            key = self._rng.choice(GRANTABLES[codename].keys)
            self._grant_all(REAL[codename], self._rng.choice(strangers))
            self._grant_one(REAL[codename], self._rng.choice(strangers), key)
        for codename in self._some(CODENAMES, 15):
            # The content type of such a grant is not that of its permission.
            wrong = self._rng.choice(LOOKALIKES[codename][1:]).content_type
            key = self._rng.choice(GRANTABLES[codename].keys)
            self._grant_all(REAL[codename], self._rng.choice(roles), wrong)
            self._grant_one(REAL[codename], self._rng.choice(roles), key, wrong)

    def _some(self, codenames: Iterable[str], percent: int) -> list[str]:
        return [codename for codename in codenames if self._is_chosen(percent)]

    def _grant_all(
        self, permission: Permission, role: str, content_type: tuple[str, str] | None = None
    ) -> None:
        grant = build_grant(permission, role, content_type)
        self._add_grant(MODEL_GRANTS, ("role_id", "permission_id"), grant)

    def _grant_one(
        self,
        permission: Permission,
        role: str,
        key: str,
        content_type: tuple[str, str] | None = None,
    ) -> None:
        grant = build_grant(permission, role, content_type) | {"object_pk": key}
        self._add_grant(OBJECT_GRANTS, ("role_id", "permission_id", "object_pk"), grant)

    def _add_grant(self, table: str, unique: Sequence[str], grant: Row) -> None:
        """Add a grant unless the table has one with the same unique values."""
        rows = self._rows[table]
        if not any(all(row[name] == grant[name] for name in unique) for row in rows):
            rows.append({"id": next(self._ids), **grant})

    # Scopes

    def _add_scopes(self, token: str, other_token: str) -> None:
        """Add the scope of the token, or, without effect, that of the user's other token."""
        if self._is_chosen(15):
            self._add_scope(token)
        if self._is_chosen(15):
            self._add_scope(other_token)

    def _add_scope(self, token: str) -> None:
        for flow in self._rng.sample(FLOW_KEYS, self._rng.randint(1, len(FLOW_KEYS))):
            self._add(SCOPES, token_id=token, flow_id=flow)
