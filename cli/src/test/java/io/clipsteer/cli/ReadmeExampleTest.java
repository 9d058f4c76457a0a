// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The library example of README.md, cut from the page, compiled and run as a user would, with an
 * edit that changes the answers. The edit's file is written here, as docs/protocol.md has it.
 */
final class ReadmeExampleTest {
  private static final Path ROOT = Path.of(System.getProperty("clipsteer.root", ".."));

  @Test
  void compilesAndRuns(@TempDir Path folder) throws IOException, InterruptedException {
    String page = Files.readString(ROOT.resolve("README.md"));
    int from = page.indexOf("```java\n") + "```java\n".length();
    Path source = folder.resolve("Example.java");
    Files.writeString(source, page.substring(from, page.indexOf("```", from)));
    Path model = folder.resolve("model");
    Path images = folder.resolve("images");
    CliFixture.run("world", "model", "--json", "--out", model).json();
    CliFixture.run("world", "generate", "--set", "mixed", "--count", 1, "--json", "--out", images)
        .json();
    Path edit = folder.resolve("edit.safetensors");
    writeEdit(edit);
    Process process =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "--enable-native-access=ALL-UNNAMED",
                    "--add-modules=jdk.incubator.vector",
                    "-Djava.awt.headless=true",
                    "-cp",
                    System.getProperty("java.class.path"),
                    source.toString(),
                    model.toString(),
                    images.resolve("000001.png").toString(),
                    edit.toString()))
            .redirectErrorStream(true)
            .start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(2, TimeUnit.MINUTES), output);
    assertEquals(0, process.exitValue(), output);
    String before = output.lines().filter(l -> l.startsWith("before ")).findFirst().orElseThrow();
    String after = output.lines().filter(l -> l.startsWith("after ")).findFirst().orElseThrow();
    assertTrue(before.contains("word=man") && before.contains("word=woman"), output);
    assertTrue(!before.substring(7).equals(after.substring(7)), output);
  }

  /** One feature of the demo CLIP's block 1, always set to 50. */
  static void writeEdit(Path file) {
    float[] row = new float[128];
    row[0] = 1;
    SafeTensors.write(
        file,
        List.of(
            f32("encoder", new float[128], 128, 1),
            f32("bias", new float[1], 1),
            f32("thresholds", new float[1], 1),
            f32("decoder", row, 1, 128),
            f32("values", new float[] {50}, 1),
            stored("units", DType.I64, new byte[8], 1)),
        Map.of(
            "format", "clipsteer-edit",
            "version", "3",
            "hook_point", "blocks.1.hook_resid_post",
            "tokens", "ALL",
            "prefix_tokens", "1",
            "rule", "set",
            "top_k", "0",
            "normalisation", "none"));
  }

  static StoredTensor f32(String name, float[] values, long... shape) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return stored(name, DType.F32, bytes.array(), shape);
  }

  private static StoredTensor stored(String name, DType dtype, byte[] bytes, long... shape) {
    return new StoredTensor(name, dtype, shape, MemorySegment.ofArray(bytes));
  }
}
