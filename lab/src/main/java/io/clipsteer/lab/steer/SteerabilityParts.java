// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.Progress;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.run.TowerRate;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The parts of a measurement and of its repetitions with fewer words, by number, so that many
 * processes can share them. A part is a function of its units, the images, the vocabulary and the
 * model alone.
 *
 * <p>A process keeps the images at one hook point, for the parts that it measures next; with
 * several threads at as many hook points as they measure at.
 */
public final class SteerabilityParts implements BlockWork {
  /** Of the work in a cluster. */
  private static final String STAGE = "steering";

  /** A part with the measurement that it belongs to. */
  private record Numbered(SteerabilityRun run, UnitTask.UnitPart part) {}

  /** Images that wait at a hook point, for the head of a measurement. */
  private record Place(String tag, HookPoint point) {}

  private final SteerabilityFolder folder;
  private final List<Numbered> all = new ArrayList<>();
  private final Map<Place, Waiting> open = new HashMap<>();
  private final Map<String, Similarity> alike = new ConcurrentHashMap<>();

  /**
   * Cuts a measurement; no image is read.
   *
   * @param folder of the parts
   */
  public SteerabilityParts(SteerabilityRun run, SteerabilityFolder folder) {
    this.folder = folder;
    add(run, "");
    for (SteerabilityRun.Draw draw : run.draws()) add(draw.run(), draw.tag());
  }

  private void add(SteerabilityRun run, String tag) {
    for (UnitTask task : run.units().tasks(tag, run.walk().points())) {
      for (UnitTask.UnitPart part :
          task.parts(run.units().count(task), run.images().isClosed(task.one().point()))) {
        all.add(new Numbered(run, part));
      }
    }
  }

  /** What the measurement costs; screened images count as if no verdict were clear early. */
  public WorkPlan plan() {
    SteerabilityRun whole = all.getFirst().run;
    long count = whole.batches().count();
    TowerRate rate = TowerRate.measure(whole.model(), whole.batches());
    double walk = whole.walk().flopsPerImage();
    double pass = rate.seconds(count, walk);
    List<Numbered> continued =
        all.stream()
            .filter(one -> !one.run.images().isClosed(one.part.task().one().point()))
            .toList();
    double flops = 0;
    for (Numbered one : continued) {
      flops += one.run.flopsOfUnit(one.part.task()) * one.part.count() * count;
    }
    long places = all.stream().map(one -> place(one.part.task())).distinct().count();
    long measurements = all.stream().map(one -> one.part.task().tag()).distinct().count();
    List<WorkPlan.PlannedStage> stages =
        List.of(
            WorkPlan.PlannedStage.driver(
                "running to the hook points",
                rate.bytes(count) * measurements,
                walk * count * measurements,
                pass * measurements),
            new WorkPlan.PlannedStage(
                STAGE,
                true,
                all.size(),
                rate.bytes(count) * places,
                null,
                flops,
                flops / rate.flopsPerSecond(),
                pass * places));
    long closed = all.size() - continued.size();
    return new WorkPlan(
        stages,
        rate.residentBytes() + whole.images().bytes(count),
        closed == 0
            ? List.of()
            : List.of(
                closed
                    + " of the tasks are at the last layer, where answers have a closed form: their"
                    + " time is small and not in the plan"));
  }

  /**
   * Measures the parts that are not there yet on a cluster.
   *
   * @param pilots only the first part of each task of the whole vocabulary
   */
  void share(BlockCluster.ClusterSession cluster, boolean pilots, Progress progress) {
    List<Integer> missing =
        IntStream.range(0, all.size())
            .filter(number -> !pilots || isPilot(all.get(number).part))
            .filter(number -> !folder.has(all.get(number).part))
            .boxed()
            .toList();
    long units = missing.stream().mapToLong(number -> all.get(number).part.count()).sum();
    cluster.compute(STAGE, missing, units, "units", progress);
  }

  private static boolean isPilot(UnitTask.UnitPart part) {
    return part.from() == 0 && part.task().tag().isEmpty();
  }

  @Override
  public long compute(String stage, int block) {
    Numbered one = all.get(block);
    UnitTask task = one.part.task();
    Waiting waiting = take(place(task));
    try {
      Similarity words = alike.computeIfAbsent(task.tag(), tag -> Similarity.of(one.run.head()));
      Measuring measuring = waiting.measuring(one.run, task, words);
      int from = one.part.from();
      folder.write(one.part, measuring.run(from, from + one.part.count()));
      return one.part.count();
    } finally {
      giveBack(waiting);
    }
  }

  private static Place place(UnitTask task) {
    return new Place(task.tag(), task.one().point());
  }

  private synchronized Waiting take(Place place) {
    Waiting waiting = open.computeIfAbsent(place, Waiting::new);
    waiting.users++;
    open.values()
        .removeIf(
            other -> {
              boolean useless = other.users == 0;
              if (useless) other.close();
              return useless;
            });
    return waiting;
  }

  private synchronized void giveBack(Waiting waiting) {
    waiting.users--;
  }

  @Override
  public synchronized void close() {
    open.values().forEach(Waiting::close);
    open.clear();
  }

  /** The images at a hook point, read by the first who needs them. */
  private static final class Waiting implements AutoCloseable {
    private final Place place;
    private int users;
    private @Nullable SteeredScene scene;
    private @Nullable UnitTask last;
    private @Nullable Measuring measuring;

    Waiting(Place place) {
      this.place = place;
    }

    synchronized Measuring measuring(SteerabilityRun run, UnitTask task, Similarity words) {
      SteeredScene own = scene;
      if (own == null) {
        own = run.images().prepare(run.walk(), List.of(place.point), Progress.SILENT).getFirst();
        scene = own;
      }
      Measuring ready = measuring;
      if (ready != null && task.equals(last)) return ready;
      ready = run.measuring(task, own, run.units().units(task, own.maxima()), words);
      last = task;
      measuring = ready;
      return ready;
    }

    @Override
    public void close() {
      if (scene != null) scene.sweep().close();
    }
  }
}
