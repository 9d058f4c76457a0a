// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.option.WordList;
import io.clipsteer.cli.report.ShellLine;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.imageset.JoinReport;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexRun;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.index.Indexer;
import io.clipsteer.lab.index.Labels;
import io.clipsteer.lab.index.Vocabulary;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
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

/** Everything about every feature, in one pass. */
@Command(
    name = "index",
    description = {
      "Tells everything about every feature of a run in one pass over images: how often and how"
          + " strongly it is active and where, its strongest images, how alike they are, which"
          + " labels it goes with, and words for it.",
      "The tables go to RUN/index as Parquet; ask them with clipsteer features and clipsteer"
          + " search."
    },
    footer = {
      "",
      "Example: clipsteer index --run runs/l8 --images photos --labels photos.tsv --json",
    })
final class IndexCommand implements Callable<Integer> {
  /** Where words for names come from. */
  static final class Words {
    @Option(
        names = "--vocabulary",
        paramLabel = "FILE",
        description = "Words to name features with, one a line (default: the tokenizer's own).")
    private @Nullable Path vocabulary;

    @Option(
        names = "--library",
        paramLabel = "DIR",
        description = "Folder with text_embeddings.safetensors and words.txt to name with.")
    private @Nullable Path library;
  }

  @Mixin private CommonOptions common;

  @Mixin private ImageOptions imageOptions;

  @Mixin private RunOptions runs;

  @Option(
      names = "--labels",
      paramLabel = "TSV",
      description = {
        "What is on the images: a .tsv or .csv with a column file, every other column a factor;"
            + " or a world's factors.jsonl (default: class folders)."
      })
  private @Nullable Path labels;

  @ArgGroup(exclusive = true, multiplicity = "0..1")
  private @Nullable Words words;

  @Option(
      names = "--templates",
      paramLabel = "FILE",
      description = "Prompts for the words, one a line with {} (default: the bare word).")
  private @Nullable Path templates;

  @Option(
      names = "--units",
      defaultValue = "features",
      description = "features, or neurons of the residual stream: the baseline.")
  private String units;

  @Option(
      names = "--top",
      defaultValue = "16",
      paramLabel = "N",
      description = "Images kept for each feature and ranking (default: ${DEFAULT-VALUE}).")
  private int top;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "Where the tables go (default: index in the run's folder).")
  private @Nullable Path out;

  @Override
  public Integer call() {
    common.apply();
    IndexedUnits kind = IndexedUnits.parse(units);
    RunFolder folder = runs.folder();
    RunFolder.Run trained = folder.read();
    IndexFolder index = out == null ? IndexFolder.of(folder) : new IndexFolder(out);
    index.checkWritable(kind);
    Labels known = labels == null ? Labels.ofClasses() : Labels.read(labels);
    Progress progress = common.progress();
    Indexer.Result result;
    JoinReport joined;
    int vocabulary;
    try (ClipModel clip = runs.load(trained, common.device());
        RunSaes saes = RunSaes.open(folder, trained, clip);
        WorkFolder work =
            WorkFolder.addTo(
                index.path(), IndexFolder.manifest(kind), manifest(folder, trained, clip))) {
      Images set = imageOptions.resolve(clip);
      joined = known.join(set.set());
      if (joined != null) Skips.print(joined);
      IndexRun run = new IndexRun(clip, set, saes, kind, known, top);
      TextLibrary library = words(clip, progress);
      vocabulary = library == null ? 0 : library.words().size();
      if (index.has(kind)) {
        long images = index.read(kind).images();
        String what = "the index of " + kind.word() + " in " + index.path();
        System.err.println(what + " (" + images + " images) is replaced");
      }
      result = Indexer.run(run, library, index, progress);
      work.finish();
    }
    imageOptions.printSkipped(result.skipped());
    Map<String, @Nullable Object> json = json(index, result, vocabulary);
    Skips.addTo(json, "labels_table", joined);
    common.print(json, text(index, folder, kind, result, vocabulary));
    return 0;
  }

  private RunManifest manifest(RunFolder folder, RunFolder.Run trained, ClipModel clip) {
    Map<String, String> hashes = RunOptions.hashes(folder, trained, clip);
    hashes.put("data", imageOptions.hash());
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
        templates == null ? Vocabulary.TEMPLATES : ZeroShot.readTemplates(templates);
    if (words != null && words.vocabulary != null) {
      List<String> own = Vocabulary.checked(words.vocabulary, WordList.once(words.vocabulary));
      return ZeroShot.library(clip, own, prompts, progress);
    }
    if (clip.text() == null || clip.tokenizer() == null) {
      System.err.println("no names: the model has no text tower with a tokenizer (see --library)");
      return null;
    }
    return ZeroShot.library(clip, Vocabulary.ownWords(clip), prompts, progress);
  }

  private Map<String, @Nullable Object> json(
      IndexFolder index, Indexer.Result result, int vocabulary) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("folder", index.path().toString());
    json.put("features", result.units());
    json.put("alive", result.alive());
    json.put("images", result.images());
    imageOptions.addSkipped(json, result.skipped());
    json.put("labels", result.labels());
    json.put("vocabulary", vocabulary);
    json.put("seconds", result.seconds());
    json.put("median_monosemanticity", result.medianMonosemanticity());
    return json;
  }

  private String text(
      IndexFolder index, RunFolder run, IndexedUnits kind, Indexer.Result result, int vocabulary) {
    Double median = result.medianMonosemanticity();
    return String.format(
        Locale.ROOT,
        """
        %s, %d active, on %s with %s; %s; %.1f s
        monosemanticity: median %s
        tables in %s; for example
          %s
        """,
        Counted.of(result.units(), kind.one()),
        result.alive(),
        Counted.of(result.images(), "image"),
        Counted.of(result.labels(), "label"),
        Counted.of(vocabulary, "word"),
        result.seconds(),
        median == null ? "none" : String.format(Locale.ROOT, "%.4f", median),
        index.path(),
        ShellLine.of(
            List.of(
                "features",
                out == null ? "--run" : "--index",
                (out == null ? run.path() : index.path()).toString(),
                "SELECT id, name, frequency FROM "
                    + kind.word()
                    + " ORDER BY monosemanticity DESC LIMIT 10")));
  }
}
