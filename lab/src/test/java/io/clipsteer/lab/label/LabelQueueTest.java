// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.lab.label.LabelAnswer.Ideas;
import io.clipsteer.lab.label.LabelAnswer.Said;
import io.clipsteer.lab.label.LabelPlan.LabelTrial;
import io.clipsteer.lab.label.LabelPlan.ShownImage;
import io.clipsteer.lab.label.LabelPlan.TrialRole;
import io.clipsteer.lab.label.LabelledUnit.LabelledKind;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Orders, answers on the disk, tables and the report, on plans whose truth is known. */
final class LabelQueueTest {
  private static final long MS = 3000;

  @TempDir private Path temp;
  private PlanFolder folder;

  /** Six features and six random sheets: two trials of 2AFC and intruder each, all naming. */
  @BeforeEach
  void plan() {
    folder = new PlanFolder(temp.resolve("study"));
    List<LabelledUnit> units = new ArrayList<>();
    List<LabelTrial> trials = new ArrayList<>();
    for (int u = 0; u < 12; u++) {
      var kind = u < 6 ? LabelledKind.FEATURE : LabelledKind.RANDOM_SHEET;
      Map<String, Double> scores = u < 6 ? Map.of("monosemanticity", (double) u) : Map.of();
      units.add(
          new LabelledUnit(kind, "s", 1 + u % 2, u, 0.1, u % 4, u == 0 ? "dog" : null, scores));
      for (LabelTask task : LabelTask.values()) trials.add(trial(trials, task, TrialRole.MAIN, u));
      trials.add(trial(trials, LabelTask.TWO_AFC, TrialRole.MAIN, u));
    }
    trials.add(trial(trials, LabelTask.TWO_AFC, TrialRole.CATCH, 0));
    trials.add(trial(trials, LabelTask.INTRUDER, TrialRole.CATCH, 1));
    trials.add(trial(trials, LabelTask.NAMING, TrialRole.PRACTICE, 0));
    var plan = new LabelPlan(LabelPlan.FORMAT, "run", "src", 100, 7, 2, 2, 2, units, trials);
    AtomicFiles.writeJson(folder.path().resolve(PlanFolder.PLAN), plan);
  }

  private static LabelTrial trial(
      List<LabelTrial> before, LabelTask task, TrialRole role, int unit) {
    int n = before.size();
    List<ShownImage> images =
        IntStream.range(0, count(task))
            .mapToObj(
                k ->
                    new ShownImage(
                        Integer.toHexString(100 * n + k), fires(task, k, n), "top", null))
            .toList();
    return new LabelTrial("t" + n, task, role, unit, images);
  }

  private static int count(LabelTask task) {
    return switch (task) {
      case NAMING -> 16;
      case TWO_AFC -> 20;
      case INTRUDER -> 5;
      case VERIFICATION -> 10;
    };
  }

  private static boolean fires(LabelTask task, int k, int n) {
    return switch (task) {
      case NAMING -> true;
      case TWO_AFC -> k < 9 || k == 18 + n % 2;
      case INTRUDER -> k != n % 5;
      case VERIFICATION -> k % 2 == n % 2;
    };
  }

  private static Said right(LabelTrial trial) {
    return switch (trial.task()) {
      case NAMING -> new Said(null, 3, Ideas.ONE, "name of " + trial.unit(), List.of(0), null);
      case TWO_AFC, INTRUDER -> new Said(trial.right(), 2, null, null, null, null);
      case VERIFICATION ->
          new Said(
              null,
              null,
              null,
              null,
              IntStream.range(0, 10).filter(k -> trial.images().get(k).fires()).boxed().toList(),
              null);
    };
  }

  private static Said wrong(LabelTrial trial) {
    if (trial.task() == LabelTask.NAMING) return new Said(null, 1, Ideas.NONE, null, null, null);
    if (trial.task() == LabelTask.VERIFICATION) {
      List<Integer> others =
          IntStream.range(0, 10).filter(k -> !trial.images().get(k).fires()).boxed().toList();
      return new Said(null, null, null, null, others, null);
    }
    int images = trial.task() == LabelTask.TWO_AFC ? 2 : 5;
    return new Said((trial.right() + 1) % images, 2, null, null, null, null);
  }

