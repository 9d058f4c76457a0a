// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TorchZip;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

/**
 * Writes SAEs as other tools write theirs. Whether the encoder subtracts b_dec is folded into b_enc
 * where a tool has only one way; whatever else a tool cannot express is refused before anything is
 * written.
 */
public final class SaeExport {
  private static final Pattern HOOK = Pattern.compile("blocks\\.(\\d{1,4})\\.(.+)");

  private final Path part;
  private final Path out;
  private final SaeFormat format;
  private final SaeClaims claims;
  private final List<String> notes = new ArrayList<>();

  private SaeExport(Path part, Path out, SaeFormat format, SaeClaims claims) {
    this.part = part;
    this.out = out;
    this.format = format;
    this.claims = claims;
  }

  /**
   * Writes an SAE.
   *
   * @param out a new or empty folder
   * @param format any that can be written
   * @return what was folded or differs, one sentence each
   * @throws InputException when the folder holds something, or the format cannot express the SAE
   */
  public static List<String> write(Path out, SaeFormat format, StoredSae stored) {
    return WorkFolder.write(out, folder -> write(folder, out, format, stored));
  }

  private static List<String> write(Path part, Path out, SaeFormat format, StoredSae stored) {
    SaeExport export = new SaeExport(part, out, format, stored.claims());
    try (Scope scope = Scope.open()) {
      Sae sae = export.simplified(stored.sae());
      switch (format) {
        case SAELENS -> SaeFiles.write(part, sae, export.metadata());
        case PRISMA -> export.prisma(sae);
        case SAEV -> export.saev(sae);
        case DICTIONARY_LEARNING -> export.dictionary(sae);
        case SPARSIFY -> export.sparsify(sae);
        case OPENAI, PATCHSAE -> throw export.refused("is read here, not written");
      }
    }
    return List.copyOf(export.notes);
  }

  /** JumpReLU with thresholds of 0 is a ReLU, which more tools have. */
  private Sae simplified(Sae sae) {
    if (!(sae.activation() instanceof SaeActivation.JumpRelu jump)) return sae;
    for (float threshold : jump.thresholds()) {
      if (threshold != 0) return sae;
    }
    notes.add("all thresholds are 0: written as a ReLU");
    return with(sae, new SaeActivation.Relu(), sae.encoderBias(), sae.subtractsDecoderBias());
  }

  private static Sae with(
      Sae sae, SaeActivation activation, Tensor encoderBias, boolean subtracts) {
    return new Sae(
        activation,
        sae.normalisation(),
        sae.encoder(),
        encoderBias,
        sae.decoder(),
        sae.decoderBias(),
        subtracts);
  }

  /** The same SAE, its encoder subtracting b_dec or not: b_enc takes up the difference. */
  private Sae subtracting(Sae sae, boolean wanted) {
    if (sae.subtractsDecoderBias() == wanted) return sae;
    long d = sae.width();
    long f = sae.features();
    try (Scope scope = Scope.open()) {
      Tensor product =
          sae.decoderBias()
              .to(DType.F64)
              .reshape(1, d)
              .matmul(sae.encoder().to(DType.F64))
              .reshape(f);
      Tensor bias = sae.encoderBias().to(DType.F64).add(product.mul(wanted ? 1 : -1)).to(DType.F32);
      notes.add(
          format
              + (wanted ? " subtracts" : " does not subtract")
              + " b_dec in its encoder: folded into b_enc");
      return with(sae, sae.activation(), scope.keep(bias), wanted);
    }
  }

  // ---- the formats --------------------------------------------------------------------------

  private Map<String, Object> metadata() {
    Map<String, Object> metadata = new LinkedHashMap<>();
    putKnown(metadata, "model_name", claims.modelName());
    putKnown(metadata, "hook_name", claims.hookName());
    putKnown(metadata, "tokens_selection", claims.tokens());
    if (claims.k() != null) metadata.put("k", claims.k());
    metadata.putAll(new TreeMap<>(claims.quality()));
    metadata.put("converted_from", claims.format().toString());
    return metadata;
  }

