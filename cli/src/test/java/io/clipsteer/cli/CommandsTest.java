// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static io.clipsteer.cli.CliFixture.BLIND;
import static io.clipsteer.cli.CliFixture.CLIP;
import static io.clipsteer.cli.CliFixture.MODELS;
import static io.clipsteer.cli.CliFixture.STRICT;
import static io.clipsteer.cli.CliFixture.keys;
import static io.clipsteer.cli.CliFixture.line;
import static io.clipsteer.cli.CliFixture.run;
import static io.clipsteer.cli.CliFixture.words;
import static io.clipsteer.cli.CliFixture.writeImage;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.cli.CliFixture.Ran;
import io.clipsteer.engine.Bf16Arithmetic;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.IndexFolder;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Every command as a user types it: exit code, stdout, stderr. */
final class CommandsTest {
  private static final List<String> GROUPS = List.of("help", "model", "sae", "store");

  @TempDir private static Path temp;

  private static Path images = Path.of("");

  @BeforeAll
  static void makeImages() throws IOException {
    images = Files.createDirectory(temp.resolve("images"));
    Random random = new Random(1);
    for (int i = 0; i < 20; i++) {
      writeImage(
          images.resolve("p%02d.png".formatted(i)), random, random.nextInt(0x1000000), 0x404040);
    }
  }

  // ---- good input
  // ---------------------------------------------------------------------------------

  @Test
  void modelInspect() {
    JsonNode json = run("model", "inspect", CLIP, "--json").json();
    keys(json, "family", "layers", "width", "heads", "patch", "image_size", "embed_dim");
    keys(json, "activation", "text_tower", "parameters");
    assertEquals("hf-clip", json.get("family").asString());
    assertEquals(3, json.get("layers").asInt());
    assertEquals(24, json.get("width").asInt());
    assertEquals(3, json.get("heads").asInt());
    assertEquals(8, json.get("patch").asInt());
    assertEquals(32, json.get("image_size").asInt());
    assertEquals(20, json.get("embed_dim").asInt());
    assertEquals("quick_gelu", json.get("activation").asString());
    assertTrue(json.get("text_tower").asBoolean());
    assertTrue(json.get("parameters").asLong() > 10_000);
    json = run("model", "inspect", "--json", BLIND).json();
    assertFalse(json.get("text_tower").asBoolean());
    Ran text = run("model", "inspect", CLIP);
    assertEquals(0, text.code());
    assertTrue(text.out().contains("quick_gelu") && !text.out().startsWith("{"), text.out());
  }

  @Test
  void modelVerify() {
    JsonNode json = run("model", "verify", CLIP, "--golden", CLIP, "--json").json();
    keys(json, "max_rel_error", "max_logit_diff");
    assertTrue(json.get("max_rel_error").asDouble() <= 1e-5, json::toString);
    assertTrue(json.get("max_logit_diff").asDouble() <= 1e-3, json::toString);
    json = run("model", "verify", BLIND, "--golden", BLIND, "--json").json();
    assertTrue(json.get("max_logit_diff").isNull());
    Ran failed = run("model", "verify", CLIP, "--golden", CLIP, "--tolerance", "1e-30", "--json");
    assertEquals(1, failed.code());
    assertFalse(STRICT.readTree(failed.out()).get("passed").asBoolean());
  }

  @Test
  void classify() throws IOException {
    Files.writeString(images.resolve("broken.png"), "this is no image");
    try {
      Ran ran =
          line(
              "classify --model %s --images %s --classes %s --all --json",
              CLIP, images, "dog, cat,bird");
      JsonNode json = ran.json();
      keys(json, "images", "skipped", "top1", "top5", "images_per_second", "predictions");
      assertEquals(20, json.get("images").asInt());
      assertEquals(1, json.get("skipped").asInt());
      assertTrue(ran.err().contains("broken.png"), ran.err());
      assertTrue(json.get("top1").isNull(), "no truth, no accuracy");
      assertEquals(20, json.get("predictions").size());
      double sum = 0;
      for (JsonNode answer : json.get("predictions").get(0).get("answers")) {
        sum += answer.get("probability").asDouble();
      }
      assertEquals(1, sum, 1e-6);
      assertFalse(
          run("classify", "--model", CLIP, "--images", images, "--classes", "a,b", "--json")
              .json()
              .has("predictions"));
    } finally {
      Files.delete(images.resolve("broken.png"));
    }
  }

