// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.store.ActivationStore;
import io.clipsteer.data.store.StoreFormat;
import io.clipsteer.data.store.StoreWriter;
import io.clipsteer.data.store.TokenCodec;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.run.Images;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Harvested activations are the tower's own, in the images' order, however often stopped. */
final class HarvestTest {
  private static final Path CLIP = Path.of("../engine/src/test/resources/models/hf-clip-quickgelu");
  private static final List<HookPoint> POINTS =
      List.of(HookPoint.residPost(0), HookPoint.mlpOut(2), HookPoint.residPost(2));

  @TempDir private Path temp;
  private Path images = Path.of("");

  @BeforeEach
  void draw() throws IOException {
    images = Files.createDirectory(temp.resolve("images"));
    Random random = new Random(4);
    for (int i = 0; i < 21; i++) {
      Path file = images.resolve("p%02d.png".formatted(i));
      if (i == 6 || i == 20) {
        Files.writeString(file, "no image");
        continue;
      }
      BufferedImage image = new BufferedImage(40, 33, BufferedImage.TYPE_INT_RGB);
      for (int y = 0; y < 33; y++) {
        for (int x = 0; x < 40; x++) image.setRGB(x, y, random.nextInt(0x1000000));
      }
      ImageIO.write(image, "png", file.toFile());
    }
  }

  private Images source(ClipModel model, long limit) {
    var options = new ImageLoader.Options(4, 2, 2, 0, limit, ImageDecoder.DecodeOptions.DEFAULT);
    return new Images(ImageSet.open(images), model.preprocessing(), options);
  }

  private Path harvest(ClipModel model, String name, TokenSelection tokens) {
    Path out = temp.resolve(name);
    Harvest harvest = new Harvest(model, source(model, Long.MAX_VALUE), POINTS, tokens);
    harvest.run(harvest.format(TokenCodec.FP32, 8), out, Progress.SILENT);
    return out;
  }

  /** Positions are interpolated where images have another size than the model's own, 32. */
  @Test
  void imagesOfAnotherSizeThanThePositionGrid() {
    try (ClipModel model = ClipModel.load(CLIP.resolveSibling("hf-dinov2"))) {
      assertEquals(224, model.preprocessing().height());
      List<HookPoint> points = List.of(HookPoint.residPost(0));
      Harvest harvest = new Harvest(model, source(model, 3), points, TokenSelection.ALL);
      Path out = temp.resolve("store");
      harvest.run(harvest.format(TokenCodec.FP32, Harvest.ANY_SHARD), out, Progress.SILENT);
      StoreFormat format = ActivationStore.open(out).format();
      assertEquals(1 + 28 * 28, format.tokensPerImage());
      assertEquals(28, format.gridRows());
      assertEquals(28, format.gridColumns());
    }
  }

  /** Activations that overflow: the hook point and the image are named, and nothing is stored. */
  @Test
  void activationsThatAreNotFiniteAreNamed() throws IOException {
    Path folder = Files.createDirectory(temp.resolve("model"));
    try (Stream<Path> files = Files.list(CLIP)) {
      for (Path file : files.toList()) Files.copy(file, folder.resolve(file.getFileName()));
    }
    Path weights = folder.resolve("model.safetensors");
    try (TensorFile file = SafeTensors.open(CLIP.resolve("model.safetensors"))) {
      List<StoredTensor> all = new ArrayList<>(file.tensors().values());
      all.replaceAll(
          tensor -> {
            if (!tensor.name().equals("vision_model.encoder.layers.2.mlp.fc2.weight"))
              return tensor;
            float[] values = tensor.toFloats();
            Arrays.fill(values, 3e38f);
            return StoredTensor.ofFloats(tensor.name(), values, tensor.shape());
          });
      SafeTensors.write(temp.resolve("next"), all, Map.of());
    }
    Files.move(temp.resolve("next"), weights, StandardCopyOption.REPLACE_EXISTING);
    try (ClipModel model = ClipModel.load(folder)) {
      InputException e =
          assertThrows(InputException.class, () -> harvest(model, "bad", TokenSelection.ALL));
      String message = String.valueOf(e.getMessage());
      assertTrue(message.startsWith("p00.png: "), message);
      assertTrue(message.contains("blocks.2.hook_mlp_out"), message);
      e =
          assertThrows(
              InputException.class,
              () ->
                  source(model, Long.MAX_VALUE)
                      .forEach((batch, pixels) -> model.vision().run(pixels, Hooks.NONE)));
      assertTrue(String.valueOf(e.getMessage()).contains("p00.png"), e.getMessage());
    }
  }

