// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.InputException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The SAE's activation function φ, and with it how it is trained. */
public sealed interface SaeVariant {
  /** The variant as written on the command line, {@code topk:k=32}. */
  String spelling();

  /**
   * The k largest pre-activations of a token stay, negative ones among them become 0.
   *
   * @param k at least 1
   */
  record TopK(int k) implements SaeVariant {
    @Override
    public String spelling() {
      return "topk:k=" + k;
    }
  }

  /** Reads {@code topk:k=32}. */
  static SaeVariant parse(String text) {
    Matcher m = Pattern.compile("topk:k=(\\d{1,6})").matcher(text);
    if (!m.matches() || Integer.parseInt(m.group(1)) < 1) {
      throw new InputException(
          "--sae " + text, "not an SAE this version trains", "Write topk:k=32");
    }
    return new TopK(Integer.parseInt(m.group(1)));
  }
}
