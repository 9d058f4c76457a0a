// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static com.microsoft.playwright.assertions.PlaywrightAssertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.playwright.Locator;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.options.AriaRole;
import com.microsoft.playwright.options.BoundingBox;
import com.microsoft.playwright.options.ColorScheme;
import com.microsoft.playwright.options.FilePayload;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** The explorer's pages in a real browser, by mouse and by keyboard. */
final class ExplorePageTest {
  private static final List<String> PAGES =
      List.of(
          "overview",
          "features?text=light",
          "features?label=shade%3A+light",
          "features?view=gallery&sort=max",
          "feature?sae=0&id=1",
          "experiment",
          "experiment?image=3&patches=0,1&words=light|dark&units=0.f.1@2x,1.n.3@-1,1.r.5@1x,0.f.2@",
          "groups",
          "label",
          "label?as=axe",
          "definitions?term=auroc");

  @TempDir private static Path temp;

  private static ExploredFixture fixture;
  private static ExploreCommandTest.Started started;
  private static PageBrowser browser;

  @BeforeAll
  static void start() throws Exception {
    browser = PageBrowser.start();
    fixture = ExploredFixture.in(temp);
    started =
        ExploreCommandTest.Started.of(
            temp.resolve("url"),
            "--run",
            fixture.run(),
            "--images",
            fixture.images(),
            "--labels",
            fixture.labels(),
            "--plan",
            fixture.plan(temp.resolve("study")));
  }

  @AfterAll
  static void stop() throws Exception {
    if (browser != null) browser.close();
    if (started != null) started.close();
  }

  private static void go(Page page, String to) {
    page.evaluate("(to) => { location.hash = to; }", "#/" + to);
    page.waitForLoadState(com.microsoft.playwright.options.LoadState.NETWORKIDLE);
    page.locator("h1").waitFor();
  }

  private static void experiment(int width, double scale, java.util.function.Consumer<Page> use) {
    browser.visit(
        started.address(),
        width,
        scale,
        ColorScheme.LIGHT,
        page -> {
          go(page, "experiment?image=3&words=light|dark");
          page.locator("[role=gridcell]").first().waitFor();
          use.accept(page);
        });
  }

  private static Locator button(Page page, String name) {
    return page.getByRole(
        AriaRole.BUTTON, new Page.GetByRoleOptions().setName(name).setExact(true));
  }

  @Test
  void everyPageFitsAndIsAccessible() {
    for (int width : new int[] {390, 1280}) {
      for (ColorScheme scheme : new ColorScheme[] {ColorScheme.LIGHT, ColorScheme.DARK}) {
        browser.visit(
            started.address(),
            width,
            1,
            scheme,
            page -> {
              for (String one : PAGES) {
                go(page, one);
                Object wide = page.evaluate("() => document.documentElement.scrollWidth");
                assertEquals(width, ((Number) wide).intValue(), one);
                String text = page.locator("main").innerText();
                for (String slip : List.of("[object", "undefined", "NaN", "This did not work")) {
                  assertTrue(!text.contains(slip), slip + " at " + one + ": " + text);
                }
                PageBrowser.isAccessible(page);
              }
            });
      }
    }
  }

  @Test
  void theAddressHasTheStateAndNoKey() {
    browser.visit(
        started.address(),
        1280,
        1,
        ColorScheme.LIGHT,
        page -> {
          assertTrue(!page.url().contains("key="), page.url());
          go(page, "experiment?image=3");
          page.locator("[data-patch='2']").click();
          page.getByLabel("Words, by commas").fill("light, dark");
          button(page, "Ask").click();
          button(page, "Suppress").first().click();
          assertThat(page.getByText("The answer").first()).isVisible();
          String link = page.url();
          assertTrue(link.contains("patches=2") && link.contains("units="), link);
          String units = page.locator(".units").innerText();
          page.navigate("about:blank");
          page.navigate(link);
          assertThat(page.locator("[data-patch='2']")).hasAttribute("aria-selected", "true");
          assertThat(page.locator(".units .head").first())
              .containsText(units.lines().findFirst().orElseThrow().split(" ")[0]);
          assertThat(page.locator(".answers")).isVisible();
        });
  }

