// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.DtypeWords;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.GoldenCheck;
import io.clipsteer.engine.model.Rotary;
import io.clipsteer.engine.model.TextLibrary;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code model inspect} and {@code model verify}. */
@Command(
    name = "model",
    description = "Inspect a checkpoint, or verify it against reference outputs.")
final class ModelCommand {
  @Mixin private HelpOption help;

  /** What a checkpoint holds. */
  @Command(
      name = "inspect",
      description =
          "Show a checkpoint's family, shape and preprocessing, and the tensors it ignores.",
      footer = "Example: clipsteer model inspect models/clip-vit-base-patch32 --json")
  void inspect(
      @Mixin CommonOptions common,
      @Parameters(paramLabel = "PATH", description = "Checkpoint: a folder or a file.") Path path) {
    common.apply();
    try (ClipModel model = ClipModel.plan(path)) {
      Map<String, Object> result = describe(model);
      Lines text = new Lines();
      result.forEach((k, v) -> text.add("%-18s %s%n", k, v));
      common.print(result, text.toString());
    }
  }

  /** The keys are a contract. */
  static Map<String, Object> describe(ClipModel model) {
    var vision = model.vision().config();
    var text = model.text();
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("family", model.source().family());
    result.put("layers", vision.layers());
    result.put("width", vision.width());
    result.put("heads", vision.blocks().heads());
    result.put("patch", vision.patch());
    result.put("image_size", vision.imageSize());
    result.put("tokens", vision.tokens());
    result.put("prefix_tokens", vision.prefixTokens());
    result.put("embed_dim", vision.embedDim());
    result.put("activation", vision.activation().name().toLowerCase(Locale.ROOT));
    result.put("norm_eps", vision.blocks().eps());
    Rotary rotary = vision.blocks().rotary();
    result.put("rotary", rotary == null ? "none" : rotary.toString());
    result.put("pooling", vision.pooling().name().toLowerCase(Locale.ROOT));
    result.put("text_tower", text != null);
    if (text != null) {
      var c = text.config();
      Map<String, Object> shape = new LinkedHashMap<>();
      shape.put("layers", c.layers());
      shape.put("width", c.width());
      shape.put("heads", c.blocks().heads());
      shape.put("context", c.context());
      shape.put("vocabulary", c.vocabulary());
      shape.put("end_rule", c.end().rule().name().toLowerCase(Locale.ROOT));
      shape.put("activation", c.blocks().activation().name().toLowerCase(Locale.ROOT));
      shape.put("norm_eps", c.blocks().eps());
      shape.put("causal", c.causal());
      shape.put("tokenizer", model.tokenizer() != null);
      if (model.tokenizer() != null) shape.put("text_to_ids", model.tokenizer().rules());
      result.put("text", shape);
    }
    result.put("logit_scale", model.logitScale());
    result.put("logit_bias", model.logitBias());
    result.put("parameters", model.source().parameters());
    result.put("weights", model.source().weights().toString());
    result.put("ignored_tensors", model.source().ignored());
    result.put("preprocessing", model.preprocessing().toString());
    return result;
  }

  /** A checkpoint against golden values. */
  @Command(
      name = "verify",
      description = {
        "Verify a checkpoint against reference outputs of the same weights.",
        "Compares residual streams, pooled vectors, embeddings and logits; texts in the file's"
            + " metadata go through the tokenizer. Exits with 1 above --tolerance."
      },
      footer = "Example: clipsteer model verify models/tiny --golden models/tiny --json")
  int verify(
      @Mixin CommonOptions common,
      @Parameters(paramLabel = "PATH", description = "Checkpoint: a folder or a file.") Path path,
      @Option(
              names = "--golden",
              required = true,
              paramLabel = "DIR",
              description = "Folder with the reference outputs, golden.safetensors.")
          Path golden,
      @Option(
              names = "--library",
              paramLabel = "DIR",
              description =
                  "Text embeddings for a model without text tower (default: those in PATH).")
          @Nullable Path library,
      @Option(
              names = "--dtype",
              defaultValue = "fp32",
              paramLabel = "DTYPE",
              completionCandidates = DtypeWords.class,
              description = "Arithmetic of the towers: fp32 or bf16.")
          DType dtype,
      @Option(
              names = "--tolerance",
              defaultValue = "1e-5",
              paramLabel = "X",
              description = "Largest relative L2 error that passes, in fp32.")
          double tolerance) {
    common.apply();
    try (ClipModel model = ClipModel.load(path, dtype, common.device())) {
      GoldenCheck.GoldenErrors found = GoldenCheck.run(model, golden, library(path, library));
      boolean passed = dtype != DType.F32 || found.maxRelError() <= tolerance;
      Map<String, Object> result = new LinkedHashMap<>();
      result.put("max_rel_error", found.maxRelError());
      result.put("max_logit_diff", found.maxLogitDiff());
      result.put("min_cosine", found.cosines());
      result.put("errors", found.errors());
      result.put("passed", passed);
      Lines text = new Lines();
      found.errors().forEach((k, v) -> text.add("%-22s %.3g%n", k, v));
      text.add("%-22s %.3g%n", "max_rel_error", found.maxRelError());
      if (found.maxLogitDiff() != null) {
        text.add("%-22s %.3g%n", "max_logit_diff", found.maxLogitDiff());
      }
      text.add(passed ? "passed" : "FAILED: above the tolerance of %s", tolerance);
      common.print(result, text.toString());
      return passed ? 0 : 1;
    }
  }

  private static @Nullable TextLibrary library(Path path, @Nullable Path library) {
    if (library != null) return TextLibrary.read(library);
    boolean beside = Files.isRegularFile(path.resolve("text_embeddings.safetensors"));
    return beside ? TextLibrary.read(path) : null;
  }
}
