"""Secrets at rest that a service must read again: sealed with AES-256-GCM under keys of a file.

The file has one key a line: an id, a space, and 32 bytes as base 64. Lines that begin with `#` are
comments. The first key seals; all keys open. Only `create`, `added` and `without` write, so a
service can read the file from a read-only mount. Each nonce is random: one key may seal 2^32 texts
(NIST SP 800-38D, section 8.3).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from servicekit import atomic_file, file_lock

KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_MAX_FILE_BYTES = 65_536
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SealingKeyError(Exception):
    """The file of keys cannot be used; the message names the file, the line and the remedy."""


class SealingError(Exception):
    """A sealed text cannot be opened; the message says nothing about the secret."""


class KeyRing:
    """The keys of a file. Any number of threads may use a ring at the same time."""

    def __init__(self, path: Path, keys: Mapping[str, bytes]) -> None:
        self._path = path
        self._keys = dict(keys)

    def __repr__(self) -> str:
        """Return a text with the ids and without the keys."""
        return f"KeyRing({str(self._path)!r}, {list(self._keys)})"

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file of keys; raise `SealingKeyError`."""
        return cls(path, _parsed(path, _read(path)))

    @classmethod
    def create(cls, path: Path) -> Self:
        """Write a file with one new key unless the file exists, and return the ring of the file.

        Several processes may call `create` at the same time: all get the same ring.

        Raises:
            SealingKeyError: the file cannot be written, or it exists and cannot be used.
        """
        if not os.path.exists(path):
            with _writing(path):
                if not os.path.exists(path):
                    _replace(path, _new_line(), 0o600, path.parent)
        return cls.load(path)

    @property
    def ids(self) -> list[str]:
        """Return the ids of all keys in the order of the file."""
        return list(self._keys)

    @property
    def current_id(self) -> str:
        """Return the id of the key that seals."""
        return next(iter(self._keys))

    def seal(self, secret: bytes, context: str) -> str:
        """Return the sealed secret. Only `open` with the same context returns the secret.

        Args:
            secret: the bytes to seal. The sealed text shows their number.
            context: the place of the text, for example its row. A sealed text that was copied to
                another place does not open there.
        """
        key_id, key = next(iter(self._keys.items()))
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + AESGCM(key).encrypt(nonce, secret, context.encode())
        return f"{key_id}.{_base64url(sealed)}"

    def open(self, sealed: str, context: str) -> bytes:
        """Return the secret; raise `SealingError` for another key, text or context."""
        key_id, content = _split(sealed)
        key = self._keys.get(key_id)
        if key is None:
            raise SealingError(
                f"the text was sealed with the key {key_id}, which {self._path} does not contain: "
                "add this key to the file again"
            )
        try:
            return AESGCM(key).decrypt(
                content[:_NONCE_BYTES], content[_NONCE_BYTES:], context.encode()
            )
        except InvalidTag:
            raise SealingError(
                f"the text was sealed with another key named {key_id}, for another place, or was "
                "changed afterwards"
            ) from None

    @staticmethod
    def key_id_of(sealed: str) -> str:
        """Return the id of the key that sealed a text; raise `SealingError` for another text."""
        return _split(sealed)[0]

    def added(self, path: Path) -> Self:
        """Add a new first key to the file and return the ring of the file; keep all other lines.

        Raises:
            SealingKeyError: the file cannot be used or written.
        """
        with _writing(path):
            text = _read(path)
            _parsed(path, text)
            lines = text.splitlines(keepends=True)
            first = next(at for at, line in enumerate(lines) if _is_key(line))
            lines.insert(first, _new_line())
            _replace(path, "".join(lines), stat.S_IMODE(path.stat().st_mode), path)
        return type(self).load(path)

    def without(self, path: Path, key_id: str) -> Self:
        """Remove an old key from the file and return the ring of the file.

        Texts that the key sealed cannot be opened afterwards: the caller seals them again first.

        Raises:
            SealingKeyError: the file cannot be used or written, or the key is its first key or is
                not in it.
        """
        with _writing(path):
            text = _read(path)
            keys = list(_parsed(path, text))
            if key_id not in keys:
                raise SealingKeyError(f"{path}: the file contains no key {key_id}")
            if key_id == keys[0]:
                raise SealingKeyError(
                    f"{path}: {key_id} is the current key: add a new key and seal all secrets "
                    "again before you remove it"
                )
            lines = text.splitlines(keepends=True)
            kept = [line for line in lines if not (_is_key(line) and line.split()[0] == key_id)]
            _replace(path, "".join(kept), stat.S_IMODE(path.stat().st_mode), path)
        return type(self).load(path)


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _split(sealed: str) -> tuple[str, bytes]:
    """Return the id of the key, and nonce with ciphertext and tag."""
    key_id, _, text = sealed.partition(".")
    padding = "=" * (-len(text) % 4)
    try:
        content = base64.urlsafe_b64decode(text + padding)
    except ValueError:
        content = b""
    # Python's decoder ignores foreign characters and unused bits: compare with the one right form.
    if (
        not _ID.fullmatch(key_id)
        or len(content) < _NONCE_BYTES + _TAG_BYTES
        or _base64url(content) != text
    ):
        raise SealingError("the text is not a sealed secret, or it is damaged")
    return key_id, content


