// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.lab.run.ActivationBuffer;
import java.util.List;

/** Runs a tower and puts its tokens into buffers, one buffer a hook point. */
sealed interface TokenSource extends AutoCloseable permits ImageTokenSource, TextTokenSource {
  /** Tokens that a buffer for training should hold. */
  long capacity();

  /** Tokens that a buffer of held-out tokens should hold. */
  long heldOutCapacity();

  /**
   * Empties the buffers for training and fills them with the same tokens; the first call fills the
   * held-out buffers, too.
   *
   * @return true when all tokens fit, so that there is nothing to refill with
   */
  boolean fill(List<ActivationBuffer> buffers, List<ActivationBuffer> heldOut);

  /** What was read so far. */
  Feed.Counts counts();

  @Override
  void close();
}
