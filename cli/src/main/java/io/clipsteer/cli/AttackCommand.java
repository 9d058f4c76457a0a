// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.AttackOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.LibraryOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.option.WordList;
import io.clipsteer.cli.show.Lines;
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
import java.util.Map;
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
      "The label is the image's class folder or its row in a table; the word is another class, or"
          + " one of --words."
    },
    footer = "Example: clipsteer attack --images photos --out attacked --seed 1")
final class AttackCommand implements Runnable {
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
  @Mixin private AttackOptions target;
  @Spec private CommandSpec spec;

  @ArgGroup(exclusive = true, multiplicity = "0..1")
  private @Nullable Wrong wrong;

  @Option(
      names = "--scam",
      split = ",",
      paramLabel = "PARQUET",
      description =
          "Write nothing, and unpack the SCAM set into handwritten and synthetic (as above) and"
              + " clean (class folders).")
  private List<Path> scam = List.of();

  @Option(
      names = "--fonts",
      defaultValue = "train",
      paramLabel = "KIND",
      description =
          "train: five fonts, in the upper third of the image; held-out: the others, in the lower"
              + " third, for tests.")
  private Writing.FontKind fonts;

  @Option(
      names = "--limit",
      defaultValue = "9223372036854775807",
      hideParamSyntax = true,
      description = "Only N images, of labelled ones as many of each class.")
  private long limit;

  @Option(names = "--out", required = true, paramLabel = "DIR", description = "New folder.")
  private Path out;

  /** The result, as {@code --json} prints it. */
  private record Written(
      int images,
      int labels,
      int words,
      String fonts,
      int skipped,
      double seconds,
      String folder) {}

  @Override
  public void run() {
    common.applyOnCpu();
    if (limit < 1) throw new InputException("--limit " + limit, "below 1", "Leave it out for all");
    if (scam.isEmpty()) attack();
    else unpack();
  }

  private void attack() {
    long start = System.nanoTime();
    ImageSet set = target.open(" or --scam=PARQUET");
    var attack = new Attack(set, words(), fonts, target.letters(), limit, common.seed());
    String hash = Images.listing(set, Long.MAX_VALUE).sha256();
    RunManifest manifest = common.manifest(Map.of("data", hash));
    Attack.AttackResult result = attack.write(out, common.progress());
    manifest.finish(Map.of()).writeTo(out);
    Skips.printReasons(result.skipped());
    double seconds = (System.nanoTime() - start) * 1e-9;
    common.print(
        new Written(
            result.images(),
            result.labels(),
            result.words(),
            fonts.toString(),
            result.skipped().size(),
            seconds,
            out.toString()),
        Lines.of(
            "%s of %s with %s in %s, %.1f s",
            Counted.of(result.images(), "image"),
            Counted.of(result.labels(), "class", "classes"),
            Counted.of(result.words(), "word"),
            out,
            seconds));
  }

  private void unpack() {
    if (target.isGiven() || wrong != null) {
      throw new ParameterException(
          spec.commandLine(), "--scam cannot be combined with --images, --truth or --words");
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
  }

  private @Nullable List<String> words() {
    if (wrong == null) return null;
    if (wrong.file != null) return WordList.once(wrong.file);
    return LibraryOptions.names("--words", String.valueOf(wrong.words));
  }
}