  private void answerAll(
      LabelQueue queue, String annotator, Function<LabelTrial, Said> says, long ms) {
    for (var next = queue.next(annotator); next != null; next = queue.next(annotator)) {
      assertTrue(queue.answer(annotator, next.position(), says.apply(next.trial()), ms, 0));
    }
  }

  @Test
  void ordersDifferAndRepeatATenth() {
    LabelPlan plan = folder.plan();
    List<LabelTrial> one = LabelQueue.order(plan, "anna");
    assertEquals(one, LabelQueue.order(plan, "anna"));
    assertNotEquals(one, LabelQueue.order(plan, "ben"));
    assertEquals(TrialRole.PRACTICE, one.getFirst().role());
    // 48 trials before verification: a tenth of them twice.
    assertEquals(plan.trials().size() + 5, one.size());
    Set<String> seen = new HashSet<>();
    boolean verifying = false;
    for (LabelTrial trial : one) {
      if (trial.role() == TrialRole.CATCH) continue;
      seen.add(trial.id());
      verifying |= trial.task() == LabelTask.VERIFICATION;
      assertEquals(verifying, trial.task() == LabelTask.VERIFICATION);
    }
    assertEquals(plan.trials().size() - 2, seen.size());
  }

  @Test
  void aSecondPageAndALaterStartGoOnWhereTheFirstWas() {
    LabelQueue queue = LabelQueue.open(folder);
    var first = Objects.requireNonNull(queue.next("anna"));
    assertTrue(queue.answer("anna", 0, right(first.trial()), MS, 1));
    assertFalse(queue.answer("anna", 0, wrong(first.trial()), MS, 0), "answered before");
    assertThrows(InputException.class, () -> queue.answer("anna", 5, right(first.trial()), MS, 0));
    LabelQueue later = LabelQueue.open(folder);
    assertEquals(1, Objects.requireNonNull(later.next("anna")).position());
    assertEquals(0, Objects.requireNonNull(later.next("ben")).position());
    LabelAnswer stored = AnswerLog.open(folder, "anna").answers().getFirst();
    assertEquals(Ideas.ONE, stored.said().ideas());
    assertEquals(1, stored.heatMaps());
  }

  @Test
  void answersThatAnswerNothingAreRefused() {
    LabelQueue queue = LabelQueue.open(folder);
    while (Objects.requireNonNull(queue.next("a")).trial().task() != LabelTask.TWO_AFC) {
      var asked = Objects.requireNonNull(queue.next("a"));
      queue.answer("a", asked.position(), right(asked.trial()), MS, 0);
    }
    int position = Objects.requireNonNull(queue.next("a")).position();
    for (Said said :
        List.of(
            new Said(2, 1, null, null, null, null),
            new Said(-1, 1, null, null, null, null),
            new Said(null, 1, null, null, null, null),
            new Said(1, 4, null, null, null, null),
            new Said(1, 1, null, null, List.of(3, 3), null),
            new Said(1, 1, null, null, List.of(20), null),
            new Said(1, 1, null, null, null, "no name"))) {
      assertThrows(InputException.class, () -> queue.answer("a", position, said, MS, 0));
    }
    for (String name : List.of("", "../x", "a b", "-a", "x".repeat(41))) {
      assertThrows(InputException.class, () -> queue.next(name), name);
    }
    assertEquals(List.of("a"), folder.annotators());
    for (int k = 1; k < 1000; k++) queue.next("other-" + k);
    assertThrows(InputException.class, () -> queue.next("other-1000"));
  }

