"""What runs on one machine, and what each process is told: programs and their environments, made from one data folder.

A process is told what it needs and no more: the notify service does not learn the booking database's password, nor the
booking service where mail goes.
"""

import json
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.embedded.children import Program

URLS = ("BOOKING_DATABASE_URL", "NOTIFY_DATABASE_URL", "NATS_URL")
"""Where the servers are, when somebody else runs them; all of them or none."""
PRIVATE = ("BOOKING_", "NOTIFY_", "SINK_", "NATS_", "YUYUE_")
SMS_APP_ID = "1400000000"
"""Sample; only Tencent asks for one."""
SMS_SIGN_NAME = "大连预约"
MAIL_FROM = "yuyue@dalian.test"
STOP_SECONDS = 15.0

Environment = Mapping[str, str]


class PartlySetError(Exception):
    """Some servers are named in the environment and others are not; the message names both."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the databases and the bus are, whoever runs them."""

    booking_database: str
    notify_database: str
    nats: str
    nats_monitor: str


def named_servers(environment: Environment) -> Servers | None:
    """Return the servers that the environment names, or None where it names none.

    Raises:
        PartlySetError: it names some of `URLS` only.
    """
    given = [name for name in URLS if environment.get(name)]
    if not given:
        return None
    missing = [name for name in URLS if name not in given]
    if missing:
        raise PartlySetError(
            f"{', '.join(given)} is set and {', '.join(missing)} is not. Set all three to use servers of your own, "
            "or none to have them started here."
        )
    booking, notify, nats = (environment[name] for name in URLS)
    return Servers(booking, notify, nats, environment.get("NATS_MONITOR_URL", ""))


@dataclass(frozen=True, slots=True)
class Listeners:
    """The open listening sockets: held by the supervisor, so that nobody is refused while a process is started again."""

    booking: socket.socket
    notify: socket.socket
    sink: socket.socket
    smtp: socket.socket


