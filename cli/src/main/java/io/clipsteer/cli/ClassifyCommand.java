// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.ImageCursor;
import io.clipsteer.data.image.ImageItem;
import io.clipsteer.data.image.ImageSet;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.Classification;
import io.clipsteer.lab.Counted;
import io.clipsteer.lab.ZeroShot;
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
    description = "Zero-shot answers for every picture, and accuracy where the truth is known.",
    footer = {
      "",
      "Example: clipsteer classify --model models/clip --images photos --labels \"dog,cat\" --json"
    })
final class ClassifyCommand implements Callable<Integer> {
  private static final int SHOWN = 20;

  @Mixin private CommonOptions common;

  @Mixin private PictureOptions pictures;

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
      description = "Table with columns file and index (row of the library, from 0).")
  private @Nullable Path truth;

  @Option(
      names = "--dtype",
      defaultValue = "fp32",
      description = "fp32 or bf16 (default: ${DEFAULT-VALUE}).")
  private String dtype;

  @Option(names = "--all", description = "Every picture's answers in the JSON.")
  private boolean all;

  @Override
  public Integer call() {
    common.apply();
    try (ClipModel clip =
        ClipModel.load(model, CommonOptions.dtype("--dtype", dtype), common.device())) {
      TextLibrary library = words.resolve(clip, common.progress());
      Map<String, Integer> right = truth == null ? Map.of() : truth(truth, library.words().size());
      var result =
          Classification.run(clip, library, pictures.resolve(clip), right, common.progress());
      if (truth != null && result.judged() == 0) {
        throw new InputException(
            truth, "names none of the pictures", "Its column file is relative to --images");
      }
      result.skipped().forEach(s -> System.err.println("left out " + s.id() + ": " + s.reason()));
      common.print(json(result), text(result));
    }
    return 0;
  }

  private static Map<String, Integer> truth(Path file, int words) {
    Map<String, Integer> truth = new HashMap<>();
    try (ImageCursor rows = ImageSet.table(file).cursor()) {
      for (ImageItem row = rows.next(); row != null; row = rows.next()) {
        String index = row.label();
        if (index == null || !index.matches("\\d{1,9}") || Integer.parseInt(index) >= words) {
          throw new InputException(
              file,
              "index \"" + index + "\" of " + row.id() + " is no row of the library",
              "Rows are 0 to " + (words - 1));
        }
        truth.put(row.id(), Integer.parseInt(index));
      }
    }
    return truth;
  }

  private Map<String, Object> json(Classification.Result result) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("images", result.predictions().size());
    json.put("skipped", result.skipped().size());
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
            "%s, %d left out, %.1f images/s%n",
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
