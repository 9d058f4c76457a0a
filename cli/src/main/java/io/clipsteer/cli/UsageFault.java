// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.ArgGroupSpec;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.MutuallyExclusiveArgsException;
import picocli.CommandLine.OverwrittenOptionException;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** What is wrong with a command line, as a sentence in place of the parser's grammar. */
final class UsageFault {
  /** Words that are named, at most. */
  private static final int MOST_NEAR = 3;

  private UsageFault() {}

  /**
   * The sentence.
   *
   * @param args the command line
   */
  static String of(ParameterException e, String[] args) {
    CommandSpec spec = e.getCommandLine().getCommandSpec();
    if (e instanceof UnmatchedArgumentException unmatched) return unknown(unmatched, spec);
    if (e instanceof MissingParameterException missing) {
      // The parser reports what is missing before what it does not know.
      return Arrays.stream(args)
          .filter(arg -> arg.matches("--[a-z].*") && !spec.optionsMap().containsKey(bare(arg)))
          .findFirst()
          .map(arg -> unknownOption(bare(arg), spec))
          .orElse(missing(missing));
    }
    String reason = String.valueOf(e.getMessage()).replaceAll("\\s+", " ");
    if (e instanceof MutuallyExclusiveArgsException || reason.contains("only one match")) {
      return exclusive(spec, args, reason);
    }
    if (reason.equals("Missing required subcommand")) return "Name a command: " + commands(spec);
    if (e instanceof OverwrittenOptionException twice) {
      ArgSpec arg = twice.getOverwritten();
      return reason.replace("(" + arg.paramLabel() + ")", "(" + HelpPage.label(arg) + ")");
    }
    ArgSpec arg = e.getArgSpec();
    return arg == null || !reason.startsWith("Invalid value") ? reason : value(arg, e, reason);
  }

  /** A command or an option that does not exist. */
  private static String unknown(UnmatchedArgumentException e, CommandSpec spec) {
    String typed = e.getUnmatched().getFirst();
    if (typed.startsWith("-")) return unknownOption(bare(typed), spec);
    if (!spec.subcommands().isEmpty()) {
      String near = question(typed, spec.subcommands().keySet());
      String known = "It is none of " + commands(spec);
      return "no command " + typed + ". " + (near.isEmpty() ? known : near);
    }
    return "'" + typed + "' belongs to no option, and " + spec.qualifiedName() + " takes no more";
  }

  private static String unknownOption(String name, CommandSpec spec) {
    String near = question(name, spec.optionsMap().keySet());
    return (name + ": " + spec.qualifiedName() + " has no such option. " + near).strip();
  }

  private static String bare(String option) {
    return option.replaceFirst("(?s)=.*", "");
  }

  private static String commands(CommandSpec spec) {
    List<String> names = List.copyOf(spec.subcommands().keySet());
    int last = names.size() - 1;
    if (last == 0) return names.getFirst();
    return String.join(", ", names.subList(0, last)) + " or " + names.getLast();
  }

  /** Options or parameters that a command needs; of exclusive options one. */
  private static String missing(MissingParameterException e) {
    String words =
        e.getMissing().stream()
            .filter(arg -> arg.group() != null && arg.group().exclusive())
            .map(UsageFault::written)
            .collect(Collectors.joining(" or "));
    Stream<String> others =
        e.getMissing().stream()
            .filter(arg -> arg.group() == null || !arg.group().exclusive())
            .map(arg -> written(arg) + " (" + about(arg) + ")");
    return "Missing: "
        + Stream.concat(others, Stream.of(words))
            .filter(part -> !part.isEmpty())
            .collect(Collectors.joining(", "));
  }

  private static String written(ArgSpec arg) {
    String label = HelpPage.label(arg);
    return arg instanceof OptionSpec option ? option.longestName() + " " + label : label;
  }

  /** The first sentence of its description. */
  private static String about(ArgSpec arg) {
    String text = String.join(" ", arg.description()).split("[.:;](\\s|$)")[0];
    return Character.toLowerCase(text.charAt(0)) + text.substring(1);
  }

  /** Options that exclude each other. */
  private static String exclusive(CommandSpec spec, String[] args, String reason) {
    Set<String> typed = Arrays.stream(args).map(UsageFault::bare).collect(Collectors.toSet());
    List<ArgGroupSpec> groups = new ArrayList<>(spec.argGroups());
    for (int i = 0; i < groups.size(); i++) groups.addAll(groups.get(i).subgroups());
    return groups.stream()
        .filter(ArgGroupSpec::exclusive)
        .map(group -> group.options().stream().map(OptionSpec::longestName))
        .map(names -> names.filter(typed::contains).toList())
        .filter(both -> both.size() > 1)
        .findFirst()
        .map(both -> String.join(" and ", both) + " exclude each other: give one of them")
        .orElse(reason);
  }

  /** An enum's words, as they are printed. */
  private static String candidates(ArgSpec arg) {
    return arg.completionCandidates() == null ? "" : String.join(", ", arg.completionCandidates());
  }

  /** A value that cannot be read: the option, the value, and what it should be. */
  private static String value(ArgSpec arg, ParameterException e, String reason) {
    String plain =
        reason
            .replaceFirst("^Invalid value for [^:]*: ", "")
            .replaceFirst("^'.*' is not an? (int|long)$", "is no whole number in range")
            .replaceFirst("^'.*' is not a (double|float)$", "is no number")
            .replaceFirst("^expected one of .*$", "not one of " + candidates(arg))
            .replaceFirst("^" + Pattern.quote(e.getValue() + ": "), "");
    String name = arg instanceof OptionSpec option ? option.longestName() : arg.paramLabel();
    return (name + " " + e.getValue()).strip() + ": " + plain;
  }

  /** A sentence such as {@code Did you mean train?}; empty where no word is near. */
  static String question(String typed, Collection<String> known) {
    List<String> near = of(typed, known);
    return near.isEmpty() ? "" : "Did you mean " + String.join(" or ", near) + "?";
  }

  /** At most three words, nearest first: at a third of the letters of edit distance or less. */
  static List<String> of(String typed, Collection<String> known) {
    String lower = typed.toLowerCase(Locale.ROOT);
    int most = Math.max(1, typed.replace("-", "").length() / 3);
    Map<String, Integer> distances = new TreeMap<>();
    for (String word : known) distances.put(word, distance(lower, word));
    return distances.entrySet().stream()
        .filter(entry -> entry.getValue() <= most)
        .sorted(Map.Entry.comparingByValue())
        .limit(MOST_NEAR)
        .map(Map.Entry::getKey)
        .toList();
  }

  /** Edit distance in which two letters swapped count as one edit (Damerau 1964). */
  private static int distance(String typed, String known) {
    String word = known.toLowerCase(Locale.ROOT);
    int[][] cost = new int[typed.length() + 1][word.length() + 1];
    for (int i = 0; i <= typed.length(); i++) {
      for (int j = 0; j <= word.length(); j++) {
        if (i == 0 || j == 0) {
          cost[i][j] = i + j;
          continue;
        }
        boolean same = typed.charAt(i - 1) == word.charAt(j - 1);
        int least = Math.min(cost[i - 1][j], cost[i][j - 1]) + 1;
        least = Math.min(least, cost[i - 1][j - 1] + (same ? 0 : 1));
        boolean swapped =
            i > 1
                && j > 1
                && typed.charAt(i - 1) == word.charAt(j - 2)
                && typed.charAt(i - 2) == word.charAt(j - 1);
        cost[i][j] = swapped ? Math.min(least, cost[i - 2][j - 2] + 1) : least;
      }
    }
    return cost[typed.length()][word.length()];
  }
}
