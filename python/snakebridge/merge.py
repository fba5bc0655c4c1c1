"""Merges what the probe saw and what the type checker knows of one library into its manifest (docs/manifest.md).

Run time decides what exists, of what kind, with which parameter names and defaults; types come from stubs and
annotations, found by parameter name and then by position. Class names in types become run-time identities.
"""

from __future__ import annotations

import errno
import fnmatch
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snakebridge.types import Reader

Json = dict[str, Any]

FORMAT = 1
POSITIONAL = ("positional_only", "positional_or_keyword")
VARIADIC = ("var_positional", "var_keyword")
UNANNOTATED: Json = {"k": "any", "why": "unannotated"}
# Modules whose classes exist for type checkers alone, or stand for kinds of objects rather than for classes.
ABSTRACT_MODULES = ("typing", "typing_extensions", "_typeshed", "collections.abc", "abc")


@dataclass
class Library:
    """What is asked for: one import package, or the standard library."""

    name: str
    prefix: str
    modules: list[str]
    submodules: list[str] = field(default_factory=list)
    own: list[str] | None = None  # top-level packages; None: the standard library
    distribution: Json | None = None
    options: Json = field(default_factory=lambda: {"as": None, "include": [], "exclude": [], "submodules": []})
    local: bool = False  # found through python-path


def is_known(node: Json | None) -> bool:
    """Tell whether a TYPE node says anything (a declared Any does)."""
    return node is not None and not (node["k"] == "any" and node["why"] not in ("explicit", "from-any"))


def instance(key: str) -> Json:
    if key == "builtins.NoneType" or key == "types.NoneType":
        return {"k": "none"}
    return {"k": "inst", "n": key}


