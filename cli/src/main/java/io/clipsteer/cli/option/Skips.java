// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.imageset.ImageTable;
import io.clipsteer.data.imageset.JoinReport;
import io.clipsteer.data.imageset.Listing;
import io.clipsteer.lab.run.Counted;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Says what a command does not use of the images and tables it is given: on stderr, and as counts
 * in its JSON. Where everything is used, stderr stays quiet.
 */
public final class Skips {
  /** So many are named on stderr; more are counted. */
  private static final int NAMED = 20;

  private Skips() {}

  /** Opens an image set and says what its listing skipped; of archives only a pass can say. */
  public static ImageSet open(Path images) {
    ImageSet set = ImageSet.open(images);
    if (set.isListed()) print(set.listing(), images);
    return set;
  }

  /** The same with labels from a table, joined by file name, and the report of the join. */
  public static ImageSet open(Path images, @Nullable Path labels) {
    if (labels == null) return open(images);
    ImageTable.Joined joined = ImageTable.read(labels, ImageTable.LABEL).join(open(images));
    print(joined.report());
    return joined.images();
  }

  /** Prints how a table met the images. */
  public static void print(JoinReport report) {
    System.err.println(report);
  }

  /**
   * Prints which images of a set were skipped as they were read, and of archives what was skipped
   * beside them.
   *
   * @param set null where there were no images
   */
  public static void print(@Nullable ImageSet set, List<ImageLoader.Skipped> skipped) {
    if (set != null && !set.isListed()) print(set.listing(), set.origin());
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

  /** Prints what a listing skipped and what was decided about labels and columns. */
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

  /** Adds the counts to a command's JSON. */
  public static void addTo(
      Map<String, ? super Object> json, @Nullable ImageSet set, List<ImageLoader.Skipped> skipped) {
    json.put("skipped", skipped.size());
    if (set == null) return;
    Listing listing = set.listing();
    Map<String, Object> found = new LinkedHashMap<>();
    found.put("images", listing.images());
    found.put("skipped", listing.skipped());
    found.put("notes", listing.notes());
    json.put("listing", found);
  }

  /** Adds the counts of a join to a command's JSON. */
  public static void addTo(
      Map<String, ? super Object> json, String name, @Nullable JoinReport report) {
    if (report == null) return;
    Map<String, Object> join = new LinkedHashMap<>();
    join.put("table", report.table().toString());
    join.put("columns", report.columns());
    join.put("rows", report.rows());
    join.put("repeated", report.repeated());
    join.put("matched", report.matched());
    join.put("unmatched", report.unmatched());
    join.put("empty_labels", report.empty());
    join.put("images_without_row", report.withoutRow());
    json.put(name, join);
  }
}
