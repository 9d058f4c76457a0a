// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import static io.clipsteer.data.imageset.ImageSetTest.list;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.Golden;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FolderListingTest {
  private static final byte[] IMAGE = Golden.bytes("files/grey.jpg");

  @TempDir Path dir;

  @Test
  void followsLinksToTheRootToClassFoldersAndToFiles() throws IOException {
    files("real/cat/1.png", "real/dog/2.png", "mixed/dog/3.png", "store/abc");
    Files.createSymbolicLink(dir.resolve("root"), Path.of("real"));
    Files.createSymbolicLink(dir.resolve("mixed/cat"), Path.of("../real/cat"));
    Files.createSymbolicLink(dir.resolve("mixed/dog/4.png"), dir.resolve("store/abc"));
    Files.createSymbolicLink(dir.resolve("twice"), Path.of("root"));
    List<String> real = List.of("cat/1.png cat", "dog/2.png dog");
    assertEquals(real, list(ImageSet.open(dir.resolve("root"))));
    assertEquals(real, list(ImageSet.open(dir.resolve("twice"))));
    ImageSet mixed = ImageSet.open(dir.resolve("mixed"));
    assertEquals(List.of("cat/1.png cat", "dog/3.png dog", "dog/4.png dog"), list(mixed));
    assertEquals(new Listing(3, Map.of(), List.of(), List.of()), mixed.listing());
    // A link to an archive and to a table, too.
    Files.write(dir.resolve("store/t"), ImageSetTest.tar("x/1.jpg"));
    Files.createSymbolicLink(dir.resolve("t.tar"), Path.of("store/t"));
    assertEquals(List.of("x/1.jpg x"), list(ImageSet.open(dir.resolve("t.tar"))));
  }

  @Test
  void namesLinksThatLeadNowhereOrBack() throws IOException {
    files("set/cat/1.png", "set/dog/2.png");
    Path set = dir.resolve("set");
    Files.createSymbolicLink(set.resolve("bird"), Path.of("gone"));
    Files.createSymbolicLink(set.resolve("cat/gone.png"), Path.of("gone.png"));
    Files.createSymbolicLink(set.resolve("cat/self.png"), Path.of("self.png"));
    Files.createSymbolicLink(set.resolve("dog/up"), Path.of(".."));
    Files.createSymbolicLink(set.resolve("dog/here"), Path.of("."));
    Files.createSymbolicLink(set.resolve("dog/.hidden"), Path.of("gone"));
    Listing listing = ImageSet.open(set).listing();
    assertEquals(2, listing.images());
    assertEquals(
        Map.of("link that leads nowhere", 3L, "link that leads back to a folder above it", 2L),
        listing.skipped());
    assertEquals(5, listing.named().size());
    assertTrue(listing.named().toString().contains("name=bird"), listing.toString());
    Files.createSymbolicLink(dir.resolve("broken"), Path.of("nowhere"));
    refused(dir.resolve("broken"), "link that leads nowhere");
  }

  @Test
  void countsOtherEndingsAndNamesOtherImages() throws IOException {
    files(
        "a.jfif",
        "b.JIF",
        "c.pjpeg",
        "d.pjp",
        "e.jpe",
        "f.tif",
        "g.TIFF",
        "h.heic",
        "i.avif",
        "j.txt",
        "k.txt",
        "l.json",
        "m",
        "n.png.part 2",
        "o.jpg~",
        ".hidden.tif");
    ImageSet set = ImageSet.open(dir);
    assertEquals(
        List.of("a.jfif", "b.JIF", "c.pjpeg", "d.pjp", "e.jpe"),
        list(set).stream().map(s -> s.replace(" null", "")).toList());
    Listing listing = set.listing();
    assertEquals(10, listing.skippedCount(), listing.toString());
    assertEquals(2L, listing.skipped().get(".txt"));
    assertEquals(3L, listing.skipped().get("without an ending"));
    assertEquals(1L, listing.skipped().get(".tiff (format not read)"));
    assertEquals(
        List.of("f.tif", "g.TIFF", "h.heic", "i.avif"),
        listing.named().stream().map(Listing.Skip::name).toList());
    files("only/a.tif", "only/b.txt");
    refused(dir.resolve("only"), "no image below it; skipped: 1 .tif (format not read), 1 .txt");
  }

  @Test
  void namesStraysEmptyClassesAndSplits() throws IOException {
    files("s/cat/1.png", "s/dog/2.png", "s/dog/x/4.png", "s/preview.png", "s/bird/a.tif");
    ImageSet strays = ImageSet.open(dir.resolve("s"));
    assertEquals(
        List.of("cat/1.png cat", "dog/2.png dog", "dog/x/4.png dog", "preview.png null"),
        list(strays));
    assertEquals(
        List.of(
            "1 image lies beside the class folders, without a label: preview.png",
            "1 sub-folder has no image: bird"),
        strays.listing().notes());
    // One folder beside images, or fewer images in folders than beside them: no classes.
    files("p/a.png", "p/album/b.png", "q/a.png", "q/b.png", "q/c/1.png", "q/d/1.png");
    assertEquals(List.of("a.png null", "album/b.png null"), list(ImageSet.open(dir.resolve("p"))));
    assertTrue(list(ImageSet.open(dir.resolve("q"))).stream().allMatch(s -> s.endsWith(" null")));
    files("t/train/dog/1.png", "t/Val/cat/2.png");
    assertEquals(
        List.of(
            "the class folders are called Val, train, which look like splits; their sub-folders"
                + " look like classes; for these give "
                + dir.resolve("t").resolve("Val")),
        ImageSet.open(dir.resolve("t")).listing().notes());
    files("w/images/dog/1.png", "w/images/cat/2.png", "v/train/1.png", "v/test/1.png");
    assertTrue(
        ImageSet.open(dir.resolve("w")).listing().notes().toString().contains("give " + dir),
        "a wrapper");
    assertEquals(List.of(), ImageSet.open(dir.resolve("v")).listing().notes(), "no classes inside");
  }

  @Test
  void skipsWhatIsNoPlainFile() throws Exception {
    files("set/a.png");
    Process made =
        new ProcessBuilder("mkfifo", dir.resolve("set/b.png").toString()).inheritIO().start();
    assertEquals(0, made.waitFor());
    ImageSet set = ImageSet.open(dir.resolve("set"));
    assertEquals(List.of("a.png null"), list(set), "and a pipe is not waited for");
    assertEquals(List.of(new Listing.Skip("b.png", "no plain file")), set.listing().named());
  }

  @Test
  void countsWhatLiesBesideArchives() throws IOException {
    Path set = dir.resolve("set");
    files("set/sub/a.png", "set/notes.txt");
    Files.write(set.resolve("s0.tar"), ImageSetTest.tar("x/1.jpg", "x/2.tif", "x/3.txt"));
    Files.write(
        set.resolve("s1.tar"), ImageSetTest.tar("x/1.jpg", "x/1.jpg", ".git/1.jpg", "x/4.txt"));
    ImageSet tars = ImageSet.open(set);
    assertEquals(List.of("s0.tar/x/1.jpg x", "s1.tar/x/1.jpg x"), list(tars));
    Listing listing = tars.listing();
    assertEquals(2, listing.images());
    assertEquals(
        Map.of(
            ".txt", 3L,
            ".tif (format not read)", 1L,
            "image beside archives", 1L,
            "member whose name came before", 1L),
        listing.skipped());
    Files.write(dir.resolve("u.tar"), ImageSetTest.tar("train/a/1.jpg", "val/b/1.jpg", "0.jpg"));
    ImageSet splits = ImageSet.open(dir.resolve("u.tar"));
    assertEquals(3, list(splits).size());
    assertEquals(
        List.of(
            "1 image lies beside the class folders, without a label: 0.jpg",
            "the class folders are called train, val, which look like splits; their sub-folders"
                + " look like classes"),
        splits.listing().notes());
    try (ImageCursor names = tars.cursor()) {
      ImageItem first = names.next();
      assertEquals("s0.tar/x/1.jpg", first == null ? "" : first.id());
    }
  }

  /**
   * Files on disk = images + skipped, whatever the tree. The count on disk is by a walk of its own.
   */
  @Test
  void accountsForEveryFileOfRandomTrees() throws IOException {
    SplittableRandom random = new SplittableRandom(3);
    for (int tree = 0; tree < 60; tree++) {
      Path root = Files.createDirectory(dir.resolve("tree" + tree));
      List<Path> folders = new ArrayList<>(List.of(root));
      Files.write(root.resolve("always.png"), IMAGE);
      for (int i = 0; i < 30; i++) grow(folders, random);
      List<Path> locked = lock(folders, random);
      try {
        List<String> images = new ArrayList<>();
        long all = count(root, root, List.of(root.toRealPath()), images);
        Listing listing = ImageSet.open(root).listing();
        assertEquals(all, listing.images() + listing.skippedCount(), root + " " + listing);
        images.sort(null);
        List<String> ids = new ArrayList<>();
        try (ImageCursor cursor = ImageSet.folder(root).cursor()) {
          for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
            ids.add(item.id());
          }
        }
        assertEquals(images, ids);
      } finally {
        for (Path one : locked) {
          Files.setPosixFilePermissions(one, PosixFilePermissions.fromString("rwx------"));
        }
      }
    }
  }

  private static void grow(List<Path> folders, SplittableRandom random) throws IOException {
    Path in = folders.get(random.nextInt(folders.size()));
    List<String> stems =
        List.of("a", "été", "日本", "two\nlines", "x".repeat(200), "train", ".h", "b.c", " ", "'\"");
    List<String> endings =
        List.of(".png", ".PNG", ".jfif", ".JpEg", ".tif", ".txt", "", ".png ", ".webp", ".tar.gz");
    String name = stems.get(random.nextInt(stems.size())) + random.nextInt(9);
    String file = name + endings.get(random.nextInt(endings.size()));
    try {
      switch (random.nextInt(8)) {
        case 0, 1 -> folders.add(Files.createDirectory(in.resolve(name)));
        case 2 -> Files.createSymbolicLink(in.resolve(file), Path.of("gone"));
        case 3 -> Files.createSymbolicLink(in.resolve(file), in.toAbsolutePath());
        case 4 -> Files.createSymbolicLink(in.resolve(file), Path.of("always.png"));
        case 5 -> Files.createFile(in.resolve(file));
        default -> Files.write(in.resolve(file), IMAGE);
      }
    } catch (FileSystemException | InvalidPathException e) {
      // The name is there already, or the system cannot write it.
    }
  }

  /** Takes the right to read from a folder; root still reads it, and the oracle knows that. */
  private static List<Path> lock(List<Path> folders, SplittableRandom random) throws IOException {
    Path one = folders.get(random.nextInt(folders.size()));
    if (folders.size() == 1 || one.equals(folders.getFirst())) return List.of();
    Files.setPosixFilePermissions(one, PosixFilePermissions.fromString("---------"));
    return List.of(one);
  }

  private static long count(Path root, Path folder, List<Path> above, List<String> images)
      throws IOException {
    long count = 0;
    for (String name : java.util.Objects.requireNonNull(folder.toFile().list())) {
      if (name.startsWith(".")) continue;
      Path file = folder.resolve(name);
      if (Files.isDirectory(file)) {
        boolean loop = above.contains(file.toRealPath());
        if (loop || !Files.isReadable(file)) {
          count++;
        } else {
          List<Path> deeper = new ArrayList<>(above);
          deeper.add(file.toRealPath());
          count += count(root, file, deeper, images);
        }
        continue;
      }
      assertTrue(Files.exists(file, LinkOption.NOFOLLOW_LINKS), file.toString());
      count++;
      boolean image = name.matches("(?is).+\\.(png|jfif|jpeg|webp)");
      if (image && Files.isRegularFile(file)) images.add(root.relativize(file).toString());
    }
    return count;
  }

  private void refused(Path set, String part) {
    InputException e = assertThrows(InputException.class, () -> ImageSet.open(set));
    assertTrue(String.valueOf(e.getMessage()).contains(part), e.getMessage());
  }

  private void files(String... names) throws IOException {
    for (String name : names) {
      Path file = dir.resolve(name);
      Files.createDirectories(file.getParent());
      Files.write(file, name.endsWith(".txt") ? name.getBytes(StandardCharsets.UTF_8) : IMAGE);
    }
  }
}
