// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import java.awt.image.BufferedImage;
import java.awt.image.DataBufferByte;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import javax.imageio.ImageIO;

/**
 * The sets of both papers in their real layouts, small and synthetic: lists are those of the
 * authors' files, images are of one colour with noise.
 */
final class PaperSetsFixture {
  private static final List<String> THINGS = List.of("dog", "cat", "cup", "pen");
  private static final List<String> WNIDS =
      List.of("n02084071", "n02121620", "n03147509", "n03906997");
  private static final List<String> BIRDS =
      List.of(
          "041.Purple_Finch",
          "073.Blue_Jay",
          "077.Tropical_Kingbird",
          "078.Gray_Kingbird",
          "093.Clark_Nutcracker",
          "118.Field_Sparrow",
          "162.Canada_Warbler",
          "180.Wilson_Warbler");

  private PaperSetsFixture() {}

  private static void image(Path file, int seed, int colour) throws IOException {
    CliFixture.writeImage(file, new Random(seed), colour, 0x303030);
  }

  private static int colour(int kind) {
    return new Random(1000 + kind).nextInt(1 << 24);
  }

  /** Folders by WordNet id, and Kaggle's names of classes. */
  static void imageNet(Path data) throws IOException {
    Path place = data.resolve("imagenet");
    StringBuilder names = new StringBuilder();
    for (int c = 0; c < WNIDS.size(); c++) {
      names.append(WNIDS.get(c)).append(' ').append(THINGS.get(c)).append(", other name\n");
      for (int i = 0; i < 6; i++) {
        String name = WNIDS.get(c) + "_" + i + ".png";
        image(place.resolve("train").resolve(WNIDS.get(c)).resolve(name), 10 * c + i, colour(c));
        image(place.resolve("val").resolve(WNIDS.get(c)).resolve(name), 100 + 9 * c + i, colour(c));
      }
    }
    Files.writeString(place.resolve("LOC_synset_mapping.txt"), names.toString());
  }

  static void words(Path data) throws IOException {
    Files.writeString(
        data.resolve("20k.txt"), "the\nof\ndog\ncat\ncup\npen\nred\nblue\nsea\nsky\n");
  }

  /** The authors' lists: a number of images, names of columns, then -1 and 1; and the splits. */
  static void celeba(Path data) throws IOException {
    Path place = data.resolve("celeba");
    StringBuilder attributes = new StringBuilder("48\nBlond_Hair Male Smiling \n");
    StringBuilder splits = new StringBuilder();
    for (int i = 0; i < 48; i++) {
      String name = "%06d.png".formatted(i + 1);
      int blond = i % 2;
      int male = i / 2 % 2;
      attributes.append(name).append(blond == 1 ? "  1" : " -1").append(male == 1 ? "  1" : " -1");
      attributes.append(" -1\n");
      splits.append(name).append(' ').append(i % 3).append('\n');
      image(place.resolve("img_align_celeba").resolve(name), i, colour(20 + 2 * blond + male));
    }
    Files.writeString(place.resolve("list_attr_celeba.txt"), attributes.toString());
    Files.writeString(place.resolve("list_eval_partition.txt"), splits.toString());
  }

  static void waterbirds(Path data) throws IOException {
    Path place = data.resolve("waterbird_complete95_forest2water2");
    StringBuilder rows = new StringBuilder("img_id,img_filename,y,split,place,place_filename\n");
    for (int i = 0; i < 48; i++) {
      int y = i % 2;
      int background = i / 2 % 2;
      String name = "0%02d.Bird/%d.png".formatted(y + 1, i);
      rows.append("%d,%s,%d,%d,%d,/o/ocean/1.jpg\n".formatted(i, name, y, i % 3, background));
      image(place.resolve(name), i, colour(30 + 2 * y + background));
    }
    Files.writeString(place.resolve("metadata.csv"), rows.toString());
  }

  /** RTA-100's and PAINT's names. */
  static void written(Path place) throws IOException {
    for (int i = 0; i < 16; i++) {
      String name =
          "label=%s_text=%s_%d.png"
              .formatted(THINGS.get(i % 4), THINGS.get((i + 1 + i / 4) % 4), i);
      image(place.resolve(name), i, colour(i % 4));
    }
  }

  static void disentangling(Path data) throws IOException {
    Path place = data.resolve("disentangling");
    StringBuilder json = new StringBuilder("{");
    for (int i = 0; i < 16; i++) {
      String name = i + ".png";
      json.append(i == 0 ? "" : ", ").append('"').append(name).append("\": {\"true object\": \"");
      json.append(THINGS.get(i % 4)).append("\", \"typographic attack label\": \"");
      json.append(THINGS.get((i + 1 + i / 4) % 4)).append("\"}");
      image(place.resolve("images").resolve(name), i, colour(i % 4));
    }
    Files.writeString(place.resolve("annotations.json"), json.append('}').toString());
  }

