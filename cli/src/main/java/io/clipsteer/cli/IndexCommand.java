// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.cli.option.BlockOptions;
import io.clipsteer.cli.option.ClusterOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.ResumeOption;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.option.WordList;
import io.clipsteer.cli.report.Commands;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.imageset.JoinReport;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.explorer.ExploredRun;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.index.IndexBlocks;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexRun;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.index.Indexer;
import io.clipsteer.lab.index.LabelColumn;
import io.clipsteer.lab.index.Labels;
import io.clipsteer.lab.run.BlockFiles;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.ImageBlocks;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code index}: statistics of every feature, in one pass over images. */
@Command(
    name = "index",
    description = {
      "Index a run's features: frequency, top images, monosemanticity, label AUROC, names.",
      "Reads the images once. The tables go to RUN/index as Parquet; query them with clipsteer"
          + " features, clipsteer search and clipsteer report."
    },
    footer = "Example: clipsteer index --run runs/l8 --images photos --labels photos.tsv --json")
final class IndexCommand implements Runnable, BlockCommand, PlannedCommand {
  /** The vocabulary that names are chosen from. */
  static final class Words {
    @Option(
        names = "--vocabulary",
        paramLabel = "FILE",
        description = "Words to name features with, one a line (default: the tokenizer's words).")
    private @Nullable Path vocabulary;

    @Option(
        names = "--library",
        paramLabel = "DIR",
        description = "Text embeddings to name with: text_embeddings.safetensors and words.txt.")
    private @Nullable Path library;
  }

  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;
  @Mixin private RunOptions runs;
  @Mixin private BlockOptions blocks;
  @Mixin private ClusterOptions cluster;
  @Mixin private ResumeOption resume;

  @Option(
      names = "--labels",
      paramLabel = "TSV",
      description =
          "Labels: a .tsv or .csv whose column file names the image and whose other columns are"
              + " labels, or a world's factors.jsonl (default: class folders).")
  private @Nullable Path labels;

  @ArgGroup(exclusive = true, multiplicity = "0..1")
  private @Nullable Words words;

  @Option(
      names = "--templates",
      paramLabel = "FILE",
      description = "Prompt templates, one a line with {} (default: the word alone).")
  private @Nullable Path templates;

  @Option(
      names = "--units",
      defaultValue = "features",
      description =
          "Units: ${COMPLETION-CANDIDATES} (coordinates of the residual stream, the baseline).")
  private IndexedUnits units;

  /** Top images stored by default. */
  private static final int TOP = 16;

