"""A real HTTP server that plays authentik's REST API, with shapes and paths of its own.

It plays the oldest and the newest dialect, pages as Django REST framework does, checks tokens and
permissions, and fails on demand.
"""

import asyncio
import contextlib
import json
import random
import threading
import uuid
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import uvicorn
from starlette.types import Receive, Scope, Send

from models.blueprint.authentik.kinds import KINDS, find_kind
from models.systems.content import SystemContent

OLDEST, NEWEST = "2024.2", "2026.8"
PREFIX = "/api/v3/"
DEFAULT_BACKGROUND = "/static/dist/assets/images/flow_background.jpg"
MAX_PAGE_SIZE = 100
TOKEN = "played-" + "k" * 53
Item = dict[str, Any]
# The lists that are not those of one model.
ALL_STAGES, ALL_POLICIES = "stages/all/", "policies/all/"
PATHS: dict[str, str] = {
    "flows/instances/": "authentik_flows.flow",
    "flows/bindings/": "authentik_flows.flowstagebinding",
    "policies/bindings/": "authentik_policies.policybinding",
    "stages/prompt/prompts/": "authentik_stages_prompt.prompt",
    "core/groups/": "authentik_core.group",
    "core/users/": "authentik_core.user",
    "sources/all/": "authentik_core.source",
    "crypto/certificatekeypairs/": "authentik_crypto.certificatekeypair",
    "rbac/roles/": "authentik_rbac.role",
    "propertymappings/all/": "authentik_core.propertymapping",
    "endpoints/connectors/": "authentik_endpoints.connector",
    "stages/account_lockdown/": "authentik_stages_account_lockdown.accountlockdownstage",
    "stages/authenticator/duo/": "authentik_stages_authenticator_duo.authenticatorduostage",
    "stages/authenticator/email/": "authentik_stages_authenticator_email.authenticatoremailstage",
    "stages/authenticator/endpoint_gdtc/": (
        "authentik_stages_authenticator_endpoint_gdtc.authenticatorendpointgdtcstage"
    ),
    "stages/authenticator/sms/": "authentik_stages_authenticator_sms.authenticatorsmsstage",
    "stages/authenticator/static/": (
        "authentik_stages_authenticator_static.authenticatorstaticstage"
    ),
    "stages/authenticator/totp/": "authentik_stages_authenticator_totp.authenticatortotpstage",
    "stages/authenticator/validate/": (
        "authentik_stages_authenticator_validate.authenticatorvalidatestage"
    ),
    "stages/authenticator/webauthn/": (
        "authentik_stages_authenticator_webauthn.authenticatorwebauthnstage"
    ),
    "stages/captcha/": "authentik_stages_captcha.captchastage",
    "stages/consent/": "authentik_stages_consent.consentstage",
    "stages/deny/": "authentik_stages_deny.denystage",
    "stages/dummy/": "authentik_stages_dummy.dummystage",
    "stages/email/": "authentik_stages_email.emailstage",
    "stages/endpoints/": "authentik_endpoints.endpointstage",
    "stages/identification/": "authentik_stages_identification.identificationstage",
    "stages/invitation/stages/": "authentik_stages_invitation.invitationstage",
    "stages/mtls/": "authentik_stages_mtls.mutualtlsstage",
    "stages/password/": "authentik_stages_password.passwordstage",
    "stages/prompt/stages/": "authentik_stages_prompt.promptstage",
    "stages/redirect/": "authentik_stages_redirect.redirectstage",
    "stages/source/": "authentik_stages_source.sourcestage",
    "stages/user_delete/": "authentik_stages_user_delete.userdeletestage",
    "stages/user_login/": "authentik_stages_user_login.userloginstage",
    "stages/user_logout/": "authentik_stages_user_logout.userlogoutstage",
    "stages/user_write/": "authentik_stages_user_write.userwritestage",
    "policies/dummy/": "authentik_policies_dummy.dummypolicy",
    "policies/event_matcher/": "authentik_policies_event_matcher.eventmatcherpolicy",
    "policies/expression/": "authentik_policies_expression.expressionpolicy",
    "policies/geoip/": "authentik_policies_geoip.geoippolicy",
    "policies/password/": "authentik_policies_password.passwordpolicy",
    "policies/password_expiry/": "authentik_policies_expiry.passwordexpirypolicy",
    "policies/reputation/": "authentik_policies_reputation.reputationpolicy",
    "policies/unique_password/": "authentik_policies_unique_password.uniquepasswordpolicy",
}
# The name in 2024.2.
OLD_NAMES = {
    "authentik_stages_authenticator_webauthn.authenticatewebauthnstage": (
        "authentik_stages_authenticator_webauthn.authenticatorwebauthnstage"
    )
}
WRITE_ONLY = {
    "authentik_stages_authenticator_duo.authenticatorduostage": {
        "client_secret",
        "admin_secret_key",
    },
    "authentik_stages_authenticator_email.authenticatoremailstage": {"password"},
    "authentik_stages_authenticator_endpoint_gdtc.authenticatorendpointgdtcstage": {"credentials"},
    "authentik_stages_authenticator_sms.authenticatorsmsstage": {"auth", "auth_password"},
    "authentik_stages_captcha.captchastage": {"private_key"},
    "authentik_stages_email.emailstage": {"password"},
}
FLOW_DEFAULTS: Item = {
    "title": "Title",
    "designation": "authentication",
    "background": "",
    "policy_engine_mode": "any",
    "compatibility_mode": False,
    "layout": "stacked",
    "denied_action": "message_continue",
    "authentication": "none",
}
STAGE_BINDING_DEFAULTS: Item = {
    "evaluate_on_plan": False,
    "re_evaluate_policies": True,
    "policy_engine_mode": "any",
    "invalid_response_action": "retry",
}
POLICY_BINDING_DEFAULTS: Item = {
    "policy": None,
    "group": None,
    "user": None,
    "negate": False,
    "enabled": True,
    "timeout": 30,
    "failure_result": False,
}
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvplayed"


