// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Text for people, put together from formats; numbers look the same in every locale. */
public final class Lines {
  private final StringBuilder text = new StringBuilder();

  /** Adds text in {@link String#format}'s form; {@code %n} ends a line. */
  public Lines add(String format, @Nullable Object... values) {
    text.append(of(format, values));
    return this;
  }

  /** One piece of such text. */
  public static String of(String format, @Nullable Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  /** A number in such a form; a dash where there is none. */
  public static String orDash(String format, @Nullable Double value) {
    return value == null ? "–" : of(format, value);
  }

  /** A time in seconds, minutes, hours or days. */
  public static String duration(double seconds) {
    if (seconds < 90) return of("%.0f s", Math.max(1, seconds));
    if (seconds < 5400) return of("%.0f min", seconds / 60);
    if (seconds < 2 * 86_400) return of("%.1f h", seconds / 3600);
    return of("%.1f days", seconds / 86_400);
  }

  /** All of it. */
  @Override
  public String toString() {
    return text.toString();
  }
}
