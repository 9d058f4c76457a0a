// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.WorkFolder;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import tools.jackson.databind.json.JsonMapper;

/**
 * Sets of images on disk, in the layouts of the real sets they stand for, so that one loader reads
 * both. Each folder also has {@code factors.jsonl}: one line per image with its file, seed, factors
 * and captions.
 */
public enum WorldSet {
  /** Things without writing, one folder per kind. */
  OBJECTS,
  /** Portraits in CelebA's layout; target man or woman, attribute blond. */
  PORTRAITS,
  /** Birds in Waterbirds' layout; target kind of bird, attribute water or land behind it. */
  BIRDS,
  /** Things with another thing's name written on them, {@code label=…_text=…} files. */
  TYPOGRAPHIC,
  /** Birds whose species differ in one part's colour, in CUB's layout. */
  PARTS,
  /** All of these but parts, in the proportions that the demo CLIP learns from, in one folder. */
  MIXED;

  /** A part of a set, with images of its own. */
  public enum Split {
    /** Biased as the web. */
    TRAIN,
    /** Balanced, for selection. */
    VALIDATION,
    /** Balanced, for reporting. */
    TEST;

    Biases biases() {
      return this == TRAIN ? Biases.WEB : Biases.NONE;
    }

    @Override
    public String toString() {
      return WrittenWords.of(name());
    }
  }

  private static final int CAPTIONS = 5;

  /** One image and where it goes. */
  private record Item(DrawnImage drawn, String file) {}

  /** As the command line says it. */
  @Override
  public String toString() {
    return WrittenWords.of(name());
  }

  /**
   * Writes a set, whole or not at all.
   *
   * @param count images
   * @param size pixels on a side
   * @param out absent or empty
   */
  public void write(Path out, Split split, int count, long seed, int size, Progress progress) {
    write(out, split, count, seed, size, false, progress);
  }

  /**
   * The same, with label maps where they are wanted.
   *
   * @param masked whether the set lies in {@code images/}, beside {@code masks/}, a label map for
   *     each image under its name, and {@code classes.txt}, the names of {@link SceneLabels}
   */
  public void write(
      Path out, Split split, int count, long seed, int size, boolean masked, Progress progress) {
    if (out.toString().isEmpty()) {
      throw new InputException(
          "\"" + out + "\"", "is no name of a new folder", "Name one with --out");
    }
    WorkFolder.check(out, WorkFolder.ALONE, false);
    List<Item> items = items(split, count, seed);
    WorkFolder.write(
        out,
        part -> {
          Path images = masked ? part.resolve("images") : part;
          paint(images, items, "drawing", drawn -> drawn.paint(size).buffered(), progress);
          AtomicFiles.writeText(images.resolve("factors.jsonl"), factors(items, split));
          listing(images, items, split);
          if (masked) {
            Path masks = part.resolve("masks");
            paint(masks, items, "drawing masks", drawn -> drawn.labels(size).indexed(), progress);
            String classes = String.join("\n", SceneLabels.NAMES);
            AtomicFiles.writeText(part.resolve("classes.txt"), classes + "\n");
          }
          return items.size();
        });
  }

  private static void paint(
      Path folder,
      List<Item> items,
      String title,
      Function<DrawnImage, BufferedImage> painter,
      Progress progress)
      throws IOException {
    for (Path own :
        items.stream().map(i -> folder.resolve(i.file()).getParent()).distinct().toList()) {
      Files.createDirectories(own);
    }
    try (var task = progress.start(title, items.size(), "images")) {
      items.parallelStream()
          .forEach(
              item -> {
                write(folder.resolve(item.file()), painter.apply(item.drawn()));
                synchronized (task) {
                  task.advance(1, 0);
                }
              });
    }
  }

