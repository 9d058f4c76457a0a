// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
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
 * @param layer block of the hook point
 * @param unit kind
 * @param sae the SAE's folder for features, else empty
 * @param meanS mean S
 * @param meanSemantic mean of the semantic form
 * @param shareAboveTau share of units with S above τ
 * @param shareLow lower end of its interval, as {@link LayerResult} has it
 * @param shareHigh upper end
 * @param coverage distinct words that steerable units promote most
 * @param whole rank correlation of the units' S with their S for the whole vocabulary
 * @param other the same with the other part of this size; null for a, and where there is no other
 */
public record VocabularyResult(
    int words,
    String draw,
    int layer,
    SteeredUnits.Kind unit,
    String sae,
    double meanS,
    @JsonProperty("mean_s_semantic") double meanSemantic,
    double shareAboveTau,
    double shareLow,
    double shareHigh,
    int coverage,
    @JsonProperty("rank_correlation_with_whole") Correlation whole,
    @JsonProperty("rank_correlation_with_other_draw") @JsonInclude(JsonInclude.Include.NON_NULL)
        @Nullable Correlation other) {

  /**
   * Compares a part with the whole vocabulary.
   *
   * @param some results of the part
   * @param whole results of the whole vocabulary, in the same order
   * @param other results of part a, or empty
   */
  static List<VocabularyResult> of(
      VocabularyPart part,
      List<LayerResult> some,
      List<LayerResult> whole,
      List<LayerResult> other) {
    List<VocabularyResult> results = new ArrayList<>();
    for (int k = 0; k < some.size(); k++) {
      LayerResult one = some.get(k);
      results.add(
          new VocabularyResult(
              part.library().words().size(),
              part.draw(),
              one.layer(),
              one.unit(),
              one.sae(),
              one.meanS(),
              one.meanSemantic(),
              one.shareAboveTau(),
              one.shareLow(),
              one.shareHigh(),
              one.coverage(),
              Correlation.spearman(s(one), s(whole.get(k))),
              other.isEmpty() ? null : Correlation.spearman(s(one), s(other.get(k)))));
    }
    return results;
  }

  private static double[] s(LayerResult layer) {
    return layer.scores().stream().mapToDouble(UnitScore::s).toArray();
  }
}
