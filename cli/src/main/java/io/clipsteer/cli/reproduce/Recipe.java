// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The stages that reproduce a paper, as a file of {@code configs/} says them. The files are in the
 * program.
 *
 * @param name of the paper
 * @param stages in their order
 */
public record Recipe(String name, List<RecipeStage> stages) {
  /**
   * A stage.
   *
   * @param needs sets by name, and {@code >} before the name of an earlier stage
   * @param words of the command, without the program; with placeholders
   * @param instead taken where its sets are there; without words nothing is run; null for none
   */
  public record RecipeStage(
      String name, List<String> needs, List<String> words, @Nullable RecipeStage instead) {
    /** Earlier stages that it needs. */
    public List<String> stages() {
      return needs.stream().filter(n -> n.startsWith(">")).map(n -> n.substring(1)).toList();
    }

    /** Sets that it needs. */
    public List<String> sets() {
      return needs.stream().filter(n -> !n.startsWith(">")).toList();
    }

    /** Its command: the first word, or the first two of a command with commands of its own. */
    public String command() {
      return command(words);
    }

    private static String command(List<String> words) {
      String first = words.getFirst();
      boolean two = List.of("probe", "study", "sae").contains(first);
      return two ? first + " " + words.get(1) : first;
    }
  }

  /**
   * Reads {@code NAME.stages}. A line whose name ends with {@code *} says what is run instead of
   * the stage of that name, which follows; {@code -} stands for nothing.
   */
  public static Recipe read(String name) {
    List<RecipeStage> stages = new ArrayList<>();
    RecipeStage instead = null;
    for (String line : lines(name + ".stages")) {
      String[] cells = line.split("\\|", 3);
      if (cells.length < 3) throw new IllegalStateException(name + ".stages: " + line);
      String stage = cells[0].strip();
      List<String> needs = Arrays.asList(cells[1].strip().split(","));
      List<String> words = Arrays.asList(cells[2].strip().split(" +"));
      if (stage.endsWith("*")) {
        String own = stage.substring(0, stage.length() - 1);
        boolean nothing = words.equals(List.of("-"));
        instead = new RecipeStage(own, needs, nothing ? List.of() : words, null);
        continue;
      }
      if (instead != null && !instead.name.equals(stage)) {
        throw new IllegalStateException(name + ".stages: " + instead.name + "* and " + stage);
      }
      stages.add(new RecipeStage(stage, needs, words, instead));
      instead = null;
    }
    return new Recipe(name, List.copyOf(stages));
  }

  /**
   * The recipe with what is run instead, where the sets for that are there.
   *
   * @param there whether a set is
   */
  public Recipe with(Predicate<String> there) {
    List<RecipeStage> chosen = new ArrayList<>();
    for (RecipeStage stage : stages) {
      RecipeStage instead = stage.instead;
      if (instead == null || !instead.sets().stream().allMatch(there)) chosen.add(stage);
      else if (!instead.words.isEmpty()) chosen.add(instead);
    }
    return new Recipe(name, List.copyOf(chosen));
  }

  /** The words of a file of arguments. */
  static List<String> arguments(String file) {
    return lines(file).stream().flatMap(line -> Arrays.stream(line.split(" +"))).toList();
  }

  /** Lines of a file that are no comments. */
  private static List<String> lines(String file) {
    try (InputStream in = Recipe.class.getResourceAsStream(file)) {
      if (in == null) throw new IllegalStateException(file + " is not in the program");
      return new String(in.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .map(String::strip)
          .filter(line -> !line.isEmpty() && !line.startsWith("#"))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Some stages with all that they need.
   *
   * @param names of stages; unknown ones are ignored
   */
  public List<RecipeStage> only(List<String> names) {
    List<String> wanted = new ArrayList<>(names);
    for (int i = stages.size() - 1; i >= 0; i--) {
      RecipeStage stage = stages.get(i);
      if (wanted.contains(stage.name)) wanted.addAll(stage.stages());
    }
    return stages.stream().filter(stage -> wanted.contains(stage.name)).toList();
  }
}
