// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.lab.index.QueryProcess;
import io.clipsteer.lab.label.LabelQueue;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What the page can ask for; docs/explorer-api.md describes it for scripts. */
final class ExplorerApi {
  private ExplorerApi() {}

  /**
   * All routes.
   *
   * @param queries runs SQL
   * @param labels a human evaluation; null for none
   * @param readOnly whether notes, edits and answers cannot be saved
   */
  static List<Route> routes(
      Desks desks,
      Turns turns,
      QueryProcess queries,
      List<Definition> definitions,
      @Nullable LabelQueue labels,
      boolean readOnly) {
    return Stream.of(
            new OverviewRoutes(desks, definitions, readOnly).routes(),
            new FeatureRoutes(desks, turns, queries).routes(),
            new ExperimentRoutes(desks, turns).routes(),
            new JobRoutes(desks, new ImageJobs(turns)).routes(),
            new SavedRoutes(desks, readOnly).routes(),
            new LabelRoutes(labels, readOnly).routes())
        .flatMap(List::stream)
        .toList();
  }
}
