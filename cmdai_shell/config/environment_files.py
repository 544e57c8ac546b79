"""Where environments are written down: ``environments/*.toml`` beside ``config.toml``, tables of
it, and files that either imports. Gathered first, checked then, so that an error can say where."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cmdai_shell.config import toml
from cmdai_shell.config.environment import ENVIRONMENT_KEYS, Address, Environment
from cmdai_shell.config.environments import RESERVED, checked_url
from cmdai_shell.config.refusals import BadSetting, checked, nearest, placed
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""What an environment can be called: it is part of keys, of ids and of file names."""
FOLDER = "environments"
IMPORT = "import"
_DEEPEST = 8
"""Files that import each other in a row."""


@dataclass(frozen=True, slots=True)
class Text:
    """A file, or what is to become one."""

    name: str
    text: str

    @property
    def folder(self) -> Path:
        return Path(self.name).parent


@dataclass(frozen=True, slots=True)
class Setting:
    """One value, and where it stands."""

    value: object
    source: Text
    path: toml.Path


@dataclass(slots=True)
class Written:
    """One environment before it is checked: its own values over those that it imports."""

    name: str
    source: Text
    path: toml.Path
    settings: dict[str, Setting] = field(default_factory=dict)


@dataclass(slots=True)
class Gathered:
    environments: dict[str, Written] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    """All that was read, or would have been if it were there; links followed."""
    drafts: Mapping[Path, str] = field(default_factory=dict)
    """Texts that are to take the place of files, links followed: these are read in their stead."""

    def text_of(self, file: Path) -> str:
        draft = self.drafts.get(_real(file))
        return toml.read_text(file) if draft is None else draft


def gather(
    main: Text,
    tables: dict[str, Any],
    into: Gathered | None = None,
    *,
    only: str = "",
) -> Gathered:
    """All environments of ``main``, whose data ``tables`` is, and of the folder beside it.

    ``into`` is filled, for what was read is of interest even when ConfigError is raised. ``only``:
    a file that is wrong is left out, unless it is that environment's.
    """
    found = into or Gathered()
    for written in inline(main, tables, found):
        found.environments[written.name] = written
    imported = set(found.files)
    for file in folder_files(main.folder):
        real = _real(file)
        if real in imported:
            continue
        found.files.append(real)
        try:
            written = read_file(file, file.stem, found)
        except ConfigError:
            if only in ("", file.stem):
                raise
            continue
        if other := found.environments.get(written.name):
            raise ConfigError(
                f"{file}: there is another environment {written.name!r}, in {other.source.name}",
                "rename or delete one of the two",
            )
        found.environments[written.name] = written
    return found


def inline(main: Text, tables: dict[str, Any], found: Gathered | None) -> Iterator[Written]:
    """The environments of ``[environments]``; imports are followed if ``found`` is given."""
    section = tables.get(FOLDER, {})
    if not isinstance(section, dict):
        raise _at(main, (FOLDER,), f"{FOLDER} is a section", f"write [{FOLDER}.NAME]")
    for name, table in section.items():
        path = (FOLDER, name)
        if not isinstance(table, dict):
            hint = f"write [{FOLDER}.NAME], keys below it"
            raise _at(main, path, f"{toml.dotted(path)} is a table", hint)
        yield _written(name, table, main, path, found)


def read_file(file: Path, name: str, found: Gathered | None = None) -> Written:
    """The environment that a file describes. Raises ConfigError."""
    found = found or Gathered()
    return from_text(Text(str(file), found.text_of(file)), name, found)


def from_text(source: Text, name: str, found: Gathered | None = None) -> Written:
    return _written(name, toml.tables(source.text, source.name), source, (), found)


def from_table(name: str, table: dict[str, Any]) -> Written:
    """An environment that is in no file yet."""
    return _written(name, table, Text("", ""), (), None)


