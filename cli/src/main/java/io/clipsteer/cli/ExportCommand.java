// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.CompiledEdit;
import io.clipsteer.engine.model.OnnxTower;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Versions;
import io.clipsteer.lab.suppress.StoredEdit;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code export}: an edit as a file for deployment. */
@Command(
    name = "export",
    description = {
      "Export an edit for deployment: a PyTorch hook, or an ONNX image encoder.",
      "sidecar: a small safetensors file with a PyTorch hook for transformers and open_clip. onnx:"
          + " the whole image encoder with the edit inside, in fp32, as one file; its embeddings"
          + " have unit length. Only the edited features' rows of the SAE are exported."
    },
    footer = {
      "",
      "Example: clipsteer export --edit edits/no-blond --to sidecar --out no-blond.safetensors"
    })
final class ExportCommand implements Callable<Integer> {
  private static final String SUFFIX = ".safetensors";
  private static final String HOOK = "edit_hook.py";

  private enum Format {
    SIDECAR,
    ONNX;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  @Mixin private CommonOptions common;

  @Option(
      names = "--edit",
      required = true,
      paramLabel = "EDIT",
      description = "The --out of clipsteer suppress or clipsteer defend.")
  private Path edit;

  @Option(
      names = "--to",
      defaultValue = "sidecar",
      paramLabel = "FORMAT",
      description = "Format: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private Format to;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "FILE",
      description = {
        "New file: .safetensors (the hook gets the same name with .py, and _ for -), or .onnx."
      })
  private Path out;

  @Option(
      names = "--model",
      paramLabel = "PATH",
      description = "The edit's checkpoint, if it has moved.")
  private @Nullable Path model;

  @Option(names = "--sae", paramLabel = "DIR", description = "The edit's SAE, if it has moved.")
  private @Nullable Path folder;

  @Override
  public Integer call() {
    common.apply();
    return switch (to) {
      case SIDECAR -> sidecar();
      case ONNX -> onnx();
    };
  }

  private int sidecar() {
    String name = String.valueOf(out.getFileName());
    String bare = name.endsWith(SUFFIX) ? name.substring(0, name.length() - SUFFIX.length()) : "";
    if (!bare.matches("[A-Za-z_][A-Za-z0-9_-]{0,63}")) {
      throw new InputException(
          "--out " + out,
          "Python could not import a hook of that name",
          "Call it letters, digits, _ and -, then .safetensors");
    }
    String module = bare.replace('-', '_'); // which Python can import
    Path hook = out.resolveSibling(module + ".py");
    for (Path file : new Path[] {out, hook}) checkNew(file);
    StoredEdit stored = StoredEdit.read(edit);
    compiled(stored, (tower, cut) -> cut.write(out, notes(stored)));
    AtomicFiles.writeText(
        hook, template().replace("@NAME@", module).replace("@FILE@", bare + SUFFIX));
    common.print(
        json(stored, hook),
        String.format(
            "%s: %s at %s, %,d bytes%n%s: from %s import attach",
            out,
            Counted.of(stored.features().length, "feature"),
            stored.point(),
            size(out),
            hook,
            module));
    return 0;
  }

  private int onnx() {
    if (!String.valueOf(out.getFileName()).endsWith(".onnx")) {
      throw new InputException("--out " + out, "is no .onnx file", "Call it NAME.onnx");
    }
    checkNew(out);
    StoredEdit stored = StoredEdit.read(edit);
    compiled(
        stored,
        (tower, cut) ->
            OnnxTower.of(tower, stored.point(), cut).write(out, Versions.CLIPSTEER, notes(stored)));
    common.print(
        json(stored, null),
        String.format(
            "%s: the image encoder with %s edited at %s, %,d bytes%n"
                + "pixel_values [batch,3,h,w] -> image_embeds [batch,e] of unit length",
            out, Counted.of(stored.features().length, "feature"), stored.point(), size(out)));
    return 0;
  }

  private static void checkNew(Path file) {
    if (Files.exists(file)) throw new InputException(file, "is there already", "Name another");
  }

  private static Map<String, String> notes(StoredEdit stored) {
    return Map.of("clipsteer", Versions.CLIPSTEER, "model_sha256", stored.modelHash());
  }

  private record Json(
      String file,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable String hook,
      long bytes,
      String hookPoint,
      TokenSelection tokens,
      int[] features) {}

  private Json json(StoredEdit stored, @Nullable Path hook) {
    return new Json(
        out.toString(),
        hook == null ? null : hook.toString(),
        size(out),
        stored.point().peerName(),
        stored.tokens(),
        stored.features());
  }

  /** Compiles the edit from its SAE, checked against model and SAE. */
  private void compiled(StoredEdit stored, BiConsumer<VisionTower, CompiledEdit> writer) {
    Path from = folder != null ? RunOptions.sae(folder) : stored.sae();
    stored.checkSae(from);
    Path checkpoint = model != null ? model : stored.model();
    try (ClipModel clip = ClipModel.load(checkpoint, DType.F32, common.device());
        Sae sae = SaeFiles.read(from)) {
      stored.checkModel(clip.source().weights());
      SaeFiles.checkHook(from, stored.point().peerName());
      checkFits(sae, clip, from, stored);
      int prefix = clip.vision().config().prefixTokens();
      try (CompiledEdit cut = CompiledEdit.of(stored.edit(sae, prefix))) {
        writer.accept(clip.vision(), cut);
      }
    }
  }

  private static void checkFits(Sae sae, ClipModel clip, Path from, StoredEdit stored) {
    clip.vision().check(stored.point());
    if (sae.width() != clip.vision().config().width()) {
      throw new InputException(
          from,
          "has width " + sae.width() + ", the model " + clip.vision().config().width(),
          "Name the SAE and the model that the edit was found with");
    }
    for (int feature : stored.features()) {
      if (feature >= sae.features()) {
        throw new InputException(
            from, "has no feature " + feature, "Name the SAE that the edit was found with");
      }
    }
  }

  private static String template() {
    try (InputStream in = ExportCommand.class.getResourceAsStream(HOOK)) {
      if (in == null) throw new IllegalStateException(HOOK + " is not in the program");
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read back", "Check the disk", e);
    }
  }
}
