// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static java.util.stream.Collectors.joining;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.cli.option.AnswerOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.RuleOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.UnitOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.experiment.Experiment;
import io.clipsteer.lab.experiment.MapPicture;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.FeatureSearch;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.steer.SteeredSite;
import io.clipsteer.lab.steer.Strength;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code experiment}. */
@Command(
    name = "experiment",
    description = {
      "Observe, hypothesise, test, on one image: list the features of some patches, edit some of"
          + " them, and compare the answers before and after.",
      "Units are changed alike by one of --set to --ablate; or each is set to an activation of its"
          + " own, as in --feature 7:12=0 --feature 7:30=2x.",
      "Answers are those of words or of a probe; with a probe of pixels, a map of classes and where"
          + " it changed."
    },
    footer = {
      "Example: clipsteer experiment --run runs/all --probe probes/roads --image road.png --patches"
          + " 120-123",
      "         clipsteer experiment --run runs/all --probe probes/roads --image road.png --patches"
          + " 120-123 --feature 11:417 --ablate --map road-map.png"
    })
final class ExperimentCommand implements Runnable {
  private static final int EXEMPLARS = 4;
  private static final int SHOWN = 8;

  @Mixin private CommonOptions common;
  @Mixin private RunOptions runs;
  @Mixin private UnitOptions units;
  @Mixin private AnswerOptions answers;

  @ArgGroup(exclusive = true, multiplicity = "0..1")
  private @Nullable RuleOptions change;

  @Option(
      names = "--random",
      paramLabel = "L:K=SET",
      description = "Random direction number K at layer L, a control, set to an activation.")
  private List<String> randoms = List.of();

  @Option(names = "--image", required = true, paramLabel = "FILE", description = "The image.")
  private Path image;

  @Option(
      names = "--patches",
      paramLabel = "LIST",
      description =
          "Patches whose features are listed, row by row from 0, as 3,4,17-19 (default: all).")
  private @Nullable String patches;

  @Option(
      names = "--at",
      defaultValue = "all",
      paramLabel = "TOKENS",
      description = "Tokens to edit: all, cls, patches, or selected (those of --patches).")
  private String at;

  @Option(
      names = "--map",
      paramLabel = "PNG",
      description =
          "With a probe of pixels: a new file with the image, its map before and after, and where"
              + " it changed.")
  private @Nullable Path map;

  @Option(names = "--count", defaultValue = "10", description = "Features to list.")
  private int count;

  @Option(
      names = "--max-frequency",
      defaultValue = "0.1",
      paramLabel = "SHARE",
      description = "Do not list features that are active on this share of tokens or more.")
  private double maxFrequency;

  /** A feature of the patches, with the images on which it is most active. */
  private record Found(@JsonUnwrapped FeatureSearch.Hit feature, List<String> exemplars) {}

  /** What {@code --json} prints. */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  private record Json(
      String image,
      List<Integer> patches,
      @Nullable List<Found> features,
      List<String> edited,
      @Nullable Map<String, Object> change,
      String at,
      @Nullable List<Experiment.ClassAnswer> answers,
      @Nullable List<Experiment.Maps.MovedPixels> moved,
      @Nullable Double changedHere,
      @Nullable Double changedElsewhere,
      @Nullable String map,
      @Nullable Map<String, String> colours) {}

