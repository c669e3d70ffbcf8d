"""report.html: the numbers of the runs, no external references, clear errors."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cones.margins import CosFace, Softmax
from cones.plots import write_comparison_report, write_run_report
from cones.plots.runs.up_to_date import is_up_to_date

WriteRun = Callable[..., Path]


class Tables(HTMLParser):
    """The cells of all tables, what is marked best, and every address the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.best: list[str] = []
        self.addresses: list[str] = []
        self._cell: str | None = None
        self._best = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.addresses += [value for name in ("src", "href", "srcset") if (value := named.get(name))]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cell, self._best = "", named.get("class") == "best"

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            self.rows[-1].append(self._cell.strip())
            if self._best:
                self.best.append(self._cell.strip())
            self._cell = None


def compare(folder: Path, *names: str, title: str = "Losses") -> Path:
    (folder / "comparison.json").write_text(json.dumps({"title": title, "runs": names}))
    return write_comparison_report(folder)


def test_a_report_is_up_to_date_until_a_file_of_the_run_changes(write_run: WriteRun) -> None:
    run = write_run()
    assert not is_up_to_date(run)
    write_run_report(run)
    assert is_up_to_date(run)
    with (run / "metrics.jsonl").open("a") as metrics:
        metrics.write("\n")
    assert not is_up_to_date(run)


def test_run_report_holds_figures_numbers_and_configuration(write_run: WriteRun) -> None:
    run = write_run(bias=True)
    path = write_run_report(run)
    text = path.read_text(encoding="utf-8")
    assert path == run / "report.html"
    names = {"features", "target", "angles", "norms", "learning"}
    expected = {
        f"{name}{narrow}{suffix}" for name in names for narrow in ("", "-narrow") for suffix in (".svg", ".png")
    }
    assert {file.name for file in (run / "figures").iterdir()} == expected
    for number in ("97.65 %", "5.7°", "30.0°", "12.5", "0.0123", "75.0 %", "0.000420", "75.4 s", "431,234", "mnist5k"):
        assert number in text
    assert "ArcFace &amp; &lt;friends&gt;" in text
    assert all(address.startswith("data:") for address in Tables(text).addresses)
    assert not re.search(r"https?://(?!www\.w3\.org)", re.sub(r"data:image[^\"]*", "", text))


def test_comparison_table_equals_the_summaries(write_run: WriteRun, tmp_path: Path) -> None:
    sparse = {"geometry": {"mean_intra_angle": 0.2}, "train_geometry": {}, "confident_gradient": None}
    write_run("softmax", margin=Softmax(), summary={"test_accuracy": 0.9512} | sparse)
    write_run("cosface", margin=CosFace(margin=0.2, scale=16.0), summary={"test_accuracy": 0.9876})
    write_run_report(tmp_path / "cosface")
    page = Tables(compare(tmp_path, "softmax", "cosface").read_text(encoding="utf-8"))
    head, softmax, cosface = page.rows
    assert len(head) == len(softmax) == len(cosface) == 12
    assert softmax[:4] == ["Softmax", "99.00 %", "95.12 %", "11.5°"]
    assert softmax[4:-1] == ["–"] * 7
    assert cosface == [
        *("CosFace(margin=0.2, scale=16)", "99.00 %", "98.76 %", "5.7°", "97.4°", "30.0°", "12.5", "0.0123"),
        *("75.0 %", "0.000420", "20.0", "75.4 s"),
    ]
    assert page.best == ["98.76 %", "5.7°"]  # one value alone, or two equal ones, are not the best of anything
    links = [address for address in page.addresses if not address.startswith("data:")]
    assert links == ["cosface/report.html"]  # softmax has no report of its own yet
    assert {file.name for file in (tmp_path / "figures").glob("*.svg")} == {
        f"{name}{narrow}.svg" for name in ("grid", "target", "angles") for narrow in ("", "-narrow")
    }


def test_reports_are_the_same_every_time(write_run: WriteRun) -> None:
    run = write_run()
    assert write_run_report(run).read_bytes() == write_run_report(run).read_bytes()


def test_nearly_empty_summary_and_metrics_still_make_a_page(write_run: WriteRun, tmp_path: Path) -> None:
    run = write_run()
    (run / "summary.json").write_text('{"test_accuracy": null, "geometry": null, "seconds": "soon"}')
    (run / "metrics.jsonl").write_text("\n")
    assert "–" in write_run_report(run).read_text(encoding="utf-8")
    assert "Losses" in compare(tmp_path, "arcface").read_text(encoding="utf-8")


def test_titles_are_escaped(write_run: WriteRun, tmp_path: Path) -> None:
    write_run()
    text = compare(tmp_path, "arcface", title="<script>alert(1)</script>").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_test_classes_that_the_head_never_saw_are_left_out_of_its_picture(write_run: WriteRun, tmp_path: Path) -> None:
    run = write_run(dims=5, metadata={"test_classes": json.dumps(["a", "b", "c", "d"])})
    write_run_report(run)
    assert "Angles on the train set" in compare(tmp_path, "arcface").read_text(encoding="utf-8")


def test_test_classes_that_are_those_of_training_change_nothing(write_run: WriteRun, tmp_path: Path) -> None:
    write_run(metadata={"test_classes": json.dumps(["0", "1", "2", "3"])})
    assert "Angles on the test set" in compare(tmp_path, "arcface").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["config.toml", "metrics.jsonl", "features.safetensors", "summary.json"])
def test_a_missing_file_is_named(name: str, write_run: WriteRun) -> None:
    run = write_run()
    (run / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"there is no file {re.escape(str(run / name))}"):
        write_run_report(run)
    assert not (run / "report.html").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("summary.json", b"{", r"summary\.json is not JSON"),
        ("summary.json", b"[1]", r"summary\.json holds a list, expected a JSON object"),
        ("metrics.jsonl", b'{"kind": "train"}\n{"ki', r"metrics\.jsonl, line 2 is not JSON"),
        ("metrics.jsonl", b"3\n", r"metrics\.jsonl, line 1 holds a int, expected a JSON object"),
        ("features.safetensors", b"nonsense", r"features\.safetensors is not a safetensors file"),
        ("config.toml", b"\xff\xfe", r"config\.toml is not UTF-8 text"),
    ],
)
def test_a_broken_file_is_named(name: str, content: bytes, message: str, write_run: WriteRun) -> None:
    run = write_run()
    (run / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        write_run_report(run)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"margin": "ArcFacet(margin=0.3)"}, r"features\.safetensors: .*ArcFacet"),
        ({"classes": '["0", "1"]'}, r"features\.safetensors: weight has shape \(4, 2\), expected \(K, D\) = \(2, 2\)"),
    ],
)
def test_wrong_metadata_is_named(metadata: dict[str, str], message: str, write_run: WriteRun) -> None:
    with pytest.raises(ValueError, match=message):
        write_run_report(write_run(metadata=metadata))


def test_comparison_lists_runs_of_the_same_classes(write_run: WriteRun, tmp_path: Path) -> None:
    write_run("one")
    write_run("two", metadata={"classes": json.dumps(["a", "b", "c", "d"])})
    with pytest.raises(ValueError, match=r"two has 4 classes that are not those of .*one"):
        compare(tmp_path, "one", "two")
    with pytest.raises(ValueError, match=r"comparison\.json lists no runs"):
        compare(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*three.summary\.json"):
        compare(tmp_path, "three")
