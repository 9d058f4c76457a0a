// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.data.imageset.GroupedSet;
import io.clipsteer.world.WorldSet;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** {@code probe}: heads for images and for pixels, and what they refuse. */
final class ProbeCommandTest {
  @TempDir private Path temp;

  @Test
  void aHeadTellsColoursApart() throws IOException {
    Path images = temp.resolve("images");
    int[] colours = {0x802010, 0x108020, 0x201080};
    for (int i = 0; i < 45; i++) {
      Path file = images.resolve("class " + i % 3).resolve(i + ".png");
      CliFixture.writeImage(file, new Random(i), colours[i % 3], 0x202020);
    }
    Path out = temp.resolve("probe");
    JsonNode json =
        CliFixture.line(
                "probe train --model %s --data folder:%s --layer 0 --features mean --out %s --json",
                CliFixture.CLIP, images, out)
            .json();
    assertEquals("mean", json.get("features").asString());
    assertEquals(36, json.get("training_images").asInt());
    assertEquals(9, json.get("images").asInt());
    assertEquals(7, json.get("validation").size());
    double accuracy = json.get("accuracy").get("value").asDouble();
    assertTrue(accuracy > 0.6, json.toString());
    assertTrue(json.get("accuracy").get("low").asDouble() <= accuracy);
    assertFalse(json.has("miou"));

    // All images, those of the fit among them.
    JsonNode again =
        CliFixture.line("probe evaluate --probe %s --data folder:%s --json", out, images).json();
    assertEquals(45, again.get("images").asInt());
    assertTrue(again.get("balanced").get("value").asDouble() >= accuracy, again.toString());
    String text = CliFixture.line("probe evaluate --probe %s --data folder:%s", out, images).out();
    assertTrue(text.contains("class 2"), text);

    CliFixture.line(
            "probe evaluate --probe %s --model %s --data folder:%s", out, CliFixture.BLIND, images)
        .refused("was trained on another model");
    JsonNode adamw =
        CliFixture.line(
                "probe train --model %s --data folder:%s --layer 0 --features mean --optimizer"
                    + " adamw --out %s --json",
                CliFixture.CLIP, images, temp.resolve("adamw"))
            .json();
    assertEquals(30, adamw.get("validation").size());
    assertFalse(adamw.has("chosen_l2"));
    CliFixture.keys(adamw.get("chosen"), "rate", "decay", "epoch", "loss");
    CliFixture.line(
            "probe train --model %s --data folder:%s --layer 9 --out %s",
            CliFixture.CLIP, images, temp.resolve("no"))
        .refused("--layer 9");
    CliFixture.line(
            "probe train --model %s --data folder:%s --features patches --out %s",
            CliFixture.CLIP, images, temp.resolve("no"))
        .refused("--features patches");
    CliFixture.line(
            "probe train --model %s --data %s --out %s",
            CliFixture.CLIP, images, temp.resolve("no"))
        .refused("names no layout");
    assertFalse(Files.exists(temp.resolve("no")));
    Files.move(images.resolve("class 2"), images.resolve("other"));
    CliFixture.line("probe evaluate --probe %s --data folder:%s", out, images)
        .refused("no class other");
    Files.writeString(out.resolve("probe.json"), "{\"protocol\":1}");
    CliFixture.line("probe evaluate --probe %s --data folder:%s", out, images)
        .refused("Give the --out of clipsteer probe train");
  }

