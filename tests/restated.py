"""Published recursions as loops over numbers, restated from the code or paper that the table of test_sources names.

Each takes the stem's output, the number of blocks, and its residual functions; a gate comes last.
"""

import math
from collections.abc import Callable

DRAW = 0.3  # what a random coefficient between 0 and 1 is
Channels = tuple[float, ...]
Function = Callable[..., float]  # f(n, u) or f(n, u, v): a transform of block n, of joined channels where there are two


def learned(start: float) -> float:
    """A learned coefficient after some training."""
    return start + 0.25


def relu(value: float) -> float:
    return max(value, 0)


def ln(value: float) -> float:
    return value / (1 + abs(value))


def bn(value: float) -> float:
    return value / (2 + abs(value))


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def nanogpt_skips(x: float, blocks: int, f: Function) -> float:
    stem = x
    skips: list[float] = []
    for n in range(1, blocks + 1):
        if n > blocks // 2:
            x = x + learned(1) * skips.pop()
        x = learned(1) * x + learned(0) * stem
        x = x + f(n, ln(x))
        if n <= blocks // 2:
            skips.append(x)
    return x


def dlcl(x: float, blocks: int, f: Function) -> float:
    history = [x]
    for n in range(1, blocks + 1):
        history.append(ln(x + f(n, ln(x))))
        x = sum(learned(1) * each for each in history) / len(history)
    return x


def dca(x: float, blocks: int, f: Function) -> float:
    values = [x]
    for n in range(1, blocks + 1):
        values.append(f(n, x))
        x = sum(learned(1) * each for each in values)
    return x


def leapfrog(x: float, blocks: int, f: Function) -> float:
    old = 0.0
    for n in range(1, blocks + 1):
        x, old = 2 * x - old + f(n, x), x
    return x


def revcol(x: float, blocks: int, f: Function) -> float:
    one, two, three = x, 0.0, 0.0
    for n in range(1, blocks + 1):
        one, two, three = f(n, one, two) + learned(0.5) * three, one, two
    return one


def merge_and_run(x: float, blocks: int, f: Function, g: Function) -> float:
    u = v = x
    for n in range(1, blocks + 1):
        middle = (u + v) / 2
        u, v = relu(middle + f(n, u)), relu(middle + g(n, v))
    return u + v


def shake_shake(x: float, blocks: int, f: Function, g: Function) -> float:
    for n in range(1, blocks + 1):
        x = x + DRAW * f(n, relu(x)) + (1 - DRAW) * g(n, relu(x))
    return x


def gtrxl(x: float, blocks: int, f: Function, *maps: Function) -> float:
    w_r, u_r, w_z, u_z, w_g, u_g = maps
    for n in range(1, blocks + 1):
        y = relu(f(n, ln(x)))
        r = sigmoid(w_r(n, y) + u_r(n, x))
        z = sigmoid(w_z(n, y) + u_z(n, x) - learned(2))
        h = math.tanh(w_g(n, y) + u_g(n, r * x))
        x = (1 - z) * x + z * h
    return x


def skipnet(x: float, blocks: int, f: Function, gate: Function) -> float:
    for n in range(1, blocks + 1):
        open_ = gate(n, x)
        x = open_ * relu(x + f(n, x)) + (1 - open_) * x
    return x


def hyper_connections(x: float, blocks: int, f: Function) -> float:
    streams = [x, x]
    for layer in range(blocks):
        h = sum(learned(stream == layer % 2) * each for stream, each in enumerate(streams))
        y = f(layer + 1, ln(h))
        u, v = streams
        streams = [learned(1) * y + learned(1) * u + learned(0) * v, learned(1) * y + learned(0) * u + learned(1) * v]
    return sum(streams)


def mhc(x: float, blocks: int, f: Function) -> float:
    u = v = x
    stay = learned(0.9)
    mixing = (stay, 1 - stay), (1 - stay, stay)
    for n in range(1, blocks + 1):
        y = 2 * f(n, ln(learned(0.5) * u + learned(0.5) * v))
        first, second = (learned(0.5) * y + row[0] * u + row[1] * v for row in mixing)
        u, v = first, second
    return u + v


def nfnet(x: float, blocks: int, f: Function) -> float:
    variance = 1.0
    for n in range(1, blocks + 1):
        x = x + 0.2 * learned(0) * f(n, x / math.sqrt(variance))
        variance += 0.2**2
    return x


def efficientnet(x: float, blocks: int, f: Function) -> float:
    for index in range(blocks):
        x = x + (1 - 0.2 * index / blocks) * f(index + 1, x)
    return x


def stochastic_depth(x: float, blocks: int, f: Function) -> float:
    for n in range(1, blocks + 1):
        x = relu(x + (1 - n / blocks * (1 - 0.5)) * f(n, x))
    return x


