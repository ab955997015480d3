"""Authentication of users, and permissions to view flows."""

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
    """Authentication by `Authorization: Bearer <key>` with the key of a token."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        """Return the user and the token, or None if the header has no key.

        Raises AuthenticationFailed if the token is invalid.
        """
        scheme, _, key = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer" or not key:
            return None
        token = _find_token(key)
        if token is None:
            raise AuthenticationFailed("Token invalid/expired")
        return token.user, token


def _find_token(key: bytes) -> Token | None:
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return None
    # PostgreSQL rejects strings with a NUL character.
    if "\0" in text:
        return None
    expired = Q(expiring=True, expires__lt=timezone.now())
    valid = Token.objects.select_related("user").exclude(expired)
    return valid.filter(key=text, intent="api", user__is_active=True).first()


class VisibleFlows(BaseFilterBackend):
    """A filter for the flows that the user may view."""

    def filter_queryset(
        self,
        request: Request,
        queryset: QuerySet[Any],
        view: APIView,  # noqa: ARG002 - interface
    ) -> QuerySet[Any]:
        """Return the visible flows. Raises PermissionDenied if the user may not view any flow."""
        user = cast("User", request.user)
        groups = _add_ancestors(_find_groups(user))
        roles = _find_roles(user, groups)
        if _has_superuser_group(groups) or _can_view_all(roles):
            return queryset
        visible = queryset.filter(flow_uuid__in=_find_visible_flows(roles))
        # Outposts send requests before they have any permissions, and expect an empty list.
        if user.type != "internal_service_account" and not visible.exists():
            raise PermissionDenied
        return visible


def _find_groups(user: User) -> set[UUID]:
    return set(UserGroup.objects.filter(user_id=user.pk).values_list("group_id", flat=True))


def _add_ancestors(groups: set[UUID]) -> set[UUID]:
    parentages = GroupParentage.objects.filter(child_id__in=groups)
    parents = set(parentages.values_list("parent_id", flat=True))
    return groups if parents <= groups else _add_ancestors(groups | parents)


def _has_superuser_group(groups: set[UUID]) -> bool:
    return Group.objects.filter(group_uuid__in=groups, is_superuser=True).exists()


def _find_roles(user: User, groups: set[UUID]) -> set[UUID]:
    own = UserRole.objects.filter(user_id=user.pk).values_list("role_id", flat=True)
    inherited = GroupRole.objects.filter(group_id__in=groups).values_list("role_id", flat=True)
    return {*own, *inherited}


def _find_view_permissions() -> QuerySet[Permission]:
    return Permission.objects.filter(
        codename="view_flow",
        content_type__app_label="authentik_flows",
        content_type__model="flow",
    )


def _can_view_all(roles: set[UUID]) -> bool:
    granted = RoleModelPermission.objects.filter(role_id__in=roles)
    return granted.filter(permission__in=_find_view_permissions()).exists()


def _find_visible_flows(roles: set[UUID]) -> list[str]:
    granted = RoleObjectPermission.objects.filter(role_id__in=roles)
    visible = granted.filter(permission__in=_find_view_permissions())
    return list(visible.values_list("object_pk", flat=True))
