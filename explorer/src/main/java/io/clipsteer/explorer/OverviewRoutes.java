// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.Versions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/** What there is: runs, images, definitions. */
record OverviewRoutes(Desks desks, List<Definition> definitions, boolean readOnly) {
  private static final int SMALL = 128;
  private static final int LARGE = 672;

  /**
   * An SAE of a run.
   *
   * @param l0 mean number of active features of a token; of the training
   */
  record SessionSae(
      int sae,
      int layer,
      String name,
      String hookPoint,
      String tokens,
      String variant,
      int features,
      double explainedVariance,
      double l0,
      double aliveFraction) {}

  /**
   * A run.
   *
   * @param words those that texts are limited to; empty where any text can be read
   * @param texts whether texts can be read at all
   * @param index null until the run is indexed
   * @param indexing how far that is; null when it is done
   */
  record SessionRun(
      String name,
      String path,
      String model,
      List<SessionSae> saes,
      int rows,
      int columns,
      boolean squashed,
      boolean texts,
      List<String> words,
      List<SessionHead> heads,
      @Nullable SessionIndex index,
      RunSlot.@Nullable IndexingState indexing) {}

  /** The index of a run. */
  record SessionIndex(long images, String source, double clearMonosemanticity) {}

  /** A head that answers, beside the words. */
  record SessionHead(String name, boolean pixels, List<String> classes) {}

  /** What the page starts with. */
  record SessionOverview(
      String clipsteer,
      boolean readOnly,
      int images,
      SortedMap<String, SortedMap<String, Integer>> factors,
      List<SessionRun> runs,
      List<String> columns) {}

  /** An image that was opened, or brought. */
  record OpenedImage(String image, String name) {}

  private record NamesBody(@Nullable List<String> names) {}

  List<Route> routes() {
    return List.of(
        Route.get("/api/session", call -> session()),
        Route.get("/api/definitions", call -> Map.of("definitions", definitions)),
        Route.get("/api/images", this::listed),
        Route.get("/api/runs/{run}/evaluation", this::evaluation),
        Route.get("/api/runs/{run}/images/{image}/{size}", this::jpeg),
        Route.post("/api/images", this::drop),
        Route.post("/api/images/named", this::named));
  }

  private Object session() {
    List<String> columns = new ArrayList<>(FeatureTable.COLUMNS);
    if (desks.slots().stream().anyMatch(slot -> !slot.run().steered().isEmpty())) {
      columns.add(FeatureRoutes.STEERABILITY);
    }
    return new SessionOverview(
        Versions.CLIPSTEER,
        readOnly,
        desks.images().count(),
        desks.images().factors(),
        desks.slots().stream().map(this::session).toList(),
        columns);
  }

  private SessionRun session(RunSlot slot) {
    ExploredRun run = slot.run();
    RunSlot.IndexingState indexing = slot.indexing();
    List<SessionSae> saes = new ArrayList<>();
    for (RunSaes.One one : run.saes().all()) {
      var entry = one.entry();
      saes.add(
          new SessionSae(
              saes.size(),
              one.point().layer(),
              entry.folder(),
              entry.hookPoint(),
              entry.tokens(),
              entry.variant(),
              one.sae().features(),
              entry.explainedVariance(),
              entry.l0(),
              entry.aliveFraction()));
    }
    List<SessionHead> heads = new ArrayList<>();
    run.heads().forEach((name, head) -> heads.add(new SessionHead(name, false, head.words())));
    for (var one : run.pixelProbes()) {
      heads.add(new SessionHead(one.name(), true, one.probe().classes()));
    }
    SessionIndex index = indexing == null ? index(slot.desk()) : null;
    int patch = run.model().vision().config().patch();
    return new SessionRun(
        String.valueOf(run.folder().path().getFileName()),
        run.folder().path().toString(),
        run.model().source().path().toString(),
        saes,
        run.shape().height() / patch,
        run.shape().width() / patch,
        run.shape() != run.model().preprocessing(),
        index != null && slot.desk().texts().areKnown(),
        index == null ? List.of() : slot.desk().texts().words(),
        heads,
        index,
        indexing);
  }

  private static SessionIndex index(Desk desk) {
    IndexFolder.IndexManifest index = desk.search().manifest();
    return new SessionIndex(index.images(), index.source(), index.clearMonosemanticity());
  }

  private Object listed(Route.Call call) {
    String id = call.optional("id");
    if (id != null) return desks.images().one(id);
    int count = Math.min(ImageShelf.MOST_ASKED, call.whole("count", 60));
    return desks
        .images()
        .page(call.optional("label"), call.optional("text"), call.whole("from", 0), count);
  }

  private Object named(Route.Call call) {
    List<String> names = call.body(NamesBody.class).names;
    if (names == null || names.size() > ImageShelf.MOST_ASKED || names.contains(null)) {
      throw new InputException("names", "are none, or too many", "Give " + ImageShelf.MOST_ASKED);
    }
    return desks.images().named(names);
  }

  /** What {@code evaluate} wrote; no SAEs where the run was not evaluated. */
  private Object evaluation(Route.Call call) {
    Path file = desks.slot(call).run().folder().evaluation();
    if (!Files.isRegularFile(file)) return Map.of("saes", List.of());
    return JsonFile.tree(file, "Evaluate the run again");
  }

  private Object jpeg(Route.Call call) {
    String size = call.text("size");
    int side =
        switch (size) {
          case "small" -> SMALL;
          case "large" -> LARGE;
          default -> throw new InputException("size " + size, "is none", "Use small or large");
        };
    byte[] jpeg = desks.images().jpeg(call.text("image"), desks.desk(call).run().shape(), side);
    return new Route.Bytes(jpeg, "image/jpeg");
  }

  private Object drop(Route.Call call) {
    String id = desks.images().drop(call.body());
    return new OpenedImage(id, id);
  }
}
