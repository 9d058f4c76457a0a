"""Makes golden training steps of a TopK SAE by PyTorch's autograd.

    python make_sae_golden.py --out ../../engine/src/test/resources/sae

golden.safetensors: x [3,17,12], three batches of activations; and, for input normalisation n in none, layer_norm, the
weights n.start.*, n.after1.* and n.after3.* (W_enc [d,f], b_enc [f], W_dec [f,d], b_dec [d]) before, after one and after
three steps, with n.loss [3]. Loss: mean over tokens and coordinates of (z_hat - z)^2, z the normalised input; the
gradient of W_dec loses its part along each row; torch.optim.Adam; rows of W_dec are then brought back to length 1.
Computed in float64, rounded to float32; a function of the seed in this file. Made with torch 2.15.0, safetensors 0.8.0.
"""

import argparse
import pathlib

import torch
from safetensors.torch import save_file

D, F, K, N, STEPS, RATE = 12, 40, 5, 17, 3, 1e-2


def normalise(x, kind):
    if kind == "none":
        return x
    x = x - x.mean(-1, keepdim=True)
    return x / (x.std(-1, keepdim=True) + 1e-5)


def train(x, start, kind):
    out = {f"{kind}.start.{name}": value for name, value in start.items()}
    weights = {name: value.double().requires_grad_() for name, value in start.items()}
    adam = torch.optim.Adam(weights.values(), lr=RATE)
    losses = []
    for step in range(STEPS):
        z = normalise(x[step].double(), kind)
        pre = (z - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
        best = pre.topk(K, dim=-1)
        code = torch.zeros_like(pre).scatter(-1, best.indices, best.values.relu())
        loss = (code @ weights["W_dec"] + weights["b_dec"] - z).pow(2).mean()
        adam.zero_grad()
        loss.backward()
        with torch.no_grad():
            decoder = weights["W_dec"]
            decoder.grad -= (decoder.grad * decoder).sum(-1, keepdim=True) * decoder
            adam.step()
            decoder /= decoder.norm(dim=-1, keepdim=True)
        losses.append(loss.item())
        if step + 1 in (1, STEPS):
            out.update({f"{kind}.after{step + 1}.{n}": w.detach().float().clone() for n, w in weights.items()})
    out[f"{kind}.loss"] = torch.tensor(losses)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(20250402)
    x = torch.randn(STEPS, N, D) * 2 + 0.5
    decoder = torch.randn(F, D, dtype=torch.float64)
    decoder = (decoder / decoder.norm(dim=-1, keepdim=True)).float()
    start = {"W_enc": torch.randn(D, F) * 0.3, "b_enc": torch.randn(F) * 0.1, "W_dec": decoder,
             "b_dec": torch.randn(D) * 0.2}
    tensors = {"x": x}
    for kind in ("none", "layer_norm"):
        tensors.update(train(x, start, kind))
    args.out.mkdir(parents=True, exist_ok=True)
    save_file({n: t.contiguous().clone() for n, t in tensors.items()}, args.out / "golden.safetensors")


if __name__ == "__main__":
    main()
