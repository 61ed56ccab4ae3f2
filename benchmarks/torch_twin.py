"""vjax's model, loss and optimiser in PyTorch, for comparison in benchmarks/train_step.py.

Written as a PyTorch user would: `nn.Module`s, fused AdamW, channels_last. Numerically vjax's: `load` takes a
`TrainState`'s parameters, and `train_step.py --check` compares losses and gradients. One difference does not affect
training steps: running variances here are those of a sample, in Flax those of the batch.
"""

import math
from typing import Any

import numpy as np

from vjax.training.losses import LossConfig, LossMasks
from vjax.training.modulation import ACTIVE_AMOUNT, MARGIN_SHARPNESS, MARGIN_WEIGHT, ROUTE_THRESHOLD
from vjax.training.state import OptimizerConfig

try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ModuleNotFoundError as error:
    raise SystemExit('this benchmark compares with PyTorch; install it by: pip install -e ".[bench]"') from error


class Block(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.conv_1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.norm_1 = nn.BatchNorm2d(n_out)
        self.conv_2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.norm_2 = nn.BatchNorm2d(n_out)
        self.shortcut_conv = nn.Conv2d(n_in, n_out, 1, stride, bias=False) if n_in != n_out else None
        self.shortcut_norm = nn.BatchNorm2d(n_out) if n_in != n_out else None

    def forward(self, x):
        y = F.relu(self.norm_1(self.conv_1(x)), inplace=True)
        y = self.norm_2(self.conv_2(y))
        if self.shortcut_conv is not None:
            x = self.shortcut_norm(self.shortcut_conv(x))
        return F.relu(x + y, inplace=True)


class Backbone(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.stem_conv = nn.Conv2d(1, width, 7, 2, 3, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        n_in = width
        for stage in range(4):
            for i in range(2):
                n_out = width * 2**stage
                self.add_module(f"stage_{stage + 1}_block_{i + 1}", Block(n_in, n_out, 2 if stage and not i else 1))
                n_in = n_out

    def forward(self, mel):
        stem_conv, stem_norm, *blocks = self.children()
        x = F.max_pool2d(F.relu(stem_norm(stem_conv(mel)), inplace=True), 3, 2, 1)
        for block in blocks:
            x = block(x)
        return x.float().mean((2, 3))


class ContinuousHead(nn.Module):
    def __init__(self, n_features: int, n: int, dropout: float):
        super().__init__()
        self.Dense_0, self.Dense_1 = nn.Linear(n_features, n_features), nn.Linear(n_features, n_features)
        self.Dense_2 = nn.Linear(n_features, n)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        for layer in (self.Dense_0, self.Dense_1):
            x = self.dropout(F.relu(layer(x)))
        return torch.sigmoid(self.Dense_2(x))


class CategoricalHead(nn.Module):
    def __init__(self, n_features: int, n_logits: int):
        super().__init__()
        self.Dense_0 = nn.Linear(n_features, n_logits)

    def forward(self, x):
        return self.Dense_0(x)


class ModulationHead(nn.Module):
    def __init__(self, n_features: int, n_sources: int, n_destinations: int, size: int):
        super().__init__()
        self.size = size
        self.source = nn.Linear(n_features, n_sources * size)
        self.destination = nn.Linear(n_features, n_destinations * size)
        self.bilinear = nn.Parameter(torch.randn(4, size, size) * 0.1 / size)

    def forward(self, x):
        source = self.source(x).unflatten(1, (-1, self.size))
        destination = self.destination(x).unflatten(1, (-1, self.size))
        projected = torch.einsum("bse,cef->bcsf", source, self.bilinear)
        return torch.einsum("bcsf,bdf->bcsd", projected, destination)


class Twin(nn.Module):
    """`vjax.model.inverse.InverseModel` of a `ModelConfig` with a modulation head."""

    def __init__(self, config):
        super().__init__()
        n_features = 8 * config.width
        self.backbone = Backbone(config.width)
        self.continuous_head = ContinuousHead(n_features, config.n_continuous, config.dropout)
        self.categorical_head = CategoricalHead(n_features, sum(config.option_counts))
        self.modulation_head = ModulationHead(n_features, config.n_sources, config.n_destinations, config.mod_embed_dim)

    def forward(self, mel):
        features = self.backbone(mel)
        with torch.autocast(mel.device.type, enabled=False):  # the heads compute in float32, as vjax's do
            return self.continuous_head(features), self.categorical_head(features), self.modulation_head(features)


def load(twin: Twin, params: Any) -> None:
    """Flax parameters (arrays, nested by name) into the twin's of the same names."""
    parameters = dict(twin.named_parameters())
    for name, value in _flat(params):
        kind = {"kernel": "weight", "scale": "weight"}.get(name[-1], name[-1])
        value = value.transpose(*([3, 2, 0, 1] if value.ndim == 4 else [1, 0])) if name[-1] == "kernel" else value
        with torch.no_grad():
            parameters.pop(".".join((*name[:-1], kind))).copy_(torch.tensor(np.ascontiguousarray(value)))
    assert not parameters, f"the checkpoint lacks {sorted(parameters)}"


def _flat(tree: Any, path: tuple[str, ...] = ()):
    for name, node in tree.items():
        if hasattr(node, "items"):
            yield from _flat(node, (*path, name))
        else:
            yield (*path, name), np.asarray(node)


class Loss:
    """`vjax.training.losses.total_loss` after its warm-up, with the margin presence, of a whole batch."""

    def __init__(
        self, config: LossConfig, masks: LossMasks, option_counts, n_sources: int, n_destinations: int, device
    ):
        assert config.presence == "margin", "the twin supports only the margin presence"
        assert not config.gate_menus, "the twin does not gate menus"
        assert not config.gate_sources, "the twin does not gate sources"
        self.config, self.cells = config, (n_sources, n_destinations)

        def tensor(array):
            return torch.tensor(np.asarray(array), device=device)

        # Each knob's switch, and whether it needs one: whether option 0, off, is missing among those that it passes.
        gate, passes = (table[0, : len(masks.continuous_weight)].astype(np.int64) for table in masks.rules.modules)
        self.knob_weight, self.menu_weight = tensor(masks.continuous_weight), tensor(masks.categorical_weight)
        self.gate, self.gated = tensor(gate), tensor(passes % 2 == 0)
        counts = np.asarray(option_counts)
        offsets = np.cumsum(counts) - counts
        # Menus of as many options together, as vjax does it: 15 cross-entropies rather than 140.
        groups = [np.flatnonzero(counts == n) for n in np.unique(counts)]
        self.groups = [
            (tensor(menus), tensor(offsets[menus][:, None] + np.arange(counts[menus[0]]))) for menus in groups
        ]

    def __call__(self, prediction, batch: dict[str, Any]):
        continuous, logits, modulation = prediction
        config, menus = self.config, batch["categorical"]
        is_on = ~self.gated | (menus[:, self.gate] > 0)
        weight = is_on * self.knob_weight
        total = config.continuous_weight * (weight * (continuous - batch["continuous"]) ** 2).sum() / weight.sum()
        entropy = 0.0
        for positions, columns in self.groups:
            z, chosen = logits[:, columns], menus[:, positions]
            cost = F.cross_entropy(
                z.flatten(0, 1), chosen.flatten(), label_smoothing=config.label_smoothing, reduction="none"
            )
            entropy = entropy + (cost.view_as(chosen) * self.menu_weight[positions]).sum()
        total = total + config.categorical_weight * entropy / (self.menu_weight.sum() * len(menus))
        return total + config.modulation_weight * self._modulation(modulation, batch)

    def _modulation(self, predicted, batch):
        n_cells = math.prod(self.cells)
        matrix = torch.zeros(len(predicted), 4, n_cells + 1, device=predicted.device)  # the last cell takes empty slots
        index = torch.where(batch["index"] < 0, n_cells, batch["index"])[:, None].expand(-1, 4, -1)
        target = matrix.scatter(2, index, batch["value"].transpose(1, 2))[..., :n_cells].unflatten(2, self.cells)
        active = target[:, 0].abs() > ACTIVE_AMOUNT
        n_active = active.sum().clamp(min=1)
        z = MARGIN_SHARPNESS * (predicted[:, 0].abs() - ROUTE_THRESHOLD)
        at_rest = math.log1p(math.exp(-MARGIN_SHARPNESS * ROUTE_THRESHOLD))
        cost = F.softplus(torch.where(active, -z, z), threshold=1e6)
        cost = torch.where(active, self.config.modulation_pos_weight * cost, cost - at_rest)
        error = (predicted[:, [0, 2]] - target[:, [0, 2]]) ** 2
        flags = F.softplus(predicted[:, [1, 3]]) - target[:, [1, 3]] * predicted[:, [1, 3]]
        rest = torch.where(active[:, None], error + flags, 0.0).sum()
        return (MARGIN_WEIGHT * cost.sum() + rest) / n_active


def torch_batch(batch: Any, device) -> dict[str, Any]:
    """A `vjax.data.stream.Batch` with sparse routes as tensors on a device."""

    def tensor(array, dtype=torch.int64):
        return torch.as_tensor(np.asarray(array)).to(device, dtype)

    return {
        "mel": tensor(batch.mel, torch.float32).contiguous(memory_format=torch.channels_last),
        "continuous": tensor(batch.continuous, torch.float32),
        "categorical": tensor(batch.categorical),
        "index": tensor(batch.modulation.index),
        "value": tensor(batch.modulation.value, torch.float32),
    }


def make_step(twin: Twin, loss: Loss, config: OptimizerConfig, total_steps: int, bfloat16=False, compiled=False):
    """A function of a batch (see `torch_batch`) that trains the twin and returns (loss, gradient norm) tensors."""
    groups = [[p for p in twin.parameters() if (p.ndim > 1) == decays] for decays in (True, False)]
    optimizer = torch.optim.AdamW(
        [{"params": groups[0], "weight_decay": config.weight_decay}, {"params": groups[1], "weight_decay": 0.0}],
        lr=config.learning_rate,
        fused=True,
    )
    warmup = round(config.warmup_share * total_steps)

    def share(step: int) -> float:
        """vjax's schedule: a linear warm-up from 0, then a cosine to 0."""
        if step < warmup:
            return step / warmup
        return 0.5 * (1 + math.cos(math.pi * min((step - warmup) / (total_steps - warmup), 1)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    device = next(twin.parameters()).device.type

    def forward(batch):
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            prediction = twin(batch["mel"])
        return loss(prediction, batch)

    forward = torch.compile(forward) if compiled else forward

    def step(batch):
        optimizer.zero_grad(set_to_none=True)
        value = forward(batch)
        value.backward()
        norm = nn.utils.clip_grad_norm_(twin.parameters(), config.clip_norm)
        optimizer.step()
        schedule.step()
        return value.detach(), norm

    return step
