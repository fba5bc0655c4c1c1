"""Looks at one library at run time: what exists, of what kind, with which signature.

Runs in the user's interpreter (CPython 3.8 or later), as a file, with the standard library alone; nothing of it is
imported by the package around it. It may die with the library that it imports, so it answers through files: what it is
about to import is noted before each import, an answer is complete or absent, and standard output is the library's own.

    probe.py REQUEST        import and describe a library, then answer one more request

REQUEST is a JSON file: {"modules": [...], "optional": [...], "path": [...], "own": [...], "skip": [...],
"names": OUT, "progress": FILE, "more": FILE or null}. After the first answer the probe waits for one line on standard
input, the path of a second request {"resolve": {name: may import}, "describe": [name], "out": OUT}.
"""

from __future__ import annotations

import sys

# The folder of this file must not shadow the standard library (it holds a types.py).
if not getattr(sys.flags, "safe_path", False):
    del sys.path[0]

import importlib  # noqa: E402
import inspect  # noqa: E402
import json  # noqa: E402
import keyword  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import types  # noqa: E402
import warnings  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

    Json = dict[str, Any]
    Signature = list[list[Any]]

CLIP = 4000
KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional_only",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional_or_keyword",
    inspect.Parameter.VAR_POSITIONAL: "var_positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword_only",
    inspect.Parameter.VAR_KEYWORD: "var_keyword",
}
# Special methods that a caller in C has a use for: reflected and in-place operators are reached through the plain ones.
DUNDERS = frozenset(
    "__%s__" % name
    for name in (
        "len getitem setitem delitem contains call iter next reversed enter exit eq ne lt le gt ge hash "
        "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or neg pos abs invert "
        "int float complex index bool bytes round trunc floor ceil"
    ).split()
)
TYPING = ("typing", "typing_extensions", "types", "_typing")
# The MRO without these: they say nothing about an instance.
PLUMBING = ("builtins.object", "typing.Generic", "typing.Protocol", "typing_extensions.Protocol")


def text_of(value: object) -> str:
    """Return `value` if it is text that UTF-8 can hold, else ""."""
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "replace").decode("utf-8")


def document(obj: object) -> str:
    """Return the docstring of `obj`, dedented and clipped at the end of a line."""
    try:
        doc = obj.__doc__
    except Exception:
        return ""
    if not isinstance(doc, str) or not doc:
        return ""
    try:
        doc = text_of(inspect.cleandoc(doc)).replace("\x00", "")
    except Exception:
        return ""
    if len(doc) <= CLIP:
        return doc
    head = doc[:CLIP]
    return head[: head.rfind("\n")].rstrip() if "\n" in head else head


def source_text(value: Any, depth: int = 0) -> str:
    """Return `value` as Python source, or "..." if it is no literal."""
    kind = type(value)
    if value is None or kind in (bool, int, str, bytes, complex, float):
        try:
            text = repr(value)
        except ValueError:  # an integer too long to print
            return "..."
    elif depth < 3 and kind in (tuple, list):
        items = [source_text(v, depth + 1) for v in value[:20]]
        if "..." in items or len(value) > 20:
            return "..."
        inner = ", ".join(items)
        if kind is list:
            text = "[%s]" % inner
        else:
            text = "(%s,)" % inner if len(items) == 1 else "(%s)" % inner
    elif depth < 3 and kind is dict and len(value) <= 20:
        pairs = [(source_text(k, depth + 1), source_text(v, depth + 1)) for k, v in value.items()]
        if any("..." in pair for pair in pairs):
            return "..."
        text = "{%s}" % ", ".join("%s: %s" % pair for pair in pairs)
    elif isinstance(value, type):
        text = value.__name__ if value.__module__ == "builtins" else identity(value)
    elif isinstance(value, enum_class()) and type(getattr(value, "_name_", None)) is str:
        text = "%s.%s" % (kind.__qualname__, value._name_)
    else:
        return "..."
    text = text_of(text)
    return text if len(text) <= 60 else "..."


def enum_class() -> Any:
    module = sys.modules.get("enum")
    return module.Enum if module is not None else ()


