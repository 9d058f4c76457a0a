// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.folder.RunManifest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Markdown of a card. Names of files and words cannot end a cell, a line or a code span. */
final class CardText {
  private static final String NONE = "–";

  private final StringBuilder text = new StringBuilder();

  /** A text as it is, whatever Markdown or HTML it looks like. */
  static String plain(String text) {
    return text.replaceAll("\\p{Cntrl}", " ").replaceAll("([\\\\`*_\\[\\]<>|&#~])", "\\\\$1");
  }

  /** A text in a fixed font. */
  static String code(String text) {
    String line = text.replaceAll("\\p{Cntrl}", " ");
    String fence = "`";
    while (line.contains(fence)) fence += "`";
    String space = line.startsWith("`") || line.endsWith("`") ? " " : "";
    // GitHub ends a table's cell at a bar, also inside a code span.
    return fence + space + line.replace("|", "\\|") + space + fence;
  }

  /** A number in {@link Lines}' form; a dash where the node is none. */
  static String number(String format, JsonNode node) {
    return node.isNumber() ? Lines.of(format, node.asDouble()) : NONE;
  }

  /** A share in percent. */
  static String percent(JsonNode share) {
    return share.isNumber() ? Lines.of("%.1f %%", 100 * share.asDouble()) : NONE;
  }

  /** A share with its interval, as {@code {value, low, high}} has them. */
  static String interval(JsonNode share) {
    return Lines.of(
        "%s (%s to %s)",
        percent(share.path("value")), percent(share.path("low")), percent(share.path("high")));
  }

  /** A share in words: its value, or a dash. */
  static String orDash(String text) {
    return text.isEmpty() ? NONE : text;
  }

  CardText heading(int level, String title) {
    blankLine();
    text.append("#".repeat(level)).append(' ').append(title).append('\n');
    return this;
  }

  private void blankLine() {
    if (!text.isEmpty()) text.append('\n');
  }

  /** A sentence or more, as a paragraph. */
  CardText paragraph(String line) {
    blankLine();
    text.append(line).append('\n');
    return this;
  }

  /** Points of a list. */
  CardText points(List<String> lines) {
    if (!lines.isEmpty()) blankLine();
    for (String line : lines) text.append("- ").append(line).append('\n');
    return this;
  }

  /** A table. Cells are Markdown already. */
  CardText table(List<String> header, List<List<String>> rows) {
    blankLine();
    row(header);
    row(header.stream().map(name -> "---").toList());
    rows.forEach(this::row);
    return this;
  }

  private void row(List<String> cells) {
    text.append("| ").append(String.join(" | ", cells)).append(" |\n");
  }

  /** Commands to paste into a shell. */
  CardText commands(List<String> lines) {
    if (lines.isEmpty()) return this;
    blankLine();
    String fence = "```";
    for (String line : lines) while (line.contains(fence)) fence += "`";
    text.append(fence).append("sh\n");
    for (String line : lines) text.append(line.replaceAll("[\\r\\n]", " ")).append('\n');
    text.append(fence).append('\n');
    return this;
  }

  /**
   * How something was made, in two parts: hashes of what went in and came out, and the commands
   * with their versions and machines.
   */
  CardText provenance(List<@Nullable RunManifest> manifests) {
    List<RunManifest> known = manifests.stream().flatMap(Stream::ofNullable).toList();
    heading(2, "Hashes and commands");
    List<List<String>> hashes = new ArrayList<>();
    List<String> commands = new ArrayList<>();
    List<String> places = new ArrayList<>();
    for (RunManifest one : known) {
      for (Map.Entry<String, String> hash : one.hashes().entrySet()) {
        hashes.add(List.of(code(one.name()), code(hash.getKey()), code(hash.getValue())));
      }
      commands.add(Commands.line(one.command()));
      String seeds =
          String.join(
              ", ",
              one.seeds().entrySet().stream().map(s -> s.getKey() + " " + s.getValue()).toList());
      String line =
          Lines.of(
              "%s: %s to %s; seed of %s; %s; %s, %d cores%s, %s, %s",
              code(one.name()),
              one.started(),
              one.ended() == null ? "not finished" : one.ended(),
              plain(seeds),
              plain(
                  String.join(
                      ", ",
                      one.versions().entrySet().stream()
                          .map(v -> v.getKey() + " " + v.getValue())
                          .toList())),
              plain(one.machine().cpu()),
              one.machine().cores(),
              one.machine().gpu() == null ? "" : ", " + plain(one.machine().gpu()),
              plain(one.machine().jvm()),
              plain(one.machine().os()));
      if (!places.contains(line)) places.add(line);
    }
    if (!hashes.isEmpty()) table(List.of("command", "of", "SHA-256"), hashes);
    if (known.isEmpty()) paragraph("No manifest is there: how this was made is not known.");
    return commands(commands).points(places);
  }

  /** All of it. */
  @Override
  public String toString() {
    return text.toString();
  }
}
