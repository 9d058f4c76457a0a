// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Every file below a folder. Symbolic links are followed, that to the folder itself, to sub-folders
 * and to files; the name of a link counts, not that of what it leads to. Hidden files and folders
 * (a leading dot) and this program's own notes are passed over; all else is an image or counted as
 * skipped: links that lead nowhere or back, folders that cannot be read, what is no plain file,
 * other endings.
 */
final class FolderListing {
  private static final char SEPARATOR = File.separatorChar;

  private final Path root;
  private final Listing.ListingBuilder listing = new Listing.ListingBuilder();
  private final List<String> images = new ArrayList<>();
  private final Set<String> folders = new TreeSet<>();
  private final List<Path> archives = new ArrayList<>();

  private FolderListing(Path root) {
    this.root = root;
  }

  /**
   * Lists a folder.
   *
   * @throws InputException when the folder itself cannot be read
   */
  static FolderListing of(Path root) {
    FolderListing found = new FolderListing(root);
    try {
      Files.walkFileTree(
          root, EnumSet.of(FileVisitOption.FOLLOW_LINKS), Integer.MAX_VALUE, found.new Visitor());
    } catch (IOException e) {
      throw new InputException(root, "cannot be listed: " + Reasons.of(e), "Check its rights", e);
    } catch (UncheckedIOException e) {
      throw new InputException(root, "cannot be listed: " + Reasons.of(e), "Try again", e);
    }
    // As texts, so that the order does not hang on the file system.
    found.images.sort(null);
    found.archives.sort(null);
    found.listing.sort();
    return found;
  }

  /** All images, without labels. */
  FileSet unlabelled() {
    return set(false);
  }

  /**
   * All images. The sub-folders are classes when no image lies beside them; or when at least two of
   * them have images, together more than lie beside them: those have no label.
   */
  FileSet byClass() {
    ClassFolders found = new ClassFolders();
    for (String id : images) found.add(id);
    if (!found.areClasses()) {
      found.noteNoClasses(listing);
      return set(false);
    }
    found.note(listing, root);
    Set<String> empty = new TreeSet<>(folders);
    empty.removeAll(found.names());
    if (!empty.isEmpty() && !found.names().isEmpty()) {
      listing.note(
          ClassFolders.count(empty.size(), "sub-folder has", "sub-folders have")
              + " no image: "
              + ClassFolders.examples(empty));
    }
    return set(true);
  }

  private FileSet set(boolean labelled) {
    Listing known = listing.build(images.size());
    if (images.isEmpty()) throw empty(root, "below it", known);
    List<FileSet.Listed> entries = new ArrayList<>(images.size());
    for (String id : images)
      entries.add(new FileSet.Listed(id, labelled ? ClassFolders.of(id) : null));
    return new FileSet(root, root, entries, known);
  }

  /** The error for a set without an image. */
  static InputException empty(Path set, String where, Listing known) {
    String skipped = known.skipped().isEmpty() ? "" : "; skipped: " + known.reasons();
    return new InputException(
        set,
        "there is no image " + where + skipped,
        "Known endings: " + String.join(", ", ImageSet.ENDINGS));
  }

  /** Archives directly in the folder, sorted; none where an image lies beside them. */
  List<Path> archives() {
    boolean beside = images.stream().anyMatch(id -> ClassFolders.of(id) == null);
    return beside ? List.of() : archives;
  }

  /** What is skipped where the archives are the set: all images, too. */
  Listing besideArchives() {
    Listing.ListingBuilder others = new Listing.ListingBuilder();
    others.add(listing.build(0));
    for (String id : images) others.name("image beside archives", id);
    return others.build(0).less(".tar", archives.size());
  }

  /** Passes over every file once for each name that leads to it. */
  private final class Visitor extends SimpleFileVisitor<Path> {
    private String id(Path file) {
      String name = root.relativize(file).toString();
      return SEPARATOR == '/' ? name : name.replace(SEPARATOR, '/');
    }

    private boolean hidden(Path file) {
      return !file.equals(root) && Endings.isHidden(file.getFileName() + "");
    }

    @Override
    public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes attributes) {
      if (hidden(dir)) return FileVisitResult.SKIP_SUBTREE;
      if (root.equals(dir.getParent())) folders.add(id(dir));
      return FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
      if (hidden(file)) return FileVisitResult.CONTINUE;
      String id = id(file);
      boolean image = ImageSet.isImage(file.getFileName() + "");
      // What is still a link after following it leads nowhere.
      if (attributes.isSymbolicLink()) listing.name("link that leads nowhere", id);
      else if (!attributes.isRegularFile()) listing.name("no plain file", id);
      else if (!image) {
        Endings.skip(listing, id);
        boolean archive =
            id.toLowerCase(Locale.ROOT).endsWith(".tar") && ClassFolders.of(id) == null;
        if (archive) archives.add(file);
      } else if (id.indexOf('\uFFFD') >= 0 && !Files.exists(root.resolve(id))) {
        listing.name("name that is no text", id);
      } else images.add(id);
      return FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
      if (file.equals(root)) throw e;
      if (hidden(file)) return FileVisitResult.CONTINUE;
      String reason =
          switch (e) {
            case FileSystemLoopException loop -> "link that leads back to a folder above it";
            case AccessDeniedException denied -> "folder or file without the right to read it";
            default -> "folder or file that cannot be read";
          };
      listing.name(reason, id(file));
      return FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult postVisitDirectory(Path dir, @Nullable IOException e)
        throws IOException {
      if (e != null && dir.equals(root)) throw e;
      if (e != null) listing.name("folder that cannot be listed to its end", id(dir));
      return FileVisitResult.CONTINUE;
    }
  }
}