def signature_of(obj: Any) -> Signature | None:
    """Return [[name, kind, default or None]] of a callable, or None if Python cannot tell."""
    kind = type(obj)
    if kind is types.FunctionType and not obj.__dict__ and "." not in "".join(obj.__code__.co_varnames):
        return signature_of_function(obj)
    if kind not in C_FUNCTIONS:
        return read_signature(obj)
    # The same few texts stand behind thousands of special methods.
    key = (kind, getattr(obj, "__text_signature__", None), isinstance(getattr(obj, "__self__", None), types.ModuleType))
    if key[1] is None:
        return read_signature(obj)
    if key not in _signatures:
        _signatures[key] = read_signature(obj)
    return _signatures[key]


C_FUNCTIONS = (types.MethodDescriptorType, types.WrapperDescriptorType, types.BuiltinFunctionType)
_signatures: dict[tuple[type, str | None, bool], Signature | None] = {}


def signature_of_function(f: types.FunctionType) -> Signature:
    """Read a function without decorations, as inspect does, only faster."""
    code = f.__code__
    names = code.co_varnames
    count, only, keywords = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount
    defaults, named = f.__defaults__ or (), f.__kwdefaults__ or {}
    first = count - len(defaults)
    out: Signature = []
    for i in range(count):
        default = source_text(defaults[i - first]) if i >= first else None
        out.append([names[i], "positional_only" if i < only else "positional_or_keyword", default])
    rest = count + keywords
    if code.co_flags & inspect.CO_VARARGS:
        out.append([names[rest], "var_positional", None])
        rest += 1
    for name in names[count : count + keywords]:
        out.append([name, "keyword_only", source_text(named[name]) if name in named else None])
    if code.co_flags & inspect.CO_VARKEYWORDS:
        out.append([names[rest], "var_keyword", None])
    return out


def read_signature(obj: Callable[..., Any]) -> Signature | None:
    try:
        sig = inspect.signature(obj)
    except BaseException:
        return None
    out: Signature = []
    for p in sig.parameters.values():
        if type(p.name) is not str or not p.name.isidentifier():
            return None
        default = None if p.default is p.empty else source_text(p.default)
        out.append([p.name, KINDS[p.kind], default])
    return out


def drop_first(sig: Signature | None) -> Signature | None:
    """Return a signature without `self` or `cls`."""
    if not sig or sig[0][1] in ("var_positional", "var_keyword", "keyword_only"):
        return sig
    return sig[1:]


def is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def is_async(obj: object) -> bool:
    return inspect.iscoroutinefunction(obj)


def attribute_text(obj: object, name: str) -> str | None:
    """Return a text attribute of `obj`, or None."""
    try:
        value = getattr(obj, name)
    except BaseException:
        return None
    return value if type(value) is str else None


def lookup(module: str, qualname: str) -> object:
    """Return what `module.qualname` names, without running code; None if there is nothing."""
    obj = sys.modules.get(module)
    if obj is None:
        return None
    for part in qualname.split("."):
        try:
            obj = inspect.getattr_static(obj, part) if isinstance(obj, type) else module_contents(obj)[part]
        except Exception:
            return None
    return obj


_identities: dict[int, tuple[str, type]] = {}


def module_contents(module: object) -> dict[str, Any]:
    contents = getattr(module, "__dict__", None)
    return contents if isinstance(contents, dict) else {}


def identity(cls: type, found_at: str | None = None) -> str:
    """Return the name `module.qualname` under which a class can be found, else where it was met."""
    known = _identities.get(id(cls))
    if known is not None:
        return known[0]
    module, name = attribute_text(cls, "__module__"), attribute_text(cls, "__qualname__")
    if module is None or name is None:
        key = found_at or "builtins.object"
    elif lookup(module, name) is cls or found_at is None:
        key = module + "." + name
    else:
        key = found_at
    _identities[id(cls)] = (key, cls)  # keeps the class alive, so that the id stays its own
    return key