def address(listener: socket.socket) -> str:
    """Return host and port of a listening socket as a URL has them."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with, not bound to
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """One data folder, the servers, the sockets: everything that the programs depend on."""

    data: Path
    servers: Servers
    listeners: Listeners
    environment: Environment
    api_processes: int = 1

    @property
    def key_folder(self) -> Path:
        return self.data / "keys"

    @property
    def booking_url(self) -> str:
        return f"http://{address(self.listeners.booking)}"

    @property
    def notify_url(self) -> str:
        return f"http://{address(self.listeners.notify)}"

    @property
    def sink_url(self) -> str:
        return f"http://{address(self.listeners.sink)}"

    @property
    def needs_sink(self) -> bool:
        """Tell whether mail or text messages have nowhere else to go."""
        return not (self.environment.get("NOTIFY_SMTP_HOST") and self.environment.get("NOTIFY_SMS_URL"))

    def apis(self) -> list[Program]:
        """Return the programs that answer requests."""
        names = ["booking-api", *(f"booking-api-{number}" for number in range(2, self.api_processes + 1))]
        booking = [self._served(name, "booking-api", self._booking(), self.listeners.booking) for name in names]
        return [*booking, self._served("notify-api", "notify-api", self._notify(), self.listeners.notify)]

    def workers(self) -> list[Program]:
        """Return the programs that do what becomes due."""
        return [
            self._program("booking-worker", ["booking-worker"], self._booking()),
            self._program("notify-worker", ["notify-worker"], self._notify()),
        ]

    def sink(self) -> Program:
        """Return the stand-in for the mail server and the SMS provider."""
        web, smtp = self.listeners.sink.fileno(), self.listeners.smtp.fileno()
        command = ["sink", "--fd", str(web), "--smtp-fd", str(smtp), "--data", str(self.data)]
        key_id, secret = self._sink_key()
        app_id = self.environment.get("NOTIFY_SMS_APP_ID") or SMS_APP_ID
        told = {
            "SINK_ACCESS_KEY_ID": key_id,
            "SINK_ACCESS_KEY_SECRET": secret,
            "SINK_SMS_APP_ID": app_id,
            "SINK_REPORTS_URL": f"{self.notify_url}/receipts",
            "SINK_SECRET": self.environment.get("NOTIFY_RECEIPT_SECRET") or secret,
        }
        return self._program("sink", command, told, pass_fds=(web, smtp))

    def _served(self, name: str, command: str, told: Environment, listener: socket.socket) -> Program:
        return self._program(name, [command, "--fd", str(listener.fileno())], told, pass_fds=(listener.fileno(),))

    def _program(self, name: str, command: list[str], told: Environment, pass_fds: tuple[int, ...] = ()) -> Program:
        inherited = {key: value for key, value in self.environment.items() if not key.startswith(PRIVATE)}
        level = (
            {"YUYUE_LOG_LEVEL": self.environment["YUYUE_LOG_LEVEL"]} if "YUYUE_LOG_LEVEL" in self.environment else {}
        )
        return Program(
            name=name,
            command=(sys.executable, "-m", "services.processes", *command),
            environment={**inherited, **level, **told},
            stop_seconds=STOP_SECONDS,
            pass_fds=pass_fds,
        )

    def _own(self, prefix: str) -> dict[str, str]:
        return {name: value for name, value in self.environment.items() if name.startswith(prefix)}

    def _bus(self) -> dict[str, str]:
        return {"NATS_URL": self.servers.nats, "NATS_MONITOR_URL": self.servers.nats_monitor}

    def _booking(self) -> Environment:
        """Return what the booking service is told; what the caller's environment says of it comes first."""
        return {
            "BOOKING_PUBLIC_URL": self.booking_url,
            "BOOKING_NOTIFY_URL": self.notify_url,
            "YUYUE_KEY_FOLDER": str(self.key_folder),
            **self._own("BOOKING_"),
            "BOOKING_DATABASE_URL": self.servers.booking_database,
            **self._bus(),
        }

    def _notify(self) -> Environment:
        return {
            "NOTIFY_PUBLIC_URL": self.notify_url,
            "NOTIFY_BOOKING_URL": self.booking_url,
            "NOTIFY_KEY_FOLDER": str(self.key_folder),
            "NOTIFY_MAIL_FROM": MAIL_FROM,
            **self._sunk(),
            **self._own("NOTIFY_"),
            "NOTIFY_DATABASE_URL": self.servers.notify_database,
            **self._bus(),
        }

    def _sunk(self) -> Environment:
        """Return where messages go: to the sink, each channel's unless the environment names the real one."""
        told: dict[str, str] = {}
        if not self.environment.get("NOTIFY_SMTP_HOST"):
            host, port = self.listeners.smtp.getsockname()[:2]
            told |= {"NOTIFY_SMTP_HOST": host, "NOTIFY_SMTP_PORT": str(port), "NOTIFY_SMTP_STARTTLS": "false"}
        if not self.environment.get("NOTIFY_SMS_URL"):
            key_id, secret = self._sink_key()
            told |= {
                "NOTIFY_SMS_URL": self.sink_url,
                "NOTIFY_SMS_ACCESS_KEY_ID": key_id,
                "NOTIFY_SMS_ACCESS_KEY_SECRET": secret,
                "NOTIFY_SMS_SIGN_NAME": SMS_SIGN_NAME,
                "NOTIFY_SMS_APP_ID": SMS_APP_ID,
            }
        if not self.environment.get("NOTIFY_WEB_PUSH_SUBJECT") and self.needs_sink:
            hosts = json.dumps([self.listeners.sink.getsockname()[0]])
            told |= {"NOTIFY_WEB_PUSH_SUBJECT": MAIL_FROM, "NOTIFY_WEB_PUSH_HOSTS": hosts}
        if self.needs_sink:
            told["NOTIFY_WEBHOOK_TRIAL_HOSTS"] = json.dumps([self.listeners.sink.getsockname()[0]])
            told["NOTIFY_RECEIPT_SECRET"] = self._sink_key()[1]
        return {**self._sunk_wechat(), **told}

    def _sunk_wechat(self) -> Environment:
        """Return the applications at WeChat and WeCom that the sink stands in for."""
        if not self.needs_sink or any(
            name.startswith(("NOTIFY_WECHAT_", "NOTIFY_WECOM_")) for name in self.environment
        ):
            return {}
        fields = {"thing1": "service", "date2": "local_start", "character_string3": "reference"}
        hidden = {"date2": "local_start", "character_string3": "reference"}
        templates = {
            f"{kind}/{wording}": {"id": f"SAMPLE_{kind}_{wording}", "fields": shown}
            for kind in ("confirmation", "reminder", "change", "cancellation")
            for wording, shown in (("full", fields), ("neutral", hidden))
        }
        return {
            "NOTIFY_WECHAT_URL": self.sink_url,
            "NOTIFY_WECHAT_MINI_APP_ID": "wx_mini",
            "NOTIFY_WECHAT_MINI_SECRET": "sink",
            "NOTIFY_WECHAT_MINI_TEMPLATES": json.dumps(templates),
            "NOTIFY_WECHAT_OFFICIAL_APP_ID": "wx_official",
            "NOTIFY_WECHAT_OFFICIAL_SECRET": "sink",
            "NOTIFY_WECHAT_OFFICIAL_TEMPLATES": json.dumps(templates),
            "NOTIFY_WECOM_URL": self.sink_url,
            "NOTIFY_WECOM_CORP_ID": "ww_corp",
            "NOTIFY_WECOM_SECRET": "sink",
        }

    def _sink_key(self) -> tuple[str, str]:
        """Return the access key between notify and the sink, made once."""
        path = self.key_folder / "sink.json"
        if not path.exists():
            write_private(
                path, json.dumps({"id": f"SINK{secrets.token_hex(8).upper()}", "secret": secrets.token_urlsafe(24)})
            )
        key = json.loads(path.read_text())
        return key["id"], key["secret"]


def write_private(path: Path, text: str) -> None:
    """Replace a file, whole or not at all, readable by its owner alone."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
