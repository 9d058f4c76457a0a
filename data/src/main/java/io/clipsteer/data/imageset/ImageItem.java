// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One image of an {@link ImageSet}, not yet read.
 *
 * @param id its path relative to the set, with {@code /} between the parts
 * @param label its class as the set writes it, or null
 * @param source reads the file; every failure is an {@link io.clipsteer.data.InputException}
 */
public record ImageItem(String id, @Nullable String label, Supplier<byte[]> source) {
  /** The bytes of the image's file. */
  public byte[] bytes() {
    return source.get();
  }
}
