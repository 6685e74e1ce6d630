"""Keeps the texts in step: the code's sentences, the .po files people write, the .mo files.

    python packaging/texts.py update     add new sentences to every .po, drop those no longer said
    python packaging/texts.py compile    write every .mo from its .po

A .po is read in the plain form that ``update`` writes and every editor for catalogues keeps: msgid,
msgid_plural, msgstr, msgstr[0], msgstr[1], in strings of one or more lines (GNU gettext manual, 10.1).
"""

from __future__ import annotations

import ast
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("de", "fr", "es", "nl")
# A domain is the package whose sentences it holds, and whose ``texts`` folder holds its catalogues:
# what students read, and what the apps say. The apps ask the first for what it says already.
DOMAINS = ("policies", "ui")
# The apps make their forms of this model, so they say its titles and descriptions, and the linter's titles.
SCHEMA, RULES = "policies/schema.py", "policies/lint_rules"
# Who says sentences: a call of one of these, with the English text as its first arguments.
SPEAKERS = {"say", "mark"}
# The first number of a .mo file in the machine order that we write (GNU gettext manual, 10.3).
MAGIC, HEADER_BYTES = 0x950412DE, 28

# A sentence is its English form, or both English forms.
Key = tuple[str, ...]
Entries = dict[Key, tuple[str, ...]]


def spoken(domain: str = "policies") -> dict[Key, str]:
    """Every sentence in the code, with the file where it is first said, in the order of the code."""
    found: dict[Key, str] = {}
    for path in sorted((ROOT / domain).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            for key in _keys(node):
                found.setdefault(key, path.relative_to(ROOT).as_posix())
    if domain == "policies":
        return found
    for node in ast.walk(ast.parse((ROOT / SCHEMA).read_text(encoding="utf-8"))):
        for key in _labels(node):
            found.setdefault(key, SCHEMA)
    for path in sorted((ROOT / RULES).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for key in _rules(node):
                found.setdefault(key, path.relative_to(ROOT).as_posix())
    known = spoken()
    return {key: place for key, place in found.items() if key not in known}


def _labels(node: ast.AST) -> Iterator[Key]:
    """The title and the description of a field of the schema."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Field":
        for keyword in node.keywords:
            if keyword.arg in ("title", "description") and isinstance(keyword.value, ast.Constant):
                yield (str(keyword.value.value),)


def _keys(node: ast.AST) -> Iterator[Key]:
    """The sentences that a call says; an ``a if … else b`` says two."""
    if not isinstance(node, ast.Call):
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "Plural" and len(node.args) == 2:
        yield tuple(str(ast.literal_eval(argument)) for argument in node.args)
    elif name in SPEAKERS and node.args:
        first = node.args[0]
        for said in (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,):
            if isinstance(said, ast.Constant) and isinstance(said.value, str) and said.value:
                yield (said.value,)


def _rules(node: ast.AST) -> Iterator[Key]:
    """The title of a rule of the linter: the first argument of ``PACK.error`` or ``PACK.warning``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        first = node.args[0]
        if node.func.attr in ("error", "warning") and isinstance(first, ast.Constant):
            yield (str(first.value),)


def po_path(lang: str, domain: str = "policies") -> Path:
    return ROOT / domain / "texts" / lang / "LC_MESSAGES" / f"{domain}.po"


def read_po(path: Path) -> Entries:
    """The entries of a .po file; a fuzzy one is refused, for nobody has agreed to it."""
    entries: Entries = {}
    ids: list[str] = []
    strings: list[str] = []
    current: list[str] = ids
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), 'msgid ""'], 1):
        if line.startswith("#,") and "fuzzy" in line:
            raise SystemExit(
                f"{path}, line {number}: a fuzzy entry; read it and take the mark off."
            )
        keyword, quote, rest = line.partition('"')
        if line.startswith("#") or not line.strip():
            continue
        if not quote:
            raise SystemExit(f"{path}, line {number}: a quoted text was expected.")
        keyword = keyword.strip()
        if keyword == "msgid":
            if ids:
                _enter(entries, ids, strings, f"{path}, line {number}")
            ids, strings = [], []
        if keyword.startswith("msg"):
            current = ids if keyword.startswith("msgid") else strings
            current.append("")
        current[-1] += ast.literal_eval(quote + rest)
    return entries


def _enter(entries: Entries, ids: list[str], strings: list[str], where: str) -> None:
    if tuple(ids) in entries:
        raise SystemExit(f"{where}: the entry above stands in the file twice.")
    entries[tuple(ids)] = tuple(strings)


def write_po(path: Path, entries: Entries, places: dict[Key, str]) -> None:
    """Write a .po in the order of ``places``, the header first."""
    blocks = [_block(("",), entries[("",)])]
    for key, place in places.items():
        empty = ("",) * len(key)
        blocks.append(f"#: {place}\n" + _block(key, entries.get(key, empty)))
    path.write_text("\n".join(blocks), encoding="utf-8", newline="\n")


def _block(key: Key, said: tuple[str, ...]) -> str:
    lines = [f"msgid {_quoted(key[0])}"]
    if len(key) == 2:
        lines.append(f"msgid_plural {_quoted(key[1])}")
        lines += [f"msgstr[{place}] {_quoted(text)}" for place, text in enumerate(said)]
    else:
        lines.append(f"msgstr {_quoted(said[0])}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    if "\\n" not in escaped:
        return f'"{escaped}"'
    return "\n".join(['""', *(f'"{line}\\n"' for line in escaped.split("\\n") if line)])


def to_mo(entries: Entries) -> bytes:
    """A .mo file: offsets of the sorted originals, of their translations, and the texts.

    What nobody has translated yet is left out, and said in English.
    """
    known = {k: v for k, v in entries.items() if all(v)}
    pairs = sorted(("\0".join(k).encode(), "\0".join(v).encode()) for k, v in known.items())
    tables = HEADER_BYTES + 16 * len(pairs)
    offsets: list[tuple[int, int]] = []
    texts = b""
    for column in (0, 1):
        for pair in pairs:
            offsets.append((len(pair[column]), tables + len(texts)))
            texts += pair[column] + b"\0"
    head = struct.pack(
        "<7I", MAGIC, 0, len(pairs), HEADER_BYTES, HEADER_BYTES + 8 * len(pairs), 0, tables
    )
    return head + b"".join(struct.pack("<2I", *pair) for pair in offsets) + texts


def update() -> Iterator[str]:
    for domain in DOMAINS:
        places = spoken(domain)
        for lang in LANGUAGES:
            path = po_path(lang, domain)
            entries = read_po(path)
            write_po(path, entries, places)
            missing = sum(1 for key in places if not all(entries.get(key, ("",))))
            yield f"{domain}, {lang}: {len(places)} sentences, {missing} without a translation"


def compile_all() -> Iterator[str]:
    for domain in DOMAINS:
        for lang in LANGUAGES:
            path = po_path(lang, domain)
            entries = read_po(path)
            path.with_suffix(".mo").write_bytes(to_mo(entries))
            yield f"{domain}, {lang}: {len(entries) - 1} sentences"


if __name__ == "__main__":
    actions = {"update": update, "compile": compile_all}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        raise SystemExit(f"Say one of: {', '.join(actions)}.")
    for line in actions[sys.argv[1]]():
        print(line)
