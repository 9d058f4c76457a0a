// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.data.imageset.GroupedSet;
import io.clipsteer.data.imageset.SegmentationSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Sets on disk, read back by the loaders of the real sets. */
final class WorldSetTest {
  @TempDir private Path temp;

  private Path write(WorldSet set, WorldSet.Split split, int count) {
    Path out = temp.resolve(set + "-" + split);
    set.write(out, split, count, 3, 64, Progress.SILENT);
    return out;
  }

  /** Masks name what the factors say is there, and the images are those of a set without masks. */
  @Test
  void masksNameWhatWasDrawn() throws IOException {
    Path plain = write(WorldSet.MIXED, WorldSet.Split.TEST, 60);
    Path out = temp.resolve("masked");
    WorldSet.MIXED.write(out, WorldSet.Split.TEST, 60, 3, 64, true, Progress.SILENT);
    assertEquals(SceneLabels.NAMES, Files.readAllLines(out.resolve("classes.txt")));
    assertEquals(SceneLabels.NAMES.size(), Set.copyOf(SceneLabels.NAMES).size());
    SegmentationSet set =
        Objects.requireNonNull(SegmentationSet.parse("--data", "segmentation:" + out, List.of()));
    Map<String, LabelMap> masks = set.masks(map -> map);
    assertEquals(60, masks.size());
    Set<String> kinds = new HashSet<>();
    for (JsonNode line : factors(plain)) {
      String file = line.get("file").asString();
      assertArrayEquals(
          Files.readAllBytes(plain.resolve(file)),
          Files.readAllBytes(out.resolve("images").resolve(file)));
      JsonNode f = line.get("factors");
      int[] counts = Objects.requireNonNull(masks.get(file)).counts();
      Set<String> there = new HashSet<>();
      for (int c = 0; c < SceneLabels.NAMES.size(); c++) {
        if (counts[c] > 0) there.add(SceneLabels.NAMES.get(c));
      }
      String kind = line.get("kind").asString();
      kinds.add(kind);
      Background background =
          Background.valueOf(f.get("background").asString().toUpperCase(Locale.ROOT));
      assertTrue(there.contains(background.word) || kind.equals("portrait"), there + "");
      switch (kind) {
        case "things" -> {
          String thing = f.get("kind").asString().toLowerCase(Locale.ROOT);
          assertTrue(there.contains(thing), there + " of " + f);
          assertEquals(!f.get("written").isNull(), there.contains("writing"));
          assertEquals(f.get("occluded").asBoolean(), there.contains("clutter"));
        }
        case "bird" -> assertTrue(there.containsAll(Set.of("bill", "body", "wing", "tail")));
        default -> {
          assertTrue(there.containsAll(Set.of("hair", "skin", "cloth")), there + "");
          assertEquals(f.get("beard").asBoolean(), there.contains("beard"));
          assertEquals(f.get("hat").asBoolean(), there.contains("hat"));
          assertEquals(f.get("glasses").asBoolean(), there.contains("glasses"));
        }
      }
    }
    assertEquals(Set.of("things", "portrait", "bird"), kinds);
  }