  /** Accuracy counted from the predictions that the command prints itself. */
  @Test
  void classifyWithTruthAndLibrary() throws IOException {
    Path library = temp.resolve("library");
    float[] rows = new float[7 * 20];
    Random random = new Random(3);
    for (int i = 0; i < rows.length; i++) rows[i] = (float) random.nextGaussian();
    new TextLibrary(List.of("a", "b", "c", "d", "e", "f", "g"), rows, 20).write(library);
    StringBuilder table = new StringBuilder("file\tindex\n");
    for (int i = 0; i < 20; i++) table.append("p%02d.png\t%d%n".formatted(i, i % 7));
    Path truth = temp.resolve("truth.tsv");
    Files.writeString(truth, table);
    for (String model : List.of(CLIP, BLIND)) {
      JsonNode json =
          line(
                  "classify --model %s --images %s --library %s --truth %s --all --json",
                  model, images, library, truth)
              .json();
      int first = 0;
      int five = 0;
      for (int i = 0; i < 20; i++) {
        JsonNode prediction = json.get("predictions").get(i);
        assertEquals("p%02d.png".formatted(i), prediction.get("file").asString());
        assertEquals(5, prediction.get("answers").size());
        for (int rank = 0; rank < 5; rank++) {
          boolean right = prediction.get("answers").get(rank).get("index").asInt() == i % 7;
          if (right && rank == 0) first++;
          if (right) five++;
        }
      }
      assertEquals(first / 20.0, json.get("top1").asDouble(), 1e-12);
      assertEquals(five / 20.0, json.get("top5").asDouble(), 1e-12);
      assertTrue(five > first, "the table tells top-1 from top-5");
    }
    Files.writeString(truth, "file\tindex\np01.png\t7\n");
    run("classify", "--model", CLIP, "--images", images, "--library", library, "--truth", truth)
        .refused("truth.tsv", "0 to 6");
    Files.writeString(truth, "file\tindex\nother.png\t1\n");
    run("classify", "--model", CLIP, "--images", images, "--library", library, "--truth", truth)
        .refused("truth.tsv", "none of its rows names an image", "p00.png");
  }

  /** Multiples and percentiles of a unit's own activations are the numbers in the index. */
  private void ownUnits(Path run, Path image) throws IOException {
    String steer = "steer --run %s --image %s --classes dog,cat,bird --json ";
    line(steer + "--feature 5 --set 2x", run, image).refused("clipsteer index --run", "features");
    line("index --run %s --images %s --json", run, images).json();
    line("index --run %s --images %s --units neurons --json", run, images).json();
    Object[][] cases = {
      {"--feature 5", "SELECT 2 * max FROM features WHERE id = 5", "2x"},
      {"--neuron 1:3", "SELECT -max FROM neurons WHERE id = 3", "-1x"},
      {"--random 1:2", "SELECT median(max) FROM features WHERE max > 0", "1x"},
    };
    for (Object[] one : cases) {
      JsonNode own = line(steer + one[0] + " --set " + one[2], run, image).json();
      String value =
          FeatureQuery.run(new IndexFolder(run.resolve("index")), (String) one[1])
              .rows()
              .getFirst()
              .getFirst()
              .toString();
      JsonNode number = line(steer + one[0] + " --set " + value, run, image).json();
      assertEquals(number.get("after"), own.get("after"), one[0]::toString);
      assertEquals(one[2], own.get("change").get("set").asString());
      assertFalse(own.get("after").equals(own.get("before")), one[0]::toString);
    }
    JsonNode curve = line(steer + "--feature 5 --curve", run, image).json().get("curve");
    assertEquals(9, curve.size());
    double before = 0;
    for (JsonNode point : curve) {
      double value = point.get("values").get(0).asDouble();
      assertTrue(value >= before, "by rising strength");
      before = value;
    }
    line(steer + "--feature 5 --set 2x --raw", run, image).wrongUsage("--raw");
    Path manifest = run.resolve("index/manifest.json");
    String made = Files.readString(manifest);
    String other = made.replaceAll("(\"saes/[^\"]*\" : \")[0-9a-f]{4}", "$10000");
    assertFalse(other.equals(made), "an index of another SAE");
    Files.writeString(manifest, other);
    line(steer + "--feature 5 --set 2x", run, image).refused("another SAE", "clipsteer index");
    Files.writeString(manifest, made);
  }

