"""Settings come from the environment and are documented in one place: the field that holds them.

Each service has one class built on `Settings`. A field without a description does not pass: the class then cannot be
made. `settings_table` prints every setting with its variable, its default and its description; nothing else lists them.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from pydantic import AliasChoices, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What both services are told. A subclass sets `env_prefix` (`BOOKING_`) and adds its own.

    An empty variable counts as not set. Values do not change while a process runs.

    Raises:
        TypeError: when a subclass has a field without a description.
        pydantic.ValidationError: when it is made from an environment with a missing or wrong value.
    """

    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True, validate_by_name=True
    )

    nats_url: str = Field(
        default="nats://127.0.0.1:4222",
        validation_alias="NATS_URL",
        description="Address of the NATS servers, separated by commas; may hold user and password.",
    )
    nats_monitor_url: str | None = Field(
        default=None,
        validation_alias="NATS_MONITOR_URL",
        description="Addresses of the NATS servers' monitoring ports, separated by commas. Asked at start whether every message is synced to disk.",
    )
    key_folder: Path = Field(
        default=Path("var/keys"),
        validation_alias="YUYUE_KEY_FOLDER",
        description="Folder with the service's keys.",
    )
    log_level: str = Field(
        default="INFO",
        validation_alias="YUYUE_LOG_LEVEL",
        pattern="(?i)^(debug|info|warning|error)$",
        description="Least level that is logged: debug, info, warning or error.",
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        undocumented = [name for name, field in cls.model_fields.items() if not field.description]
        if undocumented:
            raise TypeError(f"settings without a description in {cls.__name__}: {', '.join(undocumented)}")


def settings_table(*classes: type[Settings]) -> str:
    """Return all settings as a Markdown table: variable, default, meaning. One that several classes share stands once."""
    rows: dict[str, tuple[str, str]] = {}
    for settings in classes:
        prefix = settings.model_config.get("env_prefix", "")
        for name, field in settings.model_fields.items():
            rows[_variable(name, field, prefix)] = (_default(field), field.description or "")
    return "\n".join(_lines(rows))


def _lines(rows: dict[str, tuple[str, str]]) -> Iterable[str]:
    yield "| Variable | Default | Meaning |"
    yield "| --- | --- | --- |"
    for variable, (default, meaning) in sorted(rows.items()):
        yield f"| `{variable}` | {default} | {meaning.replace('|', '/')} |"


def _variable(name: str, field: FieldInfo, prefix: str) -> str:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = alias.choices[0]
    return str(alias) if alias is not None else f"{prefix}{name}".upper()


def _default(field: FieldInfo) -> str:
    """Show a default; a secret's is not shown, and a computed one is computed."""
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is None or default is PydanticUndefined:
        return "none"
    if isinstance(default, SecretStr) or SecretStr in get_args(field.annotation):
        return "hidden"
    return f"`{default}`"
