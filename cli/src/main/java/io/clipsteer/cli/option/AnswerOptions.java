// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.Progress;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.probe.Probe;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What a model answers with: zero-shot words or a probe. */
public final class AnswerOptions {
  @Mixin private LibraryOptions words;

  @Option(
      names = "--probe",
      paramLabel = "PROBE",
      description = "Answer with a linear head of clipsteer probe train, in the place of words.")
  private @Nullable Path probe;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  /** Asks for answers where none are given: before a model is loaded for nothing. */
  public void require() {
    if (probe == null && !words.areGiven()) {
      throw new ParameterException(
          command.commandLine(), LibraryOptions.WHICH + "; or give a head, --probe PROBE");
    }
    if (probe != null && words.areGiven()) {
      throw new ParameterException(command.commandLine(), "Give words or --probe, not both");
    }
  }

  /** The probe, where it answers for pixels and not for images; null otherwise. */
  public @Nullable Probe pixels(ClipModel model) {
    if (probe == null) return null;
    Probe head = Probe.read(probe);
    if (head.reads().task() != Probe.HeadTask.SEGMENTATION) return null;
    head.check(model, probe);
    return head;
  }

  /** The answers of a model. */
  public AnswerHead resolve(ClipModel model, Progress progress) {
    if (probe != null) return Probe.read(probe).head(model, probe);
    return ZeroShot.head(model, words.resolve(model, progress));
  }
}
