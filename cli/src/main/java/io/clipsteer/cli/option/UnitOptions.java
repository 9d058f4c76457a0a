// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenMask;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.steer.SteeredSite;
import io.clipsteer.lab.steer.Strength;
import io.clipsteer.lab.steer.UnitNumbers;
import io.clipsteer.lab.steer.UnitStrengths;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Features and neurons of a run's SAEs, named on the command line. */
public final class UnitOptions {
  @Option(
      names = "--feature",
      paramLabel = "L:F",
      description = {
        "Feature F of the SAE at layer L, both from 0; F alone where the run has one SAE."
            + " Repeatable."
      })
  private List<String> features = List.of();

  @Option(
      names = "--neuron",
      paramLabel = "L:N",
      description = "Neuron: coordinate N of the residual at layer L. Repeatable.")
  private List<String> neurons = List.of();

  @Option(
      names = "--sae",
      paramLabel = "PART",
      description = "Of several SAEs at a layer, the one whose folder name contains PART.")
  private @Nullable String part;

  /** Units of one SAE, by number. */
  public record Units(List<Integer> features, List<Integer> neurons, List<Integer> randoms) {}

  /** Units by their SAE, in the order in which they were named. */
  public static final class Places {
    private final Map<String, RunFolder.SaeEntry> entries = new LinkedHashMap<>();
    private final Map<String, Units> units = new LinkedHashMap<>();
    private final Map<String, List<Strength>> strengths = new LinkedHashMap<>();

    /**
     * What the units at an SAE are set to: its features, neurons, random directions.
     *
     * @return empty where the units were named without it
     */
    public List<Strength> strengths(RunFolder.SaeEntry entry) {
      return strengths.getOrDefault(entry.folder(), List.of());
    }

    public Units at(RunFolder.SaeEntry entry) {
      entries.put(entry.folder(), entry);
      return units.computeIfAbsent(
          entry.folder(), f -> new Units(new ArrayList<>(), new ArrayList<>(), new ArrayList<>()));
    }

    public List<RunFolder.SaeEntry> entries() {
      return List.copyOf(entries.values());
    }

    /**
     * The units at their hook points.
     *
     * @param run with the SAEs of these places
     * @param path of the run, for messages
     * @param at tokens to edit, as {@link TokenMask} reads them
     * @param raw whether values are in units of the raw residual
     * @param splice whether the SAE's error is dropped
     */
    public Map<HookPoint, SteeredSite> sites(
        OpenRun run, Path path, String at, boolean raw, boolean splice) {
      ClipModel clip = run.clip();
      IndexFolder index = IndexFolder.of(run.folder());
      TokenMask tokens = new TokenMask(at);
      int prefix = clip.vision().config().prefixTokens();
      int patch = clip.vision().config().patch();
      var input = clip.preprocessing();
      tokens.mask(prefix, prefix + input.height() / patch * (input.width() / patch));
      Map<HookPoint, SteeredSite> sites = new LinkedHashMap<>();
      for (RunSaes.One one : run.saes().all()) {
        Units own = at(one.entry());
        var numbers = new UnitNumbers(own.features(), own.neurons(), own.randoms());
        EditSite site = new EditSite(one.point(), tokens, prefix);
        var strengths = new UnitStrengths(index, path, one.entry());
        var steered = new SteeredSite(site, one.sae(), numbers, raw, splice, strengths);
        if (sites.put(one.point(), steered) != null) {
          throw new InputException(
              one.point(),
              "is edited through two SAEs",
              "Name units of one SAE for each hook point");
        }
      }
      return sites;
    }
  }

  /** Whether there are any. */
  public boolean areNamed() {
    return !features.isEmpty() || !neurons.isEmpty();
  }

  /** Whether some unit says what it is set to: {@code L:F=SET}. */
  public boolean areSet() {
    return Stream.concat(features.stream(), neurons.stream()).anyMatch(one -> one.contains("="));
  }

  /**
   * The units by SAE; without a unit the first SAE of every hook point.
   *
   * @param randoms random directions that are named the same way
   */
  public Places places(RunFolder.Run trained, List<String> randoms) {
    Places places = new Places();
    for (var kind : kinds(randoms).entrySet()) {
      for (String one : kind.getValue()) {
        int number = number(kind.getKey(), one);
        add(places, kind.getKey(), entry(trained, kind.getKey(), one), number);
      }
    }
    return orFirst(trained, places);
  }

