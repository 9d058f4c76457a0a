// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine;

import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Every matrix product, by libtorch's fastest method. On the CPU, {@link Bf16Arithmetic} says in
 * what arithmetic bf16 is multiplied.
 */
final class Products {
  /** Below this a plain product is as fast. */
  private static final int ROWS_FOR_POINTWISE = 128;

  private static final long[] NONE = {0, 0};
  private static final long[] ONE = {1, 1};

  private Products() {}

  /** Whether products of this tensor are computed in fp32, on widened operands. */
  static boolean widens(Tensor a) {
    return isBf16(a) && !a.is_cuda() && !Bf16Arithmetic.CPU.inBf16();
  }

  private static boolean isBf16(Tensor a) {
    return a.scalar_type().intern() == ScalarType.BFloat16;
  }

  /** Bf16 as fp32: the same values. */
  private static Tensor widened(Tensor bf16) {
    return bf16.to(ScalarType.Float);
  }

  private static Tensor rounded(Tensor fp32) {
    try (fp32) {
      return fp32.to(ScalarType.BFloat16);
    }
  }

  static Tensor matmul(Tensor a, Tensor b) {
    if (!widens(a)) return a.matmul(b);
    // What is recorded for gradients keeps what it needs of these.
    try (Tensor left = widened(a);
        Tensor right = widened(b)) {
      return rounded(left.matmul(right));
    }
  }

  /**
   * {@code x·Wᵀ + bias}, weight [out,in]. Where bf16 weights are widened, x may be fp32 already:
   * then the result is as well.
   */
  static Tensor linear(Tensor x, Tensor weight, @Nullable Tensor bias) {
    if (x.is_cuda()) return plain(x, weight, bias);
    if (!widens(weight)) return pointwise(x, weight, bias);
    try (Tensor rows = widened(x);
        Tensor kernel = widened(weight);
        Tensor added = bias == null ? null : widened(bias)) {
      Tensor product = pointwise(rows, kernel, added);
      return isBf16(x) ? rounded(product) : product;
    }
  }

  private static Tensor plain(Tensor x, Tensor weight, @Nullable Tensor bias) {
    Tensor wt = weight.t();
    return bias == null ? torch.mm(x, wt) : torch.addmm(bias, x, wt);
  }

  /**
   * The product as a 1×1 convolution over channels-last memory, which is the same numbers in the
   * same places: oneDNN's kernel for it is faster than this libtorch's matrix product (OpenBLAS in
   * fp32, oneDNN in bf16) by 5 to 20 % at ViT-B/32's shapes.
   */
  private static Tensor pointwise(Tensor x, Tensor weight, @Nullable Tensor bias) {
    long n = x.size(0);
    if (n < ROWS_FOR_POINTWISE) return plain(x, weight, bias);
    Tensor image = x.contiguous().view(1, n, 1, x.size(1)).permute(0, 3, 1, 2);
    Tensor kernel = weight.contiguous().view(weight.size(0), weight.size(1), 1, 1);
    var optional = bias == null ? new TensorOptional() : new TensorOptional(bias);
    return torch
        .mkldnn_convolution(image, kernel, optional, NONE, ONE, ONE, 1)
        .permute(0, 2, 3, 1)
        .reshape(n, weight.size(0));
  }

  /** Scaled dot-product attention over [b, heads, t, d/heads]. */
  static Tensor attention(Tensor query, Tensor key, Tensor value, boolean causal) {
    if (!isBf16(query) || query.is_cuda()) {
      return Engine.withoutBlasThreads(() -> fused(query, key, value, causal));
    }
    if (!causal && !widens(query)) return attentionInBf16(query, key, value);
    try (Tensor q = widened(query);
        Tensor k = widened(key);
        Tensor v = widened(value)) {
      return rounded(Engine.withoutBlasThreads(() -> fused(q, k, v, causal)));
    }
  }

  /** Splits heads over OpenMP's threads, each of which calls OpenBLAS. */
  private static Tensor fused(Tensor query, Tensor key, Tensor value, boolean causal) {
    return torch.scaled_dot_product_attention(
        query, key, value, new TensorOptional(), 0.0, causal, new DoubleOptional(), false);
  }

  /**
   * This libtorch's fused CPU attention is 15 times slower in bf16 than in fp32 (it was built
   * without MKL), so bf16 goes through oneDNN's batched products; the softmax itself computes in
   * fp32.
   */
  private static Tensor attentionInBf16(Tensor query, Tensor key, Tensor value) {
    double scale = 1 / Math.sqrt(query.size(3));
    Tensor scores = query.mul(new Scalar(scale)).matmul(key.contiguous().transpose(2, 3));
    // Tokens before heads in memory, as the fused kernel leaves them: the caller joins the heads.
    return torch
        .softmax(scores, -1)
        .matmul(value.contiguous())
        .transpose(1, 2)
        .contiguous()
        .transpose(1, 2);
  }
}
