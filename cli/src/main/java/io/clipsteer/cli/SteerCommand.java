// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.LibraryOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.UnitOptions;
import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TokenMask;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.steer.Steer;
import io.clipsteer.lab.steer.SteeredSite;
import io.clipsteer.lab.steer.UnitNumbers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Changes features and asks again. */
@Command(
    name = "steer",
    description = {
      "Set, scale, raise or remove features inside the tower and see the zero-shot answer change,"
          + " on one image or many.",
      "The SAE's error is added back, so nothing else is touched. --curve asks at many strengths."
    },
    footer = {
      "",
      "Example: clipsteer steer --run runs/l8 --image dog.jpg --feature 17 --set 150"
          + " --labels \"dog,cat\"",
      "         clipsteer steer --run runs/all --images photos --limit 200 --feature 7:1234"
          + " --curve --vocabulary words.txt"
    })
final class SteerCommand implements Callable<Integer> {
  private static final int TOP = 5;

  private static final class Change {
    @Option(
        names = "--set",
        paramLabel = "A",
        description = "The activation becomes A, in units of the normalised residual.")
    private @Nullable Double set;

    @Option(names = "--scale", paramLabel = "S", description = "It is multiplied by S.")
    private @Nullable Double scale;

    @Option(names = "--add", paramLabel = "A", description = "It grows by A.")
    private @Nullable Double add;

    @Option(names = "--ablate", description = "It becomes 0.")
    private boolean ablate;

    Rule rule() {
      if (set != null) return new Rule.Set((float) finite("--set", set));
      if (scale != null) return new Rule.Scale(finite("--scale", scale));
      return add != null ? new Rule.Add(finite("--add", add)) : Rule.ablate();
    }

    private static double finite(String option, double number) {
      if (!Double.isFinite(number)) {
        throw new InputException(option, number + " is not finite", "Give a number");
      }
      return number;
    }

    Map<String, Object> json() {
      if (set != null) return Map.of("set", set);
      if (add != null) return Map.of("add", add);
      return scale != null ? Map.of("scale", scale) : Map.of("ablate", true);
    }

    String words() {
      if (set != null) return "set to " + set;
      if (add != null) return "raised by " + add;
      return scale != null ? "multiplied by " + scale : "ablated";
    }
  }

  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common;
  @Mixin private RunOptions runs;
  @Mixin private ImageOptions images;
  @Mixin private UnitOptions units;

  @ArgGroup(exclusive = false, multiplicity = "1")
  private LibraryOptions words;

  @ArgGroup(exclusive = true, multiplicity = "0..1")
  private @Nullable Change change;

  @Option(names = "--image", paramLabel = "FILE", description = "One image, in place of --images.")
  private @Nullable Path image;

  @Option(
      names = "--at",
      defaultValue = "all",
      paramLabel = "TOKENS",
      description = {
        "Tokens to edit: all, cls, patches, or numbers as 3,4,9, the class token being 0"
            + " (default: ${DEFAULT-VALUE})."
      })
  private String at;

  @Option(
      names = "--raw",
      description = "--set and --add in units of the residual, not of the normalised one.")
  private boolean raw;

  @Option(
      names = "--splice",
      description = "Put the SAE's reconstruction in the residual's place: its error is left out.")
  private boolean splice;

  @Option(
      names = "--curve",
      arity = "0..1",
      fallbackValue = "-20,-10,0,10,20,30,50,75,100,125,150",
      split = ",",
      paramLabel = "A,B",
      description = "Also set the units to each of these (bare: -20 to 150).")
  private List<Double> curve = List.of();

  @Override
  public Integer call() {
    common.apply();
    curve = curve.stream().sorted().toList();
    check();
    RunFolder folder = runs.folder();
    RunFolder.Run trained = folder.read();
    UnitOptions.Places places = units.places(trained);
    try (ClipModel clip = runs.load(trained, common.device());
        RunSaes saes =
            RunSaes.open(folder, new RunFolder.Run(trained.model(), places.entries()), clip)) {
      Map<HookPoint, SteeredSite> sites = sites(places, saes, clip);
      TextLibrary library = words.resolve(clip, common.progress());
      double[] strengths = curve.stream().mapToDouble(Double::doubleValue).toArray();
      Rule rule = change != null ? change.rule() : new Rule.Set((float) last());
      Steer steer = new Steer(clip, library, sites, rule, strengths);
      Steer.SteeredAnswers result = answers(steer, clip);
      images.printSkipped(result.skipped());
      common.print(json(sites, result), text(sites, result));
    }
    return 0;
  }

  private Steer.SteeredAnswers answers(Steer steer, ClipModel clip) {
    if (image == null) return steer.all(images.resolve(clip), TOP, common.progress());
    try (Scope scope = Scope.open()) {
      return steer.one(Images.one(clip, image), TOP);
    }
  }

  private void check() {
    if (image != null && images.isGiven()) throw usage("Give --image or --images, not both");
    if (image == null) images.images(); // says that it is missing
    if (image != null && Files.isDirectory(image)) {
      throw new InputException(image, "is a folder", "Name it with --images");
    }
    boolean changes = change != null || !curve.isEmpty();
    if (units.areNamed() && !changes) {
      throw usage("Nothing to do: give --set, --add, --scale, --ablate or --curve");
    }
    if (changes && !units.areNamed()) {
      throw usage("No unit to change: give --feature, --neuron or --random");
    }
    for (double strength : curve) {
      if (!Double.isFinite(strength)) {
        throw new InputException("--curve", strength + " is not finite", "Give numbers");
      }
    }
    boolean moves = change == null || change.set != null || change.add != null;
    if (units.areRandom() && !moves) {
      throw new InputException(
          "--random", "a direction has no activation to scale or remove", "Use --set or --add");
    }
  }