def is_typing_construct(obj: object) -> bool:
    """Tell names that only a type checker has a use for: aliases, type variables, special forms."""
    kind = type(obj)
    if isinstance(obj, type) and kind.__name__ not in ("GenericAlias",):
        return False
    return kind.__module__ in TYPING and kind.__name__ not in (
        "FunctionType",
        "BuiltinFunctionType",
        "MethodType",
        "ModuleType",
        "SimpleNamespace",
        "MappingProxyType",
    )


class Library:
    """Describes the modules and classes of one library."""

    def __init__(self, own: set[str] | None, skip: list[str]) -> None:
        self.own = own  # top-level packages, or None: the standard library
        self.skip = skip
        self.modules: Json = {}
        self.classes: Json = {}
        self.described: dict[
            tuple[int, str], tuple[Json | None, object]
        ] = {}  # id of what a class holds -> (its description, itself): numpy's scalars share hundreds

    def is_own(self, module: str | None) -> bool:
        if self.own is None:
            return True
        return module is not None and any(module == o or module.startswith(o + ".") for o in self.own)

    # -- modules --------------------------------------------------------------------------------------------------

    def describe_module(self, name: str, selected: set[str]) -> None:
        module = sys.modules[name]  # not always a module: some put an object there
        contents = module_contents(module)
        names = {}
        try:
            listed = contents.get("__all__")
            if listed is None and "__getattr__" in contents:
                listed = getattr(module, "__all__", None)
            exported = [n for n in listed if type(n) is str] if listed is not None else None
        except BaseException:
            exported = None
        if exported is not None:
            candidates = sorted(set(exported))
        else:
            try:
                candidates = sorted(n for n in set(dir(module)) if type(n) is str and n[:1] != "_")
            except BaseException:
                candidates = sorted(n for n in contents if n[:1] != "_")
        for n in candidates:
            if (n[:1] == "_" and n != "__version__") or not is_name(n):
                continue
            try:
                obj = contents[n] if n in contents else getattr(module, n)
            except BaseException:
                continue
            symbol = self.describe_symbol(name, n, obj, exported is not None, selected)
            if symbol is not None:
                names[n] = symbol
        if isinstance(contents.get("__version__"), str):
            names["__version__"] = self.describe_value(contents["__version__"])
        for other in selected:
            parent, _, last = other.rpartition(".")
            if parent == name and last not in names:
                names[last] = {"k": "module", "module": other}
        path = getattr(module, "__file__", None)
        self.modules[name] = {
            "doc": document(module).split("\n\n")[0],
            "all": exported is not None,
            "file": path if type(path) is str else None,
            "names": names,
        }

    def describe_symbol(self, module: str, name: str, obj: Any, exported: bool, selected: set[str]) -> Json | None:
        where = module + "." + name
        if isinstance(obj, types.ModuleType):
            target = attribute_text(obj, "__name__")
            # os.path is posixpath: the path that users write is the module's name.
            if where in selected:
                return {"k": "module", "module": where}
            return {"k": "module", "module": target} if target in selected else None
        if type(obj).__module__ in ("__future__", "_sitebuiltins"):
            return None
        if isinstance(obj, type):
            key = identity(obj, where)
            foreign = not exported and not self.from_here(module, attribute_text(obj, "__module__"))
            if type(obj).__module__ in TYPING and type(obj).__name__ in ("GenericAlias", "NewType"):
                return None
            self.describe_class(obj, key, where)
            return {"k": "class", "class": key, "foreign": foreign}
        if is_typing_construct(obj):
            return None
        if callable(obj):
            home = attribute_text(obj, "__module__")
            qualname = attribute_text(obj, "__qualname__") or attribute_text(obj, "__name__") or name
            foreign = not exported and home is not None and not self.from_here(module, home)
            function = inspect.isroutine(obj) or hasattr(type(obj), "__get__") or hasattr(obj, "__wrapped__")
            if not function and type(obj).__name__ == "_ArrayFunctionDispatcher":
                function = True
            symbol = {
                "k": "function" if function else "callable",
                "sig": signature_of(obj),
                "doc": document(obj),
                "def": (home or module) + "." + qualname.replace(".<locals>", ""),
                "foreign": foreign,
            }
            if not function:
                symbol["type"] = identity(type(obj))
            if is_async(obj):
                symbol["async"] = True
            return symbol
        value = self.describe_value(obj)
        if not exported and self.own is not None and value["type"].split(".")[0] in TYPING:
            return None
        return value

    def from_here(self, module: str, home: str | None) -> bool:
        """Tell whether something that says it was made in `home` belongs to `module` without an __all__."""
        if home is None:
            return True
        if self.own is None:  # the standard library: json and json.decoder, _io and io, but not json and re
            here = module.split(".")[0].lstrip("_")
            there = home.split(".")[0].lstrip("_")
            return there == here or home.startswith("_") or home == "builtins"
        return self.is_own(home) or home == "builtins"

    def describe_value(self, obj: Any) -> Json:
        out = {"k": "value", "type": identity(type(obj)), "literal": None}
        if type(obj) in (bool, int, float, str) or obj is None:
            text = source_text(obj)
            # A path tells about this machine, not about the library.
            if text != "..." and not (type(obj) is str and "/" in obj and len(obj) > 1):
                out["literal"] = text
        elif isinstance(obj, enum_class()):
            out["literal"] = source_text(obj)
        return out

    # -- classes --------------------------------------------------------------------------------------------------

    def describe_class(self, cls: Any, key: str, where: str) -> None:
        if key in self.classes:
            return
        module = attribute_text(cls, "__module__")
        if not self.is_own(module) and not (where and self.is_own(where)):
            return
        if not self.is_own(key):
            return
        name = key[len(module) + 1 :] if module and key.startswith(module + ".") else key.rpartition(".")[2]
        home = module if module and key.startswith(module + ".") else key.rpartition(".")[0]
        self.classes[key] = None  # a guard against recursion
        mro = [c for c in type.__dict__["__mro__"].__get__(cls) if c is not object]
        keys = [identity(c) if c is not cls else key for c in mro]
        out = {
            "module": home,
            "name": name,
            "doc": own_document(cls),
            "mro": [k for k in keys if k not in PLUMBING],
            "bases": [k for k in (identity(b) for b in cls.__bases__) if k not in PLUMBING],
            "flags": class_flags(cls),
            "dict": cls.__dictoffset__ != 0,
            "new": signature_of(cls),
            "members": {},
            "fields": None,
            "enum": None,
        }
        members = out["members"]
        is_enum = isinstance(enum_class(), type) and issubclass(cls, enum_class())
        if is_enum:
            out["enum"] = [
                [n, source_text(m.value)] for n, m in cls.__members__.items() if n[:1] != "_" and n.isidentifier()
            ]
        fields = cls.__dict__.get("_fields")
        if issubclass(cls, tuple) and type(fields) is tuple and all(type(f) is str for f in fields):
            out["fields"] = list(fields)
        static = {}
        for c, k in zip(mro, keys):
            if k in PLUMBING:
                continue
            for n, raw in list(c.__dict__.items()):
                if type(n) is not str or n in static:
                    continue
                static[n] = (raw, k)
        for n, (raw, home_key) in static.items():
            if (n[:1] == "_" and n not in DUNDERS) or not is_name(n):
                continue
            if is_enum and n in cls.__members__:
                continue
            member = self.describe_member(cls, n, raw, home_key)
            if member is not None:
                members[n] = member
        for n, m in members.items():
            if not m["doc"]:
                m["doc"] = inherited_document(mro, n)
        self.classes[key] = out

    def describe_member(self, cls: type, name: str, raw: object, home: str) -> Json | None:
        known = self.described.get((id(raw), name))
        if known is None:
            known = (self.describe_attribute(cls, name, raw), raw)
            self.described[(id(raw), name)] = known
        if known[0] is None:
            return None
        out = dict(known[0])
        out["from"] = home
        return out

    def describe_attribute(self, cls: type, name: str, raw: Any) -> Json | None:
        """Describe what a class holds under a name, without running its descriptors."""
        out: Json = {"k": "method", "doc": "", "sig": None}
        target = raw
        if raw is None and name in DUNDERS:  # __hash__ = None: taken away
            return None
        if isinstance(raw, staticmethod):
            target = raw.__func__
            out.update(k="staticmethod", sig=signature_of(target))
        elif isinstance(raw, classmethod):
            target = raw.__func__
            out.update(k="classmethod", sig=drop_first(signature_of(target)))
        elif isinstance(raw, (types.FunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)):
            out.update(sig=drop_first(signature_of(raw)))
        elif isinstance(raw, types.ClassMethodDescriptorType):
            try:
                out.update(k="classmethod", sig=signature_of(raw.__get__(None, cls)))
            except BaseException:
                out.update(k="classmethod")
        elif isinstance(raw, types.BuiltinFunctionType):
            out.update(k="staticmethod", sig=signature_of(raw))
        elif isinstance(raw, property):
            out.update(k="property", settable=raw.fset is not None)
        elif isinstance(raw, (types.GetSetDescriptorType, types.MemberDescriptorType)):
            out.update(k="property", settable=None)
        elif isinstance(raw, type):
            return None if name in DUNDERS else {"k": "class", "class": identity(raw), "doc": "", "sig": None}
        elif hasattr(type(raw), "__get__") and (callable(raw) or type(raw).__name__ == "partialmethod"):
            out.update(sig=drop_first(signature_of(raw)))
        elif hasattr(type(raw), "__get__"):  # cached_property, an accessor, a field of a named tuple
            field = issubclass(cls, tuple) and name in (getattr(cls, "_fields", None) or ())
            settable = hasattr(type(raw), "__set__") and getattr(raw, "fset", raw) is not None and not field
            out.update(k="property", settable=settable)
        elif is_typing_construct(raw):
            return None
        else:
            out.update(self.describe_value(raw), k="attribute")
            return out
        if out["k"] == "property" and name in DUNDERS:
            return None
        out["doc"] = document(target)
        if is_async(target):
            out["async"] = True
        return out

    def describe_named(self, name: str) -> str | None:
        """Describe the class that a type checker calls `name`; return its identity, or None."""
        cls = find_class(name)
        if cls is None:
            return None
        key = identity(cls, name)
        self.describe_class(cls, key, name)
        return key


