"""Golden values of multinomial logistic regression, by scikit-learn 1.9 (PyPI).

python bench/peers/make_logistic_golden.py > lab/src/test/resources/io/clipsteer/lab/probe/logistic.json

Two fits of the same rows with the penalty 1/C: all rows alike, and with class_weight="balanced".
"""

import json

import numpy as np
from sklearn.linear_model import LogisticRegression

random = np.random.default_rng(3)
n, d, k, penalty = 150, 6, 4, 0.5
y = random.choice(k, n, p=[0.5, 0.25, 0.15, 0.1])
x = (random.normal(size=(n, d)) * [1, 3, 0.5, 2, 1, 0.2] + random.normal(size=(k, d))[y]).round(3).astype(np.float32)
golden = {"x": x.astype(float).round(3).tolist(), "y": y.tolist(), "penalty": penalty}
for name, weight in (("plain", None), ("balanced", "balanced")):
    fit = LogisticRegression(C=1 / penalty, class_weight=weight, tol=1e-10, max_iter=10_000).fit(x.astype(np.float64), y)
    golden[name] = {"coef": fit.coef_.tolist(), "intercept": (fit.intercept_ - fit.intercept_.mean()).tolist()}
print(json.dumps(golden))