  private static void write(Path file, BufferedImage image) {
    try {
      ByteArrayOutputStream bytes =
          new ByteArrayOutputStream(3 * image.getWidth() * image.getHeight());
      ImageIO.write(image, "png", bytes);
      Files.write(file, bytes.toByteArray());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String factors(List<Item> items, Split split) {
    StringBuilder text = new StringBuilder();
    for (Item item : items) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("file", item.file());
      line.put("kind", WrittenWords.kindOf(item.drawn().factors()));
      line.put("seed", item.drawn().seed());
      line.put("factors", item.drawn().factors());
      line.put("captions", item.drawn().captions(CAPTIONS, split.biases()));
      text.append(JsonMapper.shared().writeValueAsString(line)).append('\n');
    }
    return text.toString();
  }

  // ---- the sets -------------------------------------------------------------------------------

  private List<Item> items(Split split, int count, long seed) {
    Sampler sampler = new Sampler(Sampler.seedOf(seed, this + " " + split), split.biases());
    List<Item> items = new ArrayList<>(count);
    IntStream.range(0, count).forEach(i -> items.add(item(sampler, split, i)));
    return items;
  }

  private Item item(Sampler sampler, Split split, int i) {
    String number = String.format(Locale.ROOT, "%06d", i + 1);
    return switch (this) {
      case OBJECTS -> {
        ObjectKind[] kinds = ObjectKind.values();
        DrawnImage drawn =
            split == Split.TRAIN
                ? sampler.plainThings(i)
                : sampler.plainThings(i, kinds[i % kinds.length]);
        String kind = ((Factors.Things) drawn.factors()).kind().word();
        yield new Item(drawn, kind + "/" + number + ".png");
      }
      case PORTRAITS -> {
        DrawnImage drawn =
            split == Split.TRAIN
                ? sampler.portrait(i)
                : sampler.portrait(i, Factors.Gender.values()[i / 2 % 2], i % 2 == 1);
        yield new Item(drawn, "img_align_celeba/" + number + ".png");
      }
      case BIRDS -> {
        DrawnImage drawn =
            split == Split.TRAIN ? sampler.bird(i) : sampler.bird(i, i / 2 % 2 == 1, i % 2 == 1);
        yield new Item(drawn, ((Factors.Bird) drawn.factors()).word() + "/" + number + ".png");
      }
      case TYPOGRAPHIC -> {
        DrawnImage drawn = sampler.typographicHalf(i, split == Split.TEST);
        Factors.Things things = (Factors.Things) drawn.factors();
        String text = things.written() == null ? "" : things.written().text();
        yield new Item(
            drawn, "label=" + things.kind().word() + "_text=" + text + "_" + number + ".png");
      }
      case PARTS -> {
        int species = i % Species.ALL.size();
        String name = Species.ALL.get(species).folder();
        String folder = String.format(Locale.ROOT, "images/%03d.%s/", species + 1, name);
        yield new Item(
            sampler.species(i, Species.ALL.get(species)), folder + name + "_" + number + ".png");
      }
      case MIXED -> new Item(sampler.mixed(i), number + ".png");
    };
  }

  private void listing(Path folder, List<Item> items, Split split) {
    if (this == PORTRAITS) celeba(folder, items, split);
    if (this == BIRDS) waterbirds(folder, items, split);
    if (this == PARTS) cub(folder, items, split);
  }

  private static void celeba(Path folder, List<Item> items, Split split) {
    StringBuilder attributes =
        new StringBuilder()
            .append(items.size())
            .append(
                "\n"
                    + "Black_Hair Blond_Hair Brown_Hair Eyeglasses Gray_Hair Male No_Beard"
                    + " Wearing_Hat\n");
    StringBuilder partition = new StringBuilder();
    for (Item item : items) {
      Factors.Portrait p = (Factors.Portrait) item.drawn().factors();
      String name = item.file().substring(item.file().indexOf('/') + 1);
      attributes.append(name);
      for (boolean holds :
          new boolean[] {
            p.hair() == Factors.Hair.BLACK,
            p.hair() == Factors.Hair.BLOND,
            p.hair() == Factors.Hair.BROWN,
            p.glasses(),
            p.hair() == Factors.Hair.GREY,
            p.gender() == Factors.Gender.MAN,
            !p.beard(),
            p.hat()
          }) {
        attributes.append(holds ? "  1" : " -1");
      }
      attributes.append('\n');
      partition.append(name).append(' ').append(split.ordinal()).append('\n');
    }
    AtomicFiles.writeText(folder.resolve("list_attr_celeba.txt"), attributes.toString());
    AtomicFiles.writeText(folder.resolve("list_eval_partition.txt"), partition.toString());
  }

  /** CUB's four lists, numbered from 1; each line is of an image or a class. */
  private static void cub(Path folder, List<Item> items, Split split) {
    StringBuilder images = new StringBuilder();
    StringBuilder labels = new StringBuilder();
    StringBuilder splits = new StringBuilder();
    StringBuilder classes = new StringBuilder();
    for (int i = 0; i < items.size(); i++) {
      String file = items.get(i).file();
      String own = file.substring(file.indexOf('/') + 1);
      images.append(i + 1).append(' ').append(own).append('\n');
      labels.append(i + 1).append(' ').append(Integer.parseInt(own.substring(0, 3))).append('\n');
      splits.append(i + 1).append(split == Split.TRAIN ? " 1\n" : " 0\n");
    }
    for (int c = 0; c < Species.ALL.size(); c++) {
      String name = Species.ALL.get(c).folder();
      classes.append(String.format(Locale.ROOT, "%d %03d.%s\n", c + 1, c + 1, name));
    }
    AtomicFiles.writeText(folder.resolve("images.txt"), images.toString());
    AtomicFiles.writeText(folder.resolve("image_class_labels.txt"), labels.toString());
    AtomicFiles.writeText(folder.resolve("train_test_split.txt"), splits.toString());
    AtomicFiles.writeText(folder.resolve("classes.txt"), classes.toString());
  }

  private static void waterbirds(Path folder, List<Item> items, Split split) {
    StringBuilder text = new StringBuilder("img_id,img_filename,y,split,place,place_filename\n");
    for (int i = 0; i < items.size(); i++) {
      Factors.Bird bird = (Factors.Bird) items.get(i).drawn().factors();
      text.append(
          String.format(
              Locale.ROOT,
              "%d,%s,%d,%d,%d,%s%n",
              i + 1,
              items.get(i).file(),
              bird.waterbird() ? 1 : 0,
              split.ordinal(),
              bird.onWater() ? 1 : 0,
              bird.background().word));
    }
    AtomicFiles.writeText(folder.resolve("metadata.csv"), text.toString());
  }
}