def admin(x: float, blocks: int, f: Function) -> float:
    ratio = 1.0
    for n in range(1, blocks + 1):
        x = ln(ratio * learned(1) * x + f(n, x))
        ratio = math.sqrt(ratio**2 + 1)  # the variances of what is added, both normed ones: 1
    return x


def deepnorm(x: float, blocks: int, f: Function) -> float:
    layers = blocks // 2
    for layer in range(layers):
        for sublayer in (1, 2):
            x = ln((2 * layers) ** 0.25 * x + f(2 * layer + sublayer, x))
    return x


def residual(x: float, blocks: int, f: Function) -> float:
    u = v = x
    for n in range(1, blocks + 1):
        out = f(n, u)
        u, v = ln(u + out), v + out
    return u + ln(v)


def weighted_residual(x: float, blocks: int, f: Function) -> float:
    for n in range(1, blocks + 1):
        x = x + learned(0) * relu(f(n, x))
    return x


def rezero(x: float, blocks: int, f: Function) -> float:
    for n in range(1, blocks + 1):
        x = x + learned(0) * f(n, x)
    return x


def fixup(x: float, blocks: int, f: Function) -> float:
    for n in range(1, blocks + 1):
        x = relu(x + learned(1) * f(n, x + learned(0)) + learned(0))
    return x


def pyramidnet(x: float, blocks: int, f: Function) -> float:
    for n in range(1, blocks + 1):
        x = x + f(n, bn(x))
    return x


def shakedrop(x: float, blocks: int, f: Function) -> float:
    alpha, kept = -1 + 2 * DRAW, DRAW
    for n in range(1, blocks + 1):
        x = x + (kept + alpha - kept * alpha) * f(n, bn(x))
    return x


def poly(order: int) -> Callable[..., float]:
    def network(x: float, blocks: int, f: Function) -> float:
        for n in range(1, blocks + 1):
            y, total = x, x
            for _ in range(order):
                y = f(n, y)
                total += y
                y = relu(y)
            x = relu(total)
        return x

    return network


def mpoly_2(x: float, blocks: int, f: Function, g: Function) -> float:
    for n in range(1, blocks + 1):
        first = f(n, x)
        x = relu(x + first + g(n, relu(first)))
    return x


def two_way(x: float, blocks: int, f: Function, g: Function) -> float:
    for n in range(1, blocks + 1):
        x = relu(x + f(n, x) + g(n, x))
    return x


def fractalnet(x: float, blocks: int, f: Function, g: Function, h: Function) -> float:
    for n in range(1, blocks + 1):
        x = (relu(f(n, x)) + relu(h(n, relu(g(n, x))))) / 2
    return x


def lm_resnet(x: float, blocks: int, f: Function) -> float:
    old = x  # so that the first block is x + F, as in the code
    for n in range(1, blocks + 1):
        x, old = (1 - learned(-0.05)) * x + learned(-0.05) * old + f(n, x), x
    return x


def denseformer(x: float, blocks: int, f: Function) -> float:
    outputs = [x]
    for n in range(1, blocks + 1):
        outputs.append(x + f(n, x))
        x = learned(1) * outputs[-1] + sum(learned(0) * each for each in outputs[:-1])
    return x


def momentum(x: float, blocks: int, f: Function) -> float:
    velocity = 0.0
    for n in range(1, blocks + 1):
        velocity = 0.9 * velocity + (1 - 0.9) * f(n, x)
        x = x + velocity
    return x


def hamiltonian(x: float, blocks: int, f: Function, g: Function) -> Channels:
    y = z = x
    for n in range(1, blocks + 1):
        z = z - f(n, y)
        y = y + g(n, z)
    return y, z


def revnet(x: float, blocks: int, f: Function, g: Function) -> Channels:
    u = v = x
    for n in range(1, blocks + 1):
        u = u + f(n, v)
        v = v + g(n, u)
    return u, v


def hardnet(x: float, blocks: int, f: Function) -> float:
    layers = [x]
    for layer in range(1, blocks + 1):
        links = [layer - 2**i for i in range(10) if layer % 2**i == 0]
        layers.append(relu(f(layer, *(layers[each] for each in links))))
    return layers[-1]


def sparsenet(x: float, blocks: int, f: Function) -> float:
    saved = [x]
    for n in range(1, blocks + 1):
        fetched, back = 0.0, 1
        while back <= len(saved):
            fetched += saved[-back]
            back *= 2
        saved.append(f(n, fetched))
    return saved[-1]


def runge_kutta(nodes: tuple[float, ...], weights: tuple[float, ...]) -> Callable[..., float]:
    """An explicit method whose slopes each read the one before, by its Butcher coefficients."""

    def network(x: float, blocks: int, f: Function) -> float:
        for n in range(1, blocks + 1):
            slopes: list[float] = []
            for node in nodes:
                slopes.append(f(n, x + node * slopes[-1] if slopes else x))
            x = x + sum(weight * slope for weight, slope in zip(weights, slopes, strict=True))
        return x

    return network
