// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.LibraryOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.data.InputException;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.imageset.ImageTable;
import io.clipsteer.data.imageset.JoinReport;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.Classification;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.evaluate.Truth;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import java.nio.file.Path;
import java.util.HashMap;
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

/** Zero-shot classification. */
@Command(
    name = "classify",
    description = "Zero-shot answers for every image, and accuracy where the truth is known.",
    footer = {
      "",
      "Example: clipsteer classify --model models/clip --images photos --labels \"dog,cat\" --json"
    })
final class ClassifyCommand implements Callable<Integer> {
  private static final int SHOWN = 20;

  /** Names of the column with the right answers; the first that is there is taken. */
  private static final List<String> TRUTH = List.of("index", "label", "class");

  @Mixin private CommonOptions common;

  @Mixin private ImageOptions imageOptions;

  @ArgGroup(exclusive = false, multiplicity = "1")
  private LibraryOptions words;

  @Option(
      names = "--model",
      required = true,
      paramLabel = "PATH",
      description = "A checkpoint's folder or file.")
  private Path model;

  @Option(
      names = "--truth",
      paramLabel = "TSV",
      description = {
        "Table with the columns file and index (row of the library, from 0); without an index"
            + " column, label or class (a word of the library, or its row)."
      })
  private @Nullable Path truth;

  @Option(
      names = "--dtype",
      defaultValue = "fp32",
      description = "fp32 or bf16 (default: ${DEFAULT-VALUE}).")
  private String dtype;

  @Option(names = "--all", description = "Every image's answers in the JSON.")
  private boolean all;

  @Override
  public Integer call() {
    common.apply();
    try (ClipModel clip =
        ClipModel.load(model, CommonOptions.dtype("--dtype", dtype), common.device())) {
      TextLibrary library = words.resolve(clip, common.progress());
      Images source = imageOptions.resolve(clip);
      Map<String, Integer> right = new HashMap<>();
      JoinReport joined = truth == null ? null : join(truth, library, source.set(), right);
      if (joined != null) Skips.print(joined);
      var result = Classification.run(clip, library, source, right, common.progress());
      imageOptions.printSkipped(result.skipped());
      if (truth != null && result.judged() == 0) {
        throw new InputException(
            truth, "labels none of the images that were read", "Raise --limit, or fill its labels");
      }
      Map<String, Object> json = json(result);
      Skips.addTo(json, "truth", joined);
      common.print(json, text(result));
    }
    return 0;
  }

  /**
   * Joins the table of right answers.
   *
   * @param right takes the row of the library by image
   */
  private static JoinReport join(
      Path file, TextLibrary library, ImageSet images, Map<String, Integer> right) {
    ImageTable table = ImageTable.read(file, TRUTH);
    String column = table.columns().label();
    if (column == null) {
      throw new InputException(
          file, "no column is called " + String.join(", ", TRUTH), "Name the one with the truth");
    }
    boolean number = column.equalsIgnoreCase(TRUTH.getFirst());
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
      Path file, String column, ImageTable.Row row, TextLibrary library, boolean number) {
    int words = library.words().size();
    return new InputException(
        file + ", line " + row.line(),
        "%s \"%s\" of %s is %s of the library"
            .formatted(column, row.label(), row.name(), number ? "no row" : "no word and no row"),
        "Rows are 0 to " + (words - 1));
  }

  private Map<String, Object> json(Classification.Result result) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("images", result.predictions().size());
    imageOptions.addSkipped(json, result.skipped());
    json.put("judged", result.judged());
    json.put("top1", result.top1());
    json.put("top5", result.top5());
    json.put("images_per_second", result.imagesPerSecond());
    json.put("skipped_files", result.skipped());
    if (all) json.put("predictions", result.predictions());
    return json;
  }

  private static String text(Classification.Result result) {
    StringBuilder text = new StringBuilder();
    for (var p : result.predictions().subList(0, Math.min(SHOWN, result.predictions().size()))) {
      text.append(String.format("%-40s %s%n", p.file(), line(p.answers())));
    }
    if (result.predictions().size() > SHOWN) {
      int more = result.predictions().size() - SHOWN;
      text.append("… and ").append(more).append(" more (--json --all lists them)\n");
    }
    text.append(
        String.format(
            Locale.ROOT,
            "%s, %d not decoded, %.1f images/s%n",
            Counted.of(result.predictions().size(), "image"),
            result.skipped().size(),
            result.imagesPerSecond()));
    if (result.top1() != null && result.top5() != null) {
      text.append(
          String.format(
              Locale.ROOT,
              "top-1 %.1f %%, top-5 %.1f %% of %d with known truth%n",
              100 * result.top1(),
              100 * result.top5(),
              result.judged()));
    }
    return text.toString();
  }

  /** Answers on one line, best first. */
  static String line(List<ZeroShot.Answer> answers) {
    StringBuilder text = new StringBuilder();
    for (ZeroShot.Answer answer : answers) {
      if (!text.isEmpty()) text.append(", ");
      text.append(
          String.format(Locale.ROOT, "%s %.1f %%", answer.word(), 100 * answer.probability()));
    }
    return text.toString();
  }
}
