// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.lab.study.TargetPrompts;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What answers for the targets: prompts, finished embeddings, or a probe. */
public final class PromptOptions {
  @Option(
      names = "--prompts",
      paramLabel = "FILE",
      description = "Lines of target, tab, prompt; several prompts of a target are averaged.")
  private @Nullable Path prompts;

  @Option(
      names = "--library",
      paramLabel = "DIR",
      description = "Folder with text_embeddings.safetensors and words.txt, for the targets.")
  private @Nullable Path library;

  @Option(
      names = "--probe",
      paramLabel = "PROBE",
      description = "Answer with a linear head of clipsteer probe train, in the place of words.")
  private @Nullable Path probe;

  /** Whether there are any. */
  public boolean areGiven() {
    return prompts != null || library != null || probe != null;
  }

  /** As they were given. */
  public TargetPrompts prompts() {
    return new TargetPrompts(prompts, library, probe);
  }
}
