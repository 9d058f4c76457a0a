// SPDX-License-Identifier: Apache-2.0
package example;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.lab.answer.SteeredClip;
import io.clipsteer.lab.answer.ZeroShot;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;

/**
 * Classifies images over HTTP with an edited CLIP: {@code POST /classify} takes the bytes of an
 * image file and returns its answers as JSON, the most probable first.
 *
 * <pre>ClassifyService MODEL EDIT.safetensors WORD,WORD,… PORT</pre>
 */
public final class ClassifyService {
  private static final int MOST_BYTES = 20 << 20;

  private final SteeredClip clip;
  private final AnswerHead head;
  private final int words;

  private ClassifyService(SteeredClip clip, List<String> words) {
    this.clip = clip;
    this.words = words.size();
    // The text tower reads the words once, at the start.
    var texts =
        ZeroShot.library(clip.model(), words, ZeroShot.DEFAULT_TEMPLATES, Progress.SILENT);
    this.head = ZeroShot.head(clip.model(), texts);
  }

  /** Starts the service; port 0 takes a free one, which it prints. */
  public static void main(String[] args) throws IOException {
    var edits = List.of(Path.of(args[1])); // what clipsteer export wrote
    SteeredClip clip = SteeredClip.load(Path.of(args[0]), edits, DType.F32, Device.CPU);
    var service = new ClassifyService(clip, List.of(args[2].split(",")));
    int port = Integer.parseInt(args[3]);
    var address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    HttpServer server = HttpServer.create(address, 0);
    // A model is for one thread at a time; each operation uses all cores.
    server.setExecutor(Executors.newSingleThreadExecutor());
    server.createContext("/classify", service::classify);
    server.start();
    System.out.println("listening on http://localhost:" + server.getAddress().getPort());
  }

  private void classify(HttpExchange exchange) throws IOException {
    try (exchange) {
      if (!exchange.getRequestURI().getPath().equals("/classify")) {
        send(exchange, 404, "{\"error\": \"there is only /classify\"}\n");
        return;
      }
      if (!exchange.getRequestMethod().equals("POST")) {
        exchange.getResponseHeaders().set("Allow", "POST");
        exchange.sendResponseHeaders(405, -1);
        return;
      }
      byte[] image = exchange.getRequestBody().readNBytes(MOST_BYTES + 1);
      if (image.length > MOST_BYTES) {
        send(exchange, 413, "{\"error\": \"more than 20 MiB\"}\n");
        return;
      }
      try {
        send(exchange, 200, answers(image));
      } catch (InputException e) { // One line: what is wrong, and what to do.
        send(exchange, 400, "{\"error\": " + quoted(e.getMessage()) + "}\n");
      }
    }
  }

  private String answers(byte[] image) {
    return clip.answers(image, "the image", head, words).stream()
        .map(ClassifyService::json)
        .collect(Collectors.joining(",\n  ", "[\n  ", "\n]\n"));
  }

  private static String json(ZeroShot.Answer answer) {
    return String.format(
        Locale.ROOT,
        "{\"word\": %s, \"probability\": %.4f}",
        quoted(answer.word()),
        answer.probability());
  }

  private static String quoted(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ") + '"';
  }

  private static void send(HttpExchange exchange, int status, String json) throws IOException {
    byte[] body = json.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
  }
}
