// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.json.JsonFile;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.List;

/**
 * The right answers of a batch of images: the smallest piece of a trial that is stored.
 *
 * @param groups of the images that could be read
 * @param before bits of those answered right without an edit, as of {@link BitSet}
 * @param after the same with each of the candidates
 * @param skipped images of the batch that could not be read
 */
record TrialBlock(
    List<Integer> groups, byte[] before, List<byte[]> after, List<ImageLoader.Skipped> skipped) {

  static TrialBlock of(
      List<Integer> groups, BitSet before, List<BitSet> after, List<ImageLoader.Skipped> skipped) {
    return new TrialBlock(
        groups, before.toByteArray(), after.stream().map(BitSet::toByteArray).toList(), skipped);
  }

  /** SHA-256 of the block as text. */
  String sha256() {
    return Hashes.sha256(JsonFile.line(this).getBytes(StandardCharsets.UTF_8));
  }
}
