# ruff: noqa: D106, DJ008 - Meta needs no docstring, and rows are never printed
"""authentik's tables as Django models, with authentik's names and relations.

The fields have explicit types because Django's stubs only infer them in mypy.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db import models
from django_stubs_ext.db.models.manager import RelatedManager


class PolicyBindingModel(models.Model):
    """A target of policy bindings: a flow or a stage binding."""

    pbm_uuid: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)
    policy_engine_mode: models.TextField[str, str] = models.TextField()
    policy_bindings: RelatedManager[PolicyBinding]

    class Meta:
        managed = False
        db_table = "authentik_policies_policybindingmodel"


class Flow(PolicyBindingModel):
    """A flow. Its primary key differs from the key of its parent row."""

    class Designation(models.TextChoices):
        """The purpose of a flow."""

        AUTHENTICATION = "authentication"
        AUTHORIZATION = "authorization"
        INVALIDATION = "invalidation"
        ENROLLMENT = "enrollment"
        UNENROLLMENT = "unenrollment"
        RECOVERY = "recovery"
        STAGE_CONFIGURATION = "stage_configuration"

    class DeniedAction(models.TextChoices):
        """The action when a policy denies access to a flow."""

        MESSAGE_CONTINUE = "message_continue"
        MESSAGE = "message"
        CONTINUE = "continue"

    flow_uuid: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)
    policybindingmodel_ptr: models.OneToOneField[PolicyBindingModel, PolicyBindingModel] = (
        models.OneToOneField(PolicyBindingModel, on_delete=models.CASCADE, parent_link=True)
    )
    name: models.TextField[str, str] = models.TextField()
    slug: models.SlugField[str, str] = models.SlugField(unique=True)
    title: models.TextField[str, str] = models.TextField()
    layout: models.TextField[str, str] = models.TextField()
    designation: models.CharField[str, str] = models.CharField(
        max_length=100, choices=Designation.choices
    )
    background: models.TextField[str, str] = models.TextField()
    compatibility_mode: models.BooleanField[bool, bool] = models.BooleanField()
    denied_action: models.TextField[str, str] = models.TextField(choices=DeniedAction.choices)
    authentication: models.TextField[str, str] = models.TextField()
    stage_bindings: RelatedManager[FlowStageBinding]

    # Django removes Meta from the parent model, so there is nothing to inherit from.
    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        managed = False
        db_table = "authentik_flows_flow"


class FlowStageBinding(models.Model):
    """A stage binding: a stage and its position in a flow."""

    fsb_uuid: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)
    order: models.IntegerField[int, int] = models.IntegerField()
    stage_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    target: models.ForeignKey[Flow, Flow] = models.ForeignKey(
        Flow, models.CASCADE, related_name="stage_bindings"
    )

    class Meta:
        managed = False
        db_table = "authentik_flows_flowstagebinding"


class PolicyBinding(models.Model):
    """A policy binding: a policy, a group or a user bound to a target."""

    policy_binding_uuid: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)
    order: models.IntegerField[int, int] = models.IntegerField()
    policy_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True)
    target: models.ForeignKey[PolicyBindingModel, PolicyBindingModel] = models.ForeignKey(
        PolicyBindingModel, models.CASCADE, related_name="policy_bindings"
    )

    class Meta:
        managed = False
        db_table = "authentik_policies_policybinding"


class Group(models.Model):
    """A group of users."""

    group_uuid: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)
    is_superuser: models.BooleanField[bool, bool] = models.BooleanField()

    class Meta:
        managed = False
        db_table = "authentik_core_group"


class GroupParentage(models.Model):
    """A parent of a group."""

    uuid: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)
    child_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    parent_id: models.UUIDField[UUID, UUID] = models.UUIDField()

    class Meta:
        managed = False
        db_table = "authentik_core_groupparentage"


class User(models.Model):
    """A user."""

    is_active: models.BooleanField[bool, bool] = models.BooleanField()
    type: models.TextField[str, str] = models.TextField()
    is_authenticated: ClassVar[bool] = True

    class Meta:
        managed = False
        db_table = "authentik_core_user"


class UserGroup(models.Model):
    """A user's membership in a group."""

    user_id: models.IntegerField[int, int] = models.IntegerField()
    group_id: models.UUIDField[UUID, UUID] = models.UUIDField()

    class Meta:
        managed = False
        db_table = "authentik_core_user_groups"


class UserRole(models.Model):
    """A role of a user."""

    user_id: models.IntegerField[int, int] = models.IntegerField()
    role_id: models.UUIDField[UUID, UUID] = models.UUIDField()

    class Meta:
        managed = False
        db_table = "authentik_core_user_roles"


class GroupRole(models.Model):
    """A role of all users in a group."""

    group_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    role_id: models.UUIDField[UUID, UUID] = models.UUIDField()

    class Meta:
        managed = False
        db_table = "authentik_core_group_roles"


class Token(models.Model):
    """A token that authenticates a user."""

    token_uuid: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)
    key: models.TextField[str, str] = models.TextField()
    intent: models.TextField[str, str] = models.TextField()
    expires: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(
        null=True
    )
    expiring: models.BooleanField[bool, bool] = models.BooleanField()
    user: models.ForeignKey[User, User] = models.ForeignKey(User, models.CASCADE)

    class Meta:
        managed = False
        db_table = "authentik_core_token"


class ContentType(models.Model):
    """A model that permissions refer to."""

    app_label: models.CharField[str, str] = models.CharField(max_length=100)
    model: models.CharField[str, str] = models.CharField(max_length=100)

    class Meta:
        managed = False
        db_table = "django_content_type"


class Permission(models.Model):
    """A permission for a model."""

    codename: models.CharField[str, str] = models.CharField(max_length=100)
    content_type: models.ForeignKey[ContentType, ContentType] = models.ForeignKey(
        ContentType, models.CASCADE
    )

    class Meta:
        managed = False
        db_table = "auth_permission"


class RoleModelPermission(models.Model):
    """A role's permission for all objects of a model."""

    role_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    permission: models.ForeignKey[Permission, Permission] = models.ForeignKey(
        Permission, models.CASCADE
    )

    class Meta:
        managed = False
        db_table = "guardian_rolemodelpermission"


class RoleObjectPermission(models.Model):
    """A role's permission for one object."""

    object_pk: models.CharField[str, str] = models.CharField(max_length=255)
    role_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    permission: models.ForeignKey[Permission, Permission] = models.ForeignKey(
        Permission, models.CASCADE
    )

    class Meta:
        managed = False
        db_table = "guardian_roleobjectpermission"


class CacheEntry(models.Model):
    """A row of authentik's cache, which includes flow plans."""

    cache_key: models.TextField[str, str] = models.TextField(primary_key=True)

    class Meta:
        managed = False
        db_table = "django_postgres_cache_cacheentry"
