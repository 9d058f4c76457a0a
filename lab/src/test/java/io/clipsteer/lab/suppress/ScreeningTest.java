// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.study.Groups;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Drops what cannot be selected, and nothing else; the rounds share the images. */
final class ScreeningTest {
  private static final EditSite SITE = EditSite.of(HookPoint.residPost(1), TokenSelection.ALL, 1);

  private static final Groups TWO =
      new Groups(List.of("without", "with"), new int[2], new boolean[] {false, true});

  private static SuppressionSettings settings(double maxLoss) {
    return new SuppressionSettings(
        SuppressionSettings.Select.ENERGY,
        SuppressionSettings.Change.ABLATE,
        TokenSelection.CLS,
        List.of(1, 2, 4),
        maxLoss,
        2,
        7,
        SuppressionSettings.Goal.WORST_GROUP,
        true);
  }

  /** Candidates that answer a share of the images of both groups right; without an edit half. */
  private static Screening.Validated validated(int images, double... shares) {
    var random = new SplittableRandom(5);
    List<Integer> group = IntStream.range(0, images).map(i -> i % 2).boxed().toList();
    List<Candidate> candidates = new ArrayList<>();
    List<BitSet> after = new ArrayList<>();
    for (double share : shares) {
      Edit edit = new Edit(SITE, new Edit.Neurons(8, candidates.size() % 8), Rule.ablate());
      candidates.add(new Candidate(Candidate.Family.FEATURES, "s", candidates.size() + 1, edit));
      BitSet right = new BitSet();
      for (int i = 0; i < images; i++) if (random.nextDouble() < share) right.set(i);
      after.add(right);
    }
    BitSet before = new BitSet();
    for (int i = 0; i < images; i++) if (random.nextDouble() < 0.5) before.set(i);
    var result = new EditTrial.TrialResult(group, before, after, List.of());
    return new Screening.Validated(candidates, result);
  }

  @Test
  void dropsWhatIsFarBehindAndKeepsWhatIsNear() {
    Screening.Validated all = validated(200, 0.9, 0.88, 0.6, 0.55);
    BitSet open = Screening.open(all, 0, TWO, new int[] {1000, 1000}, settings(100), 12);
    assertTrue(open.get(0) || open.get(1), open.toString());
    assertFalse(open.get(2), open.toString());
    assertFalse(open.get(3), open.toString());
  }

  @Test
  void dropsNothingOnFewImages() {
    Screening.Validated all = validated(30, 0.9, 0.1);
    BitSet open = Screening.open(all, 0, TWO, new int[] {1000, 1000}, settings(100), 1);
    assertEquals(2, open.cardinality());
  }

  @Test
  void keepsNoMoreThanARoundHasAndThoseNearestTheTop() {
    double[] shares = new double[20];
    for (int c = 0; c < shares.length; c++) shares[c] = 0.7 + 0.01 * c;
    Screening.Validated all = validated(400, shares);
    BitSet open = Screening.open(all, 0, TWO, new int[] {1000, 1000}, settings(100), 4);
    assertEquals(4, open.cardinality());
    assertTrue(open.nextSetBit(0) >= 10, open.toString());
  }

  @Test
  void whatIsKnownIsComparedWithAndNotDropped() {
    Screening.Validated all = validated(400, 0.9, 0.6, 0.9);
    BitSet open = Screening.open(all, 1, TWO, new int[] {1000, 1000}, settings(100), 12);
    // Numbers begin at the first one that is not known.
    assertFalse(open.get(0));
    assertTrue(open.get(1));
  }

  @Test
  void whatCostsTooMuchStaysOnlyForItsOtherStrengths() {
    // Without an edit half is right; 0.3 costs 20 points.
    Screening.Validated all = validated(400, 0.7, 0.3);
    int[] images = {1000, 1000};
    assertEquals(1, Screening.open(all, 0, TWO, images, settings(1), 12).cardinality());
    assertFalse(Screening.open(all, 1, TWO, images, settings(1), 12).get(0));
  }

  @Test
  void theRoundsShareTheBlocksAndSpreadThem() {
    for (int count : new int[] {0, 1, 2, 3, 9, 10, 16, 101}) {
      int[] all =
          Screening.ROUNDS.stream()
              .map(round -> round.images().blocks(count))
              .flatMap(blocks -> Stream.of(blocks).flatMap(b -> IntStream.of(b).boxed()))
              .mapToInt(Integer::intValue)
              .sorted()
              .toArray();
      assertArrayEquals(IntStream.range(0, count).toArray(), all);
      assertArrayEquals(all, Screening.ImageShare.WHOLE.blocks(count));
    }
    int[] first = Screening.ROUNDS.getFirst().images().blocks(100);
    assertEquals(10, first.length);
    assertTrue(IntStream.of(first).anyMatch(b -> b > 80), "the last images are among the first");
  }

  @Test
  void laterAnswersFollowTheEarlierOnes() {
    BitSet one = new BitSet();
    one.set(1);
    BitSet two = new BitSet();
    two.set(0);
    var first = new EditTrial.TrialResult(List.of(0, 1), one, List.of(one, two), List.of());
    BitSet only = new BitSet();
    only.set(1);
    var more = new EditTrial.TrialResult(List.of(1), two, List.of(two), List.of());
    var both = first.then(more, only);
    assertEquals(List.of(0, 1, 1), both.groups());
    assertEquals(List.of(2, 3), both.seen());
    assertEquals("{1}", both.after().getFirst().toString());
    assertEquals("{0, 2}", both.after().getLast().toString());
    assertEquals("{1, 2}", both.before().toString());
    assertEquals(List.of(2, 2), both.first(2).seen());
    assertEquals("{0}", both.first(2).after().getLast().toString());
    // Of those evaluated on more images alone one is selected.
    List<Choice> choices = Choice.all(validated(2, 1, 1).candidates(), TWO, both);
    assertEquals(2, choices.getFirst().images());
    assertEquals(3, choices.getLast().images());
  }
}
