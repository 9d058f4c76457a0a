// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;

/**
 * What the placeholders of a recipe stand for.
 *
 * @param words by placeholder; several words only where it is a word alone
 * @param scale of images, tokens and steps
 * @param layers of the model
 * @param dinoLayers of the second model
 * @param planned whether placeholders without a value stay as they are
 */
public record RecipeValues(
    Map<String, List<String>> words, double scale, int layers, int dinoLayers, boolean planned) {
  /** Layers of the papers' models. */
  private static final int PAPER = 12;

  private static final Pattern HOLE = Pattern.compile("\\{([^{}]+)\\}");
  private static final Pattern NUMBER = Pattern.compile("(\\d+)/(\\d+)");

  /**
   * The command line.
   *
   * @param line of the recipe
   * @param results of earlier stages
   */
  public List<String> fill(List<String> line, Function<String, JsonNode> results) {
    List<String> filled = new ArrayList<>();
    for (String word : line) {
      if (word.startsWith("@")) {
        filled.addAll(recipe(word.substring(1), line));
        continue;
      }
      Matcher hole = HOLE.matcher(word);
      if (hole.matches() && words.containsKey(hole.group(1))) {
        filled.addAll(words.getOrDefault(hole.group(1), List.of()));
      } else {
        filled.add(hole.replaceAll(h -> Matcher.quoteReplacement(value(h.group(1), results))));
      }
    }
    return filled;
  }

  private String value(String name, Function<String, JsonNode> results) {
    Matcher number = NUMBER.matcher(name);
    if (number.matches()) {
      long full = Long.parseLong(number.group(1));
      return String.valueOf(scaled(full, Long.parseLong(number.group(2))));
    }
    if (name.startsWith("layers:")) return layers(name.substring(7), layers);
    if (name.startsWith("dino-layers:")) return layers(name.substring(12), dinoLayers);
    if (planned && (name.startsWith("result:") || !words.containsKey(name)))
      return "{" + name + "}";
    if (name.startsWith("result:")) {
      String[] path = name.substring(7).split("/", 2);
      JsonNode value = results.apply(path[0]).at("/" + path[1]);
      return value.isNumber() ? String.valueOf(value.asLong()) : value.asString("");
    }
    List<String> all = words.get(name);
    if (all == null || all.size() != 1) throw new IllegalStateException("{" + name + "}");
    return all.getFirst();
  }

  /** The same for a plan: placeholders without a value stay. */
  public RecipeValues ofPlan() {
    return new RecipeValues(words, scale, layers, dinoLayers, true);
  }

  /** A number of the paper, at least {@code least} where it is scaled down. */
  private long scaled(long full, long least) {
    return Math.max(Math.min(full, least), Math.round(full * scale));
  }

  /**
   * A file of arguments without the options that the stage gives itself. Tokens, warm-up and the
   * tokens after which a feature is dead are scaled; layers are those of the model.
   */
  private List<String> recipe(String file, List<String> stage) {
    List<String> own = Recipe.arguments(file);
    long batch = Long.parseLong(own.get(own.indexOf("--batch") + 1));
    List<String> filled = new ArrayList<>();
    for (int i = 0; i < own.size(); i += 2) {
      String option = own.get(i);
      String value = own.get(i + 1);
      if (stage.contains(option)) continue;
      filled.add(option);
      filled.add(
          switch (option) {
            case "--train-tokens" -> String.valueOf(scaled(Long.parseLong(value), batch));
            case "--dead-tokens" -> String.valueOf(scaled(Long.parseLong(value), batch));
            case "--warm-up" -> String.valueOf(scaled(Long.parseLong(value), 1));
            case "--layers" -> layers(value, layers);
            default -> value;
          });
    }
    return filled;
  }

  /** Layers of a model with {@code count} that stand for those of one with twelve. */
  static String layers(String list, int count) {
    TreeSet<Integer> all = new TreeSet<>();
    for (String part : list.split(",")) {
      String[] ends = part.split("-");
      int last = Integer.parseInt(ends[ends.length - 1]);
      for (int l = Integer.parseInt(ends[0]); l <= last; l++) all.add(layer(l, count));
    }
    return all.stream().map(String::valueOf).collect(Collectors.joining(","));
  }

  private static int layer(int paper, int count) {
    if (count == PAPER) return paper;
    return (int) Math.round((double) paper * (count - 1) / (PAPER - 1));
  }

  /** The name of a number at a layer, {@code LAYER:NAME}, at the layer of the model. */
  public String figure(String name) {
    Matcher at = Pattern.compile("(\\d+):(.+)").matcher(name);
    if (!at.matches()) return name;
    return layer(Integer.parseInt(at.group(1)), layers) + ":" + at.group(2);
  }
}
