"""Which errors a route can answer, read from the code of its handler.

From a handler the reader follows every function and method of Runwright that its code names, as
far as annotations tell their types, and collects what is raised on the way and not caught again.
"Raises ..." in a docstring counts as well: so protocols, and functions that are handed over, say
what their code cannot. What it misses is found by the tests, which hold every refusal they see
against the list.
"""

import ast
import builtins
import inspect
import json
import re
import textwrap
import types
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from runwright.api.refusals import CALLERS, shown_status
from runwright.api.routing import Route
from runwright.errors import RunwrightError
from runwright.identity.authentication import Authenticator

Errors = frozenset[type[Exception]]
NONE: Final[Errors] = frozenset()
_RAISES: Final = re.compile(r"Raises ([^.]*)", re.DOTALL)


def rows(routes: Iterable[Route]) -> str:
    """The text of `api/refusals.json`."""
    found = {CALLERS: _lines(of_callers())} | {route.name: shown(route) for route in routes}
    lines = [f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def shown(route: Route) -> list[str]:
    """Status and type, in order."""
    return _lines(refusals(route.handler))


def _lines(kinds: Iterable[type[RunwrightError]]) -> list[str]:
    found = {(shown_status(kind.status), kind.type) for kind in kinds}
    return [f"{status} {name}" for status, name in sorted(found)]


def of_callers() -> frozenset[type[RunwrightError]]:
    """What the credentials of a request may be refused with; it is kept for a while, not raised."""
    judging = (Authenticator.resolve, Authenticator._judge)
    found = {kind for function in judging for kind in _READER.of(function, Authenticator)}
    return frozenset(kind for kind in found if issubclass(kind, RunwrightError))


def refusals(handler: Any) -> frozenset[type[RunwrightError]]:
    """Of a route's handler: a function, or a method of an object."""
    owner = type(handler.__self__) if inspect.ismethod(handler) else None
    found = _READER.of(getattr(handler, "__func__", handler), owner)
    return frozenset(kind for kind in found if issubclass(kind, RunwrightError))


class _Reader:
    """Remembers what it has read; a function that calls itself adds nothing new."""

    def __init__(self) -> None:
        self._read: dict[tuple[Any, type | None], Errors] = {}

    def of(self, function: Any, owner: type | None) -> Errors:
        key = (function, owner)
        if key not in self._read:
            self._read[key] = NONE
            self._read[key] = self._errors(function, owner)
        return self._read[key]

    def _errors(self, function: Any, owner: type | None) -> Errors:
        tree = _tree(function)
        if tree is None:
            return NONE
        body = _Body(self, _names(function), _hints(function), owner)
        is_function = isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef))
        return body.read(tree.body if is_function else [tree])  # the line of a lambda


_READER: Final = _Reader()


