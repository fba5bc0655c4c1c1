"""What is known of types without running anything: mypy's semantic graph, read into TYPE nodes (docs/manifest.md).

Runs in the tool environment, with the pinned mypy. The graph is built once for all libraries; when a stub does not
parse, mypy yields nothing at all, so that then each library gets a build of its own. Names here are the type checker's;
merge.py turns class names into run-time identities through `Reader.references`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from typing import Any

from mypy import build, modulefinder
from mypy import nodes as N
from mypy import types as T
from mypy.errors import CompileError
from mypy.expandtype import expand_self_type, expand_type_by_instance
from mypy.fscache import FileSystemCache
from mypy.maptype import map_instance_to_supertype
from mypy.options import Options
from mypy.stubinfo import stub_distribution_name
from mypy.typeops import bind_self, type_object_type
from mypy.typevars import fill_typevars
from mypy.version import __version__ as MYPY_VERSION

__all__ = ["MYPY_VERSION", "Oracle", "Reader", "StubError", "shadows", "stub_distribution_name"]

Json = dict[str, Any]

KINDS = {
    N.ARG_POS: "positional_or_keyword",
    N.ARG_OPT: "positional_or_keyword",
    N.ARG_STAR: "var_positional",
    N.ARG_NAMED: "keyword_only",
    N.ARG_NAMED_OPT: "keyword_only",
    N.ARG_STAR2: "var_keyword",
}
WHY = {
    T.TypeOfAny.unannotated: "unannotated",
    T.TypeOfAny.explicit: "explicit",
    T.TypeOfAny.from_unimported_type: "unimported",
    T.TypeOfAny.from_omitted_generics: "omitted-generics",
    T.TypeOfAny.from_error: "error",
    T.TypeOfAny.special_form: "special",
    T.TypeOfAny.from_another_any: "from-any",
    T.TypeOfAny.implementation_artifact: "limitation",
}
UNANNOTATED: Json = {"k": "any", "why": "unannotated"}
# Parts of packages whose types nobody asks for, unless they are bound.
TESTS = ("testing", "tests", "test", "conftest")
# So many files may fail to parse before mypy is given up.
BROKEN_LIMIT = 20
# Objects that a decorator of the standard library leaves, which lose the parameters of what they wrap.
# What an __iter__ may give, with the type of its items as the first argument.
ITERATORS = tuple(
    "typing." + n for n in ("Iterator", "Generator", "Iterable", "AsyncIterator", "AsyncGenerator", "AsyncIterable")
)
FORGETFUL = ("functools._lru_cache_wrapper", "functools._SingleDispatchCallable")


def shadows(folder: str) -> str | None:
    """Return a file of this folder that hides a module which the checker itself stands on, or None."""
    for module in sorted(build.CORE_BUILTIN_MODULES):
        for kind in (".pyi", ".py"):
            path = os.path.join(folder, module + kind)
            if os.path.isfile(path):
                return path
    return None


class StubError(Exception):
    """Nothing is known of these modules: mypy failed, and not over one file that could be left out."""


class Broken:
    """A module whose file does not parse, and which was left out therefore."""

    def __init__(self, module: str, message: str) -> None:
        self.module = module
        where, found, rest = message.partition(": error: ")
        self.where = where if found else None
        self.message = re.sub(r"\s+\[[\w-]+\]$", "", rest if found else message)


class Oracle:
    """Builds mypy's graph for one target interpreter."""

    def __init__(self, python: str, version: tuple[int, int], platform: str, mypy_path: list[str]) -> None:
        self.python = python
        self.version = version
        self.platform = platform
        self.mypy_path = mypy_path
        self.fscache = FileSystemCache()
        options = self.make_options([])
        paths = modulefinder.compute_search_paths([], options, build.default_data_dir())
        self.finder = modulefinder.FindModuleCache(paths, self.fscache, options)
        self.typeshed = os.path.join(build.default_data_dir(), "typeshed", "stdlib")

    def make_options(self, left_out: list[str]) -> Options:
        options = Options()
        options.python_executable = self.python
        options.python_version = self.version
        options.platform = self.platform
        options.mypy_path = self.mypy_path
        # Together these let the parser drop the bodies of functions, most of the work there is.
        options.ignore_errors = True
        options.follow_imports = "silent"
        options.follow_untyped_imports = True
        # A warm cache of mypy's forgets defaults and yields an empty result: the manifest is the cache.
        options.incremental = False
        options.cache_dir = os.devnull
        options.raise_exceptions = True
        options.export_types = False
        for module in left_out:
            options.per_module_options[module] = {"follow_imports": "skip", "follow_imports_for_stubs": True}
        options.build_per_module_cache()
        return options

    def find(self, module: str) -> str | None:
        """Return the path of the stub or source of a module."""
        found = self.finder.find_module(module)
        return found if isinstance(found, str) else None

    def build(self, modules: list[str]) -> tuple[dict[str, N.MypyFile], list[Broken]]:
        """Analyse the modules that have a stub or source; return the graph, and what does not parse.

        mypy gives nothing at all where one file does not parse: that file is left out, and it is tried again.
        Raises StubError.
        """
        found = [m for m in modules if self.find(m) is not None]
        # numpy.testing alone draws in unittest, asyncio and multiprocessing, a third of all that would be read.
        tests = [top + "." + name for top in {m.split(".")[0] for m in found} for name in TESTS]
        tests = sorted(t for t in tests if not any(m == t or m.startswith(t + ".") for m in found))
        tests += [t + ".*" for t in tests]
        broken: list[Broken] = []
        while True:
            # One root that is new each time and imports the rest: these become silent imports, without bodies.
            text = "# %r\n%s\n" % (time.time(), "\n".join("import " + m for m in found))
            sources = [modulefinder.BuildSource(None, "_snakebridge_root_", text)]
            try:
                result = build.build(
                    sources, self.make_options(tests + [b.module for b in broken]), fscache=self.fscache
                )
            except CompileError as e:
                module = e.module_with_blocker
                message = e.messages[0] if e.messages else "mypy gave no reason"
                if module is None or len(broken) == BROKEN_LIMIT or any(b.module == module for b in broken):
                    raise StubError(message) from None
                broken.append(Broken(module, message))
                continue
            except Exception as e:
                raise StubError("mypy failed: %s: %s" % (type(e).__name__, e)) from e
            return result.files, broken

    def read(self, files: dict[str, N.MypyFile]) -> Reader:
        """Return a reader of its own for one library."""
        return Reader(files, self.typeshed)


