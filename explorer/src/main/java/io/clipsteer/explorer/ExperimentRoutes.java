// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.lab.index.FeatureSearch;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Features of a selection, and the answers of an edit. */
record ExperimentRoutes(Desks desks, Turns turns) {
  /**
   * Features of a selection that are active on a larger share of the index's tokens say little
   * about it.
   */
  private static final double BELOW = 0.1;

  /** A feature of a selection. */
  record SelectionFeature(
      int sae,
      int layer,
      int id,
      double score,
      @Nullable String name,
      @Nullable String steered,
      double frequency,
      double max,
      @Nullable String here,
      List<Desks.ExemplarImage> exemplars) {}

  /** The features of a selection. */
  record Selection(List<SelectionFeature> features) {}

  /** Answers of all heads. */
  record PageAnswers(List<Workbench.HeadAnswers> heads) {}

  private record SelectionBody(
      String image, @Nullable List<Integer> patches, @Nullable Integer count) {}

  List<Route> routes() {
    return List.of(
        Route.model(turns, true, "/api/runs/{run}/selection", "selection", this::selection),
        Route.model(turns, true, "/api/runs/{run}/answers", "answers", this::answers));
  }

  private void open(Desk desk, String image) {
    if (desk.workbench().isOpen(image)) return;
    desk.workbench().open(image, desks.images().decoded(image));
  }

  private Object selection(Route.Call call) {
    Desk desk = desks.desk(call);
    SelectionBody body = call.body(SelectionBody.class);
    String image = String.valueOf(body.image);
    open(desk, image);
    List<Integer> patches = Objects.requireNonNullElse(body.patches, List.of());
    if (patches.stream().anyMatch(Objects::isNull)) {
      throw new InputException("a patch", "is empty", "Give numbers");
    }
    int count = Math.clamp(Objects.requireNonNullElse(body.count, 8), 1, 40);
    List<FeatureSearch.Hit> hits = desk.workbench().selection(image, patches, BELOW, count);
    var exemplars = desk.table().exemplars(hits, 4);
    List<SelectionFeature> all = new ArrayList<>();
    for (FeatureSearch.Hit hit : hits) {
      int sae = desk.table().sae(hit);
      List<Desks.ExemplarImage> own =
          desks.exemplars(exemplars.getOrDefault(sae + ":" + hit.id(), List.of()));
      double max = own.isEmpty() ? 0 : own.getFirst().max();
      all.add(
          new SelectionFeature(
              sae,
              hit.layer(),
              hit.id(),
              hit.score(),
              hit.name(),
              hit.steered(),
              hit.frequency(),
              max,
              bytes(desk.workbench().activations(image, sae, hit.id()), max),
              own));
    }
    return new Selection(all);
  }

  /** Activations of patches as bytes in base 64: 255 is the largest of the index. */
  private static @Nullable String bytes(float @Nullable [] active, double max) {
    if (active == null || max <= 0) return null;
    byte[] bytes = new byte[active.length];
    for (int k = 0; k < bytes.length; k++) {
      bytes[k] = (byte) Math.round(255 * Math.clamp(active[k] / max, 0, 1));
    }
    return Base64.getEncoder().encodeToString(bytes);
  }

  private Object answers(Route.Call call) {
    Desk desk = desks.desk(call);
    PageEdit edit = call.body(PageEdit.class).checked();
    open(desk, edit.image());
    return new PageAnswers(desk.workbench().answers(edit));
  }
}