  /** A model without a text tower takes part in everything through a probe. */
  @Test
  void aProbeAnswersInThePlaceOfWords() throws IOException {
    Path portraits = temp.resolve("portraits");
    WorldSet.PORTRAITS.write(portraits, WorldSet.Split.TEST, 32, 5, 32, Progress.SILENT);
    StringBuilder table = new StringBuilder("file,label\n");
    GroupedSet all = GroupSource.parse("--data", "celeba:" + portraits).all();
    for (GroupedSet.Member one : all.members()) {
      table.append("portraits/").append(one.id());
      table.append(',').append(all.targets().get(one.target())).append('\n');
    }
    Path csv = Files.writeString(temp.resolve("labels.csv"), table);
    Path dino = CliFixture.MODELS.resolve("hf-dinov2");
    Path run = temp.resolve("run");
    CliFixture.train(run, dino, portraits, "--layers", "0,1", "--expansion", 2);
    for (String features : new String[] {"cls", "embedding"}) {
      Path out = temp.resolve(features);
      CliFixture.line(
              "probe train --model %s --data csv:%s --features %s --out %s --json",
              dino, csv, features, out)
          .json();
      JsonNode steered =
          CliFixture.line(
                  "steer --run %s --images %s --feature 1:3 --add 4 --probe %s --json",
                  run, portraits, out)
              .json();
      assertEquals(all.targets().size(), steered.get("after").size());
      JsonNode measured =
          CliFixture.line(
                  "steerability --run %s --images %s --probe %s --set 150 --random-count 8 --out"
                      + " %s-s --json",
                  run, portraits, out, out)
              .json();
      assertEquals(6, measured.get("layers").size());
      JsonNode suppressed =
          CliFixture.line(
                  "suppress --run %s --data celeba:%s --probe %s --select gates --edit mean"
                      + " --sizes 2 --draws 6 --out %s-e --json",
                  run, portraits, out, out)
              .json();
      assertEquals(4, suppressed.get("groups").size());
    }
    Path mean = temp.resolve("mean");
    CliFixture.line(
            "probe train --model %s --data csv:%s --features mean --out %s --json", dino, csv, mean)
        .json();
    Object[] steer = CliFixture.words("steer --run %s --images %s", run, portraits);
    CliFixture.run(steer, "--probe", mean).refused("reads mean of layer 1", "--features embedding");
    CliFixture.run(steer, "--probe", temp.resolve("cls"), "--classes", "a,b")
        .wrongUsage("not both");
    CliFixture.run(steer).wrongUsage("--probe PROBE");
    CliFixture.line(
            "suppress --run %s --data celeba:%s --probe %s --out %s-no",
            run, portraits, temp.resolve("absent"), temp)
        .refused("absent");
    Path squashed = temp.resolve("squashed");
    CliFixture.line(
            "probe train --model %s --data csv:%s --squash --out %s --json", dino, csv, squashed)
        .json();
    CliFixture.run(steer, "--probe", squashed).refused("squashed images");
  }

  @Test
  void aHeadLabelsPixels() throws IOException {
    Path set = temp.resolve("set");
    for (String split : new String[] {"train", "validation"}) {
      for (int i = 0; i < 12; i++) halves(set.resolve(split), i, i % 2 == 0);
    }
    Files.writeString(set.resolve("classes.txt"), "red\ngreen\nnever\n");
    Path out = temp.resolve("probe");
    JsonNode json =
        CliFixture.line(
                "probe train --model %s --data segmentation:%s:train --test"
                    + " segmentation:%s:validation --ignore 9 --squash --layer 0 --out %s --json",
                CliFixture.CLIP, set, set, out)
            .json();
    assertEquals("segmentation", json.get("task").asString());
    assertEquals("patches", json.get("features").asString());
    // The border of both halves lies inside patches.
    assertTrue(json.get("miou").get("value").asDouble() > 0.7, json.toString());
    assertTrue(json.get("pixel_accuracy").get("value").asDouble() > 0.8, json.toString());
    assertEquals(0, json.get("classes").get(2).get("n").asLong());
    assertTrue(json.get("classes").get(2).get("value").isNull(), "no pixel has this class");
    JsonNode again =
        CliFixture.line(
                "probe evaluate --probe %s --data segmentation:%s:validation --ignore 9 --json",
                out, set)
            .json();
    assertEquals(json.get("miou"), again.get("miou"));

    CliFixture.line(
            "probe train --model %s --data segmentation:%s:train --out %s",
            CliFixture.CLIP, set, temp.resolve("no"))
        .refused("--ignore 9", "12 cannot be used");
    Files.delete(set.resolve("train/masks/3.png"));
    mask(set.resolve("train/masks/4.png"), 20, 20, true);
    CliFixture.line(
            "probe train --model %s --data segmentation:%s:train --ignore 9 --out %s",
            CliFixture.CLIP, set, temp.resolve("no"))
        .refused("2 cannot be used", "3.png: is missing", "20x20 pixels, its image 36x33");
    CliFixture.line(
            "probe train --model %s --data segmentation:%s:test --out %s",
            CliFixture.CLIP, set, temp.resolve("no"))
        .refused("there is no such folder");
    assertFalse(Files.exists(temp.resolve("no")));
  }