def folder_files(folder: Path) -> list[Path]:
    """``environments/*.toml``, by name. What an editor leaves there (``.x.toml``) is none."""
    try:
        return sorted(
            file
            for file in (folder / FOLDER).iterdir()
            if file.suffix == ".toml" and not file.name.startswith(".")
        )
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        what = (error.strerror or "failed").lower()
        raise ConfigError(f"cannot read {folder / FOLDER}: {what}") from None


def _written(
    name: str, table: dict[str, Any], source: Text, path: toml.Path, found: Gathered | None
) -> Written:
    if not NAME.fullmatch(name) or name in RESERVED:
        what = f"{name!r} is reserved" if name in RESERVED else "letters, digits, _ and -"
        raise _at(source, path, f"an environment cannot be called {name[:60]!r}", what)
    written = Written(name, source, path)
    written.settings = _settings(table, source, path, found, (_real(Path(source.name)),))
    return written


def _settings(
    table: dict[str, Any],
    source: Text,
    path: toml.Path,
    found: Gathered | None,
    chain: tuple[Path, ...],
) -> dict[str, Setting]:
    """The table's values over those that it imports. ``chain``: the files on the way here."""
    own = {key: Setting(value, source, (*path, key)) for key, value in table.items()}
    wanted = own.pop(IMPORT, None)
    if wanted is None:
        return own
    file = _imported(wanted)
    if found is None:
        return own
    real = _real(file)
    if real in chain or len(chain) > _DEEPEST:
        way = " imports ".join(map(str, (*chain, real)))
        raise _at(source, wanted.path, f"imports go round in a circle: {way}")
    found.files.append(real)
    if not os.path.lexists(file):
        raise _at(source, wanted.path, f"{toml.dotted(wanted.path)}: {file} does not exist")
    base = Text(str(file), found.text_of(file))
    data = toml.tables(base.text, base.name)
    return _settings(data, base, (), found, (*chain, real)) | own


def _imported(wanted: Setting) -> Path:
    where = toml.dotted(wanted.path)
    if not isinstance(wanted.value, str) or not wanted.value or "\0" in wanted.value:
        raise _at(wanted.source, wanted.path, f"{where}: expected the name of a file")
    file = wanted.source.folder / os.path.expanduser(wanted.value)  # noqa: PTH111  raises nothing
    return _real(file) if ".." in file.parts else file


def build(written: Written) -> Environment:
    """Check it, key by key and as a whole. Raises ConfigError that names file, line and key."""
    values: dict[str, Any] = {}
    for key, setting in written.settings.items():
        try:
            if key not in ENVIRONMENT_KEYS:
                raise unknown_key(key, setting.path)
            values[key] = checked(ENVIRONMENT_KEYS[key], setting.value, setting.path)
            _check_value(key, values[key], setting.path)
        except BadSetting as error:
            raise placed(error, setting.source.name, setting.source.text) from None
    environment = Environment(id=written.name, **values)
    if complaint := incomplete(environment):
        key, cause, what = complaint
        nowhere = Setting(None, written.source, written.path)
        where = written.settings.get(key) or written.settings.get(cause, nowhere)
        such = f"a line such as: {key} = {_SUCH_AS[key]}" if key in _SUCH_AS else ""
        raise _at(where.source, where.path, f"{toml.dotted((*written.path, key))}: {what}", such)
    return environment


_SUCH_AS = {"dns_srv_record": '"_inference._tcp.example.org"', "k8s_service_name": '"vllm"'}
"""Of those that have to be there and are missing, where the name alone does not say what goes."""


