# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of the tensor readers' tests with the Python packages themselves.

    python bench/peers/make_tensor_golden.py data/src/test/resources/tensor

Needs torch, safetensors and numpy. For every checkpoint X there is X.expected.safetensors with the
tensors a reader must find, and expected.json says which metadata must come with them or which words
the refusal must contain.
"""
import argparse
import collections
import io
import json
import os
import pathlib
import sys
import zipfile

import numpy
import torch
from safetensors.torch import save_file

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(7)
expected = {}


def golden(name, value, tensors, metadata=None, **options):
    torch.save(value, out / name, **options)
    expect(name, tensors, metadata)


def expect(name, tensors, metadata=None):
    flat = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
    save_file(flat, out / (name + ".expected.safetensors"))
    expected[name] = {"metadata": metadata or {}}


def refused(name, words):
    expected[name] = {"refused": words}


def every_dtype():
    whole = torch.tensor([-3, 0, 1, 127])
    real = torch.tensor([-2.5, 0.0, 1.0, 3.140625])
    return {
        "f64": real.double(), "f32": real.float(), "f16": real.half(), "bf16": real.bfloat16(),
        "i64": whole, "i32": whole.int(), "i16": whole.short(), "i8": whole.char(),
        "u8": torch.tensor([0, 1, 128, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False, False, True]),
    }


def safetensors_files():
    tensors = every_dtype()
    tensors["matrix"] = torch.arange(6.0).reshape(2, 3)
    tensors["scalar"] = torch.tensor(2.75)
    tensors["none"] = torch.zeros(0, 4)
    save_file(tensors, out / "dtypes.safetensors", metadata={"format": "pt"})
    values = {k: {"dtype": str(v.dtype), "shape": list(v.shape),
                  "values": [float(x) for x in v.flatten()]} for k, v in tensors.items()}
    (out / "dtypes.json").write_text(json.dumps(values, indent=1) + "\n")


def shards():
    a, b = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}, {"c": torch.tensor(5)}
    save_file(a, out / "model-00001-of-00002.safetensors")
    save_file(b, out / "model-00002-of-00002.safetensors")
    torch.save(a, out / "pytorch_model-00001-of-00002.bin")
    torch.save(b, out / "pytorch_model-00002-of-00002.bin")
    for index, pattern in (("model.safetensors.index.json", "model-0000%d-of-00002.safetensors"),
                           ("pytorch_model.bin.index.json", "pytorch_model-0000%d-of-00002.bin")):
        where = {"a": pattern % 1, "b": pattern % 1, "c": pattern % 2}
        text = json.dumps({"metadata": {"total_size": 36}, "weight_map": where}, indent=2)
        (out / index).write_text(text + "\n")
        expect(index, {**a, **b})


def plain_checkpoints():
    tensors = every_dtype()
    golden("dtypes.pt", collections.OrderedDict(tensors), tensors)
    golden("protocol5.pt", tensors, tensors, pickle_protocol=5)
    base = torch.arange(24.0).reshape(4, 6)
    views = {
        "base": base, "rows": base[1:3], "columns": base[:, 1:4:2], "transposed": base.t(),
        "permuted": torch.arange(24).reshape(2, 3, 4).permute(2, 0, 1),
        "expanded": torch.tensor([1.5, 2.5]).unsqueeze(1).expand(2, 5),
        "element": base[2, 3], "empty": base[:0], "one_column": base[:, :1],
        "half": base.half()[::2].t(),
    }
    golden("views.pt", views, views)
    linear = torch.nn.Linear(3, 2)
    parameters = dict(linear.named_parameters())
    golden("parameters.pt", parameters, parameters)
    golden("module_state.pt", linear.state_dict(), linear.state_dict())
    golden("bare.pt", torch.arange(4.0), {"tensor": torch.arange(4.0)})
    with open(out / "saev.pt", "wb") as f:
        f.write(b'{"schema":5,"cfg":{"d_model":3}}\n')
        body = io.BytesIO()
        torch.save(linear.state_dict(), body)
        f.write(body.getvalue())
    expect("saev.pt", linear.state_dict(), {"preamble": '{"schema":5,"cfg":{"d_model":3}}'})


def training_checkpoint():
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    net(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    state = collections.OrderedDict(("module." + k, v) for k, v in net.state_dict().items())
    golden("nested.pt",
           {"epoch": 3, "name": "run", "loss": 0.5, "state_dict": state,
            "optimizer": optimizer.state_dict()},
           net.state_dict(), {"epoch": "3", "name": "run", "loss": "0.5"})
    ns = argparse.Namespace(lr=0.1, path=pathlib.PurePosixPath("/x"), inner={"a": [1]})
    golden("namespace.pt",
           {"cfg": ns, "score": numpy.float64(0.5), "state_dict": {"W_enc": torch.ones(2, 3)}},
           {"W_enc": torch.ones(2, 3)},
           {"cfg": "argparse.Namespace",
            "cfg fields": '{"lr":0.1,"path":{"__class__":"pathlib.PurePosixPath"},"inner":{"a":[1]}}',
            "ignored_globals": "_codecs.encode, argparse.Namespace, "
                               "numpy._core.multiarray.scalar, numpy.dtype, pathlib.PurePosixPath"})
    golden("nested_plain.pt",
           {"config": {"k": 32}, "autoencoder": {"W": torch.ones(2)}, "list": [torch.zeros(1)]},
           {"autoencoder.W": torch.ones(2), "list.0": torch.zeros(1)}, {"config.k": "32"})


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = torch.nn.MultiheadAttention(4, 2)
        self.mlp = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.GELU(), torch.nn.Linear(6, 4))

    def forward(self, x):
        return self.mlp(self.attn(x, x, x)[0])


class Tower(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 4, 2, bias=False)
        self.resblocks = torch.nn.ModuleList([Attention(), Attention()])
        self.register_buffer("input_resolution", torch.tensor(224))
        self.proj = torch.nn.Parameter(torch.randn(4, 2))
        self.context_length = 77
        self.logit_scale = torch.nn.Parameter(torch.tensor(2.5))

    def forward(self, x):
        y = self.conv1(x).flatten(2).permute(2, 0, 1)
        for block in self.resblocks:
            y = block(y)
        return (y @ self.proj) * self.logit_scale


def script():
    tower = Tower().half()
    torch.jit.save(torch.jit.script(tower), str(out / "script.pt"))
    expect("script.pt", tower.state_dict(), {"context_length": "77"})


class Evil:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def refusals():
    torch.save({"w": torch.ones(2), "x": Evil(os.system, "true")}, out / "evil_system.pt")
    refused("evil_system.pt", [os.system.__module__ + ".system"])
    torch.save({"w": torch.ones(2), "x": Evil(eval, "1")}, out / "evil_eval.pt")
    refused("evil_eval.pt", ["eval"])
    torch.save({"w": torch.ones(2)}, out / "legacy.pt", _use_new_zipfile_serialization=False)
    refused("legacy.pt", ["before version 1.6", "torch.save(torch.load"])
    torch.save(argparse.Namespace(a=1), out / "object.pt")
    refused("object.pt", ["argparse.Namespace", "state_dict"])
    torch.save({"w": torch.ones(2, dtype=torch.complex64)}, out / "complex.pt")
    refused("complex.pt", ["tensor w", "ComplexFloatStorage"])
    torch.save({"bomb": torch.ones(1).expand(1 << 20)}, out / "bomb.pt")
    refused("bomb.pt", ["bomb", "four times"])
    body = io.BytesIO()
    torch.save({"w": torch.arange(64.0)}, body)
    with zipfile.ZipFile(body) as source:
        with zipfile.ZipFile(out / "deflated.pt", "w", zipfile.ZIP_DEFLATED) as target:
            for entry in source.namelist():
                target.writestr(entry, source.read(entry))
        with zipfile.ZipFile(out / "big_endian.pt", "w") as target:
            for entry in source.namelist():
                data = b"big" if entry.endswith("byteorder") else source.read(entry)
                target.writestr(entry, data)
        with zipfile.ZipFile(out / "two_roots.pt", "w") as target:
            for entry in source.namelist():
                target.writestr(entry, source.read(entry))
            target.writestr("other/data.pkl", b"\x80\x02}.")
    refused("deflated.pt", ["compressed"])
    refused("big_endian.pt", ["byte order", "big"])
    refused("two_roots.pt", ["two checkpoints"])
    (out / "lfs.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    refused("lfs.bin", ["git-LFS pointer", "git lfs pull"])
    (out / "page.bin").write_text("<!DOCTYPE html>\n<html><body>404</body></html>\n")
    refused("page.bin", ["web page"])


safetensors_files()
shards()
plain_checkpoints()
training_checkpoint()
script()
refusals()
(out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
