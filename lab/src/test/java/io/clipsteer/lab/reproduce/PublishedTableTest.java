// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.reproduce;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The table of published numbers, and verdicts on hand-made numbers. */
final class PublishedTableTest {
  private static final Map<String, PublishedRow> ROWS =
      PublishedTable.all().stream()
          .collect(Collectors.toMap(PublishedRow::id, Function.identity()));

  @Test
  void everyRowHasAPlaceOrAReason() {
    assertEquals(262, PublishedTable.of("steering-clip").size());
    assertEquals(41, PublishedTable.of("saev").size());
    for (PublishedRow row : ROWS.values()) {
      assertTrue(row.isMeasured() || !row.reason().isEmpty(), row.id());
      assertEquals(row.isMeasured(), !row.figure().isEmpty(), row.id());
      boolean words = row.kind() == PublishedRow.NumberKind.WORDS;
      assertEquals(words, row.value() == null && !row.isRange(), row.id());
      assertTrue(words || row.margin() > 0, row.id());
      assertFalse(row.what().isEmpty() || row.place().isEmpty(), row.id());
    }
  }

  /** Numbers that were typed here a second time, from the papers' notes. */
  @Test
  void numbersAsPublished() {
    Map<String, Double> known =
        Map.of(
            "sae.vanilla.8.ev", 0.982,
            "sae.vanilla.3.l0", 2053.9,
            "sae.vanilla.11.ce_recovered", 0.9803,
            "sae.topk_cls.1.alive", 0.0486,
            "sae.vanilla_cls.11.l0", 386.0,
            "celeba.after", 0.8111,
            "waterbirds.before", 0.2243,
            "notebook.coverage", 180.0,
            "cub.kingbird.gray.after", 0.73,
            "recomputed.above.0.5", 0.026);
    known.forEach(
        (id, value) -> assertEquals(value, Objects.requireNonNull(ROWS.get(id)).value(), id));
    assertEquals(0.001, row("sae.vanilla.8.ev").step(), 1e-12, "98.2 % is rounded to 0.1 points");
    assertEquals(0.01, row("sae.topk_cls.0.ev").step(), 1e-12, "90 % to a point");
    assertEquals(2053.9 / 5, row("sae.vanilla.3.l0").margin(), 1e-9, "20 %");
  }

  private static PublishedRow row(String id) {
    return Objects.requireNonNull(ROWS.get(id), id);
  }

  private static ComparedRow compared(String id, double value, double low, double high) {
    return ComparedRow.of(row(id), Figure.of(value, low, high, 100), true, "clipsteer x");
  }

  @Test
  void verdicts() {
    // Explained variance 98.2 %, rounded to 0.1, margin 2 points.
    assertEquals(Verdict.CONSISTENT, compared("sae.vanilla.8.ev", 0.98, 0.975, 0.985).verdict());
    assertEquals(Verdict.DIFFERENT, compared("sae.vanilla.8.ev", 0.9, 0.89, 0.91).verdict());
    assertEquals(Verdict.CANNOT_TELL, compared("sae.vanilla.8.ev", 0.98, 0.9, 0.999).verdict());
    ComparedRow close = compared("sae.vanilla.8.ev", 0.98, 0.97, 0.99);
    assertEquals(-0.002, Objects.requireNonNull(close.difference()), 1e-12);
    // √(0.01² + 0.0005²)
    assertEquals(-0.002 - 0.0100125, Objects.requireNonNull(close.differenceLow()), 1e-6);
    assertEquals(-0.002 + 0.0100125, Objects.requireNonNull(close.differenceHigh()), 1e-6);
    assertTrue(Objects.requireNonNull(close.power()) > 0.9);
  }

  @Test
  void verdictsOfRanges() {
    // 10 to 15 % of features, margin 3 points.
    String id = "steer.deep.10.features";
    assertEquals(Verdict.CONSISTENT, compared(id, 0.12, 0.11, 0.14).verdict());
    assertEquals(Verdict.CONSISTENT, compared(id, 0.16, 0.14, 0.17).verdict());
    assertEquals(Verdict.CANNOT_TELL, compared(id, 0.12, 0.05, 0.2).verdict());
    ComparedRow far = compared(id, 0.3, 0.25, 0.35);
    assertEquals(Verdict.DIFFERENT, far.verdict());
    assertEquals(0.15, Objects.requireNonNull(far.difference()), 1e-12);
    // An open range: ten times the coverage and more.
    ComparedRow open =
        ComparedRow.of(row("steer.coverage.ratio"), Figure.alone(14), true, "clipsteer x");
    assertEquals(0.0, open.difference());
    assertEquals(Verdict.CANNOT_TELL, open.verdict());
    assertNull(open.power());
  }

  @Test
  void otherModelsAndWordsHaveNoVerdict() {
    ComparedRow other =
        ComparedRow.of(
            row("sae.vanilla.8.ev"), Figure.of(0.98, 0.97, 0.99, 100), false, "clipsteer x");
    assertEquals(Verdict.OTHER_MODEL, other.verdict());
    assertEquals(-0.002, Objects.requireNonNull(other.difference()), 1e-12);
    ComparedRow words = ComparedRow.of(row("ade.miou"), Figure.alone(0.4), true, "clipsteer x");
    assertEquals(Verdict.NOTHING_PUBLISHED, words.verdict());
    ComparedRow none = ComparedRow.without(row("celeba.after"), "no set", "");
    assertEquals(Verdict.NOT_MEASURED, none.verdict());
    var table =
        new Reproduction(
            "saev", "t", "m", null, true, "s", 1, List.of(), List.of(), List.of(other, none));
    assertEquals(1, table.verdicts().get(Verdict.NOT_MEASURED));
    assertEquals(0, table.verdicts().get(Verdict.CONSISTENT));
  }

  /** 259 of 2,457 has Wilson's interval of its own. */
  @Test
  void publishedCounts() {
    PublishedRow row = row("notebook.share");
    assertEquals(0.0939, row.valueLow(), 1e-4);
    assertEquals(0.1182, row.valueHigh(), 1e-4);
  }
}