  @Test
  void trainThenSteer() throws IOException {
    Path out = temp.resolve("run");
    JsonNode json =
        line(
                "train --model %s --images %s --layer 1 --sae topk:k=4 --expansion 4 --train-tokens"
                    + " 1280 --batch 64 --out %s --json",
                CLIP, images, out)
            .json();
    keys(json, "saes", "train_tokens_per_second");
    JsonNode sae = json.get("saes").get(0);
    keys(sae, "layer", "variant", "explained_variance", "variance", "l0", "alive_fraction", "path");
    assertTrue(sae.get("l0").asDouble() > 0 && sae.get("l0").asDouble() <= 4, sae::toString);
    double alive = sae.get("alive_fraction").asDouble();
    assertTrue(alive > 0 && alive <= 1, sae::toString);
    assertTrue(Files.isRegularFile(out.resolve("run.json")));
    run("train", "--model", CLIP, "--images", images, "--layer", "1", "--out", out)
        .refused("holds a finished run");

    Path image = images.resolve("p03.png");
    json =
        line(
                "steer --run %s --image %s --feature 5 --set 150 --classes dog,cat,bird --json",
                out, image)
            .json();
    keys(json, "before", "after");
    assertEquals(3, json.get("before").size());
    assertFalse(json.get("before").equals(json.get("after")), json::toString);
    JsonNode before = json.get("before");
    json =
        line(
                "steer --run %s --image %s --feature 5 --feature 6 --scale 1 --classes dog,cat,bird"
                    + " --at cls --json",
                out, image)
            .json();
    assertEquals(before, json.get("before"));
    assertEquals(before, json.get("after"), "a factor of 1 changes nothing");
    // The answer without steering is classify's.
    JsonNode predictions =
        line("classify --model %s --images %s --classes dog,cat,bird --all --json", CLIP, images)
            .json()
            .get("predictions");
    assertEquals(
        predictions.get(3).get("answers").get(0).get("probability").asDouble(),
        before.get(0).get("probability").asDouble(),
        1e-5);
    Ran text =
        run(
            "steer",
            "--run",
            out,
            "--image",
            image,
            "--feature",
            "5",
            "--ablate",
            "--classes",
            "a");
    assertEquals(0, text.code(), text.err());
    assertTrue(text.out().contains("before:") && text.out().contains("after:"), text.out());

    json =
        line(
                "steer --run %s --images %s --feature 1:5 --neuron 1:3 --random 1:2 --curve"
                    + " 40,-20,0 --at 0,3 --classes dog,cat,bird --json",
                out, images)
            .json();
    assertEquals(3, json.get("curve").size());
    assertEquals(-20, json.get("curve").get(0).get("strength").asDouble());
    assertEquals(json.get("after"), json.get("curve").get(2).get("top"));
    assertTrue(json.get("images").asInt() > 1);
    ownUnits(out, image);

    run("steer", "--run", out, "--images", images, "--feature", "2:5", "--set", 1, "--classes", "a")
        .refused("no such SAE", "blocks.1");
    run("steer", "--run", out, "--images", images, "--feature", "x", "--set", 1, "--classes", "a")
        .refused("LAYER:NUMBER");
    Ran listing = run("steer", "--run", out, "--image", image, "--classes", "a,b");
    assertEquals(0, listing.code(), listing.err());
    assertTrue(listing.out().contains("strongest features at blocks.1"), listing.out());
    assertFalse(listing.out().contains("after:"), listing.out());
    Ran spliced =
        line(
            "steer --run %s --image %s --feature 5 --scale 1 --splice --classes dog,cat,bird"
                + " --json",
            out, image);
    assertFalse(before.equals(spliced.json().get("spliced")), "the error is left out");
    assertEquals(spliced.json().get("spliced"), spliced.json().get("after"), "nothing else is");
    run("steer", "--run", out, "--images", images, "--set", "1", "--classes", "a")
        .wrongUsage("No unit");
    run("steer", "--run", out, "--images", images, "--feature", "1", "--classes", "a")
        .wrongUsage("Nothing to do");
    run("steer", "--run", out, "--images", images, "--random", "1:1", "--ablate", "--classes", "a")
        .refused("no activation");
    run("steer", "--run", out, "--image", images, "--feature", "1", "--set", 1, "--classes", "a")
        .refused("is a folder", "--images");
    run("steer", "--run", out, "--image", image, "--feature", "96", "--ablate", "--classes", "a")
        .refused("feature 96", "0 to 95");
    run("steer", "--run", out, "--image", image, "--feature", "1", "--set", "NaN", "--classes", "a")
        .wrongUsage(
            "--set NaN: is no number, multiple or percentile. Write 30, 2x or p99 (p0 to p100)");
    line("steer --run %s --image %s --feature 1 --ablate --classes a", out, temp.resolve("no.png"))
        .refused("no.png");
    run("steer", "--run", temp, "--image", image, "--feature", "1", "--ablate", "--classes", "a")
        .refused("run.json");
    line("steer --run %s --image %s --feature 1 --ablate --classes a --at corners", out, image)
        .refused("corners");
    line(
            "steer --run %s --image %s --feature 1 --ablate --classes a --model %s",
            out, image, MODELS.resolve("hf-vit"))
        .refused("width");
  }

