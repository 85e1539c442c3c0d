"""`yuyue tour`: how it is asked for on the command line."""

import asyncio
import locale
import os
import sys
from pathlib import Path

import click
from rich.console import Console

from services.tour.client import Stopped
from services.tour.narration import Narrator
from services.tour.place import find_place
from services.tour.story import tour as take
from shared.clock import system_clock
from shared.web.words import Language

PAUSE_SECONDS = 0.6
"""Before each request, so that a person can follow."""


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var"),
    show_default=True,
    help="Data folder of the running system.",
)
@click.option(
    "--lang",
    type=click.Choice([language.value for language in Language]),
    help="Language to tell it in; otherwise the terminal's.",
)
@click.option("--quick", is_flag=True, help="Without pauses for reading.")
def tour(*, data: Path, lang: str | None, quick: bool) -> None:
    """Book each of the five services on a running system (`yuyue up`), and show what happens.

    Exit status 0 if everything was as promised, else 1, having said what failed and what to do.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Chinese still gets the rest
    console = Console(highlight=False, markup=False, emoji=False)
    narrator = Narrator(console, Language(lang) if lang else _language_of_terminal())
    pause = 0.0 if quick or not console.is_terminal else PAUSE_SECONDS
    try:
        place = find_place(data)
    except Stopped as stopped:
        narrator.failed(stopped.what, stopped.to_do, stopped.details)
        sys.exit(1)
    sys.exit(0 if asyncio.run(take(narrator, place, system_clock, pause)) else 1)


def _language_of_terminal() -> Language:
    """Return zh-CN where the locale is Chinese, else English."""
    named = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or locale.getlocale()[0]
    return Language.ZH if (named or "").startswith("zh") else Language.EN