  /** CUB's five lists. */
  static void cub(Path data) throws IOException {
    Path place = data.resolve("CUB_200_2011");
    StringBuilder images = new StringBuilder();
    StringBuilder labels = new StringBuilder();
    StringBuilder splits = new StringBuilder();
    StringBuilder classes = new StringBuilder();
    StringBuilder boxes = new StringBuilder();
    int id = 0;
    for (int c = 0; c < BIRDS.size(); c++) {
      classes.append(c + 1).append(' ').append(BIRDS.get(c)).append('\n');
      for (int i = 0; i < 12; i++) {
        id++;
        String name = BIRDS.get(c) + "/" + BIRDS.get(c).substring(4) + "_" + i + ".png";
        images.append(id).append(' ').append(name).append('\n');
        labels.append(id).append(' ').append(c + 1).append('\n');
        splits.append(id).append(' ').append(i % 2).append('\n');
        boxes.append(id).append(" 1.0 2.0 30.0 20.0\n");
        int shade = c * 0x1f1f1f ^ (c % 2 == 0 ? 0xff0000 : 0x0000ff);
        CliFixture.writeImage(
            place.resolve("images").resolve(name), new Random(id), shade & 0xffffff, 0x080808);
      }
    }
    Files.writeString(place.resolve("images.txt"), images.toString());
    Files.writeString(place.resolve("image_class_labels.txt"), labels.toString());
    Files.writeString(place.resolve("train_test_split.txt"), splits.toString());
    Files.writeString(place.resolve("classes.txt"), classes.toString());
    Files.writeString(place.resolve("bounding_boxes.txt"), boxes.toString());
  }

  /** ADE20K: 0 is no class, names stand in a table with tabs. */
  static void ade20k(Path data) throws IOException {
    Path place = data.resolve("ADEChallengeData2016");
    for (String split : List.of("training", "validation")) {
      for (int i = 0; i < 10; i++) {
        String name = "ADE_%s_%08d".formatted(split.substring(0, 3), i);
        scene(
            place.resolve("images").resolve(split).resolve(name + ".png"),
            place.resolve("annotations").resolve(split).resolve(name + ".png"),
            i + split.length());
      }
    }
    Files.writeString(
        place.resolve("objectInfo150.txt"),
        "Idx\tRatio\tTrain\tVal\tStuff\tName\n"
            + "1\t0.2\t11664\t1172\t1\tsand\n"
            + "2\t0.1\t6046\t612\t1\tearth, ground\n"
            + "3\t0.1\t8265\t796\t1\twater\n");
  }

  /** Sand to the left, earth to the right, a line of water, and a corner without a class. */
  private static void scene(Path image, Path mask, int seed) throws IOException {
    int side = 32;
    Random random = new Random(seed);
    int cut = 8 + random.nextInt(16);
    BufferedImage pixels = new BufferedImage(side, side, BufferedImage.TYPE_INT_RGB);
    byte[] labels = new byte[side * side];
    int[] colours = {0x000000, 0xe0c080, 0x604020, 0x2040c0};
    for (int y = 0; y < side; y++) {
      for (int x = 0; x < side; x++) {
        int label = y >= 24 ? 3 : x < cut ? 1 : 2;
        if (x < 2 && y < 2) label = 0;
        labels[y * side + x] = (byte) label;
        pixels.setRGB(x, y, colours[label] ^ random.nextInt(0x202020));
      }
    }
    Files.createDirectories(image.resolveSibling(""));
    Files.createDirectories(mask.resolveSibling(""));
    ImageIO.write(pixels, "png", image.toFile());
    byte[] grey = {0, 80, (byte) 160, (byte) 240};
    var model = new IndexColorModel(8, 4, grey, grey, grey);
    var indexed = new BufferedImage(side, side, BufferedImage.TYPE_BYTE_INDEXED, model);
    indexed.setData(
        Raster.createPackedRaster(new DataBufferByte(labels, labels.length), side, side, 8, null));
    ImageIO.write(indexed, "png", mask.toFile());
  }

  /** Those of the first paper without written words. */
  static void steering(Path data) throws IOException {
    imageNet(data);
    words(data);
    celeba(data);
    waterbirds(data);
  }

  /** Those with written words, and ImageNet. */
  static void written(Path data, boolean all) throws IOException {
    imageNet(data);
    disentangling(data);
    if (!all) return;
    written(data.resolve("RTA-100"));
    written(data.resolve("PAINT"));
  }

  /** Those of the second paper. */
  static void saev(Path data) throws IOException {
    imageNet(data);
    cub(data);
    ade20k(data);
  }
}
