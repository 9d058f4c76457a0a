// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.imageset.ImageTable;
import io.clipsteer.data.imageset.JoinReport;
import io.clipsteer.data.imageset.Listing;
import io.clipsteer.lab.run.Counted;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reports the images and table rows that a command skips: on stderr, and as counts in its JSON.
 * Nothing is printed where nothing is skipped.
 */
public final class Skips {
  /** Skipped images that are named on stderr; more are counted. */
  private static final int NAMED = 20;

  private Skips() {}

  /** Opens an image set and prints what its listing skipped. */
  public static ImageSet open(Path images) {
    ImageSet set = ImageSet.open(images);
    print(set.listing(), images);
    return set;
  }

  /** Opens an image set, joins labels from a table by file name, and prints both reports. */
  public static ImageSet open(Path images, @Nullable Path labels) {
    if (labels == null) return open(images);
    ImageTable.Joined joined = ImageTable.read(labels, ImageTable.LABEL).join(open(images));
    print(joined.report());
    return joined.images();
  }

  /** Prints what will be skipped, and why, before the work. */
  public static void note(String reason) {
    System.err.println(reason);
  }

  /** Prints how many rows of a table matched images. */
  public static void print(JoinReport report) {
    System.err.println(report);
  }

  /** Prints which images were skipped while they were read. */
  public static void print(List<ImageLoader.Skipped> skipped) {
    printReasons(
        skipped.stream()
            // A reason may begin with the name itself.
            .map(
                s -> s.reason().startsWith(s.id() + ": ") ? s.reason() : s.id() + ": " + s.reason())
            .toList());
  }

  /** Prints that images were skipped, each with its reason. */
  public static void printReasons(List<String> skipped) {
    for (String one : skipped.subList(0, Math.min(NAMED, skipped.size()))) {
      System.err.println("skipped " + one);
    }
    if (skipped.size() > NAMED) {
      System.err.println("… and " + (skipped.size() - NAMED) + " more skipped");
    }
  }

  /** Prints what a listing skipped, and how it took labels and columns. */
  public static void print(Listing listing, Path origin) {
    long count = listing.skippedCount();
    if (count > 0) {
      System.err.println(
          origin + ": " + Counted.of(count, "file") + " skipped: " + listing.reasons());
    }
    for (Listing.Skip skip : listing.named()) {
      System.err.println("skipped " + skip.name() + ": " + skip.reason());
    }
    for (String note : listing.notes()) System.err.println(origin + ": " + note);
  }

  /**
   * How many images a command did not use, for its JSON.
   *
   * @param skipped images that could not be decoded
   * @param listing what listing the set met; null where there were no images
   */
  public record Counts(
      int skipped,
      @JsonIgnoreProperties("named") @JsonInclude(JsonInclude.Include.NON_NULL)
          @Nullable Listing listing) {}

  /** The counts of a set that was read. */
  static Counts counts(@Nullable ImageSet set, List<ImageLoader.Skipped> skipped) {
    return new Counts(skipped.size(), set == null ? null : set.listing());
  }

  /** The counts of a join for a command's JSON; null without a table. */
  public static @Nullable JoinedJson joined(@Nullable JoinReport report) {
    if (report == null) return null;
    return new JoinedJson(
        report.table().toString(),
        report.columns(),
        report.rows(),
        report.repeated(),
        report.matched(),
        report.unmatched(),
        report.empty(),
        report.withoutRow());
  }

  /** The counts of a {@link JoinReport}. */
  public record JoinedJson(
      String table,
      String columns,
      long rows,
      long repeated,
      long matched,
      long unmatched,
      long emptyLabels,
      long imagesWithoutRow) {}
}
