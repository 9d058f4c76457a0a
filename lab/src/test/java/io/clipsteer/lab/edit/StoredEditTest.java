// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.edit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Edits whose units change in part come back from the disk. */
final class StoredEditTest {
  @TempDir private Path temp;

  private String written(Rule rule) throws IOException {
    new StoredEdit(
            Path.of("model"),
            "hash",
            Path.of("sae"),
            "",
            HookPoint.residPost(3),
            TokenSelection.PATCHES,
            new StoredEdit.FeatureIds(new int[] {4, 9}),
            rule)
        .write(temp, null);
    return Files.readString(temp.resolve(StoredEdit.FILE));
  }

  @Test
  void strengthsComeBack() throws IOException {
    String json = written(new Rule.Times(new Rule.Cap(0.5f, 2), 1, 1.75f));
    assertEquals(1, json.split("\"strength\"", -1).length - 1, "1 is not written");
    Rule.Times part = assertInstanceOf(Rule.Times.class, StoredEdit.read(temp).rule());
    assertArrayEquals(new float[] {1, 1.75f}, part.strengths());
    assertArrayEquals(new float[] {0.5f, 2}, part.whole().values(2));
    assertEquals(Rule.RuleKind.CAP, part.kind());
  }

  @Test
  void wholeChangesHaveNoStrength() throws IOException {
    assertFalse(written(new Rule.Set(0, 1)).contains("strength"));
    assertInstanceOf(Rule.Set.class, StoredEdit.read(temp).rule());
  }

  @Test
  void strengthsThatAreNoNumbersAreRefused() throws IOException {
    String json = written(new Rule.Times(new Rule.Set(0, 1), 1, 1.75f));
    for (String bad : new String[] {"\"a\"", "null", "1e99", "[]"}) {
      Files.writeString(temp.resolve(StoredEdit.FILE), json.replace("1.75", bad));
      InputException e = assertThrows(InputException.class, () -> StoredEdit.read(temp));
      assertTrue(String.valueOf(e.getMessage()).contains("strength"), e::getMessage);
    }
  }
}
