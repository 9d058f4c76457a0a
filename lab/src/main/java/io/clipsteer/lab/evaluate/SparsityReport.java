// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.Versions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * How sparse the SAEs of a run are and how well they give back what they read. A number that has no
 * value (a quotient by zero) is null. docs/metrics.md defines each.
 *
 * @param model checkpoint's path
 * @param source where the images, or the texts, come from
 * @param texts whether the SAEs are the text tower's, measured on texts
 * @param images images, or texts, measured
 * @param skipped images left out, each with its reason
 * @param notes what the reader must know, a sentence each
 * @param saes in the run's order
 */
public record SparsityReport(
    String model,
    String source,
    boolean texts,
    long images,
    List<ImageLoader.Skipped> skipped,
    List<String> notes,
    List<Entry> saes) {
  /** What is known when the images, or texts, are those of the training. */
  public static final String TRAINED_HERE =
      "The run was trained on this very source: the numbers may flatter the SAEs";

  /** What is known when the weights are not those of the training. */
  public static final String OTHER_WEIGHTS =
      "The model's weights are not the file that the run was trained on: the numbers are those of"
          + " the SAEs on another model, unless it is the same in another format";

  private static final int PROTOCOL = 1;

  /**
   * One SAE.
   *
   * @param sae as {@code run.json} names it
   * @param sparsity over its tokens
   * @param zeroShot null where the images could not be judged
   * @param legacy null unless asked for
   */
  public record Entry(
      RunFolder.SaeEntry sae,
      Sparsity sparsity,
      @Nullable Answers zeroShot,
      @Nullable Legacy legacy) {}

  /**
   * Counts and errors over the SAE's tokens.
   *
   * @param tokens how many
   * @param features f
   * @param l0 mean number of active features a token
   * @param l0Cls over class tokens, of texts over end tokens; null where the SAE reads none
   * @param l0Patches over patches, of texts over all but end tokens; null where the SAE reads none
   * @param l0Grid [rows][columns] of the patch grid, of texts one row of positions without end
   *     tokens; null where the SAE reads none
   * @param explainedVariance {@code 1 − Σ‖x−x̂‖²/Σ‖x−x̄‖²}
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
   * Zero-shot answers with four residuals at the hook point.
   *
   * @param images images with a known class
   * @param classes words to choose from
   * @param original nothing changed
   * @param spliced x̂ in the place of x
   * @param meanAblated x̄ in the place of x
   * @param zeroAblated 0 in the place of x
   */
  public record Answers(
      long images,
      int classes,
      Quality original,
      Quality spliced,
      Quality meanAblated,
      Quality zeroAblated) {
    /** Share of what mean ablation costs that the splice keeps. */
    public @Nullable Double recoveredFromMean() {
      return recovered(original.crossEntropy, spliced.crossEntropy, meanAblated.crossEntropy);
    }

    /** Share of what zero ablation costs that the splice keeps. */
    public @Nullable Double recoveredFromZero() {
      return recovered(original.crossEntropy, spliced.crossEntropy, zeroAblated.crossEntropy);
    }
  }

  /**
   * How good answers are.
   *
   * @param crossEntropy mean −ln P(right word), in nats
   * @param accuracy share whose best word is right
   */
  public record Quality(@Nullable Double crossEntropy, double accuracy) {}

  /**
   * As the reference implementation of arXiv 2504.08729 computes them (its sae/evals/evals.py).
   *
   * @param explainedVariance mean over tokens of {@code 1 − ‖x̂−x‖²/‖x−x̄‖²}
   * @param cosine mean over coordinates of the cosine taken over tokens
   * @param crossEntropy of the raw cosines, original; null without zero-shot
   * @param spliced the same with x̂
   * @param zeroAblated the same with 0
   */
  public record Legacy(
      @Nullable Double explainedVariance,
      @Nullable Double cosine,
      @Nullable Double crossEntropy,
      @Nullable Double spliced,
      @Nullable Double zeroAblated) {
    /** Cross-entropy recovered of the raw cosines, by zero ablation. */
    public @Nullable Double recovered() {
      return SparsityReport.recovered(crossEntropy, spliced, zeroAblated);
    }
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
   * Refuses a run folder that cannot be written into, or whose {@code evaluation.json} is not one
   * that was written here; asked early, so that no long evaluation is in vain.
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
    String foreign = "is in the way: it is no evaluation of clipsteer's";
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
    AtomicFiles.writeJson(run.evaluation(), json());
  }

  /** The report as {@code evaluation.json} holds it. */
  public Map<String, Object> json() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("protocol", PROTOCOL);
    json.put("clipsteer", Versions.CLIPSTEER);
    json.put("model", model);
    json.put("source", source);
    json.put(texts ? "texts" : "images", images);
    json.put("skipped", skipped.size());
    json.put("notes", notes);
    json.put("saes", saes.stream().map(this::json).toList());
    return json;
  }

  private Map<String, Object> json(Entry entry) {
    Sparsity s = entry.sparsity;
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("folder", entry.sae.folder());
    json.put("layer", entry.sae.point().layer());
    json.put("hook_point", entry.sae.hookPoint());
    json.put("variant", entry.sae.variant());
    json.put("selection", entry.sae.tokens());
    json.put("tokens", s.tokens);
    json.put(texts ? "texts" : "images", images);
    json.put("features", s.features);
    json.put("l0", s.l0);
    json.put(texts ? "l0_end" : "l0_cls", s.l0Cls);
    json.put(texts ? "l0_others" : "l0_patches", s.l0Patches);
    if (texts) json.put("l0_positions", s.l0Grid == null ? null : s.l0Grid[0]);
    else json.put("l0_grid", s.l0Grid);
    json.put("explained_variance", s.explainedVariance);
    json.put("cosine", s.cosine);
    json.put("alive_fraction", s.alive);
    json.put("dead_fraction", 1 - s.alive);
    json.put("dense_fraction", s.dense);
    json.put("frequency_histogram", s.histogram);
    json.put("zero_shot", entry.zeroShot == null ? null : json(entry.zeroShot));
    if (entry.legacy != null) json.put("legacy", json(entry.legacy));
    return json;
  }

  private static Map<String, @Nullable Object> json(Answers answers) {
    Map<String, @Nullable Object> recovered = new LinkedHashMap<>();
    recovered.put("mean_ablation", answers.recoveredFromMean());
    recovered.put("zero_ablation", answers.recoveredFromZero());
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("images", answers.images);
    json.put("classes", answers.classes);
    json.put("original", json(answers.original));
    json.put("spliced", json(answers.spliced));
    json.put("mean_ablated", json(answers.meanAblated));
    json.put("zero_ablated", json(answers.zeroAblated));
    json.put("ce_recovered", recovered);
    return json;
  }

  private static Map<String, @Nullable Object> json(Quality quality) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("cross_entropy", quality.crossEntropy);
    json.put("accuracy", quality.accuracy);
    return json;
  }

  private static Map<String, @Nullable Object> json(Legacy legacy) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("explained_variance", legacy.explainedVariance);
    json.put("cosine", legacy.cosine);
    json.put("cross_entropy", legacy.crossEntropy);
    json.put("cross_entropy_spliced", legacy.spliced);
    json.put("cross_entropy_zero_ablated", legacy.zeroAblated);
    json.put("ce_recovered", legacy.recovered());
    return json;
  }
}
