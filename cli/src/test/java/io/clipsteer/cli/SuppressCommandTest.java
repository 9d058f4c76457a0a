// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.data.imageset.WrittenName;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.world.Lettering;
import io.clipsteer.world.WorldSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code suppress} and {@code attack} as a user types them. */
final class SuppressCommandTest {
  private static final String CLIP = "../engine/src/test/resources/models/hf-clip-quickgelu";

  @TempDir private static Path temp;

  private static Path portraits = Path.of("");
  private static Path things = Path.of("");
  private static Path run = Path.of("");

  @BeforeAll
  static void train() {
    portraits = temp.resolve("portraits");
    WorldSet.PORTRAITS.write(portraits, WorldSet.Split.TEST, 32, 5, 32, Progress.SILENT);
    things = temp.resolve("things");
    WorldSet.OBJECTS.write(things, WorldSet.Split.TEST, 40, 6, 48, Progress.SILENT);
    run = temp.resolve("run");
    CliFixture.train(run, CLIP, things, "--layers", "1,2", "--expansion", 2);
  }

  private static CliFixture.Ran suppress(Path out, Object... more) {
    Object[] first = {"suppress", "--run", run, "--out", out, "--json"};
    Object[] all = Arrays.copyOf(first, first.length + more.length);
    System.arraycopy(more, 0, all, first.length, more.length);
    return CliFixture.run(all);
  }

  private static void keys(JsonNode json, String... names) {
    for (String name : names) assertTrue(json.has(name), name + " is not in " + json);
  }

  @Test
  void suppressesAndKeepsItsContract() throws IOException {
    Path out = temp.resolve("edit");
    JsonNode json =
        suppress(out, "--data", "celeba:" + portraits, "--clean", things, "--max-clean-loss", 100)
            .json();
    keys(json, "baseline_wga", "edited_wga", "wga_low", "wga_high", "mcnemar_p", "layer");
    keys(json, "features", "clean_before", "clean_after", "baselines", "sweep", "power", "groups");
    assertTrue(json.get("dealt").asBoolean());
    assertEquals(4, json.get("groups").size());
    int images = 0;
    for (JsonNode group : json.get("groups")) images += group.get("n").asInt();
    assertEquals(16, images, "half of the images are the test set");
    assertEquals(2, json.get("sweep").size());
    for (JsonNode baseline : json.get("baselines")) keys(baseline, "name", "wga", "p");
    JsonNode report = JsonMapper.shared().readTree(Files.readAllBytes(out.resolve("report.json")));
    assertEquals(json, report);
    assertTrue(Files.isRegularFile(out.resolve("manifest.json")));
    boolean found = !json.get("features").isEmpty();
    assertEquals(found, Files.isRegularFile(out.resolve("edit.json")));
    if (found) {
      JsonNode edit = JsonMapper.shared().readTree(Files.readAllBytes(out.resolve("edit.json")));
      keys(edit, "model_sha256", "sae_sha256", "hook_point", "tokens");
      assertEquals(json.get("features").size(), edit.get("features").size());
    }
    suppress(out, "--data", "celeba:" + portraits).refused("holds a finished run");
    assertFalse(Files.exists(out.resolve("progress")));
    suppress(out, "--data", "celeba:" + portraits, "--resume").refused("holds a finished run");
    suppress(temp.resolve("none"), "--data", "celeba:" + portraits, "--resume")
        .refused("holds no run to resume");
    Path other = Files.createDirectory(temp.resolve("other"));
    String stopped =
        Files.readString(out.resolve("manifest.json"))
            .replaceFirst("\"ended\" : \"[^\"]*\"", "\"ended\" : null")
            .replaceFirst("\"data\" : \"celeba:[^\"]*\"", "\"data\" : \"others\"");
    Files.writeString(other.resolve("manifest.json"), stopped);
    suppress(other, "--data", "celeba:" + portraits, "--resume")
        .refused("other settings", "data was \"others\", now ");
    assertEquals(stopped, Files.readString(other.resolve("manifest.json")));
    suppress(other, "--data", "celeba:" + portraits).refused("holds a stopped run", "--resume");
  }

