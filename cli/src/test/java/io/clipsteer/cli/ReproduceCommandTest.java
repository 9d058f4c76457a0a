// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code reproduce} on small synthetic sets in the layouts of the real ones. */
final class ReproduceCommandTest {
  /** One layer: all layers of the paper are this one. */
  private static final Path FLAT = CliFixture.MODELS.resolve("open-clip-no-causal");

  private static final Path DINO = CliFixture.MODELS.resolve("hf-dinov2");

  @TempDir private Path temp;

  private Object[] words(String paper, Object model, Path data, Path out, Object... more) {
    Object[] first = {"reproduce", paper, "--model", model, "--data", data, "--out", out};
    Object[] small = {"--scale", "0.00001", "--json"};
    return Stream.of(first, small, more).flatMap(Stream::of).toArray();
  }

  private static Map<String, JsonNode> rows(JsonNode json) {
    Map<String, JsonNode> rows = new HashMap<>();
    for (JsonNode row : json.get("rows")) rows.put(row.get("id").asString(), row);
    return rows;
  }

  private static JsonNode row(JsonNode json, String id) {
    JsonNode row = rows(json).get(id);
    assertTrue(row != null, id);
    return row;
  }

  /** One stage of each kind of command. */
  @Test
  void stoppedAndResumedTheTableIsTheSame() throws IOException {
    stoppedAt(List.of("sparse", "evaluate-cls", "steer-sample", "index", "exemplars", "celeba"));
  }

  @Test
  @Tag("slow")
  void stoppedAtEachStageTheTableIsTheSame() throws IOException {
    stoppedAt(List.of());
  }

  /**
   * Runs all, then stops at stages and resumes.
   *
   * @param some stages; each for none
   */
  private void stoppedAt(List<String> some) throws IOException {
    Path sets = temp.resolve("sets");
    PaperSetsFixture.steering(sets);
    Path out = temp.resolve("paper");
    JsonNode json = CliFixture.run(words("steering-clip", FLAT, sets, out)).json();
    assertEquals(262, json.get("rows").size());
    assertFalse(json.get("same_shape").asBoolean());
    for (String id :
        List.of("sae.vanilla.7.l0", "sae.topk_cls.4.ev", "card.mlp9.1e-4.l0", "card.celeba.7.ev")) {
      JsonNode ours = row(json, id).get("ours");
      assertTrue(ours.get("low").asDouble() <= ours.get("value").asDouble(), id);
      assertEquals("other_model", row(json, id).get("verdict").asString(), id);
      assertTrue(row(json, id).get("command").asString().startsWith("clipsteer evaluate"), id);
    }
    assertTrue(row(json, "recomputed.s.p90").get("ours").get("value").isNumber());
    assertTrue(row(json, "steer.tau.paper").get("ours").get("low").isNumber());
    assertTrue(row(json, "celeba.before").get("ours").get("n").asInt() > 0);
    assertTrue(row(json, "waterbirds.gain").get("ours").get("value").isNumber());
    JsonNode missing = row(json, "typo.paint.edit");
    assertEquals("not_measured", missing.get("verdict").asString());
    assertTrue(missing.get("note").asString().startsWith("no set paint in "), missing::toString);
    String page = Files.readString(out.resolve("reproduction.html"));
    String start = "<script type=\"application/json\" id=\"data\">";
    String data = page.substring(page.indexOf(start) + start.length());
    JsonNode shown = JsonMapper.shared().readTree(data.substring(0, data.indexOf("</script>")));
    assertEquals(json.get("rows"), shown.get("reproduction").get("rows"));

    CliFixture.run(words("steering-clip", FLAT, sets, out)).refused("holds a finished run");
    CliFixture.run(words("steering-clip", FLAT, sets, out, "--resume", "--seed", 5))
        .refused("other settings");
    for (JsonNode stage : json.get("stages")) {
      String name = stage.get("name").asString();
      if (!stage.get("seconds").isNumber() || !some.isEmpty() && !some.contains(name)) continue;
      stopAt(out, name);
      JsonNode again = CliFixture.run(words("steering-clip", FLAT, sets, out, "--resume")).json();
      assertEquals(json.get("rows"), again.get("rows"), stage.toString());
    }
  }

  /** As a process leaves the folder that was killed before it noted the stage's end. */
  private static void stopAt(Path out, String stage) throws IOException {
    Files.delete(out.resolve("stages").resolve(stage + ".json"));
    Path manifest = out.resolve("manifest.json");
    String ended = "\"ended\" : \"[^\"]*\"";
    String text = Files.readString(manifest);
    Files.writeString(manifest, text.replaceFirst(ended, "\"ended\" : null"));
    assertNotEquals(text, Files.readString(manifest));
  }

