// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.lab.study.TargetPrompts;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The targets' prompts, or their finished embeddings. */
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

  /** Whether there are any. */
  public boolean areGiven() {
    return prompts != null || library != null;
  }

  /** As they were given. */
  public TargetPrompts prompts() {
    return new TargetPrompts(prompts, library);
  }
}
