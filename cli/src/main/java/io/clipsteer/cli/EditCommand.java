// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.clipsteer.cli.option.BatchOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.PromptOptions;
import io.clipsteer.cli.option.RuleOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.option.UnitOptions;
import io.clipsteer.cli.show.SuppressionText;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.data.stats.SignFlip;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.edit.StoredEdit;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.steer.Strength;
import io.clipsteer.lab.steer.UnitRule;
import io.clipsteer.lab.steer.UnitStrengths;
import io.clipsteer.lab.study.Study;
import io.clipsteer.lab.study.StudySource;
import io.clipsteer.lab.suppress.Candidate;
import io.clipsteer.lab.suppress.EditEffect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code edit}: an edit of units that the user names. */
@Command(
    name = "edit",
    description = {
      "Make an edit of features, neurons or a direction that you name, for clipsteer export.",
      "All units are of one kind and at one hook point. With --data the edit's effect on zero-shot"
          + " answers is measured, by group, beside random edits of the same size."
    },
    footer = {
      "Example: clipsteer edit --run runs/all --feature 8:1821 --feature 8:77 --ablate --out"
          + " edits/no-sky",
      "         clipsteer edit --run runs/all --feature 6:12 --cap 3 --data csv:birds.csv --out"
          + " edits/forest"
    })
final class EditCommand implements Runnable {
  @Mixin private CommonOptions common;
  @Mixin private RunOptions runs;
  @Mixin private UnitOptions units;
  @Mixin private BatchOptions batch;

  @Option(
      names = "--direction",
      paramLabel = "L:FILE",
      description = {
        "Direction at layer L: a safetensors file with direction [d] and, if the activation is"
            + " (x - centre)·direction, centre [d]."
      })
  private @Nullable String direction;

  @ArgGroup(exclusive = true, multiplicity = "1")
  private RuleOptions rule;

  @Option(
      names = "--at",
      paramLabel = "TOKENS",
      description = "Tokens to edit: ${COMPLETION-CANDIDATES} (default: those that the SAE reads).")
  private @Nullable TokenSelection at;

  @Option(
      names = "--data",
      paramLabel = "LAYOUT:PATH",
      description = {
        "Measure the edit on all of these: celeba:DIR, waterbirds:DIR, typographic:DIR,"
            + " disentangling:DIR or csv:FILE (file below its folder, target, attribute)."
      })
  private @Nullable String data;

  @Option(
      names = "--attribute",
      paramLabel = "NAME",
      description = "Attribute of the groups, where a table has more than two.")
  private @Nullable String attribute;

  @Option(
      names = "--clean",
      paramLabel = "SRC",
      description = "Images in class folders; for written words, images without writing.")
  private @Nullable Path clean;

  @Mixin private PromptOptions prompts;

