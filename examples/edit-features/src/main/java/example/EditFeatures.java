// SPDX-License-Identifier: Apache-2.0
package example;

import io.clipsteer.data.Progress;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SparseCode;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.Images;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Reads an SAE, prints the features that an image activates most, and the image's answers before
 * and after the first of them is ablated on all tokens.
 *
 * <pre>EditFeatures MODEL SAE HOOK_POINT IMAGE WORD,WORD,…</pre>
 */
public final class EditFeatures {
  private static final int SHOWN = 5;

  private EditFeatures() {}

  /** Runs it. */
  public static void main(String[] args) {
    HookPoint point = HookPoint.parse(args[2]); // as blocks.6.hook_resid_post
    // A scope frees every tensor that is made in it; the model and the SAE free their own.
    try (ClipModel model = ClipModel.load(Path.of(args[0]));
        Sae sae = SaeFiles.read(Path.of(args[1]));
        Scope scope = Scope.open()) {
      var texts =
          ZeroShot.library(
              model, List.of(args[4].split(",")), ZeroShot.DEFAULT_TEMPLATES, Progress.SILENT);
      AnswerHead head = ZeroShot.head(model, texts);
      Tensor pixels = Images.one(model, Path.of(args[3]));

      float[] sums = activations(model, sae, point, pixels);
      List<Integer> strongest =
          IntStream.range(0, sums.length)
              .boxed()
              .sorted(Comparator.comparingDouble(f -> -sums[f]))
              .limit(SHOWN)
              .toList();
      for (int feature : strongest) {
        System.out.printf("feature %d: %.3f summed over the tokens%n", feature, sums[feature]);
      }

      int first = strongest.getFirst();
      var site =
          EditSite.of(point, TokenSelection.ALL, model.vision().config().prefixTokens());
      var edit = new Edit(site, new Edit.Features(sae, first), Rule.ablate());
      System.out.println("before   " + answers(model, pixels, Hooks.NONE, head));
      System.out.println(
          "without " + first + " " + answers(model, pixels, Hooks.NONE.edit(point, edit), head));
    }
  }

  /** The activation of each feature, summed over the image's tokens. */
  private static float[] activations(ClipModel model, Sae sae, HookPoint point, Tensor pixels) {
    try (Scope scope = Scope.open()) {
      // The tower up to the hook point: its value there is the residual [1,t,d].
      Tensor residual = model.vision().runUntil(pixels, point, Hooks.NONE).value();
      SparseCode code = sae.encode(residual.reshape(-1, sae.width())).code();
      return code.dense(sae.features()).sum(0, false, residual.dtype()).toFloats();
    }
  }

  private static List<ZeroShot.Answer> answers(
      ClipModel model, Tensor pixels, Hooks hooks, AnswerHead head) {
    return ZeroShot.answers(model.vision().run(pixels, hooks), head, 3).getFirst();
  }
}
