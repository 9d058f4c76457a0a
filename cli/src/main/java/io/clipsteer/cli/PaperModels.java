// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.reproduce.PreparedSets;
import io.clipsteer.engine.model.VisionConfig;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The models of {@code reproduce}.
 *
 * @param paper whose models they stand for
 * @param model checkpoint, absolute
 * @param config its vision tower's
 * @param flops of its tower for an image
 * @param texts whether it has a text tower and its tokenizer
 * @param library of text embeddings, or null
 * @param dino second checkpoint, or null
 * @param second its vision tower's
 * @param hash of the model's weights
 */
record PaperModels(
    String paper,
    Path model,
    VisionConfig config,
    double flops,
    boolean texts,
    @Nullable Path library,
    @Nullable Path dino,
    @Nullable VisionConfig second,
    String hash) {
  /** Layers, width, patch and side of the input. */
  private record Shape(int layers, int width, int patch, int side) {
    static Shape of(VisionConfig config) {
      return new Shape(config.layers(), config.width(), config.patch(), config.imageSize());
    }

    @Override
    public String toString() {
      return layers + " layers of width " + width + ", patches of " + patch + " pixels";
    }
  }

  private static final Shape B_32 = new Shape(12, 768, 32, 224);
  private static final Shape B_16 = new Shape(12, 768, 16, 224);

  /** DINOv2's positions are those of images of 518 pixels. */
  private static final int DINO_PATCH = 14;

  private Shape published() {
    return paper.equals("saev") ? B_16 : B_32;
  }

  /** Whether they have the shapes of the paper's: whose weights they have is not known. */
  boolean sameShape() {
    Shape own = Shape.of(config);
    if (!own.equals(published())) return false;
    return second == null
        || second.layers() == B_16.layers
            && second.width() == B_16.width
            && second.patch() == DINO_PATCH;
  }

  /** The models beside the paper's, in a sentence or two. */
  String shape() {
    String same =
        sameShape()
            ? " has the shape of the paper's; whether its weights are the same is not checked."
            : " is another than the paper's (" + published() + ").";
    String first = "The model, " + Shape.of(config) + "," + same;
    return second == null ? first : first + " The second one: " + Shape.of(second) + ".";
  }

  /** The paper's sets. */
  PreparedSets prepare(Path data, Path folder) {
    return PreparedSets.of(paper, data, folder, texts, library);
  }
}
