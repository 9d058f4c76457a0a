// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
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
import java.time.Duration;
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
    return TrainConfig.of(List.of(sae), tokens, 4, new Schedule(8L * steps, 8, 1e-3), 7)
        .withBufferBytes(bufferBytes);
  }

  private TrainSource.Texts texts(int count) throws IOException {
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < count; i++) lines.add("a photo of " + "a ".repeat(i % 3) + "dog\n");
    Path file = temp.resolve(count + ".txt");
    Files.writeString(file, String.join("\n", lines));
    return TrainSource.Texts.read(file);
  }

  @Test
  void everyTokenFromStartToEndIsReadAndNoPadding() throws IOException {
    TrainSource.Texts texts = texts(30);
    assertEquals(30, texts.lines().size());
    try (ClipModel model = ClipModel.load(MODEL);
        Scope scope = Scope.open()) {
      Tokenizer tokenizer = Objects.requireNonNull(model.tokenizer());
      TextTower tower = Objects.requireNonNull(model.text());
      for (TokenSelection tokens : List.of(TokenSelection.ALL, TokenSelection.CLS)) {
        long[][] ids = tokenizer.encode(texts.lines());
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
        var source = new TrainSource.FromTexts(model, texts);
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
      var source = new TrainSource.FromTexts(model, texts(40));
      var config = config(TokenSelection.ALL, 20, 1 << 20);
      new TrainRun(source, config, List.of(), temp.resolve("whole")).run(Progress.SILENT);
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
          () ->
              new TrainRun(source, config, List.of(), broken, false, Duration.ZERO, null)
                  .run(stopping));
      new TrainRun(source, config, List.of(), broken, true, Duration.ZERO, null)
          .run(Progress.SILENT);
      String sae = "saes/text.blocks.0.hook_resid_post.topk-k-4/sae_weights.safetensors";
      assertEquals(-1, Files.mismatch(temp.resolve("whole").resolve(sae), broken.resolve(sae)));
    }
  }

  @Test
  void whatCannotBeReadIsRefused() throws IOException {
    try (ClipModel model = ClipModel.load(MODEL)) {
      refused("PATCHES", "texts have none", new TrainSource.FromTexts(model, texts(30)));
      refused("ALL", "too few texts", new TrainSource.FromTexts(model, texts(5)));
    }
    assertThrows(InputException.class, () -> TrainSource.Texts.read(temp.resolve("none")));
    Path binary = Files.write(temp.resolve("binary"), new byte[] {(byte) 0xff, (byte) 0xfe, 0});
    assertThrows(InputException.class, () -> TrainSource.Texts.read(binary));
  }

  private void refused(String tokens, String part, TrainSource source) {
    var run =
        new TrainRun(
            source,
            config(TokenSelection.valueOf(tokens), 4, 1 << 20),
            List.of(),
            temp.resolve("refused"));
    InputException e = assertThrows(InputException.class, () -> run.run(Progress.SILENT));
    assertTrue(String.valueOf(e.getMessage()).contains(part), e::getMessage);
    assertTrue(Files.notExists(temp.resolve("refused")), "nothing is left behind");
  }
}
