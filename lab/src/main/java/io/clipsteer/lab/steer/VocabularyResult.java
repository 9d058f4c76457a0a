// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonIncludeProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.data.stats.Correlation;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Steerability of the units of one kind at one hook point with a part of the vocabulary, as {@code
 * steerability.json} holds it.
 *
 * @param words size of the part
 * @param draw which part of this size: a, or b of other words
 * @param part the result, of which the file holds some
 * @param whole rank correlation of the units' S with their S for the whole vocabulary
 * @param other the same with the other part of this size; null for a, and where there is no other
 */
public record VocabularyResult(
    int words,
    String draw,
    @JsonUnwrapped
        @JsonIncludeProperties({
          "layer",
          "unit",
          "sae",
          "mean_s",
          "mean_s_semantic",
          "share_above_tau",
          "share_low",
          "share_high",
          "coverage"
        })
        LayerResult part,
    @JsonProperty("rank_correlation_with_whole") Correlation whole,
    @JsonProperty("rank_correlation_with_other_draw") @JsonInclude(JsonInclude.Include.NON_NULL)
        @Nullable Correlation other) {
  /**
   * Compares a part with the whole vocabulary.
   *
   * @param words size of the part
   * @param draw which part of this size
   * @param some results of the part
   * @param whole results of the whole vocabulary, in the same order
   * @param other results of part a, or empty
   */
  static List<VocabularyResult> of(
      int words,
      String draw,
      List<LayerResult> some,
      List<LayerResult> whole,
      List<LayerResult> other) {
    List<VocabularyResult> results = new ArrayList<>();
    for (int k = 0; k < some.size(); k++) {
      LayerResult one = some.get(k);
      results.add(
          new VocabularyResult(
              words,
              draw,
              one,
              Correlation.spearman(s(one), s(whole.get(k))),
              other.isEmpty() ? null : Correlation.spearman(s(one), s(other.get(k)))));
    }
    return results;
  }

  private static double[] s(LayerResult layer) {
    return layer.scores().stream().mapToDouble(UnitScore::s).toArray();
  }
}
