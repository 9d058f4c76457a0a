// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static io.clipsteer.cli.CliFixture.BLIND;
import static io.clipsteer.cli.CliFixture.CLIP;
import static io.clipsteer.cli.CliFixture.run;
import static io.clipsteer.cli.CliFixture.writeImage;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.cli.CliFixture.Ran;
import io.clipsteer.data.Progress;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code index}, {@code features} and {@code search} as a user types them. */
final class IndexCommandTest {
  private static final int IMAGES = 30;

  @TempDir private static Path temp;

  private static Path run = Path.of("");
  private static Path images = Path.of("");

  private static Ran sql(String text) {
    return run("features", "--run", run, text, "--json");
  }

  @BeforeAll
  static void trainAndIndex() throws IOException {
    images = temp.resolve("images");
    Random random = new Random(1);
    StringBuilder labels = new StringBuilder("file\tshade\tnote\n");
    for (int i = 0; i < IMAGES; i++) {
      String name = "p%02d.png".formatted(i);
      boolean dark = i % 3 == 0;
      writeImage(images.resolve(name), random, dark ? 0x101010 : 0xC0C0C0, 0x202020);
      if (i < 27) labels.append(name + "\t" + (dark ? "dark" : "light") + "\t\n");
    }
    Files.writeString(images.resolve("readme.md"), "no image");
    Files.writeString(temp.resolve("labels.tsv"), labels);
    Files.writeString(temp.resolve("words.txt"), "dark\nlight\nred\ngreen\nblue\ndog\n");
    run = temp.resolve("run");
    CliFixture.train(run, CLIP, images, "--threads", 1, "--layers", "1,2", "--expansion", 4);
    assertFalse(index("--json").err().contains("replacing"));
    Ran again = index("--json");
    assertTrue(again.err().contains("replacing the index of features"), again.err());
    assertTrue(again.err().contains("(" + IMAGES + " images)"), again.err());
    JsonNode json = again.json();
    assertEquals(IMAGES, json.get("images").asInt());
    assertEquals(2, json.get("labels").asInt());
    assertEquals(6, json.get("vocabulary").asInt());
    assertEquals(
        sql("SELECT count(name) FROM features").json().get("rows").get(0).get(0).asInt(),
        json.get("named").asInt());
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
    Path labels = temp.resolve("labels.tsv");
    List<Object> own = List.of(more);
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
                "--vocabulary",
                temp.resolve("words.txt"),
                "--top",
                "3"));
    if (!own.contains("--labels")) words.addAll(List.of("--labels", labels));
    words.addAll(own);
    return run(words.toArray());
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
    Ran ran = run(words.toArray());
    assertEquals(0, ran.code(), ran.err());
    assertTrue(words.get(3).contains(" FROM " + table + " "), line);
    assertTrue(ran.out().lines().count() > 10, ran.out());
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
    Ran csv = run("features", "--run", run, "SELECT id, sae, 'a,b' FROM features LIMIT 2", "--csv");
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
      JsonNode features = run(words.toArray()).json().get("features");
      assertTrue(features.size() > 0 && features.size() <= 10, features::toString);
      double before = Double.MAX_VALUE;
      for (JsonNode feature : features) {
        assertTrue(feature.get("score").asDouble() <= before);
        before = feature.get("score").asDouble();
        assertTrue(feature.has("name") && feature.has("steered"), feature::toString);
        assertTrue(feature.get("frequency").isNumber() && feature.get("layer").isInt());
      }
    }
    String run = IndexCommandTest.run.toString();
    textScoresAreCosinesTimesStrength();
    String text = run("search", "--run", run, "--text", "dark").out();
    assertTrue(text.startsWith("layer  feature "), text);
    assertFalse(text.contains("topk-k-"), text + ": one SAE a layer needs no name");
    run("search", "--run", run, "--feature", "3").refused("--sae");
    run("search", "--run", run, "--text", "x", "--patches", "1").refused("--patches");
    run("search", "--run", run, "--text", " ").refused("--text", "is empty");
    run("search", "--run", run, "--image", images.resolve("p00.png"), "--patches", "9-3")
        .refused("9-3");
    run("search", "--run", run, "--image", images.resolve("p00.png"), "--patches", "999")
        .refused("--patches 999");
  }

  /** In any case of letters; and without text tower in the library that the index was named by. */
  @Test
  void wordsAreFoundInALibrary() {
    Path library = temp.resolve("library");
    float[] rows = new float[3 * 20];
    for (int i = 0; i < 3; i++) rows[i * 20 + i] = 1;
    new TextLibrary(List.of("Beagle", "night", "day"), rows, 20).write(library);
    Path blind = temp.resolve("blind");
    CliFixture.train(blind, BLIND, images, "--layers", 1, "--expansion", 2);
    run("index", "--run", blind, "--images", images, "--library", library, "--json").json();
    Object[] search = {"search", "--run", blind, "--json"};
    JsonNode exact = run(search, "--text", "Beagle").json();
    assertEquals(exact, run(search, "--text", "beagle", "--library", library).json());
    run(search, "--text", "beagel").refused("--text beagel", "Did you mean Beagle?");
    run(search, "--text", "xylophone").refused("words.txt lists them");
  }

  /** The score from the stored vectors, and the text's embedding by the text tower. */
  private static void textScoresAreCosinesTimesStrength() {
    List<Double> expected = new ArrayList<>();
    try (ClipModel clip = ClipModel.load(Path.of(CLIP));
        TensorFile file = SafeTensors.open(run.resolve("index/feature_vectors.safetensors"))) {
      float[] text =
          ZeroShot.library(clip, List.of("dark"), List.of("{}"), Progress.SILENT).embeddings();
      float[] centre = file.get("text_centre").toFloats();
      double[] query = new double[text.length];
      double square = 0;
      for (int j = 0; j < text.length; j++) {
        query[j] = text[j] - centre[j];
        square += query[j] * query[j];
      }
      for (int g = 0; g < 2; g++) {
        float[] images = file.get(g + ".images").toFloats();
        float[] decoder = file.get(g + ".decoder").toFloats();
        float[] strength = file.get(g + ".strength").toFloats();
        for (int u = 0; u < strength.length; u++) {
          double byImages = 0;
          double byDecoder = 0;
          for (int j = 0; j < query.length; j++) {
            byImages += images[u * query.length + j] * query[j] / Math.sqrt(square);
            byDecoder += decoder[u * query.length + j] * query[j] / Math.sqrt(square);
          }
          boolean none = byImages <= 0 || byDecoder <= 0;
          expected.add(none ? 0 : Math.sqrt(byImages * byDecoder) * strength[u]);
        }
      }
    }
    expected.sort(Comparator.reverseOrder());
    JsonNode found =
        run("search", "--run", run, "--text", "dark", "--count", "5", "--json")
            .json()
            .get("features");
    assertTrue(expected.getFirst() > 0, expected::toString);
    for (int i = 0; i < 5; i++) {
      assertEquals(expected.get(i), found.get(i).get("score").asDouble(), 1e-5);
    }
  }

  /** A name in the table of features is a clear first word, and the first word is not always it. */
  @Test
  void onlyClearNamesAreStated() {
    JsonNode wrong =
        sql("""
        SELECT count(*) FROM features f LEFT JOIN feature_names n
          ON n.sae = f.sae AND n.id = f.id AND n.method = 'images' AND n.rank = 1
          WHERE f.name IS DISTINCT FROM
            CASE WHEN n.score >= 0.45 AND n.margin >= 0.15 AND f.images >= 10 THEN n.word END\
        """)
            .json();
    assertEquals(0, wrong.get("rows").get(0).get(0).asInt(), wrong::toString);
    JsonNode z =
        sql("""
        SELECT max(abs(images_z - score * sqrt(29))) FROM feature_names WHERE method = 'images'\
        """)
            .json();
    assertEquals(0, z.get("rows").get(0).get(0).asDouble(), 1e-9);
    String text = run("search", "--run", run, "--text", "dark", "--count", "99").out();
    assertTrue(text.contains("no clear name"), text);
  }

  /** Index and evaluation count the same on the same images. */
  @Test
  void theEvaluationOfTheSameImagesSaysTheSame() {
    JsonNode saes =
        run("evaluate", "--threads", "1", "--run", run, "--images", images, "--json")
            .json()
            .get("saes");
    JsonNode rows =
        sql("""
        SELECT sae, sum(frequency), sum(frequency_cls), avg((frequency > 0)::INT),
          avg((frequency > 0.1)::INT) FROM features GROUP BY sae ORDER BY sae\
        """)
            .json()
            .get("rows");
    assertEquals(2, rows.size());
    for (int i = 0; i < 2; i++) {
      JsonNode row = rows.get(i);
      JsonNode sae = saes.get(i);
      assertEquals(row.get(0).asString(), sae.get("folder").asString());
      assertEquals(row.get(1).asDouble(), sae.get("l0").asDouble(), 1e-9);
      assertEquals(row.get(2).asDouble(), sae.get("l0_cls").asDouble(), 1e-9);
      assertEquals(row.get(3).asDouble(), sae.get("alive_fraction").asDouble(), 1e-12);
      assertEquals(row.get(4).asDouble(), sae.get("dense_fraction").asDouble(), 1e-12);
    }
  }

  /** Columns that say nothing of their own are named, and take no part in associations. */
  @Test
  void columnsThatAddNothingAreSaid() throws IOException {
    StringBuilder table = new StringBuilder("file\tshade\tcode\tset\tnumber\n");
    for (int i = 0; i < IMAGES; i++) {
      String shade = i % 3 == 0 ? "dark\t0" : "light\t1";
      table.append("p%02d.png\t%s\ttrain\t%d\n".formatted(i, shade, i));
    }
    Path labels = temp.resolve("columns.tsv");
    Files.writeString(labels, table);
    Path other = temp.resolve("columns");
    Ran ran = index("--labels", labels, "--out", other, "--json");
    assertTrue(ran.err().contains("column code is shade under other names; it is ignored"));
    assertTrue(ran.err().contains("column set has one value for all images"), ran.err());
    assertTrue(ran.err().contains("column number has a value of its own for every image"));
    JsonNode columns = ran.json().get("label_columns");
    assertEquals(3, columns.size(), columns::toString);
    assertEquals("shade", columns.get(0).get("same_as").asString());
    JsonNode rows =
        run("features", "--index", other, "SELECT DISTINCT factor FROM feature_labels", "--json")
            .json()
            .get("rows");
    assertEquals(1, rows.size(), rows::toString);
  }

  @Test
  void badInputIsRefused() throws IOException {
    Path bad = temp.resolve("bad.tsv");
    Files.writeString(bad, "name\tx\n");
    run("index", "--run", run, "--images", images, "--labels", bad)
        .refused("line 1", "no column is called file");
    Files.writeString(bad, "file\tx\nimages/p00.png\tdark\n");
    run("index", "--run", run, "--images", images, "--labels", bad)
        .refused("none of its rows names an image", "line 2 images/p00.png", "is p00.png");
    Files.writeString(bad, "file\tx\tx\np00.png\tdark\tlight\n");
    run("index", "--run", run, "--images", images, "--labels", bad)
        .refused("two columns are called x");
    Files.writeString(bad, "file\tx\na\n");
    run("index", "--run", run, "--images", images, "--labels", bad).refused("line 2", "columns");
    Path factors = temp.resolve("bad.jsonl");
    String row = "{\"file\": \"p00.png\", \"factors\": {\"hue\": \"red\"%s}}\n";
    Files.writeString(factors, row.formatted("") + row.formatted(", \"hue\": \"blue\""));
    run("index", "--run", run, "--images", images, "--labels", factors)
        .refused("line 2", "a key twice");
    run("index", "--run", run, "--images", images, "--labels", temp.resolve("no.tsv"))
        .refused("no such file");
    index("--units", "heads").refused("--units heads");
    run("index", "--run", run, "--images", images, "--top", "-1").refused("--top -1");
    run("features", "--run", temp, "SELECT 1").refused("no index");
    Path damaged = Files.createDirectories(temp.resolve("damaged"));
    try (var files = Files.list(run.resolve("index"))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.copy(file, damaged.resolve(file.getFileName()));
      }
    }
    byte[] table = Files.readAllBytes(damaged.resolve("features.parquet"));
    Files.write(damaged.resolve("features.parquet"), Arrays.copyOf(table, table.length / 2));
    Ran ran = run("features", "--index", damaged, "SELECT id FROM features");
    ran.refused("features.parquet: is damaged");
    assertFalse(ran.err().contains("Error"), ran.err());
    run("features", "--run", temp.resolve("nowhere"), "SELECT 1").refused("no such folder");
    Path foreign = temp.resolve("foreign");
    Files.createDirectories(foreign);
    Files.writeString(foreign.resolve("features.json"), "[1]");
    index("--out", foreign).refused("features.json");
    assertEquals("[1]", Files.readString(foreign.resolve("features.json")));
  }
}
