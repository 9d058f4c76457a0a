// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.ModelOption;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.format.SaeClaims;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.engine.sae.format.StoredSae;
import io.clipsteer.lab.evaluate.SaeProof;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.Reconstruction;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code sae import}. */
@Command(
    name = "import",
    description = {
      "Make a run of SAEs that other tools trained, for evaluate, index, steerability, suppress,"
          + " explore.",
      "Each is measured on images as sae verify does; what it finds wrong is printed, and the SAE"
          + " imported as it is."
    },
    footer =
        "Example: clipsteer sae import prisma/layer-8 prisma/layer-9 --model models/clip --images"
            + " photos --limit 500 --out runs/prisma")
final class SaeImportCommand implements Runnable {
  @Mixin private CommonOptions common;
  @Mixin private ModelOption model;
  @Mixin private ImageOptions images;

  @Parameters(
      paramLabel = "SAE",
      arity = "1..*",
      description = "Folders or files of SAEs, also training runs with one SAE.")
  private List<Path> paths;

  @Option(
      names = "--hook",
      paramLabel = "NAME",
      description = "Hook point of one SAE (default: the one that the files name).")
  private @Nullable HookPoint hook;

  @Option(
      names = "--tokens-selection",
      paramLabel = "T",
      description =
          "Tokens: ${COMPLETION-CANDIDATES} (default: those that the files name, else all).")
  private @Nullable TokenSelection tokens;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "New folder of the run.")
  private Path out;

  /**
   * What {@code --json} prints of an SAE.
   *
   * @param path where it was read
   * @param verdict of the verification
   */
  private record Imported(
      String path,
      RunFolder.SaeEntry sae,
      SaeProof.Conclusion verdict,
      @Nullable String cause,
      List<String> notes) {}

  /** What {@code --json} prints. */
  private record Json(String run, String model, List<Imported> saes) {}

  @Override
  public void run() {
    common.apply();
    if (hook != null && paths.size() > 1) {
      throw new InputException(
          "--hook", "is given for " + paths.size() + " SAEs", "Import them one by one");
    }
    WorkFolder.check(out, RunFolder.LAYOUT, false);
    List<Path> places = paths.stream().map(RunOptions::sae).toList();
    List<String> names = names(places);
    Map<String, String> hashes = new TreeMap<>();
    for (Path place : places) hashes.putAll(Hashes.files(place));
    try (ClipModel clip = ClipModel.load(model.path(), DType.F32, common.device())) {
      Images batches = images.resolve(clip);
      hashes.put("model", Hashes.sha256(clip.source().weights()));
      hashes.put("measured", batches.listing().sha256());
      // What "images" means in a training's manifest, these are not.
      try (WorkFolder work =
          WorkFolder.open(out, RunFolder.LAYOUT, false, common.manifest(hashes, "--images"))) {
        List<Imported> all = new ArrayList<>();
        List<ImageLoader.Skipped> skipped = List.of();
        for (int i = 0; i < places.size(); i++) {
          var measured = imported(clip, batches, places.get(i), names.get(i), all);
          skipped = measured.skipped();
        }
        String checkpoint = model.path().toAbsolutePath().normalize().toString();
        new RunFolder(out)
            .write(new RunFolder.Run(checkpoint, all.stream().map(Imported::sae).toList()));
        work.finish();
        Skips.print(skipped);
        common.print(new Json(out.toString(), checkpoint, all), text(all));
      }
    }
  }

  /** Names of the SAEs in the run: those of their own files. */
  private static List<String> names(List<Path> places) {
    Set<String> taken = new HashSet<>();
    List<String> names = new ArrayList<>();
    for (Path place : places) {
      String name = place.toAbsolutePath().normalize().getFileName().toString();
      if (!taken.add(name.toLowerCase(Locale.ROOT))) {
        throw new InputException(
            place, "another SAE has the name " + name, "Rename its folder, or import it apart");
      }
      names.add(name);
    }
    return names;
  }

  private SaeProof.ProofReport imported(
      ClipModel clip, Images batches, Path place, String name, List<Imported> all) {
    try (StoredSae stored = SaeFiles.open(place)) {
      SaeClaims claims = stored.claims();
      HookPoint point = ClaimedSite.point(place, claims, hook);
      TokenSelection selection = ClaimedSite.tokens(claims, tokens);
      if (Boolean.FALSE.equals(ClaimedSite.sameModel(claims, clip))) {
        throw new InputException(
            place, "names another model's weights", "Give --model of " + claims.modelHash());
      }
      var report = new SaeProof(clip, stored, point, selection, batches).run(common.progress());
      Reconstruction found = report.measured();
      String folder = RunFolder.saeFolder(name);
      String variant = SaeCommand.activation(stored.sae());
      var entry =
          new RunFolder.SaeEntry(
              folder,
              point.peerName(),
              selection.name().toLowerCase(Locale.ROOT),
              variant,
              found.explainedVariance(),
              found.l0(),
              found.aliveFraction());
      SaeFiles.write(out.resolve(folder), stored.sae(), metadata(entry, claims, found, place));
      SaeProof.Trial cause = report.cause();
      String mistake = cause == null ? null : cause.mistake().toString();
      all.add(new Imported(place.toString(), entry, report.verdict(), mistake, claims.notes()));
      return report;
    }
  }

  private static Map<String, Object> metadata(
      RunFolder.SaeEntry entry, SaeClaims claims, Reconstruction found, Path place) {
    Map<String, Object> metadata = new LinkedHashMap<>();
    metadata.put("model_name", claims.modelName() == null ? "" : claims.modelName());
    metadata.put("hook_name", entry.hookPoint());
    metadata.put("tokens_selection", entry.tokens());
    metadata.put("variant", entry.variant());
    metadata.put("imported_from", claims.format() + " " + place.getFileName());
    metadata.put("l0", found.l0());
    metadata.put("explained_variance", found.explainedVariance());
    metadata.put("cosine", found.cosine());
    return metadata;
  }

  private String text(List<Imported> all) {
    Lines text = new Lines();
    for (Imported one : all) {
      text.add(
          "%s: %s, %s tokens, %s; L0 %.1f, explained variance %.4f, %.1f %% alive%n",
          one.sae().folder(),
          one.sae().hookPoint(),
          one.sae().tokens(),
          one.sae().variant(),
          one.sae().l0(),
          one.sae().explainedVariance(),
          100 * one.sae().aliveFraction());
      for (String note : one.notes()) text.add("  note: %s%n", note);
      switch (one.verdict()) {
        case AGREES, NOTHING_CLAIMED -> {}
        case EXPLAINED, SUSPECTED ->
            text.add("  WRONG FIGURES: %s; see clipsteer sae verify %s%n", one.cause(), one.path());
        case UNEXPLAINED ->
            text.add(
                "  OTHER FIGURES than its files claim; see clipsteer sae verify %s%n", one.path());
      }
    }
    text.add("run: %s%n", out);
    return text.toString();
  }
}
