// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Work over many images, image by image between the requests of others, so that nobody waits for it
 * longer than for one image.
 */
final class ImageJobs {
  /** Jobs that are kept; of more, those that ended first are forgotten. */
  private static final int KEPT = 32;

  private static final int MOST_RUNNING = 4;

  /**
   * How far a job is.
   *
   * @param skipped images that cannot be read
   * @param result null until it is done
   * @param error why it ended early, or null
   */
  record JobState(
      String job,
      int done,
      int total,
      int skipped,
      @Nullable Object result,
      @Nullable String error) {
    boolean ended() {
      return result != null || error != null;
    }
  }

  private record Job(List<String> images, Consumer<String> each, Supplier<Object> finish) {}

  private final Turns turns;
  private final LinkedHashMap<String, JobState> states = new LinkedHashMap<>();
  private int started;

  ImageJobs(Turns turns) {
    this.turns = turns;
  }

  /**
   * Starts a job.
   *
   * @param each takes an image's id; an image that it refuses is skipped
   * @param finish makes the result
   * @return the job's first state
   */
  synchronized JobState start(List<String> images, Consumer<String> each, Supplier<Object> finish) {
    if (states.values().stream().filter(one -> !one.ended()).count() >= MOST_RUNNING) {
      throw new InputException(
          "a further job", "has to wait: " + MOST_RUNNING + " are running", "Cancel one");
    }
    String id = "j" + ++started;
    JobState first = new JobState(id, 0, images.size(), 0, null, null);
    states.put(id, first);
    for (var old = states.entrySet().iterator(); old.hasNext() && states.size() > KEPT; ) {
      if (old.next().getValue().ended()) old.remove();
    }
    next(new Job(List.copyOf(images), each, finish), first);
    return first;
  }

  private void next(Job job, JobState state) {
    turns
        .submit(state.job, "job", () -> step(job, state))
        .whenComplete(
            (after, failure) -> {
              JobState now = failure == null ? after : failed(state, failure);
              if (put(now)) next(job, now);
            });
  }

  /** Notes a state; whether the job goes on. */
  private synchronized boolean put(JobState now) {
    JobState known = states.get(now.job);
    if (known == null || known.ended()) return false;
    states.put(now.job, now);
    return !now.ended();
  }

  private static JobState step(Job job, JobState state) {
    int done = state.done;
    if (done == state.total) {
      return new JobState(state.job, done, done, state.skipped, job.finish.get(), null);
    }
    int skipped = state.skipped;
    try {
      job.each.accept(job.images.get(done));
    } catch (InputException e) {
      // A damaged image among many; if it is the edit that is wrong, every image says so.
      if (++skipped == state.total) throw e;
    }
    return new JobState(state.job, done + 1, state.total, skipped, null, null);
  }

  private static JobState failed(JobState state, Throwable failure) {
    Throwable cause = failure instanceof CompletionException e ? e.getCause() : failure;
    String why =
        switch (cause) {
          case InputException e -> String.valueOf(e.getMessage());
          case CancellationException e -> "It was stopped";
          case null, default -> {
            if (cause != null) cause.printStackTrace();
            yield "clipsteer failed here; its terminal has the details";
          }
        };
    return new JobState(state.job, state.done, state.total, state.skipped, null, why);
  }

  synchronized JobState state(String id) {
    JobState state = states.get(id);
    if (state != null) return state;
    throw new InputException("the job", "is not known any more", "Start it again");
  }

  /** Stops a job after the image that it is at. */
  synchronized JobState cancel(String id) {
    JobState state = state(id);
    if (state.ended()) return state;
    JobState stopped =
        new JobState(id, state.done, state.total, state.skipped, null, "It was stopped");
    states.put(id, stopped);
    return stopped;
  }
}
