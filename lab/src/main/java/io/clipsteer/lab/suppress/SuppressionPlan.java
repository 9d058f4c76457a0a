// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.TowerRate;
import io.clipsteer.lab.run.TowerWalk;
import io.clipsteer.lab.study.LabelledImages;
import java.util.ArrayList;
import java.util.List;

/** The cost of a suppression before anything is ranked: with as many candidates as there can be. */
final class SuppressionPlan {
  /** Neurons' sizes apart, at each hook point: mean difference, LEACE and the steps of INLP. */
  private static final int DIRECTIONS = 2 + LinearErasure.STEPS.size();

  /** Families with strengths of their own at each hook point: neurons and the directions' three. */
  private static final int FAMILIES = 4;

  private final SuppressionRun run;
  private final TowerRate rate;

  private SuppressionPlan(SuppressionRun run) {
    this.run = run;
    this.rate = TowerRate.measure(run.model(), run.study().test().getFirst().images());
  }

  static WorkPlan of(SuppressionRun run, boolean baselines) {
    SuppressionPlan plan = new SuppressionPlan(run);
    List<HookPoint> points = run.saes().all().stream().map(RunSaes.One::point).toList();
    List<HookPoint> sites = points.stream().distinct().toList();
    int sizes = run.settings().sizes().size();
    double walk = TowerWalk.past(run.model().vision(), points).flopsPerImage();
    double train = LabelledImages.count(run.study().train());
    double after = plan.after(points);
    double afterSites = baselines ? plan.after(sites) : 0;
    double most = points.stream().mapToDouble(plan::after).max().orElse(0);
    int finalists = baselines ? 1 + FAMILIES + 2 * run.settings().draws() : 1;
    List<WorkPlan.PlannedStage> stages = new ArrayList<>();
    stages.add(
        WorkPlan.PlannedStage.driver(
            "ranking features",
            plan.rate.bytes(train),
            walk * train,
            plan.rate.seconds(train, walk)));
    stages.add(
        plan.stage(
            Trials.TrialStage.SIZES,
            run.study().validation(),
            sizes * after + (sizes + DIRECTIONS) * afterSites));
    stages.add(
        plan.stage(
            Trials.TrialStage.STRENGTHS,
            run.study().validation(),
            Choice.STRENGTHS.length * (after + FAMILIES * afterSites)));
    stages.add(plan.stage(Trials.TrialStage.TEST, run.study().test(), finalists * most));
    return new WorkPlan(
        stages,
        plan.rate.residentBytes(),
        List.of(
            "as many edits as there can be, at the earliest layer on the test set; which there are"
                + " is known when features are ranked",
            "trial edits of --select effect, and Defense-Prefix, are not in the plan"));
  }

  private double after(List<HookPoint> points) {
    return points.stream().mapToDouble(this::after).sum();
  }

  private double after(HookPoint point) {
    return run.model().vision().flopsAfter(point.layer());
  }

  /**
   * Evaluates edits.
   *
   * @param edits operations of all edits on an image
   */
  private WorkPlan.PlannedStage stage(
      Trials.TrialStage stage, List<LabelledImages> parts, double edits) {
    double images = LabelledImages.count(parts);
    double flops = run.model().vision().flopsPerImage() + edits;
    EditTrial trial = new EditTrial(run.model(), parts, List.of(), Screening.ImageShare.WHOLE);
    return new WorkPlan.PlannedStage(
        stage.word(),
        true,
        trial.count(),
        rate.bytes(images),
        null,
        images * flops,
        rate.seconds(images, flops),
        0);
  }
}
