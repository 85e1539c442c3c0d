"""Source files as the checks see them: modules by dotted name, and who imports whom, read with `ast`, never run."""

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Import:
    """`target` is the imported module where the tree has it as a file, else the dotted name as written."""

    target: str
    line: int
    inside_function: bool


@dataclass(frozen=True)
class Module:
    name: str
    path: str
    tree: ast.Module
    lines: int
    is_package: bool

    @cached_property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, FUNCTIONS)]


@dataclass(frozen=True)
class Source:
    """All Python files under `folders` of `root`."""

    modules: dict[str, Module]

    @classmethod
    def read(cls, root: Path, *folders: str) -> "Source":
        modules = {}
        for folder in folders:
            for path in sorted((root / folder).rglob("*.py")):
                module = _module(root, path)
                modules[module.name] = module
        return cls(modules)

    def imports(self, module: Module) -> list[Import]:
        """Return what `module` imports, in the order of the file; a relative import is resolved."""
        found: list[Import] = []
        for node, inside in _walk(module.tree, inside=False):
            if isinstance(node, ast.Import):
                found += [Import(alias.name, node.lineno, inside) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = _base(module, node)
                found += [Import(self._resolve(base, alias.name), node.lineno, inside) for alias in node.names]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "__import__":
                found.append(Import("__import__", node.lineno, inside))
        return list(dict.fromkeys(found))

    def _resolve(self, base: str, name: str) -> str:
        """`from a import b` means the module a.b where there is one, else a name inside a."""
        inner = f"{base}.{name}"
        return inner if inner in self.modules else base


def _module(root: Path, path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    parts = list(path.relative_to(root).with_suffix("").parts)
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    return Module(name, path.relative_to(root).as_posix(), ast.parse(text), text.count("\n"), is_package)


def _base(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    kept = parts[: len(parts) - node.level + (1 if module.is_package else 0)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _walk(node: ast.AST, *, inside: bool) -> list[tuple[ast.AST, bool]]:
    """Return every node below `node`, each with whether a function stands around it."""
    found = []
    for child in ast.iter_child_nodes(node):
        found.append((child, inside))
        found += _walk(child, inside=inside or isinstance(child, (*FUNCTIONS, ast.Lambda)))
    return found
