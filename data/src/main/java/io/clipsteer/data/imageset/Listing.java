// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What listing an image set met: every file (member of an archive, row of a table) is either an
 * image of the set or counted as skipped under one reason. Images that are listed and then cannot
 * be decoded are no part of it: {@link ImageLoader#skipped} has them.
 *
 * @param images how many the set has
 * @param skipped how many files or rows were skipped, by reason: an ending such as {@code .tif}, or
 *     words
 * @param named the first {@value #MOST_NAMED} of those whose skipping may surprise: all but files
 *     whose ending is not an image's
 * @param notes what was decided about labels and columns, one sentence each
 */
public record Listing(
    long images, Map<String, Long> skipped, List<Skip> named, List<String> notes) {
  /** So many skipped files are named; more are counted. */
  public static final int MOST_NAMED = 20;

  /** Nothing was listed and nothing skipped. */
  static final Listing NONE = new Listing(0, Map.of(), List.of(), List.of());

  /**
   * A file or row that is not used.
   *
   * @param name its path relative to the set, or its line
   * @param reason why
   */
  public record Skip(String name, String reason) {}

  /** The reasons stay in their order. */
  public Listing {
    skipped = Collections.unmodifiableMap(new LinkedHashMap<>(skipped));
    named = List.copyOf(named);
    notes = List.copyOf(notes);
  }

  /** Files or rows that were skipped, of all reasons. */
  public long skippedCount() {
    return skipped.values().stream().mapToLong(Long::longValue).sum();
  }

  /** Numbers by reason in one line: {@code 2 .tif, 1 broken link}. */
  public String reasons() {
    List<String> parts = new ArrayList<>();
    skipped.forEach((reason, count) -> parts.add(count + " " + reason));
    return String.join(", ", parts);
  }

  /** The same of a set with so many of the images. */
  Listing of(long some) {
    return new Listing(some, skipped, named, notes);
  }

  /** The same with a reason counted so many times less. */
  Listing less(String reason, long count) {
    Map<String, Long> rest = new LinkedHashMap<>(skipped);
    rest.computeIfPresent(reason, (key, all) -> all > count ? Long.valueOf(all - count) : null);
    return new Listing(images, rest, named, notes);
  }

  /** Gathers a listing. */
  static final class ListingBuilder {
    private final Map<String, Long> skipped = new TreeMap<>();
    private final List<Skip> named = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();

    /** Counts a skipped file. */
    void count(String reason) {
      skipped.merge(reason, 1L, Long::sum);
    }

    /** Counts a skipped file and names it. */
    void name(String reason, String name) {
      count(reason);
      named.add(new Skip(printable(name), reason));
    }

    /** Names what was skipped in the order of the names, not in that of the file system. */
    void sort() {
      named.sort(Comparator.comparing(Skip::name));
    }

    void note(String text) {
      notes.add(text);
    }

    /** Adds what another listing skipped and noted. */
    void add(Listing other) {
      other.skipped.forEach((reason, count) -> skipped.merge(reason, count, Long::sum));
      named.addAll(other.named);
      notes.addAll(other.notes);
    }

    /** Most frequent reason first. */
    Listing build(long images) {
      Map<String, Long> sorted = new LinkedHashMap<>();
      skipped.entrySet().stream()
          .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
          .forEach(e -> sorted.put(e.getKey(), e.getValue()));
      List<Skip> first = named.subList(0, Math.min(MOST_NAMED, named.size()));
      return new Listing(images, sorted, first, notes);
    }
  }

  /** A name on one line. */
  static String printable(String name) {
    return name.replaceAll("\\p{Cntrl}", "?");
  }
}