  /** Features are chosen on half of the images, and evaluated on the others. */
  @Test
  void selectivityIsStudiedClassByClass() throws IOException {
    Path set = temp.resolve("set");
    for (int i = 0; i < 24; i++) halves(set, i, i % 2 == 0);
    Files.writeString(set.resolve("classes.txt"), "red\ngreen\nnever\n");
    Path probe = temp.resolve("probe");
    CliFixture.line(
            "probe train --model %s --data segmentation:%s --ignore 9 --layer 1 --out %s --json",
            CliFixture.CLIP, set, probe)
        .json();
    Path run = temp.resolve("run");
    CliFixture.train(run, CliFixture.CLIP, set.resolve("images"), "--layers", "0,1");
    Object[] study =
        CliFixture.words(
            "study selectivity --run %s --probe %s --data segmentation:%s --ignore 9 --controls 4"
                + " --json",
            run, probe, set);
    Path out = temp.resolve("study");
    JsonNode json = CliFixture.run(study, "--out", out).json();
    assertEquals("blocks.1.hook_resid_post", json.get("hook_point").asString());
    assertEquals(12, json.get("images").asInt());
    assertEquals(12, json.get("training_images").asInt());
    assertEquals(4, json.get("classes").size(), "two classes at two scales");
    assertTrue(json.get("not_studied").has("never"));
    JsonNode first = json.get("classes").get(0);
    CliFixture.keys(first, "features", "target_change", "other_change_off", "difference", "p");
    CliFixture.keys(first, "destinations", "p_holm", "score_before", "score_after", "images");
    CliFixture.keys(
        first.get("controls"),
        "random_directions",
        "random_features",
        "neurons",
        "class_mean",
        "untrained");
    assertEquals(4, first.get("controls").get("neurons").get("draws").asInt());
    assertEquals(0, first.get("value").asDouble());
    assertTrue(json.get("local").asBoolean());
    JsonNode example = first.get("example");
    BufferedImage maps = ImageIO.read(out.resolve(example.get("map").asString()).toFile());
    assertEquals(4 * maps.getHeight() + 12, maps.getWidth());
    assertEquals("#000000", example.get("colours").get("red").asString());
    assertTrue(Files.exists(set.resolve("images").resolve(example.get("image").asString())));
    double rank = first.get("rank").asDouble();
    double draws = 2 * 4 + first.get("controls").get("random_features").get("draws").asInt();
    assertEquals(rank / (draws + 1), first.get("p").asDouble(), 1e-12);
    CliFixture.run(study, "--out", out).refused("holds a finished run");

    // A set of features that is chosen by its effect; the class that is not named stays out.
    Object[] set2 = {study, "--select", "effect", "--size", "2", "--scale", "0", "--class", "red"};
    JsonNode several = CliFixture.run(set2, "--out", temp.resolve("several")).json();
    assertEquals(1, several.get("classes").size());
    JsonNode red = several.get("classes").get(0);
    assertTrue(red.get("features").size() <= 2 && red.has("aim"), red.toString());

    // What a stopped study leaves: its first class and no result.
    Path stopped = temp.resolve("stopped");
    Files.createDirectories(stopped.resolve("classes"));
    JsonNode manifest = JsonMapper.shared().readTree(out.resolve("manifest.json").toFile());
    ((ObjectNode) manifest).putNull("ended");
    Files.writeString(stopped.resolve("manifest.json"), manifest.toString());
    ObjectNode own = JsonMapper.shared().createObjectNode();
    own.putArray("scales").add(first).add(json.get("classes").get(1));
    Files.writeString(stopped.resolve("classes/0.json"), own.toString());
    JsonNode resumed = CliFixture.run(study, "--out", stopped, "--resume").json();
    assertEquals(json.get("classes").get(0), resumed.get("classes").get(0));
    assertFalse(Files.exists(stopped.resolve("classes")));

    // An edit one block earlier, of a given feature.
    Object[] given = {study, "--feature", "0:3", "--scale", "0", "--out", temp.resolve("given")};
    JsonNode whole = CliFixture.run((Object) given).json();
    assertEquals(3, whole.get("classes").get(1).get("features").get(0).asInt());
    assertEquals(1, whole.get("head_layer").asInt());
    assertFalse(whole.get("local").asBoolean());

    CliFixture.run(study, "--feature", "0:3", "--layer", 1, "--out", temp.resolve("no"))
        .refused("--layer 1", "--feature 0:3");
    CliFixture.run(study, "--feature", "0:99999", "--out", temp.resolve("no")).refused("0:99999");
    CliFixture.run(study, "--feature", "five", "--out", temp.resolve("no")).refused("LAYER:NUMBER");
    CliFixture.run(study, "--layer", 7, "--out", temp.resolve("no")).refused("layers [0, 1]");
    CliFixture.run(study, "--class", "blue", "--out", temp.resolve("no")).refused("no such class");
    CliFixture.run(study, "--class", "red", "--against", "red", "--out", temp.resolve("no"))
        .refused("one other class");
    CliFixture.run(study, "--scale", "7", "--out", temp.resolve("no")).refused("--scale 7");
    assertFalse(Files.exists(temp.resolve("no")));
  }

