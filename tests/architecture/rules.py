"""Who may import whom, how large a thing may be: the house's shape as data, and the checks that read it.

The order of rings, in each service:

    domain <- store <- commands <- api, sweeps, consume, deliver <- main, worker <- services.__main__
    tables <- store, views;   views <- api;   channels <- deliver;   shared may be imported by every ring,
    but domain imports of it only shared.contracts, shared.refusal and shared.value
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from tests.architecture.source import Module, Source

SERVICES = ("booking", "notify")

_PURE = {"domain"}
_SQL = {"domain", "tables", "store"}
_ACTS = {"domain", "store", "commands", "settings"}
RINGS: Mapping[str, frozenset[str]] = {
    ring: frozenset(allowed)
    for ring, allowed in {
        "domain": _PURE,
        "settings": _PURE,
        "tables": {"tables"},
        "store": _SQL,
        "views": _SQL | {"views"},
        "catalogue": {"domain", "store", "catalogue"},  # the files have the form in which the store keeps them
        "commands": {"domain", "store", "commands", "catalogue"},
        "renderer": _PURE,  # words from templates: what a channel carries
        "channels": {"domain", "renderer", "channels"},
        "compose": {"domain", "store", "renderer", "channels"},  # the half of deliver that makes a message
        "doorbell": {"domain", "store", "views"},  # wakes the readers who wait for news
        "api": _ACTS | {"views", "doorbell", "renderer", "api"},  # it shows how a message will look
        "sweeps": _ACTS,
        "consume": _ACTS,
        "flow": {"channels", "domain"},  # letters on their way
        "closed": {"store", "domain"},  # what waits on a channel that is not set up
        "watch": _SQL,  # which channels have something due
        "deliver": _ACTS | {"channels", "renderer", "compose", "flow", "closed"},
        "compose_apps": {"domain", "renderer", "channels", "compose"},  # letters for what runs on a phone
        "partners": _SQL | {"channels"},  # tells partner systems what they subscribed to
        "reach": _SQL | {"channels"},  # what channels ask of the database
        # which channels there are, each a row
        "accounts": {"channels", "domain", "reach", "settings", "store"},  # who we are at WeChat and WeCom
        "ways": _ACTS | {"accounts", "channels", "renderer", "compose", "compose_apps", "deliver", "reach"},
        "doubts": _ACTS | {"channels", "renderer", "compose", "deliver"},  # asks about what deliver left in doubt
    }.items()
}
"""A file or folder of a service, and what else of that service it may import. `main` and `worker` put all together."""
ROOTS = frozenset({"main", "worker"})

PURE_SHARED = frozenset({"shared.contracts", "shared.refusal", "shared.value"})
PURE_DATA = {
    "plan": frozenset({"dateutil"}),
    "penalty": frozenset({"dateutil"}),
    "season": frozenset({"dateutil"}),
    "calendar": frozenset({"chinese_calendar", "holidays", "dateutil"}),
    "identity": frozenset({"stdnum", "dateutil"}),
}
"""Libraries that are nothing but data and arithmetic, and the one file of the core that may use each."""
IMPURE = frozenset(
    {"asyncio", "logging", "os", "random", "secrets", "socket", "subprocess", "tempfile", "threading", "time"}
)
"""Standard library modules with a clock, chance or the outside world behind them."""
CLOCKS = frozenset({"now", "today", "utcnow", "uuid4", "uuid7", "new_id"})

OUTSIDE = frozenset({"open", "print", "input"})

PLACES: Mapping[str, tuple[str, ...]] = {
    "fastapi": ("services.*.api", "services.*.main", "shared.web"),
    "starlette": ("services.*.api", "services.*.main", "shared.web", "services.sink"),
    "uvicorn": ("services.processes", "services.sink", "shared.web.whole"),
    "sqlalchemy": ("services.*.tables", "services.*.store", "services.*.views", "shared"),
    "asyncpg": ("services.*.store", "services.*.views", "shared"),
    "alembic": ("shared.migrate",),
    "nats": ("shared.bus",),
    "httpx": ("shared.http",),
    "apscheduler": ("shared.ticker",),
    "psutil": ("shared.embedded",),
    "aiosmtplib": ("services.notify.channels",),
    "aiosmtpd": ("services.sink",),
    "click": ("services",),
}
"""Where each of these may be imported; `*` is one name, and what is inside a named place belongs to it.