  @ParameterizedTest
  @EnumSource(TokenSelection.class)
  void theStoreHoldsWhatTheTowerComputes(TokenSelection tokens) {
    try (ClipModel model = ClipModel.load(CLIP);
        ActivationStore store = ActivationStore.open(harvest(model, "store", tokens));
        Arena arena = Arena.ofConfined();
        Scope scope = Scope.open()) {
      assertEquals(19, store.images());
      int perImage = store.format().tokensPerImage();
      assertEquals(
          tokens == TokenSelection.ALL ? 17 : tokens == TokenSelection.CLS ? 1 : 16, perImage);
      MemorySegment out = arena.allocate(4L * perImage * 24);
      long[] numbers = new long[perImage];
      for (int image : new int[] {0, 5, 6, 18}) {
        for (int t = 0; t < perImage; t++) numbers[t] = (long) image * perImage + t;
        String id = store.image(numbers[0]);
        Tensor pixels = Images.one(model, images.resolve(id));
        for (int p = 0; p < POINTS.size(); p++) {
          Tensor value = model.vision().runUntil(pixels, POINTS.get(p), Hooks.NONE).value();
          Tensor chosen = value.narrow(1, tokens.first(1), perImage).contiguous();
          store.read(p, numbers, out);
          assertArrayEquals(
              chosen.toFloats(), out.toArray(ValueLayout.JAVA_FLOAT), 1e-5f, id + " " + p);
        }
      }
      assertEquals("p07.png", store.image(6L * perImage));
    }
  }

  private static final class Stop extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 4, 8, 12, 16})
  void stoppedAndResumedIsTheSame(int stop) throws IOException {
    try (ClipModel model = ClipModel.load(CLIP)) {
      Path whole = harvest(model, "whole", TokenSelection.ALL);
      Path broken = temp.resolve("broken");
      Harvest harvest =
          new Harvest(model, source(model, Long.MAX_VALUE), POINTS, TokenSelection.ALL);
      StoreFormat format = harvest.format(TokenCodec.FP32, 8);
      Progress stopping =
          (name, total, unit) ->
              new Progress.Task() {
                private long seen;

                @Override
                public void advance(long units, double flops) {
                  if ((seen += units) > stop) throw new Stop();
                }

                @Override
                public void close() {}
              };
      assertThrows(Stop.class, () -> harvest.run(format, broken, stopping));
      harvest(model, "broken", TokenSelection.ALL);
      for (String file : listing(whole)) {
        assertArrayEquals(
            Files.readAllBytes(whole.resolve(file)),
            Files.readAllBytes(broken.resolve(file)),
            file);
      }
      assertEquals(listing(whole), listing(broken));
    }
  }

  /** As on a cluster: each shard by itself, in any order. */
  @Test
  void shardsDoNotDependOnEachOther() throws IOException {
    try (ClipModel model = ClipModel.load(CLIP)) {
      Path whole = harvest(model, "whole", TokenSelection.ALL);
      Path parts = temp.resolve("parts");
      var images = source(model, Long.MAX_VALUE);
      Harvest harvest = new Harvest(model, images, POINTS, TokenSelection.ALL);
      StoreFormat format = harvest.format(TokenCodec.FP32, 8);
      try (StoreWriter writer = StoreWriter.open(parts, format)) {
        assertEquals(List.of(0, 1, 2), Harvest.missing(writer, images.count()));
        assertEquals(8, harvest.shard(format, parts, 1));
        assertEquals(List.of(0, 2), Harvest.missing(writer, images.count()));
        assertEquals(4, harvest.shard(format, parts, 2));
        assertEquals(7, harvest.shard(format, parts, 0));
        var content = writer.finish(images.count());
        assertEquals(19, content.images());
        assertEquals(List.of("p06.png", "p20.png"), List.copyOf(content.skipped().keySet()));
      }
      for (String file : listing(whole)) {
        assertArrayEquals(
            Files.readAllBytes(whole.resolve(file)), Files.readAllBytes(parts.resolve(file)), file);
      }
    }
  }

  private static List<String> listing(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files
          .filter(Files::isRegularFile)
          .map(file -> folder.relativize(file).toString())
          .sorted()
          .toList();
    }
  }

  @Test
  void aLimitHoldsAcrossResuming() {
    try (ClipModel model = ClipModel.load(CLIP)) {
      Harvest harvest = new Harvest(model, source(model, 9), POINTS, TokenSelection.CLS);
      StoreFormat format = harvest.format(TokenCodec.BF16, 8);
      Path out = temp.resolve("store");
      for (boolean resume : new boolean[] {false, true}) {
        var result = harvest.run(format, out, Progress.SILENT);
        assertEquals(8, result.images());
        assertEquals(resume ? 0 : 8, result.harvested());
      }
    }
  }

  @Test
  void layersThatAreNotThereAreRefused() {
    try (ClipModel model = ClipModel.load(CLIP)) {
      List<HookPoint> points = List.of(HookPoint.residPost(3));
      Harvest harvest = new Harvest(model, source(model, 3), points, TokenSelection.ALL);
      StoreFormat format = harvest.format(TokenCodec.FP32, Harvest.ANY_SHARD);
      Path out = temp.resolve("store");
      var e = assertThrows(InputException.class, () -> harvest.run(format, out, Progress.SILENT));
      assertTrue(String.valueOf(e.getMessage()).contains("blocks.3"), e.toString());
      assertTrue(Files.notExists(out));
    }
  }
}