  @Test
  void aClickedPatchIsThePatchUnderThePointerAtEveryZoom() {
    for (double zoom : new double[] {0.8, 1, 1.25, 1.5}) {
      experiment(
          (int) Math.round(1280 / zoom),
          zoom,
          page -> {
            int columns = (int) Math.sqrt(page.locator("[role=gridcell]").count());
            page.locator(".patches").scrollIntoViewIfNeeded();
            BoundingBox box = page.locator(".patches").boundingBox();
            for (double[] at :
                new double[][] {
                  {0.001, 0.001},
                  {0.999, 0.001},
                  {0.001, 0.999},
                  {0.999, 0.999},
                  {0.49, 0.26},
                  {0.51, 0.74}
                }) {
              int x = (int) (at[0] * columns);
              int y = (int) (at[1] * columns);
              page.mouse().click(box.x + at[0] * box.width, box.y + at[1] * box.height);
              Locator cell = page.locator("[data-patch='" + (y * columns + x) + "']");
              assertThat(cell).hasAttribute("aria-selected", "true");
              assertThat(page.locator("[aria-selected=true]")).hasCount(1);
              page.mouse().click(box.x + at[0] * box.width, box.y + at[1] * box.height);
              assertThat(page.locator("[aria-selected=true]")).hasCount(0);
            }
          });
    }
  }

  @Test
  void dragsAndKeysSelectPatches() {
    experiment(
        1280,
        1,
        page -> {
          BoundingBox box = page.locator(".patches").boundingBox();
          int columns = (int) Math.sqrt(page.locator("[role=gridcell]").count());
          double cell = box.width / columns;
          page.mouse().move(box.x + cell / 2, box.y + cell / 2);
          page.mouse().down();
          page.mouse().move(box.x + 1.5 * cell, box.y + 1.5 * cell);
          page.mouse().up();
          assertThat(page.locator("[aria-selected=true]")).hasCount(4);
          assertThat(page.getByText("Strongest on the 4 selected patches")).isVisible();
          page.keyboard().press("Escape");
          assertThat(page.locator("[aria-selected=true]")).hasCount(0);
          page.locator("[role=gridcell][tabindex='0']").focus();
          page.keyboard().press("Home");
          page.keyboard().press("Space");
          page.keyboard().press("Shift+ArrowRight");
          assertThat(page.locator("[aria-selected=true]")).hasCount(2);
          page.keyboard().press("Space");
          assertThat(page.locator("[aria-selected=true]")).hasCount(1);
        });
  }

  @Test
  void slidersUndoAndComparison() {
    experiment(
        1280,
        1,
        page -> {
          button(page, "Add").first().click();
          Locator unit = page.locator(".units li");
          assertThat(unit).containsText("untouched");
          assertThat(page.getByText(Pattern.compile("The answer is "))).isVisible();
          Locator slider = unit.getByRole(AriaRole.SLIDER);
          slider.focus();
          page.keyboard().press("ArrowRight");
          assertThat(unit).containsText("× its maximum");
          assertThat(page.getByText(Pattern.compile("The answer (stays|changes)"))).isVisible();
          page.keyboard().press("Home");
          assertThat(slider).hasAttribute("aria-valuetext", "-3 × its maximum");
          button(page, "Undo").click();
          assertThat(unit).containsText("× its maximum");
          button(page, "Undo").click();
          assertThat(unit).containsText("untouched");
          button(page, "Redo").click();
          assertThat(unit).containsText("× its maximum");
          button(page, "Without the edit").click();
          assertThat(page.getByText(Pattern.compile("The answer is "))).isVisible();
          button(page, "Without the edit").click();
          unit.getByRole(AriaRole.SPINBUTTON).fill("2");
          unit.getByRole(AriaRole.SPINBUTTON).press("Enter");
          assertThat(unit).containsText("2 × its maximum");
          button(page, "Curve").click();
          assertThat(page.locator(".curve path")).hasCount(2);
          button(page, "Reset").click();
          assertThat(page.getByText("Nothing is edited.")).isVisible();
        });
  }

  @Test
  void figuresAreTheCommandLines() {
    experiment(
        1280,
        1,
        page -> {
          button(page, "Suppress the first").click();
          assertThat(page.locator(".units li")).hasCount(4);
          assertThat(page.getByText(Pattern.compile("The answer (stays|changes)"))).isVisible();
          button(page, "Copy as command").click();
          String command = page.locator("code").first().innerText();
          Object[] words = command.substring("clipsteer ".length()).split(" ");
          var line = CliFixture.run(words, "--json").json().get("answers");
          for (var own : line) {
            Locator row =
                page.locator(
                    ".answers tbody tr",
                    new Page.LocatorOptions().setHasText(own.get("name").asString()));
            assertThat(row).containsText("%.1f %%".formatted(100 * own.get("before").asDouble()));
            assertThat(row).containsText("%.1f %%".formatted(100 * own.get("after").asDouble()));
          }
        });
  }