  @Test
  void valuesOfAnotherKindAreToldPlainly() {
    run("world", "evaluate", "--count", "many").wrongUsage("--count many: is no whole number");
    run("world", "evaluate", "--count", "99999999999").wrongUsage("is no whole number in range");
    run("steer", "--set", "high").wrongUsage("--set high: is no number");
  }

  @Test
  void doctor() {
    JsonNode json = run("doctor", "--json").json();
    keys(json, "java", "libtorch", "cpu_capability", "fp32_gflops", "memory_bytes", "gpus");
    assertTrue(json.get("java").asString().startsWith("25"), json::toString);
    assertTrue(json.get("fp32_gflops").asDouble() > 1, json::toString);
    assertTrue(json.get("bf16_gflops").asDouble() > 1, json::toString);
    assertEquals(Bf16Arithmetic.CPU.label(), json.get("bf16_arithmetic").asString());
    assertEquals(Bf16Arithmetic.CPU.reason(), json.get("bf16_reason").asString());
    assertFalse(json.get("collector").asString().isEmpty());
  }

  /** JDK-8377811: the versions that have it, and what their user should do. */
  @Test
  void doctorNamesTheJdksThatCorruptMemory() {
    for (String version : List.of("25", "25.0.1+8", "25.0.2")) {
      Runtime.Version java = Runtime.Version.parse(version);
      assertTrue(DoctorCommand.warning(java, "G1").contains("choose"), version);
      assertTrue(DoctorCommand.warning(java, "parallel").contains("is safe"), version);
    }
    for (String version : List.of("25.0.3", "26", "25.1.0.1")) {
      assertEquals("", DoctorCommand.warning(Runtime.Version.parse(version), "G1"), version);
    }
  }

  @Test
  void benchTrain() {
    JsonNode json =
        line("bench train --width 32 --features 256 --batch 64 --k 4 --l0 30 --steps 2 --json")
            .json();
    keys(json, "topk_step_seconds", "tokens_per_second", "encoder_product_seconds", "parts");
    keys(json, "relu_step_seconds", "relu_l0", "relu_parts", "peak_bytes");
    assertEquals(30, json.get("relu_l0").asDouble(), 8);
    assertEquals(8, json.get("parts").size());
    assertTrue(json.get("topk_step_seconds").asDouble() > 0);
    run("bench", "train", "--k", 0).refused("--k 0");
    run("bench", "train", "--width", 16000, "--features", 1000000).refused("too large");
    run("bench").wrongUsage("train");
  }

