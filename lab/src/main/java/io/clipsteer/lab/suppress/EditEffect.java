// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.lab.run.Versions;
import io.clipsteer.lab.study.Study;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * {@code effect.json}: what an edit of named units does to zero-shot answers on labelled images,
 * beside random edits of the same size.
 *
 * @param groups right answers of each group before and after
 * @param overall of all groups
 * @param clean of the clean set; absent where there is none
 * @param worstBefore accuracy of the worst group without the edit
 * @param worstAfter accuracy of the worst group with it
 * @param controls as many random features of the SAE, and a random direction of the edit's norm on
 *     each token; their p-values are of the group that is worst without an edit
 * @param skipped images that could not be read
 */
public record EditEffect(
    int protocol,
    String clipsteer,
    String model,
    String data,
    List<SuppressionJson.Group> groups,
    SuppressionJson.Group overall,
    @JsonInclude(JsonInclude.Include.NON_NULL) SuppressionJson.@Nullable Group clean,
    double worstBefore,
    double worstAfter,
    List<SuppressionReport.Baseline> controls,
    @JsonIgnore List<ImageLoader.Skipped> unread,
    int skipped) {
  /** The file in an edit's folder. */
  public static final String FILE = "effect.json";

  /**
   * Measures.
   *
   * @param study whose test images are used
   * @param own the edit
   * @param draws random edits of each kind
   */
  public static EditEffect of(
      ClipModel model, Study study, Candidate own, int draws, long seed, Progress progress) {
    Edit edit = own.edit();
    List<Candidate> all = new ArrayList<>(List.of(own));
    if (edit.target() instanceof Edit.Features chosen) {
      SplittableRandom random = new SplittableRandom(seed);
      for (int sample = 0; sample < draws; sample++) {
        int[] ids = random.ints(0, chosen.sae().features()).distinct().limit(own.size()).toArray();
        Edit other = new Edit(edit.site(), new Edit.Features(chosen.sae(), ids), edit.rule());
        all.add(new Candidate(Candidate.Family.RANDOM_FEATURES, own.sae(), ids.length, other));
      }
    }
    for (int sample = 0; sample < draws; sample++) {
      Edit noise = Edit.noise(edit, seed * 1_000_003 + sample);
      all.add(new Candidate(Candidate.Family.RANDOM_DIRECTIONS, own.sae(), 1, noise));
    }
    String name = "measuring the edit";
    EditTrial.TrialResult trial = EditTrial.run(model, study.test(), all, null, name, progress);
    return of(model, study, trial, all);
  }

  private static EditEffect of(
      ClipModel model, Study study, EditTrial.TrialResult trial, List<Candidate> all) {
    List<GroupScore> scores = new ArrayList<>();
    for (BitSet after : trial.after()) scores.add(trial.score(study.groups(), after));
    GroupScore own = scores.getFirst();
    List<SuppressionReport.Baseline> controls = new ArrayList<>();
    for (Candidate.Family family : Candidate.Family.values()) {
      int[] some =
          IntStream.range(1, all.size()).filter(c -> all.get(c).family() == family).toArray();
      if (some.length == 0) continue;
      List<GroupScore> of = IntStream.of(some).mapToObj(scores::get).toList();
      controls.add(SuppressionReport.Baseline.of(all.get(some[0]), of, own.worstGroup()));
    }
    List<String> names = study.groups().names();
    return new EditEffect(
        1,
        Versions.CLIPSTEER,
        model.source().path().toAbsolutePath().normalize().toString(),
        study.source(),
        IntStream.range(0, names.size())
            .filter(g -> own.groups().get(g).n() > 0)
            .mapToObj(g -> SuppressionJson.Group.of(names.get(g), own.groups().get(g)))
            .toList(),
        SuppressionJson.Group.of("all", own.overall()),
        own.clean().n() == 0 ? null : SuppressionJson.Group.of("clean set", own.clean()),
        own.worstBefore(),
        own.worstAfter(),
        List.copyOf(controls),
        trial.skipped(),
        trial.skipped().size());
  }
}
