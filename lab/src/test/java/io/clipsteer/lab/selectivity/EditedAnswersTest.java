// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.lab.DemoModel;
import io.clipsteer.lab.probe.HeadInput;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.run.Images;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Answers of kept images under an edit are those of the whole tower with the edit inside. */
final class EditedAnswersTest {
  private static final int CLASSES = 7;
  private static final int LAST = 7;

  @TempDir private static Path temp;

  private static ClipModel model;
  private static Images images;

  @BeforeAll
  static void load() {
    model = DemoModel.load(temp);
    images = DemoModel.images(model, temp, 11, 4);
  }

  @AfterAll
  static void unload() {
    model.close();
  }

  private static float[] normal(int n, double deviation, long seed) {
    Random random = new Random(seed);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) values[i] = (float) (deviation * random.nextGaussian());
    return values;
  }

  private static Sae sae(int width) {
    try (Scope scope = Scope.open()) {
      return new Sae(
          new SaeActivation.TopK(5),
          new InputNormalisation.LayerNorm(),
          scope.release(Tensor.of(normal(width * 40, 0.1, 1), width, 40)),
          scope.release(Tensor.of(normal(40, 0.1, 2), 40)),
          scope.release(Tensor.of(normal(40 * width, 0.1, 3), 40, width)),
          scope.release(Tensor.of(normal(width, 0.1, 4), width)),
          true);
    }
  }

  private static Probe probe(HeadInput input, int width) {
    var task =
        input == HeadInput.PATCHES ? Probe.HeadTask.SEGMENTATION : Probe.HeadTask.CLASSIFICATION;
    List<String> names = IntStream.range(0, CLASSES).mapToObj(c -> "class " + c).toList();
    return new Probe(
        new Probe.Reads(task, "", "", LAST, input, false),
        names,
        normal(CLASSES * width, 1, 5),
        normal(CLASSES, 0.3, 6));
  }

  /** The whole tower, image by image as they are read, with an {@link Edit} inside. */
  private static int[] whole(HookPoint point, Edit edit, Probe probe, @Nullable AnswerHead head) {
    List<Integer> answers = new ArrayList<>();
    images.forEach(
        (batch, pixels) -> {
          Hooks hooks = Hooks.NONE.edit(point, edit);
          float[] logits;
          if (head != null) {
            logits = head.scores(model.vision().run(pixels, hooks)).toFloats();
          } else {
            Tensor end = model.vision().runUntil(pixels, HookPoint.residPost(LAST), hooks).value();
            int prefix = model.vision().config().prefixTokens();
            Tensor patches = end.narrow(1, prefix, end.size(1) - prefix).contiguous();
            logits = probe.logits(model.vision().normed(patches).to(DType.F32).toFloats());
          }
          for (int at = 0; at < logits.length; at += CLASSES) {
            int best = 0;
            for (int c = 1; c < CLASSES; c++) if (logits[at + c] > logits[at + best]) best = c;
            answers.add(best);
          }
        });
    return answers.stream().mapToInt(Integer::intValue).toArray();
  }

  private static void agrees(int layer, HeadInput input) {
    var config = model.vision().config();
    int d = config.width();
    HookPoint point = HookPoint.residPost(layer);
    Probe probe = probe(input, input == HeadInput.EMBEDDING ? config.embedDim() : d);
    @Nullable AnswerHead head =
        input == HeadInput.EMBEDDING
            ? new AnswerHead(
                probe.classes(),
                probe.weights(),
                probe.width(),
                probe.bias(),
                1,
                AnswerHead.OutputPart.EMBEDDING)
            : null;
    int changed = 0;
    try (KeptImages kept = KeptImages.of(model.vision(), images, point, Progress.SILENT);
        Sae sae = sae(d);
        EditedAnswers answers =
            layer == LAST && head == null
                ? new LastPatches(kept, Objects.requireNonNull(model.vision().finalNorm()), probe)
                : Continuing.of(model.vision(), point, kept, probe, head)) {
      ItemCodes codes = ItemCodes.of(kept, sae);
      Integer[] order = IntStream.range(0, 40).boxed().toArray(Integer[]::new);
      Arrays.sort(order, Collections.reverseOrder((a, b) -> codes.count(a) - codes.count(b)));
      for (int feature : List.of(order[0], order[7])) {
        for (double value : new double[] {0, -3, 9}) {
          float[] row = sae.decoder().toFloats();
          float[] direction = Arrays.copyOfRange(row, feature * d, (feature + 1) * d);
          int[][] found = new int[1][];
          answers.under(
              direction, codes.shifts(feature, value), (k, after) -> found[0] = after.clone());
          var site = EditSite.of(point, TokenSelection.ALL, config.prefixTokens());
          var edit = new Edit(site, new Edit.Features(sae, feature), new Rule.Set((float) value));
          int[] expected = whole(point, edit, probe, head);
          assertEquals(expected.length, found[0].length);
          long apart =
              IntStream.range(0, expected.length).filter(i -> expected[i] != found[0][i]).count();
          // Logits of two classes may be equal to the last bits.
          assertTrue(apart <= expected.length / 300, apart + " of " + expected.length);
          changed +=
              (int)
                  IntStream.range(0, expected.length)
                      .filter(i -> found[0][i] != answers.before()[i])
                      .count();
        }
      }
      int[] two = {order[0], order[7]};
      float[] rows = new float[2 * d];
      for (int k = 0; k < 2; k++) {
        System.arraycopy(sae.decoder().toFloats(), two[k] * d, rows, k * d, d);
      }
      int[] together =
          answers.together(rows, List.of(codes.shifts(two[0], 0), codes.shifts(two[1], 0)));
      var site = EditSite.of(point, TokenSelection.ALL, config.prefixTokens());
      var both = new Edit(site, new Edit.Features(sae, two), new Rule.Set(0));
      int[] expected = whole(point, both, probe, head);
      long apart =
          IntStream.range(0, expected.length).filter(i -> expected[i] != together[i]).count();
      assertTrue(apart <= expected.length / 300, apart + " of " + expected.length);
      float[] still = new float[kept.images() * kept.each()];
      answers.under(new float[d], still, (k, a) -> assertArrayEquals(answers.before(), a));
    }
    assertTrue(changed > 0, "nothing changed");
  }

  @Test
  void inClosedFormOnTheLastPatches() {
    agrees(LAST, HeadInput.PATCHES);
  }

  @Test
  void onPatchesABlockEarlier() {
    agrees(LAST - 1, HeadInput.PATCHES);
  }

  @Test
  void onImages() {
    agrees(4, HeadInput.EMBEDDING);
  }
}