  /** With sets missing, rows of the others are those of all sets. */
  @Test
  void theRestOfTheTableStays() throws IOException {
    Path all = temp.resolve("sets");
    PaperSetsFixture.written(all, true);
    PaperSetsFixture.words(all);
    Path few = temp.resolve("few");
    PaperSetsFixture.imageNet(few);
    Files.delete(few.resolve("imagenet/LOC_synset_mapping.txt"));
    Object[] only = {"--only", "evaluate-vanilla,steer-sample,paint-b"};
    JsonNode whole =
        CliFixture.run(words("steering-clip", FLAT, all, temp.resolve("a"), only)).json();
    assertEquals(16, Files.list(temp.resolve("a/sets/paint-clean")).count() * 4);
    JsonNode rest =
        CliFixture.run(words("steering-clip", FLAT, few, temp.resolve("b"), only)).json();
    JsonNode none = row(rest, "sae.vanilla.7.l0");
    assertTrue(none.get("note").asString().contains("LOC_synset_mapping.txt"), none::toString);
    assertTrue(row(whole, "sae.vanilla.7.l0").get("ours").get("value").isNumber());
    Files.copy(
        all.resolve("imagenet/LOC_synset_mapping.txt"), few.resolve("LOC_synset_mapping.txt"));
    JsonNode come =
        CliFixture.run(words("steering-clip", FLAT, few, temp.resolve("b"), only, "--resume"))
            .json();
    assertEquals(
        row(whole, "sae.vanilla.7.l0").get("ours"), row(come, "sae.vanilla.7.l0").get("ours"));
    assertTrue(row(come, "notebook.share").get("note").asString().startsWith("no set words"));
  }

  /** A released SAE is in the place of a training; of the class token's twelve one is missing. */
  @Test
  void releasedSaes() throws IOException {
    Path data = temp.resolve("sets");
    PaperSetsFixture.imageNet(data);
    Path run = temp.resolve("run");
    CliFixture.line(
            "train --model %s --images %s --layer 0 --sae relu:l1=1e-3 --expansion 2"
                + " --train-tokens 2000 --batch 64 --out %s --json",
            FLAT, data.resolve("imagenet/train"), run)
        .json();
    Path trained = run.resolve("saes/blocks.0.hook_resid_post.relu-l1-0.001");
    Path saes = Files.createDirectory(data.resolve("saes"));
    String all = "sparse-autoencoder-clip-b-32-sae-vanilla-x64-layer-0-hook_resid_post-l1-8e-05";
    CliFixture.line("sae convert %s --to prisma --out %s", trained, saes.resolve(all));
    for (int layer = 0; layer < 11; layer++) {
      String name = "imagenet-sweep-vanilla-x64-CLS_%d-hook_resid_post-12.5-99".formatted(layer);
      Files.createDirectory(saes.resolve(name));
    }
    Path out = temp.resolve("paper");
    Object[] only = {"--only", "evaluate-card-0-8e-5,evaluate-cls-vanilla"};
    JsonNode json = CliFixture.run(words("steering-clip", FLAT, data, out, only)).json();
    JsonNode row = row(json, "card.0.8e-5.ev");
    assertTrue(row.get("ours").get("value").isNumber(), row::toString);
    String stages = json.get("stages").toString();
    assertTrue(stages.contains("clipsteer sae import " + saes.resolve(all)), stages);
    assertFalse(stages.contains("clipsteer train"), stages);
    JsonNode cls = row(json, "sae.vanilla_cls.7.l0");
    String why = "of the released SAEs there is no imagenet-sweep-vanilla-x64-CLS_11-hook_resid";
    assertTrue(cls.get("note").asString().startsWith(why), cls::toString);
  }

  /** Ranked and chosen on ImageNet images with words drawn on them, tested on the set. */
  @Test
  void writtenWords() throws IOException {
    Path data = temp.resolve("sets");
    PaperSetsFixture.written(data, false);
    var ran =
        CliFixture.run(
            words(
                "steering-clip",
                CliFixture.CLIP,
                data,
                temp.resolve("out"),
                "--only",
                "disentangling"));
    JsonNode json = ran.json();
    for (String id : List.of("typo.disentangling.dp", "typo.disentangling.both")) {
      JsonNode ours = row(json, id).get("ours");
      assertEquals(16, ours.get("n").asInt(), "all of the set are tested");
      assertTrue(ours.get("high").asDouble() <= 1, id);
    }
    assertEquals("other_model", row(json, "typo.disentangling.best").get("verdict").asString());
  }

  @Test
  @Tag("slow")
  void allWrittenSets() throws IOException {
    Path data = temp.resolve("sets");
    PaperSetsFixture.written(data, true);
    JsonNode json =
        CliFixture.run(
                words(
                    "steering-clip",
                    CliFixture.CLIP,
                    data,
                    temp.resolve("out"),
                    "--only",
                    "rta-100,paint,imagenet-cost"))
            .json();
    for (String id : List.of("typo.rta-100.both", "typo.paint.edit", "typo.paint.dp")) {
      assertTrue(row(json, id).get("ours").get("value").isNumber(), id);
    }
    assertTrue(row(json, "typo.imagenet").get("ours").get("low").isNumber());
  }