def own_document(cls: type) -> str:
    doc = cls.__dict__.get("__doc__")
    if isinstance(doc, str) and doc:
        return document(cls)
    return ""


def inherited_document(mro: list[type], name: str) -> str:
    for c in mro[1:]:
        raw = c.__dict__.get(name)
        if raw is not None:
            if isinstance(raw, (staticmethod, classmethod)):
                raw = raw.__func__
            if isinstance(raw, (types.FunctionType, property, types.MethodDescriptorType)):
                doc = document(raw)
                if doc:
                    return doc
    return ""


def class_flags(cls: Any) -> list[str]:
    flags = []
    if inspect.isabstract(cls):
        flags.append("abstract")
    module = sys.modules.get("enum")
    if module is not None and issubclass(cls, module.Enum):
        flags.append("enum")
        if issubclass(cls, module.Flag):
            flags.append("flag")
    if cls.__dict__.get("_is_protocol") is True:
        flags.append("protocol")
    if issubclass(cls, tuple) and type(cls.__dict__.get("_fields")) is tuple:
        flags.append("namedtuple")
    if type(cls).__name__ == "_TypedDictMeta":
        flags.append("typeddict")
    if "__dataclass_fields__" in cls.__dict__:
        flags.append("dataclass")
    if issubclass(cls, BaseException):
        flags.append("exception")
    if not cls.__flags__ & (1 << 10):  # Py_TPFLAGS_BASETYPE
        flags.append("final")
    elif cls.__dict__.get("__final__") is True:
        flags.append("final")
    return flags


