// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.model.SelectedTokens;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.onnx.OnnxGraph;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.sae.SparseCode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * An {@link Edit} as the few tensors that it needs: {@code x' = x + Σ_j m_j·σ·d_j} with {@code m}
 * from activations f and values v by its rule, {@code f_j = p_j where p_j > θ_j, else 0} and {@code
 * p = w_j·z + b_j}. That is exact for SAEs whose features do not compete (ReLU, JumpReLU, and
 * BatchTopK and Matryoshka after training), for neurons and for a direction. Features of a TopK SAE
 * compete: p is computed for all f features and the k largest are active; or θ was calibrated on
 * images, which is inexact. The SAE's error stays in x.
 *
 * @param site where it applies; its tokens are a selection
 * @param layerNorm whether {@code z} is x less its mean, divided by σ; otherwise z is x and σ is 1
 * @param topK how many of all features are active; 0 where thresholds decide
 * @param units the units' numbers in their SAE or among the neurons; 0 for a direction
 * @param rule what becomes of their activations
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record CompiledEdit(
    EditSite site, boolean layerNorm, int topK, List<Integer> units, Rule.RuleKind rule, Rows rows)
    implements ResidualEdit, AutoCloseable {
  /**
   * The tensors of a compiled edit of k units.
   *
   * @param encoder w F32 [d,k]; with {@code topK} of all features [d,f]
   * @param bias b F32 [k] or [f], less {@code w·b_dec} where the SAE subtracts it
   * @param thresholds θ F32 [k]; −∞ where every activation counts
   * @param decoder d F32 [k,d], times the rule's strengths
   * @param values v F32 [k]
   */
  public record Rows(
      Tensor encoder, Tensor bias, Tensor thresholds, Tensor decoder, Tensor values) {
    Rows map(UnaryOperator<Tensor> operator) {
      return new Rows(
          operator.apply(encoder),
          operator.apply(bias),
          operator.apply(thresholds),
          operator.apply(decoder),
          operator.apply(values));
    }
  }

  /**
   * Compiles an edit exactly; the caller closes it.
   *
   * @throws IllegalArgumentException when the edit has units of measurement that no file holds
   */
  public static CompiledEdit of(Edit edit) {
    return of(edit, null);
  }

  /**
   * Compiles an edit of features with thresholds in the place of their competition.
   *
   * @param calibrated θ of each feature; null to compile exactly
   */
  public static CompiledEdit of(Edit edit, float @Nullable [] calibrated) {
    try (Scope scope = Scope.open()) {
      return compiled(edit, calibrated);
    }
  }

  private static CompiledEdit compiled(Edit edit, float @Nullable [] calibrated) {
    return switch (edit.target()) {
      case Edit.Features features when !features.raw() -> features(edit, features, calibrated);
      case Edit.Neurons neurons -> {
        int k = neurons.ids().length;
        float[] rows = neurons.directions();
        Tensor units = Tensor.of(rows, k, neurons.width());
        yield linear(edit, neurons.ids(), units, units, Tensor.zeros(DType.F32, k));
      }
      case Edit.Direction one when one.sae() == null -> {
        int d = one.centre().length;
        int k = one.read().length / d;
        Tensor read = Tensor.of(one.read(), k, d);
        Tensor centre = Tensor.of(one.centre(), d, 1).to(DType.F64);
        Tensor shift = read.to(DType.F64).matmul(centre).reshape(k).mulInPlace(-1);
        int[] units = IntStream.range(0, k).toArray();
        yield linear(edit, units, read, Tensor.of(one.written(), k, d), shift);
      }
      default -> throw new IllegalArgumentException(edit.described() + " cannot be compiled");
    };
  }

  /** Units whose activation is {@code x·r_j + shift_j}, whatever its sign. */
  private static CompiledEdit linear(
      Edit edit, int[] units, Tensor read, Tensor written, Tensor shift) {
    float[] all = new float[units.length];
    Arrays.fill(all, Float.NEGATIVE_INFINITY);
    return compiled(edit, false, 0, units, rows(edit, read.transpose(0, 1), shift, all, written));
  }

  private static CompiledEdit features(
      Edit edit, Edit.Features chosen, float @Nullable [] calibrated) {
    Sae sae = chosen.sae();
    int[] ids = chosen.ids();
    int topK =
        calibrated == null && sae.activation() instanceof SaeActivation.TopK top ? top.k() : 0;
    float[] thresholds = calibrated != null ? calibrated : sae.activation().thresholds(ids);
    try (Scope scope = Scope.open()) {
      Tensor rows = Tensor.of(Arrays.stream(ids).asLongStream().toArray(), ids.length);
      Tensor w = sae.encoder().transpose(0, 1);
      Tensor b = sae.encoderBias();
      if (topK == 0) {
        w = w.indexSelect(0, rows);
        b = b.indexSelect(0, rows);
      }
      w = w.to(DType.F64);
      b = b.to(DType.F64);
      if (sae.subtractsDecoderBias()) {
        b = b.sub(w.matmul(sae.decoderBias().to(DType.F64).reshape(-1, 1)).reshape(b.size(0)));
      }
      Tensor d = sae.decoder().indexSelect(0, rows).to(DType.F64);
      if (sae.normalisation() instanceof InputNormalisation.Standardise standard) {
        w = w.mul(1 / standard.scale());
        Tensor mean = Tensor.of(standard.mean(), standard.mean().length, 1).to(DType.F64);
        b = b.sub(w.matmul(mean).reshape(b.size(0)));
        d = d.mul(standard.scale());
      }
      boolean layerNorm = sae.normalisation() instanceof InputNormalisation.LayerNorm;
      return compiled(edit, layerNorm, topK, ids, rows(edit, w.transpose(0, 1), b, thresholds, d));
    }
  }

  private static Rows rows(
      Edit edit, Tensor encoder, Tensor bias, float[] thresholds, Tensor decoder) {
    int k = thresholds.length;
    return new Rows(
        encoder.to(DType.F32).contiguous(),
        bias.to(DType.F32),
        Tensor.of(thresholds, k),
        decoder.to(DType.F32).mul(Tensor.of(edit.rule().strengths(k), k, 1)),
        Tensor.of(edit.rule().values(k), k));
  }

  private static CompiledEdit compiled(
      Edit edit, boolean layerNorm, int topK, int[] units, Rows rows) {
    try (Scope scope = Scope.open()) {
      return new CompiledEdit(
          edit.site(),
          layerNorm,
          topK,
          Arrays.stream(units).boxed().toList(),
          edit.rule().kind(),
          rows.map(tensor -> scope.release(tensor.copy())));
    }
  }

  /**
   * The edit on the device of a tower, so that its tensors are uploaded once: itself when it is
   * there already, else a copy, and this one is closed. Only on the CPU can it be written.
   */
  public CompiledEdit movedTo(Device device) {
    if (rows.encoder.device().equals(device)) return this;
    try (Scope scope = Scope.open()) {
      Rows there = rows.map(tensor -> scope.release(tensor.to(device)));
      close();
      return new CompiledEdit(site, layerNorm, topK, units, rule, there);
    }
  }

  /** Width d of the residual. */
  public int width() {
    return (int) rows.encoder.size(0);
  }

  @Override
  public Tensor edit(HookPoint where, Tensor residual) {
    try (Scope scope = Scope.open()) {
      Rows here = rows.map(tensor -> tensor.to(residual.device()));
      SelectedTokens selected = site.in(residual);
      Tensor x = selected.values().to(DType.F32).reshape(-1, residual.size(2)).contiguous();
      Tensor z = x;
      Tensor scale = null;
      if (layerNorm) {
        var normalised = new InputNormalisation.LayerNorm().apply(x);
        z = normalised.z();
        scale = normalised.scale();
      }
      Tensor active = topK == 0 ? above(z, here) : competing(z, here);
      Tensor moved =
          switch (rule) {
            case SET -> active.mulInPlace(-1).addInPlace(here.values);
            case CAP -> active.sub(here.values).reluInPlace().mulInPlace(-1);
            case SCALE -> active.mul(here.values).subInPlace(active);
            case ADD -> active.mulInPlace(0).addInPlace(here.values);
          };
      if (scale != null) moved.mulInPlace(scale);
      return scope.keep(selected.plus(moved.matmul(here.decoder)));
    }
  }

  private static Tensor above(Tensor z, Rows here) {
    Tensor p = z.matmul(here.encoder).addInPlace(here.bias);
    return p.whereAboveZero(p.sub(here.thresholds));
  }

  /** Activations of the units among the k largest of all features. */
  private Tensor competing(Tensor z, Rows here) {
    SparseCode code =
        SparseCode.topK(
            z,
            here.encoder.size(1),
            rows -> rows.matmul(here.encoder).addInPlace(here.bias).to(Device.CPU),
            topK);
    int[] ids = units.stream().mapToInt(Integer::intValue).toArray();
    return code.columns(ids).to(z.device());
  }

  /**
   * Adds the edit to an ONNX graph.
   *
   * @param residual name of the residual [b,t,d]
   * @param all number of tokens t
   * @return name of the edited residual
   */
  public String addTo(OnnxGraph graph, String residual, int all) {
    TokenSelection tokens = site.tokens().selection();
    int first = tokens.first(site.prefixTokens());
    int end = first + tokens.count(site.prefixTokens(), all);
    boolean whole = first == 0 && end == all;
    String x = whole ? residual : graph.slice(residual, 1, first, end);
    String z = x;
    String scale = "";
    if (layerNorm) {
      String centred = graph.op("Sub", x, graph.mean(x, 2, true));
      double d = rows.encoder.size(0);
      // Divided by the unbiased standard deviation plus 1e-5, undone without, as LayerNorm.
      String variance =
          graph.op(
              "Mul",
              graph.mean(graph.op("Mul", centred, centred), 2, true),
              graph.number(d / (d - 1)));
      scale = graph.op("Sqrt", variance);
      String eps = graph.number(InputNormalisation.LayerNorm.EPS);
      z = graph.op("Div", centred, graph.op("Add", scale, eps));
    }
    String moved = moved(graph, active(graph, z));
    if (layerNorm) moved = graph.op("Mul", moved, scale);
    String edited = graph.op("Add", x, graph.op("MatMul", moved, graph.constant(rows.decoder)));
    if (whole) return edited;
    List<String> parts = new ArrayList<>();
    if (first > 0) parts.add(graph.slice(residual, 1, 0, first));
    parts.add(edited);
    if (end < all) parts.add(graph.slice(residual, 1, end, all));
    return graph.op("Concat", Map.of("axis", 1L), parts.toArray(String[]::new));
  }

  private String active(OnnxGraph graph, String z) {
    String p =
        graph.op(
            "Add", graph.op("MatMul", z, graph.constant(rows.encoder)), graph.constant(rows.bias));
    String fires;
    if (topK == 0) {
      fires = graph.op("Greater", p, graph.constant(rows.thresholds));
    } else {
      String least = graph.slice(graph.topK(p, topK), 2, topK - 1, topK);
      String ids = graph.whole(units.stream().mapToLong(Integer::longValue).toArray());
      p = graph.op("Gather", Map.of("axis", 2L), p, ids);
      fires = graph.op("GreaterOrEqual", p, least);
      p = graph.op("Relu", p);
    }
    return graph.op("Where", fires, p, graph.number(0));
  }

  private String moved(OnnxGraph graph, String active) {
    String values = graph.constant(rows.values);
    return switch (rule) {
      case SET -> graph.op("Sub", values, active);
      case CAP -> graph.op("Min", graph.op("Sub", values, active), graph.number(0));
      case SCALE -> graph.op("Sub", graph.op("Mul", active, values), active);
      case ADD -> graph.op("Add", graph.op("Mul", active, graph.number(0)), values);
    };
  }

  @Override
  public void close() {
    rows.map(
        tensor -> {
          tensor.close();
          return tensor;
        });
  }
}
