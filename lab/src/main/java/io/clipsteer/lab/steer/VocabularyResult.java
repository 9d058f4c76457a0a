// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.stats.Correlation;
import io.clipsteer.data.stats.Share;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What the units of one kind at one place are worth with a part of the vocabulary.
 *
 * @param words size of the part
 * @param draw which part of this size: a, or b of other words
 * @param layer its block
 * @param sae the SAE's folder for features, else empty
 * @param unit kind
 * @param meanS mean S
 * @param meanSemantic mean of the semantic form
 * @param share of units with S above τ
 * @param coverage distinct words promoted most by these
 * @param whole correlation of the units' ranks by S with those of the whole vocabulary
 * @param other the same with the other draw of this size; of a itself and where there is none, null
 */
public record VocabularyResult(
    int words,
    String draw,
    int layer,
    String sae,
    SteeredUnits.Kind unit,
    double meanS,
    double meanSemantic,
    Share share,
    int coverage,
    Correlation whole,
    @Nullable Correlation other) {

  /**
   * Compares.
   *
   * @param some by place and kind, of the part
   * @param whole the same of the whole vocabulary, in the same order
   * @param other the same of draw a, or empty
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
              one.sae(),
              one.unit(),
              one.meanS(),
              one.meanSemantic(),
              one.share(),
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
