// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.Block.Norm;
import io.clipsteer.engine.onnx.OnnxGraph;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/**
 * A vision tower written as an ONNX graph, with an edit inside: from {@code pixel_values}
 * [batch,3,h,w], normalised as the model's own preprocessing does, to {@code image_embeds}
 * [batch,e] of unit length, in fp32 and for images of the tower's own size.
 */
public final class OnnxTower {
  private final VisionTower tower;
  private final VisionConfig config;
  private final VisionWeights weights;
  private final OnnxGraph graph = new OnnxGraph();
  private @Nullable String cos;
  private @Nullable String sin;

  private OnnxTower(VisionTower tower) {
    this.tower = tower;
    config = tower.config();
    weights = tower.weights();
  }

  /** The graph of the unedited tower. */
  public static OnnxGraph of(VisionTower tower) {
    return of(tower, HookPoint.residPost(0), (graph, value) -> value);
  }

  /**
   * The graph of an edited tower.
   *
   * @param edit adds the edit to a graph: from the name of the residual [b,t,d] at {@code point} to
   *     the name of the edited one
   */
  public static OnnxGraph of(
      VisionTower tower, HookPoint point, BiFunction<OnnxGraph, String, String> edit) {
    tower.check(point);
    OnnxTower written = new OnnxTower(tower);
    written.build(point, edit);
    return written.graph;
  }

  private void build(HookPoint point, BiFunction<OnnxGraph, String, String> edit) {
    String x = embed();
    Rotary rotary = config.blocks().rotary();
    if (rotary != null) {
      int width = config.width() / config.blocks().heads();
      Rotary.Tables tables = rotary.tables(config.prefixTokens(), config.grid(), width);
      cos = graph.constant(tables.cos(), tables.tokens(), width);
      sin = graph.constant(tables.sin(), tables.tokens(), width);
    }
    for (int layer = 0; layer < config.layers(); layer++) {
      Block block = weights.blocks().get(layer);
      String middle = graph.op("Add", x, attention(block, x));
      String added = mlp(block, middle);
      added = edited(added, new HookPoint(TowerKind.VISION, layer, Site.MLP_OUT), point, edit);
      x = graph.op("Add", middle, added);
      x = edited(x, new HookPoint(TowerKind.VISION, layer, Site.RESID_POST), point, edit);
    }
    String pooled = pool(x);
    Linear projection = weights.projection();
    String embedding = projection == null ? pooled : linear(pooled, projection);
    String length =
        graph.op("ReduceL2", Map.of("axes", new long[] {-1}, "keepdims", 1L), embedding);
    graph.output("image_embeds", graph.op("Div", embedding, length), -1, config.embedDim());
  }

  private String edited(
      String value, HookPoint here, HookPoint point, BiFunction<OnnxGraph, String, String> edit) {
    return here.equals(point) ? edit.apply(graph, value) : value;
  }

  private String linear(String x, Linear linear) {
    return graph.linear(x, linear.weight(), linear.bias());
  }

  private String norm(String x, Norm norm) {
    return graph.layerNorm(x, norm.weight(), norm.bias(), norm.eps());
  }

  private String embed() {
    int p = config.patch();
    int d = config.width();
    String pixels = graph.input("pixel_values", -1, 3, config.imageSize(), config.imageSize());
    String rows;
    try (Scope scope = Scope.open()) {
      String kernel = graph.constant(weights.patch().weight().reshape(d, 3, p, p));
      Map<String, Object> strides = Map.of("strides", new long[] {p, p});
      Tensor bias = weights.patch().bias();
      rows =
          bias == null
              ? graph.op("Conv", strides, pixels, kernel)
              : graph.op("Conv", strides, pixels, kernel, graph.constant(bias));
    }
    String patches = graph.transpose(graph.reshape(rows, 0, d, -1), 0, 2, 1);
    String positions = positions();
    if (positions != null) patches = graph.op("Add", patches, positions);
    String x = patches;
    if (config.prefixTokens() > 0) {
      String batch = graph.op("Slice", graph.op("Shape", pixels), graph.whole(0), graph.whole(1));
      String shape =
          graph.op("Concat", Map.of("axis", 0L), batch, graph.whole(config.prefixTokens(), d));
      String prefix = graph.op("Expand", graph.constant(weights.prefix()), shape);
      x = graph.op("Concat", Map.of("axis", 1L), prefix, patches);
    }
    return weights.preNorm() == null ? x : norm(x, weights.preNorm());
  }

  private @Nullable String positions() {
    try (Scope scope = Scope.open()) {
      Tensor positions = tower.positions(config.grid(), config.grid());
      return positions == null ? null : graph.constant(positions);
    }
  }

