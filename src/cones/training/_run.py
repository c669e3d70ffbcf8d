"""Configuration of a training run: a value, validated on creation, written to and read from TOML."""

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from tyro.conf import Suppress

from ..backbones import check_name
from ..common.atomic_files import write_text
from ..common.checks import check_seed
from ..common.expressions import brief, did_you_mean, import_paths
from ..common.import_path import TrustError
from ..common.regular_file import not_a_file
from ._objective import Objective, parse_objective

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Run:
    """Settings that decide what a training run computes.

    Args:
        data: data set: mnist5k, mnist, fashion-mnist, faces-orl, glyphs-jis, glyphs-jis-fonts, folder:PATH,
            nested:PATH, npz:PATH, csv:PATH or glyphs:PATH.
        split: how test data are held out: the set's own split (given), by sample, by identity; auto is the usual one.
        test_fraction: fraction of samples or identities held out if the set has no split of its own.
        image_size: side in pixels to which images are resized and at which glyphs are drawn; 0 keeps the size.
        loss: the objective, such as "ArcFace(margin=0.2, scale=16)" or "Softmax + 0.01 * CenterLoss".
        bias: give each class a bias.
        learn_scale: learn the margin's scale.
        label_smoothing: share of a sample's target spread over all classes.
        focal: gamma of focal weighting; 0 weights all samples equally.
        subcenters: centers per class; the similarity to a class is the largest of those to its centers.
        sample_rate: share of the classes in a training step, besides those of its rows; below 1 it needs class_sgd.
        balance: samples are weighted by their class size to the power -balance: 1 weights all classes equally, 0 all
            samples.
        backbone: lenets, lsoftmax-net, resnet, mlp, identity, or your own, package.module:Net(field=value).
        feature_dim: feature dimension D of the named backbones; 0 means 2 (the plane) for mnist5k, mnist and
            fashion-mnist, and 128 for all other data.
        width: channel multiplier of the named backbones.
        epochs: passes over the training data.
        batch_size: maximum rows per batch, of all processes together; an epoch is split into batches of nearly equal
            size.
        accumulate: batches per step; their gradients are averaged by their rows. Each counts as a batch for running
            numbers, centers and losses over a batch.
        optimizer: sgd or adamw.
        class_sgd: move the class weights in the backward, by SGD without a gradient of their size. It needs optimizer
            sgd, accumulate 1 and clip_norm 0.
        learning_rate: initial learning rate.
        momentum: momentum of sgd.
        weight_decay: weight decay of matrices and kernels; biases, norms and slopes have none.
        head_weight_decay: weight decay of the class weights; a negative value means weight_decay.
        head_learning_rate_factor: factor on the learning rate of the class weights.
        schedule: learning rate schedule: constant, step or cosine.
        milestones: fractions of the run after which the step schedule multiplies the learning rate by decay.
        decay: factor of the step schedule.
        warmup_steps: steps over which the learning rate rises from 0.
        clip_norm: maximum norm of the gradient over all parameters; 0 disables clipping.
        shift: random shifts of training images by up to this many pixels.
        flip: flip training images left-right at random.
        precision: float32, bfloat16 (autocast in the backbone), float64, or auto: bfloat16 where the device is
            measured to be faster with it, float32 elsewhere. A run's config.toml records the choice of auto.
        shard: what processes that train together share besides the classes: nothing, or the backbone (FSDP).
        channels_last: store images and kernels of the named backbones channels last, which is faster; your own net
            keeps its layout.
        seed: random seed of weights, data order, augmentation and split.
        device: cpu, cuda, cuda:1, ...; auto uses a GPU if available.
        threads: CPU threads; 0 keeps PyTorch's default.
        validate: samples on which verification is measured while training, and by which the best epoch is chosen: an
            insightface .bin; a list of pairs of pictures (csv, LFW's pairs.txt, trials); an .npz or any data as of
            data, all pairs of which count; split, the test side of a split by identity, which is its default; or none.
        validate_every: epochs between validations, the last epoch always among them; 0 and 1 validate every epoch.
        validate_pictures: folder of the pictures that a list of pairs names; by default the list's own.
        log_every: steps between lines of metrics.
        save_every: steps between checkpoints, in addition to one per epoch; 0 saves only those.
        tensorboard: also write metrics to TensorBoard.
        trust: whether user code named by loss and backbone may be imported. Names that you write yourself are trusted;
            names that `read_run` reads from a file are not, unless you pass trust. Not a command-line option, and not
            stored in files.

    Raises:
        ValueError: a field is out of its range; the error names it.
    """

    data: str = "mnist5k"
    split: Literal["auto", "given", "sample", "identity"] = "auto"
    test_fraction: float = 0.2
    image_size: int = 0
    loss: str = "Softmax"
    bias: bool = False
    learn_scale: bool = False
    label_smoothing: float = 0.0
    focal: float = 0.0
    subcenters: int = 1
    sample_rate: float = 1.0
    balance: float = 0.0
    backbone: str = "lenets"
    feature_dim: int = 0
    width: float = 0.5
    epochs: int = 20
    batch_size: int = 64
    accumulate: int = 1
    optimizer: Literal["sgd", "adamw"] = "sgd"
    class_sgd: bool = False
    learning_rate: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 5e-4
    head_weight_decay: float = -1.0
    head_learning_rate_factor: float = 1.0
    schedule: Literal["constant", "step", "cosine"] = "cosine"
    milestones: tuple[float, ...] = (0.5, 0.8)
    decay: float = 0.1
    warmup_steps: int = 0
    clip_norm: float = 5.0
    shift: int = 0
    flip: bool = False
    precision: Literal["float32", "bfloat16", "float64", "auto"] = "float32"
    shard: Literal["nothing", "backbone"] = "nothing"
    channels_last: bool = True
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    validate: str = ""
    validate_every: int = 0
    validate_pictures: str = ""
    log_every: int = 10
    save_every: int = 0
    tensorboard: bool = True
    trust: Annotated[bool, Suppress] = field(default=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.trust or not import_paths(self.loss):
            parse_objective(self.loss)
        if self.trust or ":" not in self.backbone:
            check_name(self.backbone)
        for name in ("epochs", "batch_size", "log_every", "accumulate", "subcenters"):
            self._check(name, 1 <= getattr(self, name) < 2**31, "at least 1 and below 2^31")
        for name in ("feature_dim", "image_size", "warmup_steps", "save_every", "shift", "threads", "validate_every"):
            self._check(name, 0 <= getattr(self, name) < 2**31, "at least 0 and below 2^31")
        check_seed(self.seed)
        for name in (
            "clip_norm", "weight_decay", "learning_rate", "decay", "head_learning_rate_factor", "focal", "balance",
        ):  # fmt: skip
            value = getattr(self, name)
            self._check(name, math.isfinite(value) and value >= 0, "a finite number of at least 0")
        self._check("width", 0 < self.width < math.inf, "a finite number above 0")
        self._check("test_fraction", 0 < self.test_fraction < 1, "between 0 and 1")
        self._check("label_smoothing", 0 <= self.label_smoothing < 1, "in [0, 1)")
        self._check("momentum", 0 <= self.momentum < 1, "in [0, 1)")
        self._check("sample_rate", 0 < self.sample_rate <= 1, "in (0, 1]")
        self._check("milestones", all(0 < share < 1 for share in self.milestones), "shares of the run, between 0 and 1")
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            self._check(name, value in allowed, f"one of {', '.join(allowed)}")
        self._check_class_sgd()

    def _check_class_sgd(self) -> None:
        if self.sample_rate < 1 and not self.class_sgd:
            raise ValueError(
                f"sample_rate is {self.sample_rate}, whose gradient of W is sparse: set class_sgd, which moves the "
                f"sampled rows alone"
            )
        for name, needed in (("optimizer", "sgd"), ("accumulate", 1), ("clip_norm", 0)):
            if self.class_sgd and getattr(self, name) != needed:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, but class_sgd moves W in the backward, and keeps no gradient "
                    f"to add up or to measure: set {name} to {needed}, or leave class_sgd out"
                )

    def _check(self, name: str, good: bool, expected: str) -> None:
        if not good:
            raise ValueError(f"{name} is {brief(repr(getattr(self, name)))}, expected {expected}")

    @property
    def objective(self) -> Objective:
        """The parsed loss.

        Raises:
            TrustError: it names code of one's own, and the run is not trusted.
        """
        return parse_objective(self.loss, trust=self.trust)

    def with_feature_dim(self) -> "Run":
        """The run with the number of dims that its data ask for, where feature_dim is 0."""
        return self if self.feature_dim else replace(self, feature_dim=2 if self.data in IN_THE_PLANE else 128)


