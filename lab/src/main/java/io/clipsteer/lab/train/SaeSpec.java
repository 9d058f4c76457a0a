// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import com.fasterxml.jackson.annotation.JsonValue;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.sae.train.SaeVariant;

/**
 * One SAE of a training.
 *
 * @param point where its activations are taken
 * @param variant its kind
 * @param targetL0 L0 to which its penalty is tuned, or 0 for a fixed penalty
 */
public record SaeSpec(HookPoint point, SaeVariant variant, double targetL0) {
  /** With a fixed penalty. */
  public SaeSpec(HookPoint point, SaeVariant variant) {
    this(point, variant, 0);
  }

  /** Its folder's name in a run, and its value in JSON. */
  @JsonValue
  public String name() {
    String spelled = variant.spelling().replaceAll("[:=,]", "-");
    String target = targetL0 == 0 ? "" : ".target-" + shorter(targetL0);
    return point.peerName() + "." + spelled + target;
  }

  private static String shorter(double number) {
    return number == Math.rint(number) ? Long.toString((long) number) : Double.toString(number);
  }
}