  @Test
  void aTornLineIsCutOffAndAChangedOneIsFound() throws IOException {
    LabelQueue queue = LabelQueue.open(folder);
    answerAll(queue, "anna", LabelQueueTest::right, MS);
    Path file = folder.answers().resolve("anna.jsonl");
    byte[] whole = Files.readAllBytes(file);
    int answers = AnswerLog.open(folder, "anna").answers().size();
    for (int cut = 1; cut < 200; cut += 13) {
      Files.write(file, java.util.Arrays.copyOf(whole, whole.length - cut));
      LabelQueue later = LabelQueue.open(folder);
      answerAll(later, "anna", LabelQueueTest::right, MS);
      assertEquals(answers, AnswerLog.open(folder, "anna").answers().size());
    }
    String text = new String(whole, StandardCharsets.UTF_8);
    Files.writeString(file, text.replaceFirst("\"confidence\":2", "\"confidence\":3"));
    assertThrows(InputException.class, () -> AnswerLog.open(folder, "anna"));
    List<String> lines = new ArrayList<>(text.lines().toList());
    lines.remove(3);
    Files.writeString(file, String.join("\n", lines) + "\n");
    assertThrows(InputException.class, () -> AnswerLog.open(folder, "anna"));
    Files.writeString(file, text + text.lines().toList().getLast() + "\n");
    assertThrows(InputException.class, () -> AnswerLog.open(folder, "anna"));
    Files.writeString(file, "torn", StandardOpenOption.TRUNCATE_EXISTING);
    assertEquals(0, AnswerLog.open(folder, "anna").answers().size());
    assertEquals(List.of("anna"), folder.torn());
  }

  @Test
  void pagesThatAnswerAtOnceLoseNothing() throws Exception {
    LabelQueue queue = LabelQueue.open(folder);
    int total = LabelQueue.order(folder.plan(), "anna").size();
    int stored = 0;
    try (var pages = Executors.newFixedThreadPool(4)) {
      List<Future<Integer>> all = new ArrayList<>();
      for (int page = 0; page < 4; page++) all.add(pages.submit(() -> page(queue)));
      for (var one : all) stored += one.get();
    }
    List<LabelAnswer> answers = AnswerLog.open(folder, "anna").answers();
    assertEquals(total, answers.size());
    assertEquals(answers.stream().filter(one -> one.said().skipped() == null).count(), stored);
  }

  private static int page(LabelQueue queue) {
    int stored = 0;
    for (var next = queue.next("anna"); next != null; next = queue.next("anna")) {
      if (queue.answer("anna", next.position(), right(next.trial()), MS, 0)) stored++;
    }
    return stored;
  }

  @Test
  void namesToVerifyComeFromOthersElseFromTheIndex() {
    LabelQueue queue = LabelQueue.open(folder);
    answerAll(queue, "anna", LabelQueueTest::right, MS);
    List<LabelAnswer> anna = AnswerLog.open(folder, "anna").answers();
    // Nobody else has named anything: only the index's name is asked.
    assertEquals(
        List.of("dog"), anna.stream().map(LabelAnswer::name).filter(Objects::nonNull).toList());
    assertEquals(11, anna.stream().filter(one -> one.said().skipped() != null).count());
    answerAll(queue, "ben", LabelQueueTest::wrong, MS);
    Set<@Nullable String> names = new HashSet<>();
    for (LabelAnswer one : AnswerLog.open(folder, "ben").answers()) names.add(one.name());
    assertTrue(names.contains("name of 0") && names.contains("name of 11"), names.toString());
    assertFalse(names.contains("dog"));
  }

