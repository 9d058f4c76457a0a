// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.Engine;
import java.io.IOException;
import java.net.CookieManager;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** RequestTimes the explorer by its own HTTP API, as a page on the same machine meets it. */
public final class ExplorerBench {
  private static final int IMAGES = 4;
  private static final int WARM_UP = 5;

  /** Milliseconds of requests. */
  public record RequestTimes(double p50, double p95) {
    private static RequestTimes of(List<Double> all) {
      double[] sorted = all.stream().mapToDouble(Double::doubleValue).sorted().toArray();
      return new RequestTimes(at(sorted, 0.5), at(sorted, 0.95));
    }

    private static double at(double[] sorted, double share) {
      return sorted[(int) Math.ceil(share * sorted.length) - 1];
    }
  }

  /**
   * What was measured.
   *
   * @param readySeconds from the JVM's start to an address that answers
   * @param openMs of an image: tower and SAEs
   * @param searchMs of a text; null where the model reads none
   * @param patchesMs from a selection to its features with exemplars
   * @param steerMs from a slider to the answers of words and probes of classes
   * @param mapMs likewise with the maps of probes of pixels; null without one
   * @param payloadBytes of the largest selection
   */
  public record ExplorerTimes(
      long features,
      int images,
      int repeats,
      double readySeconds,
      RequestTimes openMs,
      @Nullable RequestTimes searchMs,
      RequestTimes patchesMs,
      RequestTimes steerMs,
      @Nullable RequestTimes mapMs,
      long payloadBytes,
      long peakBytes) {}

  private final String origin;
  private final HttpClient client;

  private ExplorerBench(String origin, HttpClient client) {
    this.origin = origin;
    this.client = client;
  }

  /**
   * Measures an explorer.
   *
   * @param ready seconds until it was ready
   * @param repeats requests of each kind
   */
  public static ExplorerTimes run(Explorer explorer, double ready, int repeats, long seed) {
    URI address = explorer.address();
    try (HttpClient client =
        HttpClient.newBuilder()
            .cookieHandler(new CookieManager())
            .followRedirects(HttpClient.Redirect.NORMAL)
            .build()) {
      client.send(HttpRequest.newBuilder(address).build(), HttpResponse.BodyHandlers.discarding());
      String origin = address.toString().replaceFirst("/\\?.*", "");
      return new ExplorerBench(origin, client).measure(explorer, ready, repeats, seed);
    } catch (IOException e) {
      throw new InputException(address.getHost(), "does not answer", "Try again", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InputException("bench", "was interrupted", "Try again", e);
    }
  }

  private record Timed(JsonNode answer, double milliseconds, int bytes) {}

  private Timed timed(String path, @Nullable Object body) throws IOException, InterruptedException {
    var request = HttpRequest.newBuilder(URI.create(origin + path)).header("X-Client", "bench");
    if (body != null) {
      request
          .header(Access.HEADER, "1")
          .header("Content-Type", "application/json")
          .POST(HttpRequest.BodyPublishers.ofString(JsonFile.line(body)));
    }
    long start = System.nanoTime();
    var answer = client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
    double milliseconds = (System.nanoTime() - start) * 1e-6;
    JsonNode json = JsonFile.MAPPER.readTree(answer.body());
    if (answer.statusCode() != 200) {
      throw new InputException(path, json.path("error").asString(""), "Try again");
    }
    return new Timed(json, milliseconds, answer.body().length);
  }

  private ExplorerTimes measure(Explorer explorer, double ready, int repeats, long seed)
      throws IOException, InterruptedException {
    JsonNode run = timed("/api/session", null).answer.get("runs").get(0);
    int patches = run.get("rows").asInt() * run.get("columns").asInt();
    boolean pixels = false;
    for (JsonNode head : run.get("heads")) pixels |= head.get("pixels").asBoolean();
    var random = new SplittableRandom(seed);
    int images = Math.min(IMAGES, explorer.images());
    List<Double> open = new ArrayList<>();
    List<JsonNode> found = new ArrayList<>();
    for (int k = 0; k < images; k++) {
      Timed one = timed("/api/runs/0/selection", Map.of("image", "" + k));
      open.add(one.milliseconds);
      found.add(one.answer.get("features"));
    }
    List<Double> selecting = new ArrayList<>();
    long payload = 0;
    for (int n = -WARM_UP; n < repeats; n++) {
      List<Integer> some = new ArrayList<>();
      for (int p = 1 + random.nextInt(8); p > 0; p--) some.add(random.nextInt(patches));
      Map<String, Object> body = Map.of("image", "" + random.nextInt(images), "patches", some);
      Timed one = timed("/api/runs/0/selection", body);
      payload = Math.max(payload, one.bytes);
      if (n >= 0) selecting.add(one.milliseconds);
    }
    boolean texts = run.get("texts").asBoolean();
    List<Double> steering = new ArrayList<>();
    for (int n = -WARM_UP; n < repeats; n++) {
      int image = random.nextInt(images);
      Timed one = timed("/api/runs/0/answers", edit(image, found.get(image), random, texts));
      if (n >= 0) steering.add(one.milliseconds);
    }
    RequestTimes steer = RequestTimes.of(steering);
    return new ExplorerTimes(
        explorer.features(),
        explorer.images(),
        repeats,
        ready,
        RequestTimes.of(open),
        texts ? search(run, repeats, random) : null,
        RequestTimes.of(selecting),
        steer,
        pixels ? steer : null,
        payload,
        Engine.peakBytes());
  }

  private static Map<String, Object> edit(
      int image, JsonNode features, SplittableRandom random, boolean texts) {
    JsonNode one = features.get(random.nextInt(features.size()));
    double factor = Math.round(random.nextDouble(-3, 3) * 20) / 20.0;
    Map<String, Object> unit =
        Map.of("sae", one.get("sae"), "kind", "feature", "id", one.get("id"), "set", factor + "x");
    Map<String, Object> edit = new HashMap<>();
    edit.put("image", "" + image);
    edit.put("units", List.of(unit));
    if (texts) edit.put("words", List.of("man", "woman"));
    return edit;
  }

  private RequestTimes search(JsonNode run, int repeats, SplittableRandom random)
      throws IOException, InterruptedException {
    List<Double> all = new ArrayList<>();
    List<String> words = new ArrayList<>();
    run.get("words").forEach(word -> words.add(word.asString()));
    for (int n = -WARM_UP; n < repeats; n++) {
      byte[] letters = new byte[6];
      for (int k = 0; k < letters.length; k++) letters[k] = (byte) ('a' + random.nextInt(26));
      String text =
          words.isEmpty()
              ? new String(letters, StandardCharsets.US_ASCII)
              : words.get(random.nextInt(words.size()));
      Timed one =
          timed("/api/runs/0/search?text=" + URLEncoder.encode(text, StandardCharsets.UTF_8), null);
      if (n >= 0) all.add(one.milliseconds);
    }
    return RequestTimes.of(all);
  }

  /** The times in a line each. */
  public static String text(ExplorerTimes times) {
    StringBuilder text = new StringBuilder();
    for (String line :
        Arrays.asList(
            line("open an image", times.openMs),
            line("text search", times.searchMs),
            line("selection", times.patchesMs),
            line("slider to answers", times.steerMs),
            line("slider to maps", times.mapMs))) {
      text.append(line);
    }
    return text.toString();
  }

  private static String line(String what, @Nullable RequestTimes times) {
    if (times == null) return "";
    return String.format(
        Locale.ROOT, "%-18s %7.1f ms, 95 %% below %7.1f ms%n", what, times.p50, times.p95);
  }
}