  // ---- the demo world
  // -------------------------------------------------------------------------------

  @Test
  void worldGenerate() throws IOException {
    Path out = temp.resolve("birds");
    Object[] words =
        words("world generate --set birds --split test --count 12 --out %s --json", out);
    JsonNode json = run(words).json();
    assertEquals(12, json.get("images").asInt());
    assertEquals("birds", json.get("set").asString());
    assertEquals(13, Files.readAllLines(out.resolve("metadata.csv")).size());
    assertEquals(12, Files.readAllLines(out.resolve("factors.jsonl")).size());
    run(words).refused("birds", "holds a finished run");
    run("world", "generate", "--set", "birds", "--count", 0, "--out", temp.resolve("x"))
        .refused("--count 0: not from 1 to");
    run("world", "generate", "--set", "birds", "--size", 9999, "--out", temp.resolve("x"))
        .refused("--size 9999: not from 16 to");
    run("world", "generate", "--set", "cars", "--out", temp.resolve("x")).wrongUsage("cars");
    run("world", "generate", "--set", "birds").wrongUsage("--out");
    run("world").wrongUsage("model, generate, pretrain, evaluate or sheet");
    Path file = Files.writeString(temp.resolve("a-file"), "text");
    run("world", "generate", "--set", "birds", "--count", 2, "--out", file.resolve("sub"))
        .refused("a-file");
    assertEquals("text", Files.readString(file));
  }

  @Test
  void worldSheet() throws IOException {
    Path out = temp.resolve("sheet.png");
    run("world", "sheet", "--out", out, "--size", 16, "--json").json();
    BufferedImage sheet = ImageIO.read(out.toFile());
    assertEquals(16 * 20 + 4, sheet.getWidth());
    run("world", "sheet", "--out", out, "--size", 3).refused("--size 3");
    run("world", "sheet", "--out", out, "--size", 1024).refused("--size 1024: not from 16 to 512");
    byte[] before = Files.readAllBytes(out);
    run("world", "sheet", "--out", out, "--size", 16).refused("sheet.png", "is there already");
    assertArrayEquals(before, Files.readAllBytes(out));
    run("world", "sheet", "--out", temp.resolve("sheet"), "--size", 16).refused(".png");
    run("world", "sheet", "--out", "/proc/none/sheet.png", "--size", 16)
        .refused("/proc/none/sheet.png: cannot be written: there is no such file or folder");
  }

  @Test
  void worldPretrainRefusesWhatItCannotUse() {
    run("world", "pretrain", "--config", temp.resolve("none.yaml"), "--out", temp.resolve("p"))
        .refused("none.yaml");
    Path config = Path.of("../configs/demo-clip.yaml");
    run("world", "pretrain", "--config", config, "--out", temp, "--json").refused("is not empty");
    run("world", "pretrain", "--config", config, "--out", temp.resolve("q"), "--resume")
        .refused("holds no run to resume", "--resume");
    run("world", "pretrain", "--config", config, "--out", "").wrongUsage("it is empty");
    run("world", "pretrain", "--config", config, "--out", "a\0b").wrongUsage("is no path");
  }

  @Test
  void worldEvaluate() {
    JsonNode json = run("world", "evaluate", "--count", 20, "--json").json();
    keys(json, "object_accuracy", "colour_accuracy", "background_accuracy", "word_accuracy");
    keys(json, "gender_accuracy_agreeing", "portraits_worst_group", "portraits_best_group");
    keys(json, "birds_worst_group", "birds_best_group");
    keys(json, "typographic_clean", "typographic_attacked");
    for (String key : List.of("value", "low", "high", "n")) {
      assertTrue(json.get("object_accuracy").has(key), key);
    }
    assertEquals(40, json.get("gender_accuracy_agreeing").get("n").asInt());
    run("world", "evaluate", "--model", BLIND, "--count", 5).refused("has no text tower");
    run("world", "evaluate", "--count", 0).refused("--count 0");
  }