  /** ADE20K's layout: masks in annotations/SPLIT, 0 without a class, 1 the first. */
  @Test
  void readsTheLayoutOfAde20k() throws IOException {
    Path set = temp.resolve("set");
    Path ade = temp.resolve("ade");
    for (int i = 0; i < 12; i++) halves(set, i, i % 2 == 0);
    for (String split : new String[] {"training", "validation"}) {
      for (int i = 0; i < 12; i++) {
        String name = "images/%s/%d.png".formatted(split, i);
        Files.createDirectories(ade.resolve(name).getParent());
        Files.copy(set.resolve("images").resolve(i + ".png"), ade.resolve(name));
        Path mask = ade.resolve("annotations").resolve(split).resolve(i + ".png");
        Files.createDirectories(mask.getParent());
        Raster raster = ImageIO.read(set.resolve("masks").resolve(i + ".png").toFile()).getRaster();
        var grey = new BufferedImage(36, 33, BufferedImage.TYPE_BYTE_GRAY);
        for (int y = 0; y < 33; y++) {
          for (int x = 0; x < 36; x++) {
            int label = raster.getSample(x, y, 0);
            grey.getRaster().setSample(x, y, 0, label == 9 ? 0 : label + 1);
          }
        }
        ImageIO.write(grey, "png", mask.toFile());
      }
    }
    Files.writeString(ade.resolve("classes.txt"), "red\ngreen\n");
    Files.writeString(set.resolve("classes.txt"), "red\ngreen\n");
    String train = "probe train --model %s --data %s --test %s --layer 1 --out %s --json";
    JsonNode plain =
        CliFixture.line(
                train + " --ignore 9",
                CliFixture.CLIP,
                "segmentation:" + set,
                "segmentation:" + set,
                temp.resolve("plain"))
            .json();
    JsonNode same =
        CliFixture.line(
                train,
                CliFixture.CLIP,
                "ade20k:" + ade + ":training",
                "ade20k:" + ade + ":validation",
                temp.resolve("probe"))
            .json();
    assertEquals(plain.get("miou"), same.get("miou"));
    String evaluate = "probe evaluate --probe %s --data segmentation:%s --ignore %s";
    CliFixture.line(evaluate, temp.resolve("plain"), set, "0,1,9").refused("no patch has a class");
    CliFixture.line("probe evaluate --probe %s --data folder:%s", temp.resolve("plain"), set)
        .refused("answers segmentation");
    Path names = set.resolve("classes.json");
    Files.writeString(names, "[\"red\", \"green\"]");
    CliFixture.line(evaluate, temp.resolve("plain"), set, 9).refused("there is a classes.txt, too");
    Files.delete(set.resolve("classes.txt"));
    Files.writeString(names, "{\"0\": \"red\", \"0\": \"green\"}");
    CliFixture.line(evaluate, temp.resolve("plain"), set, 9).refused("a key twice");
    Files.writeString(names, "[\"red\", \"red\"]");
    CliFixture.line(evaluate, temp.resolve("plain"), set, 9).refused("red twice");
    Files.writeString(names, "\"red\"");
    CliFixture.line(evaluate, temp.resolve("plain"), set, 9).refused("no array and no object");
    Files.writeString(names, "[\"red\", \"green\", \"blue\"]");
    CliFixture.line(evaluate, temp.resolve("plain"), set, 9).refused("3 classes, the probe 2");
    Path described = temp.resolve("plain/probe.json");
    String whole = Files.readString(described);
    Files.writeString(described, whole.replace("\"patches\"", "\"cls\""));
    CliFixture.line(evaluate, temp.resolve("plain"), set, 9)
        .refused("task segmentation does not read cls");
    Files.writeString(names, "[\"red\", \"green\"]");
    Files.writeString(
        described, whole.replaceFirst("\"model\" ?: ?\"[^\"]*", "\"model\":\"nowhere"));
    CliFixture.line(evaluate, temp.resolve("plain"), set, 9).refused("--model");
    assertEquals(plain.get("classes"), same.get("classes"));
  }

