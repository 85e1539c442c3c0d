"""A page for whoever opens a link in a mail: a title, a sentence in both languages, and at most one button.

It loads nothing and runs nothing, and its button sends an empty form to the page's own address.
"""

from html import escape

from starlette.responses import HTMLResponse

from shared.contracts import Words

_POLICY = "default-src 'none'; form-action 'self'; frame-ancestors 'none'"


def small_page(title: Words, words: Words, rest: str = "") -> HTMLResponse:
    """Return the page; `rest` is HTML that stands as it is."""
    html = (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title.zh)}</title><h1>{escape(title.zh)}</h1><p>{escape(words.zh)}</p>"
        f'<div lang="en"><h2>{escape(title.en)}</h2><p>{escape(words.en)}</p></div>{rest}'
    )
    return HTMLResponse(html, headers={"content-security-policy": _POLICY})