def incomplete(environment: Environment) -> tuple[str, str, str] | None:
    """The first key that another one needs or excludes, that other one, and what is wrong."""
    e = environment
    needed = {
        "static": ("endpoints",) if not e.fallback_endpoints else (),
        "dns_srv": ("dns_srv_record",),
        "k8s_service": ("k8s_service_name",),
        "mdns": ("service_type",),
        "oauth2": ("oauth_token_url", "oauth_client_id_env"),
        "oidc": ("oidc_issuer", "oidc_client_id_env"),
        "mtls": ("tls_cert_path", "tls_key_path"),
        "sagemaker": ("region",),
    }
    for cause in ("discovery_method", "auth_type", "kind"):
        word = e.scheme if cause == "auth_type" else getattr(e, cause)
        for key in needed.get(word, ()):
            if not getattr(e, key):
                return key, cause, f"needed for {word}"
    for key in ("endpoints", "fallback_endpoints"):
        if any(_is_nameless(e, address) for address in getattr(e, key)):
            what = "without a model, an address of SageMaker ends in /endpoints/NAME"
            return key, "kind", what
    if e.tls_key_path and not e.tls_cert_path:
        return "tls_cert_path", "tls_key_path", "needed beside tls_key_path"
    urls = [a if isinstance(a, str) else a.url for a in (*e.endpoints, *e.fallback_endpoints)]
    if e.pins and any(url.startswith("http:") for url in urls):
        return "cert_pinning_sha256", "endpoints", "an http:// address has no certificate to pin"
    return None


def _is_nameless(environment: Environment, address: str | Address) -> bool:
    """SageMaker's address that does not say which of its endpoints."""
    at = Address(url=address) if isinstance(address, str) else address
    if (at.kind or environment.kind) != "sagemaker" or at.model or environment.model:
        return False
    return not re.search("/endpoints/[^/]", urlsplit(at.url).path)


def _check_value(key: str, value: object, path: toml.Path) -> None:
    """What a type cannot say. Never repeats the value of a key that might hold a secret."""
    if key in ("endpoints", "fallback_endpoints") and isinstance(value, tuple):
        for index, address in enumerate(value):
            is_table = isinstance(address, Address)
            where = (*path, index, "url") if is_table else (*path, index)
            _check_url(address.url if is_table else address, where)
    elif key in ("oauth_token_url", "oidc_issuer", "oidc_redirect_uri") and value:
        _check_url(str(value), path)
    elif key.endswith("_env") and not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*|", str(value)):
        what = "the name of an environment variable, not what is in it"
        raise BadSetting(path, f"{toml.dotted(path)}: expected {what}", "such as CMDAI_DGX_API_KEY")
    elif key.endswith("_path") and "\0" in str(value):
        raise BadSetting(path, f"{toml.dotted(path)}: expected the name of a file")
    elif key == "cert_pinning_sha256":
        pins = value if isinstance(value, tuple) else (value,)
        for pin in pins:
            if not re.fullmatch(r"[0-9A-Fa-f]{64}|(sha256/)?[A-Za-z0-9+/]{43}=", str(pin)):
                what = "64 hexadecimal digits, or sha256/ and 44 characters of base64"
                raise BadSetting(path, f"{toml.dotted(path)}: a sha256 is {what}")


def _check_url(url: str, path: toml.Path) -> None:
    try:
        checked_url(url)
    except ConfigError as error:
        raise BadSetting(path, f"{toml.dotted(path)}: {error.message}", error.hint) from None


def unknown_key(key: str, path: toml.Path) -> BadSetting:
    if not key and len(path) > 1:
        hint = f"such as {toml.dotted((*path[:-1], 'timeout_ms'))}"
        return BadSetting(path, f"{toml.dotted(path[:-1])} is a table of keys", hint)
    near = nearest(key, ENVIRONMENT_KEYS)
    hint = f"did you mean {near}?" if near else "cmdai-shell config schema --environment"
    if key in (FOLDER, "environment"):
        hint = "in a file of its own an environment's keys stand at the top, under no [table]"
    return BadSetting(path, f"unknown key {toml.dotted(path)}", hint)


def _at(source: Text, path: toml.Path, message: str, hint: str = "") -> ConfigError:
    return placed(BadSetting(path, message, hint), source.name, source.text)


def _real(file: Path) -> Path:
    try:
        return Path(os.path.realpath(file))
    except (OSError, ValueError):
        return file
