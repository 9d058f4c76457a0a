// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * What each library makes of a configuration, written down from the libraries' code and apart from
 * the readers, with plain loops in double precision.
 */
final class LibraryMeaning {
  /**
   * What a library computes.
   *
   * @param function relu, topk or jump
   * @param divides whether the input is layer-normed
   */
  record Spec(
      String function,
      int k,
      double[] thresholds,
      boolean divides,
      boolean subtracts,
      boolean rescaled) {}

  /** A meaning that is not computed here: the reader must refuse it. */
  static final Spec OTHER = new Spec("other", 0, new double[0], false, false, false);

  private static final int D = 8;
  private static final int F = 24;
  private static final double[] NONE = new double[0];

  private LibraryMeaning() {}

  /** Null where the library does not load or run it. */
  static @Nullable Spec of(OpenedFixture sae) {
    String name = sae.name;
    JsonNode c = sae.config;
    if (name.startsWith("saelens")) return saelens(sae, c);
    if (name.startsWith("prisma")) return prisma(c);
    if (name.startsWith("saev")) return saev(sae, c);
    if (name.startsWith("dictionary")) return dictionary(sae, c.path("trainer"));
    if (name.startsWith("sparsify")) return sparsify(c);
    if (name.startsWith("openai")) return openai(c);
    return truthy(c.path("gated_sae")) ? OTHER : relu(false, true);
  }

  private static Spec relu(boolean divides, boolean subtracts) {
    return new Spec("relu", 0, NONE, divides, subtracts, false);
  }

  private static boolean truthy(JsonNode value) {
    if (value.isMissingNode() || value.isNull()) return false;
    if (value.isBoolean()) return value.asBoolean();
    if (value.isNumber()) return value.asDouble() != 0;
    return value.isString() ? !value.asString().isEmpty() : !value.isEmpty();
  }

  private static boolean is(JsonNode value, String text) {
    return value.isString() && value.asString().equals(text);
  }

  /** A count that Python can pick by. */
  private static boolean count(JsonNode k) {
    return k.isIntegralNumber() && k.asInt() >= 1 && k.asInt() <= F;
  }

  private static @Nullable Spec topK(JsonNode k, boolean divides, boolean subtracts) {
    return count(k) ? new Spec("topk", k.asInt(), NONE, divides, subtracts, false) : null;
  }

  // ---- the libraries --------------------------------------------------------------------------

  private static @Nullable Spec saelens(OpenedFixture sae, JsonNode c) {
    if (c.has("metadata") && !c.path("metadata").isObject()) return null;
    JsonNode version = c.path("sae_lens_version");
    if (!truthy(version)) version = c.path("metadata").path("sae_lens_version");
    if (truthy(version) && !version.isString()) return null;
    boolean old = !truthy(version) || version.asString().startsWith("5");
    String architecture =
        c.path("architecture").isString() ? c.path("architecture").asString() : "";
    if (!c.has("architecture") && old) architecture = "standard";
    JsonNode k = c.has("k") ? c.path("k") : sae.config.numberNode(100);
    JsonNode norm = c.path("normalize_activations");
    String normal = norm.isString() ? norm.asString() : norm.isMissingNode() ? "none" : "?";
    if (old) {
      JsonNode function = c.path("activation_fn");
      for (var field : c.properties()) {
        if (field.getKey().startsWith("activation_fn") && !field.getKey().endsWith("kwargs")) {
          function = field.getValue();
        }
      }
      JsonNode arguments = c.path("activation_fn_kwargs");
      if (is(function, "topk")) {
        if (c.has("activation_fn_kwargs") && !arguments.isObject()) return null;
        if (arguments.hasNonNull("k")) architecture = "topk";
      }
      if (architecture.equals("topk") && c.has("activation_fn_kwargs")) {
        if (!arguments.has("k")) return null;
        k = arguments.path("k");
      }
      if (norm.isNull()) normal = "none";
      if (norm.isBoolean()) normal = norm.asBoolean() ? "expected" : "none";
      boolean heads = c.path("hook_name").asString("").contains("hook_z");
      if (!c.has("reshape_activations") && heads) return OTHER;
    }
    if (is(c.path("reshape_activations"), "hook_z")) return OTHER;
    if (normal.equals("constant_norm_rescale")) return OTHER;
    if (!Set.of("none", "layer_norm", "expected", "expected_average_only_in").contains(normal)) {
      return null;
    }
    boolean divides = normal.equals("layer_norm");
    JsonNode apply = c.path("apply_b_dec_to_input");
    if (apply.isNumber()) return OTHER;
    if (!apply.isMissingNode() && !apply.isBoolean()) return null;
    boolean subtracts = apply.isMissingNode() || apply.asBoolean();
    return switch (architecture) {
      case "standard" -> relu(divides, subtracts);
      case "jumprelu" ->
          sae.tensors.containsKey("threshold")
              ? new Spec("jump", 0, sae.numbers("threshold"), divides, subtracts, false)
              : null;
      case "topk" -> {
        boolean rescaled = truthy(c.path("rescale_acts_by_decoder_norm"));
        yield count(k) ? new Spec("topk", k.asInt(), NONE, divides, subtracts, rescaled) : null;
      }
      default -> null;
    };
  }

