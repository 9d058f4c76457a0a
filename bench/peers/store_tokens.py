"""Reads the tokens of a clipsteer activation store (docs/protocol.md), for trainers written in Python.

They are split as `clipsteer train --store` splits them: every tenth image is held out, the tokens of all others are
trained on, in a fresh shuffle each epoch.
"""

import json
import pathlib

import numpy as np
import torch


def _rows(shard, width, dtype):
    if dtype == "fp32":
        return torch.from_numpy(np.fromfile(shard, dtype="<f4").reshape(-1, width))
    if dtype == "bf16":
        return torch.from_numpy(np.fromfile(shard, dtype="<i2").reshape(-1, width)).view(torch.bfloat16)
    scaled = np.fromfile(shard, dtype=np.dtype([("scale", "<f4"), ("values", "i1", (width,))]))
    return torch.from_numpy(scaled["scale"][:, None] * scaled["values"].astype(np.float32))


def images(store):
    """The names of a store's images, in its order."""
    return [name for shard in sorted((store / "shards").glob("*.json"))
            for name in json.loads(shard.read_text(encoding="utf-8"))["images"]]


def held_out(store):
    """The names of the held-out images."""
    return images(store)[9::10]


class Tokens:
    """Training tokens of one hook point, whole in memory in the store's own precision.

    seed: of the shuffles; epoch e has its own, so that a run depends on nothing but store, seed and batch.
    """

    def __init__(self, store, hook_point, seed):
        about = json.loads((store / "store.json").read_text(encoding="utf-8"))
        self.width = about["width"]
        self.seed = seed
        parts, first = [], 0
        for shard in sorted((store / "shards").glob(f"*.{hook_point}.bin")):
            rows = _rows(shard, self.width, about["dtype"]).view(-1, about["tokens_per_image"], self.width)
            numbers = torch.arange(first, first + len(rows))
            parts.append(rows[numbers % 10 != 9].reshape(-1, self.width))
            first += len(rows)
        self.rows = torch.cat(parts)

    def sample(self, count):
        """Tokens to take a median of, in fp32."""
        generator = torch.Generator().manual_seed(self.seed)
        return self.rows[torch.randperm(len(self.rows), generator=generator)[:count]].float()

    def batches(self, batch):
        """Batches in fp32, without end."""
        left, epoch = torch.empty(0, dtype=torch.long), 0
        while True:
            while len(left) < batch:
                generator = torch.Generator().manual_seed(self.seed + 1_000_003 * epoch)
                left = torch.cat([left, torch.randperm(len(self.rows), generator=generator)])
                epoch += 1
            yield self.rows[left[:batch]].float()
            left = left[batch:]


def training(parser):
    """The command line with the options that all trainers have, the tokens, and the number of steps."""
    parser.add_argument("--store", type=pathlib.Path, required=True)
    parser.add_argument("--hook-point", required=True)
    parser.add_argument("--kind", choices=("topk", "relu"), required=True)
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--expansion", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=4_000_000)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    return args, Tokens(args.store, args.hook_point, args.seed), args.tokens // args.batch