  /** CUB's lists agree with the folders, and relatives differ in their part alone. */
  @Test
  void speciesDifferInOnePart() throws IOException {
    Path out = write(WorldSet.PARTS, WorldSet.Split.TRAIN, 48);
    List<String> classes = Files.readAllLines(out.resolve("classes.txt"));
    List<String> images = Files.readAllLines(out.resolve("images.txt"));
    List<String> labels = Files.readAllLines(out.resolve("image_class_labels.txt"));
    assertEquals(24, classes.size());
    assertEquals("1 001.Blue_winged_White", classes.get(0));
    assertEquals(48, images.size());
    assertEquals("1 1", Files.readAllLines(out.resolve("train_test_split.txt")).get(0));
    for (int i = 0; i < images.size(); i++) {
      String file = images.get(i).substring(images.get(i).indexOf(' ') + 1);
      assertTrue(Files.isRegularFile(out.resolve("images").resolve(file)), file);
      String own = file.substring(0, file.indexOf('/'));
      int label = Integer.parseInt(labels.get(i).substring(labels.get(i).indexOf(' ') + 1));
      assertEquals(label + " " + own, classes.get(label - 1));
    }
    assertEquals(24, Set.copyOf(Species.ALL).size());
    Sampler sampler = new Sampler(5, Biases.NONE);
    for (int s = 0; s < Species.ALL.size(); s += 2) {
      Species species = Species.ALL.get(s);
      DrawnImage one = sampler.species(s, species);
      DrawnImage other = sampler.species(s, species.relative());
      assertEquals(species, species.relative().relative());
      byte[] a = one.paint(64).rgb();
      byte[] b = other.paint(64).rgb();
      byte[] parts = one.labels(64).labels();
      byte[] plain = other.labels(64).labels();
      int part = SceneLabels.NAMES.indexOf(species.part().word());
      int within = 0;
      for (int p = 0; p < 64 * 64; p++) {
        boolean same = a[3 * p] == b[3 * p] && a[3 * p + 1] == b[3 * p + 1];
        if (same && a[3 * p + 2] == b[3 * p + 2]) continue;
        boolean near = false;
        for (int y = Math.max(0, p / 64 - 2); y <= Math.min(63, p / 64 + 2); y++) {
          for (int x = Math.max(0, p % 64 - 2); x <= Math.min(63, p % 64 + 2); x++) {
            near |= parts[64 * y + x] == part || plain[64 * y + x] == part;
          }
        }
        assertTrue(near, species + " differs at " + p % 64 + ", " + p / 64);
        within++;
      }
      assertTrue(within > 40, species + ": " + within + " pixels");
    }
  }

  private static List<JsonNode> factors(Path folder) throws IOException {
    return Files.readAllLines(folder.resolve("factors.jsonl")).stream()
        .map(line -> JsonMapper.shared().readTree(line))
        .toList();
  }

  private static GroupedSet read(String layout, Path folder) {
    return GroupSource.parse("--data", layout + ":" + folder).all();
  }

  /** Members are read as the factors say: the second target, and the second attribute. */
  private static void agrees(
      GroupedSet set, Path folder, Predicate<JsonNode> target, String attribute, String second)
      throws IOException {
    List<JsonNode> factors = factors(folder);
    assertEquals(set.members().size(), factors.size());
    assertEquals(Collections.nCopies(4, factors.size() / 4), set.groupSizes());
    for (int i = 0; i < factors.size(); i++) {
      JsonNode f = factors.get(i).get("factors");
      GroupedSet.Member member = set.members().get(i);
      assertEquals(target.test(f) ? 1 : 0, member.target());
      assertEquals(f.get(attribute).asString().equals(second) ? 1 : 0, member.attribute());
      assertTrue(factors.get(i).get("file").asString().endsWith(member.id()), member.id());
      assertEquals(5, factors.get(i).get("captions").size());
    }
  }

  @Test
  void portraitsAreReadAsCelebA() throws IOException {
    Path folder = write(WorldSet.PORTRAITS, WorldSet.Split.TEST, 40);
    GroupedSet set = read("celeba", folder);
    assertEquals(List.of("woman", "man"), set.targets());
    agrees(set, folder, f -> f.get("gender").asString().equals("MAN"), "hair", "BLOND");
  }

  @Test
  void birdsAreReadAsWaterbirds() throws IOException {
    Path folder = write(WorldSet.BIRDS, WorldSet.Split.VALIDATION, 24);
    GroupedSet set = read("waterbirds", folder);
    assertEquals(List.of("landbird", "waterbird"), set.targets());
    agrees(set, folder, f -> f.get("waterbird").asBoolean(), "background", "WATER");
  }

  @Test
  void typographicFilesNameLabelAndText() throws IOException {
    Path folder = write(WorldSet.TYPOGRAPHIC, WorldSet.Split.TEST, 30);
    GroupedSet set = read("typographic", folder);
    assertEquals(30, set.members().size());
    List<JsonNode> factors = factors(folder);
    for (GroupedSet.Member member : set.members()) {
      JsonNode line =
          factors.stream()
              .filter(f -> f.get("file").asString().equals(member.id()))
              .findFirst()
              .orElseThrow();
      String word = line.get("factors").get("written").get("text").asString();
      assertEquals(word, set.attributes().get(member.attribute()));
      assertFalse(member.target() == member.attribute());
    }
  }

