// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.InputException;
import io.clipsteer.data.stats.RandomOrder;
import io.clipsteer.lab.label.LabelPlan.LabelTrial;
import io.clipsteer.lab.label.LabelPlan.TrialRole;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * The trials of a plan as its annotators get them, one after the other. For any thread; one at a
 * time in a folder.
 *
 * <p>Each annotator has an order of their own, from the plan's seed and the pseudonym: practice
 * first, then the trials with the catch trials among them and a tenth of them again, verification
 * last, when others may have named what the index did not.
 */
public final class LabelQueue {
  /**
   * A trial that is shown.
   *
   * @param position from 0
   * @param total of the annotator
   * @param name to verify; null for other tasks
   */
  public record Asked(int position, int total, LabelTrial trial, @Nullable String name) {}

  private static final int MOST_ANNOTATORS = 1000;

  private final PlanFolder folder;
  private final LabelPlan plan;
  private final String hash;
  private final Map<String, LabelTrial> trials;
  private final Map<String, AnswerLog> logs = new HashMap<>();
  private final Map<String, List<LabelTrial>> orders = new HashMap<>();

  /** What is shown at present: a name that was shown stays, whatever others say meanwhile. */
  private final Map<String, Asked> open = new HashMap<>();

  private LabelQueue(PlanFolder folder) {
    this.folder = folder;
    plan = folder.plan();
    hash = folder.hash();
    trials = plan.trials().stream().collect(Collectors.toMap(LabelTrial::id, Function.identity()));
  }

  /**
   * Opens a plan and the answers that there are.
   *
   * @throws InputException when one is damaged
   */
  public static LabelQueue open(PlanFolder folder) {
    LabelQueue queue = new LabelQueue(folder);
    for (String annotator : folder.annotators()) queue.log(annotator);
    return queue;
  }

  /** The plan. */
  public LabelPlan plan() {
    return plan;
  }

  /** Where it is. */
  public PlanFolder folder() {
    return folder;
  }

  /** An annotator's order. */
  static List<LabelTrial> order(LabelPlan plan, String annotator) {
    CRC32 sum = new CRC32();
    sum.update(annotator.getBytes(StandardCharsets.UTF_8));
    SplittableRandom random =
        new SplittableRandom(plan.seed() * 0x9E3779B97F4A7C15L + sum.getValue());
    List<LabelTrial> practice = new ArrayList<>();
    List<LabelTrial> first = new ArrayList<>();
    List<LabelTrial> last = new ArrayList<>();
    List<LabelTrial> caught = new ArrayList<>();
    for (LabelTrial trial : plan.trials()) {
      if (trial.role() == TrialRole.PRACTICE) practice.add(trial);
      else if (trial.role() == TrialRole.CATCH) caught.add(trial);
      else if (trial.task() == LabelTask.VERIFICATION) last.add(trial);
      else first.add(trial);
    }
    first = shuffled(first, random);
    last = shuffled(last, random);
    List<LabelTrial> again =
        shuffled(first, random).subList(0, (int) Math.round(LabelPlan.REPEATED * first.size()));
    List<LabelTrial> all = new ArrayList<>(first);
    // The second time comes after the first, whichever that is.
    all.addAll(again);
    all.addAll(last);
    for (LabelTrial trial : caught) all.add(random.nextInt(all.size() + 1), trial);
    practice.addAll(all);
    return List.copyOf(practice);
  }

  private static List<LabelTrial> shuffled(List<LabelTrial> all, SplittableRandom random) {
    return Arrays.stream(RandomOrder.of(all.size(), random)).mapToObj(all::get).toList();
  }

  private AnswerLog log(String annotator) {
    AnswerLog known = logs.get(annotator);
    if (known != null) return known;
    if (logs.size() >= MOST_ANNOTATORS) {
      throw new InputException("a further annotator", "is one too many", "Make another plan");
    }
    AnswerLog opened = AnswerLog.open(folder, annotator);
    for (LabelAnswer answer : opened.answers()) {
      if (answer.plan().equals(hash)) continue;
      throw new InputException(
          folder.path(), "has answers of " + annotator + " to another plan", "Take them out");
    }
    logs.put(annotator, opened);
    return opened;
  }

  private List<LabelTrial> order(String annotator) {
    return orders.computeIfAbsent(annotator, one -> order(plan, one));
  }

  /** The trial that an annotator has not answered yet; null at the end. */
  public synchronized @Nullable Asked next(String annotator) {
    Asked shown = open.get(annotator);
    if (shown != null) return shown;
    AnswerLog log = log(annotator);
    List<LabelTrial> order = order(annotator);
    while (log.answers().size() < order.size()) {
      int position = log.answers().size();
      LabelTrial trial = order.get(position);
      boolean verifies = trial.task() == LabelTask.VERIFICATION;
      String name = verifies ? name(annotator, trial) : null;
      if (!verifies || name != null) {
        Asked asked = new Asked(position, order.size(), trial, name);
        open.put(annotator, asked);
        return asked;
      }
      store(annotator, position, trial, null, LabelAnswer.Said.skipped("no name"), 0, 0);
    }
    return null;
  }

  /** A unit's name: of the first other annotator who saw one idea, else of the index. */
  private @Nullable String name(String annotator, LabelTrial trial) {
    for (String other : folder.annotators()) {
      if (other.equals(annotator)) continue;
      for (LabelAnswer answer : log(other).answers()) {
        LabelTrial named = trials.get(answer.trial());
        if (named == null) continue;
        boolean same = named.task() == LabelTask.NAMING && named.unit() == trial.unit();
        if (same && answer.said().ideas() == LabelAnswer.Ideas.ONE) return answer.said().idea();
      }
    }
    return plan.units().get(trial.unit()).name();
  }

  /**
   * Stores an answer. An answer to a trial that is answered already changes nothing: of two pages
   * of the same annotator the first counts.
   *
   * @param position of the trial
   * @return whether it was stored
   * @throws InputException when it does not answer the trial, or an earlier one is open
   */
  public synchronized boolean answer(
      String annotator, int position, LabelAnswer.Said said, long milliseconds, int heatMaps) {
    Asked asked = next(annotator);
    if (asked == null || position < asked.position) return false;
    if (position > asked.position) {
      throw new InputException("trial " + position, "is not the next", "Reload the page");
    }
    String fault = said.fault(asked.trial);
    if (fault != null) throw new InputException("the answer", "is none: " + fault, "Answer again");
    store(annotator, position, asked.trial, asked.name, said, milliseconds, heatMaps);
    return true;
  }

  private void store(
      String annotator,
      int position,
      LabelTrial trial,
      @Nullable String name,
      LabelAnswer.Said said,
      long milliseconds,
      int heatMaps) {
    String time = Instant.now().toString();
    open.remove(annotator);
    log(annotator)
        .store(
            new LabelAnswer(hash, position, trial.id(), name, said, milliseconds, heatMaps, time));
  }

  /** Deletes an annotator's answers; whether there were any. */
  public synchronized boolean delete(String annotator) {
    logs.remove(annotator);
    open.remove(annotator);
    return AnswerLog.delete(folder, annotator);
  }

  /** How many trials an annotator has answered. */
  public synchronized int answered(String annotator) {
    return log(annotator).answers().size();
  }
}
