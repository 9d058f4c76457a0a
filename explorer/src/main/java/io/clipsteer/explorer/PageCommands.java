// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.ShellWords;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.edit.StoredEdit;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.Versions;
import io.clipsteer.lab.steer.UnitStrengths;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The page's edit outside the page: as commands, and as edit folders. */
record PageCommands(ExploredRun run) {
  /** A name for a folder of an edit. */
  private static final String NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,60}";

  /** Edit folders that were written, and how they are exported. */
  record Saved(List<String> folders, List<String> commands) {}

  /**
   * The command that gives the page's answers.
   *
   * @param image its file
   * @param probe folder of the head; empty for the words
   */
  String experiment(PageEdit edit, String image, String probe) {
    List<String> words = new ArrayList<>(List.of("clipsteer", "experiment"));
    words.addAll(List.of("--run", run.folder().path().toString(), "--image", image));
    List<Integer> patches = Objects.requireNonNullElse(edit.patches(), List.of());
    if (!patches.isEmpty()) {
      String list = patches.stream().map(String::valueOf).collect(Collectors.joining(","));
      words.addAll(List.of("--patches", list));
    }
    for (PageEdit.EditedUnit unit : units(edit)) {
      int layer = run.saes().all().get(unit.sae()).point().layer();
      String kind = unit.edited() == PageEdit.EditedKind.FEATURE ? "--feature" : "--neuron";
      if (unit.edited() == PageEdit.EditedKind.RANDOM) kind = "--random";
      words.addAll(List.of(kind, layer + ":" + unit.id() + "=" + unit.strength()));
    }
    if (!units(edit).isEmpty()) {
      words.addAll(List.of("--at", Objects.requireNonNullElse(edit.tokens(), "all")));
    }
    List<String> classes = Objects.requireNonNullElse(edit.words(), List.of());
    if (!probe.isEmpty()) words.addAll(List.of("--probe", probe));
    else if (!classes.isEmpty()) words.addAll(List.of("--classes", String.join(",", classes)));
    return ShellWords.line(words);
  }

  private static List<PageEdit.EditedUnit> units(PageEdit edit) {
    return Objects.requireNonNullElse(edit.units(), List.of());
  }

  /**
   * Writes the edit as folders that {@code clipsteer export} reads, one for each SAE and kind of
   * unit.
   *
   * @param name of the folder in the run's {@code edits}
   */
  Saved save(PageEdit edit, String name) {
    if (!name.matches(NAME)) {
      throw new InputException(
          "the name", "is no name of a folder", "Use letters, digits, - and _");
    }
    TokenSelection tokens = tokens(edit);
    Map<String, StoredEdit> parts = parts(edit, tokens);
    if (parts.isEmpty()) throw new InputException("the edit", "has no unit", "Add one");
    Map<Path, StoredEdit> folders = new LinkedHashMap<>();
    for (var part : parts.entrySet()) {
      String suffix = parts.size() == 1 ? "" : "-" + part.getKey();
      folders.put(run.folder().edit(name + suffix), part.getValue());
    }
    for (Path folder : folders.keySet()) {
      if (Files.exists(folder)) {
        throw new InputException(folder, "is there already", "Choose another name");
      }
    }
    List<String> written = new ArrayList<>();
    for (var folder : folders.entrySet()) {
      write(folder.getKey(), folder.getValue());
      written.add(folder.getKey().toString());
    }
    List<String> commands = new ArrayList<>();
    for (String folder : written) {
      String file = Path.of(folder).getFileName() + ".safetensors";
      commands.add(
          ShellWords.line(List.of("clipsteer", "export", "--edit", folder, "--out", file)));
    }
    return new Saved(written, commands);
  }

  private void write(Path folder, StoredEdit stored) {
    var manifest =
        Versions.manifest(
            List.of("explore", "--run", run.folder().path().toString()),
            Map.of("run", run.folder().path().toString()),
            Map.of(),
            Map.of("model", stored.modelHash()),
            null);
    try (WorkFolder work = WorkFolder.open(folder, WorkFolder.ALONE, false, manifest)) {
      stored.write(folder, null);
      work.finish();
    }
  }

  private static TokenSelection tokens(PageEdit edit) {
    String tokens = Objects.requireNonNullElse(edit.tokens(), "all");
    if (!tokens.equals("selected")) return TokenSelection.parse(tokens);
    throw new InputException(
        "an edit of selected patches", "is for one image", "Choose all, cls or patches to save it");
  }

  /** By layer and kind. */
  private Map<String, StoredEdit> parts(PageEdit edit, TokenSelection tokens) {
    Map<String, List<PageEdit.EditedUnit>> parts = new TreeMap<>();
    for (PageEdit.EditedUnit unit : units(edit)) {
      if (unit.edited() == PageEdit.EditedKind.RANDOM) {
        throw new InputException("a random direction", "is a control", "Remove it, then save");
      }
      int layer = run.saes().all().get(unit.sae()).point().layer();
      String neurons = unit.edited() == PageEdit.EditedKind.NEURON ? "-neurons" : "";
      parts.computeIfAbsent("layer" + layer + neurons, k -> new ArrayList<>()).add(unit);
    }
    Map<String, StoredEdit> stored = new LinkedHashMap<>();
    parts.forEach((name, units) -> stored.put(name, stored(units, tokens)));
    return stored;
  }

  private StoredEdit stored(List<PageEdit.EditedUnit> units, TokenSelection tokens) {
    boolean features = units.getFirst().edited() == PageEdit.EditedKind.FEATURE;
    RunSaes.One one = run.saes().all().get(units.getFirst().sae());
    Path sae = run.folder().sae(one.entry()).toAbsolutePath().normalize();
    Path weights = sae.resolve(SaeFiles.WEIGHTS);
    var strengths =
        new UnitStrengths(IndexFolder.of(run.folder()), run.folder().path(), one.entry());
    int[] ids = new int[units.size()];
    float[] values = new float[units.size()];
    for (int k = 0; k < ids.length; k++) {
      ids[k] = units.get(k).id();
      var strength = units.get(k).strength();
      List<Integer> id = List.of(ids[k]);
      values[k] =
          features ? strengths.features(strength, id)[0] : strengths.neurons(strength, id)[0];
    }
    return new StoredEdit(
        run.model().source().path().toAbsolutePath().normalize(),
        Hashes.sha256(run.model().source().weights()),
        features ? sae : null,
        features && Files.isRegularFile(weights) ? Hashes.sha256(weights) : "",
        one.point(),
        tokens,
        features ? new StoredEdit.FeatureIds(ids) : new StoredEdit.NeuronIds(ids),
        new Rule.Set(values));
  }
}
