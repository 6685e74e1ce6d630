"""The catalogues are whole: every sentence in every language, and the compiled files in step."""

from __future__ import annotations

import gettext
import importlib.util
import re
from pathlib import Path

import pytest

from policies.texts import Plural, texts

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("texts_tool", ROOT / "packaging" / "texts.py")
assert _spec
assert _spec.loader
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)

PLACE = re.compile(r"{(\w*)}")
# Names and words that are rightly the same in two languages.
SAME = re.compile(r"Illinois|California|Canada|Camera|September|November|April|August|Pauses")


@pytest.mark.parametrize("lang", tool.LANGUAGES)
def test_P4_every_sentence_is_translated_with_the_same_places(lang):  # noqa: N802
    entries = tool.read_po(tool.po_path(lang))
    header = entries.pop(("",))
    assert f"Language: {lang}\n" in header[0]
    assert entries.keys() == tool.spoken().keys(), "run `python packaging/texts.py update`"
    for key, said in entries.items():
        assert len(said) == len(key)
        for text in said:
            assert text.strip(), key
            assert sorted(set(PLACE.findall(text))) == sorted(set(PLACE.findall(key[-1]))), key
            assert text[-1:] in ".!?:" or text[-1:] == key[0][-1:] or key[0][-1:] not in ".!?:", key
            letters = len(PLACE.sub("", key[0]))
            assert text not in key or letters < 12 or SAME.search(text), f"not translated: {key}"


@pytest.mark.parametrize("lang", tool.LANGUAGES)
def test_P4_the_compiled_catalogue_is_in_step(lang):  # noqa: N802
    path = tool.po_path(lang)
    fresh = tool.to_mo(tool.read_po(path))
    assert path.with_suffix(".mo").read_bytes() == fresh, "run `python packaging/texts.py compile`"


def test_the_tool_reads_back_what_it_writes(tmp_path):
    entries = {
        ("",): (
            "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n",
        ),
        ('Say "hi"\\n',): ("Sag „hallo“",),
        ("{n} day", "{n} days"): ("{n} Tag", "{n} Tage"),
    }
    path = tmp_path / "some.po"
    tool.write_po(path, entries, {key: "here.py" for key in entries if key != ("",)})
    assert tool.read_po(path) == entries
    compiled = tmp_path / "some.mo"
    compiled.write_bytes(tool.to_mo(entries))
    with compiled.open("rb") as file:
        found = gettext.GNUTranslations(file)
    assert found.gettext('Say "hi"\\n') == "Sag „hallo“"
    assert found.ngettext("{n} day", "{n} days", 5) == "{n} Tage"


def test_a_fuzzy_or_doubled_entry_is_refused(tmp_path):
    path = tmp_path / "some.po"
    path.write_text('#, fuzzy\nmsgid "a"\nmsgstr "b"\n', encoding="utf-8")
    with pytest.raises(SystemExit, match="fuzzy"):
        tool.read_po(path)
    path.write_text('msgid "a"\nmsgstr "b"\n\nmsgid "a"\nmsgstr "c"\n', encoding="utf-8")
    with pytest.raises(SystemExit, match="twice"):
        tool.read_po(path)


DAY = Plural("We keep clips for {n} day.", "We keep clips for {n} days.")
SECOND = Plural("It ends {n} second after it.", "It ends {n} seconds after it.")


@pytest.mark.parametrize(
    ("lang", "plural", "n", "said"),
    [
        ("en", DAY, 1, "We keep clips for 1 day."),
        ("en", DAY, 2, "We keep clips for 2 days."),
        ("de", DAY, 1, "Clips behalten wir 1 Tag."),
        ("de", DAY, 30, "Clips behalten wir 30 Tage."),
        ("en", SECOND, 0.5, "It ends 0.5 seconds after it."),
        ("de", SECOND, 1.5, "Er endet 1,5 Sekunden danach."),
        ("fr", SECOND, 0, "Il finit 0 seconde après."),
        ("fr", SECOND, 1.5, "Il finit 1,5 seconde après."),
        ("fr", SECOND, 2.0, "Il finit 2 secondes après."),
        ("es", SECOND, 1, "Termina 1 segundo después."),
        ("nl", SECOND, 2.25, "Die eindigt 2,25 seconden erna."),
    ],
)
def test_numbers_take_the_plural_and_the_decimal_sign_of_the_language(lang, plural, n, said):
    assert texts(lang).count(plural, n) == said