  @Test
  void harvest() throws IOException {
    Path store = temp.resolve("store");
    Object[] words =
        words(
            "harvest --model %s --images %s --layers 0-1,2 --dtype int8 --out %s --json",
            CLIP, images, store);
    JsonNode json = run(words).json();
    assertEquals(20, json.get("images").asInt());
    assertEquals(20 * 17, json.get("tokens").asInt());
    assertEquals(3L * 20 * 17 * (24 + 4), json.get("bytes").asLong());
    assertTrue(json.get("tokens_per_second").asDouble() > 0);
    assertEquals(
        20,
        JsonMapper.shared()
            .readTree(Files.readAllBytes(store.resolve("complete.json")))
            .get("images")
            .asInt());
    run(words).refused("holds a finished run of clipsteer harvest", "--resume");
    Object[] more = Arrays.copyOf(words, words.length + 1);
    more[words.length] = "--resume";
    Ran again = run(more);
    assertEquals(0, again.json().get("harvested").asInt());
    assertTrue(again.err().contains(" MB in ") && again.err().contains("about 1 s"), again.err());
    damagedStore(store);
    for (String layers : new String[] {"", "3-1", "x", "1,,2", "0-99999", "-1"}) {
      line(
              "harvest --model %s --images %s --layers=%s --out %s",
              CLIP, images, layers, temp.resolve("s"))
          .refused("--layers");
    }
    run("harvest", "--model", CLIP, "--images", images, "--layers", "7", "--out", temp.resolve("s"))
        .refused("blocks.7");
    line(
            "harvest --model %s --images %s --layers 1 --dtype fp8 --out %s",
            CLIP, images, temp.resolve("s"))
        .refused("--dtype fp8");
    run("harvest", "--model", CLIP, "--images", images, "--layers", "1", "--out", images)
        .refused("is not empty");
    assertTrue(Files.notExists(temp.resolve("s")));
  }

