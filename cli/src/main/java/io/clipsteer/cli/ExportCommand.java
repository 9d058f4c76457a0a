// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.report.EditCard;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.FoldedCheckpoint;
import io.clipsteer.engine.edit.CompiledEdit;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSidecar;
import io.clipsteer.engine.model.OnnxTower;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.edit.StoredEdit;
import io.clipsteer.lab.edit.ThresholdCalibration;
import io.clipsteer.lab.run.Versions;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code export}: an edit as a file for deployment. */
@Command(
    name = "export",
    description = {
      "Export an edit for deployment: a PyTorch hook, an ONNX image encoder, or edited weights.",
      "sidecar: a small safetensors file with a PyTorch hook for transformers and open_clip. onnx:"
          + " the whole image encoder with the edit inside, in fp32, as one file; its embeddings"
          + " have unit length. transformers, open_clip: a copy of the checkpoint's folder whose"
          + " weights hold the edit, where that is exact: a set, scale or add of neurons or of a"
          + " direction at hook_mlp_out, or an add at hook_resid_post, on all tokens.",
      "Only the edited features' rows of the SAE are exported. Features of a TopK SAE compete, so"
          + " that its whole encoder is needed; --topk calibrated fits thresholds instead and"
          + " states the disagreement."
    },
    footer = {
      "Example: clipsteer export --edit edits/no-blond --to sidecar --out no-blond.safetensors"
    })
final class ExportCommand implements Runnable {
  private static final String SUFFIX = ".safetensors";
  private static final String HOOK = "edit_hook.py";

  private enum Format {
    SIDECAR,
    ONNX,
    TRANSFORMERS,
    OPEN_CLIP;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private enum Competition {
    WHOLE,
    CALIBRATED;

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
      description = "The --out of clipsteer suppress, defend or edit.")
  private Path edit;

  @Option(
      names = "--to",
      defaultValue = "sidecar",
      paramLabel = "FORMAT",
      description = "Format: ${COMPLETION-CANDIDATES}.")
  private Format to;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "FILE",
      description = {
        "New file: .safetensors (the hook gets the same name with .py, and _ for -), or .onnx."
            + " The edit's card is beside it as FILE.card.md. For transformers and open_clip a new"
            + " folder."
      })
  private Path out;

  @Option(
      names = "--model",
      paramLabel = "PATH",
      description = "The edit's checkpoint, if it has moved.")
  private @Nullable Path model;

  @Option(names = "--sae", paramLabel = "DIR", description = "The edit's SAE, if it has moved.")
  private @Nullable Path folder;

  @Option(
      names = "--topk",
      defaultValue = "whole",
      paramLabel = "HOW",
      description = {
        "Features of a TopK SAE: ${COMPLETION-CANDIDATES}. whole is exact and holds the SAE's"
            + " encoder; calibrated holds the features' rows and thresholds that are fitted on"
            + " --images."
      })
  private Competition competition;

  @Mixin private ImageOptions images;

  @Override
  public void run() {
    common.apply();
    if (images.isGiven() && competition == Competition.WHOLE) {
      throw common.usage("--images is for --topk calibrated");
    }
    switch (to) {
      case SIDECAR -> sidecar();
      case ONNX -> onnx();
      case TRANSFORMERS -> folded(FoldedCheckpoint.ModelLibrary.TRANSFORMERS);
      case OPEN_CLIP -> folded(FoldedCheckpoint.ModelLibrary.OPEN_CLIP);
    }
  }

  private void sidecar() {
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
    for (Path file : new Path[] {out, hook, cardFile()}) checkNew(file);
    ExportedEdit exported =
        export((clip, compiled, notes) -> EditSidecar.write(compiled, out, notes));
    AtomicFiles.writeText(
        hook, template().replace("@NAME@", module).replace("@FILE@", bare + SUFFIX));
    Path card = card(exported);
    common.print(
        json(exported, out, hook, card),
        String.format(
            "%s: %s at %s, %,d bytes%n%s%s: from %s import attach%n%s: card",
            out,
            exported.what(),
            exported.stored().point(),
            ExportedEdit.size(out),
            exported.sentences(),
            hook,
            module,
            card));
  }

  private void onnx() {
    if (!String.valueOf(out.getFileName()).endsWith(".onnx")) {
      throw new InputException("--out " + out, "is no .onnx file", "Call it NAME.onnx");
    }
    for (Path file : new Path[] {out, cardFile()}) checkNew(file);
    ExportedEdit exported =
        export(
            (clip, cut, notes) ->
                OnnxTower.of(
                        clip.vision(),
                        cut.site().point(),
                        (graph, value) -> cut.addTo(graph, value, clip.vision().config().tokens()))
                    .write(out, Versions.CLIPSTEER, notes));
    Path card = card(exported);
    common.print(
        json(exported, out, null, card),
        String.format(
            "%s: the image encoder with %s edited at %s, %,d bytes%n%s"
                + "pixel_values [batch,3,h,w] -> image_embeds [batch,e] of unit length%n%s: card",
            out,
            exported.what(),
            exported.stored().point(),
            ExportedEdit.size(out),
            exported.sentences(),
            card));
  }

