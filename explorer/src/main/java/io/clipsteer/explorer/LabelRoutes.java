// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.lab.label.AnswerLog;
import io.clipsteer.lab.label.LabelAnswer;
import io.clipsteer.lab.label.LabelPlan;
import io.clipsteer.lab.label.LabelQueue;
import io.clipsteer.lab.label.LabelTask;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Human evaluation. Nothing that is sent tells the unit of a trial, its kind, others' answers, or,
 * but for practice, the right one.
 *
 * @param queue null where no plan is open
 */
record LabelRoutes(@Nullable LabelQueue queue, boolean readOnly) {
  private static final long LONGEST_MS = 3_600_000;

  /** A plan, as the page begins with it; 0 trials where none is open. */
  record PlanView(
      List<LabelTask> tasks,
      int trials,
      int practices,
      double minutes,
      int patchRows,
      int patchColumns) {}

  /** An image of a trial. */
  record TrialImage(String image, @Nullable String heat) {}

  /**
   * A trial.
   *
   * @param name to verify; null for other tasks
   */
  record TrialView(
      int position,
      int total,
      LabelTask task,
      boolean practice,
      @Nullable String name,
      List<TrialImage> images) {}

  /** The next trial; null at the end. */
  record NextTrial(@Nullable TrialView trial, int answered) {}

  /**
   * What became of an answer.
   *
   * @param stored false where the trial was answered before
   * @param right numbers of the right images or the right query, for practice; else null
   */
  record AnswerView(boolean stored, @Nullable List<Integer> right) {}

  private record AnnotatorBody(@Nullable String annotator) {}

  private record AnswerBody(
      @Nullable String annotator,
      int position,
      LabelAnswer.@Nullable Said said,
      long milliseconds,
      int heatMaps) {}

  List<Route> routes() {
    return List.of(
        Route.get("/api/labels", call -> plan()),
        Route.get("/api/labels/images/{image}", this::image),
        Route.post("/api/labels/next", this::next),
        Route.post("/api/labels/answers", this::answer),
        Route.post("/api/labels/delete", this::delete));
  }

  private Object plan() {
    if (queue == null) return new PlanView(List.of(), 0, 0, 0, 0, 0);
    LabelPlan plan = queue.plan();
    return new PlanView(
        plan.tasks(),
        plan.trials().size(),
        plan.practices(),
        plan.minutes(),
        plan.patchRows(),
        plan.patchColumns());
  }

  private LabelQueue open() {
    if (queue != null) return queue;
    throw new InputException("no plan", "is open", "Start explore with --plan DIR");
  }

  private LabelQueue writable() {
    if (!readOnly) return open();
    throw new InputException("this session", "is read-only", "Start it without --read-only");
  }

  private static String annotator(@Nullable String text) {
    if (text != null && AnswerLog.isPseudonym(text)) return text;
    throw new InputException(
        "the pseudonym", "is none", "Use 1 to 40 letters of English, digits, _ and -");
  }

  private Object image(Route.Call call) {
    String id = call.text("image");
    if (!id.matches("[0-9a-f]{1,64}")) {
      throw new InputException("the image", "is none", "Reload the page");
    }
    Path file = open().folder().image(id);
    try {
      return new Route.Bytes(Files.readAllBytes(file), "image/jpeg");
    } catch (IOException e) {
      throw new InputException(
          "an image of the plan", "cannot be read: " + Reasons.of(e), "Make the plan again", e);
    }
  }

  private Object next(Route.Call call) {
    String annotator = annotator(call.body(AnnotatorBody.class).annotator);
    LabelQueue.Asked asked = writable().next(annotator);
    int answered = writable().answered(annotator);
    return new NextTrial(asked == null ? null : view(asked), answered);
  }

  private static TrialView view(LabelQueue.Asked asked) {
    LabelPlan.LabelTrial trial = asked.trial();
    return new TrialView(
        asked.position(),
        asked.total(),
        trial.task(),
        trial.role() == LabelPlan.TrialRole.PRACTICE,
        asked.name(),
        trial.images().stream().map(one -> new TrialImage(one.image(), one.heat())).toList());
  }

  private Object answer(Route.Call call) {
    AnswerBody body = call.body(AnswerBody.class);
    String annotator = annotator(body.annotator);
    LabelQueue.Asked asked = writable().next(annotator);
    LabelAnswer.Said said = body.said;
    if (said == null) throw new InputException("the answer", "is none", "Answer again");
    long milliseconds = Math.clamp(body.milliseconds, 0, LONGEST_MS);
    int heatMaps = Math.clamp(body.heatMaps, 0, 10_000);
    boolean stored = writable().answer(annotator, body.position, said, milliseconds, heatMaps);
    return new AnswerView(stored, stored && asked != null ? right(asked.trial()) : null);
  }

  private static @Nullable List<Integer> right(LabelPlan.LabelTrial trial) {
    if (trial.role() != LabelPlan.TrialRole.PRACTICE) return null;
    return switch (trial.task()) {
      case TWO_AFC, INTRUDER -> List.of(trial.right());
      case VERIFICATION ->
          IntStream.range(0, trial.images().size())
              .filter(k -> trial.images().get(k).fires())
              .boxed()
              .toList();
      case NAMING -> List.of();
    };
  }

  private Object delete(Route.Call call) {
    String annotator = annotator(call.body(AnnotatorBody.class).annotator);
    return Map.of("deleted", writable().delete(annotator));
  }
}
