// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import java.sql.SQLException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.duckdb.DuckDBAppender;
import org.jspecify.annotations.Nullable;

/** Writes a pass as tables; docs/protocol.md defines each column. */
final class IndexTables {
  private final DuckTables tables;
  private final IndexedUnits units;

  IndexTables(DuckTables tables, IndexedUnits units) {
    this.tables = tables;
    this.units = units;
  }

  /**
   * Writes one row per unit.
   *
   * @param names by group; a unit's name is its first word by both methods, else by its images
   */
  void units(IndexRun.Pass pass, Map<IndexRun.IndexedGroup, List<UnitName>> names) {
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
          for (IndexRun.IndexedGroup group : pass.groups()) {
            @Nullable UnitName[] best = new UnitName[group.tally().units()];
            for (UnitName name : names.getOrDefault(group, List.of())) {
              if (name.rank() == 1 && !name.method().equals(Namer.DECODER))
                best[name.unit()] = name;
            }
            for (int u = 0; u < best.length; u++) unit(row, group, u, best[u]);
          }
        });
  }

  private static void unit(
      DuckDBAppender row, IndexRun.IndexedGroup group, int u, @Nullable UnitName name)
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
                  row.beginRow();
                  row.append(group.name());
                  row.append(u);
                  row.append(byMax ? "max" : "mean");
                  row.append(k + 1);
                  row.append(pass.images().get(kept[k].image()));
                  top(row, kept[k]);
                }
              }
            }
          }
        });
  }

  private static void top(DuckDBAppender row, TopImage kept) throws SQLException {
    int[] patches = new int[kept.patches().length];
    for (int i = 0; i < patches.length; i++) patches[i] = kept.patches()[i];
    row.append(kept.image());
    row.append(kept.max());
    row.append(kept.mean());
    row.append(kept.patch() < 0 ? null : (Integer) kept.patch());
    row.append(patches);
    row.append(kept.activations());
    row.endRow();
  }

  /** Writes the associations with labels. */
  void labels(IndexRun.Pass pass) {
    List<Labels.Label> labels = pass.labels().all();
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
                labels.size(),
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
      row.beginRow();
      row.append(group.name());
      row.append(a.unit());
      row.append(label.factor());
      row.append(label.value());
      row.append(a.byMax() ? "max" : "mean");
      row.append(a.positives());
      row.append(images);
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
   * Writes the first words of each unit by each method.
   *
   * @param names by group
   */
  void names(Map<IndexRun.IndexedGroup, List<UnitName>> names) {
    tables.write(
        units.one() + "_names",
        """
        sae VARCHAR, id INTEGER, method VARCHAR, rank INTEGER, word VARCHAR, score DOUBLE,
        margin DOUBLE\
        """,
        row -> {
          for (var entry : names.entrySet()) {
            for (UnitName name : entry.getValue()) {
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

  /** Writes the images. */
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
