// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.Layers;
import io.clipsteer.cli.option.LibraryOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.stats.Median;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.steer.Dose;
import io.clipsteer.lab.steer.Findings;
import io.clipsteer.lab.steer.LayerResult;
import io.clipsteer.lab.steer.SteerabilityFolder;
import io.clipsteer.lab.steer.SteerabilityReport;
import io.clipsteer.lab.steer.SteerabilityRun;
import io.clipsteer.lab.steer.SteerabilitySettings;
import io.clipsteer.lab.steer.SteeredUnits;
import io.clipsteer.lab.steer.TokenMask;
import io.clipsteer.lab.steer.VocabularyResult;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How far features, neurons and random directions steer the answers. */
@Command(
    name = "steerability",
    description = {
      "How far each feature of a run steers zero-shot answers over a vocabulary, beside neurons and"
          + " random directions.",
      "A stopped measurement is resumed with --resume. Tables of all units and"
          + " steerability.json go to --out."
    },
    footer = {
      "",
      "Example: clipsteer steerability --run runs/l8 --images photos --limit 192"
          + " --vocabulary words.txt --out runs/l8-steerability",
    })
final class SteerabilityCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;

  @ArgGroup(exclusive = false, multiplicity = "1")
  private LibraryOptions vocabulary;

  @Option(names = "--run", required = true, paramLabel = "RUN", description = "A training run.")
  private Path run;

  @Option(
      names = "--model",
      paramLabel = "PATH",
      description = "The checkpoint, when it is no longer where the run was trained.")
  private @Nullable Path model;

  @Option(
      names = "--layers",
      paramLabel = "LIST",
      description = "Layers, as 2,8 or 0-11 (default: all of the run).")
  private @Nullable String layers;

  @Option(
      names = "--units",
      defaultValue = "features,neurons,random",
      paramLabel = "LIST",
      description = "Of features, neurons, random (default: ${DEFAULT-VALUE}).")
  private String units;

  @Option(
      names = "--strength",
      defaultValue = "150",
      paramLabel = "A",
      description = {
        "Features are set to A, in units of the normalised activation; neurons to A; random"
            + " directions push by A (default: ${DEFAULT-VALUE})."
      })
  private double strength;

  @Option(
      names = "--tau",
      defaultValue = "0.1",
      description = "A unit with S above it is steerable (default: ${DEFAULT-VALUE}).")
  private double tau;

  @Option(
      names = "--at",
      defaultValue = "all",
      paramLabel = "TOKENS",
      description = "all, cls, patches or numbers as 3,4,9 (default: ${DEFAULT-VALUE}).")
  private String at;

  @Option(
      names = "--screen",
      description = "First few images, more only where a unit's verdict against tau is unclear.")
  private boolean screen;

  @Option(
      names = "--sample",
      defaultValue = "0",
      paramLabel = "N",
      description = "Only N features of each SAE, drawn at random (default: all).")
  private int sample;

  @Option(
      names = "--random-count",
      defaultValue = "512",
      paramLabel = "N",
      description = "Random directions at each hook point (default: ${DEFAULT-VALUE}).")
  private int randoms;

  @Option(
      names = "--dose",
      defaultValue = "0",
      paramLabel = "N",
      description = {
        "Also ask each SAE's N most steerable features at nine strengths: how strong half the"
            + " effect needs, and how far from real residuals that leads (default: none)."
      })
  private int dose;

  @Option(
      names = "--vocabulary-sizes",
      split = ",",
      paramLabel = "N",
      description = "Measure again with parts of the vocabulary of so many words, as 200,1000.")
  private List<Integer> vocabularies = List.of();

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "New folder, or with --resume a stopped measurement's.")
  private Path out;

  @Option(
      names = "--resume",
      description = "Resume a stopped measurement: units that were measured are not again.")
  private boolean resume;

  @Override
  public Integer call() {
    common.apply();
    WorkFolder.check(out, SteerabilityFolder.LAYOUT, resume);
    SteerabilitySettings settings =
        new SteerabilitySettings(
            kinds(),
            strength,
            tau,
            new TokenMask(at),
            screen,
            sample,
            randoms,
            dose,
            vocabularies,
            common.seed());
    RunFolder folder = RunOptions.folder(run);
    RunFolder.Run trained = Layers.chosen(folder.read(), layers);
    Path checkpoint = RunOptions.checkpoint(run, trained, model, "--model");
    try (ClipModel clip =
            ClipModel.load(checkpoint, io.clipsteer.data.tensor.DType.F32, common.device());
        RunSaes saes = RunSaes.open(folder, trained, clip)) {
      Images set = images.resolve(clip);
      TextLibrary library = vocabulary.resolve(clip, common.progress());
      var known = Findings.known(IndexFolder.of(folder), library);
      var measurement = new SteerabilityRun(clip, set, saes, library, settings, known);
      measurement.check();
      Map<String, String> hashes = RunOptions.hashes(folder, trained, clip);
      hashes.put("data", set.listing().sha256());
      hashes.put("words", sha256(String.join("\n", library.words())));
      ByteBuffer embeddings = ByteBuffer.allocate(4 * library.embeddings().length);
      embeddings.asFloatBuffer().put(library.embeddings());
      hashes.put("embeddings", Hashes.sha256(embeddings.array()));
      hashes.put("index", sha256(JsonFile.line(known)));
      try (WorkFolder work =
          WorkFolder.open(out, SteerabilityFolder.LAYOUT, resume, common.manifest(hashes))) {
        var place = new SteerabilityFolder(out);
        SteerabilityReport report = measurement.run(place, common.progress());
        place.write(report);
        work.finish();
        images.printSkipped(report.skipped());
        common.print(report.json(), text(report));
      }
    }
    return 0;
  }

  private List<SteeredUnits.Kind> kinds() {
    List<SteeredUnits.Kind> kinds = new ArrayList<>();
    for (String word : units.split(",", -1)) {
      SteeredUnits.Kind found = null;
      for (SteeredUnits.Kind kind : SteeredUnits.Kind.values()) {
        if (kind.word().equals(word.strip().toLowerCase(Locale.ROOT))) found = kind;
      }
      if (found == null) {
        throw new InputException(
            "--units " + units, "\"" + word + "\" is no kind", "Use features,neurons,random");
      }
      if (!kinds.contains(found)) kinds.add(found);
    }
    return kinds;
  }

  private static String sha256(String text) {
    return Hashes.sha256(text.getBytes(StandardCharsets.UTF_8));
  }

  private String text(SteerabilityReport report) {
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT,
            "%s, %s, strength %s, tau %s; tables in %s%n%n",
            Counted.of(report.images(), "image"),
            Counted.of(report.words(), "word"),
            strength,
            tau,
            out));
    text.append("layer  unit           n   mean S   above tau            coverage  seconds\n");
    Set<Integer> shared = shared(report.layers());
    for (LayerResult layer : report.layers()) {
      boolean named = shared.contains(layer.layer()) && !layer.sae().isEmpty();
      text.append(
          String.format(
              Locale.ROOT,
              "%5d  %-9s %6d  %7.4f  %5.1f %% (%4.1f–%5.1f)  %8d  %7.1f%s%n",
              layer.layer(),
              layer.unit().word(),
              layer.n(),
              layer.meanS(),
              100 * layer.share().value(),
              100 * layer.share().low(),
              100 * layer.share().high(),
              layer.coverage(),
              layer.seconds(),
              named ? "  " + Layers.name(layer.sae()) : ""));
    }
    more(text, report, shared);
    return text.toString();
  }

  /** Layers with more than one SAE, whose results a layer's number does not tell apart. */
  private static Set<Integer> shared(List<LayerResult> layers) {
    Map<Integer, Set<String>> saes = new TreeMap<>();
    for (LayerResult layer : layers) {
      if (layer.sae().isEmpty()) continue;
      saes.computeIfAbsent(layer.layer(), l -> new TreeSet<>()).add(layer.sae());
    }
    saes.values().removeIf(names -> names.size() < 2);
    return saes.keySet();
  }

  /** A layer in words, with the SAE's name where it has more than one. */
  private static String place(int layer, String sae, Set<Integer> shared) {
    boolean named = shared.contains(layer) && !sae.isEmpty();
    return "layer " + layer + (named ? " (" + Layers.name(sae) + ")" : "");
  }

  /** What was asked for beyond the table, and what the run's index adds. */
  private static void more(StringBuilder text, SteerabilityReport report, Set<Integer> shared) {
    for (LayerResult layer : report.layers()) {
      if (layer.doses().isEmpty()) continue;
      Median half = Median.of(layer.doses().stream().mapToDouble(Dose::half).toArray());
      text.append(
          String.format(
              Locale.ROOT,
              "%n%s: half the effect at strength %.1f (%.1f–%.1f), median of %s",
              place(layer.layer(), layer.sae(), shared),
              half.value(),
              half.low(),
              half.high(),
              Counted.of(half.n(), "feature")));
    }
    for (VocabularyResult one : report.vocabularies()) {
      text.append(
          String.format(
              Locale.ROOT,
              "%n%s (%s), %s, %s: mean S %.4f, above tau %.1f %%, coverage %d, rank"
                  + " correlation with all words %.2f (%.2f–%.2f)",
              Counted.of(one.words(), "word"),
              one.draw(),
              place(one.layer(), one.sae(), shared),
              one.unit().word(),
              one.meanS(),
              100 * one.share().value(),
              one.coverage(),
              one.whole().value(),
              one.whole().low(),
              one.whole().high()));
    }
    Findings findings = report.findings();
    if (findings == null) return;
    for (Findings.Named named : findings.names()) {
      if (named.first() == null
          || named.among() == null
          || named.raised() == null
          || named.chance() == null) {
        continue;
      }
      text.append(
          String.format(
              Locale.ROOT,
              "%n%s: of %d steerable features with a name in the vocabulary, %.0f %% promote"
                  + " it most, %.0f %% (%.0f–%.0f) among five, %.0f %% (%.0f–%.0f) raise it (any"
                  + " word: %.0f %%)",
              place(named.layer(), named.sae(), shared),
              named.first().n(),
              100 * named.first().value(),
              100 * named.among().value(),
              100 * named.among().low(),
              100 * named.among().high(),
              100 * named.raised().value(),
              100 * named.raised().low(),
              100 * named.raised().high(),
              100 * named.chance()));
    }
    for (Findings.Local local : findings.locality()) {
      text.append(
          String.format(
              Locale.ROOT,
              "%n%s: rank correlation of S with the share of the grid a feature covers %.2f"
                  + " (%.2f–%.2f), %s",
              place(local.layer(), local.sae(), shared),
              local.correlation().value(),
              local.correlation().low(),
              local.correlation().high(),
              Counted.of(local.features(), "feature")));
    }
  }
}
