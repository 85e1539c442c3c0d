"""The sink's page: mail and text messages, newest first, as a person reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
REFRESH_SECONDS = 3

STYLE = """\
:root { color-scheme: light dark; font: 18px/1.6 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
article { border: 1px solid #8888; border-radius: .6rem; padding: .8rem 1rem; margin: 1rem 0; }
article.sms { border-left: .4rem solid #2b8a3e; } article.mail { border-left: .4rem solid #1c6dd0; }
header { font-size: .85rem; } h2 { font-size: 1.05rem; margin: .3rem 0; } pre { white-space: pre-wrap; font: inherit; margin: 0; }
"""
CONTENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


NAMES = {
    "sms": "短信 SMS",
    "mail": "邮件 Mail",
    "web_push": "浏览器推送 Web Push",
    "wechat_mini": "微信小程序 WeChat mini-program",
    "wechat_official": "微信公众号 WeChat official account",
    "wecom": "企业微信 WeCom",
    "webhook": "合作系统 Partner webhook",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A message on the page, and in `/messages.json`: `channel` is a key of `NAMES`, `at` is aware."""

    channel: str
    at: datetime
    to: Sequence[str]
    title: str
    text: str
    reference: str


def render(messages: Sequence[Shown]) -> str:
    """Return the page; what stands in a message is shown, never obeyed."""
    return "\n".join(
        [
            '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">',
            f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>收件箱 Sink ({len(messages)})</title><style>{STYLE}</style></head><body>",
            "<h1>短信与邮件 Text messages and mail</h1>",
            "<p>本机演示环境发出的消息都留在这里，不会送达任何人。What this machine sends stays here and reaches nobody.</p>",
            *([_article(message) for message in messages] or ["<p>还没有消息。Nothing yet.</p>"]),
            "</body></html>",
        ]
    )


def _article(message: Shown) -> str:
    name = NAMES[message.channel]
    at = message.at.astimezone(ZONE)
    title = f"<h2>{escape(message.title)}</h2>" if message.title else ""
    return (
        f'<article class="{message.channel}"><header>{name} · <time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M:%S}</time>'
        f" · {escape(', '.join(message.to))}</header>{title}<pre>{escape(message.text)}</pre></article>"
    )
