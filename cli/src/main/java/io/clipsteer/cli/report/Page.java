// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.json.JsonFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;

/**
 * One HTML file that loads nothing. Only the scripts and the style that are written here can run,
 * by their checksums, and no request can leave: names of files and words are hostile until shown
 * otherwise. They come as JSON in which no {@code <} is left, and the script puts them into the
 * page as text only.
 */
final class Page {
  private static final String MARK = "<!DOCTYPE html><!-- clipsteer ";

  /** Chart.js with its dependencies, from its WebJar. */
  private static final String CHARTS =
      "/META-INF/resources/webjars/chart.js/4.5.1/dist/chart.umd.min.js";

  private Page() {}

  /**
   * Refuses a path where something lies that clipsteer did not write as a page.
   *
   * @param remedy what the user can do about it
   * @throws InputException with what is in the way
   */
  static void checkWritable(Path file, String remedy) {
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) return;
    try {
      if (Files.isRegularFile(file)) {
        byte[] mark = MARK.getBytes(StandardCharsets.UTF_8);
        try (InputStream in = Files.newInputStream(file)) {
          if (Arrays.equals(mark, in.readNBytes(mark.length))) return;
        }
      }
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check its rights", e);
    }
    throw new InputException(file, "is in the way: clipsteer did not write this page", remedy);
  }

  /**
   * The page.
   *
   * @param title in plain text
   * @param scripts beside this class, in the order in which they use one another
   * @param data all that the page shows, written by {@link JsonFile}
   */
  static String of(String title, List<String> scripts, Object data) {
    String charts = script(charts());
    StringBuilder parts = new StringBuilder("\"use strict\";\n(() => {\n");
    for (String name : scripts) parts.append(text(name));
    String program = script(parts.append("})();\n").toString());
    String style = "\n" + text("page.css");
    String policy =
        "default-src 'none'; img-src data:; style-src %s; script-src %s %s;"
                .formatted(checksum(style), checksum(charts), checksum(program))
            + " base-uri 'none'; form-action 'none'";
    return MARK
        + "page -->\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        + "<meta http-equiv=\"Content-Security-Policy\" content=\""
        + policy
        + "\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        + "<meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">\n"
        + "<title>"
        + escape(title)
        + "</title>\n<style>"
        + style
        + "</style></head>\n<body><div id=\"app\"><noscript>This page shows its tables with"
        + " JavaScript, which is off.</noscript></div>\n"
        + "<script type=\"application/json\" id=\"data\">"
        + JsonFile.line(data).replace("<", "\\u003c")
        + "</script>\n<script>"
        + charts
        + "</script>\n<script>"
        + program
        + "</script>\n</body></html>\n";
  }

  /** Writes the page, whole or not at all. */
  static void write(Path file, String html) {
    AtomicFiles.writeText(file, html);
  }

  /** The last two names of a path, which tell one run or model from another. */
  static String tail(String path) {
    String[] names = path.split("[/\\\\]+");
    int from = Math.max(0, names.length - 2);
    return String.join("/", Arrays.copyOfRange(names, from, names.length));
  }

  private static String script(String text) {
    if (text.contains("</script") || text.contains("<!--")) {
      throw new IllegalStateException("a script of the page would end early");
    }
    return "\n" + text;
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }

  private static String checksum(String text) {
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return "'sha256-" + Base64.getEncoder().encodeToString(hash) + "'";
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /** A text file of the program beside this class. */
  static String text(String name) {
    try (InputStream in = Page.class.getResourceAsStream(name)) {
      if (in == null) throw new IllegalStateException(name + " is not in the program");
      return new String(in.readAllBytes(), StandardCharsets.UTF_8).replace("\r\n", "\n");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The chart library, without the line that sends a browser's tools to look for its sources. */
  static String charts() {
    String text = text(CHARTS);
    int at = text.lastIndexOf("//# sourceMappingURL=");
    return at < 0 ? text : text.substring(0, at);
  }
}
