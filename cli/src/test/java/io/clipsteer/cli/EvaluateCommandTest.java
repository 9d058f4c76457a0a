// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static com.microsoft.playwright.assertions.PlaywrightAssertions.assertThat;
import static io.clipsteer.cli.CliFixture.CLIP;
import static io.clipsteer.cli.CliFixture.MODELS;
import static io.clipsteer.cli.CliFixture.STRICT;
import static io.clipsteer.cli.CliFixture.keys;
import static io.clipsteer.cli.CliFixture.line;
import static io.clipsteer.cli.CliFixture.run;
import static io.clipsteer.cli.CliFixture.writeImage;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.playwright.Page;
import io.clipsteer.cli.CliFixture.Ran;
import io.clipsteer.engine.model.TextLibrary;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code clipsteer evaluate} as a user types it: exit code, stdout, stderr, evaluation.json. */
final class EvaluateCommandTest {
  @TempDir private static Path temp;

  private static Path run = Path.of("");
  private static Path classes = Path.of("");
  private static Path flat = Path.of("");

  private static Ran evaluate(Object... more) {
    return run("evaluate", "--threads", "1", more);
  }

  @BeforeAll
  static void trainOnImages() throws IOException {
    flat = temp.resolve("flat");
    classes = temp.resolve("classes");
    Random random = new Random(1);
    for (int i = 0; i < 20; i++) draw(flat.resolve("p%02d.png".formatted(i)), random);
    for (String name : List.of("cat", "dog", "bird")) {
      for (int i = 0; i < 4; i++) draw(classes.resolve(name + "/" + i + ".png"), random);
    }
    run = temp.resolve("run");
    train(run, flat);
  }

  private static void train(Path out, Path images) {
    CliFixture.train(out, CLIP, images, "--threads", 1, "--layer", 1, "--expansion", 4);
  }

  private static void draw(Path file, Random random) throws IOException {
    writeImage(file, random, random.nextInt(0x1000000), 0x404040);
  }

  private static Path copyOfRun(String name) throws IOException {
    Path copy = temp.resolve(name);
    try (var files = Files.walk(run)) {
      for (Path file : files.toList()) {
        Path target = copy.resolve(run.relativize(file).toString());
        if (Files.isDirectory(file)) Files.createDirectories(target);
        else Files.copy(file, target);
      }
    }
    Files.deleteIfExists(copy.resolve("evaluation.json"));
    return copy;
  }

  private static List<String> names(Path folder) throws IOException {
    List<String> names = new ArrayList<>();
    try (var files = Files.list(folder)) {
      files.sorted().forEach(file -> names.add(String.valueOf(file.getFileName())));
    }
    return names;
  }

  @Test
  void textsForTheTextTower() throws IOException {
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < 60; i++) lines.add("a photo of " + "a ".repeat(i % 3) + "dog");
    Path texts = Files.write(temp.resolve("texts.txt"), lines);
    Path other = Files.write(temp.resolve("other.txt"), List.of("a cat", "a big red dog"));
    Path mine = temp.resolve("of-texts");
    Ran trained =
        line(
            "train --threads 1 --model %s --texts %s --layer 1 --sae topk:k=4 --expansion 4"
                + " --train-tokens 640 --batch 64 --out %s",
            CLIP, texts, mine);
    assertEquals(0, trained.code(), trained.err());
    JsonNode json = evaluate("--run", mine, "--texts", other, "--images", classes, "--json").json();
    assertEquals(2, json.get("texts").asInt());
    assertEquals(2, json.get("notes").size(), json::toString);
    assertTrue(json.get("notes").get(0).asString().contains(classes.toString()), json::toString);
    JsonNode sae = json.get("saes").get(0);
    keys(sae, "l0", "l0_end", "l0_others", "l0_positions", "explained_variance", "cosine");
    assertFalse(sae.has("l0_grid") || sae.has("l0_cls"), sae::toString);
    assertEquals(12, sae.get("zero_shot").get("images").asInt());
    keys(sae.get("zero_shot"), "ce_recovered", "spliced", "zero_ablated");
    Path page = mine.resolve("evaluation.html");
    assertEquals(json, PageBrowser.data(page).get("evaluation"));
    shows(
        page,
        shown -> {
          String text = shown.locator("main").innerText();
          assertTrue(text.contains("L0 end token") && text.contains("GPT-2"), text);
          assertFalse(text.contains("patch grid") || text.contains("CLS"), text);
        });
    Ran read = evaluate("--run", mine, "--texts", texts);
    assertEquals(0, read.code(), read.err());
    assertTrue(read.out().contains("60 texts"), read.out());
    assertTrue(read.out().contains("trained on this source"), read.out());

