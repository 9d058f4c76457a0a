// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.TensorFile;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code index}, {@code features} and {@code search} as a user types them. */
final class IndexCommandTest {
  private static final Path CLIP = Path.of("../engine/src/test/resources/models/hf-clip-quickgelu");
  private static final int IMAGES = 30;

  @TempDir private static Path temp;

  private static Path run = Path.of("");
  private static Path images = Path.of("");

  private record Ran(int code, String out, String err) {
    public JsonNode json() {
      assertEquals(0, code, err);
      return JsonMapper.shared().readTree(out);
    }

    /** Failed with one line that names what is wrong. */
    public void refused(String... parts) {
      // An option's value is wrong usage, and the help is named below; all else is bad input.
      boolean usage = err.startsWith("clipsteer: --");
      assertEquals(usage ? 2 : 1, code, out + err);
      assertEquals("", out);
      assertEquals(usage ? 2 : 1, err.lines().count(), err);
      assertFalse(err.contains("internal error"), err);
      for (String part : parts) assertTrue(err.contains(part), err);
    }
  }

  private static Ran execute(Object... words) {
    List<String> args = new ArrayList<>();
    for (Object word : words) args.add(word.toString());
    PrintStream out = System.out;
    PrintStream err = System.err;
    var outBytes = new ByteArrayOutputStream();
    var errBytes = new ByteArrayOutputStream();
    try {
      System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
      System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
      int code = Main.execute(args.toArray(String[]::new));
      return new Ran(
          code,
          outBytes.toString(StandardCharsets.UTF_8),
          errBytes.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
  }

  private static Ran sql(String text) {
    return execute("features", "--run", run, text, "--json");
  }

  @BeforeAll
  static void trainAndIndex() throws IOException {
    images = temp.resolve("images");
    Random random = new Random(1);
    StringBuilder labels = new StringBuilder("file\tshade\tnote\n");
    for (int i = 0; i < IMAGES; i++) {
      String name = "p%02d.png".formatted(i);
      boolean dark = i % 3 == 0;
      writeImage(images.resolve(name), random, dark);
      if (i < 27) labels.append(name + "\t" + (dark ? "dark" : "light") + "\t\n");
    }
    Files.writeString(images.resolve("readme.md"), "no image");
    Files.writeString(temp.resolve("labels.tsv"), labels);
    Files.writeString(temp.resolve("words.txt"), "dark\nlight\nred\ngreen\nblue\ndog\n");
    run = temp.resolve("run");
    Ran trained =
        execute(
            "train",
            "--threads",
            "1",
            "--model",
            CLIP,
            "--images",
            images,
            "--layer",
            "1,2",
            "--sae",
            "topk:k=4",
            "--expansion",
            "4",
            "--train-tokens",
            "1280",
            "--batch",
            "64",
            "--out",
            run,
            "--json");
    assertEquals(0, trained.code(), trained.err());
    assertFalse(index("--json").err().contains("replaced"));
    Ran again = index("--json");
    assertTrue(again.err().contains("(" + IMAGES + " images) is replaced"), again.err());
    JsonNode json = again.json();
    assertEquals(IMAGES, json.get("images").asInt());
    assertEquals(2, json.get("labels").asInt());
    assertEquals(6, json.get("vocabulary").asInt());
    assertEquals(27, json.get("labels_table").get("matched").asInt());
    assertEquals(3, json.get("labels_table").get("images_without_row").asInt());
    assertEquals(27, json.get("labels_table").get("empty_labels").asInt());
    assertTrue(again.err().contains("27 empty label cells"), again.err());
    JsonNode kept = JsonFile.tree(run.resolve("index/features.json"), "Index again");
    assertEquals(0, kept.get("skipped").asInt());
    assertTrue(kept.get("notes").get(0).asString().endsWith("1 .md"), kept::toString);
    Files.delete(images.resolve("readme.md"));
    assertTrue(json.get("median_monosemanticity").isDouble(), json::toString);
    assertEquals(0, index("--units", "neurons", "--json").json().get("skipped").asInt());
  }

  private static Ran index(Object... more) {
    List<Object> words =
        new ArrayList<>(
            List.of(
                "index",
                "--threads",
                "1",
                "--run",
                run,
                "--images",
                images,
                "--labels",
                temp.resolve("labels.tsv"),
                "--vocabulary",
                temp.resolve("words.txt"),
                "--top",
                "3"));
    words.addAll(List.of(more));
    return execute(words.toArray());
  }

  /** What it offers for pasting, taken apart as a shell does, is a command that works. */
  @Test
  void theOfferedCommandWorks() throws IOException {
    assertOffered(index("--units", "neurons").out(), "--run", run, "neurons");
    Path other = temp.resolve("it's a table");
    assertOffered(index("--out", other).out(), "--index", other, "features");
  }

  private static void assertOffered(String text, String option, Path place, String table)
      throws IOException {
    String line =
        text.lines().filter(l -> l.strip().startsWith("clipsteer ")).findFirst().orElseThrow();
    Process shell =
        new ProcessBuilder("sh", "-c", "clipsteer() { printf '%s\\n' \"$@\"; }\n" + line).start();
    List<String> words;
    try (var output = shell.inputReader()) {
      words = output.lines().toList();
    }
    assertEquals(List.of("features", option, place.toString()), words.subList(0, 3));
    assertEquals(4, words.size(), line);
    Ran ran = execute(words.toArray());
    assertEquals(0, ran.code(), ran.err());
    assertTrue(words.get(3).contains(" FROM " + table + " "), line);
    assertTrue(ran.out().lines().count() > 10, ran.out());
  }

  private static void writeImage(Path file, Random random, boolean dark) throws IOException {
    Files.createDirectories(file.resolveSibling(""));
    BufferedImage image = new BufferedImage(36, 33, BufferedImage.TYPE_INT_RGB);
    int tint = dark ? 0x101010 : 0xC0C0C0;
    for (int y = 0; y < 33; y++) {
      for (int x = 0; x < 36; x++) image.setRGB(x, y, tint ^ random.nextInt(0x202020));
    }
    ImageIO.write(image, "png", file.toFile());
  }

  @Test
  void theTablesFitTogether() throws IOException {
    JsonNode saes =
        sql("SELECT sae, count(*), sum(frequency), min(len(histogram)), min(len(positions)),"
                + " count(DISTINCT layer) FROM features GROUP BY sae ORDER BY sae")
            .json()
            .get("rows");
    assertEquals(2, saes.size());
    for (JsonNode sae : saes) {
      // Four features of every token are active, some perhaps not above 0.
      assertTrue(sae.get(2).asDouble() > 3 && sae.get(2).asDouble() <= 4 + 1e-9, sae::toString);
      assertEquals(40, sae.get(3).asInt());
    }
    JsonNode wrong =
        sql("SELECT count(*) FROM feature_tops t JOIN features f USING (sae, id) WHERE rank = 1"
                + " AND ranking = 'max' AND t.max <> f.max OR len(patches) <> len(activations)")
            .json();
    assertEquals(0, wrong.get("rows").get(0).get(0).asInt());
    JsonNode best =
        sql("SELECT max(auroc), min(auroc_low), max(images), max(positives) FROM feature_labels")
            .json()
            .get("rows")
            .get(0);
    assertTrue(best.get(0).asDouble() > 0.9, best::toString);
    assertEquals(27, best.get(2).asInt());
    assertEquals(18, best.get(3).asInt());
    JsonNode neurons = sql("SELECT count(*), max(id) FROM neurons").json().get("rows").get(0);
    assertEquals(2 * neurons.get(1).asInt() + 2, neurons.get(0).asInt());
    Ran csv =
        execute("features", "--run", run, "SELECT id, sae, 'a,b' FROM features LIMIT 2", "--csv");
    assertEquals(3, csv.out().lines().count(), csv.out());
    assertTrue(csv.out().contains("\"a,b\""), csv.out());
    try (var files = Files.list(run.resolve("index"))) {
      assertTrue(files.noneMatch(f -> f.getFileName().toString().startsWith(".")));
    }
  }

  @Test
  void queriesReachNothingElse() throws IOException {
    Path secret = temp.resolve("secret.csv");
    Files.writeString(secret, "a\n1\n");
    Path made = temp.resolve("made.csv");
    for (String text :
        List.of(
            "SELECT * FROM '" + secret + "'",
            "SELECT * FROM read_csv('" + secret + "')",
            "SELECT * FROM read_text('" + secret + "')",
            "SELECT * FROM glob('" + temp + "/*')",
            "SELECT * FROM read_parquet('" + run + "/index/features.parquet')",
            "COPY features TO '" + made + "'",
            "EXPORT DATABASE '" + made + "'",
            "ATTACH '" + made + "' AS other",
            "SET enable_external_access=true",
            "SET lock_configuration=false",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SELECT 1; COPY features TO '" + made + "'",
            "DROP TABLE features; ATTACH '" + made + "'",
            "SELECT getenv('HOME')",
            "SELEC 1",
            "SELECT nothing FROM features",
            "")) {
      sql(text).refused();
      assertFalse(Files.exists(made), text);
    }
    assertEquals("a\n1\n", Files.readString(secret));
    assertEquals(1, sql("SELECT count(*) > 0 FROM features").json().get("rows").size());
  }

  @Test
  void searchFindsFeatures() {
    for (Object[] query :
        List.of(
            new Object[] {"--text", "dark"},
            new Object[] {"--image", images.resolve("p00.png"), "--max-frequency", "1.1"},
            new Object[] {
              "--image", images.resolve("p00.png"), "--patches", "0,2-3", "--max-frequency", "1.1"
            },
            new Object[] {
              "--feature", "3", "--sae", "saes/blocks.1.hook_resid_post.topk-k-4", "--count", "5"
            })) {
      List<Object> words = new ArrayList<>(List.of("search", "--run", run, "--json"));
      words.addAll(List.of(query));
      JsonNode features = execute(words.toArray()).json().get("features");
      assertTrue(features.size() > 0 && features.size() <= 10, features::toString);
      double before = Double.MAX_VALUE;
      for (JsonNode feature : features) {
        assertTrue(feature.get("score").asDouble() <= before);
        before = feature.get("score").asDouble();
        assertTrue(feature.get("names").isArray());
        assertTrue(feature.get("frequency").isNumber() && feature.get("layer").isInt());
      }
    }
    String run = IndexCommandTest.run.toString();
    textScoresAreThoseOfTheNamesTimesStrength();
    String text = execute("search", "--run", run, "--text", "dark").out();
    assertFalse(text.contains("topk-k-"), text + ": one SAE a layer needs no name");
    execute("search", "--run", run, "--feature", "3").refused("--sae");
    execute("search", "--run", run, "--text", "x", "--patches", "1").refused("--patches");
    execute("search", "--run", run, "--text", " ").refused("--text", "is empty");
    execute("search", "--run", run, "--image", images.resolve("p00.png"), "--patches", "9-3")
        .refused("9-3");
    execute("search", "--run", run, "--image", images.resolve("p00.png"), "--patches", "999")
        .refused("--patches 999");
  }

  /** "dark" is a word of the vocabulary, so that its score as a name is in the table. */
  private static void textScoresAreThoseOfTheNamesTimesStrength() {
    List<Double> expected = new ArrayList<>();
    JsonNode named =
        sql("SELECT sae, id, score FROM feature_names WHERE method = 'both' AND word = 'dark'")
            .json()
            .get("rows");
    try (TensorFile file = SafeTensors.open(run.resolve("index/feature_vectors.safetensors"))) {
      for (JsonNode row : named) {
        String group = row.get(0).asString().contains("blocks.1") ? "0" : "1";
        float strength = file.get(group + ".strength").toFloats()[row.get(1).asInt()];
        expected.add(row.get(2).asDouble() * strength);
      }
    }
    expected.sort(Comparator.reverseOrder());
    JsonNode found =
        execute("search", "--run", run, "--text", "dark", "--count", "5", "--json")
            .json()
            .get("features");
    assertTrue(expected.size() >= 5 && expected.getFirst() > 0, expected::toString);
    for (int i = 0; i < 5; i++) {
      assertEquals(expected.get(i), found.get(i).get("score").asDouble(), 1e-6);
    }
  }

  @Test
  void badInputIsRefused() throws IOException {
    Path bad = temp.resolve("bad.tsv");
    Files.writeString(bad, "name\tx\n");
    execute("index", "--run", run, "--images", images, "--labels", bad)
        .refused("line 1", "no column is called file");
    Files.writeString(bad, "file\tx\nimages/p00.png\tdark\n");
    execute("index", "--run", run, "--images", images, "--labels", bad)
        .refused("none of its rows names an image", "line 2 images/p00.png", "is p00.png");
    Files.writeString(bad, "file\tx\tx\np00.png\tdark\tlight\n");
    execute("index", "--run", run, "--images", images, "--labels", bad)
        .refused("two columns are called x");
    Files.writeString(bad, "file\tx\na\n");
    execute("index", "--run", run, "--images", images, "--labels", bad)
        .refused("line 2", "columns");
    Path factors = temp.resolve("bad.jsonl");
    String row = "{\"file\": \"p00.png\", \"factors\": {\"hue\": \"red\"%s}}\n";
    Files.writeString(factors, row.formatted("") + row.formatted(", \"hue\": \"blue\""));
    execute("index", "--run", run, "--images", images, "--labels", factors)
        .refused("line 2", "a key twice");
    execute("index", "--run", run, "--images", images, "--labels", temp.resolve("no.tsv"))
        .refused("no such file");
    index("--units", "heads").refused("--units heads");
    execute("index", "--run", run, "--images", images, "--top", "-1").refused("--top -1");
    execute("features", "--run", temp, "SELECT 1").refused("no index");
    Path damaged = Files.createDirectories(temp.resolve("damaged"));
    try (var files = Files.list(run.resolve("index"))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.copy(file, damaged.resolve(file.getFileName()));
      }
    }
    byte[] table = Files.readAllBytes(damaged.resolve("features.parquet"));
    Files.write(damaged.resolve("features.parquet"), Arrays.copyOf(table, table.length / 2));
    Ran ran = execute("features", "--index", damaged, "SELECT id FROM features");
    ran.refused("features.parquet: is damaged");
    assertFalse(ran.err().contains("Error"), ran.err());
    execute("features", "--run", temp.resolve("nowhere"), "SELECT 1").refused("no such folder");
    Path foreign = temp.resolve("foreign");
    Files.createDirectories(foreign);
    Files.writeString(foreign.resolve("features.json"), "[1]");
    index("--out", foreign).refused("features.json");
    assertEquals("[1]", Files.readString(foreign.resolve("features.json")));
  }
}
