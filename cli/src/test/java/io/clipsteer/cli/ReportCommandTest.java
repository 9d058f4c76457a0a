// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static com.microsoft.playwright.assertions.PlaywrightAssertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.playwright.Locator;
import com.microsoft.playwright.Page;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.RgbImage;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code report} as a user types it, and its page as a browser shows it. */
final class ReportCommandTest {
  private static final String CLIP = "../engine/src/test/resources/models/hf-clip-quickgelu";
  private static final int IMAGES = 33;

  /** A word, a label and a file's name that want to be more than text. */
  private static final String EVIL = "</script><script>window.evil=1</script>";

  private static final String EVIL_FILE = "a'\"><img src=x onerror=window.evil=1>.png";

  @TempDir private static Path temp;

  private static Path run = Path.of("");
  private static Path images = Path.of("");

  private static CliFixture.Ran report(Path out, Object... more) {
    List<Object> words = new ArrayList<>(List.of("report", "--run", run, "--out", out, "--json"));
    words.addAll(List.of(more));
    if (!words.contains("--features")) words.addAll(List.of("--features", 20));
    return CliFixture.run(words.toArray());
  }

  @BeforeAll
  static void trainAndMeasure() throws IOException {
    images = temp.resolve("images");
    Files.createDirectories(images);
    Random random = new Random(1);
    StringBuilder labels = new StringBuilder("file\tshade\n");
    for (int i = 0; i < IMAGES; i++) {
      String name = i == 0 ? EVIL_FILE : "p%02d.png".formatted(i);
      writeImage(images.resolve(name), random, i % 3 == 0);
      if (i > 0) labels.append(name + "\t" + (i % 3 == 0 ? EVIL : "light") + "\n");
    }
    Path table = Files.writeString(temp.resolve("labels.tsv"), labels);
    Path words = Files.writeString(temp.resolve("words.txt"), EVIL + "\nlight\nred\n\"dog\"\n");
    run = temp.resolve("run");
    Object[][] commands = {
      {
        "train",
        "--model",
        CLIP,
        "--images",
        images,
        "--layers",
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
        run
      },
      {
        "index",
        "--run",
        run,
        "--images",
        images,
        "--labels",
        table,
        "--vocabulary",
        words,
        "--top",
        "3"
      },
      {"evaluate", "--run", run, "--images", images, "--limit", "8"},
      {
        "steerability",
        "--run",
        run,
        "--limit",
        "4",
        "--images",
        images,
        "--vocabulary",
        words,
        "--random-count",
        "8",
        "--out",
        temp.resolve("run-steerability")
      }
    };
    for (Object[] command : commands) {
      var ran = CliFixture.run(command);
      assertEquals(0, ran.code(), ran.err());
    }
  }

  private static void writeImage(Path file, Random random, boolean dark) throws IOException {
    BufferedImage image = new BufferedImage(36, 33, BufferedImage.TYPE_INT_RGB);
    int tint = dark ? 0x101010 : 0xC0C0C0;
    for (int y = 0; y < 33; y++) {
      for (int x = 0; x < 36; x++) image.setRGB(x, y, tint ^ random.nextInt(0x202020));
    }
    ImageIO.write(image, "png", file.toFile());
  }

  @Test
  void thePageHoldsWhatTheTablesSay() throws IOException {
    Path out = temp.resolve("report.html");
    JsonNode json = report(out, "--exemplars", "2").json();
    assertEquals(20, json.get("features").asInt());
    assertEquals(Files.size(out), json.get("bytes").asLong());
    assertTrue(json.get("evaluation").asBoolean() && json.get("steerability").asBoolean());
    JsonNode data = PageBrowser.data(out);
    JsonNode saes = data.get("findings").get("saes");
    assertEquals(2, saes.size());
    String own = data.get("head").get("commands").get("report").asString();
    assertTrue(own.contains(" --steerability " + temp.resolve("run-steerability")), own);
    for (JsonNode feature : data.get("features")) {
      String sae = saes.get(feature.get("sae").asInt()).get("group").get("sae").asString();
      String where = " WHERE sae = '" + sae + "' AND id = " + feature.get("feature").get("id");
      JsonNode row =
          CliFixture.line(
                  "features --run %s %s --json",
                  run,
                  "SELECT f.frequency, f.max, t.image, t.patch FROM features f JOIN feature_tops t"
                      + " USING (sae, id)"
                      + where
                      + " AND ranking = 'max' AND rank = 1")
              .json()
              .get("rows")
              .get(0);
      assertEquals(
          row.get(0).asDouble(), feature.get("statistics").get("frequency").asDouble(), 1e-6);
      assertEquals(row.get(1).asDouble(), feature.get("statistics").get("max").asDouble(), 1e-4);
      JsonNode top = feature.get("exemplars").get(0);
      assertEquals(row.get(2).asString(), top.get("image").asString());
      assertTrue(feature.get("exemplars").size() <= 2);
      if (!row.get(3).isNull()) {
        byte[] map = Base64.getDecoder().decode(top.get("map").asString());
        int best = 0;
        for (int p = 0; p < map.length; p++) if ((map[p] & 255) > (map[best] & 255)) best = p;
        assertEquals(map[row.get(3).asInt()], map[best], "the strongest patch is the brightest");
      }
      String jpeg =
          data.get("thumbnails").get("jpegs").get(top.get("thumbnail").asInt()).asString();
      RgbImage seen = ImageDecoder.decode(Base64.getDecoder().decode(jpeg), "thumbnail");
      String name = top.get("image").asString();
      boolean dark = name.equals(EVIL_FILE) || Integer.parseInt(name.substring(1, 3)) % 3 == 0;
      assertEquals(dark, (seen.rgb()[0] & 255) < 100, name + " has its own image");
      assertTrue(feature.get("steerability").get("s").asDouble() >= 0);
    }
    assertEquals(data.get("thumbnails").get("jpegs").size(), json.get("images").asInt());
    Path again = temp.resolve("again.html");
    report(again, "--exemplars", "2").json();
    byte[] expected =
        Files.readString(out)
            .replace("report.html", "again.html")
            .getBytes(java.nio.charset.StandardCharsets.UTF_8);
    // The page's own command is in it, whose --out differs.
    assertArrayEquals(expected, Files.readAllBytes(again));
  }

