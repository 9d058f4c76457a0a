// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Words that the user may have meant. */
public final class Near {
  private static final int MOST = 3;

  private Near() {}

  /** A sentence such as {@code Did you mean train?}; empty where no word is near. */
  public static String question(String typed, Collection<String> known) {
    List<String> near = of(typed, known);
    return near.isEmpty() ? "" : "Did you mean " + String.join(" or ", near) + "?";
  }

  /** At most three words, nearest first: at a third of the letters of edit distance or less. */
  static List<String> of(String typed, Collection<String> known) {
    String lower = typed.toLowerCase(Locale.ROOT);
    int most = Math.max(1, typed.replace("-", "").length() / 3);
    return known.stream()
        .distinct()
        .collect(Collectors.toMap(word -> word, word -> distance(lower, word), (a, b) -> a))
        .entrySet()
        .stream()
        .filter(entry -> entry.getValue() <= most)
        .sorted(Comparator.comparing(entry -> entry.getValue() + " " + entry.getKey()))
        .limit(MOST)
        .map(entry -> entry.getKey())
        .toList();
  }

  /** Edit distance in which two letters swapped count as one edit (Damerau 1964). */
  private static int distance(String typed, String known) {
    String word = known.toLowerCase(Locale.ROOT);
    int[][] cost = new int[typed.length() + 1][word.length() + 1];
    for (int i = 0; i <= typed.length(); i++) {
      for (int j = 0; j <= word.length(); j++) {
        if (i == 0 || j == 0) {
          cost[i][j] = i + j;
          continue;
        }
        boolean same = typed.charAt(i - 1) == word.charAt(j - 1);
        int least = Math.min(cost[i - 1][j], cost[i][j - 1]) + 1;
        least = Math.min(least, cost[i - 1][j - 1] + (same ? 0 : 1));
        boolean swapped =
            i > 1
                && j > 1
                && typed.charAt(i - 1) == word.charAt(j - 2)
                && typed.charAt(i - 2) == word.charAt(j - 1);
        cost[i][j] = swapped ? Math.min(least, cost[i - 2][j - 2] + 1) : least;
      }
    }
    return cost[typed.length()][word.length()];
  }
}