  /** Other images, fonts, places and words to test on than to find with. */
  @Test
  void defendDealsImagesAndWordsOut() throws IOException {
    Path out = temp.resolve("defended");
    JsonNode json =
        CliFixture.line(
                "defend --run %s --images %s --sizes 1,4 --draws 2 --out %s --json",
                run, things, out)
            .json();
    keys(json.get("defence"), "clean", "attacked", "defended", "clean_after", "won_back");
    assertEquals(40, json.get("groups").get(0).get("n").asInt() * 2, 2);
    List<Set<String>> sources = new ArrayList<>();
    List<Set<String>> texts = new ArrayList<>();
    for (String part : List.of("train", "validation", "test")) {
      Set<String> source = new HashSet<>();
      Set<String> text = new HashSet<>();
      for (String line : Files.readAllLines(out.resolve("attacks/" + part + "/attacks.jsonl"))) {
        JsonNode attack = JsonMapper.shared().readTree(line);
        assertTrue(source.add(attack.get("source").asString()));
        text.add(attack.get("text").asString());
        boolean held = attack.get("writing").get("font").asInt() >= Lettering.TRAINING;
        assertEquals(part.equals("test"), held, line);
      }
      sources.add(source);
      texts.add(text);
    }
    assertEquals(40, sources.stream().mapToInt(Set::size).sum());
    assertTrue(Collections.disjoint(sources.get(0), sources.get(2)));
    assertTrue(Collections.disjoint(sources.get(1), sources.get(2)));
    assertTrue(Collections.disjoint(texts.get(0), texts.get(2)));
    assertTrue(Collections.disjoint(texts.get(1), texts.get(2)));
    CliFixture.run("defend", "--run", run, "--images", things, "--out", out)
        .refused("holds a finished run");
    Path labels = temp.resolve("labels.tsv");
    Path other = temp.resolve("labelled");
    Object[] labelled = {
      "defend", "--run", run, "--images", things, "--truth", labels, "--out", other
    };
    CliFixture.run(labelled).refused("labels.tsv");
    try (var files = Files.walk(things)) {
      List<String> rows = new ArrayList<>(List.of("file\tlabel"));
      for (Path file : files.filter(f -> f.toString().endsWith(".png")).sorted().toList()) {
        rows.add(things.relativize(file) + "\t" + (rows.size() % 3));
      }
      Files.write(labels, rows);
    }
    // Three classes, which the folders do not say.
    CliFixture.run(labelled).refused("there are 3 words to write");
    assertFalse(Files.exists(other.resolve("attacks")));
    CliFixture.line(
            "defend --run %s --images %s --words a,b,c --out %s", run, things, temp.resolve("few"))
        .refused("3 words");
  }

  @Test
  void defendsAgainstItsOwnAttacks() {
    Path attacked = temp.resolve("attacked");
    JsonNode made =
        CliFixture.run("attack", "--images", things, "--out", attacked, "--json").json();
    assertEquals(40, made.get("images").asInt());
    JsonNode json =
        suppress(
                temp.resolve("words"),
                "--data",
                "typographic:" + attacked,
                "--clean",
                things,
                "--layers",
                "2",
                "--edit",
                "mean",
                "--select",
                "auroc",
                "--baselines",
                "none",
                "--defense-prefix=100")
            .json();
    assertEquals("nothing written", json.get("groups").get(0).get("group").asString());
    JsonNode combined = json.get("combined");
    assertEquals("no defence", combined.get(0).get("name").asString());
    assertEquals("Defense-Prefix", combined.get(1).get("name").asString());
    assertEquals(json.get("layer").isNull() ? 2 : 4, combined.size());
    assertEquals(
        json.get("defence").get("attacked").get("value"),
        combined.get(0).get("attacked").get("value"));
    TextLibrary learnt = TextLibrary.read(temp.resolve("words").resolve("defense-prefix"));
    assertTrue(learnt.words().size() > 1, () -> "words: " + learnt.words());
    suppress(
            temp.resolve("no"),
            "--data",
            "typographic:" + attacked,
            "--clean",
            things,
            "--defense-prefix",
            "0")
        .wrongUsage("--defense-prefix 0");
    suppress(temp.resolve("no"), "--data", "celeba:" + portraits, "--defense-prefix")
        .wrongUsage("--defense-prefix");
    assertEquals("a word written", json.get("groups").get(1).get("group").asString());
    assertTrue(json.get("baselines").isEmpty());
  }

