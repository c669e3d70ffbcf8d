"""`import cones` is light, and every submodule is imported on access."""

import subprocess
import sys

import pytest

import cones

PARTS = (
    "backbones", "catalogue", "data", "embedding", "evaluation", "export", "migrate", "open_set", "plots", "protocols",
    "training",
)  # fmt: skip


def test_parts_are_there_and_listed():
    assert set(PARTS) <= set(dir(cones))
    assert {"Head", "bounds", "__version__"} <= set(dir(cones))
    for name in PARTS:
        assert getattr(cones, name) is sys.modules[f"cones.{name}"]
    assert cones.planner is sys.modules["cones.engine.planner"]


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'cones' has no attribute 'evaluations'"):
        cones.evaluations  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(cones, "nothing")


def test_nothing_is_imported_before():
    code = "import sys, cones; dir(cones); print(*sys.modules); cones.evaluation.verification"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {f"cones.{name}" for name in PARTS} & set(done.stdout.split())