  @Test
  void theCardSaysWhatTheFilesSay() throws IOException {
    JsonNode json = report(temp.resolve("carded.html"), "--no-images").json();
    Path file = run.resolve("card.md");
    assertEquals(file.toString(), json.get("cards").get(0).asString());
    String card = Files.readString(file);
    JsonNode evaluation = JsonMapper.shared().readTree(run.resolve("evaluation.json").toFile());
    for (JsonNode sae : evaluation.get("saes")) {
      String folder = sae.get("folder").asString();
      assertEquals(
          List.of(
              "`" + folder + "`",
              "%.4f".formatted(sae.get("explained_variance").asDouble()),
              "%.2f".formatted(sae.get("l0").asDouble())),
          cells(card, "CE recovered", folder).subList(0, 3));
      String hash = sha256(run.resolve(folder).resolve("sae_weights.safetensors"));
      assertTrue(card.contains("| `evaluate` | `" + folder + "` | `" + hash + "` |"), card);
    }
    for (Path made : List.of(run, run.resolve("index"), temp.resolve("run-steerability"))) {
      List<String> words = RunManifest.read(made).command();
      assertTrue(card.contains("clipsteer " + words.getFirst() + " "), card);
      assertTrue(card.contains(words.getLast()), card);
    }
    assertTrue(card.contains("of evaluation are from 8 images"), card);
    assertTrue(card.contains("of steerability are from 4 images"), card);
  }

  /** The cells of the row that begins with a name, in the table whose header holds a word. */
  private static List<String> cells(String card, String header, String first) {
    String table = card.substring(card.indexOf(header));
    String row =
        table
            .lines()
            .filter(line -> line.startsWith("| `" + first + "`"))
            .findFirst()
            .orElseThrow();
    return List.of(row.substring(2).split(" \\| "));
  }

