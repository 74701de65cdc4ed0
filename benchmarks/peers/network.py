"""The network of training/model in PyTorch, from the same weights: what the peers run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

Weights = Mapping[str, Any]


class Block(nn.Module):
    """Attention, add, norm; feed-forward, add, norm. `first_only` computes the first token only."""

    def __init__(self, weights: Weights, name: str, heads: int, epsilon: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (
            dense(weights, f"{name}/attention/{part}")
            for part in ("query", "key", "value", "output")
        )
        self.attention_norm = layer_norm(weights, f"{name}/attention_norm", epsilon)
        self.expand, self.contract = (
            dense(weights, f"{name}/{part}") for part in ("expand", "contract")
        )
        self.output_norm = layer_norm(weights, f"{name}/output_norm", epsilon)

    def forward(self, x: torch.Tensor, first_only: bool) -> torch.Tensor:
        queries = x[:, :1] if first_only else x
        query, key, value = (
            projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projected in (self.query(queries), self.key(x), self.value(x))
        )
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = self.attention_norm(queries + self.output(attended))
        fed: torch.Tensor = self.contract(F.gelu(self.expand(x)))
        normed: torch.Tensor = self.output_norm(x + fed)
        return normed


class Network(nn.Module):
    """Token ids [1, n] to the logit [1, 1], without padding."""

    def __init__(self, weights: Weights, heads: int, epsilon: float) -> None:
        super().__init__()
        prefix = "backbone/embeddings"
        self.token, self.position = (
            nn.Embedding.from_pretrained(tensor(weights[f"{prefix}/{part}/embeddings"]))
            for part in ("token", "position")
        )
        self.norm = layer_norm(weights, f"{prefix}/norm", epsilon)
        layers = sum(name.endswith("/attention/query/kernel") for name in weights)
        self.blocks = nn.ModuleList(
            Block(weights, f"backbone/block_{n}", heads, epsilon) for n in range(layers)
        )
        hidden = sum(name.startswith("head_") and name.endswith("/kernel") for name in weights)
        self.head = nn.ModuleList(dense(weights, f"head_{n}") for n in range(hidden))
        self.logit = dense(weights, "logit")

    def forward(self, token_ids: torch.Tensor) -> torch.Tensor:
        positions = torch.arange(token_ids.shape[1])
        x = self.norm(self.token(token_ids) + self.position(positions))
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, first_only=number == len(self.blocks))
        x = x[:, 0]
        for layer in self.head:
            x = F.relu(layer(x))
        logit: torch.Tensor = self.logit(x)
        return logit


def dense(weights: Weights, name: str) -> nn.Linear:
    kernel, bias = tensor(weights[f"{name}/kernel"]), tensor(weights[f"{name}/bias"])
    layer = nn.Linear(*kernel.shape)
    with torch.no_grad():
        layer.weight.copy_(kernel.T)
        layer.bias.copy_(bias)
    return layer


def layer_norm(weights: Weights, name: str, epsilon: float) -> nn.LayerNorm:
    gamma, beta = tensor(weights[f"{name}/gamma"]), tensor(weights[f"{name}/beta"])
    layer = nn.LayerNorm(gamma.shape[0], eps=epsilon)
    with torch.no_grad():
        layer.weight.copy_(gamma)
        layer.bias.copy_(beta)
    return layer


def tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))
