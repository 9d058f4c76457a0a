// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.run.RunSaes;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Edits pass from process to process without losing a bit. */
final class CandidateFileTest {
  @TempDir private static Path temp;

  private final CandidateFile files = new CandidateFile(new RunSaes(List.of()));

  /** Any finite bits, also those of subnormal numbers. */
  private static float[] anyFloats(int count) {
    Random random = new Random(5);
    float[] all = new float[count];
    for (int i = 0; i < count; ) {
      float one = Float.intBitsToFloat(random.nextInt());
      if (Float.isFinite(one)) all[i++] = one;
    }
    return all;
  }

  @Test
  void everyNumberKeepsItsBits() {
    EditSite site = EditSite.of(HookPoint.residPost(3), TokenSelection.PATCHES, 1);
    float[] numbers = anyFloats(60_000);
    Edit direction =
        new Edit(
            site,
            new Edit.Direction(numbers, numbers, anyFloats(100), null),
            new Rule.Times(new Rule.Set(Float.MIN_VALUE, -0f), 1.25f, Math.nextUp(1f)));
    List<Edit> edits =
        List.of(
            direction,
            new Edit(site, new Edit.Neurons(8, 7, 2), new Rule.Cap(0.1f, 3e-39f)),
            new Edit(site, new Edit.Neurons(8, 1), new Rule.Scale(0.1)),
            new Edit(site, new Edit.Neurons(8, 1), new Rule.Add(-Math.PI)),
            Edit.noise(direction, Long.MIN_VALUE));
    Path file = temp.resolve("candidates.json");
    List<Candidate> written =
        edits.stream()
            .map(edit -> new Candidate(Candidate.Family.PROBES, "", edit.target().count(), edit))
            .toList();
    files.write(file, "as here", written);
    files.check(file, "as here");
    var other = assertThrows(InputException.class, () -> files.check(file, "elsewhere"));
    assertTrue(String.valueOf(other.getMessage()).contains("--library"), other.toString());
    List<Candidate> read = files.read(file);
    assertEquals(written.size(), read.size());
    for (int i = 0; i < edits.size(); i++) {
      assertEquals(written.get(i).family(), read.get(i).family());
      assertEquals(written.get(i).size(), read.get(i).size());
      assertEquals(site, read.get(i).site());
      assertEquals(edits.get(i).described(), read.get(i).edit().described());
    }
    assertArrayEquals(numbers, ((Edit.Direction) read.getFirst().edit().target()).read());
  }

  @Test
  void anSaeThatTheRunHasNotIsNamed() throws Exception {
    Path file = temp.resolve("strange.json");
    Files.writeString(
        file,
        """
        {"fingerprint":"","candidates":[{"family":"features","sae":"saes/x","size":1,"edit":{
        "hook_point":"blocks.1.hook_resid_post","tokens":"all","prefix_tokens":1,
        "target":{"kind":"features","sae":"saes/x","raw":false,"width":0,"ids":[1],"read":[],
        "written":[],"centre":[],"seed":0,"like":null},
        "rule":{"kind":"set","values":[0],"number":0,"whole":null}}}]}
        """);
    var e = assertThrows(InputException.class, () -> files.read(file));
    assertTrue(String.valueOf(e.getMessage()).contains("saes/x"), e.toString());
  }
}
