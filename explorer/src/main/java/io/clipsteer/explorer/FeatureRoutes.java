// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.data.InputException;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.QueryProcess;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** Tables, plots, cards and searches of features. */
final class FeatureRoutes {
  private static final int LONGEST_QUERY = 4000;

  /** A column of plots beside the table's. */
  static final String STEERABILITY = "steerability";

  private final Desks desks;
  private final Turns turns;
  private final QueryProcess queries;

  FeatureRoutes(Desks desks, Turns turns, QueryProcess queries) {
    this.desks = desks;
    this.turns = turns;
    this.queries = queries;
  }

  /**
   * Two columns of an SAE's features, for a plot.
   *
   * @param x by feature, F32 little-endian in base64; NaN where a feature has none
   * @param y likewise
   */
  record Scatter(int sae, String x, String y) {}

  /**
   * A feature's card.
   *
   * @param steered null where steerability is not given, or did not measure it
   */
  record PageCard(@JsonUnwrapped FeatureTable.FeatureView view, @Nullable SteeredFeature steered) {}

  /** Features that were found. */
  record FoundFeatures(List<Desks.FoundFeature> features) {}

  /** Features for a text. */
  record FoundText(
      List<Desks.FoundFeature> features, boolean standsOut, double percentile, int compared) {}

  private record QueryBody(String sql) {}

  List<Route> routes() {
    return List.of(
        Route.get("/api/runs/{run}/features", this::features),
        Route.get("/api/runs/{run}/features/{sae}/{id}", this::card),
        Route.get("/api/runs/{run}/scatter", this::scatter),
        Route.model(turns, false, "/api/runs/{run}/search", "search", this::search),
        new Route(true, "/api/runs/{run}/query", this::query));
  }

  private Object features(Route.Call call) {
    Desk desk = desks.desk(call);
    String sae = call.part("sae");
    List<FeatureTable.ColumnRange> ranges = new ArrayList<>();
    String given = call.part("ranges");
    for (String range : given == null || given.isEmpty() ? new String[0] : given.split(",")) {
      String[] parts = range.split(":", -1);
      if (parts.length != 3) {
        throw new InputException("a range", "is none", "Write COLUMN:LOW:HIGH");
      }
      ranges.add(new FeatureTable.ColumnRange(parts[0], real(parts[1]), real(parts[2])));
    }
    String sort = call.part("sort");
    FeatureTable.FeaturePage page =
        desk.table()
            .page(
                new FeatureTable.Wanted(
                    sae == null || sae.isEmpty() ? null : (Integer) desk.sae(call.whole("sae", 0)),
                    sort == null ? "image_frequency" : sort,
                    !"ascending".equals(call.part("order")),
                    call.optional("named"),
                    !"0".equals(call.part("alive")),
                    ranges,
                    call.whole("from", 0),
                    call.whole("count", 50)));
    int exemplars = Math.min(8, call.whole("exemplars", 0));
    if (exemplars > 0) addExemplars(desk, page, exemplars);
    return page;
  }

  private void addExemplars(Desk desk, FeatureTable.FeaturePage page, int count) {
    var all = desk.table().exemplarsOf(page, count);
    for (Map<String, @Nullable Object> one : page.features()) {
      one.put(
          "exemplars",
          desks.exemplars(all.getOrDefault(one.get("sae") + ":" + one.get("id"), List.of())));
    }
  }

  private static double real(String text) {
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw new InputException("a range", "is not of numbers", "Write COLUMN:LOW:HIGH", e);
    }
  }

  private Object card(Route.Call call) {
    Desk desk = desks.desk(call);
    int sae = desk.sae(call.whole("sae", 0));
    int id = call.whole("id", 0);
    FeatureTable.FeatureView card = desk.table().card(sae, id);
    // The page asks for images by id.
    for (Map<String, @Nullable Object> one : card.exemplars()) {
      one.put("image", desks.images().id(String.valueOf(one.get("image"))));
    }
    return new PageCard(card, steered(desk, sae).get(id));
  }

  private Object scatter(Route.Call call) {
    Desk desk = desks.desk(call);
    int sae = desk.sae(call.whole("sae", 0));
    return new Scatter(
        sae, base64(values(desk, sae, call.text("x"))), base64(values(desk, sae, call.text("y"))));
  }

  private static float[] values(Desk desk, int sae, String column) {
    if (!column.equals(STEERABILITY)) return desk.table().values(sae, column);
    var steered = steered(desk, sae);
    float[] values = new float[desk.table().group(sae).units()];
    Arrays.fill(values, Float.NaN);
    steered.forEach((id, one) -> values[id] = (float) one.s());
    return values;
  }

  /** Measured steerability of an SAE's features, by number. */
  private static Map<Integer, SteeredFeature> steered(Desk desk, int sae) {
    return desk.run().steered().getOrDefault(desk.table().group(sae).sae(), Map.of());
  }

  private static String base64(float[] values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return Base64.getEncoder().encodeToString(bytes.array());
  }

  private Object search(Route.Call call) {
    Desk desk = desks.desk(call);
    int count = Math.min(100, call.whole("count", 24));
    if (call.part("id") != null) {
      int sae = desk.sae(call.whole("sae", 0));
      return new FoundFeatures(desks.found(desk, desk.near(sae, call.whole("id", 0), count)));
    }
    String label = call.optional("label");
    if (label != null) {
      int colon = label.indexOf(": ");
      if (colon < 0) throw new InputException("label", "is none", "Write FACTOR: VALUE");
      String value = label.substring(colon + 2);
      return new FoundFeatures(
          desks.found(desk, desk.table().byLabel(label.substring(0, colon), value, count)));
    }
    Desk.TextAnswer answer = desk.find(call.text("text"), count);
    return new FoundText(
        desks.found(desk, answer.features()),
        answer.standsOut(),
        answer.percentile(),
        answer.compared());
  }

  private CompletableFuture<?> query(Route.Call call) {
    String sql = call.body(QueryBody.class).sql();
    if (sql == null || sql.isBlank() || sql.length() > LONGEST_QUERY) {
      throw new InputException("the query", "is empty or too long", "Write one SELECT");
    }
    IndexFolder index = IndexFolder.of(desks.desk(call).run().folder());
    return CompletableFuture.supplyAsync(
        () -> queries.run(index, sql), task -> Thread.ofVirtual().start(task));
  }
}