@dataclass(frozen=True, slots=True)
class Fault:
    """What the server does instead of a response.

    `kind` is a status such as `500`, or `cut`, `json`, `html`, `shape` or `hang`.
    """

    kind: str
    path: str = ""
    retry_after: str | None = None
    location: str | None = None


@dataclass(slots=True)
class PlayedAuthentik:
    """The played authentik: its objects, and how it behaves. All can change at run time.

    `objects` have the key `$model` beside the fields of the API. `permissions` are the codenames
    that the token has, None for all; `hidden` are the primary keys that it may not view, and
    `invisible_bindings` those that only flows name. With
    `omits_bound`, bindings do not contain the policy, group or user that they bind. Each
    request takes the first of `faults` whose path it has. `before` runs before a response is built,
    with the path and the page, and `mutate` afterwards, with the path and the body.
    """

    objects: list[Item]
    version: str = NEWEST
    token: str = TOKEN
    url: str = ""
    prefix: str = ""
    permissions: Collection[str] | None = None
    hidden: Collection[str] = frozenset()
    omits_bound: bool = False
    invisible_bindings: Collection[str] = frozenset()
    max_page_size: int = MAX_PAGE_SIZE
    faults: list[Fault] = field(default_factory=list[Fault])
    before: Callable[[str, int], object] | None = None
    mutate: Callable[[str, Any], object] | None = None
    requests: list[str] = field(default_factory=list[str])
    random_faults: random.Random | None = None
    fault_rate: float = 0.0
    hang_seconds: float = 60
    delay: float = 0.0
    at_once: int = 0
    most_at_once: int = 0

    def add(self, model: str, /, **fields: Any) -> Item:
        """Add an object, and return it."""
        item = {"$model": model, **fields}
        self.objects.append(item)
        return item

    def find(self, model: str, /, **fields: Any) -> Item:
        """Return the object with these fields."""
        [item] = [
            item
            for item in self.objects
            if item["$model"] == model and fields.items() <= item.items()
        ]
        return item

    def remove(self, item: Item) -> None:
        """Remove an object."""
        self.objects[:] = [other for other in self.objects if other is not item]

    def fail(self, kind: str, path: str = "", times: int = 1, **options: Any) -> None:
        """Fail the next requests for a path."""
        self.faults += [Fault(kind, path, **options)] * times

    def fail_at_random(self, seed: int, rate: float) -> None:
        """Fail a part of all requests, in random ways."""
        self.random_faults, self.fault_rate = random.Random(seed), rate

    @contextmanager
    def count_requests(self) -> Generator[None]:
        """Count the requests at the same time, in `most_at_once`."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        yield
        self.at_once -= 1

    def recover(self) -> None:
        """Stop failing."""
        self.faults.clear()
        self.random_faults, self.before = None, None

    def take_fault(self, path: str) -> Fault | None:
        """Return the fault of a request, None if it succeeds."""
        fault = next((fault for fault in self.faults if fault.path in path), None)
        if fault:
            self.faults.remove(fault)
            return fault
        if self.random_faults and self.random_faults.random() < self.fault_rate:
            kinds = ("500", "503", "429", "cut", "json", "html", "shape", "404")
            return Fault(self.random_faults.choice(kinds), retry_after="0")
        return None


@contextmanager
def serve_authentik(
    content: SystemContent | Iterable[Mapping[str, Any]] = (),
    version: str = NEWEST,
    prefix: str = "",
    certificate: tuple[Path, Path] | None = None,
) -> Generator[PlayedAuthentik]:
    """Play an authentik with this content on a free port until the block ends.

    `prefix` is a path before `/api/v3/`; `certificate` are the files of a certificate and its key.
    """
    objects = list(describe(content)) if isinstance(content, SystemContent) else map(dict, content)
    played = PlayedAuthentik(list(objects), version, prefix=prefix)
    files = dict(zip(("ssl_certfile", "ssl_keyfile"), map(str, certificate or ()), strict=False))
    config = uvicorn.Config(
        _Application(played),
        port=0,
        # uvloop does not always end when it closes connections with TLS.
        loop="asyncio",
        log_level="critical",
        lifespan="off",
        **cast(Any, files),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive(), "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    host = "localhost" if certificate else "127.0.0.1"
    played.url = f"{'https' if certificate else 'http'}://{host}:{port}{prefix}"
    try:
        yield played
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


def describe(content: SystemContent) -> Iterator[Item]:
    """Yield the objects of a content as the API has them, with those that settings find by name."""
    outside: dict[str, Item] = {}
    for name, records in content.records.items():
        kind = KINDS[name]
        for record in records:
            fields = zip(kind.fields, record.values, strict=True)
            parent = {"policybindingmodel_ptr_id": record.parent} if kind.has_parent else {}
            settings = {
                key: _restore(value, content, outside)
                for key, value in (record.settings or {}).items()
                if key not in WRITE_ONLY.get(record.model or "", ()) or not _is_secret(value)
            }
            model = record.model or kind.model
            yield {"$model": model, "pk": record.pk, **parent, **settings, **dict(fields)}
    yield from outside.values()


def _restore(value: Any, content: SystemContent, outside: dict[str, Item]) -> Any:
    """Return a setting in which references are primary keys."""
    match value:
        case {"$find": ["authentik_core.user", ["username", username]]}:
            users = content.records["user"]
            return next(record.pk for record in users if record.values[0] == username)
        case {"$find": [str(model), [str(name), str(key)]]}:
            pk = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{model}/{key}"))
            outside[pk] = {"$model": model, "pk": pk, "name": key, name: key}
            return pk
        case {"$secret": True}:
            return PRIVATE_KEY
        case dict():
            items = cast(dict[str, Any], value).items()
            return {name: _restore(item, content, outside) for name, item in items}
        case list():
            return [_restore(item, content, outside) for item in cast(list[Any], value)]
        case _:
            return value


def _is_secret(value: Any) -> bool:
    return value == {"$secret": True}


class _NotFoundError(Exception):
    """The path, or the page, does not exist."""


@dataclass(frozen=True, slots=True)
class _Application:
    """The ASGI application."""

    played: PlayedAuthentik

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        path, query = scope["path"], _parse_query(scope["query_string"].decode())
        self.played.requests.append(f"{path}?{scope['query_string'].decode()}")
        fault = self.played.take_fault(path)
        if fault:
            await self._fail(fault, send)
            return
        with self.played.count_requests():
            await asyncio.sleep(self.played.delay)
        status, body = self._respond(path, query, dict(scope["headers"]))
        await _send(send, status, json.dumps(body).encode())

    def _respond(
        self, path: str, query: Mapping[str, str], headers: Mapping[bytes, bytes]
    ) -> tuple[int, Any]:
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        if not authorization.startswith("Bearer "):
            return 403, {"detail": "Authentication credentials were not provided."}
        if authorization != f"Bearer {self.played.token}":
            return 403, {"detail": "Token invalid/expired"}
        start = f"{self.played.prefix}{PREFIX}"
        page = int(query.get("page", 1))
        path = path.removeprefix(start) if path.startswith(start) else ""
        if self.played.before:
            self.played.before(path, page)
        try:
            status, body = _Dialect(self.played).get(path, query)
        except _NotFoundError:
            return 404, {"detail": "Not found."}
        if self.played.mutate:
            self.played.mutate(path, body)
        return status, body

    async def _fail(self, fault: Fault, send: Send) -> None:
        match fault.kind:
            case "cut":
                await _send(send, 200, b'{"pagination"', length=1000)
            case "json":
                await _send(send, 200, b'{"pagination": {"next": 0,')
            case "shape":
                await _send(send, 200, b'{"detail": "hello"}')
            case "html":
                await _send(send, 200, b"<html>Please log in</html>", content_type=b"text/html")
            case "hang":
                await asyncio.sleep(self.played.hang_seconds)
            case status:
                fields = {"retry-after": fault.retry_after, "location": fault.location}
                headers = [
                    (name.encode(), value.encode()) for name, value in fields.items() if value
                ]
                await _send(send, int(status), b"<html>Failed</html>", headers=headers)


class _Dialect:
    """Responses in the dialect of a version."""

    def __init__(self, played: PlayedAuthentik) -> None:
        self._played = played
        self._is_old = played.version == OLDEST
        self._objects = [item for item in played.objects if item.get("pk") not in played.hidden]
        self._by_pk = {item["pk"]: item for item in self._objects}

    def get(self, path: str, query: Mapping[str, str]) -> tuple[int, Any]:
        """Return the status and the body."""
        if path == "admin/version/":
            return self._get_version()
        model, items = self._list(path)
        if not self._may_view(model):
            return 403, {"detail": "You do not have permission to perform this action."}
        return self._paginate(items, query, lambda item: self._render(path, item))

    def _get_version(self) -> tuple[int, Any]:
        if not self._may_view("authentik_rbac.system_info"):
            return 403, {"detail": "You do not have permission to perform this action."}
        return 200, {"version_current": f"{self._played.version}.1", "outdated": False}

    def _may_view(self, model: str) -> bool:
        application, _, name = model.partition(".")
        permissions = self._played.permissions
        return permissions is None or f"{application}.view_{name}" in permissions

    def _list(self, path: str) -> tuple[str, list[Item]]:
        """Return the model of a list, and its objects."""
        if path == ALL_STAGES:
            return "authentik_flows.stage", self._find("stage")
        if path == ALL_POLICIES:
            return "authentik_policies.policy", self._find("policy")
        model = PATHS.get(path)
        if model is None:
            raise _NotFoundError
        items = [item for item in self._objects if _rename(item["$model"]) == model]
        items = [item for item in items if item["pk"] not in self._played.invisible_bindings]
        is_old_name = any(item["$model"] != model for item in items)
        return (items[0]["$model"] if is_old_name else model), items

    def _find(self, kind: str) -> list[Item]:
        return [item for item in self._objects if _name_kind(item["$model"]) == kind]

    def _paginate(
        self, items: list[Item], query: Mapping[str, str], render: Callable[[Item], Item]
    ) -> tuple[int, Any]:
        if query.get("ordering") == "pk":
            items = sorted(items, key=lambda item: str(item["pk"]).zfill(36))
        size = min(int(query.get("page_size", 20)), self._played.max_page_size)
        number, total = int(query.get("page", 1)), max(-(-len(items) // size), 1)
        if not 1 <= number <= total:
            return 404, {"detail": "Invalid page."}
        start = (number - 1) * size
        selected = items[start : start + size]
        pagination = {
            "next": number + 1 if number < total else 0,
            "previous": number - 1,
            "count": len(items),
            "current": number,
            "total_pages": total,
            "start_index": start + 1 if items else 0,
            "end_index": start + len(selected),
        }
        extra: Item = {} if self._is_old else {"autocomplete": {}}
        return 200, {"pagination": pagination, "results": list(map(render, selected)), **extra}

    def _render(self, path: str, item: Item) -> Item:
        fields = {name: value for name, value in item.items() if name != "$model"}
        match item["$model"]:
            case "authentik_flows.flow":
                return self._render_flow(fields)
            case "authentik_flows.flowstagebinding":
                return self._render_stage_binding(fields)
            case "authentik_policies.policybinding":
                return self._render_policy_binding(fields)
            case model if _name_kind(model):
                is_short = path in (ALL_STAGES, ALL_POLICIES)
                return self._render_base(item) if is_short else self._render_component(item)
            case model:
                return self._render_other(model, fields)

    def _render_other(self, model: str, fields: Item) -> Item:
        match model:
            case "authentik_stages_prompt.prompt":
                return {**fields, "promptstage_set" if self._is_old else "prompt_stages_obj": []}
            case "authentik_core.group" | "authentik_core.user":
                return {**fields, "attributes": {}, "is_superuser": False}
            case "authentik_endpoints.connector":
                return {"connector_uuid": fields.pop("pk"), **fields}
            case _:
                return fields

    def _render_stage_binding(self, fields: Item) -> Item:
        stage = self._by_pk.get(fields["stage"])
        nested = {"stage_obj": stage and self._render_base(stage)}
        return {**STAGE_BINDING_DEFAULTS, **fields, **nested}

    def _render_flow(self, fields: Item) -> Item:
        flow = {**FLOW_DEFAULTS, **fields}
        url = _build_background_url(flow["background"])
        background = {"background": url}
        if not self._is_old:
            background = {"background": flow["background"], "background_url": url}
            background["background_themed_urls"] = cast(Any, None)
        return {
            **flow,
            **background,
            "stages": self._list_bound("stage", flow["pk"]),
            "policies": self._list_bound("policy", flow["policybindingmodel_ptr_id"]),
            "cache_count": 0,
            "export_url": f"/api/v3/flows/instances/{flow['slug']}/export/",
        }

    def _list_bound(self, name: str, key: str) -> list[str]:
        return [item[name] for item in self._bindings.get((name, key), ()) if item.get(name)]

    @property
    def _bindings(self) -> Mapping[tuple[str, str], list[Item]]:
        if not hasattr(self, "_index"):
            self._index: dict[tuple[str, str], list[Item]] = {}
            for item in self._objects:
                name = {
                    "authentik_flows.flowstagebinding": "stage",
                    "authentik_policies.policybinding": "policy",
                }.get(item["$model"])
                if name:
                    self._index.setdefault((name, item["target"]), []).append(item)
        return self._index

    def _render_policy_binding(self, fields: Item) -> Item:
        nested: Item = {}
        for name in ("policy", "group", "user"):
            bound = None if self._played.omits_bound else self._by_pk.get(fields.get(name))
            is_component = name == "policy" and bound is not None
            nested[f"{name}_obj"] = (
                self._render_base(bound) if is_component and bound else bound and _hide_model(bound)
            )
        extra = {} if self._is_old else {"expires": None, "expiring": False}
        return {**POLICY_BINDING_DEFAULTS, **fields, **nested, **extra}

    def _render_base(self, item: Item) -> Item:
        """Return the fields that all stages or policies have."""
        model: str = item["$model"]
        kind = _name_kind(model)
        application = model.partition(".")[0].split("_", 2)[-1].replace("_", "-")
        specific: Item = (
            {"flow_set": []}
            if kind == "stage"
            else {"execution_logging": item.get("execution_logging", False), "bound_to": 0}
        )
        return {
            "pk": item["pk"],
            "name": item["name"],
            **specific,
            "component": f"ak-{kind}-{application}-form",
            "verbose_name": model,
            "verbose_name_plural": f"{model}s",
            "meta_model_name": item.get("meta_model_name", model),
        }

    def _render_component(self, item: Item) -> Item:
        hidden = WRITE_ONLY.get(item["$model"], set())
        if self._is_old:
            hidden = hidden - {"auth"}
        fields = {name: value for name, value in _hide_model(item).items() if name not in hidden}
        return {**self._render_base(item), **fields}


def _hide_model(item: Item) -> Item:
    return {name: value for name, value in item.items() if name != "$model"}


def _rename(model: str) -> str:
    return OLD_NAMES.get(model, model)


def _name_kind(model: str) -> str | None:
    """Return `stage` or `policy`, None for other models."""
    kind = find_kind(model)
    return kind.name if kind and kind.name in ("stage", "policy") else None


def _build_background_url(background: str) -> str:
    if not background:
        return DEFAULT_BACKGROUND
    is_url = background.startswith(("http", "/static"))
    return background if is_url else f"/media/public/{background}"


def _parse_query(query: str) -> Mapping[str, str]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return {name: value for name, _, value in pairs}


async def _send(  # noqa: PLR0913 - the parts of a response
    send: Send,
    status: int,
    body: bytes,
    *,
    length: int | None = None,
    content_type: bytes = b"application/json",
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Send a response; one that is shorter than its length is cut."""
    size = str(length or len(body)).encode()
    fields = [(b"content-type", content_type), (b"content-length", size), *headers]
    with contextlib.suppress(OSError):
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body, "more_body": length is not None})
