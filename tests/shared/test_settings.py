"""Settings: from the environment, each documented where it stands."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings, settings_table


class Sample(Settings):
    model_config = SettingsConfigDict(env_prefix="SAMPLE_")

    database_url: str = Field(description="Where the | database is.")
    pool_size: int = Field(default=5, ge=1, description="Connections kept.")
    password: SecretStr = Field(default=SecretStr("hush"), description="A secret.")


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE_DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("SAMPLE_POOL_SIZE", "")
    monkeypatch.setenv("NATS_URL", "nats://there:4222")
    monkeypatch.setenv("YUYUE_KEY_FOLDER", "/keys")
    settings = Sample()

    assert (settings.database_url, settings.pool_size, settings.nats_url) == ("postgresql://x", 5, "nats://there:4222")
    assert settings.key_folder == Path("/keys")
    with pytest.raises(ValidationError):
        settings.pool_size = 6  # type: ignore[misc]


def test_a_test_gives_them_by_name() -> None:
    assert Sample(database_url="x", nats_url="nats://here").nats_url == "nats://here"


def test_a_missing_or_wrong_value_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="database_url"):
        Sample()
    monkeypatch.setenv("SAMPLE_POOL_SIZE", "hunter2")
    with pytest.raises(ValidationError, match="pool_size") as caught:
        Sample(database_url="x")
    assert "hunter2" not in str(caught.value)


def test_a_setting_without_a_description_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="settings without a description in Bad: nameless"):

        class Bad(Settings):
            nameless: int = 1


def test_the_table_lists_each_setting_once_with_its_default() -> None:
    rows = {line.split("`")[1]: line for line in settings_table(Sample, Settings).splitlines()[2:]}

    assert set(rows) == {
        "SAMPLE_DATABASE_URL", "SAMPLE_POOL_SIZE", "SAMPLE_PASSWORD",
        "NATS_URL", "NATS_MONITOR_URL", "YUYUE_KEY_FOLDER", "YUYUE_LOG_LEVEL",
    }  # fmt: skip
    assert rows["SAMPLE_DATABASE_URL"] == "| `SAMPLE_DATABASE_URL` | required | Where the / database is. |"
    assert rows["SAMPLE_POOL_SIZE"] == "| `SAMPLE_POOL_SIZE` | `5` | Connections kept. |"
    assert "hush" not in rows["SAMPLE_PASSWORD"]
    assert rows["NATS_MONITOR_URL"].split("|")[2].strip() == "none"