class Merger:
    """Makes the manifest of one library. `reader` is None where nothing is known of types."""

    def __init__(self, library: Library, probed: Json, reader: Reader | None, target: Json) -> None:
        self.library = library
        self.probed = probed
        self.reader = reader
        self.target = target
        version = tuple(int(p) for p in target["python"].split(".")[:2])
        self.old = version < (3, 10)  # the checker's stubs of the standard library have forgotten these versions
        self.identity: dict[str, str] = {}  # the checker's class name -> run-time identity
        self.static: dict[str, str] = {}  # the other way
        self.aliased: dict[str, list[str]] = {}  # the checker's class -> identities of aliases of it
        self.paths: dict[str, list[str]] = {}
        self.constructors: dict[str, list[Json]] = {}
        self.classes: dict[str, Json] = {}
        self.diagnostics: list[Json] = []

    # -- signatures -----------------------------------------------------------------------------------------------

    def signatures(self, seen: list[list[Any]] | None, known: list[Json], where: str | None) -> tuple[list[Json], str]:
        """Return the merged signatures, and where their names come from; `where` is the place by the checker's name."""
        doubtful = self.old and where is not None and self.reader is not None and self.reader.is_stdlib(where)
        if seen is None:
            return ([], "runtime") if doubtful else ([plain(sig) for sig in known], "stub")
        if doubtful and not self.names_agree(seen, known):
            known = []
        if not known:
            params = [
                parameter(name, kind, default is None and kind not in VARIADIC, default, UNANNOTATED)
                for name, kind, default in seen
            ]
            return [{"params": params, "returns": UNANNOTATED}], "runtime"
        somewhere = {p["name"] for sig in known for p in sig["params"]}
        out: list[Json] = []
        for sig in known:
            merged = combine(seen, sig, somewhere, len(known) > 1)
            if merged not in out:
                out.append(merged)
        return out, "runtime"

    @staticmethod
    def names_agree(seen: list[list[Any]], known: list[Json]) -> bool:
        at_run_time = {name for name, kind, _ in seen if kind not in VARIADIC and kind != "positional_only"}
        in_stub = {
            p["name"]
            for sig in known
            for p in sig["params"]
            if p["kind"] not in VARIADIC and p["kind"] != "positional_only"
        }
        return at_run_time == in_stub

    def source(self, types: str, names: str = "runtime", existence: str = "runtime") -> Json:
        return {"existence": existence, "types": types, "names": names}

    @staticmethod
    def types_of(sigs: list[Json], source: str) -> str:
        """Return the source of the types of signatures: "none" where none is known."""
        for sig in sigs:
            if is_known(sig["returns"]) or any(is_known(p["type"]) for p in sig["params"]):
                return source
        return "none"

    # -- symbols --------------------------------------------------------------------------------------------------

    def selected(self, full: str) -> bool:
        """Tell whether `include` and `exclude` let a name through."""
        options = self.library.options
        if any(fnmatch.fnmatchcase(full, p) for p in options["exclude"]):
            return False
        include = options["include"]
        return not include or any(fnmatch.fnmatchcase(full, p) for p in include)

    def symbol(self, module: str, name: str, seen: Json) -> Json | None:
        reader = self.reader
        known = reader.symbol(module, name) if reader is not None else None
        kind = seen["k"]
        if kind == "module":
            return {"kind": "module", "module": seen["module"]}
        if not self.selected(module + "." + name):
            return None
        if seen.get("foreign") and not (reader is not None and reader.is_exported(module, name)):
            return None
        if kind == "class":
            key = seen["class"]
            if known is not None and known["kind"] == "class":
                if known.get("alias"):  # float32 = floating[_32Bit]: two classes at run time
                    self.static.setdefault(key, known["class"])
                    self.aliased.setdefault(known["class"], []).append(key)
                else:
                    self.link(known["class"], key)
            elif known is not None and known.get("sigs"):
                self.constructors.setdefault(key, known["sigs"])
            if key in self.probed["classes"]:
                self.paths.setdefault(key, []).append(module + "." + name)
            return {"kind": "class", "class": key}
        source = known["source"] if known is not None else "none"
        if kind == "value":
            if known is not None and known["kind"] == "alias":
                return None
            node = known.get("type") if known is not None else None
            if not is_known(node):
                node, source = instance(seen["type"]), "runtime"
            return {
                "kind": "value",
                "type": node,
                "doc": "",
                "literal": seen["literal"],
                "source": self.source(source),
            }
        sigs: list[Json] = []
        if known is not None:
            if known["kind"] == "class" and reader is not None:
                facts = reader.facts(known["class"])
                sigs = facts["new"] if facts is not None else []
            else:
                sigs = known.get("sigs") or []
        merged, names = self.signatures(seen["sig"], sigs, module)
        is_function = kind == "function" or (known is not None and known["kind"] == "function")
        return {
            "kind": "function" if is_function else "callable",
            "def": seen["def"],
            "doc": seen["doc"],
            "sigs": merged,
            "async": bool(seen.get("async") or (known is not None and known.get("async"))),
            "source": self.source(self.types_of(merged, source), names),
        }

    def link(self, static: str, key: str) -> None:
        """Note that what the checker calls `static` is the class `key` at run time."""
        self.identity.setdefault(static, key)
        if self.static.get(key) is None or key == static:
            self.static[key] = static

    # -- classes --------------------------------------------------------------------------------------------------

    def static_name(self, key: str) -> str | None:
        """Return what the checker calls the class of a run-time identity."""
        if self.reader is None:
            return None
        if self.reader.find_class(key) is not None:
            self.link(key, key)
        return self.static.get(key)

    def describe_class(self, key: str, seen: Json) -> Json:
        reader = self.reader
        static = self.static_name(key)
        facts = reader.facts(static) if reader is not None and static is not None else None
        flags = set(seen["flags"])
        source = "none"
        known_new: list[Json] = self.constructors.get(key, [])
        if facts is not None:
            source = facts["source"]
            flags |= {f for f in facts["flags"] if f in ("protocol", "typeddict", "dataclass", "final", "generic")}
            known_new = known_new or facts["new"]
        new: list[Json] | None
        if "protocol" in flags:
            new = None
        elif "enum" in flags or "typeddict" in flags:
            new = [plain(sig) for sig in known_new]
        else:
            new, _ = self.signatures(seen["new"], known_new, static)
        if new is not None:
            for sig in new:
                if not is_known(sig["returns"]):
                    sig["returns"] = instance(key)
        out: Json = {
            "public": None,
            "module": seen["module"],
            "name": seen["name"],
            "doc": seen["doc"],
            "bases": seen["bases"],
            "mro": seen["mro"],
            "flags": sorted(flags),
            "tvars": facts["tvars"] if facts is not None else [],
            "new": new,
            "members": {},
            "fields": None,
            "enum": seen["enum"],
            "source": self.source(source),
        }
        if facts is not None and facts["item"] is not None:
            out["item"] = facts["item"]
            if facts["iterator"]:
                out["iterator"] = True
        if seen["fields"] is not None:
            types = facts["fields"] if facts is not None else None
            if types is None or len(types) != len(seen["fields"]):
                types = [UNANNOTATED] * len(seen["fields"])
            out["fields"] = [[n, t] for n, t in zip(seen["fields"], types)]
        members = out["members"]
        for name, member in seen["members"].items():
            merged = self.member(static, name, member)
            if merged is not None:
                members[name] = merged
        if reader is not None and static is not None and seen["dict"] and "enum" not in flags:
            self.add_instance_attributes(static, members, seen["members"])
        return out

    def add_instance_attributes(self, static: str, members: Json, seen: Json) -> None:
        """Add what only instances have, as declared: `self.x = ...` is not seen on a class."""
        reader = self.reader
        assert reader is not None
        for name, base in reader.member_names(static):
            if name.startswith("_") or name in seen:
                continue
            found = reader.member(static, name)
            if found is None or found["kind"] != "value" or found.get("classvar") or "type" not in found:
                continue
            members[name] = {
                "kind": "attribute",
                "type": found["type"],
                "settable": found["settable"],
                "from": base,
                "doc": "",
                "source": self.source(found["source"], "stub", "static"),
            }

    def member(self, static: str | None, name: str, seen: Json) -> Json | None:
        reader = self.reader
        known = reader.member(static, name) if reader is not None and static is not None else None
        source = known["source"] if known is not None else "none"
        kind = seen["k"]
        if kind in ("method", "classmethod", "staticmethod"):
            sigs, names = self.signatures(seen["sig"], (known or {}).get("sigs") or [], (known or {}).get("from"))
            return {
                "kind": kind,
                "sigs": sigs,
                "from": seen["from"],
                "doc": seen["doc"],
                "async": bool(seen.get("async") or (known or {}).get("async")),
                "source": self.source(self.types_of(sigs, source), names),
            }
        if kind == "class":
            node: Json | None = {"k": "type", "i": instance(seen["class"])}
            source = "runtime"
        else:
            node = (known or {}).get("type")
            if not is_known(node):
                node, source = UNANNOTATED, "none"
                if kind == "attribute" and seen["type"] != "builtins.NoneType":
                    node, source = instance(seen["type"]), "runtime"
        settable = seen.get("settable")
        if settable is None:
            settable = kind != "class" and (known is None or bool(known.get("settable", known["kind"] == "value")))
        out = {
            "kind": "property" if kind == "property" else "attribute",
            "type": node,
            "settable": settable,
            "from": seen["from"],
            "doc": seen["doc"],
            "source": self.source(source),
        }
        if kind == "attribute" and seen.get("literal") is not None:
            out["literal"] = seen["literal"]
        return out

    # -- the whole ------------------------------------------------------------------------------------------------

    def is_own(self, static: str) -> bool:
        """Tell whether a class that the checker names belongs to this library."""
        reader = self.reader
        assert reader is not None
        module = reader.module_of(static)
        if module is None or module in ABSTRACT_MODULES or module.startswith("_typeshed"):
            return False
        if self.library.own is None:
            return reader.is_stdlib(static)
        return any(static.startswith(o + ".") for o in self.library.own)

    def run(self, ask: Callable[[Json], Json | None]) -> Json:
        """Return the manifest. `ask` sends the second request to the probe; None: it is gone."""
        modules: dict[str, Json] = {}
        for module, seen in sorted(self.probed["modules"].items()):
            if not self.selected_module(module):
                continue
            names = {}
            for name, symbol in sorted(seen["names"].items()):
                merged = self.symbol(module, name, symbol)
                if merged is not None:
                    names[name] = merged
            modules[module] = {"doc": seen["doc"], "public": True, "names": names}
        for module in modules.values():
            module["names"] = {
                n: s for n, s in module["names"].items() if s["kind"] != "module" or s["module"] in modules
            }
        # A package of private parts (numpy.core, since 2.0) has nothing to show.
        asked = {*self.library.modules, *self.library.submodules}
        while True:
            bare = [n for n, m in modules.items() if not m["names"] and n not in asked]
            if not bare:
                break
            for name in bare:
                del modules[name]
                parent, _, last = name.rpartition(".")
                if parent in modules:
                    modules[parent]["names"].pop(last, None)
        for key, seen in sorted(self.probed["classes"].items()):
            if key in self.paths:
                self.classes[key] = self.describe_class(key, seen)
        self.follow_references(ask)
        for key, paths in self.paths.items():
            if key in self.classes:
                self.classes[key]["public"] = min(paths, key=lambda p: (p.count("."), len(p), p))
        manifest: Json = {
            "format": FORMAT,
            "generator": generator_version(),
            "library": self.library.name,
            "prefix": self.library.prefix,
            "distribution": self.library.distribution,
            "target": self.target,
            "options": self.library.options,
            "modules": modules,
            "classes": self.classes,
            "aliases": self.reader.aliases if self.reader is not None else {},
            "typevars": self.reader.typevars if self.reader is not None else {},
            "diagnostics": sorted(self.diagnostics, key=lambda d: (d["module"], d["kind"], d["message"])),
        }
        prune(manifest)
        shorten(manifest)
        return manifest

    def selected_module(self, module: str) -> bool:
        return not any(
            fnmatch.fnmatchcase(module, p) or module.startswith(p + ".") for p in self.library.options["exclude"]
        )

    def follow_references(self, ask: Callable[[Json], Json | None]) -> None:
        """Describe the classes that types name, and give every class in a type its run-time identity."""
        reader = self.reader
        if reader is None:
            return
        done: set[str] = set(self.identity)
        wanted: list[str] = []
        while True:
            fresh = sorted(n for n in list(reader.references) if n not in done)
            if not fresh:
                break
            for name in fresh:
                done.add(name)
                if not self.is_own(name):
                    continue
                wanted.append(name)
                # What its members name is asked for in the same request.
                reader.facts(name)
                for member, _ in list(reader.member_names(name)):
                    if not member.startswith("_"):
                        reader.member(name, member)
        unknown = {n: reader.is_stdlib(n) for n in reader.references if n not in self.identity}
        answer = ask({"resolve": unknown, "describe": wanted}) if unknown else None
        if answer is not None:
            for name, key in answer["resolved"].items():
                if key is not None:
                    self.link(name, key)
                elif len(set(self.aliased.get(name, ()))) == 1:
                    self.link(name, self.aliased[name][0])
            for key, seen in sorted(answer["classes"].items()):
                if key not in self.classes:
                    self.classes[key] = self.describe_class(key, seen)
            for key, seen in sorted(self.probed["classes"].items()):
                if key not in self.classes and key in self.static:
                    self.classes[key] = self.describe_class(key, seen)
        for name, nodes in reader.references.items():
            known = self.identity.get(name)
            if known is not None and known != name:
                for node in nodes:
                    node["n"] = known
        for c in self.classes.values():
            for member in c["members"].values():
                member["from"] = self.identity.get(member["from"], member["from"])


