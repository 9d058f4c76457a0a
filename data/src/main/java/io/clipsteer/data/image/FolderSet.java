// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A folder of pictures, or of labelled sub-folders. Only the names are held in memory. */
record FolderSet(Path origin, boolean labelled) implements ImageSet {
  @Override
  public ImageCursor cursor() {
    List<String> names = names();
    return new ImageCursor() {
      private int at;

      @Override
      public @Nullable ImageItem next() {
        if (at == names.size()) return null;
        String id = names.get(at++);
        int slash = id.indexOf('/');
        String label = labelled && slash > 0 ? id.substring(0, slash) : null;
        return new ImageItem(id, label, () -> ImageDecoder.readAll(origin.resolve(id)));
      }

      @Override
      public void close() {}
    };
  }

  /** Sorted as texts, so that the order does not hang on the file system. */
  private List<String> names() {
    List<String> names = new ArrayList<>();
    try {
      Files.walkFileTree(
          origin,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes attributes) {
              boolean hidden = !dir.equals(origin) && (dir.getFileName() + "").startsWith(".");
              return hidden ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
              if (ImageSet.isPicture(file.getFileName() + "") && !Files.isDirectory(file)) {
                names.add(origin.relativize(file).toString().replace('\\', '/'));
              }
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (IOException e) {
      throw new InputException(origin, "cannot be listed: " + Reasons.of(e), "Check its rights", e);
    }
    if (names.isEmpty()) {
      throw new InputException(
          origin, "there is no picture below it", "Known endings: " + ImageSet.ENDINGS);
    }
    names.sort(null);
    return names;
  }
}
