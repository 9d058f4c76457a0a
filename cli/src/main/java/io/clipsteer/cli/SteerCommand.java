// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.FeatureEdit;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeFiles;
import io.clipsteer.lab.Pictures;
import io.clipsteer.lab.RunFolder;
import io.clipsteer.lab.Steering;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Changes a feature and asks again. */
@Command(
    name = "steer",
    description = {
      "Set, scale or remove a feature inside the tower and see the zero-shot answer change.",
      "The SAE's error is always added back, so nothing else is touched."
    },
    footer = {
      "",
      "Example: clipsteer steer --run runs/l8 --image dog.jpg --feature 17 --set 150"
          + " --labels \"dog,cat\""
    })
final class SteerCommand implements Callable<Integer> {
  private static final int TOP = 5;

  private static final class Change {
    @Option(
        names = "--set",
        paramLabel = "A",
        description = "The feature becomes A, in units of the normalised activation.")
    private @Nullable Double set;

    @Option(names = "--scale", paramLabel = "S", description = "The feature is multiplied by S.")
    private @Nullable Double scale;

    @Option(names = "--ablate", description = "The feature becomes 0.")
    private boolean ablate;

    FeatureEdit.Change value() {
      Double number = set != null ? set : scale;
      if (number != null && !Double.isFinite(number)) {
        throw new InputException(
            set != null ? "--set" : "--scale", number + " is not finite", "Give a number");
      }
      if (set != null) return new FeatureEdit.Set(set);
      if (scale != null) return new FeatureEdit.Scale(scale);
      return new FeatureEdit.Ablate();
    }

    Map<String, Object> json() {
      if (set != null) return Map.of("set", set);
      return scale != null ? Map.of("scale", scale) : Map.of("ablate", true);
    }

    String words() {
      if (set != null) return "set to " + set;
      return scale != null ? "multiplied by " + scale : "ablated";
    }
  }

  @Mixin private CommonOptions common;

  @ArgGroup(exclusive = false, multiplicity = "1")
  private LibraryOptions words;

  @ArgGroup(exclusive = true, multiplicity = "1")
  private Change change;

  @Option(names = "--run", required = true, paramLabel = "RUN", description = "A training run.")
  private Path run;

  @Option(names = "--image", required = true, paramLabel = "FILE", description = "A picture.")
  private Path image;

  @Option(
      names = "--feature",
      required = true,
      paramLabel = "F",
      description = "Feature number, from 0; may be given several times.")
  private List<Integer> features;

  @Option(
      names = "--at",
      defaultValue = "all",
      description = "Tokens to edit: all, cls or patches (default: ${DEFAULT-VALUE}).")
  private String at;

  @Option(
      names = "--model",
      paramLabel = "PATH",
      description = "The checkpoint, when it is no longer where the run was trained.")
  private @Nullable Path model;

  @Override
  public Integer call() {
    common.apply();
    RunFolder folder = new RunFolder(run);
    RunFolder.Run trained = folder.read();
    RunFolder.SaeEntry entry = trained.saes().getFirst();
    SaeFiles.checkHook(folder.sae(entry), entry.hookPoint());
    Path checkpoint = model != null ? model : Path.of(trained.model());
    try (Sae sae = SaeFiles.read(folder.sae(entry));
        ClipModel clip = ClipModel.load(checkpoint, DType.F32, common.device());
        Scope scope = Scope.open()) {
      if (clip.vision().config().width() != sae.width()) {
        throw new InputException(
            checkpoint,
            "has width " + clip.vision().config().width() + ", the SAE " + sae.width(),
            "Name the model that the run was trained on");
      }
      TextLibrary library = words.resolve(clip, common.progress());
      Tensor pixels = Pictures.one(clip, image);
      Steering.Result result =
          Steering.run(
              clip,
              library,
              sae,
              entry.point(),
              pixels,
              features,
              change.value(),
              TokenSelection.parse(at),
              TOP);
      common.print(json(entry, result), text(entry, result));
    }
    return 0;
  }

  private Map<String, Object> json(RunFolder.SaeEntry entry, Steering.Result result) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("image", image.toString());
    json.put("hook_point", entry.hookPoint());
    json.put("features", result.edited());
    json.put("change", change.json());
    json.put("at", at);
    json.put("before", result.before());
    json.put("after", result.after());
    json.put("strongest_features", result.strongest());
    return json;
  }

  private String text(RunFolder.SaeEntry entry, Steering.Result result) {
    StringBuilder text = new StringBuilder();
    text.append(String.format("%s at %s, tokens: %s%n", image, entry.hookPoint(), at));
    for (var f : result.edited()) {
      text.append(
          String.format(
              Locale.ROOT,
              "feature %d: on this picture mean %.3f, largest %.3f; %s%n",
              f.feature(),
              f.mean(),
              f.max(),
              change.words()));
    }
    text.append("before: ").append(ClassifyCommand.line(result.before())).append('\n');
    text.append("after:  ").append(ClassifyCommand.line(result.after())).append('\n');
    text.append("strongest features here:");
    for (var f : result.strongest()) {
      text.append(String.format(Locale.ROOT, " %d (%.2f)", f.feature(), f.mean()));
    }
    return text.toString();
  }
}
