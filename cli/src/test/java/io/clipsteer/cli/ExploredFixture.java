// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/**
 * A small run with an index for tests of the explorer; a name, a label and a word want to be more
 * than text.
 */
record ExploredFixture(Path run, Path images, Path labels) {
  static final int IMAGES = 33;

  static final String EVIL = "</script><img src=x onerror=window.evil=1>";

  private static final String EVIL_FILE = "a'\"><img src=x onerror=window.evil=1>.png";

  static ExploredFixture in(Path temp) throws IOException {
    Path images = temp.resolve("images");
    Random random = new Random(1);
    StringBuilder labels = new StringBuilder("file\tshade\n");
    for (int i = 0; i < IMAGES; i++) {
      String name = i == 0 ? EVIL_FILE : "p%02d.png".formatted(i);
      boolean dark = i % 3 == 0;
      CliFixture.writeImage(images.resolve(name), random, dark ? 0x101010 : 0xC0C0C0, 0x202020);
      if (i > 0) labels.append(name).append('\t').append(dark ? EVIL : "light").append('\n');
    }
    Path table = Files.writeString(temp.resolve("labels.tsv"), labels);
    Path words = Files.writeString(temp.resolve("words.txt"), EVIL + "\nlight\nred\n\"dog\"\n");
    Path run = temp.resolve("run");
    CliFixture.train(run, CliFixture.CLIP, images, "--layers", "1,2", "--expansion", "4");
    var indexed =
        CliFixture.run(
            "index",
            "--run",
            run,
            "--images",
            images,
            "--labels",
            table,
            "--vocabulary",
            words,
            "--top",
            "5");
    assertEquals(0, indexed.code(), indexed.err());
    return new ExploredFixture(run, images, table);
  }

  /** A human evaluation of the run, on images of its own: a unit needs twenty active ones. */
  Path plan(Path out) throws IOException {
    Path more = out.resolveSibling("more");
    Random random = new Random(2);
    for (int i = 0; i < 120; i++) {
      int colour = i % 2 == 0 ? 0x101010 : 0xC0C0C0;
      CliFixture.writeImage(more.resolve("m%03d.png".formatted(i)), random, colour, 0x808080);
    }
    var planned =
        CliFixture.run(
            "labels",
            "plan",
            "--run",
            run,
            "--images",
            more,
            "--features",
            4,
            "--per-feature",
            1,
            "--out",
            out);
    assertEquals(0, planned.code(), planned.err());
    return out;
  }
}
