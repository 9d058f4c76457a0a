// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.duckdb.DuckDBAppender;
import org.jspecify.annotations.Nullable;

/** Writes a pass as tables; docs/protocol.md defines each column. */
final class IndexTables {
  private final ParquetTables tables;
  private final IndexedUnits units;

  IndexTables(ParquetTables tables, IndexedUnits units) {
    this.tables = tables;
    this.units = units;
  }

  /**
   * Writes one row per unit.
   *
   * @param names by group; of these a unit's row has the clear ones
   */
  void units(IndexRun.Pass pass, Map<IndexRun.IndexedGroup, List<UnitName>> names) {
    tables.write(
        units.toString(),
        """
        sae VARCHAR, layer INTEGER, hook_point VARCHAR, tokens VARCHAR, id INTEGER,
        frequency DOUBLE, frequency_cls DOUBLE, frequency_patches DOUBLE, cls_share DOUBLE,
        images BIGINT, image_frequency DOUBLE, mean DOUBLE, mean_active DOUBLE, max FLOAT,
        monosemanticity DOUBLE, name VARCHAR, name_score DOUBLE, name_margin DOUBLE,
        name_change DOUBLE, steered VARCHAR, steered_change DOUBLE, histogram INTEGER[], positions FLOAT[]\
        """,
        row -> {
          for (IndexRun.IndexedGroup group : pass.groups()) {
            Map<Integer, UnitName> named = new HashMap<>();
            Map<Integer, UnitName> steered = new HashMap<>();
            for (UnitName name : names.getOrDefault(group, List.of())) {
              if (!isClear(group, name)) continue;
              (name.method().equals(Namer.IMAGES) ? named : steered).put(name.unit(), name);
            }
            for (int u = 0; u < group.tally().units(); u++) {
              unit(row, group, u, named.get(u), steered.get(u));
            }
          }
        });
  }

  /** Whether a word is clear, of a unit that is active on enough images. */
  static boolean isClear(IndexRun.IndexedGroup group, UnitName name) {
    return name.isClear() && group.tally().images(name.unit()) >= IndexFolder.FEW_IMAGES;
  }

  private static void unit(
      DuckDBAppender row,
      IndexRun.IndexedGroup group,
      int u,
      @Nullable UnitName name,
      @Nullable UnitName steered)
      throws SQLException {
    UnitTally tally = group.tally();
    ParquetTables.append(
        row,
        group.name(),
        group.point().layer(),
        group.point().peerName(),
        group.selection().name().toLowerCase(Locale.ROOT),
        u,
        tally.frequency(u),
        tally.frequencyCls(u),
        tally.frequencyPatches(u),
        tally.clsShare(u),
        tally.images(u),
        (double) tally.images(u) / tally.imageCount(),
        tally.mean(u),
        tally.meanActive(u),
        tally.max(u),
        tally.monosemanticity(u),
        name == null ? null : name.word(),
        name == null ? null : (Double) name.score(),
        name == null ? null : (Double) name.margin(),
        name == null ? null : (Double) name.change(),
        steered == null ? null : steered.word(),
        steered == null ? null : (Double) steered.change(),
        tally.histogram(u),
        tally.position(u));
  }

  /** Writes the top images. */
  void tops(IndexRun.Pass pass) {
    tables.write(
        units.one() + "_tops",
        """
        sae VARCHAR, id INTEGER, ranking VARCHAR, rank INTEGER, image VARCHAR, image_number INTEGER,
        max FLOAT, mean FLOAT, patch INTEGER, patches INTEGER[], activations FLOAT[]\
        """,
        row -> {
          for (IndexRun.IndexedGroup group : pass.groups()) {
            for (int u = 0; u < group.tally().units(); u++) {
              for (boolean byMax : new boolean[] {true, false}) {
                TopImage[] kept = group.tally().top(u, byMax);
                for (int k = 0; k < kept.length; k++) {
                  TopImage top = kept[k];
                  int[] patches = new int[top.patches().length];
                  for (int i = 0; i < patches.length; i++) patches[i] = top.patches()[i];
                  ParquetTables.append(
                      row,
                      group.name(),
                      u,
                      byMax ? "max" : "mean",
                      k + 1,
                      pass.images().get(top.image()),
                      top.image(),
                      top.max(),
                      top.mean(),
                      top.patch() < 0 ? null : (Integer) top.patch(),
                      patches,
                      top.activations());
                }
              }
            }
          }
        });
  }

  /** Writes the associations with the labels of all columns but those to ignore. */
  void labels(IndexRun.Pass pass, List<LabelColumn> ignored) {
    List<Labels.Label> labels = pass.labels().all();
    boolean[] kept = LabelColumn.kept(labels, ignored);
    tables.write(
        units.one() + "_labels",
        """
        sae VARCHAR, id INTEGER, factor VARCHAR, value VARCHAR, score VARCHAR, positives BIGINT,
        images BIGINT, auroc DOUBLE, auroc_low DOUBLE, auroc_high DOUBLE, correlation DOUBLE,
        correlation_low DOUBLE, correlation_high DOUBLE\
        """,
        row -> {
          for (IndexRun.IndexedGroup group : pass.groups()) {
            Association.all(
                group.scores(),
                group.tally().units(),
                pass.known(),
                kept,
                a -> label(row, group, pass.known().images(), labels.get(a.label()), a));
          }
        });
  }

  private static void label(
      DuckDBAppender row,
      IndexRun.IndexedGroup group,
      long images,
      Labels.Label label,
      Association a) {
    try {
      ParquetTables.append(
          row,
          group.name(),
          a.unit(),
          label.factor(),
          label.value(),
          a.byMax() ? "max" : "mean",
          a.positives(),
          images,
          a.auroc().value(),
          a.auroc().low(),
          a.auroc().high(),
          a.correlation().value(),
          a.correlation().low(),
          a.correlation().high());
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * Writes the first words of each unit by each method.
   *
   * @param names by group
   */
  void names(IndexRun.Pass pass, Map<IndexRun.IndexedGroup, List<UnitName>> names) {
    // Shuffled images give a correlation the mean 0 and this deviation, whatever is correlated.
    double shuffled = 1 / Math.sqrt(pass.images().size() - 1.0);
    tables.write(
        units.one() + "_names",
        """
        sae VARCHAR, id INTEGER, method VARCHAR, rank INTEGER, word VARCHAR, score DOUBLE,
        margin DOUBLE, images_z DOUBLE, words_z DOUBLE, change DOUBLE\
        """,
        row -> {
          for (var entry : names.entrySet()) {
            for (UnitName n : entry.getValue()) {
              ParquetTables.append(
                  row,
                  entry.getKey().name(),
                  n.unit(),
                  n.method(),
                  n.rank(),
                  n.word(),
                  n.score(),
                  n.margin(),
                  n.method().equals(Namer.IMAGES) ? (Double) (n.score() / shuffled) : null,
                  n.wordsZ(),
                  n.change());
            }
          }
        });
  }

  /** Writes the images. */
  void images(IndexRun.Pass pass) {
    tables.write(
        units.one() + "_images",
        "image_number INTEGER, image VARCHAR, class VARCHAR",
        row -> {
          for (int i = 0; i < pass.images().size(); i++) {
            ParquetTables.append(row, i, pass.images().get(i), pass.classes().get(i));
          }
        });
  }
}