class Reader:
    """Reads symbols and classes of one build as manifest nodes."""

    def __init__(self, files: dict[str, N.MypyFile], typeshed: str) -> None:
        self.files = files
        self.typeshed = typeshed
        self.aliases: dict[str, Json] = {}
        self.typevars: dict[str, Json] = {}
        # Every node that names a class, by the checker's name of it.
        self.references: dict[str, list[Json]] = {}
        self.infos: dict[str, N.TypeInfo] = {}
        self.nodes: dict[int, tuple[Json, T.Type]] = {}  # by id; the type is kept, so that its id stays its own
        self.shared: dict[int, Json | None] = {}  # members that are the same in all subclasses, by id of their node
        self.filled: dict[str, T.Instance] = {}  # each class with its own type variables as arguments

    # -- places ---------------------------------------------------------------------------------------------------

    def module_of(self, fullname: str) -> str | None:
        """Return the module that the full name of a symbol starts with."""
        while fullname not in self.files:
            fullname, dot, _ = fullname.rpartition(".")
            if not dot:
                return None
        return fullname

    def is_stdlib(self, fullname: str) -> bool:
        """Tell whether typeshed's standard library defines it."""
        module = self.module_of(fullname)
        return module is not None and self.files[module].path.startswith(self.typeshed)

    def source(self, fullname: str) -> str:
        """Return "stub", "inline" or "none": where the types of a symbol are written."""
        module = self.module_of(fullname)
        if module is None:
            return "none"
        return "stub" if self.files[module].is_stub else "inline"

    def defines(self, module: str) -> bool:
        return module in self.files

    def find_class(self, fullname: str) -> N.TypeInfo | None:
        """Return the class of this full name, nested ones included."""
        if fullname in self.infos:
            return self.infos[fullname]
        module = self.module_of(fullname)
        if module is None or module == fullname:
            return None
        names: N.SymbolTable = self.files[module].names
        info: N.TypeInfo | None = None
        for part in fullname[len(module) + 1 :].split("."):
            st = names.get(part)
            if st is None or not isinstance(st.node, N.TypeInfo):
                return None
            info = st.node
            names = info.names
        if info is not None and info.fullname == fullname:
            self.infos[fullname] = info
            return info
        return None

    def is_exported(self, module: str, name: str) -> bool:
        """Tell whether a stub exports the name, imported ones included."""
        f = self.files.get(module)
        st = f.names.get(name) if f is not None else None
        return f is not None and st is not None and f.is_stub and st.module_public and not st.module_hidden

    # -- types ----------------------------------------------------------------------------------------------------

    def refer(self, node: Json, info: N.TypeInfo) -> Json:
        name = info.fullname
        self.infos[name] = info
        self.references.setdefault(name, []).append(node)
        return node

    def type(self, t: T.Type | None) -> Json:
        """Return the node of a type; the same object for the same type."""
        if t is None:
            return UNANNOTATED
        known = self.nodes.get(id(t))
        if known is None:
            known = (self.make_node(t), t)
            self.nodes[id(t)] = known
        return known[0]

    def make_node(self, t: T.Type) -> Json:
        if isinstance(t, T.TypeAliasType):
            return self.alias(t)
        if isinstance(t, T.Instance):
            if t.type.is_newtype:  # at run time there is no such class, only the one it stands for
                return self.type(t.type.bases[0])
            node: Json = {"k": "inst", "n": t.type.fullname}
            if t.args:
                node["a"] = [self.type(x) for x in t.args]
            return self.refer(node, t.type)
        if isinstance(t, T.AnyType):
            return {"k": "any", "why": WHY.get(t.type_of_any, "unannotated")}
        if isinstance(t, T.NoneType):
            return {"k": "none"}
        if isinstance(t, T.UninhabitedType):
            return {"k": "never"}
        if isinstance(t, T.UnionType):
            return {
                "k": "union",
                "i": [self.type(x) for x in T.flatten_nested_unions(t.items, handle_type_alias_type=False)],
            }
        if isinstance(t, T.LiteralType):
            return self.literal(t)
        if isinstance(t, T.TupleType):
            node = {"k": "tuple", "i": [self.type(x) for x in t.items]}
            info = t.partial_fallback.type
            if info.fullname != "builtins.tuple":
                node["n"] = info.fullname
                self.refer(node, info)
            return node
        if isinstance(t, T.TypedDictType):
            return {
                "k": "typeddict",
                "n": t.fallback.type.fullname,
                "f": {n: self.type(x) for n, x in t.items.items()},
                "req": sorted(t.required_keys),
            }
        if isinstance(t, T.CallableType):
            return {"k": "call", "s": self.signature(t)}
        if isinstance(t, T.Overloaded):
            return {"k": "overload", "s": [self.signature(x) for x in t.items]}
        if isinstance(t, T.TypeType):
            return {"k": "type", "i": self.type(t.item)}
        if isinstance(t, T.TypeVarType):
            return self.typevar(t)
        if isinstance(t, T.ParamSpecType):
            return {"k": "pspec", "n": t.fullname}
        if isinstance(t, T.TypeVarTupleType):
            return {"k": "tvtuple", "n": t.fullname}
        if isinstance(t, T.UnpackType):
            return {"k": "unpack", "i": self.type(t.type)}
        return {"k": "any", "why": "limitation"}

    def alias(self, t: T.TypeAliasType) -> Json:
        alias = t.alias
        if alias is None:
            return {"k": "any", "why": "error"}
        name = alias.fullname
        if name not in self.aliases:
            entry: Json = {"params": [v.fullname for v in alias.alias_tvars], "target": None}
            self.aliases[name] = entry  # before its target, which may name it
            entry["target"] = self.type(alias.target)
        node: Json = {"k": "alias", "n": name}
        if t.args:
            node["a"] = [self.type(x) for x in t.args]
        return node

    def literal(self, t: T.LiteralType) -> Json:
        node: Json = {"k": "lit", "of": t.fallback.type.fullname, "v": t.value}
        if t.fallback.type.is_enum:
            return self.refer({"k": "inst", "n": t.fallback.type.fullname}, t.fallback.type)
        if node["of"] == "builtins.bytes":
            return self.type(t.fallback)
        return node

    def typevar(self, t: T.TypeVarType) -> Json:
        name = t.fullname
        if name == "typing.Self" or t.name == "Self" or name.endswith(".Self"):
            return {"k": "self"}
        if name not in self.typevars:
            entry: Json = {"bound": None, "values": [], "default": None}
            self.typevars[name] = entry
            entry["bound"] = self.type(t.upper_bound)
            entry["values"] = [self.type(v) for v in t.values]
            if t.has_default():
                entry["default"] = self.type(t.default)
        return {"k": "tvar", "n": name}

    def signature(self, c: T.CallableType, definition: N.FuncItem | None = None) -> Json:
        if definition is None and isinstance(c.definition, N.FuncDef):
            definition = c.definition
        arguments: list[N.Argument] = definition.arguments if definition is not None else []
        skipped = len(arguments) - len(c.arg_names)  # self, once it is bound
        if c.unpack_kwargs:
            c = c.with_unpacked_kwargs()
        params: list[Json] = []
        for i, (name, kind, t) in enumerate(zip(c.arg_names, c.arg_kinds, c.arg_types)):
            word, default = KINDS[kind], None
            if 0 <= i + skipped < len(arguments):
                argument = arguments[i + skipped]
                if name is not None and name != argument.variable.name:
                    pass  # a field of an unpacked **kwargs, or a constructor made from fields
                elif argument.initializer is not None:
                    default = source_text(argument.initializer)
                if name is None:
                    name = argument.variable.name
                    word = "positional_only" if kind in (N.ARG_POS, N.ARG_OPT) else word
                elif argument.pos_only and name == argument.variable.name:
                    word = "positional_only"
            if name is None:
                word = "positional_only" if kind in (N.ARG_POS, N.ARG_OPT) else word
                name = "arg%d" % i
            if not name.isidentifier():
                if kind in (N.ARG_NAMED, N.ARG_NAMED_OPT):
                    continue  # a key of an unpacked TypedDict that no call can be written with
                name = "arg%d" % i
            if kind in (N.ARG_OPT, N.ARG_NAMED_OPT) and default is None:
                default = "..."
            params.append(
                {
                    "name": name.lstrip("_") if word == "positional_only" and name.startswith("__") else name,
                    "kind": word,
                    "required": kind in (N.ARG_POS, N.ARG_NAMED),
                    "default": default,
                    "type": self.type(t),
                }
            )
        return {"params": params, "returns": self.type(c.ret_type)}

    # -- symbols --------------------------------------------------------------------------------------------------

    def symbol(self, module: str, name: str) -> Json | None:
        """Describe what the checker knows of `module.name`; None if it knows nothing.

        The result has "kind" function, class, value, module or other; "source"; and "sigs", "class" or "type".
        """
        f = self.files.get(module)
        st = f.names.get(name) if f is not None else None
        if st is None or st.node is None or st.module_hidden:
            return None
        return self.node(st.node, None, None)

    def node(self, n: N.SymbolNode, me: T.Instance | None, base: N.TypeInfo | None) -> Json | None:
        if isinstance(n, N.MypyFile):
            return {"kind": "module", "module": n.fullname, "source": "none"}
        if isinstance(n, N.TypeInfo):
            self.infos[n.fullname] = n
            return {"kind": "class", "class": n.fullname, "source": self.source(n.fullname)}
        if isinstance(n, N.TypeAlias):
            target = T.get_proper_type(n.target)
            if isinstance(target, T.TupleType):
                target = target.partial_fallback
            if isinstance(target, T.Instance):
                self.infos[target.type.fullname] = target.type
                return {
                    "kind": "class",
                    "class": target.type.fullname,
                    "source": self.source(n.fullname),
                    "alias": True,
                }
            return {"kind": "alias", "source": self.source(n.fullname)}
        if isinstance(n, (N.FuncDef, N.OverloadedFuncDef, N.Decorator)):
            out = self.function(n, me, base)
        elif isinstance(n, N.Var):
            out = self.variable(n, me, base)
        else:
            return None
        where = n.fullname
        if base is not None:
            where = base.fullname
        out["source"] = self.source(where)
        return out

    def function(self, n: N.SymbolNode, me: T.Instance | None, base: N.TypeInfo | None) -> Json:
        out: Json = {"kind": "function", "def": n.fullname}
        bare: N.FuncDef | None = n if isinstance(n, N.FuncDef) else None
        items: list[N.FuncDef] = []
        typ: T.Type | None
        is_property = False
        if isinstance(n, N.Decorator):
            bare = n.func
            typ = n.var.type
            is_property = n.var.is_property
            if typ is None or isinstance(T.get_proper_type(typ), T.AnyType):
                typ = n.func.type  # a decorator without annotations: its function is the best guess there is
            out["settable"] = n.var.is_settable_property
        elif isinstance(n, N.OverloadedFuncDef):
            typ = n.type
            is_property = n.is_property
            for item in n.items:
                items.append(item.func if isinstance(item, N.Decorator) else item)
            bare = items[0] if items else None
            if is_property and n.items and isinstance(n.items[0], N.Decorator):
                first = n.items[0]
                typ = first.var.type or first.func.type
                out["settable"] = first.var.is_settable_property
        else:
            assert isinstance(n, N.FuncDef)
            typ = n.type
        is_class = bare is not None and bare.is_class
        is_static = bare is not None and (bare.is_static or bare.name == "__new__")
        if bare is not None and bare.is_coroutine:
            out["async"] = True
        out["kind"] = "classmethod" if is_class else "staticmethod" if is_static else "function"
        proper = T.get_proper_type(typ) if typ is not None else None
        if isinstance(proper, T.Instance) and not is_property:
            if proper.type.fullname in FORGETFUL or self.call_of(proper) is None:
                proper = T.get_proper_type(bare.type) if bare is not None and bare.type is not None else None
            else:
                if me is not None and base is not None:
                    proper = T.get_proper_type(expand_type_by_instance(proper, map_instance_to_supertype(me, base)))
                assert isinstance(proper, T.Instance)
                out["sigs"] = self.call_of(proper)
                return out
        if isinstance(proper, T.FunctionLike):
            bound = self.bind(proper, me, base, is_class, is_static)
            if is_property:
                out["kind"] = "property"
                result = bound.items[0].ret_type
                out["type"] = self.type(result)
                return out
            defs: list[N.FuncDef | None] = list(items) if len(items) >= len(bound.items) else []
            if isinstance(bound, T.CallableType):
                defs = [bare]
            out["sigs"] = [self.signature(c, defs[i] if i < len(defs) else None) for i, c in enumerate(bound.items)]
            return out
        if is_property:
            out["kind"] = "property"
            out["type"] = self.type(self.expand(typ, me, base))
            return out
        out["sigs"] = [self.bare_signature(bare, me is not None and not is_static)] if bare is not None else []
        return out

    def bare_signature(self, f: N.FuncDef, drop: bool) -> Json:
        """Return the names of a function without annotations."""
        params = []
        for i, a in enumerate(f.arguments):
            if i == 0 and drop and a.kind in (N.ARG_POS, N.ARG_OPT):
                continue
            default = source_text(a.initializer) if a.initializer is not None else None
            word = "positional_only" if a.pos_only else KINDS[a.kind]
            params.append(
                {
                    "name": a.variable.name,
                    "kind": word,
                    "required": a.kind in (N.ARG_POS, N.ARG_NAMED),
                    "default": default,
                    "type": UNANNOTATED,
                }
            )
        return {"params": params, "returns": UNANNOTATED}

    def bind(
        self,
        typ: T.FunctionLike,
        me: T.Instance | None,
        base: N.TypeInfo | None,
        is_class: bool,
        is_static: bool,
    ) -> T.FunctionLike:
        """Bind self or cls to `me`, and the base's type variables to what `me` gives them."""
        if me is None or base is None:
            return typ
        bound = typ
        if not is_static:
            original: T.Type = T.TypeType.make_normalized(me) if is_class else me
            bound = bind_self(typ, original, is_classmethod=is_class)
        expanded = self.expand(bound, me, base)
        proper = T.get_proper_type(expanded) if expanded is not None else None
        return proper if isinstance(proper, T.FunctionLike) else bound

    def expand(self, t: T.Type | None, me: T.Instance | None, base: N.TypeInfo | None) -> T.Type | None:
        if t is None or me is None or base is None or me is self.filled.get(base.fullname):
            return t
        return expand_type_by_instance(t, map_instance_to_supertype(me, base))

    def variable(self, n: N.Var, me: T.Instance | None, base: N.TypeInfo | None) -> Json:
        typ = n.type
        if typ is not None and me is not None and base is not None:
            typ = self.expand(expand_self_type(n, typ, me), me, base)
        proper = T.get_proper_type(typ) if typ is not None else None
        out: Json = {"kind": "value", "settable": not (n.is_final or (n.is_property and not n.is_settable_property))}
        if me is not None and n.is_classvar:
            out["classvar"] = True
        if isinstance(proper, T.FunctionLike):
            if proper.is_type_obj():
                out["type"] = self.type(typ)
                return out
            if me is not None and base is not None and not n.is_staticmethod and (n.is_classvar or not n.is_inferred):
                bindable = n.is_initialized_in_class or n.is_classvar
                if bindable:
                    proper = self.bind(proper, me, base, n.is_classmethod, n.is_staticmethod)
            out["kind"] = "function"
            out["sigs"] = [self.signature(c) for c in proper.items]
            return out
        if isinstance(proper, T.Instance):
            if me is not None:
                got = self.descriptor(proper)
                if got is not None:
                    out["type"] = got
                    return out
            call = self.call_of(proper)
            if call is not None:
                out["sigs"] = call
        out["type"] = self.type(typ)
        return out

    def descriptor(self, t: T.Instance) -> Json | None:
        """Return what reading an attribute that holds a descriptor gives; None if it holds none."""
        member = t.type.get("__get__")
        if member is None or member.node is None:
            return None
        found = self.member_node(t, "__get__")
        sigs = found.get("sigs") if found is not None else None
        if not sigs:
            return None
        for sig in sigs:
            params = sig["params"]
            if params and params[0]["type"]["k"] != "none":
                return dict(sig["returns"])
        return None

    def call_of(self, t: T.Instance) -> list[Json] | None:
        """Return the signatures of an object's __call__; None if it has none."""
        if t.type.get("__call__") is None:
            return None
        found = self.member_node(t, "__call__")
        return found.get("sigs") if found is not None else None

    def member_node(self, me: T.Instance, name: str) -> Json | None:
        for base in me.type.mro:
            st = base.names.get(name)
            if st is not None and st.node is not None:
                return self.node(st.node, me, base)
        return None

    # -- classes --------------------------------------------------------------------------------------------------

    def facts(self, fullname: str) -> Json | None:
        """Describe a class: flags, type variables, constructor, fields of a named tuple."""
        info = self.infos.get(fullname)
        if info is None:
            return None
        flags = []
        for flag, holds in (
            ("abstract", info.is_abstract),
            ("enum", info.is_enum),
            ("protocol", info.is_protocol),
            ("namedtuple", info.is_named_tuple),
            ("typeddict", info.typeddict_type is not None),
            ("dataclass", "dataclass" in info.metadata or "dataclass_tag" in info.metadata),
            ("final", info.is_final),
            ("generic", bool(info.defn.type_vars)),
        ):
            if holds:
                flags.append(flag)
        out: Json = {
            "flags": flags,
            "tvars": [v.fullname for v in info.defn.type_vars],
            "source": self.source(fullname),
            "new": self.constructor(info),
            "fields": None,
            "item": None,
            "iterator": False,
        }
        if not info.is_enum:
            out["item"], out["iterator"] = self.items(info)
        if info.is_named_tuple and info.tuple_type is not None:
            out["fields"] = [self.type(t) for t in info.tuple_type.items]
        return out

    def items(self, info: N.TypeInfo) -> tuple[Json | None, bool]:
        """Return what iterating an instance gives, None if it cannot be, and whether it is its own iterator."""
        for name in ("__next__", "__anext__"):
            if info.get(name) is not None:
                found = self.returned(info, name)
                if name == "__anext__" and found is not None and "a" in found:
                    found = found["a"][-1]  # Awaitable[T], Coroutine[..., T]
                return found, True
        for name in ("__iter__", "__aiter__"):
            if info.get(name) is not None:
                found = self.returned(info, name)
                if found is None or found["k"] != "inst":
                    return UNANNOTATED, False
                if found["n"] in ITERATORS and "a" in found:
                    return found["a"][0], False
                other = self.infos.get(found["n"])
                if other is not None and other is not info and other.get("__next__") is not None:
                    return self.items(other)[0], False
                return UNANNOTATED, False
        return None, False

    def returned(self, info: N.TypeInfo, name: str) -> Json | None:
        """Return what a method without parameters gives."""
        found = self.member(info.fullname, name)
        sigs = found.get("sigs") if found is not None else None
        return sigs[0]["returns"] if sigs else None

    def constructor(self, info: N.TypeInfo) -> list[Json]:
        if info.is_enum:
            value: Json = {
                "name": "value",
                "kind": "positional_or_keyword",
                "required": True,
                "default": None,
                "type": {"k": "any", "why": "special"},
            }
            me = self.type(fill_typevars(info))
            return [{"params": [value], "returns": me}]
        if info.typeddict_type is not None:
            t = info.typeddict_type
            params = [
                {
                    "name": n,
                    "kind": "keyword_only",
                    "required": n in t.required_keys,
                    "default": None if n in t.required_keys else "...",
                    "type": self.type(x),
                }
                for n, x in t.items.items()
                if n.isidentifier()
            ]
            made = dict(self.type(t), n=info.fullname)
            return [{"params": params, "returns": made}]
        method = info.get("__init__") or info.get("__new__")
        if method is None:
            return []
        constructor = type_object_type(info)
        if isinstance(constructor, T.FunctionLike):
            return [self.signature(c) for c in constructor.items]
        return []

    def member_names(self, fullname: str) -> Iterator[tuple[str, str]]:
        """Yield the members of a class with the class that each comes from."""
        info = self.infos[fullname]
        seen = set()
        for base in info.mro:
            if base.fullname == "builtins.object":
                continue
            for name, st in base.names.items():
                if name in seen or st.node is None:
                    continue
                seen.add(name)
                yield name, base.fullname

    def member(self, fullname: str, name: str) -> Json | None:
        """Describe a member as seen through the class, with self bound and type variables filled in."""
        info = self.infos[fullname]
        me = self.filled.get(fullname)
        if me is None:
            filled = fill_typevars(info)
            me = filled.partial_fallback if isinstance(filled, T.TupleType) else filled
            self.filled[fullname] = me
        for base in info.mro:
            st = base.names.get(name)
            if st is not None and st.node is not None:
                node = st.node
                if id(node) in self.shared:
                    return self.shared[id(node)]
                found = self.node(node, me, base)
                if found is not None:
                    found["from"] = base.fullname
                    found["implicit"] = st.implicit  # self.name = ... in a method
                if is_independent(node, base):
                    self.shared[id(node)] = found
                return found
        return None