  @Option(
      names = "--draws",
      defaultValue = "10",
      paramLabel = "N",
      description = "Random edits of each kind, 2 to 20.")
  private int draws;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "EDIT",
      description = "New folder for edit.json and, with --data, effect.json.")
  private Path out;

  /** What {@code --json} prints. */
  private record Json(
      String out,
      String hookPoint,
      String tokens,
      @JsonInclude(JsonInclude.Include.NON_NULL) int @Nullable [] features,
      @JsonInclude(JsonInclude.Include.NON_NULL) int @Nullable [] neurons,
      Map<String, Object> change,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable EditEffect effect) {}

  @Override
  public void run() {
    common.apply();
    if (units.areNamed() == (direction != null)) {
      throw common.usage("Which units? Give --feature, --neuron or --direction");
    }
    if (data == null && (attribute != null || clean != null || prompts.areGiven())) {
      throw common.usage(
          "--attribute, --clean, --prompts and --library are for a measurement: give --data");
    }
    CommonOptions.within("--draws", draws, 2, SignFlip.MOST);
    WorkFolder.check(out, WorkFolder.ALONE, false);
    RunFolder.Run trained = runs.folder().read();
    UnitOptions.Places places =
        direction == null
            ? units.places(trained, List.of())
            : units.place(trained, "--direction", direction);
    if (places.entries().size() > 1) {
      throw new InputException(
          "the units",
          "belong to " + places.entries().size() + " SAEs: an edit has one hook point",
          "Make an edit for each; a tower takes several hooks");
    }
    RunFolder.Run chosen = new RunFolder.Run(trained.model(), places.entries());
    try (OpenRun open = runs.open(chosen, TowerKind.VISION, common.device())) {
      make(open, places);
    }
  }

  private void make(OpenRun open, UnitOptions.Places places) {
    RunSaes.One one = open.saes().all().getFirst();
    var config = open.clip().vision().config();
    StoredEdit.EditedUnits edited = edited(places.at(one.entry()), config.width());
    boolean features = edited instanceof StoredEdit.FeatureIds;
    Path sae = open.folder().sae(one.entry()).toAbsolutePath().normalize();
    Path weights = sae.resolve(SaeFiles.WEIGHTS);
    Map<String, String> hashes = open.hashes();
    StoredEdit stored =
        new StoredEdit(
            open.clip().source().path().toAbsolutePath().normalize(),
            hashes.getOrDefault("model", ""),
            features ? sae : null,
            features && Files.isRegularFile(weights) ? Hashes.sha256(weights) : "",
            one.point(),
            tokens(one),
            edited,
            rule(one, edited, IndexFolder.of(open.folder())));
    Edit edit = stored.edit(features ? one.sae() : null, config.width(), config.prefixTokens());
    try (WorkFolder work = WorkFolder.open(out, WorkFolder.ALONE, false, common.manifest(hashes))) {
      EditEffect effect = data == null ? null : effect(open, edit, one, data);
      if (effect != null) AtomicFiles.writeJson(out.resolve(EditEffect.FILE), effect);
      stored.write(out, null);
      work.finish();
      common.print(json(stored, effect), text(stored, one, effect));
    }
  }

  /** The rule of the units. */
  private Rule rule(RunSaes.One one, StoredEdit.EditedUnits edited, IndexFolder index) {
    UnitRule given = rule.rule();
    Strength strength = given.strength();
    var strengths = new UnitStrengths(index, runs.path(), one.entry());
    float[] values =
        switch (edited) {
          case StoredEdit.FeatureIds(int[] ids) -> strengths.features(strength, list(ids));
          case StoredEdit.NeuronIds(int[] ids) -> strengths.neurons(strength, list(ids));
          case StoredEdit.Line line when !strength.isOwn() ->
              new float[] {(float) strength.number()};
          case StoredEdit.Line line ->
              throw new InputException(
                  "--direction", strength + " is for features and neurons", "Give a number");
        };
    boolean features = edited instanceof StoredEdit.FeatureIds;
    return features ? given.ofFeatures(values) : given.of(values);
  }

  private static List<Integer> list(int[] ids) {
    return Arrays.stream(ids).boxed().toList();
  }

  private TokenSelection tokens(RunSaes.One one) {
    TokenSelection reads = one.selection();
    if (at == null || at == reads || reads == TokenSelection.ALL) return at == null ? reads : at;
    throw new InputException(
        "--at " + at, "the SAE " + one.entry().folder() + " reads " + reads + " only", "Omit it");
  }

  private StoredEdit.EditedUnits edited(UnitOptions.Units named, int width) {
    if (direction != null) return line(direction.substring(direction.indexOf(':') + 1), width);
    if (!named.features().isEmpty() && !named.neurons().isEmpty()) {
      throw new InputException(
          "--feature and --neuron", "are two kinds of units", "Make an edit for each");
    }
    List<Integer> ids = named.features().isEmpty() ? named.neurons() : named.features();
    int[] distinct = ids.stream().mapToInt(Integer::intValue).distinct().toArray();
    return named.features().isEmpty()
        ? new StoredEdit.NeuronIds(distinct)
        : new StoredEdit.FeatureIds(distinct);
  }

  private static StoredEdit.EditedUnits line(String name, int width) {
    try (TensorFile file = TensorFile.open(Path.of(name));
        Scope scope = Scope.open()) {
      for (String tensor : file.tensors().keySet()) {
        if (tensor.equals("direction") || tensor.equals("centre")) continue;
        throw new InputException(
            file.path(), "has a tensor " + tensor, "It may have direction and centre only");
      }
      float[] centre = new float[width];
      if (file.tensors().containsKey("centre")) centre = vector(file, "centre", width);
      float[] along = vector(file, "direction", width);
      if (!StoredEdit.isDirection(along)) {
        throw new InputException(
            file.path(), "direction is zero", "Give one that points somewhere");
      }
      return new StoredEdit.Line(along, centre);
    }
  }

  private static float[] vector(TensorFile file, String name, int width) {
    StoredTensor stored = file.get(name);
    boolean floating = Set.of(DType.F64, DType.F32, DType.F16, DType.BF16).contains(stored.dtype());
    if (!floating || !Arrays.equals(stored.shape(), new long[] {width})) {
      throw new InputException(
          file.path(),
          name + " is " + stored.dtype() + " " + Arrays.toString(stored.shape()),
          "It needs " + width + " floating-point numbers");
    }
    Tensor tensor = Tensor.of(stored).to(DType.F32);
    if (!tensor.isFinite()) {
      throw new InputException(file.path(), name + " is not finite", "Give finite numbers");
    }
    return tensor.toFloats();
  }

  private EditEffect effect(OpenRun open, Edit edit, RunSaes.One one, String images) {
    GroupSource all = GroupSource.parse("--data", images);
    StudySource source =
        new StudySource(
            all,
            all,
            all,
            clean == null ? null : Skips.open(clean),
            attribute,
            Integer.MAX_VALUE,
            false,
            common.seed());
    Study study =
        source.read(
            open.clip(), prompts.prompts(), batch.loading(Long.MAX_VALUE), common.progress());
    Skips.print(all.listing(), all.path());
    EditEffect effect =
        EditEffect.of(
            open.clip(),
            study,
            Candidate.of(edit, one.entry().folder()),
            draws,
            common.seed(),
            common.progress());
    Skips.print(effect.unread());
    return effect;
  }

  /** The activations that strengths in units' own ranges come to. */
  private String numbers(StoredEdit stored) {
    if (!rule.rule().strength().isOwn()) return "";
    List<String> numbers = new ArrayList<>();
    for (float value : stored.rule().values(stored.units().count())) {
      numbers.add(String.format(Locale.ROOT, "%.4g", value));
    }
    return " (" + String.join(", ", numbers) + ")";
  }

  private Json json(StoredEdit stored, @Nullable EditEffect effect) {
    return new Json(
        out.toString(),
        stored.point().peerName(),
        stored.tokens().toString(),
        stored.units() instanceof StoredEdit.FeatureIds(int[] ids) ? ids : null,
        stored.units() instanceof StoredEdit.NeuronIds(int[] ids) ? ids : null,
        rule.json(),
        effect);
  }

  private String text(StoredEdit stored, RunSaes.One one, @Nullable EditEffect effect) {
    String line =
        String.format(
            "%s: %s at %s, %s on %s tokens%n",
            out,
            Counted.of(stored.units().count(), stored.units().noun()),
            stored.point(),
            rule.words() + numbers(stored),
            stored.tokens());
    boolean competes = stored.sae() != null && one.sae().activation().competes();
    String export = competes ? OpenRun.TOPK_EXPORT + System.lineSeparator() : "";
    return line + export + (effect == null ? "" : SuppressionText.of(effect));
  }
}
