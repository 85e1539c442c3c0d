"""A YAML file with the line of everything in it, and faults of its form in words.

YAML 1.2: `16:30` is text, `on` and `no` are words. The same key twice is a fault, not a silent choice.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from services.booking.catalogue.faults import Faults

Model = TypeVar("Model", bound=BaseModel)
Place = Sequence[int | str]

_INSTEAD = {
    "missing": "`{name}` is missing: add `{name}: …`",
    "string_type": "write text here (in quotes, if it looks like a number)",
    "string_too_short": "this must not be empty",
    "string_too_long": "this is too long: {max_length} characters at most",
    "string_pattern_mismatch": "`{input}` is no name: write a-z, 0-9 and hyphens, beginning with a letter",
    "int_type": "write a whole number, not `{input}`",
    "int_parsing": "write a whole number, not `{input}`",
    "int_from_float": "write a whole number, not `{input}`",
    "greater_than_equal": "write {ge} or more, not `{input}`",
    "less_than_equal": "write {le} or less, not `{input}`",
    "bool_type": "write true or false, not `{input}`",
    "bool_parsing": "write true or false, not `{input}`",
    "enum": "write one of {expected}, not `{input}`",
    "list_type": "write a list here: `- …` lines, or [a, b]",
    "dict_type": "write `name: value` lines here",
    "model_type": "write `name: value` lines here",
    "model_attributes_type": "write `name: value` lines here",
    "too_short": "write at least {min_length} here",
    "too_long": "write at most {max_length} here",
}


class _Texts(RoundTripConstructor):
    """Reads dates as the text that they are written as: a day that does not exist is a fault like any other."""


_Texts.add_constructor("tag:yaml.org,2002:timestamp", RoundTripConstructor.construct_scalar)


class SourceFile:
    """One file as read: `data` for the models, `line` for the faults."""

    def __init__(self, name: str, data: CommentedMap) -> None:
        self.name = name
        self.data = data

    def line(self, place: Place) -> int:
        """Return the line of what stands at `place`, or of the nearest thing around it that stands in the file."""
        node: Any = self.data
        line = 1
        for step in place:
            try:
                if isinstance(node, CommentedMap):
                    line = node.lc.key(step)[0] + 1
                elif isinstance(node, CommentedSeq) and isinstance(step, int):
                    line = node.lc.item(step)[0] + 1
                node = node[step]
            except (KeyError, IndexError, TypeError):
                break
        return line


def read_source(path: Path, faults: Faults) -> SourceFile | None:
    """Return the file, or None after noting why it is no YAML of ours."""
    yaml = YAML(typ="rt")
    yaml.Constructor = _Texts
    yaml.allow_duplicate_keys = False
    try:
        data = yaml.load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or error.context or "it cannot be read").strip()
        faults.add(path.name, mark.line + 1 if mark else 0, f"this is no YAML: {problem}")
        return None
    except (YAMLError, UnicodeDecodeError) as error:
        faults.add(path.name, 0, f"this is no YAML in UTF-8: {error}")
        return None
    except FileNotFoundError:
        faults.add(path.name, 0, "this file is missing: take it from the previous version")
        return None
    if not isinstance(data, CommentedMap):
        faults.add(path.name, 1, "write `name: value` lines here")
        return None
    return SourceFile(path.name, data)


def parse(model: type[Model], source: SourceFile, data: Any, place: Place, faults: Faults) -> Model | None:
    """Return `data`, which stands at `place`, as `model`; None after noting everything that is wrong with it."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            steps = [*place, *(step for step in fault["loc"] if step != "[key]")]
            faults.add(source.name, source.line(steps), _message(model, dict(fault), steps))
        return None


def did_you_mean(given: str, known: Sequence[str]) -> str:
    """Return what to write instead of a name that is not known."""
    near = get_close_matches(given, known, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else f"known are: {', '.join(known) or 'none'}"


def _message(model: type[BaseModel], fault: Mapping[str, Any], steps: Place) -> str:
    path = ".".join(str(step) for step in steps)
    name = str(steps[-1]) if steps else ""
    code = fault["type"]
    if code == "extra_forbidden":
        known = _fields_at(model, fault["loc"][:-1])
        return f"{path}: `{name}` is not known here; {did_you_mean(name, known)}"
    template = _INSTEAD.get(code)
    if template is None:  # ours, and already in words
        return f"{path}: {fault['msg']}" + ("" if code == "missing" else f" (here stands `{_shown(fault['input'])}`)")
    facts = {"name": name, "input": _shown(fault["input"]), **fault.get("ctx", {})}
    return f"{path}: {template.format_map(facts)}"


def _shown(value: Any) -> str:
    text = str(value).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "…"


def _fields_at(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """Return the field names of the model that stands at `place` inside `model`."""
    current: type[BaseModel] | None = model
    for step in place:
        if current is None:
            return []
        field = current.model_fields.get(str(step)) if isinstance(step, str) else None
        if field is not None:
            inner = _model_in(field.annotation)
            current = inner or current
    return sorted(current.model_fields) if current is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
