// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.dist;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * Completions for fish, which picocli does not write: commands, options, and the values of enums.
 */
final class Fish {
  /** Whether the words before the cursor are these; behind a leaf also values may stand. */
  private static final String AT =
      """
      function __clipsteer_at
          set -l words (commandline -opc | string match -v -- '-*')
          set -e words[1]
          if test "$argv[1]" = --leaf
              set -e argv[1]
              set words $words[1..(count $argv)]
          end
          test "$words" = "$argv"
      end
      """;

  private final StringBuilder text = new StringBuilder();

  /** The script for a command and all below it. */
  String of(CommandLine line) {
    text.append("# Completions of clipsteer for fish\n");
    text.append(AT);
    add(line, List.of());
    return text.toString();
  }

  private void add(CommandLine line, List<String> words) {
    CommandSpec spec = line.getCommandSpec();
    boolean leaf = spec.subcommands().isEmpty();
    String at = "__clipsteer_at " + (leaf ? "--leaf " : "") + String.join(" ", words);
    for (CommandLine sub : spec.subcommands().values()) {
      CommandSpec one = sub.getCommandSpec();
      start(at).append(" -f -a ").append(one.name()).append(" -d ").append(quoted(about(one)));
      text.append('\n');
    }
    for (OptionSpec option : spec.options()) {
      if (option.hidden()) continue;
      start(at);
      for (String name : option.names()) {
        text.append(name.startsWith("--") ? " -l " : " -s ").append(name.replaceFirst("^-+", ""));
      }
      if (option.arity().max() > 0) text.append(values(option));
      String[] about = option.description();
      if (about.length > 0) text.append(" -d ").append(quoted(first(about[0])));
      text.append('\n');
    }
    spec.subcommands()
        .forEach(
            (name, sub) -> {
              List<String> longer = new ArrayList<>(words);
              longer.add(name);
              add(sub, longer);
            });
  }

  private StringBuilder start(String at) {
    return text.append("complete -c clipsteer -n ").append(quoted(at.strip()));
  }

  private static String values(OptionSpec option) {
    Iterable<String> words = option.completionCandidates();
    if (words != null) {
      List<String> all = StreamSupport.stream(words.spliterator(), false).toList();
      return " -x -a " + quoted(String.join(" ", all));
    }
    return Path.class.isAssignableFrom(option.type()) ? " -r -F" : " -x";
  }

  private static String about(CommandSpec spec) {
    String[] about = spec.usageMessage().description();
    return about.length == 0 ? "" : first(about[0]);
  }

  /** The first sentence, as it is printed. */
  private static String first(String description) {
    String plain = description.replace("%%", "%").replace("%n", " ");
    int end = plain.indexOf(". ");
    return end < 0 ? plain : plain.substring(0, end + 1);
  }

  private static String quoted(String words) {
    return "'" + words.replace("\\", "\\\\").replace("'", "\\'") + "'";
  }
}