  private static void putKnown(Map<String, Object> map, String name, @Nullable String value) {
    if (value != null) map.put(name, value);
  }

  private void prisma(Sae given) {
    Matcher hook = HOOK.matcher(claims.hookName() == null ? "" : claims.hookName());
    if (!hook.matches()) {
      throw new InputException(
          out,
          "prisma needs the hook point, and the SAE says "
              + (claims.hookName() == null ? "none" : claims.hookName()),
          "Give it: --hook blocks.7.hook_resid_post");
    }
    if (given.features() % given.width() != 0) {
      throw refused(
          "has a whole multiple of d_in as d_sae, not "
              + given.features()
              + " of "
              + given.width());
    }
    Map<String, Object> config = new LinkedHashMap<>();
    putKnown(config, "model_name", claims.modelName());
    config.put("hook_point_layer", Integer.parseInt(hook.group(1)));
    config.put("layer_subtype", hook.group(2));
    config.put("architecture", "standard");
    config.put("d_in", given.width());
    config.put("expansion_factor", given.features() / given.width());
    switch (given.activation()) {
      case SaeActivation.Relu relu -> {
        config.put("activation_fn_str", "relu");
        config.put("activation_fn_kwargs", Map.of());
      }
      case SaeActivation.TopK top -> {
        config.put("activation_fn_str", "topk");
        config.put("activation_fn_kwargs", Map.of("k", top.k()));
      }
      case SaeActivation.JumpRelu jump -> throw refused("has no JumpReLU thresholds");
    }
    config.put("normalize_activations", given.normalisation().peerName());
    config.put("is_transcoder", false);
    if (claims.tokens() != null) {
      config.put("cls_token_only", claims.tokens().equals("cls"));
      config.put("use_patches_only", claims.tokens().equals("patches"));
    }
    config.put("log_to_wandb", false);
    config.put("_dtype", "float32");
    config.put("_device", "cpu");
    Sae sae = subtracting(given, true);
    TorchZip.write(part.resolve("weights.pt"), plain(sae), "");
    AtomicFiles.writeJson(part.resolve("config.json"), config);
  }

  private void saev(Sae given) {
    checkRaw(given);
    Map<String, Object> parameters = new LinkedHashMap<>();
    String type;
    List<StoredTensor> more = new ArrayList<>();
    switch (given.activation()) {
      case SaeActivation.Relu relu -> type = "Relu";
      case SaeActivation.TopK top -> {
        type = "TopK";
        parameters.put("top_k", top.k());
        notes.add("saev lets negative values among the k stay, where here they become 0");
      }
      case SaeActivation.JumpRelu jump -> {
        type = "BatchTopK";
        float[] all = jump.thresholds();
        for (float one : all) {
          if (one != all[0]) throw refused("has one threshold for all features, not one for each");
        }
        if (claims.k() != null) parameters.put("top_k", claims.k());
        more.add(StoredTensor.ofFloats("activation.threshold", new float[] {all[0]}));
      }
    }
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("d_model", given.width());
    config.put("d_sae", given.features());
    config.put("activation", Map.of("cls", type, "params", parameters));
    Map<String, Object> header = new LinkedHashMap<>();
    header.put("schema", 5);
    header.put("cfg", config);
    header.put("commit", "unknown");
    header.put("lib", "clipsteer");
    putKnown(header, "hook_name", claims.hookName());
    List<StoredTensor> tensors = new ArrayList<>(plain(subtracting(given, false)));
    tensors.addAll(more);
    String line = JsonMapper.shared().writeValueAsString(header) + "\n";
    TorchZip.write(part.resolve("sae.pt"), tensors, line);
  }

