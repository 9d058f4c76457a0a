// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.lab.run.StatePort;
import java.util.List;

/** What a {@link SparsityRun} measures on images: of all, or of a block of them. */
final class EvaluationTally {
  /**
   * Answers with a site's tokens ablated.
   *
   * @param mean replaced by their mean
   * @param zero replaced by zero
   */
  record AblatedSite(AnswerTally mean, AnswerTally zero) {}

  /**
   * One SAE's figures.
   *
   * @param spliced answers with its reconstruction in the place of the tokens
   */
  record SaeTally(SparsityTally sparsity, AnswerTally spliced) {}

  private final AnswerTally original;
  private final List<AblatedSite> sites;
  private final List<SaeTally> saes;
  private long images;

  /** No image yet; lists in the order of the run's sites and SAEs. */
  EvaluationTally(AnswerTally original, List<AblatedSite> sites, List<SaeTally> saes) {
    this.original = original;
    this.sites = List.copyOf(sites);
    this.saes = List.copyOf(saes);
  }

  /** Answers of the tower as it is. */
  AnswerTally original() {
    return original;
  }

  List<AblatedSite> sites() {
    return sites;
  }

  List<SaeTally> saes() {
    return saes;
  }

  /** Images measured. */
  long images() {
    return images;
  }

  void count(int more) {
    images += more;
  }

  /** Adds the images of the next block. */
  void add(EvaluationTally next) {
    original.add(next.original);
    for (int s = 0; s < sites.size(); s++) {
      sites.get(s).mean.add(next.sites.get(s).mean);
      sites.get(s).zero.add(next.sites.get(s).zero);
    }
    for (int s = 0; s < saes.size(); s++) {
      saes.get(s).sparsity.add(next.saes.get(s).sparsity);
      saes.get(s).spliced.add(next.saes.get(s).spliced);
    }
    images += next.images;
  }

  /** Moves the state to a stream or from it. */
  void move(StatePort port) {
    original.move(port);
    for (AblatedSite site : sites) {
      site.mean.move(port);
      site.zero.move(port);
    }
    for (SaeTally sae : saes) {
      sae.sparsity.move(port);
      sae.spliced.move(port);
    }
    images = port.number(images);
  }
}
