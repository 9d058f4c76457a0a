// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.InputException;
import io.clipsteer.data.stats.SignFlip;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.study.Groups;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * How features are found and what becomes of them.
 *
 * @param select what ranks the features
 * @param change what becomes of them
 * @param at tokens that are edited; null for those that the SAE reads
 * @param sizes numbers of features to choose from, rising
 * @param maxLoss points of accuracy that may be lost, overall and on the clean set
 * @param draws how many random edits of each kind
 * @param seed of everything random
 * @param goal what a set of features is chosen for
 */
public record SuppressionSettings(
    Select select,
    Change change,
    @Nullable TokenSelection at,
    List<Integer> sizes,
    double maxLoss,
    int draws,
    long seed,
    Goal goal) {
  private static final int LARGEST = 4096;

  /** What is to rise. */
  public enum Goal {
    /** The lowest of the groups' accuracies. */
    WORST_GROUP,
    /**
     * How little answers lean on the attribute: minus the mean over strata of how far accuracy with
     * the attribute is from accuracy without. A classifier that has learnt to see the attribute's
     * absence as well stays wrong there whatever is taken away, so that the worst group stops
     * rising while this goes on.
     */
    INDEPENDENCE;

    /** As reports say it. */
    public String word() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
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

  /** What ranks features. */
  public enum Select {
    /** Mean activation with the attribute minus without: the paper's. */
    MEAN_DIFFERENCE,
    /** How well the mean activation tells images with the attribute from those without. */
    AUROC,
    /** What its ablation is expected to take of the way to an image without the attribute. */
    ENERGY,
    /**
     * The mean difference, either way, times what the edit of it alone takes from wrong answers.
     */
    CAUSAL,
    /** One by one, what helps most together with those already taken. */
    GREEDY;

    /** As the command line says it. */
    public String word() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** Reads {@link #word}. */
    public static Select parse(String text) {
      for (Select one : values()) if (one.word().equals(text.toLowerCase(Locale.ROOT))) return one;
      throw new InputException(
          "--select " + text,
          "ranks nothing",
          "Use mean-difference, auroc, energy, causal or greedy");
    }
  }

  /** What becomes of a feature. */
  public sealed interface Change {
    /** As the command line says it. */
    String word();

    /** 0, everywhere: the paper's. */
    record Ablate() implements Change {
      @Override
      public String word() {
        return "ablate";
      }
    }

    /** Its mean over all training tokens. */
    record Mean() implements Change {
      @Override
      public String word() {
        return "mean";
      }
    }

    /**
     * A multiple of its largest activation on training tokens, everywhere: saev's way.
     *
     * @param factor saev's protocol has −2
     */
    record Scale(double factor) implements Change {
      @Override
      public String word() {
        return "scale:" + factor;
      }
    }

    /**
     * No more than a multiple of its largest activation on training tokens without the attribute:
     * what is seen there stays as it is, from a multiple of 1 on.
     *
     * @param factor 0 ablates
     */
    record Cap(double factor) implements Change {
      @Override
      public String word() {
        return "cap:" + factor;
      }
    }

    /** Reads {@link #word}. */
    static Change parse(String text) {
      String word = text.toLowerCase(Locale.ROOT);
      if (word.equals("ablate")) return new Ablate();
      if (word.equals("mean")) return new Mean();
      if (word.matches("scale:-?\\d{1,4}(\\.\\d{1,6})?")) {
        return new Scale(Double.parseDouble(word.substring(word.indexOf(':') + 1)));
      }
      if (word.matches("cap:\\d{1,4}(\\.\\d{1,6})?")) {
        return new Cap(Double.parseDouble(word.substring(word.indexOf(':') + 1)));
      }
      throw new InputException(
          "--edit " + text, "is no edit", "Use ablate, mean, cap:0.5 or, as saev, scale:-2");
    }
  }

  /** The method as reports name it. */
  public record Method(String select, String edit, String goal, double maxCleanLoss) {}

  /** How features are ranked, edited and selected. */
  public Method method() {
    return new Method(select.word(), change.word(), goal.word(), maxLoss);
  }

  public SuppressionSettings {
    sizes = sizes.stream().distinct().sorted().toList();
    if (sizes.isEmpty() || sizes.getFirst() < 1 || sizes.getLast() > LARGEST) {
      throw new InputException("--sizes", "not 1 to " + LARGEST, "Write 1,2,4,8,16,32,64");
    }
    if (!(maxLoss >= 0 && maxLoss <= 100)) {
      throw new InputException(
          "--max-clean-loss " + maxLoss, "not 0 to 100 points", "Leave it out for 1");
    }
    if (draws < 2 || draws > SignFlip.MOST) {
      throw new InputException("--draws " + draws, "not 2 to 20", "Leave it out for 10");
    }
  }
}
