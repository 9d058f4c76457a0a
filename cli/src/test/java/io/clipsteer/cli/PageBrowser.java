// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.microsoft.playwright.Browser;
import com.microsoft.playwright.BrowserContext;
import com.microsoft.playwright.BrowserType;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.Playwright;
import com.microsoft.playwright.options.ColorScheme;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A real browser for the pages that clipsteer writes. */
final class PageBrowser implements AutoCloseable {
  private static final String AXE = axe();

  private final Playwright playwright;
  private final Browser browser;

  private PageBrowser(Path chromium) {
    playwright =
        Playwright.create(
            new Playwright.CreateOptions().setEnv(Map.of("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")));
    browser =
        playwright
            .chromium()
            .launch(
                new BrowserType.LaunchOptions()
                    .setExecutablePath(chromium)
                    .setArgs(List.of("--no-sandbox")));
  }

  private static String axe() {
    try (InputStream in = PageBrowser.class.getResourceAsStream("/axe.min.js")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Starts it; skips the test where there is none, unless CLIPSTEER_BROWSER=required. */
  static PageBrowser start() {
    Path chromium = chromium();
    if ("required".equals(System.getenv("CLIPSTEER_BROWSER"))) {
      assertTrue(
          chromium != null, "no Chromium on the PATH, and ./verify wants the page looked at");
    }
    assumeTrue(chromium != null, "no Chromium on the PATH: the page is not looked at");
    return new PageBrowser(chromium);
  }

  private static @Nullable Path chromium() {
    for (String folder : String.valueOf(System.getenv("PATH")).split(File.pathSeparator)) {
      for (String name : List.of("chromium", "chromium-browser", "google-chrome")) {
        Path file = Path.of(folder, name);
        if (Files.isExecutable(file)) return file;
      }
    }
    return null;
  }

  /** Opens a page, which must log nothing, request nothing, and run no script of its data. */
  void visit(Path file, int width, Consumer<Page> visitor) {
    List<String> complaints = new ArrayList<>();
    try (BrowserContext context =
        browser.newContext(new Browser.NewContextOptions().setViewportSize(width, 900))) {
      Page page = context.newPage();
      page.onConsoleMessage(message -> complaints.add("console: " + message.text()));
      page.onPageError(error -> complaints.add("error: " + error));
      page.onRequest(
          request -> {
            boolean own = request.url().startsWith("data:") || request.url().startsWith("file:");
            if (!own) complaints.add("request: " + request.url());
          });
      page.navigate(file.toUri().toString());
      page.locator("h1").waitFor();
      visitor.accept(page);
      assertNull(page.evaluate("() => window.evil"), "a hostile text ran");
    }
    assertEquals(List.of(), complaints);
  }

  /**
   * Opens a served page, which must log nothing, request from its own origin alone, and run no
   * script of its data.
   *
   * @param scale device pixels of a page's pixel: with a smaller view this is the browser's zoom
   */
  void visit(String url, int width, double scale, ColorScheme scheme, Consumer<Page> visitor) {
    List<String> complaints = new ArrayList<>();
    String origin = url.replaceFirst("^(https?://[^/]+)/.*", "$1");
    var options =
        new Browser.NewContextOptions()
            .setViewportSize(width, 900)
            .setDeviceScaleFactor(scale)
            .setColorScheme(scheme);
    try (BrowserContext context = browser.newContext(options)) {
      Page page = context.newPage();
      page.onConsoleMessage(
          message -> {
            // The server refused what a user gave; the page has to say so.
            if (!message.text().contains("status of 400")) {
              complaints.add("console: " + message.text());
            }
          });
      page.onPageError(error -> complaints.add("error: " + error));
      page.onRequest(
          request -> {
            boolean own = request.url().startsWith(origin) || request.url().startsWith("blob:");
            if (!own) complaints.add("request: " + request.url());
          });
      page.navigate(url);
      page.locator("h1").waitFor();
      visitor.accept(page);
      assertNull(page.evaluate("() => window.evil"), "a hostile text ran");
    }
    assertEquals(List.of(), complaints);
  }

  /** No serious or critical finding of axe-core. */
  static void isAccessible(Page page) {
    page.evaluate(AXE);
    Object found =
        page.evaluate(
            """
            async () => (await axe.run()).violations
                .filter((v) => v.impact === "serious" || v.impact === "critical")
                .map((v) => v.id + ": " + v.nodes.map((n) => n.html).join(" ").slice(0, 300))\
            """);
    assertEquals(List.of(), found, page.url());
  }

  /** Nothing sticks out, and no slip of the script is shown. */
  static void fits(Page page, int width) {
    Object wide = page.evaluate("() => document.documentElement.scrollWidth");
    assertEquals(width, ((Number) wide).intValue(), "nothing sticks out at " + page.url());
    String text = page.locator("body > div").first().innerText();
    for (String slip : List.of("[object", "undefined", "NaN")) {
      assertFalse(text.contains(slip), slip + " at " + page.url());
    }
  }

  /** A page's data. */
  static JsonNode data(Path file) throws IOException {
    String html = Files.readString(file);
    int from = html.indexOf("id=\"data\">") + "id=\"data\">".length();
    return JsonMapper.shared().readTree(html.substring(from, html.indexOf("</script>", from)));
  }

  @Override
  public void close() {
    browser.close();
    playwright.close();
  }
}
