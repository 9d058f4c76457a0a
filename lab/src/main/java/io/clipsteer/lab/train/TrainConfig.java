// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.annotation.JsonSerialize;
import tools.jackson.databind.ser.std.ToStringSerializer;

/**
 * What is trained on what, and how. A run's manifest holds it as it is: a component is a key.
 *
 * @param saes which SAEs, at least one, of different names
 * @param tokens which tokens the SAEs read
 * @param expansion features per dimension
 * @param schedule how long and at which rates
 * @param settings of each SAE
 * @param seed of weights and order
 * @param bufferBytes memory for activations, where the tower runs during training
 * @param start folder of an SAE to fine-tune, or null for fresh weights
 * @param device where the SAEs are trained, which a manifest records elsewhere
 */
public record TrainConfig(
    List<SaeSpec> saes,
    TokenSelection tokens,
    int expansion,
    @JsonUnwrapped Schedule schedule,
    @JsonUnwrapped SaeSettings settings,
    long seed,
    long bufferBytes,
    @JsonInclude(JsonInclude.Include.NON_NULL) @JsonSerialize(using = ToStringSerializer.class)
        @Nullable Path start,
    @JsonIgnore Device device) {
  /** Keeps a copy. */
  public TrainConfig {
    saes = List.copyOf(saes);
    if (saes.isEmpty()) throw new IllegalArgumentException("no SAE");
    if (saes.stream().map(SaeSpec::name).distinct().count() < saes.size()) {
      throw new InputException("--sae", "the same SAE twice", "Name each once");
    }
  }

  /** The same for one of its SAEs. */
  TrainConfig only(SaeSpec one) {
    return new TrainConfig(
        List.of(one), tokens, expansion, schedule, settings, seed, bufferBytes, start, device);
  }

  /** The hook points, each once. */
  public List<HookPoint> points() {
    return saes.stream().map(SaeSpec::point).distinct().toList();
  }

  /**
   * Operations of an SAE's step for each token: only the encoder's product is dense, all else
   * touches active features alone.
   *
   * @param width d
   */
  double flopsPerToken(int width) {
    return 2.0 * width * width * expansion;
  }

  /**
   * Throws unless width and number of features can be trained.
   *
   * @param width d
   * @throws InputException when k exceeds the features, or a setting applies to none of the SAEs
   */
  void check(int width) {
    long features = (long) width * expansion;
    for (SaeSpec spec : saes) {
      if (spec.variant().k() > features || features * width > Integer.MAX_VALUE) {
        throw new InputException(
            spec.variant().spelling(),
            features + " features (width " + width + " × expansion " + expansion + ")",
            "Choose k at most the features, and an expansion that fits into memory");
      }
    }
    String all =
        saes.stream()
            .map(spec -> spec.variant().spelling())
            .distinct()
            .collect(Collectors.joining(", "));
    if (settings.encoderProduct() != DType.F32
        && saes.stream().noneMatch(spec -> SaeSettings.hasProduct(spec.variant()))) {
      throw new InputException(
          all, "cannot be trained with a bf16 encoder product", "Omit --encoder-product");
    }
    if (settings.resampleSteps() > 0
        && saes.stream().noneMatch(spec -> SaeSettings.isResampled(spec.variant()))) {
      throw new InputException(all, "cannot be resampled", "Omit --resample-steps");
    }
  }
}
