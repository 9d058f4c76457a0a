// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.duckdb.DuckDBAppender;
import org.jspecify.annotations.Nullable;

/** Writes a pass as tables; docs/protocol.md says what each column holds. */
final class IndexTables {
  private final DuckTables tables;
  private final IndexedUnits units;

  IndexTables(DuckTables tables, IndexedUnits units) {
    this.tables = tables;
    this.units = units;
  }

  /**
   * One row a unit.
   *
   * @param names the best of each unit by group, or empty lists
   */
  void units(IndexRun.Pass pass, Map<IndexRun.Group, List<@Nullable Name>> names) {
    tables.write(
        units.toString(),
        """
        sae VARCHAR, layer INTEGER, hook_point VARCHAR, tokens VARCHAR, id INTEGER,
        frequency DOUBLE, frequency_cls DOUBLE, frequency_patches DOUBLE, cls_share DOUBLE,
        images BIGINT, image_frequency DOUBLE, mean DOUBLE, mean_active DOUBLE, max FLOAT,
        monosemanticity DOUBLE, name VARCHAR, name_score DOUBLE, name_margin DOUBLE,
        histogram INTEGER[], positions FLOAT[]\
        """,
        row -> {
          for (IndexRun.Group group : pass.groups()) {
            List<@Nullable Name> best = names.getOrDefault(group, List.of());
            for (int u = 0; u < group.tally().units(); u++) {
              unit(row, group, u, u < best.size() ? best.get(u) : null);
            }
          }
        });
  }

  private static void unit(DuckDBAppender row, IndexRun.Group group, int u, @Nullable Name name)
      throws SQLException {
    UnitTally tally = group.tally();
    row.beginRow();
    row.append(group.name());
    row.append(group.point().layer());
    row.append(group.point().peerName());
    row.append(group.selection().name().toLowerCase(Locale.ROOT));
    row.append(u);
    row.append(tally.frequency(u));
    row.append(tally.frequencyCls(u));
    row.append(tally.frequencyPatches(u));
    row.append(tally.clsShare(u));
    row.append(tally.images(u));
    row.append((double) tally.images(u) / tally.imageCount());
    row.append(tally.mean(u));
    row.append(tally.meanActive(u));
    row.append(tally.max(u));
    row.append(tally.monosemanticity(u));
    row.append(name == null ? null : name.word());
    row.append(name == null ? null : (Double) name.score());
    row.append(name == null ? null : (Double) name.margin());
    list(row, tally.histogram(u));
    list(row, tally.position(u));
    row.endRow();
  }

  /** The strongest images. */
  void tops(IndexRun.Pass pass) {
    tables.write(
        units.one() + "_tops",
        """
        sae VARCHAR, id INTEGER, ranking VARCHAR, rank INTEGER, image VARCHAR, image_number INTEGER,
        max FLOAT, mean FLOAT, patch INTEGER, patches INTEGER[], activations FLOAT[]\
        """,
        row -> {
          for (IndexRun.Group group : pass.groups()) {
            for (int u = 0; u < group.tally().units(); u++) {
              for (boolean byMax : new boolean[] {true, false}) {
                Kept[] kept = group.tally().top(u, byMax);
                for (int k = 0; k < kept.length; k++) {
                  top(row, group, u, byMax, k + 1, kept[k], pass.images().get(kept[k].image()));
                }
              }
            }
          }
        });
  }

  private static void top(
      DuckDBAppender row,
      IndexRun.Group group,
      int u,
      boolean byMax,
      int rank,
      Kept kept,
      String image)
      throws SQLException {
    int[] patches = new int[kept.patches().length];
    for (int i = 0; i < patches.length; i++) patches[i] = kept.patches()[i];
    row.beginRow();
    row.append(group.name());
    row.append(u);
    row.append(byMax ? "max" : "mean");
    row.append(rank);
    row.append(image);
    row.append(kept.image());
    row.append(kept.max());
    row.append(kept.mean());
    row.append(kept.patch() < 0 ? null : (Integer) kept.patch());
    row.append(patches);
    row.append(kept.activations());
    row.endRow();
  }

  /** Associations with labels. */
  void labels(IndexRun.Pass pass) {
    tables.write(
        units.one() + "_labels",
        """
        sae VARCHAR, id INTEGER, factor VARCHAR, value VARCHAR, score VARCHAR, positives BIGINT,
        images BIGINT, auroc DOUBLE, auroc_low DOUBLE, auroc_high DOUBLE, correlation DOUBLE,
        correlation_low DOUBLE, correlation_high DOUBLE\
        """,
        row -> {
          for (IndexRun.Group group : pass.groups()) {
            Association.all(
                group.scores(),
                group.tally().units(),
                pass.known(),
                pass.labels().size(),
                a -> label(row, group, pass, a));
          }
        });
  }

  private static void label(
      DuckDBAppender row, IndexRun.Group group, IndexRun.Pass pass, Association a) {
    try {
      Labels.Label label = pass.labels().get(a.label());
      row.beginRow();
      row.append(group.name());
      row.append(a.unit());
      row.append(label.factor());
      row.append(label.value());
      row.append(a.byMax() ? "max" : "mean");
      row.append(a.positives());
      row.append(pass.known().images());
      row.append(a.auroc().value());
      row.append(a.auroc().low());
      row.append(a.auroc().high());
      row.append(a.correlation().value());
      row.append(a.correlation().low());
      row.append(a.correlation().high());
      row.endRow();
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * The first words of each unit by each way.
   *
   * @param names by group, then as they come
   */
  void names(Map<IndexRun.Group, List<Name>> names) {
    tables.write(
        units.one() + "_names",
        """
        sae VARCHAR, id INTEGER, method VARCHAR, rank INTEGER, word VARCHAR, score DOUBLE,
        margin DOUBLE\
        """,
        row -> {
          for (var entry : new ArrayList<>(names.entrySet())) {
            for (Name name : entry.getValue()) {
              row.beginRow();
              row.append(entry.getKey().name());
              row.append(name.unit());
              row.append(name.method());
              row.append(name.rank());
              row.append(name.word());
              row.append(name.score());
              row.append(name.margin());
              row.endRow();
            }
          }
        });
  }

  /** The images. */
  void images(IndexRun.Pass pass) {
    tables.write(
        units.one() + "_images",
        "image_number INTEGER, image VARCHAR, class VARCHAR",
        row -> {
          for (int i = 0; i < pass.images().size(); i++) {
            row.beginRow();
            row.append(i);
            row.append(pass.images().get(i));
            row.append(pass.classes().get(i));
            row.endRow();
          }
        });
  }

  private static void list(DuckDBAppender row, int @Nullable [] values) throws SQLException {
    if (values == null) row.appendNull();
    else row.append(values);
  }

  private static void list(DuckDBAppender row, float @Nullable [] values) throws SQLException {
    if (values == null) row.appendNull();
    else row.append(values);
  }
}
