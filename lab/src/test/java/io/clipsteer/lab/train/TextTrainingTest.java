// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.train.SaeVariant;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** SAEs of the text tower: which tokens are read, the run they leave, and what is refused. */
class TextTrainingTest {
  private static final Path MODEL =
      Path.of("../engine/src/test/resources/models/hf-clip-quickgelu");
  private static final HookPoint POINT = HookPoint.parse("text.blocks.0.hook_resid_post");

  @TempDir private Path temp;

  private static TrainConfig config(TokenSelection tokens, int steps, long bufferBytes) {
    var sae = new SaeSpec(POINT, SaeVariant.parse("topk:k=4"));
    Schedule schedule = TestTraining.linear(8L * steps, 8, 1e-3);
    return new TrainConfig(
        List.of(sae), tokens, 4, schedule, TestTraining.SETTINGS, 7, bufferBytes, null, Device.CPU);
  }

  private TrainSource.FromTexts texts(ClipModel model, int count) throws IOException {
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < count; i++) lines.add("a photo of " + "a ".repeat(i % 3) + "dog\n");
    Path file = temp.resolve(count + ".txt");
    Files.writeString(file, String.join("\n", lines));
    return TrainSource.FromTexts.read(model, file);
  }

  @Test
  void everyTokenFromStartToEndIsReadAndNoPadding() throws IOException {
    try (ClipModel model = ClipModel.load(MODEL);
        Scope scope = Scope.open()) {
      Tokenizer tokenizer = Objects.requireNonNull(model.tokenizer());
      TextTower tower = Objects.requireNonNull(model.text());
      var source = texts(model, 30);
      assertEquals(30, source.texts().size());
      for (TokenSelection tokens : List.of(TokenSelection.ALL, TokenSelection.CLS)) {
        long[][] ids = tokenizer.encode(source.texts());
        Tensor all = tower.runUntil(ids, POINT, Hooks.NONE).value();
        List<float[]> expected = new ArrayList<>();
        for (int i = 0; i < ids.length; i++) {
          if (i % 10 == 9) continue;
          int end = 0;
          while (ids[i][end] != tokenizer.endId()) end++;
          for (int t = tokens == TokenSelection.ALL ? 0 : end; t <= end; t++) {
            expected.add(all.select(0, i).select(0, t).toFloats());
          }
        }
        try (Feed feed = source.open(config(tokens, 4, 1 << 20), 0, Progress.SILENT)) {
          float[] seen = feed.sample(0).toFloats();
          int width = tower.config().width();
          assertEquals(expected.size(), seen.length / width);
          double[] sum = new double[width];
          for (float[] row : expected) for (int j = 0; j < width; j++) sum[j] += row[j];
          for (int i = 0; i < seen.length; i++) sum[i % width] -= seen[i];
          assertArrayEquals(new double[width], sum, 1e-3);
        }
      }
    }
  }

  @Test
  void aRunOfTheTextTowerIsResumedToTheSameBytes() throws IOException {
    try (ClipModel model = ClipModel.load(MODEL)) {
      var source = texts(model, 40);
      var config = config(TokenSelection.ALL, 20, 1 << 20);
      TestTraining.run(source, config, temp.resolve("whole"));
      int[] left = {9};
      Progress stopping =
          (what, total, unit) ->
              new Progress.Task() {
                @Override
                public void advance(long n, double flops) {
                  if (what.equals("training") && left[0]-- == 0) throw new IllegalStateException();
                }

                @Override
                public void close() {}
              };
      Path broken = temp.resolve("broken");
      assertThrows(
          IllegalStateException.class,
          () -> TestTraining.run(source, config, broken, false, stopping));
      TestTraining.run(source, config, broken, true, Progress.SILENT);
      String sae = "saes/text.blocks.0.hook_resid_post.topk-k-4/sae_weights.safetensors";
      assertEquals(-1, Files.mismatch(temp.resolve("whole").resolve(sae), broken.resolve(sae)));
    }
  }

  @Test
  void whatCannotBeReadIsRefused() throws IOException {
    try (ClipModel model = ClipModel.load(MODEL)) {
      refused("PATCHES", "texts have none", texts(model, 30));
      refused("ALL", "too few texts", texts(model, 5));
      unreadable(model, temp.resolve("none"));
      byte[] bytes = {(byte) 0xff, (byte) 0xfe, 0};
      unreadable(model, Files.write(temp.resolve("binary"), bytes));
    }
  }

  private static void unreadable(ClipModel model, Path file) {
    assertThrows(InputException.class, () -> TrainSource.FromTexts.read(model, file));
  }

  private void refused(String tokens, String part, TrainSource source) {
    TrainConfig config = config(TokenSelection.valueOf(tokens), 4, 1 << 20);
    Path out = temp.resolve("refused");
    InputException e =
        assertThrows(InputException.class, () -> TestTraining.run(source, config, out));
    assertTrue(String.valueOf(e.getMessage()).contains(part), e::getMessage);
    assertTrue(Files.notExists(out), "nothing is left behind");
  }
}