  /** Whether nothing is changed. */
  private boolean isListing() {
    return change == null && curve.isEmpty();
  }

  /** The activation of units where only the curve names one: its last; 0 without a curve. */
  private double last() {
    return curve.isEmpty() ? 0 : curve.getLast();
  }

  private ParameterException usage(String message) {
    return new ParameterException(spec.commandLine(), message);
  }

  private Map<HookPoint, SteeredSite> sites(
      UnitOptions.Places places, RunSaes saes, ClipModel clip) {
    TokenMask tokens = new TokenMask(at);
    int prefix = clip.vision().config().prefixTokens();
    int patch = clip.vision().config().patch();
    var input = clip.preprocessing();
    tokens.mask(prefix, prefix + input.height() / patch * (input.width() / patch));
    Map<HookPoint, SteeredSite> sites = new LinkedHashMap<>();
    for (RunSaes.One one : saes.all()) {
      UnitOptions.Units own = places.at(one.entry());
      var numbers = new UnitNumbers(own.features(), own.neurons(), own.randoms());
      EditSite site = new EditSite(one.point(), tokens, prefix);
      var steered = new SteeredSite(site, one.sae(), numbers, raw, splice);
      if (sites.put(one.point(), steered) != null) {
        throw new InputException(
            one.point(), "is edited through two SAEs", "Name units of one SAE for each place");
      }
    }
    return sites;
  }

  // ---- what is printed --------------------------------------------------------------------------

  private Map<String, Object> json(Map<HookPoint, SteeredSite> sites, Steer.SteeredAnswers result) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("source", image != null ? image.toString() : images.images().toString());
    json.put("images", result.images());
    images.addSkipped(json, result.skipped());
    List<Map<String, Object>> changed = new ArrayList<>();
    sites.forEach(
        (point, site) -> {
          Map<String, Object> one = new LinkedHashMap<>();
          one.put("hook_point", point.peerName());
          one.put("features", site.units().features());
          one.put("neurons", site.units().neurons());
          one.put("randoms", site.units().randoms());
          changed.add(one);
        });
    json.put("edits", changed);
    json.put("change", change == null ? Map.of("set", last()) : change.json());
    json.put("at", at);
    json.put("raw", raw);
    json.put("splice", splice);
    json.put("features", result.edited());
    json.put("before", result.before());
    if (splice) json.put("spliced", result.spliced());
    json.put("after", result.after());
    json.put("promoted", result.promoted());
    json.put("suppressed", result.suppressed());
    json.put("strongest_features", result.strongest());
    if (!result.curve().isEmpty()) json.put("curve", result.curve());
    return json;
  }

  private String text(Map<HookPoint, SteeredSite> sites, Steer.SteeredAnswers result) {
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            "%s at %s, tokens: %s%n",
            image != null ? image : Counted.of(result.images(), "image") + " of " + images.images(),
            sites.keySet().stream().map(HookPoint::peerName).collect(Collectors.joining(", ")),
            at));
    String done = change == null ? "set to " + last() : change.words();
    if (raw) done += " in the residual's units";
    for (var one : sites.entrySet()) {
      String place = " at " + one.getKey() + ": " + done + "\n";
      for (int neuron : one.getValue().units().neurons())
        text.append("neuron ").append(neuron).append(place);
      for (int k : one.getValue().units().randoms())
        text.append("direction ").append(k).append(place);
    }
    for (var f : result.edited()) {
      text.append(
          String.format(
              Locale.ROOT,
              "feature %d: before mean %.3f, largest %.3f; %s%n",
              f.feature(),
              f.mean(),
              f.max(),
              done));
    }
    text.append("before: ").append(line(result.before())).append('\n');
    // What the reconstruction does alone, so that it is not taken for the edit's effect.
    if (splice) text.append("spliced only: ").append(line(result.spliced())).append('\n');
    if (isListing()) return text.append(strongest(result)).toString();
    text.append("after:  ").append(line(result.after())).append('\n');
    if (result.images() > 1) {
      text.append("rose:   ").append(line(result.promoted())).append('\n');
      text.append("fell:   ").append(line(result.suppressed())).append('\n');
    }
    for (Steer.CurvePoint point : result.curve()) {
      text.append(
          String.format(Locale.ROOT, "%8.1f  %s%n", point.strength(), line(point.followed())));
    }
    return text.append(strongest(result)).toString();
  }

  private static String strongest(Steer.SteeredAnswers result) {
    StringBuilder text = new StringBuilder();
    String place = "";
    for (var f : result.strongest()) {
      if (!f.hookPoint().equals(place)) {
        if (!place.isEmpty()) text.append('\n');
        place = f.hookPoint();
        text.append("strongest features at ").append(place).append(':');
      }
      text.append(String.format(Locale.ROOT, " %d (%.2f)", f.feature(), f.mean()));
    }
    return text.toString();
  }

  static String line(List<Steer.WordProbability> answers) {
    return answers.stream()
        .map(
            a ->
                a.low() == a.high()
                    ? String.format(Locale.ROOT, "%s %.1f %%", a.word(), 100 * a.probability())
                    : String.format(
                        Locale.ROOT,
                        "%s %.1f %% (%.1f–%.1f)",
                        a.word(),
                        100 * a.probability(),
                        100 * a.low(),
                        100 * a.high()))
        .collect(Collectors.joining(", "));
  }
}