def find_class(name: str) -> type | None:
    """Return the class of this full name among the imported modules, or None."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:cut])
        if module in sys.modules:
            obj = lookup(module, ".".join(parts[cut:]))
            return obj if isinstance(obj, type) else None
    return None


# -- the process ------------------------------------------------------------------------------------------------------


def write_answer(path: str, answer: Json) -> None:
    """Write an answer so that it is there completely, or not at all."""
    with open(path + ".part", "w", encoding="utf-8", errors="replace") as f:
        f.write(json.dumps(answer, separators=(",", ":")))  # json.dump has no fast path
    os.replace(path + ".part", path)


def discover(tops: Iterable[str], skip: list[str]) -> set[str]:
    """Return the public submodules that importing the packages has brought in."""
    found: set[str] = set()
    queue = [n for n in tops if n in sys.modules]
    while queue:
        name = queue.pop()
        package = sys.modules[name]
        try:
            contents = module_contents(package)
            listed = contents.get("__all__")
            listed = None if listed is None else [n for n in listed if type(n) is str]
            candidates = set(listed if listed is not None else dir(package))
        except BaseException:
            continue
        for n in sorted(n for n in candidates if type(n) is str):
            child = name + "." + n
            if n[:1] == "_" or n in ("tests", "test", "testing", "conftest") or n[:5] == "test_" or child in found:
                continue
            if any(child == s or child.startswith(s + ".") for s in skip):
                continue
            try:
                obj = contents[n] if n in contents else getattr(package, n)  # may import: it is lazy
            except BaseException:
                continue
            if not isinstance(obj, types.ModuleType) or sys.modules.get(child) is not obj:
                continue
            # Deep down, a package without an __all__ names all its parts, and only some mean to be public.
            if listed is None and name not in tops and getattr(obj, "__all__", None) is None:
                continue
            found.add(child)
            queue.append(child)
    return found


def limit(seconds: float) -> None:
    """Let the kernel end this process after so long, whoever waits for it being gone; 0: no more."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


