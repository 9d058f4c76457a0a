// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.Block;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.TowerShape;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * Names of a block's tensors; {@code %d} in the prefix is the layer. {@code fc1} may name the two
 * halves of a gated product, joined by {@code +}.
 *
 * @param qkv query, key and value stacked in one tensor, or three
 */
record BlockNames(
    String prefix,
    String ln1,
    List<String> qkv,
    String out,
    String ln2,
    String fc1,
    String fc2,
    String scale1,
    String scale2,
    Others others) {
  BlockNames(
      String prefix,
      String ln1,
      List<String> qkv,
      String out,
      String ln2,
      String fc1,
      String fc2,
      String scale1,
      String scale2) {
    this(prefix, ln1, qkv, out, ln2, fc1, fc2, scale1, scale2, Others.NONE);
  }

  /** Names of the biases of query, key and value, in the form of the weights or of three. */
  private List<String> biases() {
    if (!others.qkvBias.isEmpty()) return others.qkvBias;
    return qkv.stream().map(name -> name + dot(name) + "bias").toList();
  }

  /**
   * Parts of blocks that few families have.
   *
   * @param qkvBias names of the three biases where they are not those of the weights
   * @param biasMask factor of a stacked bias, or "none"
   * @param mixNorm norm of attention's mix, or "none"
   * @param innerNorm norm inside the MLP, or "none"
   * @param pairs whether rotary positions turn the pairs 2t and 2t + 1 of a head
   */
  record Others(
      List<String> qkvBias, String biasMask, String mixNorm, String innerNorm, boolean pairs) {
    static final Others NONE = new Others(List.of(), "none", "none", "none", false);
  }

  /**
   * Reads the blocks of a shape. What some architectures lack, all blocks have or none.
   *
   * @throws InputException naming the tensor that is missing, misshapen or not finite
   */
  List<Block> read(WeightSource weights, TowerShape shape) {
    List<Boolean> qkvBias = biases().stream().map(bias -> any(weights, shape, bias)).toList();
    boolean first = any(weights, shape, scale1);
    boolean second = any(weights, shape, scale2);
    boolean mix = any(weights, shape, others.mixNorm + ".weight");
    boolean inner = any(weights, shape, others.innerNorm + ".weight");
    long d = shape.width();
    double eps = shape.eps();
    List<Block> blocks = new ArrayList<>();
    for (int layer = 0; layer < shape.layers(); layer++) {
      String p = prefix.formatted(layer);
      blocks.add(
          new Block(
              weights.norm(p + ln1, d, eps),
              stacked(weights, shape, p, qkvBias),
              weights.biased(p + out, d, d, 1, 1),
              weights.norm(p + ln2, d, eps),
              inner(weights, shape, p),
              weights.biased(p + fc2, d, shape.hidden(), shape.activation().outerScale(), 1),
              first ? weights.ready(p + scale1, d) : null,
              second ? weights.ready(p + scale2, d) : null,
              mix ? weights.norm(p + others.mixNorm, d, eps) : null,
              inner ? weights.norm(p + others.innerNorm, shape.hidden(), eps) : null));
    }
    return List.copyOf(blocks);
  }

  private static String dot(String name) {
    return name.endsWith("_") ? "" : ".";
  }

  /** Whether any block has a part. */
  private boolean any(WeightSource weights, TowerShape shape, String part) {
    return IntStream.range(0, shape.layers())
        .anyMatch(layer -> weights.has(prefix.formatted(layer) + part));
  }

  /**
   * Query, key and value in one product: stacked in the file, or three tensors.
   *
   * @param biased which of the biases there are; one that is not is zero beside others
   */
  private Linear stacked(WeightSource weights, TowerShape shape, String p, List<Boolean> biased) {
    long d = shape.width();
    long rows = 3 * d / qkv.size();
    Tensor weight =
        weights.ready(
            () ->
                halves(joined(qkv, q -> weights.take(p + q + dot(q) + "weight", rows, d)), shape));
    if (!biased.contains(true)) return new Linear(weight, null);
    List<String> names = biases();
    List<Integer> all = IntStream.range(0, names.size()).boxed().toList();
    long each = 3 * d / names.size();
    return new Linear(
        weight,
        weights.ready(
            () -> {
              Tensor bias =
                  joined(
                      all,
                      i ->
                          biased.get(i)
                              ? weights.take(p + names.get(i), each)
                              : weights.zeros(each));
              String mask = others.biasMask;
              if (!mask.equals("none")) bias = bias.mul(weights.take(p + mask, 3 * d));
              return halves(bias, shape);
            }));
  }

  /** Rows of query and key in the order of {@link io.clipsteer.engine.model.Rotary}. */
  private Tensor halves(Tensor stacked, TowerShape shape) {
    if (!others.pairs) return stacked;
    long d = shape.width();
    long columns = stacked.elements() / (3 * d);
    Tensor turned =
        stacked
            .narrow(0, 0, 2 * d)
            .reshape(2L * shape.heads(), d / shape.heads() / 2, 2, columns)
            .transpose(1, 2)
            .reshape(2 * d, columns);
    Tensor value = stacked.narrow(0, 2 * d, d).reshape(d, columns);
    return Tensor.concat(List.of(turned, value), 0).reshape(stacked.shape());
  }

  /** The MLP's inner product, in one tensor or in its two halves. */
  private Linear inner(WeightSource weights, TowerShape shape, String p) {
    long d = shape.width();
    long h = shape.hidden();
    double scale = shape.activation().innerScale();
    boolean gated = shape.activation() == Activation.SWIGLU;
    List<String> parts = List.of(fc1.split("\\+"));
    if (parts.size() == 1) return weights.biased(p + fc1, gated ? 2 * h : h, d, scale, scale);
    return new Linear(
        weights.ready(() -> joined(parts, part -> weights.take(p + part + ".weight", h, d))),
        weights.ready(() -> joined(parts, part -> weights.take(p + part + ".bias", h))));
  }

  private static <T> Tensor joined(List<T> parts, Function<T, Tensor> each) {
    return Tensor.concat(parts.stream().map(each).toList(), 0);
  }
}
