// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Site;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.run.RunFolder;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --layers}: the layers of a run whose SAEs are used. */
public final class LayerOptions {
  private static final int MAX = 9999;

  @Option(
      names = "--layers",
      paramLabel = "LIST",
      description = "Use the SAEs of these layers only, as 2,8 or 0-11 (default: all of the run).")
  private @Nullable String layers;

  /** As it was given; null for all layers. */
  public @Nullable String text() {
    return layers;
  }

  /** The run with the SAEs of the chosen layers. */
  public RunFolder.Run chosen(RunFolder.Run trained) {
    return chosen(trained, layers);
  }

  /** The run with the SAEs of some layers; of all for null. */
  public static RunFolder.Run chosen(RunFolder.Run trained, @Nullable String layers) {
    if (layers == null) return trained;
    List<Integer> wanted = numbers(layers);
    List<Integer> there =
        trained.saes().stream().map(e -> e.point().layer()).distinct().sorted().toList();
    for (int layer : wanted) {
      if (there.contains(layer)) continue;
      throw new InputException(
          "--layers " + layers,
          "the run has no SAE of layer " + layer,
          "It has " + there.stream().map(String::valueOf).collect(Collectors.joining(",")));
    }
    return new RunFolder.Run(
        trained.model(),
        trained.saes().stream().filter(e -> wanted.contains(e.point().layer())).toList());
  }

  /** Hook points of the layers in {@code list}, each once, ascending. */
  static List<HookPoint> points(String list, TowerKind tower, Site site) {
    return numbers(list).stream().map(layer -> new HookPoint(tower, layer, site)).toList();
  }

  private static List<Integer> numbers(String list) {
    TreeSet<Integer> numbers = new TreeSet<>();
    for (String part : list.split(",", -1)) {
      String range = part.strip();
      if (!range.matches("\\d{1,4}(-\\d{1,4})?")) {
        throw new InputException(
            "--layers " + list, "\"" + range + "\" is no layer", "Write 2,8 or 0-11");
      }
      String[] ends = range.split("-");
      int from = Integer.parseInt(ends[0]);
      int to = Integer.parseInt(ends[ends.length - 1]);
      if (from > to || to > MAX) {
        throw new InputException("--layers " + list, range + " is empty", "Write 0-11");
      }
      for (int layer = from; layer <= to; layer++) numbers.add(layer);
    }
    return List.copyOf(numbers);
  }

  /** An SAE's name: the last part of its folder. */
  public static String name(String folder) {
    return folder.substring(folder.lastIndexOf('/') + 1);
  }
}