  /**
   * The same of units that say what they are set to, each one.
   *
   * @throws InputException when one does not, or is named twice
   */
  public Places setPlaces(RunFolder.Run trained, List<String> randoms) {
    Places places = new Places();
    for (var kind : kinds(randoms).entrySet()) {
      for (String one : kind.getValue()) {
        int equals = one.indexOf('=');
        if (equals < 0) {
          throw new InputException(
              kind.getKey() + " " + one, "is not set to anything", "Write =SET for all, or none");
        }
        String unit = one.substring(0, equals);
        int number = number(kind.getKey(), unit);
        RunFolder.SaeEntry entry = entry(trained, kind.getKey(), unit);
        if (!add(places, kind.getKey(), entry, number)) {
          throw new InputException(kind.getKey() + " " + unit, "is there twice", "Name it once");
        }
        places
            .strengths
            .computeIfAbsent(entry.folder(), f -> new ArrayList<>())
            .add(Strength.parse(one.substring(equals + 1)));
      }
    }
    return places;
  }

  private Map<String, List<String>> kinds(List<String> randoms) {
    Map<String, List<String>> kinds = new LinkedHashMap<>();
    kinds.put("--feature", features);
    kinds.put("--neuron", neurons);
    kinds.put("--random", randoms);
    return kinds;
  }

  /** Whether it was not there. */
  private static boolean add(Places places, String option, RunFolder.SaeEntry entry, int number) {
    Units units = places.at(entry);
    List<Integer> numbers =
        switch (option) {
          case "--feature" -> units.features;
          case "--neuron" -> units.neurons;
          default -> units.randoms;
        };
    boolean fresh = !numbers.contains(number);
    numbers.add(number);
    return fresh;
  }

  private Places orFirst(RunFolder.Run trained, Places places) {
    // Without a unit nothing is edited: the strongest features of each hook point are listed.
    if (places.entries.isEmpty()) {
      for (RunFolder.SaeEntry entry : trained.saes()) {
        if (part == null || entry.folder().contains(part)) {
          if (places.entries.values().stream().noneMatch(e -> e.point().equals(entry.point()))) {
            places.at(entry);
          }
        }
      }
      if (places.entries.isEmpty()) {
        throw new InputException("--sae " + part, "no SAE of the run has such a name", "Omit it");
      }
    }
    return places;
  }

  /**
   * The SAE of a layer.
   *
   * @param text begins with the layer and a colon
   */
  public Places place(RunFolder.Run trained, String option, String text) {
    if (!text.matches("\\d{1,4}:.+")) {
      throw new InputException(option + " " + text, "names no layer", "Write LAYER:FILE");
    }
    Places places = new Places();
    places.at(entry(trained, option, text));
    return places;
  }

  private static int number(String option, String text) {
    String digits = text.substring(text.indexOf(':') + 1);
    if (!text.matches("(\\d{1,4}:)?\\d{1,9}")) {
      throw new InputException(option + " " + text, "is no unit", "Write LAYER:NUMBER, as 7:1234");
    }
    return Integer.parseInt(digits);
  }

  /** The SAE of a unit's layer. */
  private RunFolder.SaeEntry entry(RunFolder.Run trained, String option, String text) {
    int colon = text.indexOf(':');
    List<RunFolder.SaeEntry> fitting =
        trained.saes().stream()
            .filter(
                e -> colon < 0 || e.point().layer() == Integer.parseInt(text.substring(0, colon)))
            .filter(e -> part == null || e.folder().contains(part))
            .toList();
    boolean onePoint = fitting.stream().map(RunFolder.SaeEntry::point).distinct().count() == 1;
    // Neurons and directions belong to the residual, whichever SAE reads it.
    boolean ofSae = option.equals("--feature") || option.equals("--random");
    if (fitting.size() == 1 || onePoint && !ofSae) return fitting.getFirst();
    String all =
        trained.saes().stream().map(RunFolder.SaeEntry::folder).collect(Collectors.joining(", "));
    if (fitting.isEmpty()) {
      throw new InputException(option + " " + text, "the run has no such SAE", "It has " + all);
    }
    throw new InputException(
        option + " " + text,
        "fits " + fitting.size() + " SAEs of the run",
        "Write LAYER:NUMBER where there is no layer, and --sae with a part of the folder's name; it"
            + " has "
            + all);
  }
}
