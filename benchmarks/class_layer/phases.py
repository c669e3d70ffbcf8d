"""Time of a step by phase: operations counted by PyTorch's profiler, grouped by purpose."""

from torch.profiler import ProfilerActivity, profile

from benchmarks.class_layer.contenders import Contender
from benchmarks.class_layer.measure import problem, steps

PHASES = {
    "products": ("mm", "_linear_pointwise", "addmm"),
    "exponentials": ("exp", "exp_", "exp2", "exp2_"),
    "directions, projection of the gradient": ("div", "mul", "mul_", "addcmul", "sum", "linalg_vector_norm"),
    "copies and conversions": ("copy_", "index", "index_add_", "_index_put_impl_", "fill_", "zero_", "empty"),
}
"""Names of operations, without their library's, by phase; all others are the rest."""


def phases(contender: Contender, num_rows: int, num_classes: int, dim: int, repeats: int = 3) -> dict[str, float]:
    """The share of a step's time that each phase takes, and "the rest"; they add up to 1.

    On a GPU the time of its kernels, elsewhere that of the operations themselves.
    """
    given = problem(num_rows, num_classes, dim)
    clear, step = steps(contender, given)
    for _ in range(2):
        clear()
        step()
    on_gpu = given.features.is_cuda
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_gpu else [])
    with profile(activities=activities) as profiler:
        for _ in range(repeats):
            clear()
            step()
    taken = dict.fromkeys([*PHASES, "the rest"], 0.0)
    for event in profiler.key_averages():
        name = event.key.rpartition("::")[2]
        phase = next((phase for phase, names in PHASES.items() if name in names), "the rest")
        taken[phase] += event.self_device_time_total if on_gpu else event.self_cpu_time_total
    whole = sum(taken.values())
    return {phase: time / whole for phase, time in taken.items()}