class _Body:
    """The code of one function, with what is known about its names."""

    def __init__(
        self,
        reader: _Reader,
        names: Mapping[str, Any],
        hints: Mapping[str, Any],
        owner: type | None,
    ) -> None:
        self._reader = reader
        self._names = names
        self._types: dict[str, Any] = dict(hints)
        if owner is not None:
            self._types["self"] = self._types["cls"] = owner

    def read(self, nodes: list[Any]) -> Errors:
        return frozenset(error for node in nodes for error in self._of(node))

    def _of(self, node: ast.AST) -> Iterator[type[Exception]]:
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield from self._documented(text)
            case ast.Try():
                yield from self._of_try(node)
            case ast.Raise(exc=ast.expr() as raised):
                yield from self._of_raise(raised)
                yield from self.read(list(ast.iter_child_nodes(raised)))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._learn(node)
                yield from self.read(node.body)
            case ast.Name(id=name, ctx=ast.Load()):
                yield from self._of_value(self._names.get(name))
            case ast.Attribute():
                yield from self._of_attribute(node)
                yield from self._of(node.value)
            case ast.Call(func=func) if self._is_error(func):  # raised here or by who gets it
                yield self._value(func)
                yield from self.read(list(ast.iter_child_nodes(node)))
            case ast.Call(args=args) if any(isinstance(item, ast.Lambda) for item in args):
                self._learn_lambdas(node)
                yield from self.read(list(ast.iter_child_nodes(node)))
            case _:
                for child in ast.iter_child_nodes(node):
                    yield from self._of(child)
                if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
                    self._note(node)

    def _documented(self, text: str) -> Iterator[type[Exception]]:
        for found in _RAISES.finditer(text):
            for word in re.findall(r"\w+", found[1]):
                kind = self._names.get(word) or _known_errors().get(word)
                if isinstance(kind, type) and issubclass(kind, Exception):
                    yield kind

    def _of_try(self, node: ast.Try) -> Iterator[type[Exception]]:
        inside = self.read(node.body)
        for handler in node.handlers:
            caught = self._caught(handler)
            met = frozenset(kind for kind in inside if issubclass(kind, caught))
            inside -= met
            is_passed_on = any(
                isinstance(item, ast.Raise)
                and (item.exc is None or _name_of(item.exc) == handler.name)
                for item in ast.walk(handler)
            )
            if is_passed_on:
                yield from met
            yield from self.read(list(handler.body))
        yield from inside
        yield from self.read([*node.orelse, *node.finalbody])

    def _caught(self, handler: ast.ExceptHandler) -> tuple[type, ...]:
        if handler.type is None:
            return (BaseException,)
        named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        kinds = [self._value(item) for item in named]
        return tuple(kind for kind in kinds if isinstance(kind, type))

    def _of_raise(self, raised: ast.expr) -> Iterator[type[Exception]]:
        kind = self._value(raised)
        if not isinstance(kind, type):
            kind = self.type_of(raised)
        for item in get_args(kind) if get_origin(kind) in _UNIONS else (kind,):
            if isinstance(item, type) and issubclass(item, Exception):
                yield item

    def _learn(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Types of the parameters of an inner function."""
        for item in (*node.args.args, *node.args.kwonlyargs):
            if item.annotation is not None:
                self._types[item.arg] = self._value(item.annotation)

    def _is_error(self, func: ast.expr) -> bool:
        called = self._value(func)
        return isinstance(called, type) and issubclass(called, RunwrightError)

    def _learn_lambdas(self, node: ast.Call) -> None:
        """Types of the parameters of functions without a name, from who takes them."""
        taker = self._called(node.func)
        if taker is None:
            return
        hints = [hint for name, hint in _hints(taker).items() if name != "return"]
        for item, hint in zip(node.args, hints, strict=False):
            taken, *_ = get_args(hint) or (None,)
            if isinstance(item, ast.Lambda) and isinstance(taken, list):  # of a Callable
                names = [argument.arg for argument in item.args.args]
                self._types |= dict(zip(names, taken, strict=False))

    def _note(self, node: ast.Assign | ast.AnnAssign | ast.NamedExpr) -> None:
        """The type of a variable that is set to something of a known one."""
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif node.value is None:
            return
        else:
            targets, value = [node.target], node.value
        for target in targets:
            if isinstance(target, ast.Name):
                self._types[target.id] = self.type_of(value)

    def _of_value(self, value: Any) -> Iterator[type[Exception]]:
        """Of what a global name stands for."""
        if isinstance(value, partial):
            value = value.func
        value = inspect.unwrap(value) if inspect.isfunction(value) else value
        if not _is_ours(value):
            return
        if inspect.isfunction(value):
            yield from self._reader.of(value, None)
        elif inspect.isclass(value) and not issubclass(value, Exception):
            for name in ("__init__", "__post_init__"):
                made = value.__dict__.get(name)
                if inspect.isfunction(made):
                    yield from self._reader.of(made, value)

    def _of_attribute(self, node: ast.Attribute) -> Iterator[type[Exception]]:
        value = self._value(node)
        if value is not None:
            yield from self._of_value(value)
        for kind in _parts(self.type_of(node.value)):
            member = inspect.getattr_static(kind, node.attr, None)
            if isinstance(member, property):
                member = member.fget
            if isinstance(member, (staticmethod, classmethod)):
                member = member.__func__
            member = inspect.unwrap(member) if inspect.isfunction(member) else None
            if member is not None and _is_ours(member):
                yield from self._reader.of(member, kind)

    def _value(self, node: ast.expr) -> Any:
        """What a dotted name stands for outside the function; a call of a class is the class."""
        match node:
            case ast.Name(id=name):
                return self._names.get(name)
            case ast.Attribute(value=ast.expr() as base, attr=name):
                holder = self._value(base)
                is_known = inspect.ismodule(holder) or inspect.isclass(holder)
                return getattr(holder, name, None) if is_known else None
            case ast.Call(func=func):
                called = self._value(func)
                return called if isinstance(called, type) else None
        return None

    def type_of(self, node: ast.expr) -> Any:
        match node:
            case ast.Await(value=value):
                return self.type_of(value)
            case ast.Name(id=name):
                return self._types.get(name)
            case ast.Attribute(value=base, attr=name):
                for kind in _parts(self.type_of(base)):
                    found = _attributes(kind).get(name)
                    if found is not None:
                        return found
                return None
            case ast.Call(func=func):
                return self._result(func)
            case ast.IfExp(body=body, orelse=orelse):
                return self.type_of(body) or self.type_of(orelse)
            case ast.BoolOp(values=[first, *rest]):
                return self.type_of(first) or self.type_of(rest[0])
        return None

    def _result(self, func: ast.expr) -> Any:
        called = self._value(func)
        if isinstance(called, type):
            return called
        function = self._called(func)
        return None if function is None else _hints(function).get("return")

    def _called(self, func: ast.expr) -> Any:
        """The function or method that is called, if it is known."""
        called = self._value(func)
        if inspect.isfunction(called):
            return called
        if isinstance(func, ast.Attribute):
            for kind in _parts(self.type_of(func.value)):
                member = inspect.getattr_static(kind, func.attr, None)
                if isinstance(member, (staticmethod, classmethod)):
                    member = member.__func__
                if inspect.isfunction(member):
                    return member
        return None


@cache
def _known_errors() -> Mapping[str, type[RunwrightError]]:
    """By name, for docstrings that speak of what their module does not import."""
    known: dict[str, type[RunwrightError]] = {}
    waiting = RunwrightError.__subclasses__()
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if _is_ours(kind):
            known.setdefault(kind.__name__, kind)
    return known


_UNIONS: Final = (Union, types.UnionType)


def _parts(hint: Any) -> tuple[type, ...]:
    """The classes of ours that a hint allows."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in _UNIONS:
        return tuple(kind for part in inner for kind in _parts(part))
    if origin is Annotated:
        return _parts(inner[0])
    if getattr(origin, "__name__", "") in ("Awaitable", "Coroutine"):
        return _parts(inner[-1])
    kind = origin or hint
    return (kind,) if isinstance(kind, type) and _is_ours(kind) else ()


def _is_ours(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).startswith("runwright")


_ATTRIBUTES: Final[dict[type, dict[str, Any]]] = {}


def _attributes(kind: type) -> Mapping[str, Any]:
    """Types of the attributes of a class: of fields, of properties, of what `__init__` sets."""
    if kind in _ATTRIBUTES:
        return _ATTRIBUTES[kind]
    found = _ATTRIBUTES[kind] = dict(_hints(kind))
    for base in reversed(kind.__mro__):
        if not _is_ours(base):
            continue
        for name, member in vars(base).items():
            if isinstance(member, property):
                found[name] = _hints(member.fget).get("return")
        made = vars(base).get("__init__")
        tree = _tree(made) if inspect.isfunction(made) else None
        if tree is None:
            continue
        body = _Body(_READER, _names(made), _hints(made), base)
        for node in ast.walk(tree):
            match node:
                case ast.Assign(
                    targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value
                ):
                    found.setdefault(name, body.type_of(value))
    return found


@cache
def _tree(function: Any) -> Any:
    try:
        text = textwrap.dedent(inspect.getsource(function))
        return ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None


@cache
def _names(function: Any) -> Mapping[str, Any]:
    closed = inspect.getclosurevars(function).nonlocals if function.__closure__ else {}
    return {**vars(builtins), **function.__globals__, **closed}


@cache
def _hints(function: Any) -> Mapping[str, Any]:
    try:
        return get_type_hints(function)
    except (NameError, TypeError):
        return {}


def _name_of(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None