`services.sink` is no part of either service: it stands in for the mail server and the SMS provider on one machine, and a
bare Starlette serves its one page, so that the frameworks of the edge stay at the edge.
"""

FUNCTION_LINES = 50
PARAMETERS = 5
FILE_LINES = 400
TEST_FILE_LINES = 600


def wrong_imports(source: Source) -> list[str]:
    """Return every import that goes against the rings, into the other service, or out of its place."""
    strangers = {place for place in map(_place, source.modules) if place[1] and place[1] not in {*RINGS, *ROOTS}}
    return [f"services/{service}: {ring} has no place in the order of rings" for service, ring in sorted(strangers)] + [
        f"{module.path}:{found.line} imports {found.target}: {reason}"
        for module in source.modules.values()
        for found in source.imports(module)
        for reason in _reasons(module, found.target, inside=found.inside_function)
    ]


def _reasons(module: Module, target: str, *, inside: bool) -> Iterator[str]:
    if inside:
        yield "an import inside a function"
    if target == "__import__":
        yield "an import in disguise"
    top = target.partition(".")[0]
    if top in PLACES and not any(_within(module.name, place) for place in PLACES[top]):
        yield f"{top} has its place in {', '.join(PLACES[top])}"
    if top == "tests" and not module.name.startswith("tests"):
        yield "the program does not know its tests"
    if module.name.startswith("shared") and top == "services":
        yield "shared knows nothing of the services"
    if module.name in PURE_SHARED and not (target in PURE_SHARED or top in sys.stdlib_module_names):
        yield "contracts, refusals and values are pure"
    yield from _ring_reasons(module, target)


def _ring_reasons(module: Module, target: str) -> Iterator[str]:
    service, ring = _place(module.name)
    if not service:
        return
    other, other_ring = _place(target)
    if ring == "domain":
        yield from _domain_reasons(module, target)
    if target.startswith("services") and not other:
        yield "a service does not know what runs it"
    elif other and other != service:
        yield f"{service} and {other} know nothing of each other"
    elif other and ring in RINGS and other_ring not in RINGS[ring]:
        yield f"{ring} may import {', '.join(sorted(RINGS[ring])) or 'no other ring'}"


def _domain_reasons(module: Module, target: str) -> Iterator[str]:
    top = target.partition(".")[0]
    if top == "services" or target in PURE_SHARED:
        return
    if top == "shared":
        yield "of shared, the core imports contracts, refusal and value only"
    elif top in IMPURE:
        yield "the core has no clock, no chance and no outside world"
    elif top not in sys.stdlib_module_names and top not in PURE_DATA.get(module.name.rpartition(".")[2], ()):
        yield "the core imports the standard library only"


def _place(name: str) -> tuple[str, str]:
    """Return the service a module belongs to and its ring: the file or folder right under the service's own."""
    parts = name.split(".")
    if len(parts) < 2 or parts[0] != "services" or parts[1] not in SERVICES:
        return "", ""
    return parts[1], parts[2] if len(parts) > 2 else ""


def _within(name: str, place: str) -> bool:
    parts, wanted = name.split("."), place.split(".")
    return len(parts) >= len(wanted) and all(want in {"*", part} for part, want in zip(parts, wanted, strict=False))


def impure_core(source: Source) -> list[str]:
    """Return every place in a domain that waits or looks at a clock: time is an argument there."""
    found = []
    for module in source.modules.values():
        if _place(module.name)[1] != "domain":
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)):
                found.append(f"{module.path}:{node.lineno} waits")
            elif isinstance(node, ast.Call) and _looks_outside(node):
                found.append(f"{module.path}:{node.lineno} calls {ast.unparse(node.func)}()")
    return found


def _looks_outside(node: ast.Call) -> bool:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr in CLOCKS
    return isinstance(node.func, ast.Name) and node.func.id in CLOCKS | OUTSIDE


def cycles(source: Source) -> list[str]:
    """Return every cycle of files, and every cycle of files and folders that stand side by side."""
    edges = {
        name: {
            found.target for found in source.imports(module) if found.target in source.modules and found.target != name
        }
        for name, module in source.modules.items()
    }
    found = [f"files: {cycle}" for cycle in _cycle(edges)]
    packages = {".".join(name.split(".")[:depth]) for name in source.modules for depth in range(name.count(".") + 1)}
    for package in sorted(packages):
        siblings: dict[str, set[str]] = {}
        for name, targets in edges.items():
            here = _child(package, name)
            if here:
                siblings.setdefault(here, set()).update(
                    there for there in (_child(package, target) for target in targets) if there and there != here
                )
        found += [f"in {package or 'the project'}: {cycle}" for cycle in _cycle(siblings)]
    return list(dict.fromkeys(found))


def _child(package: str, name: str) -> str:
    """Return the file or folder right under `package` that holds module `name`; nothing for the package itself."""
    prefix = f"{package}." if package else ""
    if not name.startswith(prefix) or name == package:
        return ""
    return name[len(prefix) :].partition(".")[0]


def _cycle(edges: Mapping[str, Iterable[str]]) -> list[str]:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return [" -> ".join(reversed(error.args[1]))]
    return []


def too_large(source: Source) -> list[str]:
    """Return every file, function and list of parameters beyond the house's bounds."""
    found = []
    for module in source.modules.values():
        is_test = module.name.startswith("tests")
        bound = TEST_FILE_LINES if is_test else FILE_LINES
        if module.lines > bound:
            found.append(f"{module.path} has {module.lines} lines, over {bound}")
        for function in module.functions:
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > FUNCTION_LINES:
                found.append(
                    f"{module.path}:{function.lineno} {function.name} has {lines} lines, over {FUNCTION_LINES}"
                )
            count = _parameters(function)
            if count > PARAMETERS and not is_test:
                found.append(
                    f"{module.path}:{function.lineno} {function.name} has {count} parameters, over {PARAMETERS}"
                )
    return found


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = function.args
    named = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in named if name not in {"self", "cls"}])