  @Override
  public void run() {
    common.apply();
    answers.require();
    check();
    List<Integer> few = patches == null ? List.of() : SearchCommand.patches(patches);
    RunFolder.Run trained = runs.folder().read();
    UnitOptions.Places places =
        areSet() ? units.setPlaces(trained, randoms) : units.places(trained, List.of());
    RunFolder.Run opened =
        areSet() || units.areNamed()
            ? new RunFolder.Run(trained.model(), places.entries())
            : trained;
    try (OpenRun run = runs.open(opened, TowerKind.VISION, common.device());
        Scope scope = Scope.open()) {
      Probe pixels = answers.pixels(run.clip());
      if (map != null && pixels == null) {
        throw new InputException(
            "--map " + map, "needs a probe of pixels", "Train one on segmentation: masks");
      }
      ClipModel clip = run.clip();
      Preprocessing own = clip.preprocessing();
      Preprocessing shape = pixels != null && pixels.reads().squashed() ? own.squashed() : own;
      inGrid(few, clip, shape);
      RgbImage decoded = ImageDecoder.decode(image);
      Tensor input = Tensor.of(shape.apply(decoded), 1, 3, shape.height(), shape.width());
      List<Found> features = features(run, input, few);
      var experiment = new Experiment(clip.vision(), hooks(places, run, few));
      List<Experiment.ClassAnswer> classes =
          pixels != null
              ? null
              : experiment.answers(input, answers.resolve(clip, common.progress()));
      Experiment.Maps maps = pixels == null ? null : experiment.maps(input, pixels, shape);
      if (map != null && maps != null) {
        MapPicture.write(map, decoded, shape, maps.before(), maps.after());
      }
      Set<Integer> chosen = new HashSet<>(few);
      boolean changes = change != null || areSet();
      Json json =
          new Json(
              image.toString(),
              few,
              features,
              edited(places),
              change == null ? null : change.json(),
              at,
              classes,
              maps == null || pixels == null ? null : maps.moved(pixels.classes()),
              maps == null || !changes || few.isEmpty() ? null : maps.changed(chosen, false),
              maps == null || !changes ? null : maps.changed(chosen, true),
              map == null ? null : map.toString(),
              map == null || maps == null || pixels == null
                  ? null
                  : MapPicture.legend(maps.before(), maps.after(), pixels.classes()));
      common.print(json, text(json));
    }
  }

  private void check() {
    CommonOptions.within("--count", count, 1, 1000);
    if (areSet() && change != null) {
      throw common.usage("The units are set already: omit --set, --add, --scale, --cap, --ablate");
    }
    if (!areSet() && units.areNamed() != (change != null)) {
      throw common.usage(
          change == null
              ? "Nothing to do: give --set, --add, --scale, --cap or --ablate"
              : "No unit to edit: give --feature or --neuron");
    }
    if (at.equals("selected") && patches == null) {
      throw common.usage("--at selected needs --patches");
    }
    if (Files.isDirectory(image)) {
      throw new InputException(image, "is a folder", "Name an image file");
    }
    if (map != null && Files.exists(map)) {
      throw new InputException(map, "is there already", "Name another");
    }
  }

  private static void inGrid(List<Integer> few, ClipModel clip, Preprocessing shape) {
    int patch = clip.vision().config().patch();
    int all = shape.height() / patch * (shape.width() / patch);
    for (int one : few) {
      if (one < all) continue;
      throw new InputException(
          "--patches " + one, "there are patches 0 to " + (all - 1), "Name some of them");
    }
  }

  private boolean areSet() {
    return units.areSet() || !randoms.isEmpty();
  }

  private Hooks hooks(UnitOptions.Places places, OpenRun run, List<Integer> few) {
    if (change == null && !areSet()) return Hooks.NONE;
    int prefix = run.clip().vision().config().prefixTokens();
    String tokens =
        at.equals("selected")
            ? few.stream().map(p -> String.valueOf(prefix + p)).collect(joining(","))
            : at;
    Map<HookPoint, SteeredSite> sites = places.sites(run, runs.path(), tokens, false, false);
    Hooks hooks = Hooks.NONE;
    for (RunSaes.One one : run.saes().all()) {
      SteeredSite site = Objects.requireNonNull(sites.get(one.point()));
      ResidualEdit edit =
          change == null ? site.setTo(places.strengths(one.entry())) : site.edit(change.rule());
      hooks = hooks.edit(one.point(), edit);
    }
    return hooks;
  }