  private static String sha256(Path file) throws IOException {
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
      return HexFormat.of().formatHex(hash);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void nothingThatAFileSaysEndsTheScript() throws IOException {
    Path out = temp.resolve("hostile.html");
    report(out).json();
    String html = Files.readString(out);
    assertEquals(4, html.split("</script", -1).length, "three scripts, and no fourth");
    assertFalse(html.contains("<img"));
    assertTrue(html.contains("default-src 'none'") && !html.contains("unsafe"));
    assertTrue(
        PageBrowser.data(out).toString().contains("window.evil"),
        "the hostile texts are in the data");
  }

  @Test
  void imagesMayHaveMoved() throws IOException {
    Path some = temp.resolve("some");
    Files.createDirectories(some);
    Files.copy(images.resolve("p01.png"), some.resolve("p01.png"));
    var ran = report(temp.resolve("moved.html"), "--images", some);
    assertEquals(1, ran.json().get("images").asInt());
    assertTrue(ran.json().get("missing").asInt() > 5);
    assertTrue(ran.err().contains("--images"), ran.err());
    Path none = temp.resolve("none.html");
    Path other = temp.resolve("other");
    Files.createDirectories(other);
    Files.copy(images.resolve("p01.png"), other.resolve("x.png"));
    report(none, "--images", other).refused("none of the", "--images");
    report(none, "--images", temp.resolve("nowhere")).refused("no such file");
    assertFalse(Files.exists(none));
    assertEquals(0, report(none, "--no-images").json().get("images").asInt());
  }

  @Test
  void badInputIsOneLine() throws IOException {
    Path mine = Files.writeString(temp.resolve("mine.html"), "<html>my page</html>");
    report(mine).refused("mine.html", "in the way");
    assertEquals("<html>my page</html>", Files.readString(mine));
    Path out = temp.resolve("never.html");
    report(out, "--features", "0").refused("--features 0");
    report(out, "--exemplars", "-1").refused("--exemplars -1");
    report(out, "--steerability", temp).refused("steerability.json");
    report(out, "--index", temp).refused("not indexed", "clipsteer index");
    Path broken = temp.resolve("broken");
    Files.createDirectories(broken);
    Files.writeString(broken.resolve("steerability.json"), "{\"protocol\":2,\"layers\":[3]}");
    report(out, "--steerability", broken).refused("csv");
    Files.writeString(broken.resolve("steerability.json"), "{");
    report(out, "--steerability", broken)
        .refused("steerability.json: cannot be read: it is cut off");
    // A measurement of another run: the same folder of an SAE, other weights in it.
    Files.writeString(broken.resolve("steerability.json"), "{\"protocol\":2,\"layers\":[]}");
    RunManifest.begin(List.of(), Map.of(), Map.of(), Map.of("saes/other", "01"), Map.of(), null)
        .writeTo(broken);
    report(out, "--steerability", broken).refused("other SAEs");
    assertFalse(Files.exists(out));
  }

  // ---- in a browser -----------------------------------------------------------------------------

  @Test
  void aBrowserShowsIt() {
    try (PageBrowser browser = PageBrowser.start()) {
      Path out = temp.resolve("seen.html");
      report(out).json();
      for (int width : new int[] {1280, 390}) {
        browser.visit(out, width, page -> clickThrough(page, width));
        browser.visit(run.resolve("evaluation.html"), width, page -> evaluation(page, width));
      }
    }
  }

  private static void evaluation(Page page, int width) {
    String title = page.locator("h1").textContent();
    assertTrue(title.startsWith("Sparsity and reconstruction: run ") && title.contains("/run,"));
    assertThat(page.locator("table")).hasCount(1); // The images have no classes.
    assertThat(page.locator("canvas[role=img]")).hasCount(6); // Front, layers, 2 maps and bars.
    assertThat(page.locator("canvas.map")).hasCount(2);
    String text = page.locator("main").innerText();
    for (String part : List.of("8 images of", "L0 CLS", "L0 patches", "GPT-2", "never active")) {
      assertTrue(text.contains(part), part + " is not in\n" + text);
    }
    PageBrowser.fits(page, width);
    definitions(page, width);
  }

  private static void definitions(Page page, int width) {
    page.locator("nav a", text("Definitions")).click();
    page.locator("h1", text("Definitions")).waitFor();
    assertTrue(page.locator("dt").count() > 30);
    PageBrowser.fits(page, width);
  }

  private static void clickThrough(Page page, int width) {
    String title = page.locator("h1").textContent();
    assertTrue(title.contains("/run, model ") && title.contains(IMAGES + " images of"), title);
    page.locator("canvas[role=img]").first().waitFor();
    PageBrowser.fits(page, width);
    page.locator("button.def").first().click();
    assertTrue(page.locator(".pop").textContent().contains("docs/metrics.md"));
    page.keyboard().press("Escape");
    assertThat(page.locator(".pop")).hasCount(0);

    page.locator("nav a", new Page.LocatorOptions().setHasText("Features")).click();
    Locator cards = page.locator("#gallery > a");
    assertThat(cards).hasCount(20);
    assertThat(page.locator("#count")).hasText("20 features");
    assertThat(page.locator(".scale.veil")).hasCount(1);
    PageBrowser.fits(page, width);
    page.locator("#filter-sae").selectOption("1");
    assertThat(cards).hasCount(10);
    page.locator("#search").fill("no such thing");
    assertThat(cards).hasCount(0);
    page.locator("#search").fill("</script>");
    assertThat(cards).not().hasCount(0); // Found by the hostile word.
    assertThat(cards.first().locator(".match")).containsText("</script>");
    String id = cards.last().getAttribute("href").replaceFirst(".*/", "");
    page.locator("#search").fill(id);
    assertThat(cards.first()).containsText("#" + id); // The number itself is the best match.
    page.locator("#search").fill("");
    page.locator("#filter-sae").selectOption("");
    page.locator("#heat").click();
    assertEquals("false", page.locator("#heat").getAttribute("aria-pressed"));
    assertFalse(page.locator("#gallery canvas").first().isVisible());

    String name = cards.first().locator(".word").textContent();
    cards.first().click();
    page.locator(".exemplars figure").first().waitFor();
    assertThat(page.locator("h1")).hasText(name);
    assertTrue(page.locator(".exemplars img").count() > 0);
    for (String head : List.of("Top images", "Names", "Labels", "Steering", "Nearest features")) {
      assertEquals(1, page.locator("h2", text(head)).count(), head);
    }
    PageBrowser.fits(page, width);
    assertTrue(page.locator("footer").textContent().contains("clipsteer index"));
    page.locator("nav a", text("Steerability")).click();
    page.locator("h1", text("Steerability")).waitFor();
    PageBrowser.fits(page, width);
    definitions(page, width);
  }

  private static Page.LocatorOptions text(String text) {
    return new Page.LocatorOptions().setHasText(text);
  }
}
