// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonProperty;
import io.clipsteer.data.imageset.ImageLoader;
import java.util.List;

/** What reports in JSON files have in common. */
public interface JsonReport {
  /** Of the file. */
  @JsonProperty
  default int protocol() {
    return 1;
  }

  /** The version that wrote it. */
  @JsonProperty
  default String clipsteer() {
    return Versions.CLIPSTEER;
  }

  /** Images that could not be read; the file holds their number. */
  @JsonIgnore
  List<ImageLoader.Skipped> skipped();

  /** Number of images that could not be read. */
  @JsonProperty("skipped")
  default int skippedCount() {
    return skipped().size();
  }
}