  @Test
  void searchesEndInAnEdit() {
    experiment(
        390,
        1,
        page -> {
          button(page, "By text").click();
          page.getByRole(AriaRole.SEARCHBOX, new Page.GetByRoleOptions().setName("Text"))
              .fill("light");
          page.keyboard().press("Enter");
          assertThat(page.getByText(Pattern.compile("texts without meaning"))).isVisible();
          button(page, "By label").click();
          page.locator(".chip", new Page.LocatorOptions().setHasText(ExploredFixture.EVIL))
              .first()
              .click();
          assertThat(page.getByText(Pattern.compile("Features that tell images with"))).isVisible();
          button(page, "Suppress the first").click();
          assertThat(page.locator(".units li")).hasCount(4);
        });
  }

  @Test
  void anImageIsBrought() throws IOException {
    byte[] bytes = Files.readAllBytes(fixture.images().resolve("p05.png"));
    experiment(
        1280,
        1,
        page -> {
          page.getByText("Choose an image").click();
          page.locator("input[type=file]")
              .setInputFiles(new FilePayload("own.png", "image/png", bytes));
          assertThat(page.locator(".canvas img").first())
              .hasAttribute("src", Pattern.compile("images/d\\d+/large"));
          assertThat(page.locator(".features li").first()).isVisible();
          page.locator("input[type=file]")
              .setInputFiles(new FilePayload("wrong.png", "image/png", new byte[] {1, 2, 3}));
          assertThat(page.getByRole(AriaRole.ALERT)).isVisible();
        });
  }

  /** All trials of an annotator, by keyboard at one width and by mouse at the other. */
  @Test
  void trialsAreAnsweredByKeyboardAndByMouse() {
    for (int width : new int[] {390, 1280}) {
      boolean keys = width == 390;
      browser.visit(
          started.address(),
          width,
          1,
          ColorScheme.LIGHT,
          page -> {
            go(page, "label");
            page.getByLabel("Pseudonym").fill("by-" + width);
            page.getByLabel("Pseudonym").press("Enter");
            Locator title = page.locator("h1");
            // The first trial stands, not yet the form before it.
            assertThat(page.locator("progress")).isVisible();
            for (int k = 0; !title.innerText().equals("Done"); k++) {
              assertTrue(k < 200, "it does not end");
              String before = title.innerText() + page.locator("progress").getAttribute("value");
              answer(page, keys);
              page.waitForFunction(
                  "before => document.querySelector('h1').innerText"
                      + " + document.querySelector('progress')?.getAttribute('value') !== before",
                  before);
            }
          });
    }
    browser.visit(
        started.address(),
        390,
        1,
        ColorScheme.DARK,
        page -> {
          go(page, "label");
          page.getByLabel("Pseudonym").fill("by-390");
          button(page, "Delete my answers").press("Enter");
          assertThat(page.getByText(Pattern.compile("Click again"))).isVisible();
          button(page, "Delete my answers").press("Enter");
          assertThat(page.getByText(Pattern.compile("are deleted"))).isVisible();
        });
    JsonNode report =
        CliFixture.line("labels report --labels %s --json", temp.resolve("study")).json();
    assertEquals(1, report.get("annotators").size());
  }

  private static void answer(Page page, boolean keys) {
    String task = page.locator("h1").innerText();
    if (task.startsWith("Naming")) {
      Locator one = button(page, "One idea");
      if (keys) one.press("Enter");
      else page.keyboard().press("o");
      page.getByLabel("Name of the idea").fill("stripes");
      if (page.getByText("Heat maps").count() > 0) button(page, "Heat maps").click();
    }
    if (keys) {
      page.locator("main").focus();
      page.keyboard().press("2");
    } else {
      page.locator(".option").nth(1).click();
    }
    if (task.startsWith("Two")) {
      page.locator("main").press("Enter");
      assertThat(page.getByText("Say first how sure you are.")).isVisible();
      if (keys) page.keyboard().press("s");
      else button(page, "sure").click();
    }
    if (!keys) {
      // Enter answers also where an image has the focus, and leaves its mark.
      Locator marked = page.locator(".option").nth(1);
      assertThat(marked).hasAttribute("aria-pressed", "true");
      marked.press("Enter");
      return;
    }
    page.locator("main").press("Enter");
  }

  @Test
  void groupsGoIntoAnEdit() {
    browser.visit(
        started.address(),
        1280,
        1,
        ColorScheme.LIGHT,
        page -> {
          go(page, "groups");
          page.getByLabel("Labels of the first set").selectOption("shade: light");
          page.getByLabel("Labels of the second set")
              .selectOption("shade: " + ExploredFixture.EVIL);
          button(page, "Compare").click();
          button(page, "Suppress the marked ones on an image").click();
          assertThat(page).hasURL(Pattern.compile("units="));
          page.locator(".thumb").first().click();
          assertThat(page.locator(".units li").first()).containsText("set to 0");
        });
  }

