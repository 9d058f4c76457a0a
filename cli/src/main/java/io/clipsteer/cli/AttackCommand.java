// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.LibraryOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.option.WordList;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.lab.attack.Attack;
import io.clipsteer.lab.attack.ScamFile;
import io.clipsteer.lab.attack.Writing;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import java.nio.file.Path;
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

/** Wrong words on images. */
@Command(
    name = "attack",
    description = {
      "Writes a wrong word on each image, in real fonts, in RTA-100's layout:"
          + " label=<seen>_text=<written>_<number>.png.",
      "What is seen comes from class folders or a table; the word is another class, or one of"
          + " --words."
    },
    footer = {
      "",
      "Example: clipsteer attack --images photos --out attacked --seed 1",
    })
final class AttackCommand implements Callable<Integer> {
  /** Words to write. */
  private static final class Wrong {
    @Option(
        names = "--words",
        paramLabel = "A,B,C",
        description = "Words to write (default: the other classes).")
    private @Nullable String words;

    @Option(names = "--words-file", paramLabel = "FILE", description = "The same, one a line.")
    private @Nullable Path file;
  }

  @Mixin private CommonOptions common;
  @Spec private CommandSpec spec;

  @ArgGroup(exclusive = true, multiplicity = "0..1")
  private @Nullable Wrong wrong;

  @Option(
      names = "--images",
      paramLabel = "SRC",
      description = "Class folders, a .tar of them, or a .csv/.tsv of file and label.")
  private @Nullable Path images;

  @Option(
      names = "--scam",
      split = ",",
      paramLabel = "PARQUET",
      description = {
        "Instead of writing anything, unpack the SCAM set into handwritten and synthetic (as above)"
            + " and clean (class folders)."
      })
  private List<Path> scam = List.of();

  @Option(
      names = "--labels",
      paramLabel = "TABLE",
      description = "A .csv or .tsv of file and label for the images in --images.")
  private @Nullable Path labels;

  @Option(
      names = "--fonts",
      defaultValue = "train",
      paramLabel = "KIND",
      description = {
        "train: five fonts, in the upper third of the height; held-out: the others, in the lower"
            + " third, to test on (default: ${DEFAULT-VALUE})."
      })
  private String fonts;

  @Option(
      names = "--letters",
      defaultValue = "0.12-0.3",
      paramLabel = "LOW-HIGH",
      description = {
        "Height of the letters, shares of the image's shorter side (default: ${DEFAULT-VALUE})."
      })
  private String letters;

  @Option(
      names = "--limit",
      defaultValue = "9223372036854775807",
      hideParamSyntax = true,
      paramLabel = "N",
      description = "Only N images, of labelled ones as many of each class; of a .tar the first.")
  private long limit;

  @Option(names = "--out", required = true, paramLabel = "DIR", description = "New folder.")
  private Path out;

  @Override
  public Integer call() {
    common.applyOnCpu();
    if (limit < 1) throw new InputException("--limit " + limit, "below 1", "Leave it out for all");
    if (!scam.isEmpty()) return unpack();
    if (images == null) {
      throw new ParameterException(spec.commandLine(), "Give --images=SRC or --scam=PARQUET");
    }
    long start = System.nanoTime();
    ImageSet set = Skips.open(images, labels);
    var attack =
        new Attack(
            set,
            words(),
            Writing.Kind.parse(fonts),
            Writing.Letters.parse(letters),
            limit,
            common.seed());
    String hash = Images.listing(set, Long.MAX_VALUE).sha256();
    RunManifest manifest = common.manifest(Map.of("data", hash));
    Attack.Result result = attack.write(out, common.progress());
    manifest.finish(Map.of()).writeTo(out);
    Skips.printReasons(result.skipped());
    double seconds = (System.nanoTime() - start) * 1e-9;
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("images", result.images());
    json.put("labels", result.labels());
    json.put("words", result.words());
    json.put("fonts", fonts);
    json.put("skipped", result.skipped().size());
    json.put("seconds", seconds);
    json.put("folder", out.toString());
    common.print(
        json,
        String.format(
            Locale.ROOT,
            "%s of %s with %s in %s, %.1f s",
            Counted.of(result.images(), "image"),
            Counted.of(result.labels(), "class", "classes"),
            Counted.of(result.words(), "word"),
            out,
            seconds));
    return 0;
  }

  private int unpack() {
    if (images != null || wrong != null || labels != null) {
      throw new ParameterException(spec.commandLine(), "--scam stands alone");
    }
    Map<String, String> hashes = new LinkedHashMap<>();
    for (Path file : scam) hashes.put(String.valueOf(file.getFileName()), Hashes.sha256(file));
    RunManifest manifest = common.manifest(hashes);
    Map<String, Integer> counts = ScamFile.unpack(scam, out);
    manifest.finish(Map.of()).writeTo(out);
    Map<String, Object> json = new LinkedHashMap<>(counts);
    json.put("folder", out.toString());
    String all =
        counts.entrySet().stream()
            .map(e -> Counted.of(e.getValue(), "image") + " in " + e.getKey())
            .collect(Collectors.joining(", "));
    common.print(json, all + " of " + out);
    return 0;
  }

  private @Nullable List<String> words() {
    if (wrong == null) return null;
    if (wrong.file != null) return WordList.once(wrong.file);
    return LibraryOptions.names("--words", String.valueOf(wrong.words));
  }
}
