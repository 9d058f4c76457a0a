// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.lab.label.LabelPlan.LabelTrial;
import io.clipsteer.lab.label.LabelPlan.ShownImage;
import io.clipsteer.lab.label.LabelPlan.TrialRole;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/** An answer with its trial, as the report counts it. */
record CountedAnswer(String annotator, LabelTrial trial, LabelAnswer answer) {
  boolean is(TrialRole role) {
    return trial.role() == role;
  }

  /** The share of the answer that is right, 0 to 1; NaN for a task without right answers. */
  double accuracy() {
    List<ShownImage> images = trial.images();
    LabelAnswer.Said said = answer.said();
    return switch (trial.task()) {
      case NAMING -> Double.NaN;
      case TWO_AFC, INTRUDER -> Objects.equals(said.choice(), trial.right()) ? 1 : 0;
      case VERIFICATION -> {
        List<Integer> picked = Objects.requireNonNullElse(said.picked(), List.of());
        long right =
            IntStream.range(0, images.size())
                .filter(k -> picked.contains(k) == images.get(k).fires())
                .count();
        yield (double) right / images.size();
      }
    };
  }

  /** 1 where naming saw one idea, else 0. */
  double oneIdea() {
    return answer.said().ideas() == LabelAnswer.Ideas.ONE ? 1 : 0;
  }

  /** Whether the inactive query has the labels of the other one. */
  boolean isHard() {
    return trial.images().stream().anyMatch(one -> one.part().equals("same labels"));
  }

  /** Whether another answer to the same trial says the same: the choice, or how many ideas. */
  boolean isLike(CountedAnswer other) {
    LabelAnswer.Said own = answer.said();
    LabelAnswer.Said others = other.answer.said();
    return Objects.equals(own.choice(), others.choice()) && own.ideas() == others.ideas();
  }
}