def parameter(name: str, kind: str, required: bool, default: str | None, of: Json) -> Json:
    """Return a PARAM as the manifest holds it: false and null are left out."""
    out: Json = {"name": name, "kind": kind, "type": of}
    if required:
        out["required"] = True
    if default is not None:
        out["default"] = default
    return out


def plain(sig: Json) -> Json:
    """Return a signature of the checker's as the manifest holds it."""
    params = [parameter(p["name"], p["kind"], p["required"], p["default"], p["type"]) for p in sig["params"]]
    return {"params": params, "returns": sig["returns"]}


def combine(seen: list[list[Any]], sig: Json, somewhere: set[str], overloaded: bool) -> Json:
    """Give the run-time parameters the types of one signature of the stub.

    In an overload, what must be given is the overload's word: that is what selects it. A parameter that only other
    overloads have is not part of this one.
    """
    by_name = {p["name"]: p for p in sig["params"]}
    in_order = [p for p in sig["params"] if p["kind"] in POSITIONAL]
    at_run_time = {name for name, _, _ in seen}
    used: set[str] = set()
    positional: list[Json] = []
    keyword: list[Json] = []
    stars: dict[str, Json] = {}
    for i, (name, kind, default) in enumerate(seen):
        if kind in VARIADIC:
            stars[kind] = parameter(name, kind, False, None, UNANNOTATED)
            continue
        p = by_name.get(name)
        if p is not None and p["kind"] in VARIADIC:
            p = None
        if p is None and kind in POSITIONAL and i < len(in_order) and in_order[i]["name"] not in at_run_time:
            p = in_order[i]
        if p is None:
            if overloaded and name in somewhere:
                continue
            out = parameter(name, kind, default is None, default, UNANNOTATED)
        else:
            used.add(p["name"])
            if default in (None, "...") and p["default"] is not None:
                shown = p["default"] if default == "..." or overloaded else None
            else:
                shown = default
            required = p["required"] if overloaded else default is None
            out = parameter(name, kind, required, shown, p["type"])
        (positional if kind in POSITIONAL else keyword).append(out)
    absorbed = False
    for p in sig["params"]:
        if p["name"] in used or p["name"] in at_run_time:
            continue
        if p["kind"] in POSITIONAL and "var_positional" in stars:
            kind = p["kind"] if "var_keyword" in stars else "positional_only"
            positional.append(parameter(p["name"], kind, p["required"], p["default"], p["type"]))
            absorbed = True
        elif p["kind"] in ("keyword_only", "positional_or_keyword") and "var_keyword" in stars:
            keyword.append(parameter(p["name"], "keyword_only", p["required"], p["default"], p["type"]))
            absorbed = True
    declared = {p["kind"]: p for p in sig["params"] if p["kind"] in VARIADIC}
    for kind in list(stars):
        if kind in declared:
            stars[kind]["type"] = declared[kind]["type"]
        elif absorbed:
            del stars[kind]
    params = positional
    if "var_positional" in stars:
        params.append(stars["var_positional"])
    params += keyword
    if "var_keyword" in stars:
        params.append(stars["var_keyword"])
    return {"params": params, "returns": sig["returns"]}


