// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.lab.run.RunFolder;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Lists of layers as options have them: {@code 2,8} or {@code 0-11}. */
public final class Layers {
  private static final int MAX = 9999;

  private Layers() {}

  /** Hook points at {@code site} of the layers named, each once, rising. */
  public static List<HookPoint> points(String layers, String site) {
    return points(layers, site, false);
  }

  /** The same of the vision or the text tower. */
  public static List<HookPoint> points(String layers, String site, boolean text) {
    TreeSet<Integer> numbers = new TreeSet<>();
    for (String part : layers.split(",", -1)) {
      String range = part.strip();
      if (!range.matches("\\d{1,4}(-\\d{1,4})?")) {
        throw new InputException(
            "--layers " + layers, "\"" + range + "\" is no layer", "Write 2,8 or 0-11");
      }
      String[] ends = range.split("-");
      int from = Integer.parseInt(ends[0]);
      int to = Integer.parseInt(ends[ends.length - 1]);
      if (from > to || to > MAX) {
        throw new InputException("--layers " + layers, range + " is empty", "Write 0-11");
      }
      for (int layer = from; layer <= to; layer++) numbers.add(layer);
    }
    List<HookPoint> points = new ArrayList<>();
    for (int layer : numbers) {
      String block = (text ? "text." : "") + "blocks." + layer + ".";
      points.add(CommonOptions.value("--site", site, name -> HookPoint.parse(block + name)));
    }
    return points;
  }

  /** An SAE's name: the last part of its folder. */
  public static String name(String folder) {
    return folder.substring(folder.lastIndexOf('/') + 1);
  }

  /** The run with the SAEs of the layers asked for; with all of them where none are. */
  public static RunFolder.Run chosen(RunFolder.Run trained, @Nullable String layers) {
    if (layers == null) return trained;
    List<Integer> wanted =
        points(layers, "hook_resid_post").stream().map(HookPoint::layer).toList();
    List<RunFolder.SaeEntry> entries =
        trained.saes().stream().filter(e -> wanted.contains(e.point().layer())).toList();
    for (int layer : wanted) {
      if (entries.stream().noneMatch(e -> e.point().layer() == layer)) {
        String there =
            trained.saes().stream()
                .map(e -> Integer.toString(e.point().layer()))
                .distinct()
                .collect(Collectors.joining(","));
        throw new InputException(
            "--layers " + layers,
            "the run has no SAE of layer " + layer,
            "Use those it has: " + there);
      }
    }
    return new RunFolder.Run(trained.model(), entries);
  }
}
