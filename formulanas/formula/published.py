"""Published recursion formulas by name: the text as its paper prints it, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from formulanas.errors import InputError, unknown_name
from formulanas.formula.bind import Value, bind
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.parse import parse


@dataclass(frozen=True)
class Published:
    """A published formula; `values` binds the symbols that its paper leaves to the reader."""

    text: str
    title: str
    year: int
    source: str
    note: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)


PUBLISHED: dict[str, Published] = {
    "plain": Published(
        "x[n] = relu(F[n](x[n-1]))",
        "Plain convolutional network",
        1998,
        "LeCun et al. 1998; the baseline of 1512.03385",
    ),
    "highway": Published(
        "x[n] = T[n](x[n-1]) * F[n](x[n-1]) + (1 - T[n](x[n-1])) * x[n-1]",
        "Highway network",
        2015,
        "Srivastava et al., 1505.00387",
        "T is a gate: a convolution into a sigmoid that starts near closed",
    ),
    "resnet": Published(
        "x[n] = relu(x[n-1] + F[n](x[n-1]))",
        "Residual network",
        2015,
        "He et al., 1512.03385",
    ),
    "preact-resnet": Published(
        "x[n] = x[n-1] + F[n](x[n-1]); F = preactivation",
        "Pre-activation residual network",
        2016,
        "He et al., 1603.05027",
    ),
    "multi-residual": Published(
        "x[n] = x[n-1] + sum(F[n, j](x[n-1]), (j, 1, k))",
        "Multi-residual network",
        2016,
        "Abdi and Nahavandi, 1609.05672, eq. (3)",
        "k residual functions a block; the paper has pre-activation blocks",
        {"k": 2},
    ),
    "poly-2": Published(
        "x[n] = relu(x[n-1] + F[n](x[n-1]) + F[n](F[n](x[n-1])))",
        "PolyNet, poly-2",
        2016,
        "Zhang et al., 1611.05725",
        "the weights of F[n] serve both applications, which read the block's own shape",
    ),
    "accumulated": Published(
        "x[n] = relu(F[n](x[n-1]) + sum(bn(x[n-i]), (i, 1, n))); shape = reset",
        "Accumulated residual network",
        2018,
        "arXiv 2018",
        "the sum over normalised block inputs begins anew at each change of shape",
    ),
    "momentum": Published(
        "v[n] = g * v[n-1] + (1 - g) * F[n](x[n-1]); x[n] = x[n-1] + v[n]",
        "Momentum residual network",
        2021,
        "Sander et al., 2102.07870",
        values={"g": "0.9"},
    ),
    "resnet-s": Published(
        "x[n] = relu(x[n-1] + F[n](x[n-1])) - F[n-1](x[n-2])",
        "ResNet-s",
        2021,
        "Liao et al., 2108.08689, eq. (20)",
        "one propagation path per length",
    ),
    "anchored": Published(
        "x[n] = relu(x[0] + F[n](x[n-1]))",
        "The telescoped twin of ResNet-s",
        2021,
        "Liao et al., 2108.08689, eq. (21)",
        "equal to eq. (20) where nothing is nonlinear; the paper reports slower convergence",
    ),
    "resnet-s-listing": Published(
        "s[n] = x[n-1] + F[n](x[n-1]); x[n] = relu(s[n]) - s[n-1]",
        "The printed listing of ResNet-s",
        2021,
        "Liao et al., 2108.08689, appendix A.5",
        "the listing adds in place into what it keeps, and so subtracts the whole sum instead of F",
    ),
}


def published(name: str) -> Published:
    """The published formula `name`."""
    if name not in PUBLISHED:
        raise InputError(unknown_name("published formula", name, PUBLISHED))
    return PUBLISHED[name]


def bind_formula(target: str, values: Mapping[str, Value] | None = None) -> BoundRecursion:
    """The bound recursion of a formula's text, or of a published formula's name."""
    if "=" in target:
        return bind(parse(target), values)
    entry = published(target)
    return bind(parse(entry.text), {**entry.values, **(values or {})})


def published_names() -> dict[str, str]:
    """The names of the published formulas by the key of their bound recursion."""
    return {bind_formula(name).key: name for name in PUBLISHED}
