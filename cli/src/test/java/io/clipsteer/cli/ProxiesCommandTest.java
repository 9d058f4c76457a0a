// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static io.clipsteer.cli.CliFixture.BLIND;
import static io.clipsteer.cli.CliFixture.CLIP;
import static io.clipsteer.cli.CliFixture.line;
import static io.clipsteer.cli.CliFixture.run;
import static io.clipsteer.cli.CliFixture.writeImage;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.cli.CliFixture.Ran;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code labels proxies} as a user types it. */
final class ProxiesCommandTest {
  private static final int IMAGES = 48;

  @TempDir private static Path temp;

  private static Path run = Path.of("");
  private static Path images = Path.of("");

  @BeforeAll
  static void trainAndIndex() throws IOException {
    images = temp.resolve("images");
    Random random = new Random(1);
    int[] colours = {0x101010, 0xC0C0C0, 0x10C010, 0xC01010};
    for (int i = 0; i < IMAGES; i++) {
      writeImage(images.resolve("p%02d.png".formatted(i)), random, colours[i % 4], 0x202020);
    }
    run = temp.resolve("run");
    CliFixture.train(run, CLIP, images, "--layers", "1,2", "--expansion", "4");
    index();
  }

  private static void index() throws IOException {
    Path words = Files.writeString(temp.resolve("words.txt"), "dark\nlight\nred\ngreen\n");
    Ran ran =
        line("index --run %s --images %s --vocabulary %s --top 16 --json", run, images, words);
    assertEquals(0, ran.code(), ran.err());
  }

  private static Ran proxies(Object... more) {
    return run("labels", "proxies", "--run", run, "--images", images, more);
  }

  private static JsonNode first(String sql) {
    return run("features", "--run", run, sql, "--json").json().get("rows").get(0);
  }

  @Test
  void judgesAccumulateAndRowsAreReplaced() throws IOException {
    Files.deleteIfExists(run.resolve("index/feature_proxies.parquet"));
    run("features", "--run", run, "SELECT * FROM feature_proxies").refused("feature_proxies");
    int features = first("SELECT count(*) FROM features").get(0).asInt();
    JsonNode own = proxies("--json").json();
    CliFixture.keys(own, "index", "judge", "circular", "two_afc", "intruder", "verification");
    CliFixture.keys(own, "too_few_images", "too_frequent", "draws", "seed", "skipped");
    assertTrue(own.get("circular").asBoolean());
    assertEquals(IMAGES, own.get("images").asInt());
    assertEquals(features, own.get("features").asInt());
    int scored = own.get("two_afc").get("features").asInt();
    assertTrue(scored > 0, own::toString);
    int left = own.get("too_few_images").asInt() + own.get("too_frequent").asInt();
    assertEquals(features, scored + left);
    String summary =
        "SELECT count(*), count(two_afc), avg(two_afc), avg(intruder), count(DISTINCT judge),"
            + " min(draws), max(seed), bool_and(circular) FROM feature_proxies";
    JsonNode table = first(summary);
    assertEquals(features, table.get(0).asInt());
    assertEquals(scored, table.get(1).asInt());
    assertEquals(own.get("two_afc").get("mean").asDouble(), table.get(2).asDouble(), 1e-9);
    assertEquals(own.get("intruder").get("mean").asDouble(), table.get(3).asDouble(), 1e-9);
    assertEquals(20, table.get(5).asInt());
    assertTrue(table.get(7).asBoolean());
    assertEquals(
        0,
        first(
                "SELECT count(*) FROM feature_proxies p JOIN features f USING (sae, id)"
                    + " WHERE (f.image_frequency > 0.5 OR f.images < 10) AND p.two_afc IS NOT NULL"
                    + " OR (f.name IS NULL) AND p.verification IS NOT NULL")
            .get(0)
            .asInt());

    // The same judge again: no row more, and its new settings.
    Ran text = proxies("--draws", 7, "--seed", 5);
    assertTrue(text.out().contains("circular"), text.out());
    JsonNode again = first(summary);
    assertEquals(features, again.get(0).asInt());
    assertEquals(7, again.get(5).asInt());
    assertEquals(5, again.get(6).asInt());

    // Another judge, which reads no texts.
    Ran other = proxies("--judge", BLIND);
    assertEquals(0, other.code(), other.err());
    JsonNode both = first(summary);
    assertEquals(2 * features, both.get(0).asInt());
    assertEquals(2, both.get(4).asInt());
    String blind =
        "SELECT count(verification) FROM feature_proxies WHERE judge LIKE '%vision-only'";
    assertEquals(0, first(blind).get(0).asInt());
    try (var files = Files.list(run.resolve("index"))) {
      assertTrue(files.noneMatch(f -> f.getFileName().toString().startsWith(".")));
    }

    // Some of the images only.
    JsonNode few = proxies("--limit", 30, "--json").json();
    assertEquals(30, few.get("images").asInt());
    assertEquals(IMAGES, few.get("indexed_images").asInt());

    // New features have no proxies yet.
    index();
    assertFalse(Files.exists(run.resolve("index/feature_proxies.parquet")));
    assertFalse(Files.exists(run.resolve("index/proxies.manifest.json")));
  }

  @Test
  void theRunsModelIsCircularByAnyPath() throws IOException {
    Path copy = Files.createDirectories(temp.resolve("copy"));
    try (var files = Files.list(Path.of(CLIP))) {
      for (Path file : files.toList()) Files.copy(file, copy.resolve(file.getFileName()));
    }
    assertTrue(proxies("--judge", copy, "--json").json().get("circular").asBoolean());
    assertFalse(proxies("--judge", BLIND, "--json").json().get("circular").asBoolean());
  }

  @Test
  void badInputIsRefusedInOneLine() throws IOException {
    Path bare = temp.resolve("bare");
    CliFixture.train(bare, CLIP, images, "--layers", "1");
    line("labels proxies --run %s --images %s", bare, images)
        .refused("holds no index of features", "clipsteer index");
    proxies("--judge", temp.resolve("nothing")).refused("nothing");
    proxies("--judge", images).refused(images.toString());
    Path strange = temp.resolve("strange");
    writeImage(strange.resolve("p00.png"), new Random(2), 0x101010, 0x202020);
    writeImage(strange.resolve("q00.png"), new Random(2), 0x101010, 0x202020);
    line("labels proxies --run %s --images %s", run, strange)
        .refused("1 of 2 images not in the index", "q00.png", images.toString());
    proxies("--draws", 0).refused("--draws 0");
    assertEquals(2, line("labels proxies --run %s", run).code());
  }
}