  private static List<String> edited(UnitOptions.Places places) {
    List<String> all = new ArrayList<>();
    for (RunFolder.SaeEntry entry : places.entries()) {
      List<String> own = new ArrayList<>();
      int layer = entry.point().layer();
      for (int id : places.at(entry).features()) own.add(layer + ":" + id);
      for (int id : places.at(entry).neurons()) own.add("neuron " + layer + ":" + id);
      for (int id : places.at(entry).randoms()) own.add("random direction " + layer + ":" + id);
      List<Strength> set = places.strengths(entry);
      for (int k = 0; k < own.size(); k++) {
        all.add(set.isEmpty() ? own.get(k) : own.get(k) + " set to " + set.get(k));
      }
    }
    return all;
  }

  /** The strongest features of the patches; null without an index of the run. */
  private @Nullable List<Found> features(OpenRun run, Tensor input, List<Integer> few) {
    IndexFolder index = IndexFolder.of(run.folder());
    if (!index.has(IndexedUnits.FEATURES)) {
      System.err.println(
          "features are not listed: they need an index of the run (clipsteer index --run "
              + run.folder().path()
              + " --images SRC)");
      return null;
    }
    List<Found> found = new ArrayList<>();
    FeatureSearch search = FeatureSearch.open(index);
    for (FeatureSearch.Hit hit :
        search.byImage(run.clip(), run.saes(), input, few, maxFrequency, count)) {
      String sql =
          "SELECT image FROM feature_tops WHERE sae = '%s' AND id = %d AND ranking = 'max' AND rank"
              + " <= %d ORDER BY rank";
      var rows =
          FeatureQuery.run(index, sql.formatted(hit.sae().replace("'", "''"), hit.id(), EXEMPLARS));
      List<String> exemplars =
          rows.rows().stream().map(row -> String.valueOf(row.getFirst())).toList();
      found.add(new Found(hit, exemplars));
    }
    return found;
  }

  private String text(Json json) {
    Lines text = new Lines();
    if (json.features != null) {
      text.add("layer  feature     score   active  name            most active on%n");
      for (Found one : json.features) {
        FeatureSearch.Hit hit = one.feature;
        text.add(
            "%5d  %7d  %8.4f  %5.3f %%  %-14s  %s%n",
            hit.layer(),
            hit.id(),
            hit.score(),
            100 * hit.frequency(),
            hit.name() == null ? IndexFolder.NO_NAME : hit.name(),
            String.join(", ", one.exemplars));
      }
    }
    if (change != null || areSet()) {
      String what = String.join(", ", json.edited);
      text.add("%n%s%s, tokens: %s%n", what, change == null ? "" : " " + change.words(), at);
    }
    if (json.answers != null) {
      text.add("%n%-24s %8s %8s %12s%n", "class", "before", "after", "logit change");
      for (Experiment.ClassAnswer one : json.answers.stream().limit(SHOWN).toList()) {
        text.add(
            "%-24s %6.1f %% %6.1f %% %+12.2f%n",
            one.name(), 100 * one.before(), 100 * one.after(), one.logitChange());
      }
    }
    if (json.moved != null && (change != null || areSet())) {
      text.add(
          "%n%s%n", json.moved.isEmpty() ? "no pixel changed its class" : "pixels that changed");
      for (Experiment.Maps.MovedPixels one : json.moved.stream().limit(SHOWN).toList()) {
        text.add("%8d  %s to %s%n", one.pixels(), one.from(), one.to());
      }
      if (json.changedHere != null) {
        text.add("%.0f %% of the named patches changed%n", 100 * json.changedHere);
      }
      if (json.changedElsewhere != null) {
        String which = json.changedHere == null ? "" : "other ";
        text.add("%.0f %% of the %spatches changed%n", 100 * json.changedElsewhere, which);
      }
    }
    if (json.map != null && json.colours != null) {
      String colours =
          json.colours.entrySet().stream()
              .map(one -> one.getKey() + " " + one.getValue())
              .collect(joining(", "));
      text.add("the map is in %s; its colours: %s%n", json.map, colours);
    }
    return text.toString();
  }
}
