// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.data.tensor.TorchZip;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * SAEs on disk. Written as SAELens-style folders: {@code cfg.json} and {@code
 * sae_weights.safetensors} with {@code W_enc} [d,f], {@code b_enc} [f], {@code W_dec} [f,d], {@code
 * b_dec} [d]; read from there and from the files of {@link SaeFormat}'s other tools.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class SaeFiles {
  /** Name of the file of weights in a folder as {@link #write} makes it. */
  public static final String WEIGHTS = "sae_weights.safetensors";

  /** The version of SAELens whose fields these are; without one it takes a folder for older. */
  private static final String PEER_VERSION = "6.0.0";

  private SaeFiles() {}

  /**
   * Writes an SAE; either both files are whole or the folder holds no readable SAE, since the
   * configuration comes last.
   *
   * @param metadata where it belongs: model name, hook name and the like
   */
  public static void write(Path folder, Sae sae, Map<String, Object> metadata) {
    Map<String, Object> config = new LinkedHashMap<>();
    switch (sae.activation()) {
      case SaeActivation.Relu relu -> config.put("architecture", "standard");
      case SaeActivation.TopK top -> {
        config.put("architecture", "topk");
        config.put("k", top.k());
      }
      case SaeActivation.JumpRelu jump -> config.put("architecture", "jumprelu");
    }
    config.put("d_in", sae.width());
    config.put("d_sae", sae.features());
    config.put("dtype", "float32");
    config.put("device", "cpu");
    config.put("apply_b_dec_to_input", sae.subtractsDecoderBias());
    config.put("normalize_activations", sae.normalisation().peerName());
    config.put("reshape_activations", "none");
    config.put("rescale_acts_by_decoder_norm", false);
    Map<String, Object> about = new LinkedHashMap<>(metadata);
    about.putIfAbsent("sae_lens_version", PEER_VERSION);
    config.put("metadata", about);
    List<StoredTensor> tensors = new ArrayList<>();
    tensors.add(stored("W_dec", sae.decoder()));
    tensors.add(stored("W_enc", sae.encoder()));
    tensors.add(stored("b_dec", sae.decoderBias()));
    tensors.add(stored("b_enc", sae.encoderBias()));
    try (Scope scope = Scope.open()) {
      if (sae.activation() instanceof SaeActivation.JumpRelu jump) {
        tensors.add(stored("threshold", Tensor.of(jump.thresholds(), sae.features())));
      }
      SafeTensors.write(folder.resolve(WEIGHTS), tensors, Map.of());
    }
    AtomicFiles.writeJson(folder.resolve(SaeLensReader.CONFIG), config);
  }

  /** A tensor of F32 under the name that it gets in a file. */
  static StoredTensor stored(String name, Tensor tensor) {
    return new StoredTensor(name, DType.F32, tensor.shape(), tensor.segment());
  }

  /** Throws when a folder says that its SAE belongs to another hook point. */
  public static void checkHook(Path folder, String hookName) {
    Path file = folder.resolve(SaeLensReader.CONFIG);
    String own = JsonObject.read(file).object("metadata").toldText("hook_name");
    if (own != null && !HookNames.translated(own).equals(hookName)) {
      throw new InputException(
          file,
          "the SAE belongs to " + own + ", the run says " + hookName,
          "One of the two files was changed: restore it");
    }
  }

  /** Reads an SAE as {@link #open} does, without what its files say about it. */
  public static Sae read(Path path) {
    return open(path).sae();
  }

  /**
   * Reads an SAE that any tool of {@link SaeFormat} wrote; the caller closes it.
   *
   * @param path a folder, or the file of weights in it
   * @throws InputException when the files are missing, damaged or contradict themselves; when a
   *     weight is no floating point number, NaN or infinite, or a threshold negative; for gated
   *     SAEs, transcoders, skip SAEs and normalisations other than none and layer norm; and for a
   *     field or tensor that is not known here: all by name
   */
  public static StoredSae open(Path path) {
    if (Files.isDirectory(path)) return folder(path);
    Path name = path.getFileName();
    Path parent = path.toAbsolutePath().getParent();
    boolean part =
        name != null
            && Set.of("cfg.json", "config.json", WEIGHTS, SparsifyReader.WEIGHTS)
                .contains(name.toString());
    return part && parent != null ? folder(parent) : file(path);
  }

  private static StoredSae folder(Path folder) {
    boolean config = Files.exists(folder.resolve(SaeLensReader.CONFIG));
    boolean sparsify = Files.exists(folder.resolve(SparsifyReader.WEIGHTS));
    if (config && !sparsify || Files.exists(folder.resolve(WEIGHTS))) {
      return SaeLensReader.read(folder);
    }
    if (sparsify) return SparsifyReader.read(folder);
    List<Path> files;
    try (Stream<Path> all = Files.list(folder)) {
      files = all.filter(file -> isWeights(String.valueOf(file.getFileName()))).sorted().toList();
    } catch (IOException e) {
      throw new InputException(folder, "cannot be listed", "Check its rights", e);
    }
    if (files.size() == 1) return file(files.getFirst());
    throw new InputException(
        folder,
        files.isEmpty() ? "holds no SAE" : "holds " + files.size() + " files of weights",
        files.isEmpty()
            ? "Name a folder with cfg.json (SAELens, sparsify), ae.pt, sae.pt or one other .pt"
            : "Name one of them, such as " + files.getFirst().getFileName());
  }

  private static boolean isWeights(String name) {
    return name.endsWith(".pt") && !name.endsWith(SparsityFile.PRISMA_END);
  }

  private static StoredSae file(Path path) {
    String name = String.valueOf(path.getFileName());
    try (TensorFile file = name.endsWith(".pt") ? TorchZip.open(path) : TensorFile.open(path)) {
      Set<String> names = SaeTensors.named(file).keySet();
      if (file.metadata().containsKey(TorchZip.PREAMBLE)) return SaevReader.read(file);
      if (names.contains("pre_bias") || names.contains("latent_bias")) {
        return OpenAiReader.read(file);
      }
      if (names.contains("encoder.weight")) return DictionaryReader.read(file);
      if (names.contains("W_enc")) {
        return isDictionary(file, names) ? DictionaryReader.read(file) : PrismaReader.read(file);
      }
      throw new InputException(
          path,
          "holds no SAE that is known here, neither W_enc nor encoder.weight: " + few(names),
          "Name an SAE's file or folder");
    }
  }

  /** By the configuration; where there is none, by tensors that Prisma's SAEs do not have. */
  private static boolean isDictionary(TensorFile file, Set<String> names) {
    if (PrismaReader.hasConfiguration(file)) return DictionaryReader.isBeside(file.path());
    return names.contains("k") || names.contains("threshold");
  }

  private static String few(Set<String> names) {
    @Nullable String first = names.stream().sorted().findFirst().orElse(null);
    return names.size() + " tensors, the first called " + first;
  }
}