  @Test
  void attacksAreRepeatableAndStayInTheirLayout() throws IOException {
    Path first = temp.resolve("a1");
    Path again = temp.resolve("a2");
    Path other = temp.resolve("a3");
    Object[] words = {
      "attack", "--images", things, "--words", "cat,ice cream,CD/DVD_1", "--seed", 4
    };
    for (Path out : List.of(first, again)) {
      Object[] all = Arrays.copyOf(words, words.length + 2);
      all[words.length] = "--out";
      all[words.length + 1] = out;
      assertEquals(0, CliFixture.run(all).code());
    }
    CliFixture.line(
            "attack --images %s --fonts held-out --letters 0.4-.5 --limit 5 --out %s --json",
            things, other)
        .json();
    List<String> lines = Files.readAllLines(first.resolve("attacks.jsonl"));
    assertEquals(lines, Files.readAllLines(again.resolve("attacks.jsonl")));
    assertEquals(40, lines.size());
    for (String line : lines) {
      JsonNode attack = JsonMapper.shared().readTree(line);
      String file = attack.get("file").asString();
      String text = attack.get("text").asString();
      String label = attack.get("label").asString();
      assertTrue(
          file.startsWith("label=" + label + "_text=" + WrittenName.encode(text) + "_"), file);
      assertFalse(text.equals(label), file);
      assertTrue(List.of("cat", "ice cream", "CD/DVD_1").contains(text), text);
      assertTrue(attack.get("writing").get("font").asInt() < Lettering.TRAINING, line);
      assertTrue(attack.get("writing").get("y").asDouble() <= 1 / 3.0, line);
      var image = ImageDecoder.decode(first.resolve(file));
      var plain = ImageDecoder.decode(things.resolve(attack.get("source").asString()));
      assertEquals(plain.width(), image.width());
      int changed = 0;
      for (int i = 0; i < image.rgb().length; i++) {
        if (image.rgb()[i] != plain.rgb()[i]) changed++;
      }
      double share = (double) changed / image.rgb().length;
      assertTrue(share > 0.01 && share < 0.6, file + " " + share);
      assertTrue(Arrays.equals(image.rgb(), ImageDecoder.decode(again.resolve(file)).rgb()), file);
    }
    List<String> read = GroupSource.parse("--data", "typographic:" + first).all().attributes();
    assertTrue(read.contains("CD/DVD_1") && read.contains("ice cream"), read.toString());
    for (String line : Files.readAllLines(other.resolve("attacks.jsonl"))) {
      JsonNode writing = JsonMapper.shared().readTree(line).get("writing");
      assertTrue(writing.get("font").asInt() >= Lettering.TRAINING, line);
      double y = writing.get("y").asDouble();
      assertTrue(y >= 2 / 3.0, line);
      double size = writing.get("size").asDouble();
      assertTrue(size >= 0.4 && size < 0.5, line);
    }
    for (String letters : List.of("0.3", "0.4-0.3", "0-1", "0.5-1.5", "a-b")) {
      CliFixture.run("attack", "--images", things, "--letters", letters, "--out", other)
          .wrongUsage("--letters");
    }
  }

