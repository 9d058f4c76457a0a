"""Golden values of linear heads by PyTorch's AdamW, on whole batches and from zeros.

python bench/peers/make_adamw_golden.py > lab/src/test/resources/io/clipsteer/lab/probe/adamw.json
"""

import json

import torch

torch.manual_seed(3)
n, d, k = 48, 5, 3
x = torch.randn(n, d)
y = (x @ torch.randn(d, k) + 0.5 * torch.randn(n, k)).argmax(1)
fits = []
for rate, decay, epochs, importance in [(0.01, 0.1, 30, None), (0.1, 0.3, 12, [1.0, 2.0, 0.5])]:
    layer = torch.nn.Linear(d, k)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=rate, weight_decay=decay)
    loss = torch.nn.CrossEntropyLoss(weight=None if importance is None else torch.tensor(importance))
    for _ in range(epochs):
        optimizer.zero_grad()
        loss(layer(x), y).backward()
        optimizer.step()
    end = torch.nn.functional.cross_entropy(layer(x), y).item()
    fits.append({"rate": rate, "decay": decay, "epochs": epochs, "importance": importance, "weight": layer.weight.tolist(), "bias": layer.bias.tolist(), "loss": end})
rows = [[round(float(value), 9) for value in row] for row in x]
print(json.dumps({"torch": torch.__version__, "x": rows, "y": y.tolist(), "fits": fits}))
