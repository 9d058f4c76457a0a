// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Measures a {@link Reconstruction}, a batch of rows at a time; sums are float64. */
public final class ReconstructionMeter {
  /** Keeps the cosine of a row of zeros at 0. */
  private static final double TINY = 1e-30;

  private final Sae sae;
  private final VarianceTally variance;
  private final BitSet alive;
  private final List<Float> unexplained = new ArrayList<>();
  private long rows;
  private long active;
  private double squares;
  private double norms;
  private double cosines;

  /** Without the forms of explained variance that need to know the tokens beforehand. */
  public ReconstructionMeter(Sae sae) {
    this(sae, null);
  }

  /**
   * No row yet.
   *
   * @param statistics of all rows that will be added; null for the ratio of sums alone
   */
  public ReconstructionMeter(Sae sae, @Nullable TokenStatistics statistics) {
    this.sae = sae;
    this.variance = new VarianceTally(sae.width(), statistics);
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
      variance.add(x.toFloats(), back.toFloats());
      Tensor square = x.mul(x);
      squares += square.sum(DType.F64).item();
      if (tokens > 0) {
        Tensor gap = back.subInPlace(x);
        Tensor wrong = gap.mul(gap);
        float[] over = perImage(wrong, tokens);
        float[] all = perImage(square, tokens);
        for (int i = 0; i < over.length; i++) unexplained.add(over[i] / all[i]);
      }
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
    return new Reconstruction(
        rows,
        variance.explainedVariance(),
        (double) active / rows,
        (double) alive.cardinality() / sae.features(),
        cosines / rows,
        variance.forms());
  }
}
