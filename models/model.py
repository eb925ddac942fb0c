"""A language model of the llama architecture in PyTorch.

It has RMSNorm, RoPE on interleaved pairs (as llama.cpp has it), SwiGLU and tied embeddings.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Config:
    dim: int
    layers: int
    heads: int
    hidden: int
    vocab: int = 1024
    context: int = 1024
    rope_base: float = 10000.0
    norm_eps: float = 1e-5


CONFIGS = {
    "draft": Config(dim=96, layers=2, heads=3, hidden=256),
    "target": Config(dim=160, layers=6, heads=5, hidden=448),
    "prose-draft": Config(dim=96, layers=2, heads=3, hidden=256),
    "prose-target": Config(dim=128, layers=5, heads=4, hidden=352),
}
# The steps at whose end a cycle's weights are averaged to the published ones.
PUBLISHED = {"draft": (800,), "target": (1850, 2100), "prose-draft": (110,), "prose-target": (600,)}


def rope_tables(config):
    half = config.dim // config.heads // 2
    frequency = config.rope_base ** (-torch.arange(half) / half)
    angle = torch.arange(config.context)[:, None] * frequency[None, :]
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """x: batch, heads, time, head size; pairs (0, 1), (2, 3), ..."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads = config.heads
        self.attn_norm = nn.RMSNorm(config.dim, eps=config.norm_eps)
        self.qkv = nn.Linear(config.dim, 3 * config.dim, bias=False)
        self.out = nn.Linear(config.dim, config.dim, bias=False)
        self.ffn_norm = nn.RMSNorm(config.dim, eps=config.norm_eps)
        self.gate_up = nn.Linear(config.dim, 2 * config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.dim, bias=False)

    def forward(self, x, cos, sin, mask):
        batch, time, dim = x.shape
        q, k, v = self.qkv(self.attn_norm(x)).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, attn_mask=mask)
        x = x + self.out(a.transpose(1, 2).reshape(batch, time, dim))
        gate, up = self.gate_up(self.ffn_norm(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Llama(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab, config.dim)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.dim, eps=config.norm_eps)
        cos, sin = rope_tables(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                scale = 0.5 / config.dim**0.5
                if name.endswith(("out.weight", "down.weight")):
                    scale /= (2 * config.layers) ** 0.5
                nn.init.normal_(parameter, std=scale)

    def hidden(self, tokens, document):
        """Final states; a position sees the earlier ones of its own document."""
        time = tokens.shape[1]
        mask = (document[:, :, None] == document[:, None, :]) & torch.ones(time, time, dtype=torch.bool).tril()
        x = self.embed(tokens)
        mask = torch.zeros(mask.shape, dtype=x.dtype).masked_fill(~mask, -1e4)[:, None]
        cos, sin = self.cos[:time].to(x.dtype), self.sin[:time].to(x.dtype)
        for block in self.blocks:
            x = block(x, cos, sin, mask)
        return self.norm(x)

    def forward(self, tokens, document):
        return F.linear(self.hidden(tokens, document), self.embed.weight)

    def loss(self, tokens, document, learned, hidden=None):
        """Mean cross-entropy over the learned tokens, each predicted from the position before it.

        `hidden` may be a compiled form of `self.hidden`.
        """
        states = (hidden or self.hidden)(tokens, document)[:, :-1]
        wanted = learned[:, 1:]
        logits = F.linear(states[wanted], self.embed.weight)
        return F.cross_entropy(logits.float(), tokens[:, 1:][wanted])

    def size(self):
        return sum(p.numel() for p in self.parameters())


def published(name):
    """The trained model, from the weights that train.py leaves in build/."""
    folder = Path(__file__).parent / "build"
    states = [torch.load(folder / f"{name}-{step}.pt", weights_only=True) for step in PUBLISHED[name]]
    model = Llama(CONFIGS[name])
    model.load_state_dict({key: sum(state[key] for state in states) / len(states) for key in states[0]})
    return model
