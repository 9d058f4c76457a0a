// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.InputException;
import io.clipsteer.data.stats.SignFlip;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.study.Groups;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How features are ranked, edited and selected.
 *
 * @param select the ranking
 * @param change the activation that a selected feature becomes
 * @param at tokens that are edited; null for those that the SAE reads
 * @param sizes numbers of features to select from, ascending
 * @param maxLoss points of accuracy that an edit may cost, overall and on the clean set
 * @param draws number of random edits of each kind
 * @param seed of everything random
 * @param goal that an edit is selected for
 * @param screen whether edits that cannot be selected are dropped after few images
 */
public record SuppressionSettings(
    Select select,
    Change change,
    @Nullable TokenSelection at,
    List<Integer> sizes,
    double maxLoss,
    int draws,
    long seed,
    Goal goal,
    boolean screen) {
  private static final int LARGEST = 4096;

  /** A value to maximise. */
  public enum Goal {
    /** The lowest of the groups' accuracies. */
    WORST_GROUP,
    /**
     * Independence of the answers from the attribute: minus the mean over strata of the gap between
     * accuracy with the attribute and without. A classifier that has learnt the attribute's absence
     * as well stays wrong there under every edit, so that the worst group stops rising while the
     * independence still does.
     */
    INDEPENDENCE;

    @Override
    public String toString() {
      return word(this);
    }

    /**
     * Its value.
     *
     * @param accuracies of each group; NaN for one without images
     */
    double value(Groups groups, double[] accuracies) {
      if (this == WORST_GROUP) {
        return Arrays.stream(accuracies).filter(a -> !Double.isNaN(a)).min().orElse(Double.NaN);
      }
      int[] images = Arrays.stream(accuracies).mapToInt(a -> Double.isNaN(a) ? 0 : 1).toArray();
      List<Groups.Stratum> strata = groups.comparable(images);
      double value = 0;
      for (Groups.Stratum stratum : strata) {
        double gap = mean(accuracies, stratum.with()) - mean(accuracies, stratum.without());
        value -= Math.abs(gap) / strata.size();
      }
      return value;
    }

    private static double mean(double[] accuracies, List<Integer> groups) {
      return groups.stream().mapToDouble(g -> accuracies[g]).average().orElseThrow();
    }
  }

  /** A ranking of features. */
  public enum Select {
    /** Mean activation with the attribute minus without, as in the paper. */
    MEAN_DIFFERENCE,
    /** AUROC of the mean activation between images with the attribute and without. */
    AUROC,
    /** Expected effect of ablation on the distance to an image without the attribute. */
    ENERGY,
    /** Size of the mean difference times the effect of the single-feature edit on wrong answers. */
    CAUSAL,
    /** Gates of all features, learnt together. */
    GATES,
    /** Greedy: the feature that helps most together with those already taken. */
    GREEDY;

    @Override
    public String toString() {
      return word(this);
    }
  }

  private static String word(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** The rule of a {@link Change}. */
  public enum ChangeRule {
    /** 0 on every token, as in the paper. */
    ABLATE,
    /** The mean over all training tokens. */
    MEAN,
    /** A multiple of the largest activation on training tokens, on every token; saev has −2. */
    SCALE,
    /**
     * At most a multiple of the largest activation on training tokens without the attribute. From a
     * multiple of 1 on, activations without the attribute stay; 0 ablates.
     */
    CAP
  }

  /**
   * The activation that a feature becomes.
   *
   * @param factor of SCALE and CAP, else 0
   */
  public record Change(ChangeRule rule, double factor) {
    /** Sets features to 0. */
    public static final Change ABLATE = new Change(ChangeRule.ABLATE, 0);

    private static final Pattern SCALED = Pattern.compile("(scale:-?|cap:)\\d{1,4}(\\.\\d{1,6})?");

    /** Reads {@code ablate}, {@code mean}, {@code scale:F} or {@code cap:F}. */
    public static Change parse(String text) {
      String word = text.toLowerCase(Locale.ROOT);
      if (word.equals("ablate")) return ABLATE;
      if (word.equals("mean")) return new Change(ChangeRule.MEAN, 0);
      if (!SCALED.matcher(word).matches()) {
        throw new InputException(
            "--edit " + text, "is no edit", "Use ablate, mean, cap:0.5 or, as saev, scale:-2");
      }
      double factor = Double.parseDouble(word.substring(word.indexOf(':') + 1));
      return new Change(word.startsWith("cap") ? ChangeRule.CAP : ChangeRule.SCALE, factor);
    }

    @Override
    public String toString() {
      boolean scaled = rule == ChangeRule.SCALE || rule == ChangeRule.CAP;
      return rule.name().toLowerCase(Locale.ROOT) + (scaled ? ":" + factor : "");
    }
  }

  /** The method as reports name it. */
  public record Method(
      String select, String edit, String goal, double maxCleanLoss, boolean screen) {}

  /** How features are ranked, edited and selected. */
  public Method method() {
    return new Method(select.toString(), change.toString(), goal.toString(), maxLoss, screen);
  }

  public SuppressionSettings {
    sizes = sizes.stream().distinct().sorted().toList();
    if (sizes.isEmpty() || sizes.getFirst() < 1 || sizes.getLast() > LARGEST) {
      throw new InputException("--sizes", "not 1 to " + LARGEST, "Write 1,2,4,8,16,32,64");
    }
    if (!(maxLoss >= 0 && maxLoss <= 100)) {
      throw new InputException(
          "--max-clean-loss " + maxLoss, "not 0 to 100 points", "Omit it for 1");
    }
    if (draws < 2 || draws > SignFlip.MOST) {
      throw new InputException("--draws " + draws, "not 2 to 20", "Omit it for 10");
    }
  }
}