  @Test
  void aLinkWrittenByHandIsReadAsFarAsItFits() {
    browser.visit(
        started.address(),
        1280,
        1,
        ColorScheme.LIGHT,
        page -> {
          go(page, "experiment?image=3&patches=1,77,x&units=0.f.1@5x,0.f.2@p99,0.f.3@abc");
          assertThat(page.getByText("1 units of the link are none")).isVisible();
          assertThat(page.getByText("2 patches of the link are none")).isVisible();
          assertThat(page.locator("[data-patch='1']")).hasAttribute("aria-selected", "true");
          assertThat(page.locator(".units li")).hasCount(2);
          assertThat(page.locator(".units input[type=range]").first()).hasValue("5");
          assertThat(page.locator(".units .head").nth(1))
              .containsText("percentile 99 of its activations");
        });
  }

  @Test
  void foundFeaturesGiveAGroup() {
    browser.visit(
        started.address(),
        390,
        1,
        ColorScheme.LIGHT,
        page -> {
          go(page, "features");
          page.getByLabel("Search by label").selectOption("shade: light");
          page.getByRole(AriaRole.BUTTON, new Page.GetByRoleOptions().setName("Search"))
              .last()
              .press("Enter");
          var link = page.getByText("Compare the strongest images of these features with others");
          link.press("Enter");
          assertThat(page.getByLabel("Names of the first set")).hasValue(Pattern.compile("png"));
          button(page, "Compare").press("Enter");
          assertThat(page.getByText(Pattern.compile("images \\(the named images\\)"))).isVisible();
          page.getByLabel("Names of the second set").fill("no-such-image.png");
          button(page, "Compare").press("Enter");
          assertThat(page.getByText(Pattern.compile("no image of the set"))).isVisible();
        });
  }

  @Test
  void manyImagesNotesAndSaving() {
    experiment(
        1280,
        1,
        page -> {
          button(page, "Suppress").first().click();
          page.getByLabel("over").fill("6");
          button(page, "Measure").click();
          assertThat(page.getByText(Pattern.compile("over 6 images"))).isVisible();
          assertThat(page.getByText("random direction 5, same length")).isVisible();
          page.getByLabel("Name", new Page.GetByLabelOptions().setExact(true)).fill("from-page");
          button(page, "Save as edit").click();
          assertThat(page.getByText(Pattern.compile("Saved as"))).isVisible();
          go(page, "feature?sae=0&id=1");
          page.getByLabel("Note", new Page.GetByLabelOptions().setExact(true)).fill("<b>mine</b>");
          button(page, "Save").click();
          assertThat(page.getByText(Pattern.compile(": <b>mine</b>"))).isVisible();
        });
    assertTrue(Files.exists(fixture.run().resolve("edits/from-page/edit.json")));
  }

  @Test
  void aRectangleOfThePlotListsItsFeatures() {
    browser.visit(
        started.address(),
        1280,
        1,
        ColorScheme.LIGHT,
        page -> {
          page.locator(".scatter").scrollIntoViewIfNeeded();
          BoundingBox box = page.locator(".scatter").boundingBox();
          page.mouse().move(box.x + 2, box.y + 2);
          page.mouse().down();
          page.mouse().move(box.x + box.width - 2, box.y + box.height / 2);
          page.mouse().up();
          assertThat(page).hasURL(Pattern.compile("ranges="));
          assertThat(page.getByText(Pattern.compile("Only features with"))).isVisible();
          // The same by keyboard.
          button(page, "Show all").press("Enter");
          page.locator("input[name=low]").fill("0.5");
          page.locator("input[name=low]").press("Enter");
          assertThat(page.getByText("Only features with frequency from 0.5")).isVisible();
        });
  }

  @Test
  void aCardLooksBeyondTheStrongestAndForTwins() {
    browser.visit(
        started.address(),
        390,
        1,
        ColorScheme.LIGHT,
        page -> {
          go(page, "features?sort=max");
          page.locator("tbody th a").first().click();
          button(page, "Look at 400 images").click();
          assertThat(page.getByText(Pattern.compile("^decile 10"))).isVisible();
          assertThat(page.getByText(Pattern.compile("^not active"))).isVisible();
          button(page, "Look in this run").click();
          assertThat(page.getByText(Pattern.compile("r = .* to ")).first()).isVisible();
          page.getByText("Nearest features by decoder direction").click();
          assertThat(page.getByText(Pattern.compile("^cosine")).first()).isVisible();
        });
  }

  @Test
  void sqlAnswersInThePage() {
    browser.visit(
        started.address(),
        1280,
        1,
        ColorScheme.LIGHT,
        page -> {
          go(page, "features");
          page.getByText("SQL over the index").click();
          button(page, "Run").click();
          assertThat(page.getByText("20 rows")).isVisible();
        });
  }
}