def generator_version() -> str:
    from snakebridge import __version__

    return __version__


def types_in(entry: Json) -> list[Json]:
    """Return the TYPE nodes of a symbol, member or signature."""
    out: list[Json] = []
    if "type" in entry:
        out.append(entry["type"])
    for sig in entry.get("sigs") or ():
        out.append(sig["returns"])
        out.extend(p["type"] for p in sig["params"])
    return out


def mark_streaming(manifest: Json, names: list[str]) -> set[str]:
    """Mark what is to have an iterating form (functions, methods, constructors); return which of them are here."""
    found = set()
    for name in names:
        entry = find_callable(manifest, name)
        if entry is None:
            continue
        found.add(name)
        same = [entry]
        if "def" in entry:  # under its other names, too: one of them is its C function's
            symbols = (s for m in manifest["modules"].values() for s in m["names"].values())
            same += [s for s in symbols if s.get("def") == entry["def"]]
        for one in same:
            one["streaming"] = True
    return found


def find_callable(manifest: Json, name: str) -> Json | None:
    """Return the function, method, or class whose constructor a full name means."""
    modules: Json = manifest["modules"]
    owner, _, last = name.rpartition(".")
    symbol: Json | None = modules[owner]["names"].get(last) if owner in modules else None
    if symbol is not None:
        if symbol["kind"] == "class":
            symbol = manifest["classes"].get(symbol["class"])
        elif symbol["kind"] not in ("function", "callable"):
            symbol = None
        return symbol
    module, _, of = owner.rpartition(".")
    symbol = modules[module]["names"].get(of) if module in modules else None
    if symbol is None or symbol["kind"] != "class":
        return None
    found: Json = manifest["classes"].get(symbol["class"], {"members": {}})
    member: Json | None = found["members"].get(last)
    return member if member is not None and "sigs" in member else None


