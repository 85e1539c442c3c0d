"""Templates: read from files once, checked whole at start-up, and rendered at the moment of sending.

The law: a template that could fail when a message is due fails when the service starts. Every kind has both languages
and every wording it may need; every variable used is declared in `domain.rendering`, and every required one is used
in the body; whatever channel the kind goes by, there are words for it; each template is rendered with its samples, and
with longer ones, and fits the channel. A template file is never changed once messages bear its version: a new wording
is a new file, `<kind>.v<version>.yaml`, and new messages take the highest.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.meta import find_undeclared_variables
from jinja2.nodes import Name
from jinja2.sandbox import ImmutableSandboxedEnvironment
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from services.notify.domain.limits import BODY, SMS_TEXT, SMS_VARIABLE, TITLE, Limit, cut, faults, longer
from services.notify.domain.message import WORDS_OF_OTHERS, Channel, Kind, Language
from services.notify.domain.preference import CHANNELS
from services.notify.domain.rendering import HELP, Values, Wording, in_language
from services.notify.domain.telling import telling
from services.notify.domain.vocabulary import VARIABLES, Variable

TEMPLATES = Path(__file__).parent / "templates"

_BLANK_LINES = re.compile(r"\n\s*\n\s*")
"""What an optional line that is not there leaves behind."""

_SECTIONS = {"title", "body", "sms"}
_SMS_FIELDS = {"code", "text", "sample"}


class TemplateFault(Exception):  # noqa: N818 - a fault in a file, said in a sentence
    """A template file is not fit to be used; the message names the file, the wording and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The words of one message, and where they came from. `body` is plain text; `fingerprint` is SHA-256 of both."""

    template: str
    version: int
    title: str
    body: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedSms:
    """A text message as mainland providers want it: the code of an approved template and its variables.

    `parameters` stand in the order in which the text first uses them.
    `text` is what the phone will show, kept for people to read; `fingerprint` is its SHA-256.
    """

    template: str
    version: int
    code: str
    parameters: Mapping[str, str]
    text: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sms:
    code: str
    text: Template
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    version: int
    title: Template | None
    body: Template | None
    sms: _Sms | None


@dataclass(frozen=True, slots=True)
class _Place:
    """One wording of one template: the key of the collection."""

    kind: Kind
    language: Language
    wording: Wording

    @property
    def name(self) -> str:
        return f"{self.kind.value}/{self.language.value}/{self.wording.value}"

    @property
    def ordinary(self) -> "_Place":
        """The place whose words stand in where there are none in plain words."""
        return _Place(self.kind, self.language, self.wording.ordinary)


class Templates:
    """Every template of the service, checked. Made by `load_templates`."""

    def __init__(self, words: Mapping[_Place, _Words], layout: Template, sms_codes: Mapping[str, str]) -> None:
        self._words = words
        self._layout = layout
        self._sms_codes = sms_codes

    def message(self, kind: Kind, language: Language, wording: Wording, values: Mapping[str, str]) -> Rendered:
        """Render title and body; a kind without plain words says the ordinary ones, and whom to call.

        Raises:
            TemplateFault: there is no such message (a sign-in code goes by SMS alone), or a value is missing.
        """
        place = _Place(kind, language, wording)
        words = self._words.get(place)
        help_line = ""
        if words is None:
            place = place.ordinary
            words, help_line = self._words[place], in_language(HELP, language)
        if words.title is None or words.body is None:
            raise TemplateFault(f"{place.name} has no title and body")
        title = cut(" ".join(_render(words.title, values, place.name).split()), TITLE.most)
        body = _BLANK_LINES.sub("\n\n", _render(words.body, values, place.name)).strip()
        if help_line:
            body = f"{body}\n\n{help_line.format(values['help_phone'])}"
        fingerprint = sha256(f"{title}\n\n{body}".encode()).digest()
        return Rendered(template=place.name, version=words.version, title=title, body=body, fingerprint=fingerprint)

    def html(self, rendered: Rendered, language: Language, *, large: bool = False) -> str:
        """Return the HTML part of a mail: the same words as the plain text, escaped, large enough for older eyes.

        `large`: half as large again, for whoever asked for it.

        It loads nothing from anywhere and has no link, so that nothing can be tracked or triggered by opening it.
        """
        paragraphs = [paragraph.splitlines() for paragraph in rendered.body.split("\n\n")]
        return self._layout.render(title=rendered.title, paragraphs=paragraphs, language=language.value, large=large)

    def sms(self, kind: Kind, language: Language, wording: Wording, values: Mapping[str, str]) -> RenderedSms:
        """Render a text message; it is short in every wording, so plain words have none of their own.

        Raises:
            TemplateFault: there is no text message of that kind, or a value is missing.
        """
        place = _Place(kind, language, wording).ordinary
        words = self._words[place]
        if words.sms is None:
            raise TemplateFault(f"{place.name} has no sms section")
        values = {name: cut(" ".join(value.split()), SMS_VARIABLE.most) for name, value in values.items()}
        text = _render(words.sms.text, values, place.name).strip()
        return RenderedSms(
            template=place.name,
            version=words.version,
            code=self._sms_codes.get(place.name, words.sms.code),
            parameters={name: values[name] for name in words.sms.parameters},
            text=text,
            fingerprint=sha256(text.encode()).digest(),
        )

    def names(self) -> frozenset[str]:
        """Return the name of every template: `<kind>/<language>/<wording>`."""
        return frozenset(place.name for place in self._words)


def load_templates(folder: Path = TEMPLATES, sms_codes: Mapping[str, str] | None = None) -> Templates:
    """Read and check every template below `folder`.

    Args:
        folder: one folder for each language, with `email.html` beside them.
        sms_codes: the operator's own approved template codes, by template name; they replace those of the files.

    Raises:
        TemplateFault: naming the file and the fault.
    """
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    words: dict[_Place, _Words] = {}
    for language in Language:
        for kind in Kind:
            path, version = _newest(folder / language.value, kind)
            for wording, section in _sections(path, kind).items():
                place = _Place(kind, language, wording)
                words[place] = _read(environment, path, place, section, version)
    unknown_codes = sorted(set(sms_codes or {}) - {place.name for place, found in words.items() if found.sms})
    if unknown_codes:
        raise TemplateFault(f"SMS template codes are given for what is no text message: {', '.join(unknown_codes)}")
    return Templates(words, _layout(folder / "email.html"), sms_codes or {})


def _layout(path: Path) -> Template:
    """Compile the HTML layout with escaping on, and see that it does escape."""
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=True)
    layout = environment.from_string(path.read_text(encoding="utf-8"))
    if "<&>" in layout.render(title="<&>", paragraphs=[["<&>"]], language=Language.EN.value, large=False):
        raise TemplateFault(f"{path.name} does not escape what it shows")
    return layout


def _newest(folder: Path, kind: Kind) -> tuple[Path, int]:
    versions = {}
    for path in folder.glob(f"{kind.value}.v*.yaml"):
        number = path.name.removeprefix(f"{kind.value}.v").removesuffix(".yaml")
        if not number.isdecimal():
            raise TemplateFault(f"{path.name}: the version is not a number")
        versions[int(number)] = path
    if not versions:
        raise TemplateFault(f"{folder.name} has no template {kind.value}")
    newest = max(versions)
    return versions[newest], newest


def _sections(path: Path, kind: Kind) -> Mapping[Wording, Mapping[str, Any]]:
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise TemplateFault(f"{path}: {error}") from error
    wanted = {wording.value for wording in VARIABLES[kind]}
    if not isinstance(document, dict) or set(document) != wanted:
        raise TemplateFault(f"{path} must have exactly the wordings {', '.join(sorted(wanted))}")
    for name, section in document.items():
        if not isinstance(section, dict) or not section or set(section) - _SECTIONS:
            raise TemplateFault(f"{path}, {name}: only {', '.join(sorted(_SECTIONS))} may stand here")
        if ("title" in section) != ("body" in section):
            raise TemplateFault(f"{path}, {name}: title and body come together")
    return {Wording(name): section for name, section in document.items()}


def _read(
    environment: ImmutableSandboxedEnvironment, path: Path, place: _Place, section: Mapping[str, Any], version: int
) -> _Words:
    where = f"{path}, {place.wording.value}"
    variables = VARIABLES[place.kind][place.wording]
    values = {variable.name: in_language(variable.sample, place.language) for variable in variables}
    title = body = sms = None
    _complete(place, section, where)
    _tells_nothing(place, section, where)
    if "title" in section:
        title, _ = _compile(environment, section["title"], variables, f"{where}, title")
        body, used = _compile(environment, section["body"], variables, f"{where}, body")
        _require({variable.name for variable in variables if variable.required} - used, f"{where}, body")
        _fits(title, values, TITLE, f"{where}, title")
        _fits(body, values, BODY, f"{where}, body")
    if "sms" in section:
        given = section["sms"]
        if not isinstance(given, dict) or set(given) - _SMS_FIELDS or not {"code", "text"} <= set(given):
            raise TemplateFault(f"{where}: sms has a code and a text")
        text, used = _compile(environment, given["text"], variables, f"{where}, sms")
        _require({"reference", "code"} & {variable.name for variable in variables} - used, f"{where}, sms")
        _fits(text, {name: values[name] for name in used}, SMS_TEXT, f"{where}, sms", each=SMS_VARIABLE)
        sms = _Sms(code=str(given["code"]), text=text, parameters=_in_order(environment, given["text"], used))
    return _Words(version=version, title=title, body=body, sms=sms)


def _complete(place: _Place, section: Mapping[str, Any], where: str) -> None:
    """See that there are words for every channel that the kind goes by; plain words have no text message."""
    channels = CHANNELS[place.kind]
    digest = place.kind in WORDS_OF_OTHERS
    if (digest or set(channels) - {Channel.SMS}) and "body" not in section:
        raise TemplateFault(f"{where}: needs a title and a body")
    plain = place.wording is not place.wording.ordinary
    if (digest or Channel.SMS in channels) and "sms" not in section and not plain:
        raise TemplateFault(f"{where}: needs an sms section")


def _tells_nothing(place: _Place, section: Mapping[str, Any], where: str) -> None:
    """See that a neutral wording has no word that says what a sensitive service is about."""
    sms = section.get("sms")
    texts = [section.get("title"), section.get("body"), sms.get("text") if isinstance(sms, dict) else None]
    found = [word for text in texts if isinstance(text, str) for word in telling(text)]
    if place.wording.ordinary is Wording.NEUTRAL and found:
        raise TemplateFault(f"{where}: tells what it is about by {', '.join(found)}")


def _fits(template: Template, values: Values, limit: Limit, where: str, each: Limit | None = None) -> None:
    """See that the text keeps to `limit` with its samples and with longer ones, and each value of them to `each`."""
    for given in (values, longer(values)):
        tried = {name: value if each is None else cut(value, each.most) for name, value in given.items()}
        found = [*faults(_render(template, tried, where).strip(), limit)]
        for name, value in tried.items():
            found += [f"{name}: {fault}" for fault in faults(value, each)] if each is not None else []
        if found:
            raise TemplateFault(f"{where}: {found[0]}")


def _compile(
    environment: ImmutableSandboxedEnvironment, source: object, variables: tuple[Variable, ...], where: str
) -> tuple[Template, set[str]]:
    if not isinstance(source, str) or not source.strip():
        raise TemplateFault(f"{where}: no text")
    try:
        used = find_undeclared_variables(environment.parse(source))
        template = environment.from_string(source)
    except TemplateError as error:
        raise TemplateFault(f"{where}: {error}") from error
    unknown = used - {variable.name for variable in variables}
    if unknown:
        raise TemplateFault(f"{where}: may not use {', '.join(sorted(unknown))}")
    return template, used


def _in_order(environment: ImmutableSandboxedEnvironment, source: str, used: set[str]) -> tuple[str, ...]:
    """Return the variables as they first appear in the text: some providers number them."""
    names = (node.name for node in environment.parse(source).find_all(Name))
    return tuple(dict.fromkeys(name for name in names if name in used))


def _require(missing: set[str], where: str) -> None:
    if missing:
        raise TemplateFault(f"{where}: must name {', '.join(sorted(missing))}")


def _render(template: Template, values: Mapping[str, str], where: str) -> str:
    try:
        return template.render(values)
    except TemplateError as error:
        raise TemplateFault(f"{where}: {error}") from error
