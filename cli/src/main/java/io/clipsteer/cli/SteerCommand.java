// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static java.util.stream.Collectors.joining;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.cli.option.AnswerOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.RuleOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.option.UnitOptions;
import io.clipsteer.cli.show.SteerText;
import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.steer.Steer;
import io.clipsteer.lab.steer.SteeredSite;
import io.clipsteer.lab.steer.Strength;
import io.clipsteer.lab.steer.UnitNumbers;
import io.clipsteer.lab.steer.UnitRule;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code steer}: zero-shot answers with features edited. */
@Command(
    name = "steer",
    description = {
      "Edit features inside the tower and see how zero-shot answers change.",
      "The SAE's reconstruction error is added back, so that only the chosen features change."
          + " Without a feature the strongest ones on the images are listed."
    },
    footer = {
      "Example: clipsteer steer --run runs/l8 --image dog.jpg --feature 17 --set 2x"
          + " --classes \"dog,cat\"",
      "         clipsteer steer --run runs/all --images photos --limit 200 --feature 7:1234"
          + " --curve --vocabulary words.txt"
    })
final class SteerCommand implements Runnable {
  private static final int TOP = 5;

  /** From no activation to five times the largest, with points where activations are. */
  private static final String BARE = "0,p50,p90,p99,1x,2x,3x,4x,5x";

  @Mixin private CommonOptions common;
  @Mixin private RunOptions runs;
  @Mixin private ImageOptions images;
  @Mixin private UnitOptions units;
  @Mixin private AnswerOptions answers;

  @Option(
      names = "--random",
      paramLabel = "L:K",
      description =
          "Random direction number K at layer L, with the decoder rows' norm: for --set and --add.")
  private List<String> randoms = List.of();

  @ArgGroup(exclusive = true, multiplicity = "0..1")
  private @Nullable RuleOptions change;

  @Option(
      names = "--image",
      paramLabel = "FILE",
      description = "A single image, in place of --images.")
  private @Nullable Path image;

  @Option(
      names = "--at",
      defaultValue = "all",
      paramLabel = "TOKENS",
      description = {
        "Tokens to edit: all, cls, patches, or numbers as 3,4,9; the class token is 0" + "."
      })
  private String at;

  @Option(
      names = "--raw",
      description = "--set and --add are in units of the raw residual, not of the normalised one.")
  private boolean raw;

  @Option(
      names = "--splice",
      description = "Replace the residual by the SAE's reconstruction, without its error.")
  private boolean splice;

  @Option(
      names = "--curve",
      arity = "0..1",
      fallbackValue = BARE,
      split = ",",
      paramLabel = "A,B",
      description = "Also set the units to each of these, as for --set (bare: " + BARE + ").")
  private List<Strength> curve = List.of();

  @Override
  public void run() {
    common.apply();
    answers.require();
    check();
    RunFolder.Run trained = runs.folder().read();
    UnitOptions.Places places = units.places(trained, randoms);
    RunFolder.Run chosen = new RunFolder.Run(trained.model(), places.entries());
    try (OpenRun run = runs.open(chosen, TowerKind.VISION, common.device())) {
      Map<HookPoint, SteeredSite> sites = places.sites(run, runs.path(), at, raw, splice);
      curve =
          curve.stream().sorted(Comparator.comparing(strength -> first(sites, strength))).toList();
      UnitRule rule = change != null ? change.rule() : UnitRule.set(last());
      sites.values().forEach(site -> site.values(rule.strength()));
      AnswerHead head = answers.resolve(run.clip(), common.progress());
      Steer steer = new Steer(run.clip(), head, sites, rule, curve);
      Steer.SteeredAnswers result = evaluate(steer, run.clip());
      Skips.Counts skips = images.report(result.skipped());
      common.print(json(sites, result, skips), text(run, sites, result));
    }
  }

  private Steer.SteeredAnswers evaluate(Steer steer, ClipModel clip) {
    if (image == null) return steer.all(images.resolve(clip), TOP, common.progress());
    try (Scope scope = Scope.open()) {
      return steer.one(Images.one(clip, image), TOP);
    }
  }

  private void check() {
    if (image != null && images.isGiven()) throw common.usage("Give --image or --images, not both");
    if (image == null) images.images(); // asks for them where they are missing
    if (image != null && Files.isDirectory(image)) {
      throw new InputException(image, "is a folder", "Name it with --images");
    }
    boolean changes = change != null || !curve.isEmpty();
    boolean named = units.areNamed() || !randoms.isEmpty();
    if (named && !changes) {
      throw common.usage("Nothing to do: give --set, --add, --scale, --cap, --ablate or --curve");
    }
    if (changes && !named) {
      throw common.usage("No unit to edit: give --feature, --neuron or --random");
    }
    if (!randoms.isEmpty() && change != null && !change.moves()) {
      throw new InputException(
          "--random",
          "a random direction has no activation to scale, cap or ablate",
          "Use --set or --add");
    }
  }

  /** Whether nothing is changed. */
  private boolean isListing() {
    return change == null && curve.isEmpty();
  }

  /** The strength of units where only the curve names one: its largest; 0 without a curve. */
  private Strength last() {
    return curve.isEmpty() ? Strength.of(0) : curve.getLast();
  }

  /** What a strength means for the first unit. */
  private static float first(Map<HookPoint, SteeredSite> sites, Strength strength) {
    return sites.values().iterator().next().values(strength).getFirst();
  }

  /** What {@code --json} prints of the edit at a hook point. */
  private record JsonEdit(String hookPoint, @JsonUnwrapped UnitNumbers units) {}

  /** What {@code --json} prints. */
  private record Json(
      String source,
      @JsonUnwrapped Skips.Counts skips,
      List<JsonEdit> edits,
      Map<String, Object> change,
      String at,
      boolean raw,
      boolean splice,
      @JsonUnwrapped @JsonIgnoreProperties("skipped") Steer.SteeredAnswers answers) {}

  private Json json(
      Map<HookPoint, SteeredSite> sites, Steer.SteeredAnswers result, Skips.Counts skips) {
    List<JsonEdit> changed = new ArrayList<>();
    sites.forEach((point, site) -> changed.add(new JsonEdit(point.peerName(), site.units())));
    return new Json(
        source(),
        skips,
        changed,
        change == null ? Map.of("set", last()) : change.json(),
        at,
        raw,
        splice,
        result);
  }

  private String source() {
    return image != null ? image.toString() : images.images().toString();
  }

  private String text(OpenRun run, Map<HookPoint, SteeredSite> sites, Steer.SteeredAnswers result) {
    String points = sites.keySet().stream().map(HookPoint::peerName).collect(joining(", "));
    String what =
        image != null ? source() : Counted.of(result.images(), "image") + " of " + source();
    String edit = change == null ? "set to " + last() : change.words();
    return new SteerText(run.folder(), run.saes(), result)
        .of(
            String.format("%s at %s, tokens: %s%n", what, points, at),
            isListing() ? null : edit + (raw ? " in units of the residual" : ""),
            change == null ? last() : change.rule().strength(),
            sites,
            splice);
  }
}
