// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static io.clipsteer.cli.CliFixture.line;
import static io.clipsteer.cli.CliFixture.writeImage;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.cli.CliFixture.Ran;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code sae convert}, {@code sae import} and {@code sae verify} as a user types them. */
final class SaeCommandsTest {
  private static final Path TEST_FILES = Path.of("../engine/src/test/resources");
  private static final Path SAES = TEST_FILES.resolve("sae/files");
  private static final Path CLIP = TEST_FILES.resolve("models/hf-clip-quickgelu");
  private static final Path OTHER_CLIP = TEST_FILES.resolve("models/hf-clip-bin");

  @TempDir private Path temp;

  private static Ran run(Object... words) {
    return CliFixture.run(words);
  }

  @Test
  void anSaeGoesFromToolToToolAndBack() {
    Path in = SAES.resolve("prisma_topk");
    Path out = temp.resolve("saelens");
    JsonNode json = run("sae", "convert", in, "--to", "saelens", "--out", out, "--json").json();
    assertEquals("prisma", json.get("format").asString());
    assertEquals("topk:k=5", json.get("activation").asString());
    assertEquals("blocks.3.hook_resid_post", json.get("hook_point").asString());
    Path back = temp.resolve("prisma");
    json = run("sae", "convert", out, "--to", "prisma", "--out", back, "--json").json();
    assertEquals("saelens", json.get("format").asString());
    assertEquals("layer_norm", json.get("normalisation").asString());
    assertTrue(Files.exists(back.resolve("weights.pt")));
  }

  @Test
  void whatCannotBeConvertedIsRefusedAndLeavesNothing() throws IOException {
    Path out = temp.resolve("out");
    Path relu = SAES.resolve("saev_relu");
    run("sae", "convert", relu, "--to", "sparsify", "--out", out).refused("TopK", "ReLU");
    run("sae", "convert", relu, "--to", "prisma", "--out", out).refused("--hook");
    run("sae", "convert", relu, "--to", "openai", "--out", out).refused("openai", "saelens");
    run("sae", "convert", relu, "--to", "saelens", "--out", out, "--hook", "../../x").refused("x");
    run("sae", "convert", relu, "--to", "saelens", "--out", out, "--fix", "luck").refused("luck");
    run("sae", "convert", relu, "--to", "saelens", "--out", out, "--fix", "layer_norm_extra")
        .refused("layer_norm_extra");
    run("sae", "convert", relu, "--to", "saelens", "--out", out, "--fix", "gelu_for_quick_gelu")
        .refused("cannot have the mistake gelu_for_quick_gelu");
    run("sae", "convert", relu, "--to", "openai", "--out", out).refused("--to openai");
    run("sae", "convert", temp.resolve("none"), "--to", "saelens", "--out", out).refused("none");
    run("sae", "convert", SAES.resolve("refused_sparsify_skip"), "--to", "saev", "--out", out)
        .refused("skip");
    assertFalse(Files.exists(out));
    Files.createDirectory(out);
    Files.writeString(out.resolve("thesis.txt"), "mine");
    run("sae", "convert", relu, "--to", "saelens", "--out", out).refused("not empty");
    assertEquals("mine", Files.readString(out.resolve("thesis.txt")));
    run("sae", "convert", relu, "--to", "saelens", "--out", out.resolve("thesis.txt"))
        .refused("thesis.txt");
    run("sae").wrongUsage("convert, import or verify");
    run("sae", "convert", relu, "--out", out).wrongUsage("--to");
  }

  private Path drawImages() throws IOException {
    Path folder = Files.createDirectory(temp.resolve("images"));
    Random random = new Random(4);
    for (int i = 0; i < 30; i++) {
      writeImage(
          folder.resolve("p%02d.png".formatted(i)), random, random.nextInt(0x1000000), 0x404040);
    }
    return folder;
  }

