"""Who asks, and which flows they may see."""

from typing import Any, cast
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.views import APIView

from support.reference.models import (
    Group,
    GroupParentage,
    GroupRole,
    Permission,
    RoleModelPermission,
    RoleObjectPermission,
    Token,
    User,
    UserGroup,
    UserRole,
)


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`, where the key is a token's."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        """Return the token and its user, or nothing where no key is given."""
        scheme, _, key = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer" or not key:
            return None
        token = _valid_token(key)
        if token is None:
            raise AuthenticationFailed("Token invalid/expired")
        return token.user, token


def _valid_token(key: bytes) -> Token | None:
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return None
    # A null character is in no key, and the database would not even compare it.
    if "\0" in text:
        return None
    expired = Q(expiring=True, expires__lt=timezone.now())
    valid = Token.objects.select_related("user").exclude(expired)
    return valid.filter(key=text, intent="api", user__is_active=True).first()


class VisibleFlows(BaseFilterBackend):
    """Leaves only the flows that the user may see, and refuses where that is none."""

    def filter_queryset(
        self,
        request: Request,
        queryset: QuerySet[Any],
        view: APIView,  # noqa: ARG002 - Django REST framework passes it
    ) -> QuerySet[Any]:
        """Return the visible part."""
        user = cast("User", request.user)
        groups = _with_ancestors(_groups_of(user))
        roles = _roles_of(user, groups)
        if _are_superusers(groups) or _see_all(roles):
            return queryset
        visible = queryset.filter(flow_uuid__in=_objects_seen(roles))
        # Outposts ask before anything is assigned to them, so for them nothing is no refusal.
        if user.type != "internal_service_account" and not visible.exists():
            raise PermissionDenied
        return visible


def _groups_of(user: User) -> set[UUID]:
    return set(UserGroup.objects.filter(user_id=user.pk).values_list("group_id", flat=True))


def _with_ancestors(groups: set[UUID]) -> set[UUID]:
    above = GroupParentage.objects.filter(child_id__in=groups)
    parents = set(above.values_list("parent_id", flat=True))
    return groups if parents <= groups else _with_ancestors(groups | parents)


def _are_superusers(groups: set[UUID]) -> bool:
    return Group.objects.filter(group_uuid__in=groups, is_superuser=True).exists()


def _roles_of(user: User, groups: set[UUID]) -> set[UUID]:
    own = UserRole.objects.filter(user_id=user.pk).values_list("role_id", flat=True)
    inherited = GroupRole.objects.filter(group_id__in=groups).values_list("role_id", flat=True)
    return {*own, *inherited}


def _may_view_flows() -> QuerySet[Permission]:
    return Permission.objects.filter(
        codename="view_flow",
        content_type__app_label="authentik_flows",
        content_type__model="flow",
    )


def _see_all(roles: set[UUID]) -> bool:
    granted = RoleModelPermission.objects.filter(role_id__in=roles)
    return granted.filter(permission__in=_may_view_flows()).exists()


def _objects_seen(roles: set[UUID]) -> list[str]:
    granted = RoleObjectPermission.objects.filter(role_id__in=roles)
    seen = granted.filter(permission__in=_may_view_flows())
    return list(seen.values_list("object_pk", flat=True))
