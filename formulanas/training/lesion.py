"""What a trained network loses without one of its blocks, and through how many of them its gradient flows.

Both are experiments of Veit et al. (2016, 1605.06431), for any formula: a block is left out by setting to zero what
its residual functions return, wherever that is read; paths are told apart by what gradient these functions let pass.
For the latter every image goes through the network in copies, one for each length. The gradient starts in copy 0, and
each residual function moves it on by one copy, so that copy k ends with that of all paths through k functions.
"""

import math
import random
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from formulanas.analysis.effective_range import effective_range, predict_range
from formulanas.analysis.paths import PathAlgebra, Polynomial
from formulanas.architecture.planner import block_name
from formulanas.data.images import LabelledImages, split
from formulanas.data.training_set import read_training_set
from formulanas.errors import InputError
from formulanas.formula.program import lower
from formulanas.formula.unroll import unroll
from formulanas.network.network import Network
from formulanas.seeds import derive_seed
from formulanas.training.evaluate import evaluate
from formulanas.training.load import Retrained

NUM_IMAGES = 1_000  # of the training images, for the accuracies
NUM_GRADIENT_IMAGES = 32
NUM_PATH_COPIES = 3_000  # images that pass the network for the sampled paths of all lengths
BATCH_SIZE = 256


def residual_functions(network: Network) -> dict[str, list[nn.Module]]:
    """The residual functions of each block, from the first block to the last, by `stage1_block1`; gates are none."""
    stages = network.architecture.backbone.stages
    blocks: dict[int, list[nn.Module]] = {}
    for name, role in network.architecture.plan.roles.items():
        if role.kind == "transform":
            blocks.setdefault(role.block, []).append(network.get_submodule(name))
    return {block_name(stages, block): functions for block, functions in sorted(blocks.items())}


