// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.TextFile;
import io.clipsteer.data.store.ActivationStore;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Where a training's activations come from. */
public sealed interface TrainSource {
  /** The model; null only where a store's is unknown. */
  @Nullable ClipModel clip();

  /** Dimensions of a token. */
  int width();

  /**
   * The checkpoint's absolute path; {@code sha256:} and the hash of its weights when the path is
   * not known.
   */
  default String model() {
    return path(Objects.requireNonNull(clip()));
  }

  /** SHA-256 of the checkpoint's weights. */
  default String modelHash() {
    return Hashes.sha256(Objects.requireNonNull(clip()).source().weights());
  }

  private static String path(ClipModel clip) {
    return clip.source().path().toAbsolutePath().normalize().toString();
  }

  /** SHA-256 of the images' ids, or of the texts. */
  String dataHash();

  /** The source's part of the manifest. */
  Map<String, Object> settings();

  /** Throws unless it has the configuration's hook points and tokens. */
  void check(TrainConfig config);

  /** Opens a feed at batch {@code start}. */
  Feed open(TrainConfig config, long start, Progress progress);

  /** A feed forwarded to batch {@code start}; closed when that fails. */
  private static Feed feed(TokenSource source, int width, TrainConfig config, long start) {
    Feed feed = new BufferedFeed(source, width, config);
    try {
      for (long step = 0; step < start; step++) feed.next();
    } catch (RuntimeException e) {
      feed.close();
      throw e;
    }
    return feed;
  }

  /**
   * Straight from images: the tower runs up to the last hook point.
   *
   * @param clip the model
   * @param images read again and again as far as training needs
   */
  record FromImages(ClipModel clip, Images images) implements TrainSource {
    @Override
    public int width() {
      return clip.vision().config().width();
    }

    @Override
    public String dataHash() {
      return images.listing().sha256();
    }

    @Override
    public Map<String, Object> settings() {
      Map<String, Object> settings = new LinkedHashMap<>();
      settings.put("images", images.set().origin().toString());
      settings.put("preprocessing", images.preprocessing().toString());
      settings.put("image_batch", images.options().batchSize());
      settings.put("tower_dtype", clip.vision().dtype().toString());
      return settings;
    }

    @Override
    public void check(TrainConfig config) {
      for (HookPoint point : config.points()) clip.vision().check(point);
    }

    @Override
    public Feed open(TrainConfig config, long start, Progress progress) {
      return feed(new ImageTokenSource(clip, images, config, progress), width(), config, start);
    }
  }

  /**
   * Straight from texts: the text tower runs up to the last hook point.
   *
   * @param clip the model, with a text tower and a tokenizer
   * @param file their source
   * @param texts none of them empty
   */
  record FromTexts(ClipModel clip, Path file, List<String> texts) implements TrainSource {
    /** Reads a file as {@link TextFile#lines} does. */
    public static FromTexts read(ClipModel clip, Path file) {
      return new FromTexts(clip, file, TextFile.lines(file));
    }

    /** Refuses a model without text tower or tokenizer. */
    public FromTexts {
      if (clip.text() == null || clip.tokenizer() == null) {
        throw new InputException(
            clip.source().path(),
            clip.text() == null ? "has no text tower" : "has no tokenizer beside its weights",
            "Name a CLIP, or train on --images");
      }
    }

    private TextTower tower() {
      return Objects.requireNonNull(clip.text());
    }

    @Override
    public int width() {
      return tower().config().width();
    }

    @Override
    public String dataHash() {
      return Hashes.sha256(String.join("\n", texts).getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public Map<String, Object> settings() {
      Map<String, Object> settings = new LinkedHashMap<>();
      settings.put("texts", file.toString());
      settings.put("text_count", texts.size());
      settings.put("tower_dtype", tower().dtype().toString());
      return settings;
    }

    @Override
    public void check(TrainConfig config) {
      if (config.tokens() == TokenSelection.PATCHES) {
        throw new InputException(
            "--tokens-selection patches", "texts have none", "Use all, or cls for the end token");
      }
      int layers = tower().config().layers();
      for (HookPoint point : config.points()) {
        if (point.layer() >= layers) {
          throw new InputException(
              point.peerName(),
              "the text tower has blocks 0 to " + (layers - 1),
              "Name one of them");
        }
      }
    }

    @Override
    public Feed open(TrainConfig config, long start, Progress progress) {
      return feed(new TextTokenSource(this, config, progress), width(), config, start);
    }
  }

  /**
   * From a store.
   *
   * @param store open; its owner closes it
   * @param folder its folder
   * @param clip the model that it was harvested with, or null when unknown
   */
  record FromStore(ActivationStore store, Path folder, @Nullable ClipModel clip)
      implements TrainSource {
    /** Refuses another model than the store's. */
    public FromStore {
      if (clip != null && !Hashes.sha256(clip.source().weights()).equals(store.format().model())) {
        throw new InputException(
            clip.source().path(),
            "is not the model that " + folder + " was harvested with",
            "Name that model, or omit --model");
      }
    }

    @Override
    public int width() {
      return store.format().width();
    }

    @Override
    public String model() {
      return clip == null ? RunFolder.HASH + store.format().model() : TrainSource.path(clip);
    }

    @Override
    public String modelHash() {
      return store.format().model();
    }

    @Override
    public String dataHash() {
      return store.format().listing();
    }

    @Override
    public Map<String, Object> settings() {
      Map<String, Object> settings = new LinkedHashMap<>();
      settings.put("store", folder.toString());
      settings.put("images", store.format().images());
      settings.put("store_tokens", store.tokens());
      settings.put("store_dtype", store.format().dtype());
      return settings;
    }

    @Override
    public void check(TrainConfig config) {
      // A feed compares hook points and tokens with the store when it is opened.
      new StoreFeed(store, config, 0).close();
    }

    @Override
    public Feed open(TrainConfig config, long start, Progress progress) {
      return new StoreFeed(store, config, start);
    }
  }
}
