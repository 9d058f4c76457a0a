// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/** Measures a {@link Reconstruction}, a batch of rows at a time; sums are float64. */
public final class ReconstructionMeter {
  /** Keeps the cosine of a row of zeros at 0. */
  private static final double TINY = 1e-30;

  private final Sae sae;
  private final double[] sums;
  private final BitSet alive;
  private final List<Float> unexplained = new ArrayList<>();
  private long rows;
  private long active;
  private double error;
  private double squares;
  private double norms;
  private double cosines;

  public ReconstructionMeter(Sae sae) {
    this.sae = sae;
    this.sums = new double[sae.width()];
    this.alive = new BitSet(sae.features());
  }

  /**
   * Adds rows.
   *
   * @param x F32 [n,d]
   */
  public void add(Tensor x) {
    add(x, 0);
  }

  /**
   * Adds the rows of images.
   *
   * @param x F32 [n,d]
   * @param tokens rows per image; 0 when figures by image are not needed
   */
  public void add(Tensor x, int tokens) {
    try (Scope scope = Scope.open()) {
      Sae.Encoded encoded = sae.encode(x);
      Tensor back = sae.decode(encoded);
      Tensor lengths = x.norm(1);
      Tensor product = lengths.mul(back.norm(1)).addInPlace(TINY).reshape(x.size(0));
      cosines += x.mul(back).sum(1, false, DType.F32).div(product).sum(DType.F64).item();
      norms += lengths.sum(DType.F64).item();
      Tensor gap = back.subInPlace(x);
      Tensor wrong = gap.mul(gap);
      Tensor square = x.mul(x);
      error += wrong.sum(DType.F64).item();
      squares += square.sum(DType.F64).item();
      if (tokens > 0) {
        float[] over = perImage(wrong, tokens);
        float[] all = perImage(square, tokens);
        for (int i = 0; i < over.length; i++) unexplained.add(over[i] / all[i]);
      }
      float[] columns = x.sum(0, false, DType.F64).toFloats();
      for (int j = 0; j < sums.length; j++) sums[j] += columns[j];
      float[] values = encoded.code().values().toFloats();
      long[] indices = encoded.code().indices().to(DType.I64).toLongs();
      for (int i = 0; i < values.length; i++) {
        if (values[i] <= 0) continue;
        active++;
        alive.set((int) indices[i]);
      }
      rows += x.size(0);
    }
  }

  private static float[] perImage(Tensor squares, int tokens) {
    long images = squares.size(0) / tokens;
    return squares.reshape(images, tokens * squares.size(1)).sum(1, false, DType.F64).toFloats();
  }

  /** Unexplained share of each image's squares: Σ‖x−x̂‖²/Σ‖x‖² over its rows. */
  public List<Float> unexplained() {
    return unexplained;
  }

  /** Mean length of the rows. */
  public double meanNorm() {
    return norms / rows;
  }

  /** Root of the rows' mean squared length. */
  public double rootMeanSquare() {
    return Math.sqrt(squares / rows);
  }

  /** The figures so far. */
  public Reconstruction result() {
    double meanSquare = 0;
    for (double sum : sums) meanSquare += sum / rows * sum / rows;
    return new Reconstruction(
        rows,
        1 - error / (squares - rows * meanSquare),
        (double) active / rows,
        (double) alive.cardinality() / sae.features(),
        cosines / rows);
  }
}