def run_library(request_path: str) -> None:
    with open(request_path, encoding="utf-8") as f:
        request = json.load(f)
    limit(request["limit"])
    control = os.dup(0)  # the library finds nothing to read
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.path[:0] = request["path"]
    warnings.simplefilter("ignore")
    failed: dict[str, str] = {}
    optional = set(request["optional"])

    def bring(name: str) -> bool:
        with open(request["progress"], "a", encoding="utf-8") as f:
            f.write(name + "\n")
        try:
            importlib.import_module(name)
        except BaseException as e:  # SystemExit and KeyboardInterrupt too
            message = text_of(str(e)).strip()
            failed[name] = "%s: %s" % (type(e).__name__, message) if message else type(e).__name__
            return False
        return True

    wanted = [n for n in request["modules"] if n not in request["without"] and bring(n)]
    for n in request["optional"]:
        if n not in request["without"] and bring(n):
            wanted.append(n)
    own = set(request["own"]) if request["own"] is not None else None
    wanted = sorted(set(wanted) | discover(set(wanted), request["skip"]))
    library = Library(own, request["skip"])
    selected = set(wanted)
    for n in sorted(selected):
        library.describe_module(n, selected)
    files = set()
    if request["sources"]:
        for n, module in list(sys.modules.items()):
            if library.own is not None and library.is_own(n):
                path = getattr(module, "__file__", None)
                if type(path) is str:
                    files.add(os.path.abspath(path))
    write_answer(
        request["names"],
        {
            "modules": library.modules,
            "classes": library.classes,
            "failed": failed,
            "optional": sorted(optional),
            "files": sorted(files),
        },
    )
    limit(0)
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(control, 4096)
        if not chunk:
            return
        line += chunk
    limit(request["limit"])
    with open(line.decode("utf-8").rstrip("\n"), encoding="utf-8") as f:
        request = json.load(f)
    resolved = {}
    before = set(library.classes)
    for name, may_import in sorted(request["resolve"].items()):
        if may_import and find_class(name) is None:
            module = name.rpartition(".")[0]
            if module not in sys.modules and not module.startswith("_typeshed"):
                try:
                    importlib.import_module(module)
                except BaseException:
                    pass
        cls = find_class(name)
        resolved[name] = identity(cls, name) if cls is not None else None
    for name in request["describe"]:
        library.describe_named(name)
    write_answer(
        request["out"],
        {
            "resolved": resolved,
            "classes": dict((k, c) for k, c in library.classes.items() if k not in before and c is not None),
        },
    )


def main(argv: list[str]) -> None:
    # What is left at the end of a library (threads, atexit functions) must neither hang nor change the answer.
    code = 1
    try:
        run_library(argv[1])
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    try:
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv)
