// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.Counted;
import io.clipsteer.lab.Pictures;
import io.clipsteer.lab.RunFolder;
import io.clipsteer.lab.RunSaes;
import io.clipsteer.lab.steer.Push;
import io.clipsteer.lab.steer.Steer;
import io.clipsteer.lab.steer.Tokens;
import io.clipsteer.lab.steer.UnitEdit;
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
          + " on one picture or many.",
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

    Push push() {
      if (set != null) return Push.set(finite("--set", set));
      if (scale != null) return Push.scale(finite("--scale", scale));
      return add != null ? Push.add(finite("--add", add)) : Push.ablate();
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
  @Mixin private PictureOptions pictures;

  @ArgGroup(exclusive = false, multiplicity = "1")
  private LibraryOptions words;

  @ArgGroup(exclusive = true, multiplicity = "0..1")
  private @Nullable Change change;

  @Option(
      names = "--image",
      paramLabel = "FILE",
      description = "One picture, in place of --images.")
  private @Nullable Path image;

  @Option(
      names = "--feature",
      paramLabel = "L:F",
      description = {
        "Layer and feature number, from 0; the number alone where the run has one SAE. May be given"
            + " several times, as the next two."
      })
  private List<String> features = List.of();

  @Option(
      names = "--neuron",
      paramLabel = "L:N",
      description = "Layer and coordinate of the residual, whose value is the activation.")
  private List<String> neurons = List.of();

  @Option(
      names = "--random",
      paramLabel = "L:K",
      description =
          "Layer and number of a random direction, as long as decoder rows: --set, --add.")
  private List<String> randoms = List.of();

  @Option(
      names = "--sae",
      paramLabel = "PART",
      description = "Of SAEs of one layer, the one whose folder's name holds PART, as topk.")
  private @Nullable String part;

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
    Places places = places(trained);
    try (ClipModel clip = runs.load(trained, common.device());
        RunSaes saes =
            RunSaes.open(folder, new RunFolder.Run(trained.model(), places.entries()), clip)) {
      Map<HookPoint, UnitEdit> edits = edits(places, saes, clip);
      TextLibrary library = words.resolve(clip, common.progress());
      double[] strengths = curve.stream().mapToDouble(Double::doubleValue).toArray();
      Steer steer = new Steer(clip, library, edits, strengths);
      Steer.Result result = ask(steer, clip);
      result.skipped().forEach(s -> System.err.println("left out " + s.id() + ": " + s.reason()));
      common.print(json(edits, result), text(edits, result));
    }
    return 0;
  }

  private Steer.Result ask(Steer steer, ClipModel clip) {
    if (image == null) return steer.all(pictures.resolve(clip), TOP, common.progress());
    try (Scope scope = Scope.open()) {
      return steer.one(Pictures.one(clip, image), TOP);
    }
  }

  private void check() {
    if (image != null && pictures.isGiven()) throw usage("Give --image or --images, not both");
    if (image == null) pictures.images(); // says that it is missing
    if (image != null && Files.isDirectory(image)) {
      throw new InputException(image, "is a folder", "Name it with --images");
    }
    boolean changes = change != null || !curve.isEmpty();
    boolean units = !features.isEmpty() || !neurons.isEmpty() || !randoms.isEmpty();
    if (units && !changes) {
      throw usage("Nothing to do: give --set, --add, --scale, --ablate or --curve");
    }
    if (changes && !units) {
      throw usage("No unit to change: give --feature, --neuron or --random");
    }
    for (double strength : curve) {
      if (!Double.isFinite(strength)) {
        throw new InputException("--curve", strength + " is not finite", "Give numbers");
      }
    }
    boolean moves = change == null || change.set != null || change.add != null;
    if (!randoms.isEmpty() && !moves) {
      throw new InputException(
          "--random", "a direction has no activation to scale or remove", "Use --set or --add");
    }
  }

  /** Whether nothing is changed. */
  private boolean isListing() {
    return change == null && curve.isEmpty();
  }

  /** What units become where the curve alone says it: the last strength; 0 where there is none. */
  private Push set() {
    return curve.isEmpty() ? Push.ablate() : Push.set(curve.getLast());
  }

  private ParameterException usage(String message) {
    return new ParameterException(spec.commandLine(), message);
  }

  // ---- which units ------------------------------------------------------------------------------

  /** Units by the SAE that they belong to, in the order in which the places were named. */
  private static final class Places {
    private final Map<String, RunFolder.SaeEntry> entries = new LinkedHashMap<>();
    private final Map<String, Units> units = new LinkedHashMap<>();

    private record Units(List<Integer> features, List<Integer> neurons, List<Integer> randoms) {}

    Units at(RunFolder.SaeEntry entry) {
      entries.put(entry.folder(), entry);
      return units.computeIfAbsent(
          entry.folder(), f -> new Units(new ArrayList<>(), new ArrayList<>(), new ArrayList<>()));
    }

    List<RunFolder.SaeEntry> entries() {
      return List.copyOf(entries.values());
    }
  }

  private Places places(RunFolder.Run trained) {
    Places places = new Places();
    for (String one : features) {
      places.at(entry(trained, "--feature", one)).features().add(number("--feature", one));
    }
    for (String one : neurons) {
      places.at(entry(trained, "--neuron", one)).neurons().add(number("--neuron", one));
    }
    for (String one : randoms) {
      places.at(entry(trained, "--random", one)).randoms().add(number("--random", one));
    }
    // Without a unit nothing is changed: each place's strongest features are listed.
    if (places.entries.isEmpty()) {
      for (RunFolder.SaeEntry entry : trained.saes()) {
        if (part == null || entry.folder().contains(part)) {
          if (places.entries.values().stream().noneMatch(e -> e.point().equals(entry.point()))) {
            places.at(entry);
          }
        }
      }
      if (places.entries.isEmpty()) {
        throw new InputException("--sae " + part, "the run has no such SAE", "Leave it out");
      }
    }
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
    number(option, text);
    int colon = text.indexOf(':');
    List<RunFolder.SaeEntry> fitting =
        trained.saes().stream()
            .filter(
                e -> colon < 0 || e.point().layer() == Integer.parseInt(text.substring(0, colon)))
            .filter(e -> part == null || e.folder().contains(part))
            .toList();
    if (fitting.size() == 1) return fitting.getFirst();
    String all =
        trained.saes().stream().map(RunFolder.SaeEntry::folder).collect(Collectors.joining(", "));
    if (fitting.isEmpty()) {
      throw new InputException(option + " " + text, "the run has no such SAE", "It has " + all);
    }
    throw new InputException(
        option + " " + text,
        "fits " + fitting.size() + " SAEs of the run",
        "Write LAYER:NUMBER, and --sae with a part of the folder's name; it has " + all);
  }

  private Map<HookPoint, UnitEdit> edits(Places places, RunSaes saes, ClipModel clip) {
    Push push = change != null ? change.push() : set();
    Tokens tokens = new Tokens(at);
    int prefix = clip.vision().config().prefixTokens();
    int patch = clip.vision().config().patch();
    var input = clip.preprocessing();
    tokens.mask(prefix, prefix + input.height() / patch * (input.width() / patch));
    Map<HookPoint, UnitEdit> edits = new LinkedHashMap<>();
    for (RunSaes.One one : saes.all()) {
      Places.Units units = places.at(one.entry());
      UnitEdit edit =
          new UnitEdit(
              one.sae(),
              units.features(),
              units.neurons(),
              units.randoms(),
              push,
              raw,
              splice,
              tokens,
              prefix);
      if (edits.put(one.point(), edit) != null) {
        throw new InputException(
            one.point(), "is edited through two SAEs", "Name units of one SAE for each place");
      }
    }
    return edits;
  }

  // ---- what is printed --------------------------------------------------------------------------

  private Map<String, Object> json(Map<HookPoint, UnitEdit> edits, Steer.Result result) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("source", image != null ? image.toString() : pictures.images().toString());
    json.put("images", result.images());
    json.put("skipped", result.skipped().size());
    List<Map<String, Object>> changed = new ArrayList<>();
    edits.forEach(
        (point, edit) -> {
          Map<String, Object> one = new LinkedHashMap<>();
          one.put("hook_point", point.peerName());
          one.put("features", edit.features());
          one.put("neurons", edit.neurons());
          one.put("randoms", edit.randoms());
          changed.add(one);
        });
    json.put("edits", changed);
    json.put("change", change == null ? Map.of("set", set().offset()) : change.json());
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

  private String text(Map<HookPoint, UnitEdit> edits, Steer.Result result) {
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            "%s at %s, tokens: %s%n",
            image != null
                ? image
                : Counted.of(result.images(), "picture") + " of " + pictures.images(),
            edits.keySet().stream().map(HookPoint::peerName).collect(Collectors.joining(", ")),
            at));
    String done = change == null ? "set to " + set().offset() : change.words();
    if (raw) done += " in the residual's units";
    for (var one : edits.entrySet()) {
      String place = " at " + one.getKey() + ": " + done + "\n";
      for (int neuron : one.getValue().neurons())
        text.append("neuron ").append(neuron).append(place);
      for (int k : one.getValue().randoms()) text.append("direction ").append(k).append(place);
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
    for (Steer.Point point : result.curve()) {
      text.append(
          String.format(Locale.ROOT, "%8.1f  %s%n", point.strength(), line(point.followed())));
    }
    return text.append(strongest(result)).toString();
  }

  private static String strongest(Steer.Result result) {
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

  static String line(List<Steer.Answer> answers) {
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