  private void dictionary(Sae given) {
    checkRaw(given);
    Map<String, Object> trainer = new LinkedHashMap<>();
    List<StoredTensor> tensors = new ArrayList<>();
    switch (given.activation()) {
      case SaeActivation.Relu relu -> {
        // Their newer class is the one that does not subtract.
        boolean subtracts = given.subtractsDecoderBias();
        trainer.put("dict_class", subtracts ? "AutoEncoder" : "AutoEncoderNew");
        tensors.addAll(linear(given, subtracts ? "bias" : "decoder.bias"));
      }
      case SaeActivation.TopK top -> {
        trainer.put("dict_class", "AutoEncoderTopK");
        trainer.put("k", top.k());
        tensors.addAll(linear(subtracting(given, true), "b_dec"));
        tensors.add(integer("k", top.k()));
        tensors.add(StoredTensor.ofFloats("threshold", new float[] {-1}));
      }
      case SaeActivation.JumpRelu jump -> {
        trainer.put("dict_class", "JumpReluAutoEncoder");
        tensors.addAll(plain(subtracting(given, false)));
        tensors.add(StoredTensor.ofFloats("threshold", jump.thresholds(), given.features()));
      }
    }
    trainer.put("activation_dim", given.width());
    trainer.put("dict_size", given.features());
    putKnown(trainer, "lm_name", claims.modelName());
    putKnown(trainer, "submodule_name", claims.hookName());
    TorchZip.write(part.resolve("ae.pt"), tensors, "");
    AtomicFiles.writeJson(
        part.resolve("config.json"), Map.of("trainer", trainer, "buffer", Map.of()));
  }

  private void sparsify(Sae given) {
    checkRaw(given);
    if (!(given.activation() instanceof SaeActivation.TopK top)) {
      throw refused("has only TopK, and this SAE is a " + name(given.activation()));
    }
    Sae sae = subtracting(given, true);
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("activation", "topk");
    config.put("expansion_factor", Math.max(1, sae.features() / sae.width()));
    config.put("normalize_decoder", false);
    config.put("num_latents", sae.features());
    config.put("k", top.k());
    config.put("multi_topk", false);
    config.put("skip_connection", false);
    config.put("transcode", false);
    config.put("d_in", sae.width());
    putKnown(config, "model_name", claims.modelName());
    putKnown(config, "hook_name", claims.hookName());
    Tensor encoder = sae.encoder().transpose(0, 1).contiguous();
    SafeTensors.write(
        part.resolve(SparsifyReader.WEIGHTS),
        List.of(
            SaeFiles.stored("W_dec", sae.decoder()),
            SaeFiles.stored("b_dec", sae.decoderBias()),
            SaeFiles.stored("encoder.bias", sae.encoderBias()),
            SaeFiles.stored("encoder.weight", encoder)),
        Map.of());
    AtomicFiles.writeJson(part.resolve(SparsifyReader.CONFIG), config);
  }

  // ---- pieces -------------------------------------------------------------------------------

  private static String name(SaeActivation activation) {
    return switch (activation) {
      case SaeActivation.Relu relu -> "ReLU";
      case SaeActivation.TopK top -> "TopK";
      case SaeActivation.JumpRelu jump -> "JumpReLU";
    };
  }

  /** Layer norm divides each token by a number of its own: no weights can take that up. */
  private void checkRaw(Sae sae) {
    if (!(sae.normalisation() instanceof InputNormalisation.None)) {
      throw refused(
          "cannot say that the input is normalised (" + sae.normalisation().peerName() + ")");
    }
  }

  private InputException refused(String why) {
    return new InputException(
        out, format + " " + why, "Write saelens, which holds every SAE of this program");
  }

  private static List<StoredTensor> plain(Sae sae) {
    return List.of(
        SaeFiles.stored("W_enc", sae.encoder()),
        SaeFiles.stored("b_enc", sae.encoderBias()),
        SaeFiles.stored("W_dec", sae.decoder()),
        SaeFiles.stored("b_dec", sae.decoderBias()));
  }

  private static List<StoredTensor> linear(Sae sae, String bias) {
    return List.of(
        SaeFiles.stored(bias, sae.decoderBias()),
        SaeFiles.stored("encoder.weight", sae.encoder().transpose(0, 1).contiguous()),
        SaeFiles.stored("encoder.bias", sae.encoderBias()),
        SaeFiles.stored("decoder.weight", sae.decoder().transpose(0, 1).contiguous()));
  }

  private static StoredTensor integer(String name, int value) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[4]);
    bytes.set(ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0, value);
    return new StoredTensor(name, DType.I32, new long[0], bytes);
  }
}
