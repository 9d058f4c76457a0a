// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Work over many images. */
record JobRoutes(Desks desks, ImageJobs jobs) {
  private static final long MOST_VALUES = 150_000_000;

  private record EffectBody(
      @Nullable PageEdit edit,
      @Nullable List<String> images,
      String head,
      String name,
      @Nullable Long seed) {}

  private record GroupsBody(@Nullable List<String> first, @Nullable List<String> second) {}

  private record SpreadBody(int sae, int id, @Nullable List<String> images, @Nullable Long seed) {}

  private record TwinsBody(int sae, int id, int other, @Nullable List<String> images) {}

  List<Route> routes() {
    return List.of(
        Route.get("/api/jobs/{job}", call -> jobs.state(call.text("job"))),
        Route.post("/api/runs/{run}/effects", this::effects),
        Route.post("/api/runs/{run}/groups", this::groups),
        Route.post("/api/runs/{run}/spread", this::spread),
        Route.post("/api/runs/{run}/twins", this::twins),
        Route.post("/api/jobs/{job}/cancel", call -> jobs.cancel(call.text("job"))));
  }

  private List<String> some(@Nullable List<String> ids) {
    if (ids == null || ids.isEmpty() || ids.size() > ImageShelf.MOST_ASKED || ids.contains(null)) {
      throw new InputException(
          "the images", "are none, or too many", "Give 1 to " + ImageShelf.MOST_ASKED);
    }
    return List.copyOf(new LinkedHashSet<>(ids));
  }

  private Object effects(Route.Call call) {
    Desk desk = desks.desk(call);
    EffectBody body = call.body(EffectBody.class);
    PageEdit edit = PageEdit.checked(body.edit);
    var job =
        new EffectJob(
            desk.workbench(),
            desks.images(),
            edit,
            String.valueOf(body.head),
            String.valueOf(body.name),
            body.seed == null ? 1 : body.seed);
    List<String> some = some(body.images);
    if (some.size() < 2) throw new InputException("one image", "has no interval", "Take more");
    return jobs.start(some, job::add, job::result);
  }

  private Object groups(Route.Call call) {
    Desk desk = desks.desk(call);
    GroupsBody body = call.body(GroupsBody.class);
    List<String> first = some(body.first);
    Set<String> all = new LinkedHashSet<>(first);
    for (String image : some(body.second)) {
      if (all.add(image)) continue;
      throw new InputException(
          desks.images().name(image), "is in both sets", "Choose sets without common images");
    }
    requireFits(desk, all.size());
    var job = new GroupsJob(desk, desks.images(), first);
    return jobs.start(List.copyOf(all), job::add, job::result);
  }

  private Object spread(Route.Call call) {
    Desk desk = desks.desk(call);
    SpreadBody body = call.body(SpreadBody.class);
    int sae = Desks.feature(desk, body.sae, body.id);
    long seed = body.seed == null ? 1 : body.seed;
    var job = new SpreadJob(desk.workbench(), desks.images(), sae, body.id, seed);
    return jobs.start(some(body.images), job::add, job::result);
  }

  private Object twins(Route.Call call) {
    Desk desk = desks.desk(call);
    TwinsBody body = call.body(TwinsBody.class);
    int sae = Desks.feature(desk, body.sae, body.id);
    if (body.other < 0 || body.other >= desks.slots().size()) {
      throw new InputException("run " + body.other, "is none", "Reload the page");
    }
    Desk other = desks.slots().get(body.other).desk();
    List<String> some = some(body.images);
    if (some.size() < 4) throw new InputException("the images", "are too few", "Take 4 or more");
    requireFits(other, some.size());
    var job = new TwinsJob(desk, sae, body.id, other, desks.images());
    return jobs.start(some, job::add, job::result);
  }

  /** Refuses to keep the largest activations of all features on too many images. */
  private static void requireFits(Desk desk, int images) {
    long features = desk.run().saes().all().stream().mapToLong(one -> one.sae().features()).sum();
    if (features * images <= MOST_VALUES) return;
    throw new InputException(
        "the images",
        "are too many for " + features + " features",
        "Take " + MOST_VALUES / features + " in all");
  }
}