IN_THE_PLANE = ("mnist5k", "mnist", "fashion-mnist")
"""Data sets of ten classes that two features hold, so that they can be drawn as they are."""

CHOICES = {
    "split": ("auto", "given", "sample", "identity"),
    "optimizer": ("sgd", "adamw"),
    "schedule": ("constant", "step", "cosine"),
    "precision": ("float32", "bfloat16", "float64", "auto"),
    "shard": ("nothing", "backbone"),
}

WITHOUT_EFFECT = frozenset(
    {"log_every", "save_every", "tensorboard", "threads", "device", "shard", "channels_last", "trust"}
)
"""Fields that may change between a run and its continuation: none decides what is computed, up to rounding."""


def write_run(path: Path, run: Run) -> None:
    """Write a run as TOML, with its loss spelled out in full."""
    resolved = {**asdict(run), "loss": str(run.objective), "milestones": list(run.milestones)}
    del resolved["trust"]  # a file cannot ask to be trusted
    write_text(path, tomli_w.dumps(resolved))


def read_run(path: Path, *, trust: bool = False) -> Run:
    """Read a run from TOML; fields left out have their defaults.

    Args:
        path: of the file.
        trust: whether code of one's own that the file names as its loss or backbone, "package.module:Name", may be
            imported. Without it such a name stays text, and what would have to import it raises TrustError.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not TOML, or a field is unknown, of the wrong kind or out of its range.
    """
    given = read_fields(path, Run)
    try:
        return Run(**given, trust=trust)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def loss_beside(other: Run, run: Run) -> str:
    """The loss of `other`, a run from a file, written as that of `run`; no code is imported but what `run` names."""
    familiar = set(import_paths(other.loss)) <= set(import_paths(run.loss))
    return str(parse_objective(other.loss, trust=run.trust)) if familiar else other.loss


