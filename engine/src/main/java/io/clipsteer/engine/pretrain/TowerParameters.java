// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.pretrain;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Tensor;
import java.util.Arrays;
import java.util.List;

/**
 * The blocks of one tower, recorded for gradients: the residual stream, norms and softmax in fp32,
 * products with weights in {@code dtype}. QuickGELU, x·σ(1.702x), is silu(1.702x)/1.702: the
 * weights trained here contain the 1.702, and {@link #fileScale} removes it.
 *
 * @param prefix of its weights, as {@code vision_model.}
 * @param causal whether a token attends only to itself and to those before it
 */
record TowerParameters(
    Parameters parameters,
    String prefix,
    int width,
    int layers,
    int heads,
    boolean causal,
    DType dtype) {
  static final double EPS = 1e-5;
  private static final double QUICK = 1.702;

  /** Factor of a weight when it is written to a file. */
  static double fileScale(String name) {
    if (name.contains("mlp.fc1.")) return 1 / QUICK;
    return name.endsWith("mlp.fc2.weight") ? QUICK : 1;
  }

  /** Names and first values of a tower's blocks; the spreads are those of CLIP's own code. */
  static void declare(Parameters.Builder builder, String prefix, int d, int layers) {
    double inner = Math.pow(d, -0.5);
    double outer = inner * Math.pow(2.0 * layers, -0.5);
    for (int l = 0; l < layers; l++) {
      String p = prefix + "encoder.layers." + l + ".";
      norm(builder, p + "layer_norm1", d);
      builder.values(p + "self_attn.qkv.weight", queries(builder, inner, d), true, 3L * d, d);
      builder.constant(p + "self_attn.qkv.bias", 0, 3L * d);
      builder.gaussian(p + "self_attn.out_proj.weight", outer, true, d, d);
      builder.constant(p + "self_attn.out_proj.bias", 0, d);
      norm(builder, p + "layer_norm2", d);
      builder.gaussian(p + "mlp.fc1.weight", Math.pow(2.0 * d, -0.5), true, 4L * d, d);
      builder.constant(p + "mlp.fc1.bias", 0, 4L * d);
      builder.gaussian(p + "mlp.fc2.weight", outer, true, d, 4L * d);
      builder.constant(p + "mlp.fc2.bias", 0, d);
    }
  }

  /**
   * Keys start as the queries: a token attends first to those like itself, so to its neighbours in
   * an image (after Trockman and Kolter 2023, whose trained transformers look so).
   */
  private static float[] queries(Parameters.Builder builder, double spread, int d) {
    float[] all = builder.gaussian(spread, 3 * d * d);
    System.arraycopy(all, 0, all, d * d, d * d);
    return all;
  }

  static void norm(Parameters.Builder builder, String name, int d) {
    builder.constant(name + ".weight", 1, d);
    builder.constant(name + ".bias", 0, d);
  }

  /**
   * All blocks; the last computes only one token of each row, since nothing reads the others.
   *
   * @param x [b,t,d] F32
   * @param picked index of the token to compute, per row
   * @return [b,d] F32
   */
  Tensor run(Tensor x, int[] picked) {
    long b = x.size(0);
    long t = x.size(1);
    Tensor rows = x.reshape(b * t, width);
    for (int l = 0; l < layers; l++) {
      String p = prefix + "encoder.layers." + l + ".";
      boolean last = l == layers - 1;
      Tensor normed = norm(rows, p + "layer_norm1").to(dtype);
      if (last) {
        Tensor wanted = places(picked, t);
        rows =
            rows.indexSelect(0, wanted)
                .add(attentionOf(normed.indexSelect(0, wanted), normed, p, t, picked));
      } else {
        rows = rows.add(attention(normed, p, b, t));
      }
      Tensor inner = linear(norm(rows, p + "layer_norm2").to(dtype), p + "mlp.fc1").silu();
      rows = rows.add(linear(inner, p + "mlp.fc2"));
    }
    return rows;
  }

  private static Tensor places(int[] picked, long t) {
    long[] places = new long[picked.length];
    for (int i = 0; i < places.length; i++) places[i] = i * t + picked[i];
    return Tensor.of(places, places.length);
  }

  private Tensor attention(Tensor x, String p, long b, long t) {
    int h = heads;
    List<Tensor> qkv =
        linear(x, p + "self_attn.qkv")
            .reshape(b, t, 3, h, width / h)
            .permute(2, 0, 3, 1, 4)
            .to(DType.F32)
            .unbind(0);
    Tensor seen = qkv.get(0).attention(qkv.get(1), qkv.get(2), causal).to(dtype);
    return linear(seen.transpose(1, 2).reshape(b * t, width), p + "self_attn.out_proj");
  }

  /** As {@link #attention}, of one token a row: {@code wanted} [b,d] among {@code all} [b·t,d]. */
  private Tensor attentionOf(Tensor wanted, Tensor all, String p, long t, int[] picked) {
    int b = picked.length;
    int h = heads;
    int size = width / h;
    Tensor weight = parameters.get(p + "self_attn.qkv.weight").to(dtype);
    Tensor bias = parameters.get(p + "self_attn.qkv.bias").to(dtype);
    Tensor query =
        wanted
            .linear(weight.narrow(0, 0, width), bias.narrow(0, 0, width))
            .reshape(b, h, 1, size)
            .mul(1 / Math.sqrt(size));
    List<Tensor> keyValue =
        all.linear(weight.narrow(0, width, 2L * width), bias.narrow(0, width, 2L * width))
            .reshape(b, t, 2, h, size)
            .permute(2, 0, 3, 1, 4)
            .unbind(0);
    Tensor scores = query.matmul(keyValue.get(0).transpose(2, 3)).to(DType.F32);
    if (causal) scores = scores.add(masks(picked, (int) t));
    Tensor seen = scores.softmax().to(dtype).matmul(keyValue.get(1));
    return linear(seen.reshape(b, width), p + "self_attn.out_proj");
  }

  /** 0 up to each row's token, −∞ after it: [b,1,1,t]. */
  private static Tensor masks(int[] picked, int t) {
    float[] masks = new float[picked.length * t];
    for (int row = 0; row < picked.length; row++) {
      Arrays.fill(masks, row * t + picked[row] + 1, (row + 1) * t, Float.NEGATIVE_INFINITY);
    }
    return Tensor.of(masks, picked.length, 1, 1, t);
  }

  /** LayerNorm in fp32. */
  Tensor norm(Tensor x, String name) {
    return x.layerNorm(parameters.get(name + ".weight"), parameters.get(name + ".bias"), EPS);
  }

  private Tensor linear(Tensor x, String name) {
    return x.linear(
        parameters.get(name + ".weight").to(dtype), parameters.get(name + ".bias").to(dtype));
  }
}
