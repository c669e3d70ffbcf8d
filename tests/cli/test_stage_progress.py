"""Progress without a terminal: nothing for short work, an occasional line for long work."""

from cones.cli.stage_progress import StageDisplay


def test_short_work_is_quiet_and_long_work_has_lines(capsys):
    with StageDisplay() as show:
        show("pairs", 1, 10)
        show("pairs", 10, 10)
    assert capsys.readouterr().err == ""
    with StageDisplay(every=0) as show:
        show("pairs", 5, 10)
        show("pairs", 10, 10)
    assert capsys.readouterr().err == "pairs: 50 % done, about 0 s left\n"