  @Option(
      names = "--top",
      defaultValue = "" + TOP,
      description = "Top images stored per feature and ranking.")
  private int top;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "Folder for the tables (default: RUN/index).")
  private @Nullable Path out;

  /** What {@code --json} prints. */
  private record Json(
      String folder,
      int features,
      @JsonUnwrapped @JsonIgnoreProperties({"units", "skipped"}) Indexer.IndexSummary result,
      @JsonUnwrapped Skips.Counts skips,
      int vocabulary,
      @JsonInclude(JsonInclude.Include.NON_NULL) Skips.@Nullable JoinedJson labelsTable) {}

  @Override
  public void run() {
    common.apply();
    IndexFolder index = index();
    index.checkWritable(units);
    Labels known = labels();
    Progress progress = common.progress();
    Indexer.IndexSummary result;
    JoinReport joined;
    int vocabulary;
    try (OpenRun open = runs.open(common.device());
        WorkFolder work =
            WorkFolder.addTo(
                index.path(),
                IndexFolder.layout(units),
                IndexFolder.manifest(units),
                manifest(open))) {
      AtomicFiles.sweep(work.path());
      IndexRun run = run(open, known);
      Images set = run.blocks().images();
      joined = known.join(set.set());
      if (joined != null) Skips.print(joined);
      cluster.check(common);
      TextLibrary library = words(open.clip(), progress);
      vocabulary = library == null ? 0 : library.words().size();
      if (index.has(units)) {
        long before = index.read(units).images();
        String what = "replacing the index of " + units + " in " + index.path();
        System.err.println(what + " (" + before + " images)");
      }
      result =
          cluster.isGiven()
              ? onCluster(run, files(open), library, index)
              : Indexer.run(run, library, index, progress);
      work.finish();
    }
    for (LabelColumn column : result.labelColumns()) System.err.println(column.sentence());
    common.print(
        new Json(
            index.path().toString(),
            result.units(),
            result,
            images.report(result.skipped()),
            vocabulary,
            Skips.joined(joined)),
        text(index, result, vocabulary));
  }

  private IndexFolder index() {
    return out == null ? IndexFolder.of(runs.folder()) : new IndexFolder(out);
  }

  private Labels labels() {
    return labels == null ? Labels.ofClasses() : Labels.read(labels);
  }

  private IndexRun run(OpenRun open, Labels known) {
    Images set = images.resolve(open.clip());
    return new IndexRun(open.clip(), blocks.of(set), open.saes(), units, known, top);
  }

  private BlockFiles files(OpenRun open) {
    return index().blocks(units, manifest(open).fingerprint());
  }

  private Indexer.IndexSummary onCluster(
      IndexRun run, BlockFiles files, @Nullable TextLibrary library, IndexFolder index) {
    resume.start(files);
    Progress progress = common.progress();
    var work = new IndexBlocks(run, files);
    Indexer.IndexSummary result =
        cluster.stages(
            common,
            run.blocks(),
            files,
            stages -> Indexer.run(run, work, stages, library, index, progress));
    files.delete();
    return result;
  }

  @Override
  public WorkPlan plan() {
    common.apply();
    try (OpenRun open = runs.open(common.device())) {
      return run(open, Labels.ofClasses()).plan();
    }
  }

  /** What a process of a cluster does: it indexes blocks. Labels join on the driver. */
  @Override
  public BlockWork open() {
    common.apply();
    return BlockWork.of(
        runs.open(common.device()),
        OpenRun::close,
        open -> new IndexBlocks(run(open, Labels.ofClasses()), files(open)));
  }

  /**
   * Indexes a run that is open for another command.
   *
   * @param vocabulary to name with; null for the words of the run's library or tokenizer
   */
  static void index(
      ExploredRun run,
      ImageOptions images,
      @Nullable Path labels,
      @Nullable List<String> vocabulary,
      CommonOptions common,
      Progress progress) {
    IndexFolder index = IndexFolder.of(run.folder());
    index.checkWritable(IndexedUnits.FEATURES);
    Labels known = labels == null ? Labels.ofClasses() : Labels.read(labels);
    RunFolder.Run trained = run.folder().read();
    Map<String, String> hashes = RunOptions.saes(run.folder(), trained);
    hashes.put("model", Hashes.sha256(run.model().source().weights()));
    hashes.put("data", images.hash());
    if (labels != null) hashes.put("labels", Hashes.sha256(labels));
    try (WorkFolder work =
        WorkFolder.addTo(
            index.path(), IndexFolder.manifest(IndexedUnits.FEATURES), common.manifest(hashes))) {
      AtomicFiles.sweep(work.path());
      Images set = images.resolve(run.model());
      IndexRun pass =
          new IndexRun(
              run.model(), ImageBlocks.of(set), run.saes(), IndexedUnits.FEATURES, known, TOP);
      TextLibrary library = run.library();
      if (library == null && run.model().text() != null && run.model().tokenizer() != null) {
        List<String> own = vocabulary == null ? Indexer.ownWords(run.model()) : vocabulary;
        library = ZeroShot.library(run.model(), own, Indexer.TEMPLATES, progress);
      }
      Indexer.run(pass, library, index, progress);
      work.finish();
    }
  }

  private RunManifest manifest(OpenRun open) {
    Map<String, String> hashes = open.hashes();
    hashes.put("data", images.hash());
    if (labels != null) hashes.put("labels", Hashes.sha256(labels));
    return common.manifest(hashes);
  }

  private @Nullable TextLibrary words(ClipModel clip, Progress progress) {
    if (words != null && words.library != null) {
      if (templates != null) {
        throw new InputException(
            "--templates", "has no use with --library", "A library holds finished embeddings");
      }
      TextLibrary library = TextLibrary.read(words.library);
      ZeroShot.checkFits(clip, library);
      return library;
    }
    List<String> prompts =
        templates == null ? Indexer.TEMPLATES : ZeroShot.readTemplates(templates);
    if (words != null && words.vocabulary != null) {
      List<String> own = Indexer.checked(words.vocabulary, WordList.once(words.vocabulary));
      return ZeroShot.library(clip, own, prompts, progress);
    }
    if (clip.text() == null || clip.tokenizer() == null) {
      System.err.println(
          "features get no names: the model has no text tower with a tokenizer. Give --library");
      return null;
    }
    return ZeroShot.library(clip, Indexer.ownWords(clip), prompts, progress);
  }

  private String text(IndexFolder index, Indexer.IndexSummary result, int vocabulary) {
    Double median = result.medianMonosemanticity();
    return Lines.of(
        """
        %s, %d alive, on %s with %s; %.1f s
        clear names: %d of the features that are alive; %s in the vocabulary
        median monosemanticity: %s
        tables in %s. To query them, for example:
          %s
        """,
        Counted.of(result.units(), units.one()),
        result.alive(),
        Counted.of(result.images(), "image"),
        Counted.of(result.labels(), "label"),
        result.seconds(),
        result.named(),
        Counted.of(vocabulary, "word"),
        median == null ? "none" : Lines.of("%.4f", median),
        index.path(),
        Commands.line(
            List.of(
                "features",
                out == null ? "--run" : "--index",
                (out == null ? runs.path() : index.path()).toString(),
                "SELECT id, name, frequency FROM "
                    + units
                    + " ORDER BY monosemanticity DESC LIMIT 10")));
  }
}
