// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.answer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.CompiledEdit;
import io.clipsteer.engine.edit.EditSidecar;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TowerOutput;
import io.clipsteer.lab.run.Images;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A CLIP model for use in other programs, whose image tower is edited on every pass. The text tower
 * is not edited.
 *
 * <pre>{@code
 * try (SteeredClip clip = SteeredClip.load(model, List.of(edit), DType.F32, Device.CPU)) {
 *   float[] embedding = clip.embed(image);
 * }
 * }</pre>
 */
@API(status = API.Status.MAINTAINED, since = "0.1")
public final class SteeredClip implements AutoCloseable {
  private final ClipModel model;
  private final List<CompiledEdit> edits;
  private final Hooks hooks;

  private SteeredClip(ClipModel model, List<CompiledEdit> edits) {
    this.model = model;
    this.edits = List.copyOf(edits);
    Hooks all = Hooks.NONE;
    for (CompiledEdit edit : edits) all = all.edit(edit.site().point(), edit);
    this.hooks = all;
  }

  /**
   * Loads a checkpoint and edits, which apply in this order.
   *
   * @param checkpoint any that {@link ClipModel#load} reads
   * @param sidecars files of {@code clipsteer export --to sidecar}
   * @throws InputException when an edit does not fit the model
   */
  public static SteeredClip load(Path checkpoint, List<Path> sidecars, DType dtype, Device device) {
    List<CompiledEdit> edits = new ArrayList<>();
    ClipModel model = ClipModel.load(checkpoint, dtype, device);
    try {
      for (Path sidecar : sidecars) {
        CompiledEdit edit = EditSidecar.read(sidecar).movedTo(device);
        edits.add(edit);
        check(model, edit, sidecar);
      }
      return new SteeredClip(model, edits);
    } catch (RuntimeException e) {
      edits.forEach(CompiledEdit::close);
      model.close();
      throw e;
    }
  }

  private static void check(ClipModel model, CompiledEdit edit, Path sidecar) {
    model.vision().check(edit.site().point());
    var config = model.vision().config();
    int prefix = edit.site().prefixTokens();
    if (edit.width() != config.width() || prefix != config.prefixTokens()) {
      throw new InputException(
          sidecar,
          "was made for a tower of width "
              + edit.width()
              + " with "
              + prefix
              + " prefix tokens, this one has "
              + config.width()
              + " and "
              + config.prefixTokens(),
          "Use it with the model it was exported for");
    }
  }

  /** The model without edits. */
  public ClipModel model() {
    return model;
  }

  /** Unit embeddings F32 [b,e] of preprocessed images F32 [b,3,h,w], in the current scope. */
  public Tensor embed(Tensor pixels) {
    return model.vision().run(pixels, hooks).embedding();
  }

  /** The unit embedding of an image file. */
  public float[] embed(Path image) {
    try (Scope scope = Scope.open()) {
      return embed(Images.one(model, image)).toFloats();
    }
  }

  /**
   * Answers for an image file, the most probable first.
   *
   * @param head zero-shot words ({@link ZeroShot#head}) or a probe of the model
   * @param top number of answers
   */
  public List<ZeroShot.Answer> answers(Path image, AnswerHead head, int top) {
    try (Scope scope = Scope.open()) {
      return answers(Images.one(model, image), head, top);
    }
  }

  /**
   * The same of an image file's bytes, as a service receives them.
   *
   * @param name of the image in messages
   * @throws InputException when the bytes are no image that is read
   */
  public List<ZeroShot.Answer> answers(byte[] image, String name, AnswerHead head, int top) {
    try (Scope scope = Scope.open()) {
      return answers(Images.one(model, image, name), head, top);
    }
  }

  private List<ZeroShot.Answer> answers(Tensor pixels, AnswerHead head, int top) {
    TowerOutput output = model.vision().run(pixels, hooks);
    return ZeroShot.answers(output, head, top).getFirst();
  }

  @Override
  public void close() {
    edits.forEach(CompiledEdit::close);
    model.close();
  }
}
