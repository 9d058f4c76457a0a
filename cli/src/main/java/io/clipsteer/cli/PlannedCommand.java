// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.lab.block.WorkPlan;

/** A command whose cost can be said before it runs. */
interface PlannedCommand {
  /** Measures rates on a few images, and writes nothing. */
  WorkPlan plan();
}
