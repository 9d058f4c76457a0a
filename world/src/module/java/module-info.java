// SPDX-License-Identifier: Apache-2.0

/** The demo's synthetic images. Exported are the packages with a type marked {@code @API}. */
open module io.clipsteer.world {
  requires java.desktop;
  requires io.clipsteer.data;
  requires org.apache.fontbox;
  requires org.apache.pdfbox.io;
  requires tools.jackson.databind;
  requires static org.jspecify;

  exports io.clipsteer.world to
      io.clipsteer.cli,
      io.clipsteer.lab;
}
