"""Names of files and classes cannot colour a terminal, or break a log line or a figure."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch

from cones.cli.app import main
from cones.cli.progress import TrainingDisplay, summary_line
from cones.cli.terminal import Console
from cones.cli.terminal import print as print_escaped
from cones.common.printable import printable, printable_lines
from cones.plots import feature_figure, norm_figure, save
from cones.plots._page import render
from cones.plots._text import literal
from cones.plots.runs._points import LabelledFeatures
from cones.plots.runs.grid import Panel, grid_figure

NASTY = "\x1b[31mred\x07\r\n\u202egnp.\x9b2J\udcff"
ESCAPED = r"\x1b[31mred\x07\r\n\u202egnp.\x9b2J\udcff"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]")


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def test_control_characters_are_escaped_and_letters_are_not():
    assert printable(NASTY) == ESCAPED
    assert printable_lines("a\x07\nb") == "a\\x07\nb"
    for text in ("Ünal 東京 ﷺ नमस्ते", "👩\u200d🚀", "می\u200cخواهم", r"C:\a"):
        assert printable(text) == text


def test_errors_stay_one_line(tmp_path, capsys):
    path = tmp_path / "\x1b[31mred\nname.npz"
    np.savez(path, features=np.eye(2), labels=np.array(["a", "b"]), names=np.array(["\x1b[1m", "\x1b[1m"]))
    for arguments in (["evaluate", path], ["evaluate", tmp_path / "\x1b[2J"], ["train", "--config", f"{path}.toml"]):
        assert run(*arguments) in (1, 2)
        out, err = capsys.readouterr()
        assert not CONTROL.search(out + err)
        assert r"\x1b[" in err
        assert len(err.splitlines()) == 1


def test_what_is_printed_keeps_its_lines(capsys):
    print_escaped(NASTY, "b", sep="\n")
    assert capsys.readouterr().out.splitlines() == [r"\x1b[31mred\x07\r", r"\u202egnp.\x9b2J\udcff", "b"]
    Console(soft_wrap=True, highlight=False).print("a\x1b[0m\nb", markup=False)
    assert capsys.readouterr().out == "a\\x1b[0m\nb\n"


def test_lines_of_a_run(capsys):
    metrics = {"kind": "test", "epoch": 1, "accuracy": 0.5, "step": 3}
    with TrainingDisplay(2) as display:
        display.show(NASTY, metrics)
    assert not CONTROL.search(capsys.readouterr().err)
    summary = {"name": NASTY, "train_accuracy": 1.0, "test_accuracy": None, "seconds": 1.0, "geometry": None}
    print_escaped(summary_line(summary))
    assert not CONTROL.search(capsys.readouterr().out)


def test_figures_and_pages(tmp_path):
    classes = [NASTY, "A$B$"]
    points = LabelledFeatures("test", torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
    figures = (
        feature_figure([points], torch.eye(2), classes),
        norm_figure([points], classes),
        grid_figure([Panel("Softmax", points, torch.eye(2), None, None)], classes),
    )
    for figure in figures:  # a glyph that is missing would be a warning, and a control character no XML
        ElementTree.parse(save(figure, tmp_path / "figure")[0])
    assert literal(NASTY + "$") == ESCAPED + r"\$"


def test_pages_hold_no_control_characters():
    values: dict[str, object] = {
        "title": NASTY,
        "lead": [NASTY],
        "sections": [],
        "subtitle": NASTY,
        "numbers": [(NASTY, NASTY)],
    }
    values |= {"grid": None, "grid_text": "", "headings": [], "rows": [], "config": "a = 1\nb = '\x1b'"}
    page = render("report.html.j2", values)
    assert not CONTROL.search(page)
    assert "a = 1\nb = " in page
    page.encode()