def callables(manifest: Json) -> list[str]:
    """Return the full names that find_callable finds."""
    out = []
    for module, m in manifest["modules"].items():
        for name, symbol in m["names"].items():
            full = module + "." + name
            if symbol["kind"] in ("function", "callable", "class"):
                out.append(full)
            if symbol["kind"] == "class":
                members = manifest["classes"].get(symbol["class"], {"members": {}})["members"]
                out += [full + "." + n for n, member in members.items() if "sigs" in member]
    return out


def prune(manifest: Json) -> None:
    """Remove the classes, aliases and type variables that nothing names."""
    classes, aliases, typevars = manifest["classes"], manifest["aliases"], manifest["typevars"]
    kept: set[int] = set()  # ids of entries of the three tables
    stack: list[Json] = []  # TYPE nodes
    queue: list[Json] = []  # classes

    def keep(table: Json, name: str | None) -> Json | None:
        entry: Json | None = table.get(name) if name is not None else None
        if entry is None or id(entry) in kept:
            return None
        kept.add(id(entry))
        return entry

    def keep_class(name: str | None) -> None:
        entry = keep(classes, name)
        if entry is not None:
            queue.append(entry)

    def keep_typevar(name: str) -> None:
        entry = keep(typevars, name)
        if entry is not None:
            stack.append(entry["bound"])
            stack.extend(entry["values"])
            if entry["default"] is not None:
                stack.append(entry["default"])

    for module in manifest["modules"].values():
        for symbol in module["names"].values():
            if symbol["kind"] == "class":
                keep_class(symbol["class"])
            stack.extend(types_in(symbol))
    for key, c in classes.items():
        if c["public"] is not None:
            keep_class(key)
    while stack or queue:
        while queue:
            c = queue.pop()
            for key in c["mro"]:
                keep_class(key)
            for name in c["tvars"]:
                keep_typevar(name)
            stack.extend(types_in({"sigs": c["new"]}))
            if "item" in c:
                stack.append(c["item"])
            stack.extend(t for _, t in c["fields"] or ())
            for member in c["members"].values():
                stack.extend(types_in(member))
        while stack:
            node = stack.pop()
            kind = node["k"]
            if kind == "inst":
                keep_class(node["n"])
                if "a" in node:
                    stack.extend(node["a"])
            elif kind == "alias":
                entry = keep(aliases, node["n"])
                if entry is not None:
                    stack.append(entry["target"])
                    for name in entry["params"]:
                        keep_typevar(name)
                if "a" in node:
                    stack.extend(node["a"])
            elif kind == "union":
                stack.extend(node["i"])
            elif kind == "tvar":
                keep_typevar(node["n"])
            elif kind == "tuple":
                keep_class(node.get("n"))
                stack.extend(node["i"])
            elif kind == "call":
                stack.extend(types_in({"sigs": [node["s"]]}))
            elif kind == "overload":
                stack.extend(types_in({"sigs": node["s"]}))
            elif kind == "type" or kind == "unpack":
                stack.append(node["i"])
            elif kind == "typeddict":
                stack.extend(node["f"].values())
    for name in ("classes", "aliases", "typevars"):
        manifest[name] = {k: v for k, v in manifest[name].items() if id(v) in kept}


