// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.TextFile;
import io.clipsteer.data.store.ActivationStore;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.Tokenizer;
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
  /** Numbers of a token. */
  int width();

  /**
   * The checkpoint, absolute; {@code sha256:} and its weights' hash when its place is not known.
   */
  String model();

  /** SHA-256 of the checkpoint's weights. */
  String modelHash();

  /** SHA-256 of the images' ids, or of the texts; empty for an archive of images. */
  String dataHash();

  /** What belongs into the run's configuration. */
  Map<String, Object> settings();

  /** Throws unless it has what the configuration asks for. */
  void check(Training.Config config);

  /** Opens a feed that stands at batch {@code start}. */
  Feed open(Training.Config config, long start, Progress progress);

  /** The feed at batch {@code start}; closed when it does not get there. */
  private static Feed forwarded(Feed feed, long start) {
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
   * @param images what it sees
   */
  record FromImages(ClipModel clip, Images images) implements TrainSource {
    @Override
    public int width() {
      return clip.vision().config().width();
    }

    @Override
    public String model() {
      return clip.source().path().toAbsolutePath().normalize().toString();
    }

    @Override
    public String modelHash() {
      return Hashes.sha256(clip.source().weights());
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
      settings.put("tower_dtype", clip.vision().dtype().name());
      return settings;
    }

    @Override
    public void check(Training.Config config) {
      for (HookPoint point : config.points()) clip.vision().check(point);
    }

    @Override
    public Feed open(Training.Config config, long start, Progress progress) {
      return forwarded(new ImageFeed(clip, images, config, progress), start);
    }
  }

  /**
   * Texts, one a line.
   *
   * @param file where they are from
   * @param lines none of them empty
   */
  record Texts(Path file, List<String> lines) {
    /** Reads a file as {@link TextFile#lines} does. */
    public static Texts read(Path file) {
      return new Texts(file, TextFile.lines(file));
    }
  }

  /**
   * Straight from texts: the text tower runs up to the last hook point.
   *
   * @param clip the model, with a text tower and a tokenizer
   * @param texts what it reads
   */
  record FromTexts(ClipModel clip, Texts texts) implements TrainSource {
    /** Refuses a model that reads no texts. */
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
    public String model() {
      return clip.source().path().toAbsolutePath().normalize().toString();
    }

    @Override
    public String modelHash() {
      return Hashes.sha256(clip.source().weights());
    }

    @Override
    public String dataHash() {
      return Hashes.sha256(String.join("\n", texts.lines()).getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public Map<String, Object> settings() {
      Map<String, Object> settings = new LinkedHashMap<>();
      settings.put("texts", texts.file().toString());
      settings.put("text_count", texts.lines().size());
      settings.put("tower_dtype", tower().dtype().name());
      return settings;
    }

    @Override
    public void check(Training.Config config) {
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
    public Feed open(Training.Config config, long start, Progress progress) {
      Tokenizer tokenizer = Objects.requireNonNull(clip.tokenizer());
      return forwarded(new TextFeed(tower(), tokenizer, texts, config, progress), start);
    }
  }

  /**
   * From a store.
   *
   * @param store open; its owner closes it
   * @param folder its folder
   * @param clip the model that it was harvested with, or null when it is not at hand
   */
  record FromStore(ActivationStore store, Path folder, @Nullable ClipModel clip)
      implements TrainSource {
    /** Refuses another model than the store's. */
    public FromStore {
      if (clip != null && !Hashes.sha256(clip.source().weights()).equals(store.format().model())) {
        throw new InputException(
            clip.source().path(),
            "is not the model that " + folder + " was harvested with",
            "Name that one, or leave --model out");
      }
    }

    @Override
    public int width() {
      return store.format().width();
    }

    @Override
    public String model() {
      return clip == null
          ? RunFolder.HASH + store.format().model()
          : clip.source().path().toAbsolutePath().normalize().toString();
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
    public void check(Training.Config config) {
      // The feed holds hook points and tokens against the store when it is opened.
      new StoreFeed(store, config, 0).close();
    }

    @Override
    public Feed open(Training.Config config, long start, Progress progress) {
      return new StoreFeed(store, config, start);
    }
  }
}