  /** So that what is found on one is proved on writing that it was not found on. */
  @Test
  void typographicTestsHaveWordsAndFontsOfTheirOwn() throws IOException {
    Set<String> words = new HashSet<>();
    for (WorldSet.Split split : List.of(WorldSet.Split.TRAIN, WorldSet.Split.VALIDATION)) {
      for (JsonNode line : factors(write(WorldSet.TYPOGRAPHIC, split, 60))) {
        JsonNode written = line.get("factors").get("written");
        assertTrue(written.get("font").asInt() < Lettering.TRAINING);
        words.add(written.get("text").asString());
      }
    }
    assertTrue(words.size() > 8, words.toString());
    Set<Integer> fonts = new HashSet<>();
    for (JsonNode line : factors(write(WorldSet.TYPOGRAPHIC, WorldSet.Split.TEST, 90))) {
      JsonNode written = line.get("factors").get("written");
      fonts.add(written.get("font").asInt());
      assertFalse(words.contains(written.get("text").asString()));
    }
    assertEquals(Lettering.FONTS.size() - Lettering.TRAINING, fonts.size());
    assertTrue(fonts.stream().allMatch(font -> font >= Lettering.TRAINING));
  }

  @Test
  void theTrainSplitLeansAndTheFilesAreThePixels() throws IOException {
    Path folder = write(WorldSet.BIRDS, WorldSet.Split.TRAIN, 200);
    GroupedSet set = read("waterbirds", folder);
    List<Integer> sizes = set.groupSizes();
    assertTrue(sizes.get(0) + sizes.get(3) > 170, sizes.toString());
    JsonNode line = factors(folder).getFirst();
    RgbImage read = ImageDecoder.decode(folder.resolve(line.get("file").asString()));
    JsonNode f = line.get("factors");
    Factors.Bird bird =
        new Factors.Bird(
            f.get("waterbird").asBoolean(),
            Colour.valueOf(f.get("colour").asString()),
            Background.valueOf(f.get("background").asString()));
    assertArrayEquals(new DrawnImage(bird, line.get("seed").asLong()).paint(64).rgb(), read.rgb());
  }

  @Test
  void nothingOnDiskIsHarmed() throws IOException {
    Path folder = temp.resolve("mine");
    Files.createDirectory(folder);
    Files.writeString(folder.resolve("keep.txt"), "mine");
    var e =
        assertThrows(
            InputException.class,
            () -> WorldSet.OBJECTS.write(folder, WorldSet.Split.TEST, 5, 1, 64, Progress.SILENT));
    assertTrue(String.valueOf(e.getMessage()).contains("is not empty"));
    assertEquals("mine", Files.readString(folder.resolve("keep.txt")));
    try (var files = Files.list(temp)) {
      assertEquals(List.of(folder), files.toList());
    }
  }

  @Test
  void nothingBesideIsTouched() throws IOException {
    Path beside = Files.createDirectory(temp.resolve(".new.partial"));
    Files.writeString(beside.resolve("keep.txt"), "mine");
    WorldSet.BIRDS.write(temp.resolve("new"), WorldSet.Split.TEST, 4, 1, 32, Progress.SILENT);
    assertEquals("mine", Files.readString(beside.resolve("keep.txt")));
    Path elsewhere = Files.createDirectory(temp.resolve("elsewhere"));
    Path link = Files.createSymbolicLink(temp.resolve("link"), elsewhere);
    Path none = Path.of("");
    assertThrows(
        InputException.class,
        () -> WorldSet.BIRDS.write(none, WorldSet.Split.TEST, 4, 1, 32, Progress.SILENT));
    WorldSet.BIRDS.write(link, WorldSet.Split.TEST, 4, 1, 32, Progress.SILENT);
    assertTrue(Files.isSymbolicLink(link));
    assertTrue(Files.isRegularFile(elsewhere.resolve("metadata.csv")));
    try (var files = Files.list(temp)) {
      assertEquals(4, files.count());
    }
  }

  @Test
  void objectsAreAFolderAKind() throws IOException {
    Path folder = write(WorldSet.OBJECTS, WorldSet.Split.TEST, 60);
    for (JsonNode line : factors(folder)) {
      String kind = line.get("factors").get("kind").asString().toLowerCase(java.util.Locale.ROOT);
      assertTrue(line.get("file").asString().startsWith(kind + "/"), line.toString());
      assertTrue(Files.size(folder.resolve(line.get("file").asString())) > 500);
    }
  }
}
