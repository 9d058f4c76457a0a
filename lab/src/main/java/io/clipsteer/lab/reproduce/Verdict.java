// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.reproduce;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Locale;

/** Whether our number agrees with a published one. */
public enum Verdict {
  /** The interval of the difference lies within the margin. */
  CONSISTENT,
  /** The interval excludes 0 and reaches beyond the margin. */
  DIFFERENT,
  /** The interval includes 0 and reaches beyond the margin, or there is none. */
  CANNOT_TELL,
  /** Our number is of a model of another shape than the paper's. */
  OTHER_MODEL,
  /** Words are published, and no number. */
  NOTHING_PUBLISHED,
  /** There is no number of ours. */
  NOT_MEASURED;

  /** In words. */
  public String words() {
    return name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  @JsonValue
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
