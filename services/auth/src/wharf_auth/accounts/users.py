"""The use cases of users: an actor creates, changes and deletes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from servicekit.grants import Compact, Grant, Holder
from servicekit.ids import uuid7_hex
from servicekit.problems import NOT_FOUND
from wharf_auth.accounts import grants, limits, passwords
from wharf_auth.accounts.secret_lane import Asker
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.accounts.tenants import ADMIN_TENANT
from wharf_auth.database.contract import NameTaken, NoSuchTenant, TenantDeleted
from wharf_auth.database.groups_contract import LimitedManager, UserRights
from wharf_auth.database.people_contract import NoSuchUser, People, User
from wharf_auth.domain import names, users
from wharf_auth.domain.acts import Act, Actor
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.domain.tokens import last_expiry
from wharf_auth.problems import TENANT_DELETED, TENANT_RESERVED, USER_EXISTS


@dataclass(frozen=True)
class NewUser:
    """A user to create. Without `password`, the service generates one.

    `grants` is `None` for a user that reaches everything that the role allows.
    """

    tenant: str
    username: str
    role: str
    display_name: str | None = None
    password: str | None = None
    grants: Sequence[Grant] | None = None


class UserService:
    """The use cases of users.

    Every method raises the problem `not-found` if the tenant or the user does not exist.
    """

    def __init__(self, people: People, hasher: Hasher, clock: Clock) -> None:
        self._people, self._hasher, self._clock = people, hasher, clock

    def create(self, new: NewUser, by: Actor) -> tuple[User, str]:
        """Create a user; return it and its password.

        Raise the problems `user-exists`, `tenant-deleted`, `tenant-reserved`,
        `tenant-limit-reached`, `too-many-revocations` and `unprocessable`, or the exceptions of
        `SecretLane.turn`.
        """
        if new.tenant == ADMIN_TENANT:
            # An owner of this tenant could create clients with the scope `tenants:admin`.
            raise TENANT_RESERVED(f"The tenant {ADMIN_TENANT} has clients only, no users.")
        name, now, identifier = users.username(new.username), milliseconds(self._clock), uuid7_hex()
        user = User(
            id=identifier,
            tenant=new.tenant,
            username=name,
            display_name=names.label(new.display_name or name, "display name"),
            role=users.role(new.role),
            created_at=now,
            password_changed_at=now,
            grants=grants.own(new.grants, Holder(user_id=identifier, username=name)),
            reach_version=now,
        )
        grants.require_unlimited(users.scopes_of(user.role), user.grants)
        password = passwords.generated() if new.password is None else new.password
        accepted = passwords.checked(password, name, user.display_name, user.tenant)
        asker = Asker.acting(by)
        act = by.does("users.create", tenant=user.tenant, about=user.id, at=now)
        try:
            kept = self._hasher.hash(accepted, asker)
            with limits.as_problems():
                self._people.add_user(user, users.folded(name), kept, act)
        except NoSuchTenant:
            raise NOT_FOUND("There is no such tenant.") from None
        except TenantDeleted:
            raise TENANT_DELETED(f"The tenant {user.tenant} is deleted.") from None
        except NameTaken:
            raise USER_EXISTS(f"The tenant has a user {name} already.") from None
        return user, password

    def read(self, tenant: str, user: str) -> User:
        """Return the user with this id."""
        return _found(self._people.user(tenant, user))

    def named(self, tenant: str, name: str) -> User:
        """Return the user with this user name."""
        return _found(self._people.named(tenant, users.folded(name)))

    def rename(self, tenant: str, user: str, display_name: str, by: Actor) -> None:
        """Set the display name; raise `unprocessable`."""
        label = names.label(display_name, "display name")
        act = self._act(by, "users.rename", tenant, user)
        with _not_found():
            self._people.set_display_name(tenant, user, label, act)

    def set_role(self, tenant: str, user: str, name: str, by: Actor) -> None:
        """Set the role; a new role ends all sessions. Raise `unprocessable`."""
        self._set(tenant, user, UserRights(role=users.role(name)), by, "users.set-role")

    def set_grants(self, tenant: str, user: str, wanted: Sequence[Grant] | None, by: Actor) -> None:
        """Set the grants; `None` permits everything that the role allows.

        Raise `unprocessable` or `tenant-limit-reached`. The sessions continue: the change applies
        in all services within five seconds.
        """
        kept = self._own(tenant, user, wanted)
        self._set(tenant, user, UserRights(grants=kept), by, "users.set-grants")

    def set_rights(
        self, tenant: str, user: str, role: str, wanted: Sequence[Grant] | None, by: Actor
    ) -> None:
        """Set the role and the grants in one step; see `set_role` and `set_grants`."""
        rights = UserRights(role=users.role(role), grants=self._own(tenant, user, wanted))
        self._set(tenant, user, rights, by, "users.set-rights")

    def _own(self, tenant: str, user: str, wanted: Sequence[Grant] | None) -> Compact | None:
        name = self.read(tenant, user).username
        return grants.own(wanted, Holder(user_id=user, username=name))

    def _set(self, tenant: str, user: str, rights: UserRights, by: Actor, name: str) -> None:
        act = self._act(by, name, tenant, user)
        try:
            with _not_found(), limits.as_problems():
                self._people.set_rights(tenant, user, rights, last_expiry(act.at), act)
        except LimitedManager:
            raise grants.limited_manager() from None

    def disable(self, tenant: str, user: str, by: Actor) -> None:
        """Disable a user: end all sessions and refuse further logins."""
        act = self._act(by, "users.disable", tenant, user)
        with _not_found():
            self._people.disable_user(tenant, user, last_expiry(act.at), act)

    def enable(self, tenant: str, user: str, by: Actor) -> None:
        """Allow the user to log in again."""
        act = self._act(by, "users.enable", tenant, user)
        with _not_found():
            self._people.enable_user(tenant, user, act)

    def set_password(
        self, user: User, password: str | None, by: Actor, *, keep_session: str = ""
    ) -> str:
        """Set the password and end all sessions except `keep_session`; return the password.

        Without `password`, generate one. Raise `unprocessable` or the exceptions of
        `SecretLane.turn`.
        """
        password = passwords.generated() if password is None else password
        accepted = passwords.checked(password, user.username, user.display_name, user.tenant)
        kept = self._hasher.hash(accepted, Asker.acting(by))
        act = self._act(by, "users.set-password", user.tenant, user.id)
        with _not_found():
            until = last_expiry(act.at)
            self._people.set_password(user, kept, until, act, keep_session=keep_session)
        return password

    def delete(self, tenant: str, user: str, by: Actor) -> None:
        """Delete the user and all data about it, and end its sessions.

        The audit log keeps the id of the user.
        """
        act = self._act(by, "users.delete", tenant, user)
        with _not_found():
            self._people.delete_user(tenant, user, last_expiry(act.at), act)

    def end_sessions(self, tenant: str, user: str, by: Actor) -> None:
        """End all sessions of the user."""
        act = self._act(by, "users.end-sessions", tenant, user)
        with _not_found():
            self._people.end_sessions(tenant, user, last_expiry(act.at), act)

    def _act(self, by: Actor, act: str, tenant: str, user: str) -> Act:
        return by.does(act, tenant=tenant, about=user, at=milliseconds(self._clock))


def _found(user: User | None) -> User:
    if user is None:
        raise NOT_FOUND("There is no such user.")
    return user


@contextmanager
def _not_found() -> Iterator[None]:
    try:
        yield
    except NoSuchUser:
        raise NOT_FOUND("There is no such user.") from None
