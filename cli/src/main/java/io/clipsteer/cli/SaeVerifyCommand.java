// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.cli.show.VarianceText;
import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.format.SaeClaims;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.engine.sae.format.StoredSae;
import io.clipsteer.lab.evaluate.SaeMistake;
import io.clipsteer.lab.evaluate.SaeProof;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Reconstruction;
import io.clipsteer.lab.run.VarianceForms;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code sae verify}: the claims of an SAE's files, compared with figures on images. */
@Command(
    name = "verify",
    description = {
      "Verify that an SAE reconstructs as well as its files claim.",
      "Measures L0, explained variance and cosine on images. Where they differ from the claims, the"
          + " usual conversion mistakes are tried and the one that explains the difference is"
          + " named. The hash of the model's weights is compared where the files have it.",
      "Exits with 1 unless the figures agree and the model is the one named."
    },
    footer =
        "Example: clipsteer sae verify prisma/layer-8 --model models/clip --images photos --json")
final class SaeVerifyCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;

  @Parameters(
      paramLabel = "SAE",
      description = "An SAE's folder or file, or a training run with one SAE.")
  private Path path;

  @Option(
      names = "--model",
      required = true,
      paramLabel = "PATH",
      description = "Checkpoint that the SAE was trained on: a folder or a file.")
  private Path model;

  @Option(
      names = "--hook",
      paramLabel = "NAME",
      description = "Hook point (default: the one that the files name).")
  private @Nullable HookPoint hook;

  @Option(
      names = "--tokens-selection",
      paramLabel = "T",
      description =
          "Tokens: ${COMPLETION-CANDIDATES} (default: those that the files name, else all).")
  private @Nullable TokenSelection tokens;

  @Option(names = "--l0", paramLabel = "X", description = "Claimed L0, as on a model card.")
  private @Nullable Double l0;

  @Option(
      names = "--explained-variance",
      paramLabel = "X",
      description = "Claimed explained variance, 0 to 1.")
  private @Nullable Double explainedVariance;

  @Option(names = "--cosine", paramLabel = "X", description = "Claimed mean cosine, 0 to 1.")
  private @Nullable Double cosine;

  @Override
  public Integer call() {
    common.apply();
    Map<String, Double> claimed = claimed();
    path = RunOptions.sae(path);
    try (StoredSae read = SaeFiles.open(path)) {
      SaeClaims claims = read.claims().withQuality(claimed);
      StoredSae stored = new StoredSae(read.sae(), claims);
      HookPoint point = ClaimedSite.point(path, claims, hook);
      try (ClipModel clip = ClipModel.load(model, DType.F32, common.device())) {
        var proof =
            new SaeProof(
                clip, stored, point, ClaimedSite.tokens(claims, tokens), images.resolve(clip));
        SaeProof.ProofReport result = proof.run(common.progress());
        Boolean same = ClaimedSite.sameModel(claims, clip);
        String other =
            Boolean.FALSE.equals(same)
                ? "\nANOTHER MODEL: the files name weights of sha256 " + claims.modelHash()
                : "";
        common.print(
            json(proof, result, images.report(result.skipped()), same),
            text(proof, result) + other);
        if (!other.isEmpty()) return 1;
        return switch (result.verdict()) {
          case AGREES, NOTHING_CLAIMED -> 0;
          case EXPLAINED, SUSPECTED, UNEXPLAINED -> 1;
        };
      }
    }
  }

  private Map<String, Double> claimed() {
    Map<String, Double> claimed = new HashMap<>();
    put(claimed, "l0", "--l0", l0, Double.MAX_VALUE);
    put(claimed, "explained_variance", "--explained-variance", explainedVariance, 1);
    put(claimed, "cosine", "--cosine", cosine, 1);
    return claimed;
  }

  private static void put(
      Map<String, Double> claimed,
      String name,
      String option,
      @Nullable Double value,
      double most) {
    if (value == null) return;
    if (!(value >= 0 && value <= most)) {
      throw new InputException(
          option + " " + value,
          "not from 0 to " + (most == 1 ? "1" : "the number of features"),
          "Give the figure as a share, not in per cent");
    }
    claimed.put(name, value);
  }

  /** What {@code --json} prints. */
  private record Json(
      @JsonUnwrapped SaeCommand.About sae,
      TokenSelection tokensSelection,
      long images,
      long tokens,
      Map<String, Double> claimed,
      JsonFigures measured,
      @Nullable Double gap,
      String verdict,
      @Nullable SaeMistake cause,
      @Nullable String causeDetail,
      @Nullable String causeSays,
      List<JsonTrial> tried,
      List<String> notes,
      @JsonUnwrapped Skips.Counts skips,
      @Nullable Boolean sameModel) {}

  /** A reconstruction's figures. */
  private record JsonFigures(
      double l0,
      @Nullable Double explainedVariance,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable VarianceForms variance,
      @Nullable Double cosine,
      double aliveFraction) {
    static JsonFigures of(Reconstruction figures) {
      return new JsonFigures(
          figures.l0(),
          finite(figures.explainedVariance()),
          figures.variance(),
          finite(figures.cosine()),
          figures.aliveFraction());
    }
  }

  /** A mistake that was tried. */
  private record JsonTrial(
      SaeMistake mistake,
      String detail,
      @JsonUnwrapped JsonFigures figures,
      @Nullable Double gap,
      Object betterOn) {
    static JsonTrial of(SaeProof.Trial trial) {
      return new JsonTrial(
          trial.mistake(),
          trial.detail(),
          JsonFigures.of(trial.figures()),
          finite(trial.gap()),
          trial.better());
    }
  }

  private Json json(
      SaeProof proof, SaeProof.ProofReport result, Skips.Counts skips, @Nullable Boolean same) {
    SaeProof.Trial cause = result.cause();
    StoredSae stored = proof.stored();
    StoredSae placed =
        new StoredSae(stored.sae(), stored.claims().withHook(proof.point().peerName()));
    return new Json(
        SaeCommand.About.of(path, placed),
        proof.tokens(),
        result.images(),
        result.measured().tokens(),
        result.claimed(),
        JsonFigures.of(result.measured()),
        finite(result.gap()),
        result.verdict().name().toLowerCase(Locale.ROOT),
        cause == null ? null : cause.mistake(),
        cause == null ? null : cause.detail(),
        cause == null ? null : cause.mistake().says(),
        result.tried().stream().map(JsonTrial::of).toList(),
        stored.claims().notes(),
        skips,
        same);
  }

  /** JSON has no infinity. */
  private static @Nullable Double finite(double value) {
    return Double.isFinite(value) ? (Double) value : null;
  }

  private String text(SaeProof proof, SaeProof.ProofReport result) {
    Lines text = new Lines();
    SaeClaims claims = proof.stored().claims();
    text.add(
        "%s: %s, %s, %s, at %s; %s, %s%n",
        path,
        claims.format(),
        SaeCommand.activation(proof.stored().sae()),
        Counted.of(proof.stored().sae().features(), "feature"),
        proof.point(),
        Counted.of(result.images(), "image"),
        Counted.of(result.measured().tokens(), "token"));
    text.add("%-34s %8s %s %8s%n", "", "L0", VarianceText.HEADS, "cosine");
    text.add("%s", line("measured", "", result.measured()));
    if (!result.claimed().isEmpty()) {
      text.add("claimed %s%n", result.claimed());
    }
    for (SaeProof.Trial trial : result.tried()) {
      text.add("%s", line("without " + trial.mistake(), trial.detail(), trial.figures()));
    }
    text.add("%s%n", VarianceText.LEGEND);
    VarianceForms forms = result.measured().variance();
    String warning = forms == null ? null : forms.warning(proof.point());
    if (warning != null) text.add("%s%n", warning);
    for (String note : claims.notes()) text.add("note: %s%n", note);
    return text.add("%s", conclusion(result)).toString();
  }

  private static String line(String what, String detail, Reconstruction figures) {
    return Lines.of(
        "%-34s %8.1f %s %8.4f %s%n",
        what,
        figures.l0(),
        VarianceText.cells(finite(figures.explainedVariance()), figures.variance()),
        figures.cosine(),
        detail);
  }

  private static String conclusion(SaeProof.ProofReport result) {
    SaeProof.Trial cause = result.cause();
    String named =
        cause == null
            ? ""
            : cause.mistake()
                + ": "
                + cause.mistake().says()
                + (cause.detail().isEmpty() ? "" : " (" + cause.detail() + ")");
    return switch (result.verdict()) {
      case AGREES -> "agrees with the claims";
      case NOTHING_CLAIMED ->
          "nothing is claimed, and no usual mistake would explain more variance";
      case EXPLAINED -> "DOES NOT AGREE, and one mistake explains it: " + named;
      case SUSPECTED -> "SUSPECTED, since fixing it leaves less error: " + named;
      case UNEXPLAINED ->
          "DOES NOT AGREE, and no usual mistake explains it: other images, another model, or"
              + " damaged weights";
    };
  }
}