  @Test
  void saev() throws IOException {
    Path data = temp.resolve("sets");
    PaperSetsFixture.saev(data);
    Path out = temp.resolve("saev");
    Object[] words = words("saev", CliFixture.CLIP, data, out, "--dino", DINO);
    var ran = CliFixture.run(words);
    JsonNode json = JsonMapper.shared().readTree(ran.out());
    for (String id :
        List.of(
            "ade.sand.target",
            "ade.miou",
            "ade.all.target",
            "cub.accuracy",
            "concept.nearest",
            "concept.brazil",
            "settings.table_a1")) {
      assertTrue(row(json, id).get("ours").get("value").isNumber(), id + ran.err());
      assertEquals("nothing_published", row(json, id).get("verdict").asString(), id);
    }
    List<String> birds = new ArrayList<>();
    for (String bird : List.of("jay", "kingbird", "warbler", "finch")) {
      if (row(json, "cub." + bird + ".before").get("ours").isObject()) birds.add(bird);
    }
    assertFalse(birds.isEmpty(), ran.err());
    JsonNode note = json.get("sets").get(1).get("note");
    assertTrue(note.asString().contains("test image 680 is no Blue_Jay"), note::toString);
    // A bird's stage and its image again, from what is noted of the species.
    String bird = birds.getFirst();
    stopAt(out, "bird-" + bird);
    Object[] on = Stream.concat(Stream.of(words), Stream.of("--resume")).toArray();
    JsonNode again = JsonMapper.shared().readTree(CliFixture.run(on).out());
    assertEquals(json.get("rows"), again.get("rows"));
  }

  @Test
  void plansWithoutRunning() throws IOException {
    Path data = temp.resolve("sets");
    PaperSetsFixture.imageNet(data);
    PaperSetsFixture.celeba(data);
    Files.writeString(data.resolve("celeba/img_align_celeba/000000.png"), "no image");
    Path out = temp.resolve("out");
    JsonNode plan = CliFixture.run(words("steering-clip", FLAT, data, out, "--plan")).json();
    assertFalse(Files.exists(out));
    Map<String, JsonNode> sets = new HashMap<>();
    for (JsonNode set : plan.get("sets")) sets.put(set.get("name").asString(), set);
    assertEquals(8, sets.size());
    JsonNode portraits = Objects.requireNonNull(sets.get("celeba"));
    assertEquals(8, portraits.get("sample").asInt());
    JsonNode birds = Objects.requireNonNull(sets.get("waterbirds"));
    assertTrue(birds.get("path").isNull());
    assertTrue(birds.get("looks").asString().contains("metadata.csv"));
    assertEquals(41, plan.get("stages").size());
    JsonNode all = plan.get("all");
    assertTrue(all.get("hours").asDouble() > plan.get("possible").get("hours").asDouble());
    assertTrue(all.get("cluster_hours").asDouble() < all.get("hours").asDouble());
    for (JsonNode stage : plan.get("stages")) {
      boolean possible = stage.get("why").asString().isEmpty();
      if (stage.get("name").asString().equals("waterbirds")) assertFalse(possible);
      if (stage.get("name").asString().equals("celeba-sae")) assertTrue(possible);
      assertTrue(stage.get("command").asString().startsWith("clipsteer "), stage::toString);
    }
  }

  @Test
  void refusesWhatCannotBeMeant() throws IOException {
    Path data = Files.createDirectory(temp.resolve("sets"));
    Path out = temp.resolve("out");
    CliFixture.run("reproduce", "saev", "--model", FLAT, "--data", data, "--out", out, "--scale", 2)
        .wrongUsage("--scale 2.0");
    CliFixture.run(
            "reproduce", "saev", "--model", FLAT, "--data", data, "--out", out, "--only", "sands")
        .wrongUsage("there is no such stage");
    CliFixture.run("reproduce", "saev", "--model", FLAT, "--data", out, "--out", out)
        .refused("there is no such folder");
    Path rates = temp.resolve("rates.json");
    Files.writeString(
        rates,
        "{\"decode_seconds\": 0.01, \"tower_flops\": 1e12, \"relu_tokens\": 1000,"
            + " \"topk_tokens\": 5000, \"cores\": 2}");
    Object[] plan = {"reproduce", "saev", "--model", FLAT, "--data", data, "--out", out};
    CliFixture.run(plan, "--rates", rates).wrongUsage("add --plan");
    String text = CliFixture.run(plan, "--rates", rates, "--plan").out();
    assertTrue(text.contains("vanilla SAEs 1000 and TopK 5000 tokens/s"), text);
    assertTrue(text.contains("missing  cub"), text);
    assertTrue(text.contains("100 nodes"), text);
    assertEquals(Collections.emptyList(), Stream.of(out).filter(Files::exists).toList());
  }
}
