// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import picocli.CommandLine.Help;
import picocli.CommandLine.Model.ArgGroupSpec;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/**
 * The page of {@code --help}: options by purpose, the important ones first, in place of the
 * alphabet. An option has the same purpose in every command, so one table says it.
 */
final class HelpPage extends Help {
  private static final String REQUIRED = "Required";
  private static final String METHOD = "Method";

  /** Options by purpose, in the order in which they are listed; all others belong to the method. */
  private static final Map<String, List<String>> PURPOSES = new LinkedHashMap<>();

  static {
    purpose(REQUIRED, "");
    purpose(
        "Input",
        """
        --run --model --model-a --model-b --dino --images --image --texts --store --data --train
        --validation --clean --attribute --labels --classes --classes-file --vocabulary --library --templates
        --prompts --truth --words --words-file --scam --config --index --steerability --limit
        --per-group --balanced --upright --unchecked
        """);
    purpose(METHOD, "");
    purpose(
        "Output",
        "--out --plan --rates --resume --checkpoint-minutes --csv --all --no-images --json");
    purpose(
        "Performance",
        """
        --device --dtype --tower-dtype --encoder-product --image-batch --decode-threads --threads
        --buffer-mb --block-size --master --cluster-conf --mixed
        """);
    purpose("Other", "--seed --mlflow --help --version");
  }

  HelpPage(CommandSpec spec, ColorScheme colours) {
    super(spec, colours);
  }

  private static void purpose(String name, String options) {
    PURPOSES.put(name, List.of(options.strip().split("\\s+")));
  }

  private static String purpose(OptionSpec option) {
    if (isRequired(option)) return REQUIRED;
    return PURPOSES.entrySet().stream()
        .filter(entry -> entry.getValue().contains(option.longestName()))
        .map(Map.Entry::getKey)
        .findFirst()
        .orElse(METHOD);
  }

  private static boolean isRequired(ArgSpec arg) {
    ArgGroupSpec group = arg.group();
    return group == null ? arg.required() : group.exclusive() && group.multiplicity().min() > 0;
  }

  @Override
  public String synopsis(int headingLength) {
    CommandSpec spec = commandSpec();
    List<String> parts = new ArrayList<>();
    for (OptionSpec option : spec.options()) {
      if (option.group() == null && option.required()) parts.add(synopsis(option));
    }
    for (ArgGroupSpec group : spec.argGroups()) {
      if (!group.exclusive() || group.multiplicity().min() == 0) continue;
      parts.add(
          group.options().stream()
              .map(HelpPage::synopsis)
              .collect(Collectors.joining(" | ", "(", ")")));
    }
    for (PositionalParamSpec parameter : spec.positionalParameters()) {
      parts.add(parameter.paramLabel());
    }
    parts.add(spec.subcommands().isEmpty() ? "[OPTIONS]" : "COMMAND");
    return insertSynopsisCommandName(
        headingLength, colorScheme().text(" " + String.join(" ", parts)));
  }

  private static String synopsis(OptionSpec option) {
    String label = option.arity().max() == 0 ? "" : " " + label(option);
    return option.longestName() + label;
  }

  /** The label of a value: of a whole number {@code N}, where its option gives none. */
  static String label(ArgSpec arg) {
    boolean whole = Set.of(int.class, long.class, Integer.class).contains(arg.type());
    return whole && arg.paramLabel().startsWith("<") ? "N" : arg.paramLabel();
  }

  @Override
  public IParamLabelRenderer parameterLabelRenderer() {
    IParamLabelRenderer labels = super.parameterLabelRenderer();
    return new IParamLabelRenderer() {
      @Override
      public Ansi.Text renderParameterLabel(ArgSpec arg, Ansi ansi, List<Ansi.IStyle> styles) {
        boolean own = arg.paramLabel().equals(label(arg));
        ArgSpec labelled =
            own ? arg : ((OptionSpec) arg).toBuilder().paramLabel(label(arg)).build();
        return labels.renderParameterLabel(labelled, ansi, styles);
      }

      @Override
      public String separator() {
        return labels.separator();
      }
    };
  }

  /** With its default value, where the description does not say it. */
  private static OptionSpec shown(OptionSpec option) {
    String[] text = option.toBuilder().description();
    boolean known = String.join("", text).contains("(default: ") || option.hideParamSyntax();
    if (option.defaultValue() == null || known) return option;
    int last = text.length - 1;
    text[last] = text[last].replaceFirst("\\.$", "") + " (default: ${DEFAULT-VALUE}).";
    return option.toBuilder().description(text).build();
  }

  /** After a blank line. */
  @Override
  public String footer(Object... values) {
    String footer = super.footer(values);
    return footer.isEmpty() || footer.startsWith("\n") ? footer : "\n" + footer;
  }

  @Override
  public String optionList() {
    List<OptionSpec> options = commandSpec().options();
    StringBuilder page = new StringBuilder();
    PURPOSES.forEach(
        (name, order) -> {
          List<OptionSpec> some =
              options.stream()
                  .filter(option -> !option.hidden() && purpose(option).equals(name))
                  .sorted(Comparator.comparing(option -> order.indexOf(option.longestName())))
                  .map(HelpPage::shown)
                  .toList();
          if (some.isEmpty()) return;
          // Laid out by all options, so that the columns of all sections align.
          Layout layout = createDefaultLayout(options, List.of(), colorScheme());
          layout.addAllOptions(some, parameterLabelRenderer());
          page.append("%n%s:%n%s".formatted(name, layout));
        });
    return page.toString();
  }
}
