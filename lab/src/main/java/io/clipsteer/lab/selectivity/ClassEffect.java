// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import com.fasterxml.jackson.annotation.JsonProperty;
import io.clipsteer.lab.probe.ImageInterval;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a feature's edit does to a class; docs/metrics.md defines every number.
 *
 * @param name of the class
 * @param features their numbers in the SAE: one, or a set that was chosen greedily
 * @param f1 of the first one's activation, on the training images
 * @param auroc likewise
 * @param aim T − O on the training images, by which the feature was chosen; null where it was
 *     chosen by its activation
 * @param scale of the value that it was set to
 * @param value that the first one was set to
 * @param n items that were answered with the class before
 * @param images with such items
 * @param targetChange T
 * @param otherChange O
 * @param otherChangeOn O where the features are active; null where they are on no other item
 * @param otherChangeOff O where they are not
 * @param difference T − O
 * @param scoreBefore mean IoU of the items' answers, or accuracy for images, with the labels
 * @param scoreAfter likewise after the edit
 * @param destinations answers of the targets that changed, most frequent first
 * @param controls by kind
 * @param rank of T − O among the random controls: 1 is the first
 * @param p share of the random controls and the feature itself that reach its T − O
 * @param pHolm the same adjusted for the classes of this scale; null until all are there
 * @param example maps of the image with the most targets; null where the head answers for images
 */
public record ClassEffect(
    String name,
    List<Integer> features,
    double f1,
    double auroc,
    @Nullable Double aim,
    double scale,
    double value,
    long n,
    int images,
    ImageInterval targetChange,
    double otherChange,
    @Nullable Double otherChangeOn,
    @Nullable Double otherChangeOff,
    ImageInterval difference,
    double scoreBefore,
    double scoreAfter,
    List<Destination> destinations,
    Map<ControlKind, ControlEffect> controls,
    int rank,
    double p,
    @Nullable Double pHolm,
    @Nullable MapExample example) {

  /**
   * An image, its patches' classes before, after, and where they changed, side by side.
   *
   * @param image id
   * @param map PNG below the study's folder
   * @param colours of the classes in it, {@code #rrggbb} by name
   */
  public record MapExample(String image, String map, Map<String, String> colours) {}

  /**
   * Where targets went.
   *
   * @param share of all targets
   */
  public record Destination(String name, double share) {}

  /** Controls, each moving every token as far as the feature's edit does. */
  public enum ControlKind {
    /** Along a random direction. */
    @JsonProperty("random_directions")
    RANDOM_DIRECTIONS(true),
    /** Along other features that are active on about as many tokens. */
    @JsonProperty("random_features")
    RANDOM_FEATURES(true),
    /** Along a coordinate of the residual. */
    @JsonProperty("neurons")
    NEURONS(true),
    /** Away from the class's mean token, towards the mean of the others: labels know it. */
    @JsonProperty("class_mean")
    CLASS_MEAN(false),
    /** Along the feature that is chosen in the same way from an SAE with random weights. */
    @JsonProperty("untrained")
    UNTRAINED(false);

    private final boolean random;

    ControlKind(boolean random) {
      this.random = random;
    }

    boolean isRandom() {
      return random;
    }
  }

  /**
   * Controls of a kind.
   *
   * @param draws how many
   * @param targetChange mean T
   * @param otherChange mean O
   * @param difference mean T − O
   * @param most largest T − O
   */
  public record ControlEffect(
      int draws, double targetChange, double otherChange, double difference, double most) {}

  /** The first of the features. */
  @JsonProperty(access = JsonProperty.Access.READ_ONLY)
  public int feature() {
    return features.getFirst();
  }

  ClassEffect adjusted(double adjusted) {
    return new ClassEffect(
        name,
        features,
        f1,
        auroc,
        aim,
        scale,
        value,
        n,
        images,
        targetChange,
        otherChange,
        otherChangeOn,
        otherChangeOff,
        difference,
        scoreBefore,
        scoreAfter,
        destinations,
        controls,
        rank,
        p,
        adjusted,
        example);
  }
}
