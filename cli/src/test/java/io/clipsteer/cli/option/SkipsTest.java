// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.cli.CliFixture;
import io.clipsteer.cli.CliFixture.Ran;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** What commands say of files and rows that they do not use. */
final class SkipsTest {
  private static final String CLIP =
      Path.of("../engine/src/test/resources/models/hf-clip-quickgelu").toString();

  @TempDir Path dir;

  @BeforeEach
  void images() throws IOException {
    Random random = new Random(1);
    for (String name : List.of("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png")) {
      Path file = dir.resolve("set").resolve(name);
      Files.createDirectories(file.getParent());
      BufferedImage image = new BufferedImage(40, 40, BufferedImage.TYPE_INT_RGB);
      for (int i = 0; i < 1600; i++) image.setRGB(i % 40, i / 40, random.nextInt(0x1000000));
      ImageIO.write(image, "png", file.toFile());
    }
  }

  private Ran classify(Object... more) {
    List<Object> words =
        new ArrayList<>(List.of("classify", "--model", CLIP, "--images", dir.resolve("set")));
    words.addAll(List.of("--classes", "cat,dog", "--json"));
    words.addAll(List.of(more));
    return CliFixture.run(words.toArray());
  }

  @Test
  void namesAndCountsWhatIsNotUsed() throws IOException {
    Path set = dir.resolve("set");
    assertFalse(classify().err().contains("skipped"), "quiet where all is used");
    Files.createFile(set.resolve("dog/empty.png"));
    Files.createFile(set.resolve("dog/a.tif"));
    Files.createFile(set.resolve("dog/b.txt"));
    Files.createSymbolicLink(set.resolve("bird"), Path.of("gone"));
    Files.createSymbolicLink(set.resolve("dog/loop"), Path.of("../dog"));
    Files.copy(set.resolve("cat/1.png"), set.resolve("preview.png"));
    Ran ran = classify();
    JsonNode json = ran.json();
    assertEquals(5, json.get("images").asInt());
    assertEquals(1, json.get("skipped").asInt());
    JsonNode listing = json.get("listing");
    assertEquals(6, listing.get("images").asInt());
    int counted = 0;
    for (JsonNode number : listing.get("skipped")) counted += number.asInt();
    assertEquals(4, counted, listing::toString);
    for (String part :
        List.of(
            "4 files skipped: ",
            "skipped bird: link that leads nowhere",
            "skipped dog/a.tif: .tif (format not read)",
            "skipped dog/loop: link that leads back to a folder above it",
            "skipped dog/empty.png: ",
            "without a label: preview.png")) {
      assertTrue(ran.err().contains(part), part + " | " + ran.err());
      assertEquals(ran.err().indexOf(part), ran.err().lastIndexOf(part), "once");
    }
  }

  @Test
  void joinsTheTruthAndSaysWhatItTook() throws IOException {
    Path truth = dir.resolve("truth.tsv");
    Files.writeString(
        truth, "file\tlabel\tindex\ncat/1.png\tx\t0\n.\\dog\\1.png\ty\t1\ngone.png\tz\t1\n");
    Ran ran = classify("--truth", truth, "--limit", "2");
    JsonNode join = ran.json().get("truth");
    assertEquals(2, ran.json().get("judged").asInt(), ran.err());
    assertEquals(3, join.get("rows").asInt());
    assertEquals(2, join.get("matched").asInt());
    assertEquals(1, join.get("unmatched").asInt());
    assertEquals(2, join.get("images_without_row").asInt());
    assertTrue(
        ran.err().contains("index as the label; not used: label; 3 rows: 2 matched"), ran.err());
    // Words of the library, and rows of it, where there is no index; an empty cell is no truth.
    Files.writeString(
        truth, "file\tclass\ncat/1.png\tcat\ncat/2.png\t\ndog/1.png\t1\ndog/2.png\tdog\n");
    ran = classify("--truth", truth, "--all");
    assertEquals(3, ran.json().get("judged").asInt());
    JsonNode answers = ran.json().get("predictions");
    assertEquals(0, answers.get(0).get("truth").asInt());
    assertTrue(answers.get(1).get("truth").isNull());
    assertEquals(1, answers.get(2).get("truth").asInt());
    assertEquals(1, ran.json().get("truth").get("empty_labels").asInt());
    Files.writeString(truth, "file\tindex\ncat/1.png\t0\n./cat/1.png\t1\n");
    classify("--truth", truth).refused("line 3", "line 2");
    Files.writeString(truth, "file\tindex\nset/cat/1.png\t0\n");
    classify("--truth", truth).refused("line 2 set/cat/1.png", "cat/1.png");
    Files.writeString(truth, "file\tindex\ncat/1.png\tcat\n");
    classify("--truth", truth).refused("line 2", "index \"cat\"");
    Files.writeString(truth, "file\tkind\ncat/1.png\tcat\n");
    classify("--truth", truth).refused("no column is called index, label, class");
  }

  @Test
  void attacksOnlyWhatHasALabel() throws IOException {
    Path set = dir.resolve("set");
    Files.copy(set.resolve("cat/1.png"), set.resolve("preview.png"));
    Ran ran = CliFixture.run("attack", "--images", set, "--out", dir.resolve("a"), "--json");
    assertEquals(4, ran.json().get("images").asInt());
    assertEquals(1, ran.json().get("skipped").asInt());
    assertTrue(ran.err().contains("skipped preview.png: it has no label"), ran.err());
    Path table = dir.resolve("t.csv");
    Files.writeString(table, "file,label\ndog/1.png,dog\ncat/1.png,cat\npreview.png,\nno.png,x\n");
    ran =
        CliFixture.run(
            "attack", "--images", set, "--truth", table, "--out", dir.resolve("b"), "--json");
    assertEquals(2, ran.json().get("images").asInt());
    assertEquals(1, ran.json().get("skipped").asInt());
    assertTrue(
        ran.err().contains("3 matched, 1 empty label cell, 1 without an image (line 5 no.png)"),
        ran.err());
    Files.writeString(table, "file,label\ncat/1.png,cat\ncat/1.png,dog\n");
    CliFixture.run("attack", "--images", set, "--truth", table, "--out", dir.resolve("c"))
        .refused("line 3", "line 2");
    Files.writeString(table, "file,label\ncat/1.png,cat, tabby\n");
    CliFixture.run("attack", "--images", table, "--out", dir.resolve("c"))
        .refused("line 2", "3 cells for 2 columns");
  }
}