  private static @Nullable Spec prisma(JsonNode c) {
    JsonNode norm = c.path("normalize_activations");
    if (is(norm, "constant_norm_rescale")) return OTHER;
    // Whatever is neither of the two names is no normalisation; the default is layer_norm.
    boolean divides = norm.isMissingNode() || is(norm, "layer_norm");
    if (truthy(c.path("is_transcoder"))) return null;
    if (c.has("architecture") && !is(c.path("architecture"), "standard")) return null;
    JsonNode arguments = c.path("activation_fn_kwargs");
    if (c.has("activation_fn_kwargs") && !arguments.isObject()) return null;
    JsonNode function = c.path("activation_fn_str");
    if (is(function, "tanh-relu")) return OTHER;
    if (is(function, "relu")) return relu(divides, true);
    if (!function.isMissingNode() && !is(function, "topk")) return null;
    if (arguments.has("postact_fn")) return OTHER;
    return topK(arguments.path("k"), divides, true);
  }

  private static @Nullable Spec saev(OpenedFixture sae, JsonNode c) {
    if (!c.has("schema")) {
      // What saev did before schemas, and stands in the golden file.
      return c.path("d_vit").isInt() ? relu(false, true) : null;
    }
    int schema = c.path("schema").isInt() ? c.path("schema").asInt() : 0;
    if (schema < 1 || schema > 5) return null;
    JsonNode cfg = c.path("cfg");
    JsonNode activation = cfg.path("activation");
    JsonNode name = activation.path("cls");
    JsonNode parameters = activation.path("params");
    if (schema == 1 && c.path("cls").isString() && activation.isMissingNode()) {
      name = c.path("cls");
      parameters = cfg;
    } else if (schema == 1 && activation.isMissingNode()) {
      return null; // TopK of 32, more than there are
    }
    if (!parameters.isObject()) return null;
    JsonNode k = parameters.has("top_k") ? parameters.path("top_k") : sae.config.numberNode(32);
    if (is(name, "Relu")) return relu(false, false);
    if (is(name, "TopK")) return topK(k, false, false);
    if (!is(name, "BatchTopK")) return null;
    if (!sae.tensors.containsKey("activation.threshold")) return null;
    double[] all = new double[F];
    Arrays.fill(all, Math.max(0, sae.numbers("activation.threshold")[0]));
    return new Spec("jump", 0, all, false, false, false);
  }

  private static @Nullable Spec dictionary(OpenedFixture sae, JsonNode trainer) {
    String type = trainer.path("dict_class").asString("");
    boolean counts = sae.tensors.containsKey("k");
    if (counts
        && !(trainer.path("k").isInt() && trainer.path("k").asInt() == sae.numbers("k")[0])) {
      return null;
    }
    boolean linear = sae.tensors.containsKey("encoder.weight");
    return switch (type) {
      case "AutoEncoder" -> sae.tensors.containsKey("bias") ? relu(false, true) : null;
      case "AutoEncoderNew" -> sae.tensors.containsKey("decoder.bias") ? relu(false, false) : null;
      case "AutoEncoderTopK" -> counts && linear ? topK(trainer.path("k"), false, true) : null;
      case "BatchTopKSAE", "MatryoshkaBatchTopKSAE" -> {
        if (!counts || linear != type.equals("BatchTopKSAE")) yield null;
        double threshold = sae.numbers("threshold")[0];
        // Never calibrated: the library runs a ReLU; the reader says that it reads TopK.
        if (threshold < 0) yield topK(trainer.path("k"), false, true);
        double[] all = new double[F];
        Arrays.fill(all, threshold);
        yield new Spec("jump", 0, all, false, true, false);
      }
      case "JumpReluAutoEncoder" ->
          counts || linear
              ? null
              : new Spec("jump", 0, sae.numbers("threshold"), false, false, false);
      default -> null;
    };
  }