  @Test
  void unpacksScam() throws IOException, SQLException {
    Path parquet = temp.resolve("it's scam.parquet");
    byte[] png = Files.readAllBytes(image());
    StringBuilder hex = new StringBuilder();
    for (byte b : png) hex.append(String.format("\\x%02X", b));
    String rows =
        "SELECT * FROM (VALUES ('SCAM', 'coffee_mug', 'taxi', {'bytes': '%s'::BLOB, 'path': 'a'}),"
            + " ('NoSCAM', 'dog', '', {'bytes': '%s'::BLOB, 'path': 'b'}),"
            + " ('SynthSCAM', 'dog', 'ice cream', {'bytes': '%s'::BLOB, 'path': 'c'}))"
            + " t(\"type\", object_label, attack_word, image)";
    try (var connection = DriverManager.getConnection("jdbc:duckdb:");
        var statement = connection.createStatement()) {
      String file = parquet.toString().replace("'", "''");
      String blob = hex.toString();
      String query = String.format(rows, blob, blob, blob);
      statement.execute("COPY (" + query + ") TO '" + file + "' (FORMAT parquet)");
      statement.execute(
          "COPY ("
              + query.replace("NoSCAM", "Other")
              + ") TO '"
              + temp.resolve("odd.parquet")
              + "' (FORMAT parquet)");
    }
    Path out = temp.resolve("scam");
    JsonNode json = CliFixture.run("attack", "--scam", parquet, "--out", out, "--json").json();
    assertEquals(1, json.get("clean").asInt());
    for (String name :
        List.of(
            "handwritten/label=coffee mug_text=taxi_000001.png",
            "synthetic/label=dog_text=ice cream_000001.png",
            "clean/dog/000001.png")) {
      assertTrue(Arrays.equals(png, Files.readAllBytes(out.resolve(name))), name);
    }
    Path none = temp.resolve("noscam");
    CliFixture.run("attack", "--scam", temp.resolve("odd.parquet"), "--out", none)
        .refused("'Other' is unknown");
    CliFixture.run("attack", "--scam", image(), "--out", none).refused("as SCAM");
    CliFixture.run("attack", "--scam", parquet, "--images", things, "--out", none)
        .wrongUsage("--scam");
    CliFixture.run("attack", "--out", none).wrongUsage("--images");
    assertFalse(Files.exists(none));
  }

  private static Path image() throws IOException {
    try (var files = Files.list(thing())) {
      return files.findFirst().orElseThrow();
    }
  }

  /** One class folder, in which images have no label. */
  private static Path thing() throws IOException {
    try (var folders = Files.list(things)) {
      return folders.filter(Files::isDirectory).findFirst().orElseThrow();
    }
  }

  @Test
  void badInputIsOneLine() throws IOException {
    Path out = temp.resolve("bad");
    String data = "celeba:" + portraits;
    suppress(out, "--data", "faces:x").refused("faces:x", "waterbirds");
    suppress(out, "--data", "celeba:" + temp).refused("list_attr_celeba.txt", "no folder");
    suppress(out, "--data", data, "--edit", "burn").refused("--edit burn", "scale:-2", "cap:0.5");
    suppress(out, "--data", data, "--edit", "cap:-1").refused("--edit cap:-1");
    suppress(out, "--data", data, "--select", "best").refused("--select best", "greedy");
    suppress(out, "--data", data, "--sizes", "0").refused("--sizes");
    suppress(out, "--data", data, "--draws", "1").refused("--draws 1");
    suppress(out, "--data", data, "--max-clean-loss", "-1").refused("--max-clean-loss");
    suppress(out, "--data", data, "--layers", "0").refused("no SAE of layer 0");
    suppress(out, "--data", data, "--train", data).refused("--train", "--validation");
    suppress(out, "--data", data, "--attribute", "red").refused("--attribute red", "blond");
    suppress(out, "--data", data, "--clean", portraits).refused("one class");
    suppress(out, "--data", "typographic:" + things)
        .refused("label=dog_text=cat_0012.png", "clipsteer attack");
    Path prompts = Files.writeString(temp.resolve("prompts.tsv"), "man\ta man\n");
    suppress(out, "--data", data, "--prompts", prompts).refused("woman");
    suppress(out).wrongUsage("--data");
    assertFalse(Files.exists(out), "nothing is left of a refused command");
    Path none = temp.resolve("none");
    CliFixture.run("attack", "--images", temp.resolve("absent"), "--out", none).refused("no such");
    CliFixture.run("attack", "--images", things, "--words", "x".repeat(81), "--out", none)
        .refused("xxx", "file's name");
    CliFixture.run("attack", "--images", things, "--fonts", "comic", "--out", none)
        .refused("--fonts comic");
    CliFixture.run("attack", "--images", thing(), "--out", none).refused("label");
    CliFixture.run("attack", "--images", things, "--out", things).refused("is not empty");
    CliFixture.run("attack", "--scam", things, "--limit", "0", "--out", none).refused("--limit 0");
    CliFixture.run("attack", "--images", things, "--out", "/proc/none")
        .refused("/proc/none: cannot be written: there is no such file or folder");
    assertFalse(Files.exists(none));
    try (var files = Files.list(temp)) {
      assertTrue(files.noneMatch(f -> String.valueOf(f.getFileName()).endsWith(".partial")));
    }
  }
}