def is_independent(n: N.SymbolNode, base: N.TypeInfo) -> bool:
    """Tell whether a member means the same in every subclass: it has no type variables of its class nor Self."""
    if base.defn.type_vars or base.is_named_tuple or base.typeddict_type is not None:
        return False
    if isinstance(n, N.Decorator):
        t = n.var.type
    elif isinstance(n, (N.FuncDef, N.OverloadedFuncDef)):
        t = n.type
        if isinstance(n, N.OverloadedFuncDef) and n.is_property:
            return False
    elif isinstance(n, N.Var):
        t = n.type
        if base.self_type is not None:
            return False
    else:
        return False
    proper = T.get_proper_type(t) if t is not None else None
    return not isinstance(proper, T.FunctionLike) or not any(c.variables for c in proper.items)


def source_text(e: N.Expression) -> str:
    """Return the default that a stub writes, as source text; "..." where it is no literal."""
    if isinstance(e, N.NameExpr) and e.name in ("True", "False", "None"):
        return e.name
    if isinstance(e, (N.IntExpr, N.StrExpr, N.FloatExpr)):
        text = repr(e.value)
    elif isinstance(e, N.UnaryExpr) and e.op == "-" and isinstance(e.expr, (N.IntExpr, N.FloatExpr)):
        text = "-" + repr(e.expr.value)
    else:
        return "..."
    return text if len(text) <= 60 else "..."