    evaluate("--run", mine, "--images", classes).refused("text tower", "--texts");
    evaluate("--run", run, "--texts", texts).refused("vision tower", "--images");
    evaluate("--run", mine, "--texts", texts, "--legacy").refused("--legacy", "images only");
    evaluate("--run", mine, "--texts", temp.resolve("none")).refused("no such file");
    evaluate("--run", mine, "--texts", classes).refused("is a folder");
    Path odd = Files.write(temp.resolve("odd.txt"), List.of("a dog", "dog ".repeat(200)));
    JsonNode cut = evaluate("--run", mine, "--texts", odd, "--json").json();
    assertTrue(cut.get("notes").toString().contains("1 text reached"), cut::toString);
    Path empty = Files.write(temp.resolve("empty.txt"), List.of("", " "));
    evaluate("--run", mine, "--texts", empty).refused("empty.txt", "no line of text");
  }

  @Test
  void theReportOnClassFolders() throws IOException {
    Path mine = copyOfRun("report");
    JsonNode json = evaluate("--run", mine, "--images", classes, "--json").json();
    assertEquals(12, json.get("images").asInt());
    assertEquals(0, json.get("notes").size(), json::toString);
    assertEquals(1, json.get("saes").size());
    JsonNode sae = json.get("saes").get(0);
    keys(
        sae,
        "folder",
        "layer",
        "hook_point",
        "variant",
        "tokens",
        "images",
        "l0",
        "l0_cls",
        "l0_patches");
    keys(
        sae,
        "l0_grid",
        "explained_variance",
        "variance",
        "cosine",
        "alive_fraction",
        "dead_fraction");
    keys(sae, "dense_fraction", "frequency_histogram", "zero_shot");
    assertFalse(sae.has("legacy"));
    assertEquals(1, sae.get("layer").asInt());
    assertEquals("blocks.1.hook_resid_post", sae.get("hook_point").asString());
    assertEquals("topk:k=4", sae.get("variant").asString());
    assertEquals("all", sae.get("selection").asString());
    assertEquals(12 * 17, sae.get("tokens").asInt());
    assertTrue(sae.get("l0").asDouble() > 0 && sae.get("l0").asDouble() <= 4);
    assertEquals(4, sae.get("l0_grid").size());
    double patches = 0;
    for (JsonNode row : sae.get("l0_grid")) {
      assertEquals(4, row.size());
      for (JsonNode cell : row) patches += cell.asDouble() / 16;
    }
    assertEquals(patches, sae.get("l0_patches").asDouble(), 1e-9);
    double all = (16 * patches + sae.get("l0_cls").asDouble()) / 17;
    assertEquals(all, sae.get("l0").asDouble(), 1e-9);
    JsonNode histogram = sae.get("frequency_histogram");
    assertEquals(histogram.get("counts").size() + 1, histogram.get("bins").size());
    long features = histogram.get("never").asLong();
    for (JsonNode count : histogram.get("counts")) features += count.asLong();
    assertEquals(sae.get("features").asLong(), features);
    JsonNode zeroShot = sae.get("zero_shot");
    assertEquals(12, zeroShot.get("images").asInt());
    assertEquals(3, zeroShot.get("classes").asInt());
    for (String which : List.of("original", "spliced", "mean_ablated", "zero_ablated")) {
      assertTrue(zeroShot.get(which).get("cross_entropy").asDouble() > 0, which);
      double accuracy = zeroShot.get(which).get("accuracy").asDouble();
      assertTrue(accuracy >= 0 && accuracy <= 1, which);
    }
    double original = zeroShot.get("original").get("cross_entropy").asDouble();
    double spliced = zeroShot.get("spliced").get("cross_entropy").asDouble();
    double ablated = zeroShot.get("zero_ablated").get("cross_entropy").asDouble();
    assertEquals(
        (ablated - spliced) / (ablated - original),
        zeroShot.get("ce_recovered").get("zero_ablation").asDouble(),
        1e-9);
    assertEquals(json, STRICT.readTree(Files.readString(mine.resolve("evaluation.json"))));
  }

  @Test
  void anEarlierEvaluationIsReplacedAndNothingElseTouched() throws IOException {
    Path mine = copyOfRun("again");
    evaluate("--run", mine, "--images", classes, "--json").json();
    JsonNode json = evaluate("--run", mine, "--images", flat, "--limit", "7", "--json").json();
    assertEquals(7, json.get("images").asInt());
    assertEquals(json, STRICT.readTree(Files.readString(mine.resolve("evaluation.json"))));
    List<String> expected = names(run);
    expected.addAll(List.of("evaluation.html", "evaluation.json", "evaluation.manifest.json"));
    expected.sort(null);
    assertEquals(expected, names(mine));
    for (String foreign : List.of("my own notes", "{\"accuracy\": 1}", "[1]")) {
      Files.writeString(mine.resolve("evaluation.json"), foreign);
      evaluate("--run", mine, "--images", classes).refused("evaluation.json", "in the way");
      assertEquals(foreign, Files.readString(mine.resolve("evaluation.json")));
    }
    Files.delete(mine.resolve("evaluation.json"));
    Files.createDirectory(mine.resolve("evaluation.json"));
    evaluate("--run", mine, "--images", classes).refused("evaluation.json", "in the way");
  }

  @Test
  void withoutClassesAndOnTheTrainingImages() throws IOException {
    Path mine = copyOfRun("flat-run");
    Ran ran = evaluate("--run", mine, "--images", flat, "--legacy", "--json");
    JsonNode json = ran.json();
    assertTrue(json.get("saes").get(0).get("zero_shot").isNull());
    JsonNode legacy = json.get("saes").get(0).get("legacy");
    keys(legacy, "explained_variance", "cosine", "ce_recovered");
    assertTrue(legacy.get("ce_recovered").isNull());
    assertTrue(legacy.get("cosine").asDouble() > 0.3, legacy::toString);
    assertEquals(2, json.get("notes").size());
    assertTrue(json.get("notes").get(0).asString().contains("no image has a label"));
    assertTrue(json.get("notes").get(1).asString().contains("optimistic"));
    Path table = flat.resolve("numbers.csv");
    StringBuilder rows = new StringBuilder("file,index\n");
    try (var files = Files.list(flat)) {
      files
          .filter(f -> f.toString().endsWith(".png"))
          .forEach(
              f -> rows.append(f.getFileName()).append(",").append(rows.length() % 2).append("\n"));
    }
    Files.writeString(table, rows);
    JsonNode numbered = evaluate("--run", mine, "--images", table, "--json").json();
    assertTrue(numbered.get("notes").toString().contains("all labels are numbers"));
    // The table itself is now a file beside the images.
    JsonNode beside = evaluate("--run", mine, "--images", flat, "--json").json();
    assertTrue(beside.get("notes").toString().contains("1 file beside its images: 1 .csv"));
    Files.delete(table);
    String text = evaluate("--run", mine, "--images", flat).out();
    assertTrue(text.contains("Zero-shot is skipped") && text.contains("optimistic"), text);
  }

  @Test
  void theTextHasEveryTable() throws IOException {
    Path mine = copyOfRun("text");
    Ran ran = evaluate("--run", mine, "--images", classes, "--legacy", "--image-batch", "5");
    assertEquals(0, ran.code(), ran.err());
    String text = ran.out();
    for (String part :
        List.of(
            "12 images",
            "blocks.1.hook_resid_post",
            "L0 ",
            "CE recovered",
            "reference implementation",
            "never")) {
      assertTrue(text.contains(part), part + " is not in\n" + text);
    }
    assertFalse(text.startsWith("{"));
    assertTrue(run("evaluate", "--help").out().contains("Example:"));
  }

  /** Names that want to be more than text stay in the data. */
  @Test
  void thePageIsOneWholeFile() throws IOException {
    Path mine = copyOfRun("page & <b>'\"");
    Path odd = temp.resolve("images <img src=x onerror=window.evil=1> & more");
    Random random = new Random(3);
    for (String name : List.of("a&b", "c<d")) draw(odd.resolve(name + "/0.png"), random);
    JsonNode json = evaluate("--run", mine, "--images", odd, "--legacy", "--json").json();
    Path file = mine.resolve("evaluation.html");
    assertEquals(json, PageBrowser.data(file).get("evaluation"));
    String text = Files.readString(file);
    assertEquals(4, text.split("</script", -1).length, "three scripts, and no fourth");
    assertFalse(text.contains("<img") || text.contains("<b>"));
    String head = text.substring(0, text.indexOf("<script"));
    for (String foreign : List.of("http:", "https:", "src=", "url(", "@import")) {
      assertFalse(head.contains(foreign), foreign);
    }
    assertTrue(text.contains("default-src 'none'") && !text.contains("unsafe"));
    shows(
        file,
        page -> {
          assertThat(page.locator("table")).hasCount(3);
          String shown = page.locator("main").innerText();
          assertTrue(shown.contains("page & <b>'\"") && shown.contains(odd.toString()), shown);
        });
    evaluate("--run", mine, "--images", odd, "--json").json();
    Files.writeString(file, "<!doctype html>my own page");
    evaluate("--run", mine, "--images", odd).refused("evaluation.html", "in the way");
    assertEquals("<!doctype html>my own page", Files.readString(file));
  }

  private static void shows(Path file, Consumer<Page> visitor) {
    try (PageBrowser browser = PageBrowser.start()) {
      browser.visit(file, 1280, visitor);
    }
  }

  @Test
  void wordsAndTemplates() throws IOException {
    Path mine = copyOfRun("words");
    Path templates = temp.resolve("templates.txt");
    Files.writeString(templates, "a drawing of a {}.\n{}\n");
    JsonNode json =
        evaluate("--run", mine, "--images", classes, "--templates", templates, "--json").json();
    assertEquals(3, json.get("saes").get(0).get("zero_shot").get("classes").asInt());
    json =
        evaluate("--run", mine, "--images", classes, "--classes", "cat,dog,bird,fish", "--json")
            .json();
    assertEquals(4, json.get("saes").get(0).get("zero_shot").get("classes").asInt());
    evaluate("--run", mine, "--images", classes, "--classes", "cat,dog").refused("\"bird\"");
    // A table of true classes, on images whose folders name none.
    Path truth = temp.resolve("truth.csv");
    StringBuilder table = new StringBuilder("file,label\n");
    for (int i = 0; i < 20; i++) {
      table.append("p%02d.png,%s\n".formatted(i, i < 12 ? "cat" : "dog"));
    }
    Files.writeString(truth, table);
    json =
        evaluate(
                "--run", mine, "--images", flat, "--classes", "cat,dog", "--truth", truth, "--json")
            .json();
    assertEquals(20, json.get("saes").get(0).get("zero_shot").get("images").asInt());
    Ran without = evaluate("--run", mine, "--images", flat, "--classes", "cat,dog");
    assertTrue(without.err().contains("Zero-shot is skipped: no image has a label"), without.err());

    Path blind = MODELS.resolve("hf-clip-vision-only");
    Ran ran = evaluate("--run", mine, "--model", blind, "--images", classes, "--json");
    assertTrue(ran.json().get("notes").get(0).asString().contains("no text tower"), ran.out());
    assertTrue(ran.json().get("notes").get(1).asString().contains("another model"), ran.out());
    Path library = temp.resolve("library");
    float[] rows = new float[3 * 20];
    for (int w = 0; w < 3; w++) rows[w * 20 + w] = 1;
    new TextLibrary(List.of("cat", "dog", "bird"), rows, 20).write(library);
    json =
        evaluate(
                "--run",
                mine,
                "--model",
                blind,
                "--images",
                classes,
                "--library",
                library,
                "--json")
            .json();
    assertEquals(12, json.get("saes").get(0).get("zero_shot").get("images").asInt());
  }

  @Test
  void badInputIsOneLine() throws IOException {
    evaluate("--run", temp.resolve("nowhere"), "--images", classes)
        .refused("nowhere", "no such folder");
    evaluate("--run", run.resolve("run.json"), "--images", classes).refused("run.json", "a file");
    Path half = copyOfRun("half");
    byte[] manifest = Files.readAllBytes(half.resolve("run.json"));
    Files.delete(half.resolve("run.json"));
    evaluate("--run", half, "--images", classes).refused("half", "no finished run");
    Files.write(half.resolve("run.json"), manifest);

    Path none = Files.createDirectories(temp.resolve("none"));
    evaluate("--run", half, "--images", none).refused("none", "no image");
    Path file = classes.resolve("cat/0.png");
    evaluate("--run", half, "--images", file).refused("0.png", "Give a folder");
    evaluate("--run", half, "--images", temp.resolve("gone")).refused("gone");
    Path broken = Files.createDirectories(temp.resolve("broken"));
    Files.writeString(broken.resolve("a.png"), "no image");
    evaluate("--run", half, "--images", broken).refused("broken", "no image could be read");

    Path other = MODELS.resolve("timm-vit");
    evaluate("--run", half, "--model", other, "--images", classes)
        .refused("timm-vit", "Name the model that the run was trained on");
    evaluate("--run", half, "--model", temp.resolve("no-model"), "--images", classes)
        .refused("no-model");
    String text = Files.readString(half.resolve("run.json"));
    String moved = text.replaceAll("\"model\" : \"[^\"]*\"", "\"model\" : \"/no/such/model\"");
    Files.writeString(half.resolve("run.json"), moved);
    evaluate("--run", half, "--images", classes).refused("/no/such/model", "--model");
    String unknown = text.replaceAll("\"model\" : \"[^\"]*\"", "\"model\" : \"\"");
    Files.writeString(half.resolve("run.json"), unknown);
    evaluate("--run", half, "--images", classes).refused("from a store", "--model");
    String hash = text.replaceAll("\"model\" : \"[^\"]*\"", "\"model\" : \"sha256:abc\"");
    Files.writeString(half.resolve("run.json"), hash);
    evaluate("--run", half, "--images", classes).refused("from a store", "sha256:abc", "--model");
    Files.writeString(half.resolve("run.json"), text.substring(0, text.length() / 2));
    evaluate("--run", half, "--images", classes)
        .refused("run.json: cannot be read: it is cut off. Train again");
    Files.writeString(
        half.resolve("run.json"), text.replaceFirst("\"l0\" : [0-9.]+", "\"l0\" : \"x\""));
    evaluate("--run", half, "--images", classes)
        .refused("run.json: cannot be read: its \"saes[0].l0\" is not what belongs there");
    for (String key : List.of("folder", "hook_point", "tokens", "variant")) {
      Files.writeString(half.resolve("run.json"), text.replace("\"" + key + "\"", "\"other\""));
      evaluate("--run", half, "--images", classes).refused("run.json");
      String gone = text.replaceAll("\"" + key + "\" : \"[^\"]*\"", "\"" + key + "\" : null");
      Files.writeString(half.resolve("run.json"), gone);
      evaluate("--run", half, "--images", classes).refused("run.json", "lacks");
    }
    String deep = text.replace("blocks.1.hook", "blocks.9.hook");
    Files.writeString(half.resolve("run.json"), deep);
    evaluate("--run", half, "--images", classes).refused("blocks.9");
    assertFalse(Files.exists(half.resolve("evaluation.json")), "a failure leaves nothing");
    assertArrayEquals(manifest, text.getBytes(StandardCharsets.UTF_8));
  }
}