  /** Train, prove, spoil the file, have the cause named, mend it, prove again. */
  @Test
  void aMistakeIsNamedAndMended() throws IOException {
    Path images = drawImages();
    Path run = temp.resolve("run");
    line(
            "train --model %s --images %s --layer 1 --sae topk:k=4 --expansion 4 --train-tokens"
                + " 20000 --batch 128 --out %s --json",
            CLIP, images, run)
        .json();
    Path sae = run.resolve("saes/blocks.1.hook_resid_post.topk-k-4");
    JsonNode good = run("sae", "verify", sae, "--model", CLIP, "--images", images, "--json").json();
    assertEquals("agrees", good.get("verdict").asString(), good::toString);
    assertEquals(4.0, good.get("claimed").get("l0").asDouble());
    assertTrue(good.get("claimed").has("explained_variance"));
    assertTrue(good.get("measured").has("cosine"));
    assertTrue(good.get("measured").get("variance").has("token_mean"), good::toString);
    assertEquals(30, good.get("images").asInt());

    assertTrue(good.get("same_model").asBoolean(), good::toString);
    String trained = Files.readString(sae.resolve("cfg.json"));
    Files.writeString(
        sae.resolve("cfg.json"),
        trained.replaceFirst(
            "(\"model_sha256\" : )\"[0-9a-f]{64}\"", "$1\"" + "0".repeat(64) + "\""));
    Ran other = run("sae", "verify", sae, "--model", CLIP, "--images", images);
    assertEquals(1, other.code(), other.out());
    assertTrue(other.out().contains("ANOTHER MODEL: "), other.out());
    assertTrue(other.out().matches("(?s).*\\nmeasured +4\\.0 +0\\.\\d{4}.*"), other.out());
    Files.writeString(sae.resolve("cfg.json"), trained);

    Path spoilt = temp.resolve("spoilt");
    run("sae", "convert", sae, "--to", "saelens", "--out", spoilt, "--json").json();
    Path config = spoilt.resolve("cfg.json");
    String text = Files.readString(config);
    assertTrue(text.contains("\"topk\""), text);
    Files.writeString(config, text.replace("\"topk\"", "\"standard\""));
    Ran bad = run("sae", "verify", spoilt, "--model", CLIP, "--images", images, "--json");
    assertEquals(1, bad.code(), bad.err());
    JsonNode named = JsonMapper.shared().readTree(bad.out());
    assertEquals("explained", named.get("verdict").asString(), bad.out());
    assertEquals("topk_as_relu", named.get("cause").asString());
    Ran words = run("sae", "verify", spoilt, "--model", CLIP, "--images", images);
    assertTrue(words.out().contains("topk_as_relu: it is a TopK SAE"), words.out());

    Path mended = temp.resolve("mended");
    line("sae convert %s --to saelens --out %s --fix topk_as_relu --json", spoilt, mended).json();
    JsonNode again =
        run("sae", "verify", mended, "--model", CLIP, "--images", images, "--json").json();
    assertEquals(good.get("measured"), again.get("measured"));
    importedAsTrained(run, sae, spoilt, images);
  }

  /** A run of another tool's files is evaluated as the run that they come from. */
  private void importedAsTrained(Path trained, Path sae, Path spoilt, Path images)
      throws IOException {
    Path prisma = temp.resolve("prisma");
    line("sae convert %s --to prisma --out %s --json", sae, prisma).json();
    Path run = temp.resolve("imported");
    String words = "sae import %s %s --model %s --images %s --out %s";
    Ran bad = line(words, prisma, prisma, CLIP, images, run);
    bad.refused("another SAE has the name prisma");
    line(words + " --hook blocks.1.hook_resid_post", prisma, spoilt, CLIP, images, run)
        .refused("--hook");
    line("sae import %s --model %s --images %s --out %s", sae, OTHER_CLIP, images, run)
        .refused("another model's weights");
    assertFalse(Files.exists(run));
    Ran ran = line(words, prisma, spoilt, CLIP, images, run);
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.out().contains("WRONG FIGURES: topk_as_relu"), ran.out());
    line(words, prisma, spoilt, CLIP, images, run).refused("imported");
    String evaluate = "evaluate --run %s --images %s --json";
    JsonNode own = line(evaluate, trained, images).json().get("saes").get(0);
    JsonNode foreign = line(evaluate, run, images).json().get("saes").get(0);
    assertEquals("saes/prisma", foreign.get("folder").asString());
    for (String figure : List.of("explained_variance", "l0", "alive_fraction")) {
      assertEquals(own.get(figure).asDouble(), foreign.get(figure).asDouble(), 1e-5, figure);
    }
  }

  @Test
  void whatCannotBeVerifiedIsRefused() throws IOException {
    Path images = drawImages();
    Object[] rest = {"--model", CLIP, "--images", images};
    Path prisma = SAES.resolve("prisma_topk");
    verify(prisma, rest).refused("blocks 0 to 2");
    verify(prisma, rest, "--hook", "blocks.1.hook_resid_post").refused("width 24", "8");
    verify(prisma, rest, "--hook", "blocks.x").refused("blocks.x");
    verify(SAES.resolve("saev_topk"), rest).refused("--hook");
    verify(SAES.resolve("dictionary_topk"), rest)
        .refused("blocks.3.hook_resid_post", "blocks 0 to 2");
    verify(prisma, rest, "--hook", "blocks.0.hook_resid_pre").refused("embedding before block 0");
    verify(prisma, rest, "--explained-variance", "85").refused("85", "per cent");
    verify(prisma, rest, "--l0", "NaN").refused("NaN");
    verify(prisma, rest, "--tokens-selection", "some").refused("some");
    verify(temp.resolve("none"), rest).refused("none");
  }

  private static Ran verify(Path sae, Object[] rest, Object... more) {
    Object[] all = new Object[3 + rest.length + more.length];
    all[0] = "sae";
    all[1] = "verify";
    all[2] = sae;
    System.arraycopy(rest, 0, all, 3, rest.length);
    System.arraycopy(more, 0, all, 3 + rest.length, more.length);
    return run(all);
  }
}
