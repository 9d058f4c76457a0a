// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import com.fasterxml.jackson.annotation.JsonIgnore;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.label.PlanFolder;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * A run as one HTML file.
 *
 * @param folder the run, which must be indexed
 * @param index its index
 * @param steerability folder of its steerability, or null
 * @param edits folders of suppressions
 * @param studies folders of studies of selectivity
 * @param evaluations folders of human evaluations
 * @param features selected at most, 1 to 5,000; those that an edit changes are added
 * @param exemplars images of each, 0 to 100
 * @param seed of the random sample
 */
public record Report(
    RunFolder folder,
    IndexFolder index,
    @Nullable Path steerability,
    List<Path> edits,
    List<Path> studies,
    List<Path> evaluations,
    int features,
    int exemplars,
    long seed) {
  /** The largest file that is written. */
  static final long MOST_BYTES = 25_000_000;

  /** Of the JSON files that a report reads. */
  private static final List<String> SCRIPTS =
      List.of(
          "page.js",
          "charts.js",
          "saes.js",
          "features.js",
          "steerability.js",
          "suppression.js",
          "selectivity.js",
          "people.js",
          "report.js");

  /** Refuses numbers out of range. */
  public Report {
    edits = List.copyOf(edits);
    studies = List.copyOf(studies);
    evaluations = List.copyOf(evaluations);
    if (features < 1 || features > 5000) {
      throw new InputException("--features " + features, "not from 1 to 5000", "Try 500");
    }
    if (exemplars < 0 || exemplars > 100) {
      throw new InputException("--exemplars " + exemplars, "not from 0 to 100", "Try 12");
    }
  }

  /**
   * The page that was written, as {@code report --json} prints it.
   *
   * @param features shown
   * @param edited those of them that only an edit brings in
   * @param images shown, each once
   * @param missing number of images that are no longer where the index found them
   * @param firstMissing one of these, or null
   * @param cards files of {@link RunCard} and {@link EditCard} that were written
   */
  public record WrittenReport(
      String file,
      long bytes,
      int features,
      int edited,
      int images,
      int missing,
      boolean evaluation,
      boolean steerability,
      @JsonIgnore @Nullable String firstMissing,
      List<String> cards) {}

  /** What the report is of, and how it came about. */
  private record Head(
      String title,
      String run,
      IndexFolder.IndexManifest index,
      double clearMonosemanticity,
      Map<String, Object> recipe,
      Map<String, String> commands,
      Definitions definitions) {}

  /** The figures. */
  private record Findings(
      List<SaeSummary> saes,
      List<String> recommended,
      @Nullable JsonNode evaluation,
      @Nullable JsonNode steer,
      List<MeasuredSteerability.Points> points,
      List<SuppressionResult> edits,
      List<SelectivityResult> studies,
      List<LabelsPage.LabelsResult> people) {}

  /** All that the page shows. */
  private record Data(
      Head head, Findings findings, List<FeatureCards.Card> features, Thumbnails thumbnails) {
    String html() {
      return Page.of(head.title, SCRIPTS, this);
    }
  }

  /** Refuses a path for the page where something else lies. */
  public static void checkWritable(Path out) {
    Page.checkWritable(out, "Name another file with --out");
  }

  /**
   * Writes the page.
   *
   * @param images to show; null for none
   */
  public WrittenReport write(Path out, @Nullable Images images, Progress progress) {
    checkWritable(out);
    RunFolder.Run run = folder.read();
    IndexFolder.IndexManifest manifest = index.read(IndexedUnits.FEATURES);
    MeasuredSteerability measured =
        steerability == null ? null : MeasuredSteerability.read(steerability);
    if (measured != null) measured.checkOf(folder);
    JsonNode evaluation = evaluation();
    List<SelectivityResult> studied = studies.stream().map(SelectivityResult::read).toList();
    List<LabelsPage.LabelsResult> people =
        evaluations.stream().map(one -> LabelsPage.read(new PlanFolder(one))).toList();
    List<SuppressionResult> results = edits.stream().map(SuppressionResult::read).toList();
    Map<String, Set<Integer>> edited = SuppressionResult.features(results);
    List<SelectedFeature> selected =
        SelectedFeature.select(index, manifest, measured, edited, features, seed);
    var cards =
        new FeatureCards(
            index, manifest.groups(), selected, measured, images == null ? 0 : exemplars);
    cards.findNeighbours(folder, run);
    var findings =
        new Findings(
            SaeSummary.read(index, manifest, run, evaluation),
            EvaluationPage.recommended(folder),
            evaluation,
            measured == null ? null : measured.json(),
            measured == null ? List.of() : measured.points(),
            results,
            studied,
            people);
    Head head = head(out, manifest, measured);
    Thumbnails thumbnails = Thumbnails.none();
    if (images != null) {
      Data bare = new Data(head, findings, cards.all(thumbnails), thumbnails);
      // The rest is counted in characters; words of other scripts take up to three bytes.
      long rest = bare.html().length() * 5L / 4 + 4L * cards.images().size();
      thumbnails =
          Thumbnails.read(images, cards.images(), Math.max(0, MOST_BYTES - rest), progress);
    }
    String html = new Data(head, findings, cards.all(thumbnails), thumbnails).html();
    Page.write(out, html);
    List<String> missing = thumbnails.missing();
    return new WrittenReport(
        out.toString(),
        html.getBytes(StandardCharsets.UTF_8).length,
        selected.size(),
        (int) selected.stream().filter(SelectedFeature::onlyEdited).count(),
        thumbnails.jpegs().size(),
        missing.size(),
        evaluation != null,
        measured != null,
        missing.isEmpty() ? null : missing.getFirst(),
        cards(findings, measured));
  }

  /** Writes the cards of the run and of the edits into their folders. */
  private List<String> cards(Findings findings, @Nullable MeasuredSteerability measured) {
    var run =
        new RunCard(
            folder,
            index,
            findings.saes,
            findings.evaluation,
            measured,
            findings.edits,
            findings.studies);
    List<String> written = new ArrayList<>();
    card(folder.path(), run.text(), written);
    for (Path edit : edits) card(edit, EditCard.read(edit).text(null), written);
    return written;
  }

  /** Others' folders may be read, and not written: the page is there all the same. */
  private static void card(Path into, String text, List<String> written) {
    Path file = into.resolve(EditCard.FILE);
    if (!Files.isWritable(into)) {
      System.err.println(file + ": no card, since its folder cannot be written");
      return;
    }
    AtomicFiles.writeText(file, text);
    written.add(file.toString());
  }

  private Head head(
      Path out, IndexFolder.IndexManifest manifest, @Nullable MeasuredSteerability measured) {
    String name = folder.path().toAbsolutePath().normalize().toString();
    String title =
        "Run %s, model %s, %s of %s"
            .formatted(
                Page.tail(name),
                Page.tail(manifest.model()),
                Counted.of(manifest.images(), "image"),
                Page.tail(manifest.source()));
    return new Head(
        title,
        name,
        manifest,
        manifest.clearMonosemanticity(),
        recipe(),
        Commands.all(this, measured, out),
        Definitions.read());
  }

  /** evaluation.json where there is one. */
  private @Nullable JsonNode evaluation() {
    Path file = folder.evaluation();
    return Files.isRegularFile(file) ? result(file, "saes", 1, "Evaluate again") : null;
  }

  /**
   * Reads the JSON file of an earlier command.
   *
   * @param list key of an array that such a file holds
   * @param remedy what to do when the file is missing, damaged, or of another kind
   */
  static JsonNode result(Path file, String list, int protocol, String remedy) {
    JsonNode json = JsonFile.tree(file, remedy);
    if (!json.path(list).isArray() || json.path("protocol").asInt(0) != protocol) {
      throw new InputException(file, "is not of this version of clipsteer", remedy);
    }
    return json;
  }

  /** Settings of the training, where the manifest has them. */
  private Map<String, Object> recipe() {
    Map<String, Object> recipe = new LinkedHashMap<>();
    RunManifest manifest = folder.manifest();
    if (manifest == null) return recipe;
    recipe.putAll(manifest.config());
    recipe.put("trained", String.valueOf(manifest.ended()));
    recipe.put("machine", manifest.machine().cpu() + ", " + manifest.machine().cores() + " cores");
    recipe.put("versions", manifest.versions().toString());
    return recipe;
  }
}
