// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.lab.label.SheetDraw.Drawn;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** What is on a sheet, for units that are active on some, most and few images. */
final class SheetDrawTest {
  private static final int IMAGES = 300;

  private final List<Set<String>> labels =
      new ArrayList<>(Collections.nCopies(IMAGES, Set.<String>of()));

  /** Image k has activation {@code active − k}, at least 0. */
  private SheetDraw draw(int active) {
    float[] values = new float[IMAGES];
    for (int k = 0; k < active; k++) values[k] = active - k;
    SheetDraw draw = SheetDraw.of(values, labels, new SplittableRandom(1));
    assertNotNull(draw);
    return Objects.requireNonNull(draw);
  }

  private static Set<Integer> images(List<Drawn> all) {
    return all.stream().map(Drawn::image).collect(Collectors.toSet());
  }

  @Test
  void namingHasTheStrongestAndOneOfEightDeciles() {
    List<Drawn> all = draw(100).naming();
    assertEquals(16, images(all).size());
    assertTrue(images(all).containsAll(List.of(0, 1, 2, 3, 4, 5, 6, 7)));
    for (int decile = 2; decile <= 9; decile++) {
      String part = "decile " + decile;
      var one = all.stream().filter(d -> d.part().equals(part)).findFirst().orElseThrow();
      assertEquals(decile - 1, one.image() / 10);
    }
    assertTrue(all.stream().allMatch(Drawn::fires));
  }

  @Test
  void queriesAreNoReferences() {
    SheetDraw draw = draw(40);
    for (int k = 0; k < 50; k++) {
      List<Drawn> all = draw.twoAfc(false);
      assertEquals(20, images(all).size());
      assertTrue(all.subList(0, 9).stream().allMatch(d -> d.fires() && d.image() < 10));
      assertTrue(all.subList(9, 18).stream().noneMatch(Drawn::fires));
      assertEquals(1, all.subList(18, 20).stream().filter(Drawn::fires).count());
    }
  }

  @Test
  void aHardQueryHasTheOthersLabels() {
    for (int k = 0; k < IMAGES; k++) labels.set(k, Set.of("kind: " + k % 3, "hue: " + k % 5));
    SheetDraw draw = draw(40);
    for (int k = 0; k < 50; k++) {
      List<Drawn> queries = draw.twoAfc(true).subList(18, 20);
      assertEquals(labels.get(queries.get(0).image()), labels.get(queries.get(1).image()));
      assertTrue(queries.stream().anyMatch(d -> d.part().equals("same labels") && !d.fires()));
    }
  }

  @Test
  void intrudersAreAmongImagesOfOneDecile() {
    SheetDraw draw = draw(100);
    for (int decile = 1; decile <= 10; decile++) {
      List<Drawn> all = draw.intruder(decile);
      assertEquals(5, images(all).size());
      int from = 10 * (decile - 1);
      assertTrue(
          all.stream()
              .filter(Drawn::fires)
              .allMatch(d -> d.image() >= from && d.image() < from + 10));
      assertTrue(all.stream().anyMatch(d -> !d.fires() && d.image() >= 100));
    }
    List<Drawn> ten = draw.verification();
    assertEquals(10, images(ten).size());
    assertEquals(5, ten.stream().filter(Drawn::fires).count());
  }

  @Test
  void fewActiveImagesFillASheetFromTheNext() {
    SheetDraw draw = draw(20);
    for (int decile = 1; decile <= 10; decile++) {
      assertEquals(5, images(draw.intruder(decile)).size());
    }
    assertEquals(16, images(draw.naming()).size());
  }

  @Test
  void catchTrialsShowTheAnswer() {
    SheetDraw draw = draw(60);
    List<Drawn> all = draw.sameQueries();
    assertTrue(images(all.subList(0, 18)).containsAll(images(all.subList(18, 20))));
    assertEquals(2, images(draw.sameImage()).size());
  }

  @Test
  void unitsThatAreAlwaysActiveHaveTheWeakestTenthAsInactive() {
    SheetDraw draw = draw(IMAGES);
    assertEquals(0.9, draw.share(), 1e-9);
    assertTrue(draw.intruder(1).stream().filter(d -> !d.fires()).allMatch(d -> d.image() >= 270));
    float[] never = new float[IMAGES];
    assertNull(SheetDraw.of(never, labels, new SplittableRandom(1)));
    never[0] = 1;
    assertNull(SheetDraw.of(never, labels, new SplittableRandom(1)));
    assertFalse(images(draw.verification()).isEmpty());
  }
}
