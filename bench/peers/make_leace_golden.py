"""Golden values of LEACE, by the library of its authors: concept-erasure 0.2.4 (PyPI), torch 2.

python bench/peers/make_leace_golden.py > lab/src/test/resources/io/clipsteer/lab/suppress/leace.csv

Rows: the concept z, a vector x, and x after LEACE without shrinkage (Belrose et al. 2023).
"""

import torch
from concept_erasure import LeaceEraser

torch.manual_seed(0)
d, n = 5, 60
z = torch.arange(n) % 2
x = torch.randn(n, d, dtype=torch.float64) * torch.tensor([1.0, 3, 0.5, 2, 1])
x += z[:, None] * torch.tensor([0.8, -1, 0.2, 0, 0.5])
x[:, 1] += x[:, 0]
x = (x * 1000).round() / 1000
erased = LeaceEraser.fit(x, z, shrinkage=False)(x)
names = [f"{v}{j}" for v in ("x", "erased") for j in range(d)]
print(",".join(["z", *names]))
for i in range(n):
    print(",".join([str(z[i].item()), *(f"{v:.10g}" for v in (*x[i].tolist(), *erased[i].tolist()))]))