  private static @Nullable Spec sparsify(JsonNode c) {
    if (!c.path("d_in").isInt()) return null;
    if (truthy(c.path("transcode")) || truthy(c.path("skip_connection"))) return OTHER;
    JsonNode function = c.path("activation");
    if (is(function, "groupmax")) return OTHER;
    if (!function.isMissingNode() && !is(function, "topk")) return null;
    return c.has("k") ? topK(c.path("k"), false, true) : null; // 32, more than there are
  }

  private static @Nullable Spec openai(JsonNode c) {
    JsonNode function = c.path("activation");
    JsonNode inner = c.path("activation_state_dict");
    if (is(function, "Identity")) return OTHER;
    // Every name that it does not know is a ReLU there.
    if (!is(function, "TopK")) return relu(false, true);
    if (is(inner.path("postact_fn"), "Identity")) return OTHER;
    return is(inner.path("postact_fn"), "ReLU") ? topK(inner.path("k"), true, true) : null;
  }

  // ---- plain loops ----------------------------------------------------------------------------

  /** W_enc [d,f], b_enc, W_dec [f,d], b_dec, wherever a format has them. */
  static double[][] weights(OpenedFixture sae) {
    Map<String, ?> has = sae.tensors;
    boolean plain = has.containsKey("W_enc");
    double[] encoder = plain ? sae.numbers("W_enc") : turned(sae.numbers("encoder.weight"), F, D);
    double[] encoderBias =
        sae.numbers(
            plain ? "b_enc" : has.containsKey("latent_bias") ? "latent_bias" : "encoder.bias");
    double[] decoder =
        has.containsKey("W_dec")
            ? sae.numbers("W_dec")
            : turned(sae.numbers("decoder.weight"), D, F);
    for (String bias : new String[] {"b_dec", "pre_bias", "decoder.bias", "bias"}) {
      if (has.containsKey(bias)) {
        return new double[][] {encoder, encoderBias, decoder, sae.numbers(bias)};
      }
    }
    throw new IllegalStateException(sae.name);
  }

  private static double[] turned(double[] from, int rows, int columns) {
    double[] to = new double[from.length];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) to[j * rows + i] = from[i * columns + j];
    }
    return to;
  }

  /** The reconstruction of rows x [n,8]. */
  static double[] reconstruct(Spec spec, double[][] weights, double[] x) {
    double[] out = new double[x.length];
    for (int at = 0; at < x.length; at += D) row(spec, weights, x, at, out);
    return out;
  }

  private static void row(Spec spec, double[][] weights, double[] x, int at, double[] out) {
    double mean = 0;
    double std = 1;
    double divisor = 1;
    if (spec.divides()) {
      for (int j = 0; j < D; j++) mean += x[at + j] / D;
      double square = 0;
      for (int j = 0; j < D; j++) square += (x[at + j] - mean) * (x[at + j] - mean);
      std = Math.sqrt(square / (D - 1));
      divisor = std + 1e-5;
    }
    double[] active = new double[F];
    double[] lengths = new double[F];
    for (int f = 0; f < F; f++) {
      double pre = weights[1][f];
      for (int j = 0; j < D; j++) {
        double z = (x[at + j] - mean) / divisor - (spec.subtracts() ? weights[3][j] : 0);
        pre += z * weights[0][j * F + f];
        lengths[f] += weights[2][f * D + j] * weights[2][f * D + j];
      }
      lengths[f] = Math.sqrt(lengths[f]);
      active[f] = spec.rescaled() ? pre * lengths[f] : pre;
    }
    double bound = Double.NEGATIVE_INFINITY;
    if (spec.function().equals("topk")) {
      double[] sorted = active.clone();
      Arrays.sort(sorted);
      bound = sorted[F - spec.k()];
    }
    for (int f = 0; f < F; f++) {
      double least = spec.function().equals("jump") ? spec.thresholds()[f] : 0;
      boolean on = active[f] > Math.max(0, least) && active[f] >= bound;
      active[f] = on ? active[f] / (spec.rescaled() ? lengths[f] : 1) : 0;
    }
    for (int j = 0; j < D; j++) {
      double sum = weights[3][j];
      for (int f = 0; f < F; f++) sum += active[f] * weights[2][f * D + j];
      out[at + j] = sum * std + mean;
    }
  }
}