  private void folded(FoldedCheckpoint.ModelLibrary target) {
    if (competition == Competition.CALIBRATED) {
      throw common.usage("--topk calibrated is for sidecar and onnx");
    }
    checkNew(out);
    double[] apart = new double[1];
    ExportedEdit exported =
        export(
            (model, compiled, notes) -> {
              FoldedCheckpoint.write(model, compiled, target, out);
              apart[0] = FoldedCheckpoint.difference(model, compiled, out, common.seed());
            });
    String line =
        String.format(
            Locale.ROOT,
            "embeddings of noise differ from the edited tower's by at most %.2g",
            apart[0]);
    var file =
        new EditCard.ExportedFile(
            String.valueOf(out.getFileName()),
            ExportedEdit.size(out.resolve(target.weights())),
            Hashes.sha256(out.resolve(target.weights())),
            List.of("weights of " + target + " with the edit folded in; " + line),
            made(exported));
    Path card = out.resolve(EditCard.FILE);
    AtomicFiles.writeText(card, EditCard.read(edit).text(file));
    common.print(
        new FoldedJson(
            out.toString(), target.toString(), exported.stored().point().peerName(), apart[0]),
        String.format(
            "%s: %s at %s, in the weights of a checkpoint of %s%n%s%n%s: card",
            out, exported.what(), exported.stored().point(), target, line, card));
  }

  private record FoldedJson(String folder, String of, String hookPoint, double largestDifference) {}

  private RunManifest made(ExportedEdit exported) {
    return common.manifest(Map.of("model", exported.stored().modelHash())).finish(Map.of());
  }

  /** The card of a.safetensors is a.safetensors.card.md: an edit may be exported in two forms. */
  private Path cardFile() {
    return out.resolveSibling(out.getFileName() + "." + EditCard.FILE);
  }

  private Path card(ExportedEdit exported) {
    Path card = cardFile();
    var file =
        new EditCard.ExportedFile(
            String.valueOf(out.getFileName()),
            ExportedEdit.size(out),
            Hashes.sha256(out),
            exported.sentences().lines().map(String::strip).toList(),
            made(exported));
    AtomicFiles.writeText(card, EditCard.read(edit).text(file));
    return card;
  }

  private static void checkNew(Path file) {
    if (Files.exists(file)) throw new InputException(file, "exists already", "Name another");
  }

  private record Json(
      String file,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable String hook,
      String card,
      long bytes,
      String hookPoint,
      TokenSelection tokens,
      String rule,
      @JsonInclude(JsonInclude.Include.NON_NULL) int @Nullable [] features,
      @JsonInclude(JsonInclude.Include.NON_NULL) int @Nullable [] neurons,
      int topK,
      @JsonInclude(JsonInclude.Include.NON_NULL)
          ThresholdCalibration.@Nullable Calibrated calibration) {}

  private static Json json(ExportedEdit exported, Path out, @Nullable Path hook, Path card) {
    StoredEdit stored = exported.stored();
    return new Json(
        out.toString(),
        hook == null ? null : hook.toString(),
        card.toString(),
        ExportedEdit.size(out),
        stored.point().peerName(),
        stored.tokens(),
        stored.rule().kind().name().toLowerCase(Locale.ROOT),
        stored.units() instanceof StoredEdit.FeatureIds(int[] ids) ? ids : null,
        stored.units() instanceof StoredEdit.NeuronIds(int[] ids) ? ids : null,
        exported.topK(),
        exported.calibration());
  }

  @FunctionalInterface
  private interface Writer {
    void write(ClipModel model, CompiledEdit edit, Map<String, String> notes);
  }

  /** Compiles the edit, checked against model and SAE, and writes it. */
  private ExportedEdit export(Writer writer) {
    StoredEdit stored = StoredEdit.read(edit);
    Path from = stored.sae();
    if (from != null) {
      if (folder != null) from = RunOptions.sae(folder);
      stored.checkSae(from);
    }
    Path checkpoint = model != null ? model : stored.model();
    try (ClipModel clip = ClipModel.load(checkpoint, DType.F32, common.device());
        Sae sae = from == null ? null : SaeFiles.read(from)) {
      stored.checkModel(clip.source().weights());
      if (from != null && sae != null) {
        SaeFiles.checkHook(from, stored.point().peerName());
        checkFits(sae, clip, from, stored);
      }
      clip.vision().check(stored.point());
      stored.checkWidth(edit, clip.vision().config().width());
      var config = clip.vision().config();
      Edit whole = stored.edit(sae, config.width(), config.prefixTokens());
      Map<String, String> notes = new TreeMap<>();
      notes.put("clipsteer", Versions.CLIPSTEER);
      notes.put("model_sha256", stored.modelHash());
      boolean competes = sae != null && sae.activation().competes();
      if (competition == Competition.CALIBRATED && !competes) {
        throw new InputException(
            "--topk calibrated",
            "has no use here: no units of the edit compete, so that its export is exact",
            "Omit it");
      }
      if (competition == Competition.CALIBRATED) {
        return calibrated(stored, clip, whole, notes, writer);
      }
      try (CompiledEdit compiled = CompiledEdit.of(whole)) {
        writer.write(clip, compiled, notes);
        return new ExportedEdit(stored, compiled.topK(), null);
      }
    }
  }

  private ExportedEdit calibrated(
      StoredEdit stored, ClipModel clip, Edit whole, Map<String, String> notes, Writer writer) {
    var fitted = ThresholdCalibration.of(clip, whole, images.resolve(clip), common.progress());
    images.report(fitted.skipped());
    notes.put("calibration", JsonFile.line(fitted));
    try (CompiledEdit compiled = fitted.compiled()) {
      writer.write(clip, compiled, notes);
    }
    return new ExportedEdit(stored, 0, fitted);
  }

  private static void checkFits(Sae sae, ClipModel clip, Path from, StoredEdit stored) {
    if (sae.width() != clip.vision().config().width()) {
      throw new InputException(
          from,
          "has width " + sae.width() + ", the model " + clip.vision().config().width(),
          "Name the SAE and the model that the edit was made with");
    }
    if (!(stored.units() instanceof StoredEdit.FeatureIds(int[] ids))) return;
    for (int feature : ids) {
      if (feature >= sae.features()) {
        throw new InputException(
            from, "has no feature " + feature, "Name the SAE that the edit was made with");
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
}
