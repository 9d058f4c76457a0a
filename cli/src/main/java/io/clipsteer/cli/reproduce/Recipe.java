// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

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
   */
  public record RecipeStage(String name, List<String> needs, List<String> words) {
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
      boolean two = List.of("probe", "study").contains(first);
      return two ? first + " " + words.get(1) : first;
    }
  }

  /** Reads {@code NAME.stages}. */
  public static Recipe read(String name) {
    List<RecipeStage> stages = new ArrayList<>();
    for (String line : lines(name + ".stages")) {
      String[] cells = line.split("\\|", 3);
      if (cells.length < 3) throw new IllegalStateException(name + ".stages: " + line);
      List<String> needs = Arrays.asList(cells[1].strip().split(","));
      List<String> words = Arrays.asList(cells[2].strip().split(" +"));
      stages.add(new RecipeStage(cells[0].strip(), needs, words));
    }
    return new Recipe(name, List.copyOf(stages));
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
