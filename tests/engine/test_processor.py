"""bfloat16 against float32, with given timings instead of a clock."""

import time
import warnings

import pytest
import torch

from cones import ArcFace, Head, margin_softmax
from cones.engine import processor
from cones.engine.processor import Speeds, compare_speeds, faster_dtype


def timing(float32, bfloat16, asked=None):
    """Milliseconds that grow with the size: `float32` and `bfloat16` of them for a size of 1."""

    def milliseconds(dtype, size):
        if asked is not None:
            asked.append((dtype, size))
        return size * (bfloat16 if dtype == torch.bfloat16 else float32)

    return milliseconds


@pytest.mark.parametrize(
    ("float32", "bfloat16", "expected"),
    [(1.0, 0.5, torch.bfloat16), (1.0, 0.95, torch.float32), (1.0, 1.0, torch.float32), (1.0, 100.0, torch.float32)],
)
def test_bfloat16_only_where_it_is_clearly_faster(float32, bfloat16, expected):
    speeds = compare_speeds("a product", timing(float32, bfloat16), [1, 2, 4])
    assert faster_dtype(speeds) == expected
    assert speeds.slower == (bfloat16 > 2)


def test_a_hopeless_bfloat16_is_found_out_at_the_smallest_size_that_tells():
    asked: list[tuple[torch.dtype, int]] = []
    speeds = compare_speeds("a product", timing(0.004, 0.4, asked), [1, 4, 16, 64, 256])
    assert max(size for _, size in asked) == 4  # 1.6 ms, against 0.016
    assert speeds.slower
    assert str(speeds) == "a product: float32 0.016 ms, bfloat16 1.6 ms"


def test_sizes_grow_until_both_can_be_measured():
    asked: list[tuple[torch.dtype, int]] = []
    assert faster_dtype(compare_speeds("a product", timing(0.1, 0.04, asked), [1, 4, 16, 64, 256])) == torch.bfloat16
    assert max(size for _, size in asked) == 64


def test_what_is_too_short_to_measure_decides_nothing():
    fast = compare_speeds("a product", timing(1e-5, 1e-6), [1, 2])
    slow = compare_speeds("a product", timing(1e-6, 1e-5), [1, 2])
    assert faster_dtype(fast) == faster_dtype(slow) == torch.float32
    assert not slow.slower


def once(work):
    work()
    return 0.0


def test_the_probes_compute_in_the_precision_that_they_are_asked_for(monkeypatch):
    monkeypatch.setattr(processor, "shortest", once)
    for speeds in (
        processor.product_speeds.__wrapped__(3, 5),
        processor.convolution_speeds.__wrapped__(2, 3, (3, 3), channels_last=True),
    ):
        assert speeds.float32 == speeds.bfloat16 == 0.0


def test_probes_draw_no_random_numbers(monkeypatch):
    monkeypatch.setattr(processor, "shortest", once)
    before = torch.get_rng_state()
    processor.product_speeds.__wrapped__(3, 5)
    processor.convolution_speeds.__wrapped__(2, 3, (3, 3), channels_last=False)
    assert torch.equal(before, torch.get_rng_state())


def test_waiting_for_other_work_is_no_time():
    assert processor.shortest(lambda: time.sleep(0.05)) < 40


def head_with(monkeypatch, speeds):
    processor.warn_of.cache_clear()
    monkeypatch.setattr(processor, "product_speeds", lambda *_: speeds)
    torch.manual_seed(0)
    return Head(4, 3, ArcFace(margin=0.1, scale=8.0), compute_dtype=torch.bfloat16)


def test_a_head_in_a_slow_bfloat16_warns_once_with_both_figures(monkeypatch):
    head = head_with(monkeypatch, Speeds("products of 4 by 3", 0.5, 40.0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            head(torch.randn(2, 4), torch.tensor([0, 2]))
    (warning,) = caught
    assert str(warning.message) == (
        "bfloat16 is slower than float32 on this processor (products of 4 by 3: float32 0.5 ms, bfloat16 40 ms): "
        "compute_dtype=None is faster"
    )


def test_a_head_in_a_fast_bfloat16_or_in_float32_says_nothing(monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head_with(monkeypatch, Speeds("products", 5.0, 2.0))(torch.randn(2, 4), torch.tensor([0, 2]))
        monkeypatch.setattr(processor, "product_speeds", None)  # not even asked
        Head(4, 3, ArcFace(margin=0.1, scale=8.0))(torch.randn(2, 4), torch.tensor([0, 2]))


def test_the_function_warns_as_the_head_does(monkeypatch):
    head = head_with(monkeypatch, Speeds("products of 4 by 3", 0.5, 40.0))
    x, y = torch.randn(2, 4), torch.tensor([0, 2])
    with pytest.warns(UserWarning, match=r"float32 0.5 ms, bfloat16 40 ms\): compute_dtype=None is faster"):
        margin_softmax(x, head.weight, y, head.margin, compute_dtype=torch.bfloat16)
