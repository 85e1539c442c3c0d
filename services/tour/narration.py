"""How the tour speaks: chapters, what is asked and answered, what arrives, what was checked.

Everything is said in one language, in lines that fit the screen. Whoever sees no colours misses nothing: each line says
what it is in a word of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from services.tour.layout import body_line, padded, shortened, wrapped
from shared.contracts import Words
from shared.web.words import Language, pick, spoken

WIDEST: Final = 100
NARROW: Final = 56
"""Below this many columns a label gets a line of its own, so that the text keeps the width of the screen."""

LABEL: Final = 8
INDENT: Final = 2

NOTE = Words("说明", "note")
ASKS = Words("请求", "asks")
ANSWER = Words("答复", "answer")
REFUSAL = Words("拒绝", "refused")
IN_APP = Words("站内信", "in-app")
EMAIL = Words("邮件", "e-mail")
SMS = Words("短信", "SMS")
CHECKED = Words("已核对", "checked")
FAILED = Words("失败", "failed")
TO_DO = Words("怎么办", "to do")

_STYLE: Mapping[Words, str] = {
    NOTE: "dim",
    ASKS: "cyan",
    ANSWER: "green",
    REFUSAL: "yellow",
    IN_APP: "magenta",
    EMAIL: "magenta",
    SMS: "magenta",
    CHECKED: "bold green",
    FAILED: "bold red",
    TO_DO: "bold",
}


class Narrator:
    """Says what happens on `console`, in `language`."""

    def __init__(self, console: Console, language: Language) -> None:
        self.language = language
        self._console = console
        self._chapters = 0

    def pick(self, words: Words | Mapping[str, str]) -> str:
        """Return words, or what the API has in their place (`{"zh": …, "en": …}`), in the tour's language."""
        if isinstance(words, Words):
            return pick(words, self.language)
        return words["en"] if self.language is Language.EN else words["zh"]

    def spoken(self, fact: Any) -> str:
        """Return a moment, a day or a list of them as a person reads it: the venue's local time."""
        return spoken(fact, self.language, {})

    def title(self, words: Words) -> None:
        """Say what all of this is."""
        self._console.print()
        self._lines(self.pick(words), "bold", 0)

    def chapter(self, words: Words) -> None:
        """Begin a chapter."""
        self._chapters += 1
        self._console.print()
        self._lines(f"{self._chapters}. {self.pick(words)}", "bold", 0)

    def tell(self, words: Words) -> None:
        """Tell the story."""
        self._lines(self.pick(words), "", INDENT)

    def note(self, words: Words) -> None:
        """Explain something that is not part of the story."""
        self._row(NOTE, [self.pick(words)])

    def asks(self, who: str, method: str, address: str, body: Mapping[str, Any] | None) -> None:
        """Show a request: who asks, what, and the essential part of the body."""
        lines = [self.pick(Words(f"{who}：", f"{who}: ")) + f"{method} {shortened(address)}"]
        if body:
            lines.append(body_line(body))
        self._row(ASKS, lines)

    def answers(self, status: str, lines: Sequence[str] = ()) -> None:
        """Show an answer: its status and what matters in it."""
        self._row(ANSWER, [status, *lines])

    def refuses(self, status: str, lines: Sequence[str]) -> None:
        """Show a problem answer that was to be expected."""
        self._row(REFUSAL, [status, *lines])

    def arrives(self, channel: Words, seconds: float, title: str, body: str = "") -> None:
        """Show a message as its reader sees it, and how long it took to arrive."""
        after = self.pick(Words(f"（{seconds:.1f} 秒后）", f"({seconds:.1f} s later)"))
        self._row(channel, [f"{title} {after}", *([body] if body else [])])

    def checked(self, words: Words) -> None:
        """Say what the answers and messages were compared with, and that they agree."""
        self._row(CHECKED, [self.pick(words)])

    def failed(self, what: Words, to_do: Words | None, details: Sequence[str] = ()) -> None:
        """Say what went wrong, and what to run."""
        self._console.print()
        self._row(FAILED, [self.pick(what), *details])
        if to_do is not None:
            self._row(TO_DO, [self.pick(to_do)])

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Show rows, one below the other: the first cell as what it is about, the others after it."""
        for first, *rest in rows:
            self._lines(first, "bold", INDENT)
            for cell in rest:
                self._lines(cell, "", 2 * INDENT)

    def _row(self, label: Words, lines: Sequence[str]) -> None:
        style = _STYLE[label]
        if self._width() < NARROW:
            self._lines(self.pick(label), style, INDENT)
            for line in lines:
                self._lines(line, "", 2 * INDENT)
            return
        room = self._width() - INDENT - LABEL
        texts = [one for line in lines for one in wrapped(line, room)]
        for position, text in enumerate(texts):
            head = padded(self.pick(label) if position == 0 else "", LABEL)
            self._console.print(
                Text.assemble(" " * INDENT, (head, style), text), no_wrap=True, overflow="ignore", crop=False
            )

    def _lines(self, text: str, style: str, indent: int) -> None:
        for line in wrapped(text, self._width() - indent):
            self._console.print(Text(" " * indent + line, style), no_wrap=True, overflow="ignore", crop=False)

    def _width(self) -> int:
        return min(self._console.width, WIDEST)
