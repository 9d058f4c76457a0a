// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.model.SelectedTokens;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.onnx.OnnxEdit;
import io.clipsteer.engine.onnx.OnnxGraph;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;

/**
 * Features that become fixed values, with no more of the SAE than their own rows: {@code x' = x +
 * Σ_j (v_j − f_j(x))·σ·d_j}, where {@code f_j = p where p > θ_j, else 0} and {@code p = w_j·z +
 * b_j}; or, with a cap, {@code min(v_j − f_j(x), 0)} in the place of the difference. That is exact
 * for SAEs whose features do not compete: ReLU, JumpReLU, and BatchTopK and Matryoshka after
 * training. The SAE's error stays in x.
 *
 * @param site where it belongs; its tokens are a selection
 * @param layerNorm whether {@code z} is x less its mean, divided by σ; otherwise z is x and σ is 1
 * @param features the features' numbers in their SAE, for people
 * @param rows the features' part of the SAE, and their values
 * @param cap whether activations below their values stay
 */
public record CompiledEdit(
    EditSite site, boolean layerNorm, List<Integer> features, Rows rows, boolean cap)
    implements ResidualEdit, OnnxEdit, AutoCloseable {
  private static final String FORMAT = "clipsteer-edit";
  private static final String LAYER_NORM = "layer_norm";
  private static final String CAPPED = "2";

  /**
   * What a compiled edit computes with.
   *
   * @param encoder w F32 [d,k]
   * @param bias b F32 [k], less {@code w·b_dec} where the SAE subtracts it
   * @param thresholds θ F32 [k]
   * @param decoder d F32 [k,d]
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
   * Takes the rows of an edit's features out of their SAE; the caller closes it.
   *
   * @param edit features, set to values or capped
   * @throws InputException when the SAE is a TopK SAE, whose features compete
   * @throws IllegalArgumentException when the edit is another one
   */
  public static CompiledEdit of(Edit edit) {
    if (!(edit.target() instanceof Edit.Features chosen) || chosen.raw()) {
      throw new IllegalArgumentException(edit.described() + " has no rows of an SAE");
    }
    Sae sae = chosen.sae();
    int[] ids = chosen.ids();
    float[] thresholds = thresholds(sae, ids);
    try (Scope scope = Scope.open()) {
      Tensor rows = Tensor.of(Arrays.stream(ids).asLongStream().toArray(), ids.length);
      Tensor w = sae.encoder().transpose(0, 1).indexSelect(0, rows).to(DType.F64);
      Tensor b = sae.encoderBias().indexSelect(0, rows).to(DType.F64);
      if (sae.subtractsDecoderBias()) {
        b = b.sub(w.matmul(sae.decoderBias().to(DType.F64).reshape(-1, 1)).reshape(ids.length));
      }
      Tensor d = sae.decoder().indexSelect(0, rows).to(DType.F64);
      if (sae.normalisation() instanceof InputNormalisation.Standardise standard) {
        w = w.mul(1 / standard.scale());
        Tensor mean = Tensor.of(standard.mean(), standard.mean().length, 1).to(DType.F64);
        b = b.sub(w.matmul(mean).reshape(ids.length));
        d = d.mul(standard.scale());
      }
      Rows own =
          new Rows(
              w.transpose(0, 1).to(DType.F32).contiguous(),
              b.to(DType.F32),
              Tensor.of(thresholds, ids.length),
              d.to(DType.F32),
              Tensor.zeros(DType.F32, ids.length)
                  .addInPlace(Tensor.of(edit.values(), edit.values().length)));
      return new CompiledEdit(
          edit.site(),
          sae.normalisation() instanceof InputNormalisation.LayerNorm,
          Arrays.stream(ids).boxed().toList(),
          own.map(tensor -> scope.release(tensor.copy())),
          edit.rule() instanceof Rule.Cap);
    }
  }

  private static float[] thresholds(Sae sae, int[] ids) {
    float[] thresholds = new float[ids.length];
    switch (sae.activation()) {
      case SaeActivation.TopK top ->
          throw new InputException(
              "a TopK SAE",
              "cannot be cut down to some features: which are active depends on all others",
              "Train with --sae batchtopk:k=" + top.k() + " or relu, or keep the whole SAE");
      case SaeActivation.Relu relu -> {}
      case SaeActivation.JumpRelu jump -> {
        for (int k = 0; k < ids.length; k++) thresholds[k] = jump.thresholds()[ids[k]];
      }
    }
    return thresholds;
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
      return new CompiledEdit(site, layerNorm, features, there, cap);
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
      Tensor p = z.matmul(here.encoder).addInPlace(here.bias);
      Tensor active = p.whereAboveZero(p.sub(here.thresholds));
      Tensor moved =
          cap
              ? active.sub(here.values).reluInPlace().mulInPlace(-1)
              : active.mulInPlace(-1).addInPlace(here.values);
      if (scale != null) moved.mulInPlace(scale);
      return scope.keep(selected.plus(moved.matmul(here.decoder)));
    }
  }

  @Override
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
    String p =
        graph.op(
            "Add", graph.op("MatMul", z, graph.constant(rows.encoder)), graph.constant(rows.bias));
    String fires = graph.op("Greater", p, graph.constant(rows.thresholds));
    String active = graph.op("Where", fires, p, graph.number(0));
    String moved = graph.op("Sub", graph.constant(rows.values), active);
    if (cap) moved = graph.op("Min", moved, graph.number(0));
    if (layerNorm) moved = graph.op("Mul", moved, scale);
    String edited = graph.op("Add", x, graph.op("MatMul", moved, graph.constant(rows.decoder)));
    if (whole) return edited;
    List<String> parts = new ArrayList<>();
    if (first > 0) parts.add(graph.slice(residual, 1, 0, first));
    parts.add(edited);
    if (end < all) parts.add(graph.slice(residual, 1, end, all));
    return graph.op("Concat", Map.of("axis", 1L), parts.toArray(String[]::new));
  }

  /**
   * Writes the edit as a safetensors file: {@code encoder} [d,k], {@code bias}, {@code thresholds},
   * {@code values} [k], {@code decoder} [k,d] and {@code features} I64 [k].
   *
   * @param notes more metadata, as the model's hash
   */
  public void write(Path file, Map<String, String> notes) {
    Map<String, String> metadata = new TreeMap<>(notes);
    metadata.put("format", FORMAT);
    // A reader of version 1 alone would take a cap for a fixed value.
    metadata.put("version", cap ? CAPPED : "1");
    metadata.put("hook_point", site.point().peerName());
    metadata.put("tokens", site.tokens().selection().name());
    metadata.put("prefix_tokens", Integer.toString(site.prefixTokens()));
    metadata.put("normalisation", layerNorm ? LAYER_NORM : "none");
    try (Scope scope = Scope.open()) {
      Tensor ids =
          Tensor.of(features.stream().mapToLong(Integer::longValue).toArray(), features.size());
      List<StoredTensor> tensors = new ArrayList<>();
      tensors.add(new StoredTensor("features", DType.I64, ids.shape(), ids.segment()));
      tensors.add(stored("encoder", rows.encoder));
      tensors.add(stored("bias", rows.bias));
      tensors.add(stored("thresholds", rows.thresholds));
      tensors.add(stored("decoder", rows.decoder));
      tensors.add(stored("values", rows.values));
      SafeTensors.write(file, tensors, metadata);
    }
  }

  private static StoredTensor stored(String name, Tensor tensor) {
    return new StoredTensor(name, DType.F32, tensor.shape(), tensor.segment());
  }

  /**
   * Reads what {@link #write} wrote; the caller closes it.
   *
   * @throws InputException when the file is something else, or damaged
   */
  public static CompiledEdit read(Path file) {
    try (TensorFile stored = SafeTensors.open(file);
        Scope scope = Scope.open()) {
      Map<String, String> notes = stored.metadata();
      boolean cap = CAPPED.equals(notes.get("version"));
      if (!FORMAT.equals(notes.get("format")) || !cap && !"1".equals(notes.get("version"))) {
        throw new InputException(
            file, "is no edit of this version", "Name what clipsteer export --to sidecar wrote");
      }
      StoredTensor weights = stored.get("encoder");
      if (weights.shape().length != 2) throw damaged(file, "encoder");
      long d = weights.shape()[0];
      long k = weights.shape()[1];
      String prefix = notes.getOrDefault("prefix_tokens", "");
      String normalisation = notes.getOrDefault("normalisation", "");
      if (!prefix.matches("\\d{1,4}")) throw damaged(file, "prefix_tokens");
      if (!normalisation.equals(LAYER_NORM) && !normalisation.equals("none")) {
        throw damaged(file, "normalisation");
      }
      long[] ids = tensor(stored, "features", DType.I64, k).toLongs();
      return new CompiledEdit(
          EditSite.of(
              HookPoint.parse(notes.getOrDefault("hook_point", "")),
              TokenSelection.parse(notes.getOrDefault("tokens", "")),
              Integer.parseInt(prefix)),
          normalisation.equals(LAYER_NORM),
          Arrays.stream(ids).mapToObj(Math::toIntExact).toList(),
          new Rows(
                  tensor(stored, "encoder", DType.F32, d, k),
                  tensor(stored, "bias", DType.F32, k),
                  tensor(stored, "thresholds", DType.F32, k),
                  tensor(stored, "decoder", DType.F32, k, d),
                  tensor(stored, "values", DType.F32, k))
              .map(scope::release),
          cap);
    } catch (ArithmeticException e) {
      throw damaged(file, "features");
    }
  }

  private static Tensor tensor(TensorFile file, String name, DType dtype, long... shape) {
    StoredTensor stored = file.get(name);
    if (stored.dtype() != dtype || !Arrays.equals(stored.shape(), shape)) {
      throw damaged(file.path(), name);
    }
    return Tensor.of(stored);
  }

  private static InputException damaged(Path file, String what) {
    return new InputException(file, "its " + what + " is not what an edit has", "Export it again");
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
