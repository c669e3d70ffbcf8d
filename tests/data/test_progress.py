import sys

import pytest

from cones.data._progress import bar, spinner


def show() -> None:
    with spinner("fetches [/a]"):
        pass
    with bar("reads folder:[/a]", 2, in_bytes=False) as done:
        done(1)
        done(1)


def test_a_file_or_a_pipe_gets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_it_on_stderr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show()
    out, err = capsys.readouterr()
    assert out == ""
    assert "fetches [/a]" in err
    assert "reads folder:[/a]" in err
    assert "2/2" in err
