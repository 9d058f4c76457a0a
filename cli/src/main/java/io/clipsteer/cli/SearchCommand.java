// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.Layers;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.index.FeatureSearch;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.Vocabulary;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Features by word, image, patches or likeness. */
@Command(
    name = "search",
    description = {
      "Finds features of a run that clipsteer index has indexed: by a word, by an image or some of"
          + " its patches, or like another feature."
    },
    footer = {
      "",
      "Example: clipsteer search --run runs/l8 --text dog",
      "         clipsteer search --run runs/l8 --image photos/dog.jpg --patches 3,4,17-19",
    })
final class SearchCommand implements Callable<Integer> {
  private static final Pattern RANGE = Pattern.compile("(\\d{1,6})(?:-(\\d{1,6}))?");
  private static final int MOST_PATCHES = 100_000;

  /** What to look for. */
  static final class Query {
    @Option(names = "--text", paramLabel = "TEXT", description = "A word, or a few.")
    private @Nullable String text;

    @Option(names = "--image", paramLabel = "FILE", description = "An image.")
    private @Nullable Path image;

    @Option(
        names = "--feature",
        paramLabel = "ID",
        description = "Features whose direction is nearest to this one's.")
    private @Nullable Integer feature;
  }

  @Mixin private CommonOptions common;

  @Mixin private RunOptions runs;

  @ArgGroup(exclusive = true, multiplicity = "1")
  private Query query;

  @Option(
      names = "--patches",
      paramLabel = "LIST",
      description = "Of --image: patches, row by row from 0, such as 3,4,5-9 (default: all).")
  private @Nullable String patches;

  @Option(
      names = "--sae",
      paramLabel = "FOLDER",
      description = "Of --feature: its SAE, when the run has several.")
  private @Nullable String sae;

  @Option(
      names = "--library",
      paramLabel = "DIR",
      description = "Of --text, for a model without text tower: one of its words is looked up.")
  private @Nullable Path library;

  @Option(
      names = "--max-frequency",
      defaultValue = "0.01",
      paramLabel = "SHARE",
      description = {
        "Of --image: features active on as many tokens or more are dropped (default:"
            + " ${DEFAULT-VALUE})."
      })
  private double maxFrequency;

  @Option(
      names = "--count",
      defaultValue = "10",
      paramLabel = "N",
      description = "How many (default: ${DEFAULT-VALUE}).")
  private int count;

  @Option(
      names = "--index",
      paramLabel = "DIR",
      description = "What index --out named (default: index in the run's folder).")
  private @Nullable Path index;

  @Override
  public Integer call() {
    common.apply();
    if (count < 1 || count > 10_000) {
      throw new InputException("--count " + count, "not from 1 to 10000", "Try 10");
    }
    if (query.text != null && query.text.isBlank()) {
      throw new InputException("--text", "is empty", "Give a word");
    }
    if (patches != null && query.image == null) {
      throw new InputException("--patches", "has no use without --image", "Name an image");
    }
    List<Integer> few = patches == null ? List.of() : patches(patches);
    RunFolder folder = runs.folder();
    RunFolder.Run trained = folder.read();
    FeatureSearch search =
        FeatureSearch.open(index == null ? IndexFolder.of(folder) : new IndexFolder(index));
    List<FeatureSearch.Hit> hits;
    try (ClipModel clip = runs.load(trained, common.device())) {
      if (query.text != null) {
        hits = search.byText(embedding(clip, query.text), count);
      } else {
        try (RunSaes saes = RunSaes.open(folder, trained, clip);
            Scope scope = Scope.open()) {
          hits =
              query.image != null
                  ? search.byImage(
                      clip, saes, Images.one(clip, query.image), few, maxFrequency, count)
                  : search.like(saes, sae, query.feature == null ? -1 : query.feature, count);
        }
      }
    }
    common.print(json(hits), text(hits, trained));
    return 0;
  }

  private float[] embedding(ClipModel clip, String text) {
    if (library == null) {
      return ZeroShot.library(clip, List.of(text), Vocabulary.TEMPLATES, common.progress())
          .embeddings();
    }
    TextLibrary words = TextLibrary.read(library);
    ZeroShot.checkFits(clip, words);
    int row = words.words().indexOf(text);
    if (row < 0) {
      throw new InputException(
          "--text " + text, "is none of the library's words", "Name one of " + library);
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

  private static Map<String, Object> json(List<FeatureSearch.Hit> hits) {
    List<Map<String, Object>> features = new ArrayList<>();
    for (FeatureSearch.Hit hit : hits) {
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("id", hit.id());
      one.put("layer", hit.layer());
      one.put("sae", hit.sae());
      one.put("score", hit.score());
      one.put("names", hit.names());
      one.put("frequency", hit.frequency());
      features.add(one);
    }
    return Map.of("features", features);
  }

  private static String text(List<FeatureSearch.Hit> hits, RunFolder.Run trained) {
    if (hits.isEmpty()) return "nothing found";
    StringBuilder text = new StringBuilder();
    for (FeatureSearch.Hit hit : hits) {
      // Of several SAEs at a layer the number does not say whose feature it is.
      boolean several =
          trained.saes().stream().filter(e -> e.point().layer() == hit.layer()).count() > 1;
      text.append(
          String.format(
              Locale.ROOT,
              "layer %2d%s  feature %6d  %8.4f  active %.3f %%  %s%n",
              hit.layer(),
              several ? "  " + Layers.name(hit.sae()) : "",
              hit.id(),
              hit.score(),
              100 * hit.frequency(),
              String.join(", ", hit.names())));
    }
    return text.toString();
  }
}
