// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.FeatureSearch;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.TextSearch;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A run with everything about it that is open. What computes is for the model's thread. */
final class Desk implements AutoCloseable {
  /** Texts without meaning that a text search is compared with. */
  private static final int MEANINGLESS = 100;

  /** From this percentile on, a text search has found something. */
  private static final double CLEAR = 0.95;

  private static final long SEED = 1;

  /**
   * Features for a text.
   *
   * @param standsOut whether the best is better than for 95 % of texts without meaning
   * @param percentile share of these texts for which no feature fits as well
   */
  record TextAnswer(
      List<FeatureSearch.Hit> features, boolean standsOut, double percentile, int compared) {}

  private final ExploredRun run;
  private final FeatureTable table;
  private final FeatureSearch search;
  private final Texts texts;
  private final Workbench workbench;
  private @Nullable TextSearch textSearch;
  private double @Nullable [] meaningless;

  private Desk(ExploredRun run, FeatureQuery query) {
    this.run = run;
    IndexFolder index = IndexFolder.of(run.folder());
    search = FeatureSearch.open(index);
    List<String> indexed =
        search.manifest().groups().stream().map(IndexFolder.IndexGroup::sae).toList();
    List<String> trained = run.saes().all().stream().map(one -> one.entry().folder()).toList();
    if (!indexed.equals(trained)) {
      throw new InputException(index.path(), "is not of this run's SAEs", "Index again");
    }
    table = new FeatureTable(query, search.manifest().groups());
    texts = new Texts(run.model(), run.library(), run.templates());
    workbench = new Workbench(run, search, texts);
  }

  /** Opens an indexed run. */
  static Desk open(ExploredRun run) {
    FeatureQuery query = FeatureQuery.open(IndexFolder.of(run.folder()));
    try {
      return new Desk(run, query);
    } catch (RuntimeException e) {
      query.close();
      throw e;
    }
  }

  ExploredRun run() {
    return run;
  }

  FeatureTable table() {
    return table;
  }

  FeatureSearch search() {
    return search;
  }

  Texts texts() {
    return texts;
  }

  Workbench workbench() {
    return workbench;
  }

  /** Features for a text, compared with texts without meaning. */
  TextAnswer find(String text, int count) {
    float[] embedding = texts.embedding(text);
    TextSearch searched = textSearch();
    List<FeatureSearch.Hit> hits = searched.find(embedding, count);
    double best = hits.isEmpty() ? 0 : hits.getFirst().score();
    double[] none = meaningless(searched);
    double below = (double) Arrays.stream(none).filter(score -> score < best).count();
    double percentile = below / none.length;
    return new TextAnswer(hits, percentile >= CLEAR, percentile, none.length);
  }

  /** Reads beforehand what the first text search would read. */
  void warmSearch() {
    if (!texts.areKnown()) return;
    try {
      meaningless(textSearch());
    } catch (InputException e) {
      // An index without words; a search says so.
    }
  }

  private TextSearch textSearch() {
    TextSearch known = textSearch;
    if (known != null) return known;
    TextSearch opened = TextSearch.open(search, run.model().vision().config().embedDim());
    textSearch = opened;
    return opened;
  }

  private double[] meaningless(TextSearch searched) {
    double[] known = meaningless;
    if (known != null) return known;
    double[] scores =
        texts.meaningless(MEANINGLESS, SEED).stream().mapToDouble(searched::best).toArray();
    meaningless = scores;
    return scores;
  }

  /** The features nearest to a feature by decoder direction. */
  List<FeatureSearch.Hit> near(int sae, int id, int count) {
    return search.like(run.saes(), table.group(sae).sae(), id, count);
  }

  /** The number of an SAE that a user named. */
  int sae(@Nullable Integer number) {
    if (number != null && number >= 0 && number < run.saes().all().size()) return number;
    throw new InputException("SAE " + number, "is none", "Name one of the run's");
  }

  @Override
  public void close() {
    TextSearch opened = textSearch;
    if (opened != null) opened.close();
    workbench.close();
    table.query().close();
  }
}
