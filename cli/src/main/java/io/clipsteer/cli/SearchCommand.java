// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.index.FeatureSearch;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.Indexer;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code search}: features by text, image, patches or direction. */
@Command(
    name = "search",
    description = "Search an indexed run for features: by text, by image, or near another feature.",
    footer = {
      "Example: clipsteer search --run runs/l8 --text dog",
      "         clipsteer search --run runs/l8 --image photos/dog.jpg --patches 3,4,17-19"
    })
final class SearchCommand implements Runnable {
  private static final Pattern RANGE = Pattern.compile("(\\d{1,6})(?:-(\\d{1,6}))?");
  private static final int MOST_PATCHES = 100_000;

  /** The query. */
  static final class Query {
    @Option(names = "--text", paramLabel = "TEXT", description = "Features for this text.")
    private @Nullable String text;

    @Option(
        names = "--image",
        paramLabel = "FILE",
        description = "Features that are most active on this image.")
    private @Nullable Path image;

    @Option(
        names = "--feature",
        paramLabel = "ID",
        description = "Nearest features by the cosine of decoder directions.")
    private @Nullable Integer feature;
  }

  @Mixin private CommonOptions common;

  @Mixin private RunOptions runs;

  @ArgGroup(exclusive = true, multiplicity = "1")
  private Query query;

  @Option(
      names = "--patches",
      paramLabel = "LIST",
      description = "With --image: these patches only, row by row from 0, as 3,4,5-9.")
  private @Nullable String patches;

  @Option(
      names = "--sae",
      paramLabel = "PART",
      description = "With --feature: of several SAEs, the one whose folder name contains PART.")
  private @Nullable String sae;

  @Option(
      names = "--library",
      paramLabel = "DIR",
      description =
          "With --text, for a model without text tower: text embeddings that hold the word"
              + " (default: those of index --library).")
  private @Nullable Path library;

  @Option(
      names = "--max-frequency",
      defaultValue = "0.01",
      paramLabel = "SHARE",
      description =
          "With --image: ignore features that are active on this share of tokens or more.")
  private double maxFrequency;

  @Option(names = "--count", defaultValue = "10", description = "Features to list.")
  private int count;

  @Option(
      names = "--index",
      paramLabel = "DIR",
      description = "The --out of clipsteer index (default: RUN/index).")
  private @Nullable Path index;

  @Override
  public void run() {
    common.apply();
    CommonOptions.within("--count", count, 1, 10_000);
    if (query.text != null && query.text.isBlank()) {
      throw new InputException("--text", "is empty", "Give a word or a phrase");
    }
    if (patches != null && query.image == null) {
      throw new InputException("--patches", "has no use without --image", "Name an image");
    }
    List<Integer> few = patches == null ? List.of() : patches(patches);
    RunFolder folder = runs.folder();
    RunFolder.Run trained = folder.read();
    IndexFolder indexed = index == null ? IndexFolder.of(folder) : new IndexFolder(index);
    FeatureSearch search = FeatureSearch.open(indexed);
    List<FeatureSearch.Hit> hits;
    if (query.text != null) {
      try (ClipModel clip = runs.load(trained, common.device())) {
        hits = search.byText(embedding(clip, query.text, indexed.library()), count);
      }
    } else {
      try (OpenRun run = runs.open(common.device());
          Scope scope = Scope.open()) {
        hits =
            query.image == null
                ? search.like(run.saes(), sae, query.feature == null ? -1 : query.feature, count)
                : search.byImage(
                    run.clip(),
                    run.saes(),
                    Images.one(run.clip(), query.image),
                    few,
                    maxFrequency,
                    count);
      }
    }
    if (hits.isEmpty() && query.image != null) {
      System.err.printf(
          Locale.ROOT,
          "features active on %s of the tokens or more are not searched; raise --max-frequency%n",
          maxFrequency);
    }
    common.print(Map.of("features", hits), text(hits, trained, search.manifest()));
  }

  /** The text's embedding, by the text tower or from the library that the index knows. */
  private float[] embedding(ClipModel clip, String text, @Nullable Path known) {
    Path folder = library != null ? library : clip.text() == null ? known : null;
    if (folder == null) {
      return ZeroShot.library(clip, List.of(text), Indexer.TEMPLATES, common.progress())
          .embeddings();
    }
    TextLibrary words = TextLibrary.read(folder);
    ZeroShot.checkFits(clip, words);
    int row = words.row(text);
    if (row < 0) {
      String near = UsageFault.question(text, words.words());
      throw new InputException(
          "--text " + text,
          "is no word of the library " + folder,
          near.isEmpty() ? "Its words.txt lists them" : near);
    }
    return Arrays.copyOfRange(words.embeddings(), row * words.width(), (row + 1) * words.width());
  }

  static List<Integer> patches(String text) {
    Set<Integer> all = new LinkedHashSet<>();
    for (String part : text.split(",", -1)) {
      Matcher m = RANGE.matcher(part.strip());
      if (!m.matches()) {
        throw new InputException("--patches " + text, "\"" + part + "\" is no patch", "3,4,5-9");
      }
      int from = Integer.parseInt(m.group(1));
      int to = m.group(2) == null ? from : Integer.parseInt(m.group(2));
      if (to < from || all.size() + (to - from) >= MOST_PATCHES) {
        throw new InputException("--patches " + text, part + " is no range", "Write 5-9");
      }
      for (int p = from; p <= to; p++) all.add(p);
    }
    return List.copyOf(all);
  }

  private static String text(
      List<FeatureSearch.Hit> hits, RunFolder.Run trained, IndexFolder.IndexManifest index) {
    if (hits.isEmpty()) return "no feature found";
    Lines text =
        new Lines().add("layer  feature     score   active  name            steering raises%n");
    for (FeatureSearch.Hit hit : hits) {
      // Of several SAEs at a layer the number does not say whose feature it is.
      boolean several =
          trained.saes().stream().filter(e -> e.point().layer() == hit.layer()).count() > 1;
      text.add(
          "%5d  %7d  %8.4f  %5.3f %%  %-14s  %s%s%n",
          hit.layer(),
          hit.id(),
          hit.score(),
          100 * hit.frequency(),
          hit.name() == null ? IndexFolder.NO_NAME : hit.name(),
          hit.steered() == null ? "–" : hit.steered(),
          several ? "  (" + RunFolder.name(hit.sae()) + ")" : "");
    }
    text.add(
        "active: share of the tokens of the %s of %s that the index read%n",
        Counted.of(index.images(), "image"), index.source());
    return text.toString();
  }
}