def _new_line() -> str:
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    return f"{secrets.token_hex(4)} {key}\n"


def _is_key(line: str) -> bool:
    """Tell whether a line has a key: it is neither empty nor a comment."""
    stripped = line.strip()
    return bool(stripped) and not stripped.startswith("#")


def _read(path: Path) -> str:
    """Return the content of a file of keys that only its owner and its group can access."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SealingKeyError(
            f"{path}: cannot be read ({error.strerror}): create the file, or correct its path or "
            "owner"
        ) from None
    if mode & stat.S_IRWXO:
        raise SealingKeyError(
            f"{path}: mode {mode:04o} lets every user of the machine access the keys: run "
            f"chmod o= {path}"
        )
    if len(content) > _MAX_FILE_BYTES:
        raise SealingKeyError(f"{path}: larger than {_MAX_FILE_BYTES} bytes, so not a file of keys")
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise SealingKeyError(f"{path}: contains bytes that are not ASCII: remove them") from None


def _parsed(path: Path, text: str) -> dict[str, bytes]:
    """Return the keys in the order of the file, by id."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not _is_key(line):
            continue
        where = f"{path}, line {number}"
        key_id, key = _key_of(where, line)
        if key_id in keys:
            raise SealingKeyError(f"{where}: the id {key_id} occurs twice: remove one of the lines")
        if key in keys.values():
            raise SealingKeyError(f"{where}: {key_id} repeats an earlier key: remove the line")
        keys[key_id] = key
    if not keys:
        raise SealingKeyError(
            f"{path}: contains no key: add a line with an id, a space and {KEY_BYTES} random "
            "bytes as base 64"
        )
    return keys


def _key_of(where: str, line: str) -> tuple[str, bytes]:
    """Return the id and the key of a line. No message contains a part of the key."""
    words = line.split()
    if len(words) != 2:
        raise SealingKeyError(f"{where}: write an id, a space and the key as base 64")
    key_id, text = words
    if not _ID.fullmatch(key_id):
        raise SealingKeyError(
            f"{where}: the id is not 1 to 64 letters, digits, - and _: choose another id"
        )
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise SealingKeyError(f"{where}: the key of {key_id} is not base 64") from None
    if len(key) != KEY_BYTES:
        raise SealingKeyError(
            f"{where}: the key of {key_id} has {len(key)} bytes: write {KEY_BYTES} random bytes, "
            f"for example the output of: openssl rand -base64 {KEY_BYTES}"
        )
    return key_id, key


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Let one process at a time change the file."""
    lock = path.with_name(f".{path.name}.lock")
    try:
        with file_lock.held(lock):
            _give(lock, path.parent)
            yield
    except OSError as error:
        raise SealingKeyError(
            f"{path}: cannot be written ({error.strerror}): correct the folder, its owner or its "
            "mount"
        ) from None


def _replace(path: Path, text: str, mode: int, owner: Path) -> None:
    """Write the file atomically and durably, with the owner of another file."""
    with atomic_file.replacing(path, mode=mode, durable=True) as file:
        os.fchmod(file.fileno(), mode)  # the umask may have removed bits
        _give(file.fileno(), owner)
        file.write(text.encode())


def _give(file: Path | int, owner: Path) -> None:
    """Give a file to the owner of another file if root runs this, because the service reads it."""
    if os.geteuid() == 0:
        found = owner.stat()
        os.chown(file, found.st_uid, found.st_gid)