def shorten(manifest: Json) -> None:
    """Leave out what goes without saying.

    The documentation of an inherited member is left to the class of this manifest that defines it; what is false or
    empty is absent.
    """
    classes = manifest["classes"]
    entries = [s for m in manifest["modules"].values() for s in m["names"].values()]
    for key, c in classes.items():
        for name, member in c["members"].items():
            home = member["from"]
            if home != key and home in classes:
                other = classes[home]["members"].get(name)
                if other is not None and other.get("doc", "") == member["doc"]:
                    member["doc"] = ""
            entries.append(member)
    for entry in entries:
        if entry.get("doc") == "":
            del entry["doc"]
        if entry.get("async") is False:
            del entry["async"]


# -- writing ----------------------------------------------------------------------------------------------------------

# The tables that are written an entry a line (a class or module: its own tables again so), by path.
OPEN = {
    (): True,
    ("aliases",): True,
    ("classes",): True,
    ("classes", "*"): True,
    ("classes", "*", "members"): True,
    ("modules",): True,
    ("modules", "*"): True,
    ("modules", "*", "names"): True,
    ("typevars",): True,
}


def serialise(manifest: Json) -> bytes:
    """Return the bytes of a manifest: sorted, a symbol or member a line, UTF-8."""
    encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(", ", ": ")).encode
    out: list[str] = []

    def write(node: Any, path: tuple[str, ...], indent: str) -> None:
        if not (isinstance(node, dict) and node and path in OPEN):
            out.append(encode(node))
            return
        out.append("{\n")
        wild = path in (("classes",), ("modules",))
        last = len(node) - 1
        for i, key in enumerate(sorted(node)):
            out.append("%s  %s: " % (indent, encode(key)))
            write(node[key], path + (("*",) if wild else (key,)), indent + "  ")
            out.append("\n" if i == last else ",\n")
        out.append(indent + "}")

    write(manifest, (), "")
    out.append("\n")
    return "".join(out).encode("utf-8", "replace")


def write_if_changed(path: str, data: bytes) -> bool:
    """Write a file completely or not at all, and only if its bytes differ; tell whether it was written.

    Raises OSError with the file's name where the disk is full or the folder cannot be written.
    """
    try:
        with open(path, "rb") as f:
            if f.read() == data:
                return False
    except FileNotFoundError:
        pass
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    fd, temporary = tempfile.mkstemp(prefix="." + os.path.basename(path) + ".", dir=folder)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fchmod(fd, 0o666 & ~current_umask())
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
    except OSError as e:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise OSError(e.errno or errno.EIO, os.strerror(e.errno or errno.EIO), path) from None
    return True


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
