// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.cli.report.Definitions;
import io.clipsteer.cli.report.MeasuredSteerability;
import io.clipsteer.data.InputException;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.imageset.JoinReport;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.explorer.Definition;
import io.clipsteer.explorer.ExploredRun;
import io.clipsteer.explorer.Explorer;
import io.clipsteer.explorer.SteeredFeature;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.Indexer;
import io.clipsteer.lab.index.Labels;
import io.clipsteer.lab.label.LabelQueue;
import io.clipsteer.lab.label.PlanFolder;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What the explorer opens: runs, the labels of the images, words, heads. */
public final class ExplorerOptions {
  @Option(
      names = "--run",
      required = true,
      paramLabel = "RUN",
      description = "Training run: the --out of clipsteer train. Repeatable.")
  private List<Path> runs = List.of();

  @Option(
      names = "--labels",
      paramLabel = "TSV",
      description = "Labels of the images, as of clipsteer index (default: class folders).")
  private @Nullable Path labels;

  @Option(
      names = "--library",
      paramLabel = "DIR",
      description =
          "Text embeddings, for a model without text tower (default: those of index --library).")
  private @Nullable Path library;

  @Option(
      names = "--templates",
      paramLabel = "FILE",
      description = "Prompt templates, one a line with {} (default: \"a photo of a {}.\").")
  private @Nullable Path templates;

  @Option(
      names = "--probe",
      paramLabel = "PROBE",
      description = "A head of clipsteer probe train that answers, too. Repeatable.")
  private List<Path> probes = List.of();

  @Option(
      names = "--steerability",
      paramLabel = "DIR",
      description =
          "The --out of clipsteer steerability on a run: its features' pages show it. Repeatable.")
  private List<Path> steerability = List.of();

  @Option(
      names = "--vocabulary",
      paramLabel = "FILE",
      description =
          "Words to name features with where a run is indexed first (default: the tokenizer's"
              + " words).")
  private @Nullable Path vocabulary;

  @Option(
      names = "--plan",
      paramLabel = "DIR",
      description = "The --out of clipsteer labels plan: the page asks its trials.")
  private @Nullable Path plan;

  /** The words of a vocabulary; null where none is given. */
  public @Nullable List<String> vocabulary() {
    return vocabulary == null ? null : Indexer.checked(vocabulary, WordList.once(vocabulary));
  }

  /** The table of labels; null for class folders. */
  public @Nullable Path labelTable() {
    return labels;
  }

  /** Loads the runs and lists the images; {@link Explorer#start} takes the runs over. */
  public Explorer.ExplorerSettings settings(
      ImageOptions images,
      Device device,
      String host,
      int port,
      boolean readOnly,
      Consumer<URI> renewed) {
    // Half of the start is loading libraries and reading what does not wait for the model.
    var engine = CompletableFuture.runAsync(Engine::threads, ExplorerOptions::started);
    var database = CompletableFuture.runAsync(FeatureQuery::load, ExplorerOptions::started);
    var listed = CompletableFuture.supplyAsync(() -> listed(images), ExplorerOptions::started);
    List<ExploredRun> opened = new ArrayList<>();
    try {
      for (Path run : runs) opened.add(open(run, device));
      engine.join();
      ImagesWithLabels own = listed.join();
      database.join();
      return new Explorer.ExplorerSettings(
          opened,
          own.set,
          own.labels,
          images.isUpright(),
          host,
          port,
          definitions(),
          plan == null ? null : LabelQueue.open(new PlanFolder(plan)),
          renewed,
          readOnly);
    } catch (CompletionException e) {
      opened.forEach(ExploredRun::close);
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    } catch (RuntimeException e) {
      opened.forEach(ExploredRun::close);
      throw e;
    }
  }

  private static void started(Runnable work) {
    Thread.ofPlatform().daemon().start(work);
  }

  private record ImagesWithLabels(ImageSet set, Labels labels) {}

  private ImagesWithLabels listed(ImageOptions images) {
    ImageSet set = images.set();
    Labels known = labels == null ? Labels.ofClasses() : Labels.read(labels);
    JoinReport joined = known.join(set);
    if (joined != null) Skips.print(joined);
    return new ImagesWithLabels(set, known);
  }

  private static List<Definition> definitions() {
    return Definitions.read().terms().stream()
        .map(one -> new Definition(one.key(), one.name(), one.text()))
        .toList();
  }

  private ExploredRun open(Path path, Device device) {
    RunFolder folder = RunOptions.folder(path);
    RunFolder.Run trained = folder.read();
    Path checkpoint = RunOptions.checkpoint(path, trained, null, "its model's place in run.json");
    ClipModel model = ClipModel.load(checkpoint, DType.F32, device);
    RunSaes saes = null;
    try {
      saes = RunSaes.open(folder, trained, model);
      return open(folder, model, saes);
    } catch (RuntimeException e) {
      if (saes != null) saes.close();
      model.close();
      throw e;
    }
  }

  private ExploredRun open(RunFolder folder, ClipModel model, RunSaes saes) {
    Map<String, AnswerHead> heads = new LinkedHashMap<>();
    List<ExploredRun.NamedProbe> pixels = new ArrayList<>();
    Map<String, Path> places = new LinkedHashMap<>();
    for (Path path : probes) {
      String name = String.valueOf(path.toAbsolutePath().normalize().getFileName());
      if (places.put(name, path) != null) {
        throw new InputException("--probe " + path, "has another's name", "Rename its folder");
      }
      Probe probe = Probe.read(path);
      if (probe.reads().task() == Probe.HeadTask.SEGMENTATION) {
        probe.check(model, path);
        pixels.add(new ExploredRun.NamedProbe(name, probe));
      } else {
        heads.put(name, probe.head(model, path));
      }
    }
    Path words = library;
    if (words == null && model.text() == null) words = IndexFolder.of(folder).library();
    TextLibrary read = words == null ? null : TextLibrary.read(words);
    if (read != null) ZeroShot.checkFits(model, read);
    List<String> prompts =
        templates == null ? ZeroShot.DEFAULT_TEMPLATES : ZeroShot.readTemplates(templates);
    return new ExploredRun(
        folder, model, saes, read, prompts, heads, pixels, places, steered(folder));
  }

  /** The measurement of this run, if there is one; that of another run is refused. */
  private Map<String, Map<Integer, SteeredFeature>> steered(RunFolder folder) {
    InputException other = null;
    for (Path path : steerability) {
      MeasuredSteerability measured = MeasuredSteerability.read(path);
      try {
        measured.checkOf(folder);
        return measured.ofExplorer();
      } catch (InputException e) {
        other = e;
      }
    }
    // Of several runs another one may be meant.
    if (other != null && runs.size() == 1) throw other;
    return Map.of();
  }
}
