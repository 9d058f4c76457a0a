// SPDX-License-Identifier: Apache-2.0

/**
 * Files that clipsteer reads and writes. Exported are the packages with a type marked {@code @API}.
 */
open module io.clipsteer.data {
  requires java.desktop;
  requires com.fasterxml.jackson.annotation;
  requires com.twelvemonkeys.imageio.webp;
  requires org.apache.commons.compress;
  requires tools.jackson.core;
  requires tools.jackson.databind;
  requires static org.apiguardian.api;
  requires static org.jspecify;

  exports io.clipsteer.data;
  exports io.clipsteer.data.preprocess;
  exports io.clipsteer.data.tensor;
  exports io.clipsteer.data.folder to
      io.clipsteer.cli,
      io.clipsteer.engine,
      io.clipsteer.explorer,
      io.clipsteer.lab,
      io.clipsteer.world;
  exports io.clipsteer.data.image to
      io.clipsteer.cli,
      io.clipsteer.explorer,
      io.clipsteer.lab,
      io.clipsteer.world;
  exports io.clipsteer.data.imageset to
      io.clipsteer.bench,
      io.clipsteer.cli,
      io.clipsteer.explorer,
      io.clipsteer.lab;
  exports io.clipsteer.data.json to
      io.clipsteer.cli,
      io.clipsteer.engine,
      io.clipsteer.explorer,
      io.clipsteer.lab;
  exports io.clipsteer.data.stats to
      io.clipsteer.cli,
      io.clipsteer.explorer,
      io.clipsteer.lab;
  exports io.clipsteer.data.store to
      io.clipsteer.cli,
      io.clipsteer.lab;
  exports io.clipsteer.data.table to
      io.clipsteer.cli,
      io.clipsteer.explorer,
      io.clipsteer.lab;

  uses io.clipsteer.data.RemotePaths;
}