def refuse_code(path: Path, given: Mapping[str, Any]) -> None:
    """Raise TrustError if fields of a run, from the file `path`, name code of one's own."""
    for name in ("loss", "backbone"):
        for code in import_paths(given[name]) if ":" in given.get(name, "") else ():
            raise TrustError(
                f"{path} names code as its {name}, {brief(code)}, which is not imported unless you trust it: read it, "
                "then add --trust (in Python trust=True)"
            )


def _with_underscores(path: Path, written: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a file as Python spells them: an option's learning-rate is learning_rate."""
    names = [name.replace("-", "_") for name in written]
    twice = [name for name in written if names.count(name.replace("-", "_")) > 1]
    if twice:
        raise ValueError(f"{path}: {' and '.join(twice)} are the same field: leave one of them out")
    return dict(zip(names, written.values(), strict=True))


def read_fields(path: Path, kind: type) -> dict[str, Any]:
    """The fields of a frozen dataclass that a TOML file gives, by name (learning_rate or learning-rate);
    they are checked, and nothing is imported.

    Raises:
        FileNotFoundError, ValueError: as `read_run`.
    """
    if fault := not_a_file(path):
        raise FileNotFoundError(f"{fault}: name a configuration in TOML, or leave --config out")
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number of too many digits, lists too deep
        raise ValueError(f"{path} is not TOML: {brief(str(error))}") from None
    known = {field.name: field for field in fields(kind) if field.name != "trust"}
    values: dict[str, Any] = {}
    for name, value in _with_underscores(path, written).items():
        if name not in known:
            raise ValueError(f"{path}: there is no field {brief(name)!r}{did_you_mean(name, known)}")
        default = known[name].default
        values[name] = _of_kind(value, default)
        if type(values[name]) is not type(default):
            article = "an" if type(default) is int else "a"
            expected = f"{article} {type(default).__name__} such as {default!r}"
            raise ValueError(f"{path}: {name} is {brief(repr(value))}, expected {expected}")
    return values


def _of_kind(value: Any, default: object) -> Any:
    """A value of TOML as the kind of `default`, where it can be taken for one."""
    if isinstance(default, float) and type(value) is int and abs(value) < 2**53:
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list):
        numbers = [float(entry) if type(entry) is int and abs(entry) < 2**53 else entry for entry in value]
        return tuple(numbers) if all(type(entry) is float for entry in numbers) else value
    return value