def lesions(network: Network, data: LabelledImages) -> dict[str, float]:
    """The share of `data` that is still classified rightly without the residual functions of a block, by block."""

    def remove(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return torch.zeros_like(output)

    accuracies = {}
    for block, functions in residual_functions(network).items():
        with ExitStack() as hooks:
            for function in functions:
                hooks.enter_context(function.register_forward_hook(remove))
            accuracies[block] = evaluate(network, data).top1
    return accuracies


def gradient_by_length(network: Network, images: Tensor, labels: Tensor, longest: int) -> list[float]:
    """The norm of the gradient that all paths of a length together bring to the stem's output, for 0 to `longest`.

    Exact for every formula whose paths pass at most `longest` residual functions. The loss is that of each of the
    images (N, C, H, W), normalised, with labels (N,); the norms are means over them. Evaluation mode is expected.
    """
    onwards = torch.ones(longest, device=images.device).diag(-1)
    transfers = {function: onwards for each in residual_functions(network).values() for function in each}
    norms: list[float] = _stem_gradients(network, images, labels, transfers).mean(0).tolist()
    return norms


def gradient_by_blocks(network: Network, images: Tensor, labels: Tensor, num_samples: int, seed: int) -> list[float]:
    """The mean norm of the gradient through the residual functions of k blocks drawn at random, and of no others.

    For k from 0 to all blocks; each of `num_samples` draws takes one of the images (N, C, H, W) with its label.
    """
    blocks = list(residual_functions(network).values())
    chance = random.Random(seed)
    means = []
    for length in range(len(blocks) + 1):
        norms = []
        for _ in range(num_samples):
            chosen = chance.sample(range(len(blocks)), length)
            transfers = {}
            for block, functions in enumerate(blocks):
                matrix = torch.zeros(length + 1, length + 1, device=images.device)
                if block in chosen:  # open to what has passed all chosen blocks after it, or this one already
                    passed = sum(each >= block for each in chosen)
                    matrix[passed, passed - 1 : passed + 1] = 1
                transfers.update(dict.fromkeys(functions, matrix))
            one = [chance.randrange(len(images))]
            norms.append(float(_stem_gradients(network, images[one], labels[one], transfers)[0, length]))
        means.append(math.fsum(norms) / num_samples)
    return means


def gradient_factor(network: Network, images: Tensor, labels: Tensor) -> float:
    """The mean factor by which the gradient's norm changes from the output of a residual function to its input."""
    functions = [function for each in residual_functions(network).values() for function in each]
    at_output: dict[nn.Module, list[float]] = {function: [] for function in functions}
    at_input: dict[nn.Module, list[float]] = {function: [] for function in functions}

    def keep(norms: list[float], gradient: Tensor) -> None:
        norms.append(float(gradient.flatten(1).norm(dim=1).mean()))

    def after(function: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        _on_gradient(output, lambda gradient: keep(at_output[function], gradient))

    def before(function: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        own = inputs[0].view_as(inputs[0])  # the gradient of this reader alone
        _on_gradient(own, lambda gradient: keep(at_input[function], gradient))
        return own

    with ExitStack() as hooks:
        for function in functions:
            hooks.enter_context(function.register_forward_hook(after))
            hooks.enter_context(function.register_forward_pre_hook(before))
        _stem_gradients(network, images, labels, {})
    pairs = [pair for each in functions for pair in zip(at_input[each], at_output[each], strict=True)]
    factors = [behind / ahead for behind, ahead in pairs if ahead > 0]
    return math.fsum(factors) / len(factors)


def _stem_gradients(network: Network, images: Tensor, labels: Tensor, transfers: Mapping[nn.Module, Tensor]) -> Tensor:
    """The norms (N, K) of the gradient at the stem's output, in each of the K copies of an image.

    `transfers` maps modules to matrices (K, K): of the gradient that reaches copy i of the module's output, the share
    [j, i] goes on into copy j.
    """
    copies = len(next(iter(transfers.values()))) if transfers else 1
    stem: list[Tensor] = []

    def transfer(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        def move(gradient: Tensor) -> Tensor:
            by_copy = gradient.reshape(-1, copies, *gradient.shape[1:])
            return torch.einsum("ji,ni...->nj...", transfers[module], by_copy).flatten(0, 1)

        _on_gradient(output, move)

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        stem.append(output)

    norms = []
    with ExitStack() as hooks, torch.enable_grad():
        hooks.enter_context(network.get_submodule("stem").register_forward_hook(keep))
        for module in transfers:
            hooks.enter_context(module.register_forward_hook(transfer))
        size = max(1, BATCH_SIZE // copies)
        for begin in range(0, len(images), size):
            logits = network(images[begin : begin + size].repeat_interleave(copies, 0))
            loss = functional.cross_entropy(logits[::copies], labels[begin : begin + size], reduction="sum")
            (gradient,) = torch.autograd.grad(loss, stem.pop())
            norms.append(gradient.flatten(1).norm(dim=1).view(-1, copies))
    return torch.cat(norms)


def _on_gradient(tensor: Tensor, function: Callable[[Tensor], Tensor | None]) -> None:
    """Lets `function` see, or replace, the gradient of `tensor` once all that read it have added theirs."""
    tensor.register_hook(function)


def measure(model: Retrained, seed: int = 0) -> dict[str, Any]:
    """Both experiments on a share of the model's training images, beside the prediction from its path counts.

    `shares` of the gradient by path length are `predicted` (count times weight to the length), `measured` (all paths
    of a length together) and `sampled` (one choice of blocks, times the number of choices, as Veit et al. have it).
    Raises InputError for formulas whose paths have no counts.
    """
    network, device = model.network, next(model.network.parameters()).device
    start: Polynomial = [1]
    architecture = network.architecture
    lengths = unroll(lower(architecture.recursion), architecture.backbone.stages, PathAlgebra(signed=True), start)
    data = read_training_set(model.dataset, model.data_dir)
    _, data = split(data, min(1.0, NUM_IMAGES / len(data)), derive_seed(seed, "images"))
    data = data.to(device)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(derive_seed(seed, "gradients")))
    few = order[:NUM_GRADIENT_IMAGES].to(device)
    images, labels = data.normalise(data.images[few]), data.labels[few]
    num_blocks = len(residual_functions(network))
    if not num_blocks:
        raise InputError(f"{architecture.recursion.text} has no residual functions to remove or to pass")
    num_samples = max(1, 2 * NUM_PATH_COPIES // (num_blocks + 1) ** 2)
    weight = gradient_factor(network, images, labels)
    by_length = gradient_by_length(network, images, labels, len(lengths) - 1)
    by_blocks = gradient_by_blocks(network, images, labels, num_samples, derive_seed(seed, "paths"))
    ranges = {
        "predicted": predict_range(lengths, weight),
        "measured": effective_range(by_length),
        "sampled": effective_range([math.comb(num_blocks, k) * norm for k, norm in enumerate(by_blocks)]),
    }
    return {
        "images": len(data),
        "accuracy": evaluate(network, data).top1,
        "lesions": [{"block": block, "accuracy": each} for block, each in lesions(network, data).items()],
        "gradient_images": len(few),
        "weight": weight,
        "lengths": lengths,
        "gradient_by_length": by_length,
        "sampled_paths": num_samples,
        "gradient_by_blocks": by_blocks,
        "shares": {name: each.shares for name, each in ranges.items()},
        "effective_range": {name: [each.shortest, each.longest] for name, each in ranges.items()},
    }
