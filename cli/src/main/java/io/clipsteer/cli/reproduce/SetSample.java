// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.imageset.ImageSet;
import java.io.IOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * A few images of a set.
 *
 * @param images files
 * @param unreadable how many of them cannot be decoded
 */
public record SetSample(List<Path> images, int unreadable) {
  /** Of no set. */
  public static final SetSample NONE = new SetSample(List.of(), 0);

  private static final int IMAGES = 8;

  /** Folders are not searched deeper. */
  private static final int DEPTH = 6;

  /** Decodes the first images below a folder. */
  public static SetSample of(Path place) {
    if (!Files.isDirectory(place)) return NONE;
    List<Path> images;
    try (Stream<Path> all = Files.walk(place, DEPTH, FileVisitOption.FOLLOW_LINKS)) {
      images =
          all.filter(file -> ImageSet.isImage(String.valueOf(file.getFileName())))
              .filter(Files::isRegularFile)
              .limit(IMAGES)
              .toList();
    } catch (IOException e) {
      throw new InputException(place, "cannot be listed: " + Reasons.of(e), "Check it", e);
    }
    int unreadable = 0;
    for (Path image : images) {
      try {
        if (ImageDecoder.decode(image).width() < 1) unreadable++;
      } catch (InputException e) {
        unreadable++;
      }
    }
    return new SetSample(images, unreadable);
  }

  /** Images that a stage reads in the real set, where no limit says fewer. */
  public static long usual(Recipe.RecipeStage stage) {
    String name = stage.name();
    if (stage.command().equals("attack")) return 1000;
    if (stage.command().equals("harvest")) return 1_281_167;
    if (name.equals("celeba")) return 1448;
    if (name.equals("waterbirds")) return 6993;
    if (stage.command().equals("suppress")) return 27_000;
    if (name.startsWith("cub") || name.startsWith("species")) return 11_788;
    if (stage.needs().contains("ade20k")) return 22_210;
    return stage.command().equals("experiment") || stage.command().equals("search") ? 1 : 50_000;
  }
}
