"""The lists of one round, as authentik returns them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.blueprint.authentik.kinds import POLICY, STAGE, Kind
from models.errors import SyncError
from models.sync import endpoints, settings
from models.sync.client import ApiClient
from models.sync.failures import ForbiddenError, InvalidListError, NotFoundError
from models.sync.lists import Item, Report, read_list
from models.sync.tasks import run_all

MAX_VERSION_LENGTH = 100
# Beside that of flows.
BASE_LISTS = (
    endpoints.STAGE_BINDINGS,
    endpoints.STAGES,
    endpoints.POLICIES,
    endpoints.POLICY_BINDINGS,
    endpoints.PROMPTS,
)
PARENT_KEY = "policybindingmodel_ptr_id"
# Without the members of groups, where authentik knows the parameters.
PARAMETERS: Mapping[str, Mapping[str, str]] = {
    endpoints.GROUPS: {"include_users": "false"},
    endpoints.USERS: {"include_groups": "false", "include_roles": "false"},
}
Lists = Mapping[str, Sequence[Item]]
# A stage or a policy with its settings, after its model.
Component = tuple[str, Item]


@dataclass(frozen=True, slots=True)
class Responses:
    """The lists of one round.

    `lists` are those that are always read, by path; of the policy bindings, those of flows and stage
    bindings. `typed` are the stages and policies with their settings, by model; None for a model
    without a list. `groups` and `users` are at least those that are referred to, and `outside`
    are the other objects that settings refer to, by model.
    """

    lists: Lists
    typed: Mapping[str, Sequence[Item] | None]
    groups: Sequence[Item]
    users: Sequence[Item]
    outside: Mapping[str, Sequence[Item]]
    version: str | None
    warnings: Sequence[str]


async def read_responses(client: ApiClient, report: Report) -> Responses:
    """Read all lists once; raises SyncError, which names all missing permissions."""
    return await _Round(client, report).read()


@dataclass(frozen=True, slots=True)
class _Round:
    """Reads all lists once. `missing` are the permissions that the token lacks."""

    client: ApiClient
    report: Report
    missing: set[str] = field(default_factory=set[str])
    warnings: set[str] = field(default_factory=set[str])

    async def read(self) -> Responses:
        # An unreachable server, or an invalid token, fails before many requests are sent.
        flows = await self._read(endpoints.FLOWS)
        version, lists = await run_all([self._read_version(), self._read_base_lists(flows)])
        typed = await self._read_typed(lists)
        components = [(model, item) for model, items in typed.items() for item in items or ()]
        bindings = lists[endpoints.POLICY_BINDINGS]
        groups, users, outside = await run_all(
            [
                self._read_groups(bindings, components),
                self._read_users(bindings, components),
                self._read_outside(components),
            ]
        )
        self._check_rights()
        return Responses(lists, typed, groups, users, outside, version, sorted(self.warnings))

    async def _read_version(self) -> str | None:
        """Return the version, None if it cannot be read."""
        try:
            value = await self.client.get(endpoints.VERSION)
        except (ForbiddenError, NotFoundError, SyncError):
            return None
        match value:
            case {"version_current": str(version)} if version.isprintable():
                return version[:MAX_VERSION_LENGTH]
            case _:
                return None

    async def _read_base_lists(self, flows: Sequence[Item]) -> Lists:
        others = await run_all(map(self._read, BASE_LISTS))
        lists = {endpoints.FLOWS: flows, **dict(zip(BASE_LISTS, others, strict=True))}
        return {**lists, endpoints.POLICY_BINDINGS: _select_bindings(lists)}

    async def _read_typed(self, lists: Lists) -> Mapping[str, Sequence[Item] | None]:
        """Return the objects of each type that occurs."""
        kinds = dict(_list_models(lists))
        items = await run_all(self._read_type(kind, model) for model, kind in kinds.items())
        return dict(zip(kinds, items, strict=True))

    async def _read_type(self, kind: Kind, model: str) -> Sequence[Item] | None:
        path = endpoints.build_path(kind, model)
        try:
            return await read_list(self.client, path, self.report)
        except ForbiddenError:
            self.missing.add(endpoints.build_permission(model))
        except (NotFoundError, InvalidListError) as error:
            if endpoints.is_known(model) and isinstance(error, InvalidListError):
                raise
        return None

    async def _read_groups(
        self, bindings: Iterable[Item], components: Iterable[Component]
    ) -> Sequence[Item]:
        items, is_complete = _collect_nested(bindings, "group")
        known = {_read_key(item.get("pk")) for item in items}
        named = {key for component in components for key in settings.list_groups(*component)}
        if is_complete and named <= known:
            return items
        return await self._read(endpoints.GROUPS)

    async def _read_users(
        self, bindings: Iterable[Item], components: Iterable[Component]
    ) -> Sequence[Item]:
        items, is_complete = _collect_nested(bindings, "user")
        if is_complete and not any(
            settings.refers_to_users(*component) for component in components
        ):
            return items
        return await self._read(endpoints.USERS)

    async def _read_outside(self, components: Iterable[Component]) -> Lists:
        """Return the objects that settings refer to and that are not stored, by model."""
        found = (settings.list_outside_models(*component) for component in components)
        models = sorted({model for models in found for model in models})
        return dict(zip(models, await run_all(map(self._read_optional, models)), strict=True))

    async def _read_optional(self, model: str) -> Sequence[Item]:
        try:
            return await read_list(self.client, endpoints.OUTSIDE[model], self.report)
        except (ForbiddenError, NotFoundError):
            permission = endpoints.build_permission(model)
            self.warnings.add(
                f"the token lacks the permission {permission}: settings refer to such objects by"
                " primary key"
            )
            return ()

    async def _read(self, path: str) -> Sequence[Item]:
        try:
            return await read_list(self.client, path, self.report, PARAMETERS.get(path))
        except ForbiddenError:
            self.missing.add(endpoints.build_permission(endpoints.MODELS[path]))
            return ()
        except NotFoundError:
            raise SyncError(f"{path} is not found: check the URL of authentik") from None

    def _check_rights(self) -> None:
        if self.missing:
            plural = "s" if len(self.missing) > 1 else ""
            raise SyncError(
                f"the token lacks the permission{plural} {', '.join(sorted(self.missing))}: assign"
                " a role with it to the user of the token"
            )


def _select_bindings(lists: Lists) -> Sequence[Item]:
    """Return the policy bindings of flows and stage bindings."""
    parents = (*lists[endpoints.FLOWS], *lists[endpoints.STAGE_BINDINGS])
    targets = {_read_key(item.get(PARENT_KEY)) for item in parents}
    bindings = lists[endpoints.POLICY_BINDINGS]
    return [item for item in bindings if _read_key(item.get("target")) in targets]


def _list_models(lists: Lists) -> Iterator[tuple[str, Kind]]:
    """Yield the models of stages and policies with their kinds.

    Without the permission to list them, bindings have some of them.
    """
    for kind, path, bindings, name in (
        (STAGE, endpoints.STAGES, endpoints.STAGE_BINDINGS, "stage_obj"),
        (POLICY, endpoints.POLICIES, endpoints.POLICY_BINDINGS, "policy_obj"),
    ):
        items = lists[path] or [item[name] for item in lists[bindings] if _has_object(item, name)]
        for model in filter(None, map(endpoints.find_model, items)):
            yield model, kind


def _collect_nested(bindings: Iterable[Item], name: str) -> tuple[Sequence[Item], bool]:
    """Return the groups or users within bindings, and whether they are all that bindings name."""
    bound = [item for item in bindings if item.get(name) is not None]
    nested = (item[f"{name}_obj"] for item in bound if _has_object(item, f"{name}_obj"))
    items: dict[str, Item] = {_read_key(item.get("pk")): item for item in nested}
    return list(items.values()), all(_read_key(item[name]) in items for item in bound)


def _read_key(value: Any) -> str:
    """Return a primary key to compare, an empty string for a value that is none."""
    return str(value).lower() if isinstance(value, str | int) else ""


def _has_object(item: Item, name: str) -> bool:
    return isinstance(item.get(name), dict)
