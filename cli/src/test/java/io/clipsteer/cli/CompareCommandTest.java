// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.world.WorldSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code compare} as a user types it. */
final class CompareCommandTest {
  private static final String MODELS = "../engine/src/test/resources/models/";

  @TempDir private static Path temp;

  private static Path images = Path.of("");

  private static Path train(String name, String model, Object... more) {
    Path run = temp.resolve(name);
    CliFixture.train(run, MODELS + model, images, "--expansion", 3, more);
    return run;
  }

  @BeforeAll
  static void train() {
    images = temp.resolve("images");
    WorldSet.MIXED.write(images, WorldSet.Split.TEST, 24, 5, 64, Progress.SILENT);
    train("a", "hf-clip-quickgelu", "--layers", "1,2");
    train("b", "hf-clip-quickgelu", "--layers", "1,2", "--seed", 9);
    train("other", "hf-clip-vision-only", "--layers", "1");
  }

  private static CliFixture.Ran compare(String a, String b, Object... more) {
    return CliFixture.run("compare", temp.resolve(a), temp.resolve(b), "--json", more);
  }

  /** The run again, its features in another order and 1 % off. */
  private static void shuffle(Path from, Path to) throws IOException {
    RunFolder.Run run = new RunFolder(from).read();
    Files.createDirectories(to);
    Files.copy(from.resolve("run.json"), to.resolve("run.json"));
    Random random = new Random(4);
    for (RunFolder.SaeEntry entry : run.saes()) {
      try (Sae sae = SaeFiles.read(from.resolve(entry.folder()));
          Scope scope = Scope.open()) {
        int f = sae.features();
        int d = sae.width();
        long[] order = random.longs(0, f).distinct().limit(f).toArray();
        Tensor by = Tensor.of(order, f);
        float[] noise = new float[f * d];
        for (int k = 0; k < noise.length; k++)
          noise[k] = (float) (1 + 0.01 * random.nextGaussian());
        Sae moved =
            new Sae(
                sae.activation(),
                sae.normalisation(),
                sae.encoder().indexSelect(1, by).contiguous(),
                sae.encoderBias().indexSelect(0, by),
                sae.decoder().indexSelect(0, by).mul(Tensor.of(noise, f, d)),
                sae.decoderBias(),
                sae.subtractsDecoderBias());
        SaeFiles.write(to.resolve(entry.folder()), moved, Map.of());
      }
    }
  }

  @Test
  void permutationsWithNoiseMatchWhole() throws IOException {
    shuffle(temp.resolve("a"), temp.resolve("shuffled"));
    Path out = temp.resolve("permuted");
    JsonNode json =
        compare("a", "shuffled", "--images", images, "--threshold", "0.95", "--out", out).json();
    assertEquals(4, json.get("pairs").size(), "two layers, each by two methods");
    for (JsonNode pair : json.get("pairs")) {
      assertEquals(1.0, pair.get("overlap_a").get("value").asDouble(), pair::toString);
      assertEquals(1.0, pair.get("overlap_b").get("value").asDouble());
      assertTrue(pair.get("overlap_a").get("low").asDouble() < 1);
      assertEquals(0, pair.get("only_a").asInt());
      assertEquals("assignment", pair.get("matching").asString());
      assertTrue(
          pair.get("chance_mean_nearest").asDouble() < pair.get("mean_nearest_a").asDouble());
    }
    assertTrue(Files.size(out.resolve("features.parquet")) > 500);
    assertTrue(Files.isRegularFile(out.resolve("compare.json")));
    compare("a", "shuffled", "--out", out).refused("holds a finished run");
    JsonNode mutual = compare("a", "shuffled", "--assign-up-to", "0").json().get("pairs").get(0);
    assertEquals("mutual nearest", mutual.get("matching").asString());
    assertEquals(1.0, mutual.get("overlap_a").get("value").asDouble());
  }

  @Test
  void seedsDifferAndLayersDrift() {
    JsonNode json = compare("a", "b", "--images", images, "--min-images", "2").json();
    assertEquals(24, json.get("images").asInt());
    assertTrue(json.get("same_model").asBoolean());
    for (JsonNode pair : json.get("pairs")) {
      JsonNode overlap = pair.get("overlap_a");
      assertTrue(overlap.get("low").asDouble() <= overlap.get("value").asDouble());
      assertTrue(overlap.get("value").asDouble() < 1);
      int n = pair.get("n_a").asInt();
      assertTrue(pair.get("matched").asInt() + pair.get("only_a").asInt() <= n);
    }
    JsonNode drift = compare("a", "a").json().get("drift").get(0);
    assertEquals("decoder", drift.get("method").asString());
    for (int i = 0; i < 2; i++) {
      assertEquals(1, drift.get("values").get(i).get(i).asDouble(), 1e-5, "a layer with itself");
    }
    assertTrue(drift.get("values").get(0).get(1).asDouble() < 0.99999, drift::toString);
  }

  @Test
  void acrossModelsByImagesAlone() {
    JsonNode json = compare("a", "other", "--images", images, "--min-images", "2").json();
    assertFalse(json.get("same_model").asBoolean());
    assertEquals(2, json.get("pairs").size(), "each SAE of A with the likest of B");
    for (JsonNode pair : json.get("pairs")) {
      assertEquals("activation", pair.get("method").asString());
    }
    compare("a", "other").refused("different models", "--images");
  }

  @Test
  void badInputIsOneLine() {
    compare("a", "nowhere").refused("nowhere", "no such folder");
    compare("a", "b", "--threshold", "0").refused("--threshold 0");
    compare("a", "b", "--min-images", "1").refused("--min-images 1");
    compare("a", "b", "--assign-up-to", "99999").refused("--assign-up-to 99999");
    compare("other", "other").refused("one SAE against itself");
    compare("a", "b", "--images", images, "--min-images", "25").refused("--min-images");
  }
}