  @Test
  void theReportCountsByHand() {
    LabelQueue queue = LabelQueue.open(folder);
    // Anna is right on features and wrong on random sheets; ben always wrong but for catch trials.
    Function<LabelTrial, Said> anna =
        trial -> trial.unit() < 6 || trial.role() == TrialRole.CATCH ? right(trial) : wrong(trial);
    answerAll(queue, "anna", anna, MS);
    answerAll(
        queue, "ben", trial -> trial.role() == TrialRole.CATCH ? right(trial) : wrong(trial), MS);
    answerAll(queue, "hasty", LabelQueueTest::right, 200);
    answerAll(queue, "inattentive", LabelQueueTest::wrong, MS);
    queue.next("new");
    LabelReport report = LabelReport.of(folder);
    assertEquals(List.of("anna", "ben"), report.counted());
    assertEquals(4, report.annotators().size());
    assertEquals(1.0, report.annotators().getFirst().caught());
    assertEquals(0.0, report.annotators().get(3).caught(), "inattentive");
    assertEquals(200.0, report.annotators().get(2).medianMs(), "hasty");
    // Five of 48 trials twice, by two annotators who always say the same.
    assertEquals(10, report.repeats().stream().mapToInt(LabelReport.RepeatResult::trials).sum());
    assertTrue(report.repeats().stream().allMatch(one -> one.same() == 1));
    var unit = report.units().getFirst();
    assertEquals("dog", unit.indexName());
    assertEquals(List.of("name of 0"), unit.names());
    assertEquals(0.5, unit.oneIdea());
    assertEquals(0.5, unit.accuracy().get(LabelTask.INTRUDER));
    assertEquals(12, report.units().size());
    var afc = report.results().stream().filter(one -> one.task() == LabelTask.TWO_AFC).toList();
    assertEquals(0.5, afc.get(0).accuracy().value());
    assertEquals(24, afc.get(0).answers());
    assertEquals(0.0, afc.get(1).accuracy().value());
    assertEquals(0.5, assertNotNullAnd(afc.get(1).difference()).value());
    assertEquals(LabelledKind.RANDOM_SHEET, afc.get(1).kind());
    var verified =
        report.results().stream().filter(one -> one.task() == LabelTask.VERIFICATION).toList();
    // Ben judged all ten images of each sheet wrongly; anna verified the index's name rightly.
    assertEquals((0.5 + 0 + 0 + 0 + 0 + 0) / 6, verified.get(0).accuracy().value());
    assertEquals(0.5, report.oneIdea().get(0).share().value());
    // Both chose wrongly on all 12 trials of random sheets, differently on the 12 of features.
    var choice =
        report.agreements().stream().filter(one -> one.what().startsWith("2afc")).findFirst();
    assertEquals(24, choice.orElseThrow().items());
    assertEquals(0.5, choice.orElseThrow().raw());
    assertEquals(1, report.scores().stream().filter(s -> s.task() == LabelTask.TWO_AFC).count());
  }

  private static <T> T assertNotNullAnd(@Nullable T value) {
    assertNotNull(value);
    return Objects.requireNonNull(value);
  }

  @Test
  void unanimousAnswersHaveNoCoefficient() {
    LabelQueue queue = LabelQueue.open(folder);
    answerAll(queue, "anna", LabelQueueTest::right, MS);
    answerAll(queue, "ben", LabelQueueTest::right, MS);
    var ideas = LabelReport.of(folder).agreements().getFirst();
    assertEquals(1.0, ideas.raw());
    assertNull(ideas.alpha());
    assertNull(ideas.fleiss());
    assertTrue(ideas.cohen().isEmpty());
  }

  @Test
  void tablesGoOutAndIn() throws IOException {
    LabelQueue queue = LabelQueue.open(folder);
    answerAll(queue, "anna", LabelQueueTest::right, MS);
    answerAll(queue, "ben", LabelQueueTest::wrong, MS);
    LabelReport before = LabelReport.of(folder);
    Path table = temp.resolve("answers.csv");
    Files.writeString(table, AnswerTable.csv(folder));
    assertThrows(InputException.class, () -> AnswerTable.read(folder, table), "they are there");
    assertTrue(AnswerLog.delete(folder, "anna") && AnswerLog.delete(folder, "ben"));
    String wrong = Files.readString(table).replaceFirst("\nben,t\\d+", "\nben,none");
    Path other = temp.resolve("other.csv");
    Files.writeString(other, wrong);
    assertThrows(InputException.class, () -> AnswerTable.read(folder, other));
    assertEquals(List.of(), folder.annotators(), "nothing is stored of a table with a fault");
    assertEquals(Set.of("anna", "ben"), AnswerTable.read(folder, table).keySet());
    assertEquals(before.results(), LabelReport.of(folder).results());
    assertEquals(before.agreements(), LabelReport.of(folder).agreements());
  }

  @Test
  void answersToAnotherPlanAreNotTaken() throws IOException {
    LabelQueue queue = LabelQueue.open(folder);
    queue.next("anna");
    answerAll(queue, "anna", LabelQueueTest::right, MS);
    Path file = folder.path().resolve(PlanFolder.PLAN);
    Files.writeString(file, Files.readString(file).replace("\"seed\" : 7", "\"seed\" : 8"));
    assertThrows(InputException.class, () -> LabelQueue.open(folder));
  }

  @Test
  void powerIsTheReferences() {
    assertEquals(0.128, StudyPower.halfWidth(0.85, 30), 5e-4);
    assertEquals(60, StudyPower.features(0.85, 0.75, 30));
  }
}
