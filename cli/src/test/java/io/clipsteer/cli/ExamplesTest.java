// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.lab.run.Images;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The programs of {@code examples/}, compiled and run against these classes. {@code examples/check}
 * does it with Maven, against the installed artifacts.
 */
@Tag("slow")
final class ExamplesTest {
  private static final Path EXAMPLES =
      Path.of(System.getProperty("clipsteer.root", "..")).resolve("examples");

  private static final int WIDTH = 128;

  @TempDir private static Path temp;

  private static Path model = Path.of("");
  private static Path image = Path.of("");

  @BeforeAll
  static void draw() {
    model = temp.resolve("model");
    CliFixture.run("world", "model", "--json", "--out", model).json();
    Path images = temp.resolve("images");
    CliFixture.run("world", "generate", "--set", "mixed", "--count", 1, "--json", "--out", images)
        .json();
    image = images.resolve("000001.png");
  }

  private static Process start(String source, Object... arguments) throws IOException {
    List<String> words = new ArrayList<>();
    words.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    words.add("--enable-native-access=ALL-UNNAMED");
    words.add("--add-modules=jdk.incubator.vector");
    words.add("-Djava.awt.headless=true");
    words.add("-cp");
    words.add(System.getProperty("java.class.path"));
    words.add(EXAMPLES.resolve(source).toString());
    for (Object argument : arguments) words.add(argument.toString());
    return new ProcessBuilder(words).redirectError(temp.resolve("err.txt").toFile()).start();
  }

  private static String errors() throws IOException {
    return Files.readString(temp.resolve("err.txt"));
  }

  @Test
  void theServiceClassifies() throws IOException, InterruptedException {
    Path edit = temp.resolve("edit.safetensors");
    ReadmeExampleTest.writeEdit(edit);
    String source = "classify-service/src/main/java/example/ClassifyService.java";
    Process service = start(source, model, edit, "dog,cat,house", 0);
    try (BufferedReader lines = service.inputReader(StandardCharsets.UTF_8);
        HttpClient client = HttpClient.newHttpClient()) {
      String line = Objects.requireNonNullElse(lines.readLine(), "");
      assertTrue(line.startsWith("listening on "), errors());
      URI uri = URI.create(line.substring("listening on ".length()) + "/classify");
      HttpResponse<String> answer = post(client, uri, Files.readAllBytes(image));
      assertEquals(200, answer.statusCode(), answer.body());
      JsonNode words = JsonMapper.shared().readTree(answer.body());
      double sum = 0;
      for (JsonNode word : words) sum += word.get("probability").asDouble();
      assertEquals(3, words.size());
      assertEquals(1, sum, 2e-4);
      HttpResponse<String> refused = post(client, uri, new byte[] {1, 2, 3});
      assertEquals(400, refused.statusCode());
      assertTrue(refused.body().contains("error"), refused.body());
    } finally {
      service.destroy();
    }
  }

  private static HttpResponse<String> post(HttpClient client, URI uri, byte[] body)
      throws IOException, InterruptedException {
    var request =
        HttpRequest.newBuilder(uri).POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
    return client.send(request, HttpResponse.BodyHandlers.ofString());
  }

  /** An SAE whose feature j is coordinate j where that is above 0. */
  private static Path identity() throws IOException {
    Path folder = Files.createDirectories(temp.resolve("sae"));
    float[] eye = new float[WIDTH * WIDTH];
    for (int j = 0; j < WIDTH; j++) eye[j * WIDTH + j] = 1;
    SafeTensors.write(
        folder.resolve("sae_weights.safetensors"),
        List.of(
            ReadmeExampleTest.f32("W_enc", eye, WIDTH, WIDTH),
            ReadmeExampleTest.f32("b_enc", new float[WIDTH], WIDTH),
            ReadmeExampleTest.f32("W_dec", eye, WIDTH, WIDTH),
            ReadmeExampleTest.f32("b_dec", new float[WIDTH], WIDTH)),
        Map.of());
    Files.writeString(
        folder.resolve("cfg.json"),
        """
        {"architecture": "standard", "d_in": 128, "d_sae": 128, "dtype": "float32",
         "apply_b_dec_to_input": true, "normalize_activations": "none", "metadata": {}}
        """);
    return folder;
  }

  @Test
  void featuresAreReadAndEdited() throws IOException, InterruptedException {
    HookPoint point = HookPoint.residPost(6);
    double[] sums = new double[WIDTH];
    try (ClipModel clip = ClipModel.load(model);
        Scope scope = Scope.open()) {
      float[] residual =
          clip.vision().runUntil(Images.one(clip, image), point, Hooks.NONE).value().toFloats();
      for (int i = 0; i < residual.length; i++) sums[i % WIDTH] += Math.max(0, residual[i]);
    }
    int best = 0;
    for (int j = 0; j < WIDTH; j++) if (sums[j] > sums[best]) best = j;
    String source = "edit-features/src/main/java/example/EditFeatures.java";
    Process program = start(source, model, identity(), point.peerName(), image, "dog,cat,house");
    program.getOutputStream().close();
    String output = new String(program.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(program.waitFor(1, TimeUnit.MINUTES), output);
    assertEquals(0, program.exitValue(), output + errors());
    String first = "feature %d: %.3f summed over the tokens".formatted(best, sums[best]);
    List<String> lines = output.lines().toList();
    assertEquals(first, lines.getFirst());
    assertTrue(lines.get(5).startsWith("before   ["), output);
    assertTrue(lines.get(6).startsWith("without " + best + " ["), output);
    String before = lines.get(5).substring(lines.get(5).indexOf('['));
    assertTrue(!lines.get(6).endsWith(before), "the edit changes the answers");
  }
}
