// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import com.fasterxml.jackson.annotation.JsonAnyGetter;
import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.stats.Jackknife;
import io.clipsteer.lab.run.JsonReport;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.VarianceForms;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Sparsity and reconstruction quality of a run's SAEs. A number without a value (a quotient by
 * zero) is null. docs/metrics.md defines each.
 *
 * @param model checkpoint's path
 * @param source of the images, or of the texts
 * @param texts whether the SAEs are the text tower's, evaluated on texts
 * @param images number of images, or of texts, evaluated
 * @param skipped images, each with its reason
 * @param notes caveats, a sentence each
 * @param saes in the run's order
 */
@JsonPropertyOrder({
  "protocol",
  "clipsteer",
  "model",
  "source",
  "images",
  "texts",
  "skipped",
  "notes",
  "saes"
})
public record SparsityReport(
    String model,
    String source,
    @JsonIgnore boolean texts,
    @JsonIgnore long images,
    List<ImageLoader.Skipped> skipped,
    List<String> notes,
    @JsonIgnore List<MeasuredSae> saes)
    implements JsonReport {
  /** The note for images, or texts, of the training set. */
  public static final String TRAINED_HERE =
      "The run was trained on this source: the numbers may be optimistic";

  /** The note for weights of another checksum than the training's. */
  public static final String OTHER_WEIGHTS =
      "The model's weights are not the file that the run was trained on: the numbers are those of"
          + " the SAEs on another model, unless the weights are the same in another format";

  /**
   * One SAE.
   *
   * @param sae as {@code run.json} names it
   * @param sparsity over its tokens
   * @param zeroShot null where the images have no classes
   * @param legacy null unless requested
   * @param intervals over images, by the number's name
   */
  public record MeasuredSae(
      RunFolder.SaeEntry sae,
      Sparsity sparsity,
      @Nullable ZeroShotScores zeroShot,
      @Nullable Legacy legacy,
      Map<String, Jackknife> intervals) {}

  /**
   * Counts and errors over the SAE's tokens.
   *
   * @param tokens how many
   * @param features number of features
   * @param l0 mean number of active features per token
   * @param l0Cls over class tokens, of texts over end tokens; null where the SAE reads none
   * @param l0Patches over patches, of texts over all but end tokens; null where the SAE reads none
   * @param l0Grid [rows][columns] of the patch grid, of texts one row of positions without end
   *     tokens; null where the SAE reads none
   * @param explainedVariance {@code 1 − Σ‖x−x̂‖²/Σ‖x−x̄‖²}
   * @param variance explained variance in its other forms
   * @param cosine mean over tokens of cos(x, x̂)
   * @param alive share of features active at least once
   * @param dense share of features active on more than 10 % of the tokens
   * @param histogram features by the logarithm of their frequency
   */
  public record Sparsity(
      long tokens,
      int features,
      double l0,
      @Nullable Double l0Cls,
      @Nullable Double l0Patches,
      double @Nullable [][] l0Grid,
      @Nullable Double explainedVariance,
      VarianceForms variance,
      @Nullable Double cosine,
      double alive,
      double dense,
      Histogram histogram) {}

  /**
   * Features by log10 of the share of tokens on which they are active.
   *
   * @param bins edges, one more than there are counts
   * @param counts features a bin
   * @param never features that were never active
   */
  public record Histogram(double[] bins, long[] counts, long never) {}

  /**
   * Zero-shot classification with four residuals at the hook point.
   *
   * @param images images with a known class
   * @param classes number of classes
   * @param original unchanged
   * @param spliced x̂ replaces x
   * @param meanAblated x̄ replaces x
   * @param zeroAblated 0 replaces x
   */
  public record ZeroShotScores(
      long images,
      int classes,
      Quality original,
      Quality spliced,
      Quality meanAblated,
      Quality zeroAblated) {
    /** Share of the loss of each ablation that the splice recovers. */
    @JsonProperty
    public Recovered ceRecovered() {
      Double full = original.crossEntropy;
      return new Recovered(
          recovered(full, spliced.crossEntropy, meanAblated.crossEntropy),
          recovered(full, spliced.crossEntropy, zeroAblated.crossEntropy));
    }
  }

  /** Cross-entropy recovered, relative to mean and to zero ablation. */
  public record Recovered(@Nullable Double meanAblation, @Nullable Double zeroAblation) {}

  /**
   * Quality of the classification.
   *
   * @param crossEntropy mean −ln P(class), in nats
   * @param accuracy share of images whose best class is right
   */
  public record Quality(@Nullable Double crossEntropy, double accuracy) {}

  /**
   * As the reference implementation of arXiv 2504.08729 computes them (its sae/evals/evals.py).
   *
   * @param explainedVariance mean over tokens of {@code 1 − ‖x̂−x‖²/‖x−x̄‖²}
   * @param cosine mean over coordinates of the cosine taken over tokens
   * @param crossEntropy of the raw cosines, original; null without zero-shot
   * @param crossEntropySpliced the same with x̂
   * @param crossEntropyZeroAblated the same with 0
   */
  public record Legacy(
      @Nullable Double explainedVariance,
      @Nullable Double cosine,
      @Nullable Double crossEntropy,
      @Nullable Double crossEntropySpliced,
      @Nullable Double crossEntropyZeroAblated) {
    /** Cross-entropy recovered of the raw cosines, by zero ablation. */
    @JsonProperty
    public @Nullable Double ceRecovered() {
      return recovered(crossEntropy, crossEntropySpliced, crossEntropyZeroAblated);
    }
  }

  /** A warning for each place where few tokens have most of the variance. */
  static List<String> warnings(List<MeasuredSae> saes) {
    return saes.stream()
        .map(one -> one.sparsity.variance.warning(one.sae.hookPoint()))
        .flatMap(Stream::ofNullable)
        .distinct()
        .toList();
  }

  /** The same with one more note. */
  public SparsityReport with(String note) {
    List<String> more = new ArrayList<>(notes);
    more.add(note);
    return new SparsityReport(model, source, texts, images, skipped, List.copyOf(more), saes);
  }

  /** {@code (CE_abl − CE_sae)/(CE_abl − CE_orig)}, null where it has no value. */
  static @Nullable Double recovered(
      @Nullable Double original, @Nullable Double spliced, @Nullable Double ablated) {
    if (original == null || spliced == null || ablated == null) return null;
    return finite((ablated - spliced) / (ablated - original));
  }

  static @Nullable Double finite(double value) {
    return Double.isFinite(value) ? value : null;
  }

  /**
   * Refuses a run folder that is not writable, or whose {@code evaluation.json} is not ours; called
   * early, so that no long evaluation is in vain.
   *
   * @throws InputException with what is in the way
   */
  public static void checkWritable(RunFolder run) {
    if (!Files.isWritable(run.path())) {
      throw new InputException(
          run.path(), "cannot be written into: evaluation.json belongs there", "Check its rights");
    }
    Path file = run.evaluation();
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) return;
    String foreign = "is in the way: it is no evaluation by clipsteer";
    String remedy = "Move it elsewhere";
    try {
      if (!Files.isRegularFile(file)) throw new InputException(file, foreign, remedy);
      JsonNode node = JsonMapper.shared().readTree(Files.readAllBytes(file));
      if (node == null || !node.path("protocol").isInt() || !node.path("saes").isArray()) {
        throw new InputException(file, foreign, remedy);
      }
    } catch (JacksonException e) {
      throw new InputException(file, foreign, remedy, e);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check its rights", e);
    }
  }

  /** Writes {@code evaluation.json}: whole or not at all, over an earlier one only. */
  public void write(RunFolder run) {
    checkWritable(run);
    AtomicFiles.writeJson(run.evaluation(), this);
  }

  @JsonProperty("images")
  @JsonInclude(JsonInclude.Include.NON_NULL)
  @Nullable Long imageCount() {
    return texts ? null : (Long) images;
  }

  @JsonProperty("texts")
  @JsonInclude(JsonInclude.Include.NON_NULL)
  @Nullable Long textCount() {
    return texts ? (Long) images : null;
  }

  @JsonProperty("saes")
  List<Object> saesJson() {
    return saes.stream().map(this::json).toList();
  }

  private Object json(MeasuredSae measured) {
    record Json(
        String folder,
        int layer,
        String hookPoint,
        String variant,
        String selection,
        long tokens,
        @JsonAnyGetter Map<String, @Nullable Object> l0,
        @Nullable Double explainedVariance,
        VarianceForms variance,
        @Nullable Double cosine,
        double aliveFraction,
        double deadFraction,
        double denseFraction,
        Histogram frequencyHistogram,
        @Nullable ZeroShotScores zeroShot,
        @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Legacy legacy,
        Map<String, Jackknife> intervals) {}
    RunFolder.SaeEntry sae = measured.sae;
    Sparsity s = measured.sparsity;
    Map<String, @Nullable Object> l0 = new LinkedHashMap<>();
    l0.put(texts ? "texts" : "images", images);
    l0.put("features", s.features);
    l0.put("l0", s.l0);
    l0.put(texts ? "l0_end" : "l0_cls", s.l0Cls);
    l0.put(texts ? "l0_others" : "l0_patches", s.l0Patches);
    if (texts) l0.put("l0_positions", s.l0Grid == null ? null : s.l0Grid[0]);
    else l0.put("l0_grid", s.l0Grid);
    return new Json(
        sae.folder(),
        sae.point().layer(),
        sae.hookPoint(),
        sae.variant(),
        sae.tokens(),
        s.tokens,
        l0,
        s.explainedVariance,
        s.variance,
        s.cosine,
        s.alive,
        1 - s.alive,
        s.dense,
        s.histogram,
        measured.zeroShot,
        measured.legacy,
        measured.intervals);
  }
}