  private String attention(Block block, String x) {
    int heads = config.blocks().heads();
    long width = config.width() / heads;
    String three =
        graph.transpose(
            graph.reshape(linear(norm(x, block.ln1()), block.qkv()), 0, 0, 3, heads, width),
            2,
            0,
            3,
            1,
            4);
    String[] qkv = new String[3];
    for (int i = 0; i < 3; i++) {
      qkv[i] =
          graph.op("Squeeze", graph.slice(three, 0, i, i + 1), graph.whole(0)); // [b,heads,t,w]
    }
    String mixed = mix(turned(qkv[0], width), turned(qkv[1], width), qkv[2], width);
    String joined = graph.reshape(graph.transpose(mixed, 0, 2, 1, 3), 0, 0, config.width());
    return scaled(linear(normed(joined, block.mixNorm()), block.out()), block.scale1());
  }

  /** Values mixed by scaled dot products of queries and keys [b,heads,t,width]. */
  private String mix(String query, String key, String value, long width) {
    String scaled = graph.op("Mul", query, graph.number(1 / Math.sqrt(width)));
    String scores = graph.op("MatMul", scaled, graph.transpose(key, 0, 1, 3, 2));
    return graph.op("MatMul", graph.op("Softmax", Map.of("axis", -1L), scores), value);
  }

  /** {@link Rotary.Turn#apply}. */
  private String turned(String x, long width) {
    if (cos == null || sin == null) return x;
    String second = graph.slice(x, 3, width / 2, width);
    String swapped =
        graph.op("Concat", Map.of("axis", 3L), second, graph.slice(x, 3, 0, width / 2));
    return graph.op("Add", graph.op("Mul", x, cos), graph.op("Mul", swapped, sin));
  }

  private String normed(String x, @Nullable Norm norm) {
    return norm == null ? x : norm(x, norm);
  }

  private String mlp(Block block, String middle) {
    String inner = linear(norm(middle, block.ln2()), block.fc1());
    String active = activated(config.activation(), inner, block.fc1());
    return scaled(linear(normed(active, block.innerNorm()), block.fc2()), block.scale2());
  }

  private String scaled(String x, @Nullable Tensor scale) {
    return scale == null ? x : graph.op("Mul", x, graph.constant(scale));
  }

  private String activated(Activation activation, String x, Linear inner) {
    return switch (activation) {
      // The weights carry the 1.702.
      case QUICK_GELU -> silu(x);
      case GELU -> {
        String erf = graph.op("Erf", graph.op("Mul", x, graph.number(Math.sqrt(0.5))));
        yield halfTimes(x, erf);
      }
      case GELU_TANH -> {
        String cube =
            graph.op("Mul", graph.op("Mul", x, x), graph.op("Mul", x, graph.number(0.044715)));
        String inside =
            graph.op("Mul", graph.op("Add", x, cube), graph.number(Math.sqrt(2 / Math.PI)));
        yield halfTimes(x, graph.op("Tanh", inside));
      }
      case SWIGLU -> {
        long half = inner.weight().size(0) / 2;
        yield graph.op("Mul", silu(graph.slice(x, 2, 0, half)), graph.slice(x, 2, half, 2 * half));
      }
    };
  }

  private String silu(String x) {
    return graph.op("Mul", x, graph.op("Sigmoid", x));
  }

  /** {@code x/2·(1 + y)}. */
  private String halfTimes(String x, String y) {
    String half = graph.op("Mul", x, graph.number(0.5));
    return graph.op("Mul", half, graph.op("Add", y, graph.number(1)));
  }

  private String pool(String x) {
    int prefix = config.prefixTokens();
    Norm norm = weights.finalNorm();
    return switch (config.pooling()) {
      case CLS -> normed(graph.op("Squeeze", graph.slice(x, 1, 0, 1), graph.whole(1)), norm);
      case CLS_AND_DISTILLATION -> graph.mean(normed(graph.slice(x, 1, 0, 2), norm), 1, false);
      case MEAN_OF_NORMED_PATCHES ->
          graph.mean(graph.slice(normed(x, norm), 1, prefix, config.tokens()), 1, false);
      case NORM_OF_MEAN_PATCH ->
          normed(graph.mean(graph.slice(x, 1, prefix, config.tokens()), 1, false), norm);
      case ATTENTION -> pool(normed(x, norm), Objects.requireNonNull(weights.pool()));
    };
  }

  /** {@link AttentionPool#apply}. */
  private String pool(String x, AttentionPool pool) {
    int heads = pool.heads();
    long width = config.width() / heads;
    String two =
        graph.transpose(graph.reshape(linear(x, pool.kv()), 0, 0, 2, heads, width), 2, 0, 3, 1, 4);
    String key = graph.op("Squeeze", graph.slice(two, 0, 0, 1), graph.whole(0));
    String value = graph.op("Squeeze", graph.slice(two, 0, 1, 2), graph.whole(0));
    String query;
    try (Scope scope = Scope.open()) {
      query = graph.constant(pool.query().reshape(1, heads, 1, width));
    }
    String y = linear(graph.reshape(mix(query, key, value, width), 0, config.width()), pool.out());
    String inner =
        activated(pool.activation(), linear(norm(y, pool.norm()), pool.fc1()), pool.fc1());
    return graph.op("Add", y, linear(inner, pool.fc2()));
  }
}