  /** What an edit does to one image: answers of words, or a map of classes. */
  @Test
  void anExperimentOnOneImage() throws IOException {
    Path set = temp.resolve("set");
    for (int i = 0; i < 12; i++) halves(set, i, i % 2 == 0);
    Files.writeString(set.resolve("classes.json"), "{\"1\": \"green\", \"0\": \"red\"}");
    Path probe = temp.resolve("probe");
    CliFixture.line(
            "probe train --model %s --data segmentation:%s --ignore 9 --layer 1 --squash --out %s"
                + " --json",
            CliFixture.CLIP, set, probe)
        .json();
    Path run = temp.resolve("run");
    CliFixture.train(run, CliFixture.CLIP, set.resolve("images"), "--layers", "0,1");
    Path image = set.resolve("images/0.png");
    Object[] experiment = CliFixture.words("experiment --run %s --image %s --json", run, image);
    JsonNode none = CliFixture.run(experiment, "--probe", probe).json();
    assertFalse(none.has("features"), "there is no index");
    assertEquals(0, none.get("moved").size());
    CliFixture.line(
            "index --run %s --images %s --vocabulary %s --json",
            run,
            set.resolve("images"),
            Files.writeString(temp.resolve("words.txt"), "red\ngreen\nblue\n"))
        .json();
    Path map = temp.resolve("map.png");
    Object[] edit = {"--feature", "1:3", "--add", "60", "--at", "selected", "--patches", "0,1"};
    JsonNode json =
        CliFixture.run(experiment, edit, "--probe", probe, "--map", map, "--max-frequency", "1.1")
            .json();
    assertTrue(json.get("features").size() > 0);
    assertTrue(json.get("features").get(0).get("exemplars").size() > 0);
    assertEquals(0, json.get("changed_elsewhere").asDouble(), "an edit reaches its patches alone");
    assertTrue(json.get("changed_here").asDouble() >= 0);
    BufferedImage picture = ImageIO.read(map.toFile());
    assertEquals(0, (picture.getWidth() + 4) % 4);
    assertTrue(picture.getWidth() > 3 * picture.getHeight());
    CliFixture.run(experiment, edit, "--probe", probe, "--map", map).refused("is there already");

    JsonNode words = CliFixture.run(experiment, edit, "--classes", "red,green").json();
    double before = 0;
    double change = 0;
    for (JsonNode one : words.get("answers")) {
      before += one.get("before").asDouble();
      change += one.get("logit_change").asDouble();
    }
    assertEquals(1, before, 1e-6);
    assertEquals(0, change, 1e-6);
    CliFixture.run(experiment, "--classes", "red,green", "--map", temp.resolve("no.png"))
        .refused("needs a probe of pixels");
    CliFixture.run(experiment, "--probe", probe, "--patches", "99").refused("--patches 99");
    CliFixture.run(experiment, "--probe", probe, "--feature", "1:3").wrongUsage("Nothing to do");
    CliFixture.run(experiment, "--probe", probe, "--ablate").wrongUsage("No unit to edit");
    CliFixture.run(experiment).wrongUsage("--probe PROBE");
  }

  private static void halves(Path folder, int number, boolean redLeft) throws IOException {
    Path file = folder.resolve("images").resolve(number + ".png");
    Files.createDirectories(file.getParent());
    Random random = new Random(number);
    BufferedImage image = new BufferedImage(36, 33, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < 33; y++) {
      for (int x = 0; x < 36; x++) {
        boolean red = x < 18 == redLeft;
        image.setRGB(x, y, (red ? 0xC02020 : 0x20C020) ^ random.nextInt(0x1F1F1F));
      }
    }
    ImageIO.write(image, "png", file.toFile());
    Path mask = folder.resolve("masks").resolve(number + ".png");
    Files.createDirectories(mask.getParent());
    mask(mask, 36, 33, redLeft);
  }

  /** Indexed, its palette in no order of numbers; the upper row has no class. */
  private static void mask(Path file, int width, int height, boolean redLeft) throws IOException {
    byte[] palette = new byte[16];
    for (int i = 0; i < 16; i++) palette[i] = (byte) (255 - 10 * i);
    var colours = new IndexColorModel(8, 16, palette, palette, palette);
    var image = new BufferedImage(width, height, BufferedImage.TYPE_BYTE_INDEXED, colours);
    int[] row = new int[width];
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) row[x] = y == 0 ? 9 : x < width / 2 == redLeft ? 0 : 1;
      image.getRaster().setPixels(0, y, width, 1, row);
    }
    ImageIO.write(image, "png", file.toFile());
  }
}
