// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.LibraryOptions;
import io.clipsteer.cli.option.ModelOption;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.option.TowerDtype;
import io.clipsteer.cli.option.TruthOption;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.imageset.ImageTable;
import io.clipsteer.data.imageset.JoinReport;
import io.clipsteer.data.stats.Mean;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.answer.Classification;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.edit.StoredEdit;
import io.clipsteer.lab.evaluate.Truth;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Zero-shot classification. */
@Command(
    name = "classify",
    description = {
      "Zero-shot classification of images; with labels also the accuracy.",
      "Each image gets the words whose text embeddings are most similar to its own. A model trained"
          + " with a sigmoid (SigLIP) also gives each word's probability alone."
    },
    footer =
        "Example: clipsteer classify --model models/clip --images photos --classes \"dog,cat\""
            + " --json")
final class ClassifyCommand implements Runnable {
  private static final int SHOWN = 20;

  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;
  @Mixin private LibraryOptions words;

  @Mixin private ModelOption model;

  @Mixin private TruthOption classes;
  @Mixin private TowerDtype dtype;

  @Option(names = "--all", description = "Include every image's answers in the JSON.")
  private boolean all;

  @Option(
      names = "--edit",
      paramLabel = "EDIT",
      description = "Classify with an edit of suppress, defend or edit as well, and compare.")
  private @Nullable Path edit;

  /**
   * The answers with an edit.
   *
   * @param top1Lost points of top-1 accuracy that it costs, from 0 to 1
   */
  private record Edited(
      String edit, @Nullable Double top1, @Nullable Double top5, @Nullable Mean top1Lost) {
    static Edited of(Path edit, Classification.Result before, Classification.Result after) {
      return new Edited(
          edit.toString(), after.top1(), after.top5(), Classification.lost(before, after));
    }

    String text() {
      if (top1 == null || top1Lost == null) return "";
      return Lines.of(
          "with %s: top-1 %.1f %%, %.2f points less (%.2f to %.2f)%n",
          edit, 100 * top1, 100 * top1Lost.value(), 100 * top1Lost.low(), 100 * top1Lost.high());
    }
  }

  /** What {@code --json} prints. */
  private record Json(
      int images,
      @JsonUnwrapped Skips.Counts skips,
      @JsonUnwrapped @JsonIgnoreProperties({"predictions", "skipped"}) Classification.Result result,
      List<ImageLoader.Skipped> skippedFiles,
      @JsonInclude(JsonInclude.Include.NON_NULL)
          @Nullable List<Classification.Prediction> predictions,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Edited edited,
      @JsonInclude(JsonInclude.Include.NON_NULL) Skips.@Nullable JoinedJson truth) {}

  @Override
  public void run() {
    common.apply();
    words.require();
    try (ClipModel clip = ClipModel.load(model.path(), dtype.get(), common.device())) {
      TextLibrary library = words.resolve(clip, common.progress());
      Images source = images.resolve(clip);
      Map<String, Integer> right = new HashMap<>();
      Path truth = classes.table();
      JoinReport joined = truth == null ? null : join(truth, library, source.set(), right);
      if (joined != null) Skips.print(joined);
      var head = ZeroShot.head(clip, library);
      var result = Classification.run(clip, head, source, Hooks.NONE, right, common.progress());
      Edited edited = edit == null ? null : edited(clip, head, source, right, result);
      Skips.Counts skips = images.report(result.skipped());
      if (truth != null && result.judged() == 0) {
        throw new InputException(
            truth,
            "labels none of the images that were read",
            "Raise --limit, or complete its labels");
      }
      common.print(
          new Json(
              result.predictions().size(),
              skips,
              result,
              result.skipped(),
              all ? result.predictions() : null,
              edited,
              Skips.joined(joined)),
          text(result) + (edited == null ? "" : edited.text()));
    }
  }

  /** Classifies again, with the edit; it must be of this model. */
  private Edited edited(
      ClipModel clip,
      AnswerHead head,
      Images source,
      Map<String, Integer> right,
      Classification.Result before) {
    Path folder = Objects.requireNonNull(edit);
    StoredEdit stored = StoredEdit.read(folder);
    stored.checkModel(clip.source().weights());
    Path from = stored.sae();
    if (from != null) stored.checkSae(from);
    try (Sae sae = from == null ? null : SaeFiles.read(from)) {
      var config = clip.vision().config();
      Edit change = stored.edit(sae, config.width(), config.prefixTokens());
      Hooks hooks = Hooks.NONE.edit(stored.point(), change);
      var after = Classification.run(clip, head, source, hooks, right, common.progress());
      return Edited.of(folder, before, after);
    }
  }

  /**
   * Joins the table of right answers.
   *
   * @param right takes the row of the library by image
   */
  private static JoinReport join(
      Path file, TextLibrary library, ImageSet images, Map<String, Integer> right) {
    ImageTable table = ImageTable.read(file, TruthOption.COLUMNS);
    String column = table.columns().label();
    if (column == null) {
      throw new InputException(
          file,
          "no column is called " + String.join(", ", TruthOption.COLUMNS),
          "Name the one with the truth");
    }
    boolean number = column.equalsIgnoreCase(TruthOption.COLUMNS.getFirst());
    Map<String, Integer> rows = new HashMap<>();
    table
        .rows()
        .forEach(
            (key, row) -> {
              String label = row.label();
              if (label == null) return;
              int index = number ? Truth.number(library, label) : Truth.row(library, label);
              if (index < 0) throw unknown(file, column, row, library, number);
              rows.put(key, index);
            });
    return JoinReport.of(
        table,
        images,
        id -> {
          Integer index = rows.get(ImageTable.key(id));
          if (index != null) right.put(id, index);
        });
  }

  private static InputException unknown(
      Path file, String column, ImageTable.TableRow row, TextLibrary library, boolean number) {
    int words = library.words().size();
    return new InputException(
        file + ", line " + row.line(),
        "%s \"%s\" of %s is %s of the library"
            .formatted(column, row.label(), row.name(), number ? "no row" : "no word and no row"),
        "Rows are 0 to " + (words - 1));
  }

  private static String text(Classification.Result result) {
    Lines text = new Lines();
    for (var p : result.predictions().subList(0, Math.min(SHOWN, result.predictions().size()))) {
      text.add("%-40s %s%n", p.file(), line(p.answers()));
    }
    if (result.predictions().size() > SHOWN) {
      int more = result.predictions().size() - SHOWN;
      text.add("… and %d more (--json --all lists them)%n", more);
    }
    text.add(
        "%s, %d not decoded, %.1f images/s%n",
        Counted.of(result.predictions().size(), "image"),
        result.skipped().size(),
        result.imagesPerSecond());
    if (result.top1() != null && result.top5() != null) {
      text.add(
          "top-1 %.1f %%, top-5 %.1f %% of %d with known truth%n",
          100 * result.top1(), 100 * result.top5(), result.judged());
    }
    return text.toString();
  }

  private static String one(ZeroShot.Answer answer) {
    String softmax = Lines.of("%s %.1f %%", answer.word(), 100 * answer.probability());
    Double alone = answer.sigmoid();
    return alone == null ? softmax : softmax + Lines.of(" (alone %.2g %%)", 100 * alone);
  }

  /** Answers on one line, best first. */
  static String line(List<ZeroShot.Answer> answers) {
    return answers.stream().map(ClassifyCommand::one).collect(Collectors.joining(", "));
  }
}