  /** A byte that changed is found, by store verify and before a training. */
  private static void damagedStore(Path store) throws IOException {
    JsonNode whole = run("store", "verify", store, "--json").json();
    assertEquals(20, whole.get("images").asInt());
    assertEquals(3L * 20 * 17 * (24 + 4), whole.get("bytes").asLong());
    Path file = store.resolve("shards/000000.blocks.1.hook_resid_post.bin");
    byte[] bytes = Files.readAllBytes(file);
    byte[] other = bytes.clone();
    other[1000] ^= 1;
    Files.write(file, other);
    run("store", "verify", store).refused("blocks.1.hook_resid_post.bin", "checksum", "--resume");
    Object[] train =
        words(
            "train --store %s --layers 1 --sae topk:k=4 --expansion 2 --train-tokens 128 --batch 64"
                + " --out %s",
            store, temp.resolve("of-damaged"));
    run(train).refused("blocks.1.hook_resid_post.bin", "checksum");
    assertTrue(Files.notExists(temp.resolve("of-damaged")));
    Object[] unchecked = Arrays.copyOf(train, train.length + 1);
    unchecked[train.length] = "--unchecked";
    assertEquals(0, run(unchecked).code());
    Files.write(file, bytes);
    Ran ran =
        line(
            "train --store %s --layers 1 --sae relu:l1=1e-3 --target-l0 1 --expansion 2"
                + " --train-tokens 128 --batch 64 --out %s",
            store, temp.resolve("far-off"));
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.err().contains("not the 1 of --target-l0"), ran.err());
    assertTrue(Files.readString(temp.resolve("far-off/pareto.csv")).contains(",true,1\n"));
    Object[] mixed =
        words(
            "train --store %s --layers 1 --sae topk:k=4 --sae relu:l1=1e-3 --target-l0 8,16"
                + " --expansion 2 --train-tokens 128 --batch 64 --out %s",
            store, temp.resolve("mixed"));
    assertEquals(0, run(mixed).code());
    // The penalised SAE once a target, the other once.
    try (var saes = Files.list(temp.resolve("mixed/saes"))) {
      assertEquals(3, saes.count());
    }
    mixed[8] = "topk:k=8";
    mixed[18] = temp.resolve("unmixed");
    run(mixed).refused("--target-l0", "topk:k=4 has no penalty");
  }

  // ---- wrong usage and bad input
  // ------------------------------------------------------------------

  @Test
  void wrongUsageExitsWithTwo() {
    run().wrongUsage("Name a command");
    run("model").wrongUsage("Name a command: inspect or verify");
    run("fly").wrongUsage("no command fly");
    run("tarin").wrongUsage("no command tarin. Did you mean train?");
    run("tarin", "--help").wrongUsage("Did you mean train?");
    run("sae", "convrt", "--help").wrongUsage("Did you mean convert?");
    run("train", "--expantion", 4).wrongUsage("no such option. Did you mean --expansion?");
    run("train", "--layer", 1).wrongUsage("Missing: --out DIR (new folder for the results)");
    run("search", "--run", "x").wrongUsage("Missing: --text TEXT or --image FILE or --feature ID");
    run("doctor", "now").wrongUsage("'now' belongs to no option");
    run("model", "inspect").wrongUsage("PATH");
    run("model", "inspect", CLIP, "--wings").wrongUsage("--wings: clipsteer model inspect has no");
    run("model", "verify", CLIP).wrongUsage("--golden");
    run("model", "verify", CLIP, "--golden", CLIP, "--tolerance", "low").wrongUsage("low");
    run("classify", "--model", CLIP, "--images", images)
        .wrongUsage("Which words? Give --classes a,b, --classes-file FILE");
    run("classify", "--images", images, "--classes", "a").wrongUsage("--model");
    run("classify", "--model", CLIP, "--images", images, "--classes", "a", "--library", "b")
        .wrongUsage("--classes and --library exclude each other");
    Object[] steer = {"steer", "--run", temp, "--image", "x", "--feature", "1", "--classes", "a"};
    more(steer, "--set", "3", "--ablate").wrongUsage("--set and --ablate exclude each other");
    more(steer, "--ablate", "--limit", "-4").wrongUsage("--limit -4: below 1");
    more(steer, "--ablate", "--decode-threads", "0").wrongUsage("--decode-threads 0");
    more(steer, "--ablate", "--threads", "0").wrongUsage("--threads 0: not from 1 to 4096");
    for (String labels : List.of(" , ", "a,,b", "a,")) {
      run("classify", "--model", CLIP, "--images", images, "--classes", labels).wrongUsage("blank");
    }
    run("classify", "--model", CLIP, "--images", images, "--classes", "a, b,a")
        .wrongUsage("\"a\" is there twice");
    run("world", "generate", "--set", "birds", "--device", "cuda", "--out", temp.resolve("g"))
        .wrongUsage("the CPU alone");
    run("steer", "--run", temp, "--image", "x", "--feature", "1", "--classes", "a")
        .wrongUsage("--set");
    run("doctor", "--seed", "lucky").wrongUsage("lucky");
  }

  private static Ran more(Object[] words, Object... more) {
    return run(words, more);
  }

  @Test
  void badInputExitsWithOneLine() {
    Path out = temp.resolve("never");
    run("model", "inspect", temp.resolve("absent"), "--json").refused("absent", "does not exist");
    run("model", "inspect", images).refused("config.json");
    run("model", "verify", CLIP, "--golden", images).refused("golden.safetensors");
    run("model", "verify", CLIP, "--golden", BLIND, "--dtype", "fp8").refused("fp8");
    run("classify", "--model", BLIND, "--images", images, "--classes", "a").refused("text tower");
    run("classify", "--model", CLIP, "--images", temp.resolve("none"), "--classes", "a")
        .refused("none");
    run("classify", "--model", CLIP, "--images", images, "--library", images)
        .refused("text library");
    run("classify", "--model", CLIP, "--images", images, "--classes", "a", "--image-batch", "0")
        .refused("batch");
    String[] train = {
      "train", "--model", CLIP, "--images", images.toString(), "--out", out.toString()
    };
    refusedTrain(train, "99", "blocks.99", "--layer", "99");
    refusedTrain(train, "-1", "--layers -1", "--layer", "-1");
    refusedTrain(train, "one", "--layers one", "--layer", "one");
    assertFalse(Files.exists(out), "nothing is left behind");
    refusedTrain(train, "sae", "relu", "--layer", "1", "--sae", "relu");
    refusedTrain(train, "k", "97", "--layer", "1", "--sae", "topk:k=97", "--expansion", "4");
    refusedTrain(train, "--expansion", "0", "--layer", "1", "--expansion", "0");
    refusedTrain(train, "--lr", "0", "--layer", "1", "--lr", "0");
    refusedTrain(train, "--train-tokens", "5", "--layer", "1", "--train-tokens", "5");
    refusedTrain(train, "site", "hook_z", "--layer", "1", "--site", "hook_z");
    refusedTrain(train, "--normalise", "batch", "--layer", "1", "--normalise", "batch");
    refusedTrain(train, "--device", "tpu", "--layer", "1", "--device", "tpu");
    refusedTrain(train, "--threads", "-3", "--layer", "1", "--threads", "-3");
    refusedTrain(train, "--limit", "too few", "--layer", "1", "--limit", "3", "--expansion", "2");
    assertFalse(Files.exists(out), "nothing is left behind");
  }

  private static void refusedTrain(String[] train, String what, String value, String... more) {
    List<String> words = new ArrayList<>(List.of(train));
    words.addAll(List.of(more));
    Ran ran = run(words.toArray());
    assertTrue(ran.err().contains(value), what + ran.err());
    ran.refused(value);
  }

  /** Every option of a recipe is known and within its range: the checkpoint alone is missing. */
  @Test
  void recipesAreUnderstood() throws IOException {
    List<Path> recipes;
    try (Stream<Path> files = Files.list(Path.of("../configs"))) {
      recipes = files.filter(file -> file.toString().endsWith(".args")).toList();
    }
    assertTrue(recipes.size() >= 4, recipes::toString);
    for (Path recipe : recipes) {
      line(
              "train @%s --model %s --images %s --out %s",
              recipe, temp.resolve("checkpoint"), images, temp.resolve("never"))
          .refused("checkpoint", "does not exist");
    }
    // What stands behind a recipe counts; without one, twice is a mistake.
    Path never = temp.resolve("never");
    line(
            "train @%s --model %s --images %s --batch -1 --out %s",
            recipes.getFirst(), CLIP, images, never)
        .refused("--batch -1");
    run("train", "--model", CLIP, "--model", CLIP).wrongUsage("only once");
  }

  @Test
  void helpAndVersionExitWithZero() {
    for (String[] words :
        new String[][] {
          {"--help"},
          {"--version"},
          {"model", "--help"},
          {"model", "inspect", "--help"},
          {"model", "verify", "--help"},
          {"classify", "--help"},
          {"harvest", "--help"},
          {"store", "--help"},
          {"store", "verify", "--help"},
          {"train", "--help"},
          {"steer", "--help"},
          {"report", "--help"},
          {"compare", "--help"},
          {"sae", "--help"},
          {"sae", "convert", "--help"},
          {"sae", "verify", "--help"},
          {"bench", "--help"},
          {"bench", "train", "--help"},
          {"doctor", "--help"},
          {"world", "--help"},
          {"world", "generate", "--help"},
          {"world", "pretrain", "--help"},
          {"world", "evaluate", "--help"},
          {"world", "sheet", "--help"},
          {"help", "train"}
        }) {
      Ran ran = run((Object[]) words);
      assertEquals(0, ran.code(), ran.err());
      assertEquals("", ran.err());
      assertFalse(ran.out().isEmpty());
      // Groups of commands have their examples in the commands.
      boolean command = words.length > 2 || (words.length > 1 && !GROUPS.contains(words[0]));
      if (command) assertTrue(ran.out().contains("Example:"), ran.out());
    }
  }
}
